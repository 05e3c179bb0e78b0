"""Accuracy of the local engine's network on a file of series: mean MASE and coverage, before and after fine-tuning.

    python tests/benchmarks/accuracy.py m1.parquet --freq yearly=YE --freq quarterly=QE --freq monthly=ME

The Parquet file has the columns group, unique_id, step, part ('train' or 'test') and y. Each group is one panel, with
the frequency given for it. MASE is scaled by the in-sample error of the seasonal naive forecast.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nixtla_accessor.local.forecasting import forecast
from nixtla_accessor.local.network import LEVELS, load_weights, pretrained_weights
from nixtla_accessor.local.seasons import Season, season_of
from nixtla_accessor.local.tuning import tune

Series = list[NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The series of a group, and what came after them."""

    name: str
    season: Season
    train: Series
    test: Series


def read_panels(path: Path, seasons: dict[str, Season]) -> list[Panel]:
    """One panel for each group of the file."""
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
    """The last season again, without intervals. (series, horizon, levels)"""
    m = panel.season.length
    rows = [np.resize(values[-m:], horizon) for values in panel.train]
    return np.repeat(np.stack(rows)[:, :, None], len(LEVELS), axis=2)


def scores(panel: Panel, quantiles: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean MASE of the median, and the coverage of the 80% and the 95% interval."""
    mase, inside = [], {80: [], 95: []}
    for train, test, row in zip(panel.train, panel.test, quantiles, strict=True):
        lag = panel.season.length if len(train) > panel.season.length else 1
        scale = np.abs(train[lag:] - train[:-lag]).mean()
        answer = row[: len(test)]
        if scale > 0:
            mase.append(np.abs(test - answer[:, LEVELS.index(0.5)]).mean() / scale)
        for level, (low, high) in {80: (0.1, 0.9), 95: (0.025, 0.975)}.items():
            low_value, high_value = answer[:, LEVELS.index(low)], answer[:, LEVELS.index(high)]
            inside[level].append(((test >= low_value) & (test <= high_value)).mean())
    return float(np.mean(mase)), float(np.mean(inside[80])), float(np.mean(inside[95]))


def main() -> None:
    """Print a table for each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--freq", action="append", required=True, metavar="GROUP=FREQ")
    parser.add_argument("--weights", type=Path, help="a safetensors file; else those of the package")
    parser.add_argument("--tune", action="append", metavar="STEPSxDEPTH", help="else 10x1 and 50x5")
    parser.add_argument("--loss", default="default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    weights = load_weights(arguments.weights) if arguments.weights else pretrained_weights()
    seasons = {group: season_of(freq) for group, freq in (each.split("=") for each in arguments.freq)}
    print(f"{'':12}{'':14}{'MASE':>8}{'80%':>8}{'95%':>8}{'share':>8}{'seconds':>9}")
    for panel in read_panels(arguments.path, seasons):
        horizon = max(len(values) for values in panel.test)

        def show(
            what: str, answer: Callable[[], tuple[NDArray[np.float64], float | None]], panel: Panel = panel
        ) -> None:
            began = time.perf_counter()
            quantiles, share = answer()
            seconds = time.perf_counter() - began
            mase, inside80, inside95 = scores(panel, quantiles)
            moved = "" if share is None else f"{share:.2f}"
            print(f"{panel.name:12}{what:14}{mase:8.3f}{inside80:8.1%}{inside95:8.1%}{moved:>8}{seconds:9.2f}")

        def tuned(
            steps: int, depth: int, panel: Panel = panel, horizon: int = horizon
        ) -> tuple[NDArray[np.float64], float | None]:
            result = tune(
                weights,
                panel.train,
                panel.season,
                steps=steps,
                depth=depth,
                loss=arguments.loss,
                seed=arguments.seed,
            )
            return forecast(result.weights, panel.train, panel.season, horizon), result.share

        show("seasonal naive", lambda panel=panel, horizon=horizon: (seasonal_naive(panel, horizon), None))
        show(
            "zero-shot",
            lambda panel=panel, horizon=horizon: (forecast(weights, panel.train, panel.season, horizon), None),
        )
        for each in arguments.tune or ["10x1", "50x5"]:
            steps, depth = (int(number) for number in each.split("x"))
            show(f"{steps} steps d{depth}", lambda steps=steps, depth=depth: tuned(steps, depth))


if __name__ == "__main__":
    main()
