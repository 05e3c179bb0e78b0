"""Forecasts of what is known already: a hold-out cut off, and answers about the past as tidy frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError
from nixtla_accessor.panel.messages import SHOWN, rest
from nixtla_accessor.panel.packing import PackedSeries

Integers = npt.NDArray[np.int64]


def drop_last(packed: PackedSeries, steps: int) -> PackedSeries:
    """Leave out the last steps of each series.

    Parameters
    ----------
    packed : PackedSeries
        The series, each longer than ``steps``.
    steps : int
        How many.
    """
    place_from_end = np.repeat(np.cumsum(packed.sizes), packed.sizes) - np.arange(len(packed.y))
    return replace(packed, y=packed.y[place_from_end > steps], sizes=packed.sizes - steps)


def refuse_shorter(packed: PackedSeries, least: int, purpose: str) -> None:
    """Refuse series of fewer values than something takes.

    Raises
    ------
    InvalidFrameError
        Naming the first three, and the total.
    """
    short = np.flatnonzero(packed.sizes < least)
    if not len(short):
        return
    if packed.columns.id is None:
        shown = f"the series has {packed.sizes[0]}"
    else:
        names = packed.ids[short[:SHOWN]].tolist()
        shown = "; ".join(f"series {name!r} has {size}" for name, size in zip(names, packed.sizes[short], strict=False))
    raise InvalidFrameError(
        f"{purpose} takes at least {least} values of each series; {shown}{rest(len(short))} (of {len(packed.sizes)} "
        "series). Ask for a shorter horizon or fewer windows, or leave these series out."
    )


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
