"""The effect of fine-tuning on the error of forecasts, panel by panel: how often and how much it helps, or harms.

    … tuning.py --panels m1.parquet --freq yearly=YE --freq quarterly=QE --freq monthly=ME
    … tuning.py --few-seasons

in the environment of ``beside_others.py``, on the panels of ``development.py``, or of ``few_seasons.py``. The change is
that of a panel's mean MASE (see ``accuracy.py``) from zero-shot to tuned; 'worse' counts the panels whose MASE grows by
more than 2%.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import Panel, scores
from development import development_panels
from few_seasons import few_season_panels

from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.network.weights import Weights, load_weights, pretrained_weights

TUNINGS = ((10, 1), (50, 1), (50, 2), (50, 3), (50, 4), (50, 5), (200, 5))
WORSE = 0.02
LARGE = 10


def mase(weights: Weights, panel: Panel) -> float:
    """Compute the mean MASE of a panel's forecasts."""
    horizon = max(len(values) for values in panel.test)
    return scores(panel, forecast(weights, panel.train, panel.season, horizon))[0]


def changes(weights: Weights, panels: list[Panel], steps: int, depth: int) -> pd.DataFrame:
    """Tune on each panel; return the relative change of its MASE, and the alpha of the tuned weights."""
    rows = []
    for panel in panels:
        tuned = tune(weights, panel.train, panel.season, steps=steps, depth=depth, loss="default", seed=0)
        change = mase(tuned.weights, panel) / mase(weights, panel) - 1 if tuned.alpha else 0.0
        rows.append((panel.name, len(panel.train), change, tuned.alpha))
    return pd.DataFrame(rows, columns=["set", "series", "change", "alpha"])


def print_row(what: str, table: pd.DataFrame) -> None:
    """Print the changes of the errors of some panels."""
    change = table["change"].to_numpy()
    print(
        f"{what:31}{change.mean():9.2%}{np.median(change):9.2%}{(change > WORSE).mean():8.1%}{change.max():8.1%}"
        f"{change.min():8.1%}{(table['alpha'] == 0).mean():11.0%}"
    )


def main() -> None:
    """Print two rows for each tuning, and the mean change of each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=Path, help="a Parquet file of panels")
    parser.add_argument("--freq", action="append", default=[], metavar="GROUP=FREQ", help="of each group of the file")
    parser.add_argument("--few-seasons", action="store_true", help="generated panels of few seasons in their place")
    parser.add_argument("--weights", type=Path, help="a safetensors file; the default is those of the package")
    parser.add_argument("--tunings", nargs="+", metavar="STEPSxDEPTH", default=[f"{s}x{d}" for s, d in TUNINGS])
    arguments = parser.parse_args()
    weights = load_weights(arguments.weights) if arguments.weights else pretrained_weights()
    frequencies = dict(each.split("=") for each in arguments.freq)
    panels = list(few_season_panels() if arguments.few_seasons else development_panels(arguments.panels, frequencies))
    large = sum(len(panel.train) >= LARGE for panel in panels)
    print(f"{len(panels)} panels, {large} of them of {LARGE} series or more")
    print(f"{'':31}{'mean':>9}{'median':>9}{'worse':>8}{'worst':>8}{'best':>8}{'unchanged':>11}")
    by_set = {}
    for each in arguments.tunings:
        steps, depth = (int(number) for number in each.split("x"))
        table = changes(weights, panels, steps, depth)
        by_set[each] = table.groupby("set", sort=False)["change"].mean()
        print_row(f"{steps} steps, depth {depth}", table)
        print_row(f"  {LARGE} series or more", table[table["series"] >= LARGE])
    print(pd.DataFrame(by_set).to_string(float_format="{:+.1%}".format))


if __name__ == "__main__":
    main()
