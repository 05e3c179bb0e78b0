"""The service's answers as tidy frames in the caller's names and dtypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import SIDES, Bound, Side, exact_decimal, interval_key, level_of_quantile, parse_intervals
from nixtla_accessor.errors import ResponseError
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.times import as_column

MODEL_COLUMN = "TimeGPT"
Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def forecast_columns(
    mean: Values,
    intervals: Mapping[str, Values],
    level: Sequence[float] | None,
    quantiles: Sequence[float] | None,
) -> dict[str, Values]:
    """Name the answered numbers as the ecosystem does.

    Parameters
    ----------
    mean : ndarray of shape (n,), float64
        The forecast.
    intervals : mapping of str to ndarray of shape (n,)
        The bounds as the service names them: ``lo-80``, ``hi-80``.
    level, quantiles : sequence of float, optional
        What was asked, as in `levels_to_ask`.

    Returns
    -------
    dict of str to ndarray
        ``TimeGPT``, then for each level ``TimeGPT-lo-80`` and ``TimeGPT-hi-80``, or for each quantile
        ``TimeGPT-q-10``; both ascending.

    Raises
    ------
    ResponseError
        If a bound that was asked for is missing.
    """
    bounds = parse_intervals(intervals)

    def bound(side: Side, at: float) -> Values:
        try:
            return bounds[Bound(side, at)]
        except KeyError:
            message = f"The service was asked for the level {at:.12g} and answered without it: {sorted(intervals)}."
            raise ResponseError(message) from None

    columns = {MODEL_COLUMN: mean}
    for item in sorted(set(() if level is None else level)):
        for side in SIDES:
            columns[f"{MODEL_COLUMN}-{interval_key(side, item)}"] = bound(side, float(item))
    for quantile in sorted(set(() if quantiles is None else quantiles)):
        name = f"{MODEL_COLUMN}-q-{(exact_decimal(quantile) * 100).normalize():f}"
        at = level_of_quantile(quantile)
        columns[name] = mean if at == 0 else bound("lo" if quantile < 0.5 else "hi", at)
    return columns


def forecast_frame(packed: PackedSeries, horizon: int, columns: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """Put forecasts beside the ids and stamps that they are for.

    Parameters
    ----------
    packed : PackedSeries
        The series that were forecast.
    horizon : int
        How many steps each was forecast.
    columns : mapping of str to ndarray of shape (n_series * horizon,)
        The answered numbers, series by series, such as ``{"TimeGPT": mean, "TimeGPT-lo-80": …}``.

    Returns
    -------
    DataFrame of n_series * horizon rows
        Ids (where the caller's frame has them), stamps, then the columns in their order.
    """
    ticks = packed.last_ticks.repeat(horizon)
    steps = np.tile(np.arange(1, horizon + 1), len(packed.sizes))
    stamps = packed.form.restore(packed.frequency.advance(ticks, steps, packed.form))
    frame: dict[Any, Any] = {}
    if packed.columns.id is not None:
        frame[packed.columns.id] = as_column(packed.ids.repeat(horizon))
    frame[packed.columns.time] = as_column(stamps)
    return pd.DataFrame(frame | dict(columns))


def cross_validation_frame(
    packed: PackedSeries, horizon: int, positions: Integers, columns: Mapping[str, npt.NDArray[Any]]
) -> pd.DataFrame:
    """Put the forecasts of past windows beside what happened.

    Parameters
    ----------
    packed : PackedSeries
        The series as they were sent.
    horizon : int
        The steps of a window.
    positions : ndarray of int64, shape (n_windows * horizon,)
        Where in the packed values each forecast belongs, window by window.
    columns : mapping of str to ndarray of shape (n_windows * horizon,)
        The forecasts.

    Returns
    -------
    DataFrame of n_windows * horizon rows
        Ids (where the caller's frame has them), stamps, ``cutoff`` (the last stamp known), the target, the forecasts.
    """
    series, steps = _places(packed, positions)
    last_known = np.repeat(steps[::horizon] - 1, horizon)
    frame = _ids_and_stamps(packed, series, steps)
    frame["cutoff"] = packed.form.restore(packed.frequency.advance(packed.start_ticks[series], last_known, packed.form))
    frame[packed.columns.target] = _target(packed, positions)
    return pd.DataFrame(frame | dict(columns))


def anomaly_frame(packed: PackedSeries, sizes: Integers, columns: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """Put what the service said of the past beside what happened.

    Parameters
    ----------
    packed : PackedSeries
        The series as they were sent.
    sizes : ndarray of int64, shape (n_series,)
        How many values at the end of each series the answer is about.
    columns : mapping of str to ndarray of shape (sum of sizes,)
        The answer.

    Returns
    -------
    DataFrame
        Ids (where the caller's frame has them), stamps, the target, the answer.
    """
    ends = np.cumsum(packed.sizes)
    positions = np.arange(sizes.sum()) + np.repeat(ends - np.cumsum(sizes), sizes)
    series, steps = _places(packed, positions)
    frame = _ids_and_stamps(packed, series, steps)
    frame[packed.columns.target] = _target(packed, positions)
    return pd.DataFrame(frame | dict(columns))


def _places(packed: PackedSeries, positions: Integers) -> tuple[Integers, Integers]:
    """Return the series of each position, and the step within it."""
    ends = np.cumsum(packed.sizes)
    series = np.searchsorted(ends, positions, side="right")
    return series, positions - (ends - packed.sizes)[series]


def _ids_and_stamps(packed: PackedSeries, series: Integers, steps: Integers) -> dict[Any, Any]:
    """Return the columns that say what a row is about."""
    frame: dict[Any, Any] = {} if packed.columns.id is None else {packed.columns.id: packed.ids.take(series)}
    frame[packed.columns.time] = packed.form.restore(
        packed.frequency.advance(packed.start_ticks[series], steps, packed.form)
    )
    return frame


def _target(packed: PackedSeries, positions: Integers) -> pd.Series[Any]:
    """Return what happened, in the caller's dtype."""
    return pd.Series(packed.y[positions]).astype(packed.target_dtype)
