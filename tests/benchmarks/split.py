"""The zero-shot accuracy of the network on the choosing and on the reporting panels, for one or more weights.

    … split.py --panels m1.parquet --freq yearly=YE --freq quarterly=QE --freq monthly=ME --weights new.safetensors

on the panels of ``development.py``, in an environment that has statsmodels. MASE and coverage are those of
``accuracy.py``, the mean over the cuts of a set. The loss is the mean pinball loss over LEVELS and all points of a
panel, doubled and divided by the mean absolute test value.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import Panel, scores
from development import split_panels

from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.quantiles import interpolate_quantile
from nixtla_accessor.local.network.weights import Weights, load_weights, pretrained_weights

LEVELS = np.array([0.025, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.975])  # of the loss, those of earlier weights


def measure(weights: Weights, panel: Panel) -> tuple[float, float, float, float]:
    """Compute MASE, weighted quantile loss, and the coverage of the 80% and the 95% interval."""
    quantiles = forecast(weights, panel.train, panel.season, max(len(values) for values in panel.test))
    mase, inside_80, inside_95 = scores(panel, quantiles)
    losses, sizes = [], []
    for test, row in zip(panel.test, quantiles, strict=True):
        error = test[:, None] - np.stack([interpolate_quantile(row[: len(test)], level) for level in LEVELS], 1)
        losses.append(np.maximum(LEVELS * error, (LEVELS - 1) * error).ravel())
        sizes.append(np.abs(test))
    loss = 2 * np.concatenate(losses).mean() / np.concatenate(sizes).mean()
    return mase, float(loss), inside_80, inside_95


def main() -> None:
    """Print a table for each side and each file of weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=Path, help="a Parquet file of panels")
    parser.add_argument("--freq", action="append", default=[], metavar="GROUP=FREQ", help="of each group of the file")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="safetensors files, beside the package's")
    arguments = parser.parse_args()
    models = {"package": pretrained_weights(), **{str(path): load_weights(path) for path in arguments.weights}}
    sides = split_panels(arguments.panels, dict(each.split("=") for each in arguments.freq))
    for side, panels in sides.items():
        for model, weights in models.items():
            rows = [(panel.name, *measure(weights, panel)) for panel in panels]
            table = pd.DataFrame(rows, columns=["set", "MASE", "loss", "80%", "95%"])
            print(f"\n{side}, {model}")
            print(table.groupby("set", sort=False).mean().to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
