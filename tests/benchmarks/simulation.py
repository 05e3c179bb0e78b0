"""How well paths say what a sum over the horizon comes to, at rolling origins of the packages' datasets.

    python tests/benchmarks/simulation.py

Each series is simulated at several origins, each a horizon before the next, by the local engine's base model. The
interval of the sum is that of the paths; of the same paths shuffled at each step, which have no dependence over time;
and of paths sorted at each step, whose intervals are the sums of the forecast's. Coverage is that of 80 % intervals;
the error is the mean quantile loss (of the deciles), divided by that of the shuffled paths.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from nixtla_accessor import connect
from nixtla_accessor.datasets import load_unemployment, load_weather

N_PATHS, N_ORIGINS = 500, 6
DECILES = np.arange(1, 10) / 10
LEVEL = 0.8


def noise(memory: float, name: str) -> tuple[str, pd.DataFrame, int]:
    """Make a panel of first order autoregressions."""
    shocks = np.random.default_rng(0).normal(size=(40, 320))
    values = np.zeros_like(shocks)
    for step in range(1, values.shape[1]):
        values[:, step] = memory * values[:, step - 1] + shocks[:, step]
    days = np.tile(pd.date_range("2024-01-01", periods=300, freq="D"), 40)
    y = 100 + values[:, 20:].ravel()
    return name, pd.DataFrame({"unique_id": np.repeat(np.arange(40), 300), "ds": days, "y": y}), 12


def panels() -> list[tuple[str, pd.DataFrame, int]]:
    """Return the name, the frame and the horizon of each panel."""
    return [
        ("unemployment, 14 monthly series, h = 12", load_unemployment(), 12),
        ("weather, daily, h = 14", load_weather(), 14),
        ("weather, daily, h = 28", load_weather(), 28),
        noise(0.0, "white noise, 40 series, h = 12"),
        noise(0.5, "AR(1) of 0.5, 40 series, h = 12"),
        noise(0.8, "AR(1) of 0.8, 40 series, h = 12"),
        noise(1.0, "random walks, 40 series, h = 12"),
    ]


def simulate(df: pd.DataFrame, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the paths at each origin, (origins * series, paths, h), and what happened."""
    paths, actual = [], []
    place = df.groupby("unique_id").cumcount(ascending=False)
    for origin in range(1, N_ORIGINS + 1):
        past, ahead = df[place >= origin * h], df[(place < origin * h) & (place >= (origin - 1) * h)]
        drawn = past.timegpt.simulate(h, N_PATHS, seed=1, zero_shot=True)
        paths.append(drawn["TimeGPT"].to_numpy().reshape(-1, N_PATHS, h))
        actual.append(ahead.sort_values(["unique_id", "ds"])["y"].to_numpy().reshape(-1, h))
    return np.concatenate(paths), np.concatenate(actual)


def judge(sums: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    """Return the coverage of the interval of a sum, and its quantile loss."""
    low, high = np.quantile(sums, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    errors = actual - np.quantile(sums, DECILES, axis=1)
    loss = np.maximum(DECILES[:, None] * errors, (DECILES[:, None] - 1) * errors).mean()
    return float(((low <= actual) & (actual <= high)).mean()), float(loss)


def main() -> None:
    """Print a row for each panel."""
    rows = []
    with connect(base_url="local", progress=False):
        for name, df, h in panels():
            start = time.perf_counter()
            paths, actual = simulate(df, h)
            seconds = (time.perf_counter() - start) / N_ORIGINS
            sums = actual.sum(1)
            shuffled = np.random.default_rng(0).permuted(paths, axis=1)
            coverage, loss = judge(paths.sum(2), sums)
            coverage_shuffled, loss_shuffled = judge(shuffled.sum(2), sums)
            coverage_sorted, loss_sorted = judge(np.sort(paths, axis=1).sum(2), sums)
            low, high = np.quantile(paths, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
            rows.append(
                {
                    "panel": name,
                    "sums": len(sums),
                    "each step": ((low <= actual) & (actual <= high)).mean(),
                    "sum": coverage,
                    "shuffled": coverage_shuffled,
                    "sorted": coverage_sorted,
                    "error": loss / loss_shuffled,
                    "error, sorted": loss_sorted / loss_shuffled,
                    "seconds": seconds,
                }
            )
    print(pd.DataFrame(rows).set_index("panel").round(2).to_string())


if __name__ == "__main__":
    main()
