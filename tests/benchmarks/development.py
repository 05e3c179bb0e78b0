"""Panels that the local engine is developed on: the package's, data sets of two other packages, and more.

Each real set is cut at several points of its past, and each cut is a panel: its last steps are the test set, and
nothing after them is used. Of the public data sets in statsmodels and vega_datasets, these are the time series.

The panels are split in two: what is chosen is chosen on the choosing panels, and reported on the reporting ones, which
no choice made since the split has seen. Those of statsmodels and of the package were seen by the choices before it,
those of the first two trainings; those of vega_datasets by none. Sets of the same measurements are on the same side. Of
a file's panels, every second series is on each side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import Panel, read_panels
from numpy.typing import NDArray
from statsmodels.datasets import (
    co2,
    danish_data,
    elec_equip,
    elnino,
    fertility,
    grunfeld,
    interest_inflation,
    macrodata,
    nile,
    sunspots,
)
from vega_datasets import local_data

from nixtla_accessor.datasets import load_unemployment, load_weather
from nixtla_accessor.seasons import season_of

Series = Sequence[NDArray[np.float64]]
# Chosen before any figure of the third training was known, so that each side has most frequencies.
REPORTING = frozenset(
    {
        "weather",
        "inflation",
        "danish money",
        "grunfeld",
        "sunspots",
        "co2, weekly",
        "co2, monthly",
        "equipment",
        "half-hourly",
        "walks",
        "temperatures",
        "temperatures, far",
        "seattle weather",
        "employment",
        "stocks",
        "electricity",
        "crimea",
    }
)
MIN_TRAIN = 8  # steps before the test set, and at least as many as it has


def development_panels(path: Path | None = None, frequencies: dict[str, str] | None = None) -> Iterator[Panel]:
    """Yield all panels; the cuts of one set have the same name."""
    yield from _cuts("unemployment", "MS", _by_id(load_unemployment()), 12, (0, 12, 24, 36, 60))
    yield from _cuts("weather", "D", _by_id(load_weather()), 28, (0, 30, 90, 180, 250))
    yield from _cuts(
        "macro", "QE", _columns(macrodata.load_pandas().data, drop=["year", "quarter"]), 8, (0, 16, 40, 80)
    )
    yield from _cuts(
        "inflation", "QE", _columns(interest_inflation.load_pandas().data, drop=["year", "quarter"]), 8, (0, 8, 16)
    )
    yield from _cuts("danish money", "QE", _columns(danish_data.load_pandas().data, drop=["period"]), 6, (0, 6))
    yield from _cuts("fertility", "YE", _fertility(), 6, (0, 8, 16))
    yield from _cuts("grunfeld", "YE", _grunfeld(), 4, (0, 4))
    yield from _cuts("nile", "YE", _columns(nile.load_pandas().data, drop=["year"]), 6, range(0, 60, 6))
    yield from _cuts("sunspots", "YE", _columns(sunspots.load_pandas().data, drop=["YEAR"]), 6, range(0, 120, 6))
    sea = elnino.load_pandas().data.drop(columns="YEAR")
    yield from _cuts("sea, yearly", "YE", [sea[month].to_numpy(float) for month in sea], 6, (0, 10, 20, 30))
    yield from _cuts("sea, monthly", "MS", [sea.to_numpy(float).ravel()], 12, range(0, 200, 20))
    air = co2.load_pandas().data["co2"].interpolate()
    yield from _cuts("co2, weekly", "W", [air.to_numpy(float)], 26, range(0, 800, 80))
    yield from _cuts("co2, monthly", "MS", [air.resample("MS").mean().to_numpy(float)], 18, range(0, 200, 24))
    equipment = elec_equip.load().data.iloc[:, -1].to_numpy(float)
    yield from _cuts("equipment", "MS", [equipment], 18, range(0, 100, 12))
    yield daily("daily", 1000, 200, 14)
    yield within_days("hourly", "h", 48, 700)
    yield within_days("half-hourly", "30min", 24, 1100)
    yield counts("counts")
    yield walks("walks")
    yield within_days("hourly, far", "h", 24, 1800, horizon=720)
    yield demand("demand")
    yield from _vega_panels()
    if path is not None:
        seasons = {group: season_of(freq) for group, freq in (frequencies or {}).items()}
        yield from read_panels(path, seasons)


def split_panels(path: Path | None = None, frequencies: dict[str, str] | None = None) -> dict[str, list[Panel]]:
    """Return the panels of each side, 'choosing' and 'reporting'; see `development_panels` for the arguments."""
    sides: dict[str, list[Panel]] = {"choosing": [], "reporting": []}
    from_file = set(frequencies or {})
    for panel in development_panels(path, frequencies):
        if panel.name in from_file:
            for first, side in enumerate(sides):
                sides[side].append(Panel(panel.name, panel.season, panel.train[first::2], panel.test[first::2]))
        else:
            sides["reporting" if panel.name in REPORTING else "choosing"].append(panel)
    return sides


def _vega_panels() -> Iterator[Panel]:
    """Yield the time series of vega_datasets: hourly temperatures, daily weather, employment, stocks, electricity."""
    cities = [local_data.seattle_temps()["temp"], local_data.sf_temps()["temp"]]
    temperatures = [city.to_numpy(float) for city in cities]
    yield from _cuts("temperatures", "h", temperatures, 48, range(0, 6000, 600))
    yield from _cuts("temperatures, far", "h", temperatures, 720, (0, 1500, 3000))
    weather = _columns(local_data.seattle_weather(), drop=["date", "weather"])
    yield from _cuts("seattle weather", "D", weather, 28, range(0, 1200, 120))
    yield from _cuts("employment", "MS", _columns(local_data.us_employment(), drop=["month"]), 12, (0, 12, 24, 36))
    prices = local_data.stocks().groupby("symbol")["price"]
    yield from _cuts("stocks", "MS", [values.to_numpy(float) for _, values in prices], 12, (0, 12, 24))
    sources = local_data.iowa_electricity().groupby("source")["net_generation"]
    yield from _cuts("electricity", "YE", [values.to_numpy(float) for _, values in sources], 4, (0, 4))
    yield from _cuts("crimea", "MS", _columns(local_data.crimea(), drop=["date"]), 6, (0, 4))


def _cuts(name: str, freq: str, series: Series, horizon: int, cuts: Sequence[int]) -> Iterator[Panel]:
    """Split what is left of each series before each cut into training and test set."""
    for cut in cuts:
        left = [values[: len(values) - cut] for values in series]
        left = [values for values in left if len(values) >= horizon + max(MIN_TRAIN, horizon)]
        if left:
            train, test = [values[:-horizon] for values in left], [values[-horizon:] for values in left]
            yield Panel(name, season_of(freq), train, test)


def _by_id(frame: pd.DataFrame) -> Series:
    return [values.to_numpy(float) for _, values in frame.groupby("unique_id")["y"]]


def _columns(data: pd.DataFrame, *, drop: Sequence[str]) -> Series:
    return [data[column].to_numpy(float) for column in data.columns if column not in drop]


def _fertility() -> Series:
    rows = fertility.load_pandas().data.iloc[:, 4:].to_numpy(float)
    known = [row[np.isfinite(row)] for row in rows]
    return [values for values in known if len(values) > 20]


def _grunfeld() -> Series:
    firms = grunfeld.load_pandas().data.groupby("firm")
    return [firm[column].to_numpy(float) for _, firm in firms for column in ("invest", "value", "capital")]


def daily(name: str, n_series: int, length: int, horizon: int) -> Panel:
    """Make a daily panel: a level, a trend, a weekly pattern that grows with the level, and a drifting error."""
    rng = np.random.default_rng(0)
    days = np.arange(length)
    level = rng.lognormal(4, 1, (n_series, 1))
    pattern = np.exp(0.3 * rng.normal(size=(n_series, 7)))[:, days % 7]
    trend = 1 + rng.normal(0, 0.002, (n_series, 1)) * days
    drift = 1 + np.cumsum(rng.normal(0, 0.01, (n_series, length)), axis=1)
    return _split_last(
        name, "D", level * pattern * trend * drift * (1 + rng.normal(0, 0.1, (n_series, length))), horizon
    )


def within_days(name: str, freq: str, steps_a_day: int, length: int, n_series: int = 50, horizon: int = 48) -> Panel:
    """Make smooth daily patterns, weekends of lower use, and persistent errors, all in proportion to the level."""
    rng = np.random.default_rng(1)
    steps = np.arange(length)
    day = steps / steps_a_day + rng.random((n_series, 1))
    profile = 0.6 * rng.normal(size=(n_series, 1)) * np.sin(2 * np.pi * day)
    profile += 0.3 * rng.normal(size=(n_series, 1)) * np.sin(4 * np.pi * (day + rng.random((n_series, 1))))
    use = np.where(steps // steps_a_day % 7 >= 5, 1 - 0.5 * rng.random((n_series, 1)), 1)
    error = 0.08 * rng.normal(size=(n_series, length))
    for step in range(1, length):
        error[:, step] += 0.8 * error[:, step - 1]
    return _split_last(name, freq, 100 * use * np.exp(profile + error), horizon)


def counts(name: str, n_series: int = 200, length: int = 200) -> Panel:
    """Make small daily counts with a weekly pattern."""
    rng = np.random.default_rng(3)
    rate = 3 * np.exp(0.5 * rng.normal(size=(n_series, 1)) + 0.4 * rng.normal(size=(n_series, 7)))
    return _split_last(name, "D", rng.poisson(rate[:, np.arange(length) % 7]).astype(float), 14)


def demand(name: str, n_series: int = 200, length: int = 200) -> Panel:
    """Make daily demand that is mostly zero."""
    rng = np.random.default_rng(5)
    happens = rng.random((n_series, length)) < rng.uniform(0.05, 0.6, (n_series, 1))
    size = rng.negative_binomial(2, rng.uniform(0.1, 0.6, (n_series, 1)), (n_series, length)) + 1
    return _split_last(name, "D", np.where(happens, size, 0).astype(float), 14)


def walks(name: str, n_series: int = 300, length: int = 120) -> Panel:
    """Make monthly walks of autocorrelated steps with a yearly pattern."""
    rng = np.random.default_rng(4)
    steps = rng.normal(size=(n_series, length))
    persistence = rng.uniform(-0.4, 0.8, n_series)
    for month in range(1, length):
        steps[:, month] += persistence * steps[:, month - 1]
    pattern = 3 * rng.normal(size=(n_series, 12))[:, np.arange(length) % 12]
    return _split_last(name, "MS", 200 + steps.cumsum(1) + pattern, 18)


def _split_last(name: str, freq: str, values: NDArray[np.float64], horizon: int) -> Panel:
    """Split each row into training set and the last steps, the test set."""
    return Panel(name, season_of(freq), [*values[:, :-horizon]], [*values[:, -horizon:]])
