"""Accuracy of the local engine's network on a file of series: mean MASE and coverage, before and after fine-tuning.

    python tests/benchmarks/accuracy.py m1.parquet --freq yearly=YE --freq quarterly=QE --freq monthly=ME

The Parquet file has the columns group, unique_id, step, part ('train' or 'test') and y. Each group is one panel, with
the frequency given for it. MASE is scaled by the in-sample error of the seasonal naive forecast.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.network.weights import load_weights, pretrained_weights
from nixtla_accessor.seasons import Season, season_of

Series = list[NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The series of a group: history to train on, and the values that follow."""

    name: str
    season: Season
    train: Series
    test: Series


def read_panels(path: Path, seasons: dict[str, Season]) -> list[Panel]:
    """Read one panel for each group of the file."""
    frame = pd.read_parquet(path).sort_values(["unique_id", "step"])
    panels = []
    for name, group in frame.groupby("group", sort=False):
        parts = {
            part: [values.to_numpy(float) for _, values in rows.groupby("unique_id")["y"]]
            for part, rows in group.groupby("part")
        }
        panels.append(Panel(str(name), seasons[str(name)], parts["train"], parts["test"]))
    return panels


def seasonal_naive(panel: Panel, horizon: int) -> NDArray[np.float64]:
    """Repeat the last season, without intervals; (series, horizon, levels)."""
    m = panel.season.length
    rows = [np.resize(values[-m:], horizon) for values in panel.train]
    return np.repeat(np.stack(rows)[:, :, None], NETWORK.n_levels, axis=2)


def scores(panel: Panel, quantiles: NDArray[np.floating]) -> tuple[float, float, float]:
    """Compute the mean MASE of the median, and the coverage of the 80% and the 95% interval."""
    mase, inside_80, inside_95 = [], [], []
    for train, test, row in zip(panel.train, panel.test, quantiles, strict=True):
        lag = panel.season.length if len(train) > panel.season.length else 1
        scale = np.abs(train[lag:] - train[:-lag]).mean()
        level = {name: row[: len(test), i] for i, name in enumerate(NETWORK.quantile_levels)}
        if scale > 0:
            mase.append(np.abs(test - level[0.5]).mean() / scale)
        inside_80.append(((test >= level[0.1]) & (test <= level[0.9])).mean())
        inside_95.append(((test >= level[0.025]) & (test <= level[0.975])).mean())
    return float(np.mean(mase)), float(np.mean(inside_80)), float(np.mean(inside_95))


def print_row(
    panel: Panel, what: str, quantiles: NDArray[np.floating], began: float, alpha: float | None = None
) -> None:
    """Print the scores of one forecast, and the seconds since it began."""
    mase, inside_80, inside_95 = scores(panel, quantiles)
    shown_alpha = "" if alpha is None else f"{alpha:.2f}"
    seconds = time.perf_counter() - began
    print(f"{panel.name:12}{what:16}{mase:8.3f}{inside_80:8.1%}{inside_95:8.1%}{shown_alpha:>8}{seconds:9.2f}")


def main() -> None:
    """Print a table for each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--freq", action="append", required=True, metavar="GROUP=FREQ")
    parser.add_argument("--weights", type=Path, help="a safetensors file; the default is those of the package")
    parser.add_argument(
        "--tune",
        action="append",
        metavar="STEPSxDEPTH",
        help="may be given several times; the default is 10x1 and 50x5",
    )
    parser.add_argument("--loss", default="default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    weights = load_weights(arguments.weights) if arguments.weights else pretrained_weights()
    seasons = {group: season_of(freq) for group, freq in (each.split("=") for each in arguments.freq)}
    print(f"{'':28}{'MASE':>8}{'80%':>8}{'95%':>8}{'alpha':>8}{'seconds':>9}")
    for panel in read_panels(arguments.path, seasons):
        horizon = max(len(values) for values in panel.test)
        began = time.perf_counter()
        print_row(panel, "seasonal naive", seasonal_naive(panel, horizon), began)
        began = time.perf_counter()
        print_row(panel, "zero-shot", forecast(weights, panel.train, panel.season, horizon), began)
        for each in arguments.tune or ["10x1", "50x5"]:
            steps, depth = (int(number) for number in each.split("x"))
            began = time.perf_counter()
            tuned = tune(
                weights,
                panel.train,
                panel.season,
                steps=steps,
                depth=depth,
                loss=arguments.loss,
                seed=arguments.seed,
            )
            quantiles = forecast(tuned.weights, panel.train, panel.season, horizon)
            print_row(panel, f"{steps} steps d{depth}", quantiles, began, tuned.alpha)


if __name__ == "__main__":
    main()
