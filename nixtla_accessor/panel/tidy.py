"""The service's answers as tidy frames in the caller's names and dtypes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import SIDES, Bound, Side, exact_decimal, interval_key, level_of_quantile, parse_intervals
from nixtla_accessor.errors import ResponseError
from nixtla_accessor.panel.arrays import Integers, Values, concatenate_ranges, offsets
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.times import as_column

MODEL_COLUMN = "TimeGPT"
CUTOFF_COLUMN = "cutoff"
ANOMALY_COLUMN = "anomaly"
SCORE_COLUMN = "anomaly_score"
ACCUMULATED_COLUMN = "accumulated_anomaly_score"
SAMPLE_COLUMN = "sample_id"
"""The number of a path, from 0."""
BASE_COLUMN = "base_value"
"""What a forecast would be without the covariates whose contributions stand before it."""
_QUANTILE = re.compile(rf"{MODEL_COLUMN}-q-(\d+(?:\.\d+)?)")


def forecast_columns(
    mean: Values,
    intervals: Mapping[str, Values],
    level: Sequence[float] | None,
    quantiles: Sequence[float] | None,
) -> dict[str, Values]:
    """Name the service's numbers as the ecosystem does.

    Parameters
    ----------
    mean : ndarray of shape (n,), float64
        The forecast.
    intervals : mapping of str to ndarray of shape (n,)
        The bounds as the service names them: ``lo-80``, ``hi-80``.
    level : sequence of float, optional
        The levels that were asked for, in percent.
    quantiles : sequence of float, optional
        The quantiles that were asked for, each in (0, 1).

    Returns
    -------
    dict of str to ndarray
        ``TimeGPT``, then for each level ``TimeGPT-lo-80`` and ``TimeGPT-hi-80``, or for each quantile
        ``TimeGPT-q-10``; both ascending.

    Raises
    ------
    ResponseError
        A bound that was asked for is missing.
    """
    bounds = parse_intervals(intervals)

    def find_bound(side: Side, percent: float) -> Values:
        try:
            return bounds[Bound(side, percent)]
        except KeyError:
            raise ResponseError(
                f"The service should have returned {interval_key(side, percent)!r}, for level {percent:.12g}; it "
                f"returned {', '.join(map(repr, sorted(intervals))) or 'no intervals'}."
            ) from None

    columns = {MODEL_COLUMN: mean}
    for percent in sorted(set(() if level is None else level)):
        for side in SIDES:
            columns[f"{MODEL_COLUMN}-{interval_key(side, percent)}"] = find_bound(side, float(percent))
    for quantile in sorted(set(() if quantiles is None else quantiles)):
        percent = level_of_quantile(quantile)
        columns[_quantile_column(quantile)] = mean if percent == 0 else find_bound(_side(quantile), percent)
    return columns


def interval_columns(frame: pd.DataFrame) -> dict[float, tuple[str, str]]:
    """Return the columns of the lower and upper bounds in a frame of forecasts, by level in percent, ascending.

    Examples
    --------
    >>> interval_columns(pd.DataFrame(columns=["TimeGPT", "TimeGPT-lo-80", "TimeGPT-hi-80"]))
    {80.0: ('TimeGPT-lo-80', 'TimeGPT-hi-80')}
    """
    prefix = f"{MODEL_COLUMN}-"
    named = {name.removeprefix(prefix): name for name in map(str, frame.columns) if name.startswith(prefix)}
    bounds = parse_intervals(named)
    levels = sorted(level for side, level in bounds if side == "lo" and Bound("hi", level) in bounds)
    return {level: (bounds[Bound("lo", level)], bounds[Bound("hi", level)]) for level in levels}


def quantile_columns(frame: pd.DataFrame) -> dict[float, str]:
    """Return the columns of quantiles in a frame of forecasts, by quantile in percent, ascending.

    Examples
    --------
    >>> quantile_columns(pd.DataFrame(columns=["TimeGPT", "TimeGPT-q-90", "TimeGPT-q-2.5"]))
    {2.5: 'TimeGPT-q-2.5', 90.0: 'TimeGPT-q-90'}
    """
    named = {float(match[1]): match[0] for name in frame.columns if (match := _QUANTILE.fullmatch(str(name)))}
    return dict(sorted(named.items()))


def _quantile_column(quantile: float) -> str:
    return f"{MODEL_COLUMN}-q-{(exact_decimal(quantile) * 100).normalize():f}"


def _side(quantile: float) -> Side:
    return "lo" if quantile < 0.5 else "hi"


def forecast_frame(packed: PackedSeries, horizon: int, columns: Mapping[Any, npt.NDArray[Any]]) -> pd.DataFrame:
    """Return forecasts with their ids and stamps.

    Parameters
    ----------
    packed : PackedSeries
        The series that were forecast.
    horizon : int
        The steps that each was forecast.
    columns : mapping of str to ndarray of shape (n_series * horizon,)
        The forecasts, series by series, such as ``{"TimeGPT": mean, "TimeGPT-lo-80": …}``.

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


def paths_frame(packed: PackedSeries, paths: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Return paths into the future with their ids and stamps.

    Parameters
    ----------
    packed : PackedSeries
        The series that were simulated.
    paths : ndarray of shape (n_paths, n_series, horizon), float64

    Returns
    -------
    DataFrame of n_series * n_paths * horizon rows
        Ids (where the caller's frame has them), stamps, ``sample_id`` and ``TimeGPT``; series by series, path by path.
    """
    n_paths, n_series, horizon = paths.shape
    ahead = forecast_frame(packed, horizon, {})
    rows = np.arange(n_series * horizon).reshape(n_series, 1, horizon).repeat(n_paths, 1).ravel()
    frame = ahead.take(rows).reset_index(drop=True)
    frame[SAMPLE_COLUMN] = np.tile(np.arange(n_paths).repeat(horizon), n_series)
    frame[MODEL_COLUMN] = paths.transpose(1, 0, 2).ravel()
    return frame


def past_frame(packed: PackedSeries, positions: Integers, columns: Mapping[Any, npt.NDArray[Any]]) -> pd.DataFrame:
    """Return forecasts of past values with their ids and stamps.

    Parameters
    ----------
    packed : PackedSeries
        The series that were sent.
    positions : ndarray of int64, shape (n,)
        The position in the packed values that each forecast is for.
    columns : mapping to ndarray of shape (n,)
        The forecasts.
    """
    return pd.DataFrame(_ids_and_stamps(packed, *_places(packed, positions)) | dict(columns))


def join_history(packed: PackedSeries, positions: Integers, past: pd.DataFrame, ahead: pd.DataFrame) -> pd.DataFrame:
    """Return the forecasts of each series' past, at these positions, before those of its future."""
    if not len(past):
        return ahead
    of_past, _ = _places(packed, positions)
    of_future = np.arange(len(packed.sizes)).repeat(len(ahead) // len(packed.sizes))
    order = np.argsort(np.concatenate([of_past, of_future]), kind="stable")
    return pd.concat([past, ahead], ignore_index=True).iloc[order].reset_index(drop=True)


def cross_validation_frame(
    packed: PackedSeries, horizon: int, positions: Integers, columns: Mapping[str, npt.NDArray[Any]]
) -> pd.DataFrame:
    """Return the forecasts of past windows with the actual values.

    Parameters
    ----------
    packed : PackedSeries
        The series that were sent.
    horizon : int
        The steps of a window.
    positions : ndarray of int64, shape (n_windows * horizon,)
        The position in the packed values that each forecast is for, window by window.
    columns : mapping of str to ndarray of shape (n_windows * horizon,)
        The forecasts.

    Returns
    -------
    DataFrame of n_windows * horizon rows
        Ids (where the caller's frame has them), stamps, ``cutoff`` (the last stamp before the window), the target, the
        forecasts.
    """
    series, steps = _places(packed, positions)
    cutoffs = np.repeat(steps[::horizon] - 1, horizon)
    frame = _ids_and_stamps(packed, series, steps)
    frame[CUTOFF_COLUMN] = packed.form.restore(
        packed.frequency.advance(packed.start_ticks[series], cutoffs, packed.form)
    )
    frame[packed.columns.target] = _target(packed, positions)
    return pd.DataFrame(frame | dict(columns))


def anomaly_frame(packed: PackedSeries, sizes: Integers, columns: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """Return the service's answer about past values with the actual values.

    Parameters
    ----------
    packed : PackedSeries
        The series that were sent.
    sizes : ndarray of int64, shape (n_series,)
        The values at the end of each series that the answer is about.
    columns : mapping of str to ndarray of shape (sum of sizes,)
        The answer.

    Returns
    -------
    DataFrame
        Ids (where the caller's frame has them), stamps, the target, the answer.
    """
    positions = concatenate_ranges(np.cumsum(packed.sizes) - sizes, sizes)
    series, steps = _places(packed, positions)
    frame = _ids_and_stamps(packed, series, steps)
    frame[packed.columns.target] = _target(packed, positions)
    return pd.DataFrame(frame | dict(columns))


def _places(packed: PackedSeries, positions: Integers) -> tuple[Integers, Integers]:
    """Return the series of each position, and the step within it."""
    series = np.searchsorted(np.cumsum(packed.sizes), positions, side="right")
    return series, positions - offsets(packed.sizes)[series]


def _ids_and_stamps(packed: PackedSeries, series: Integers, steps: Integers) -> dict[Any, Any]:
    """Return the columns of ids, where the caller's frame has them, and stamps."""
    frame: dict[Any, Any] = {} if packed.columns.id is None else {packed.columns.id: packed.ids.take(series)}
    frame[packed.columns.time] = packed.form.restore(
        packed.frequency.advance(packed.start_ticks[series], steps, packed.form)
    )
    return frame


def _target(packed: PackedSeries, positions: Integers) -> pd.Series[Any]:
    """Return the actual values, in the caller's dtype."""
    return pd.Series(packed.y[positions]).astype(packed.target_dtype)
