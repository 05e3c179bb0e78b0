"""Forecasts of rows that the model was tuned on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nixtla_accessor.errors import DataLeakageWarning, warn_caller
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.record import Record

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.requests import CrossValidationOptions


def last_stamp(packed: PackedSeries) -> str | int:
    """Return the last stamp of all series: ISO 8601, in UTC where the stamps have a zone; an int for integer time."""
    tick = int(packed.last_ticks.max())
    return (
        tick
        if packed.form.is_integer
        else str(np.datetime_as_string(np.array(tick).astype(f"M8[{packed.form.unit}]"), unit="auto"))
    )


def warn_about_leakage(record: Record, packed: PackedSeries, covered: int, options: CrossValidationOptions) -> None:
    """Warn where a model was tuned on some of the last steps of a series, which it is to forecast.

    Parameters
    ----------
    record : Record
        The model.
    packed : PackedSeries
        The series.
    covered : int
        How many steps at the end of each series are forecast.
    options : CrossValidationOptions
        The windows.
    """
    seen = record.last_stamp
    if seen is None or isinstance(seen, int) != packed.form.is_integer:
        return
    seen_tick = seen if isinstance(seen, int) else _tick_of(seen, packed.form.unit)
    first_forecast = packed.frequency.advance(packed.start_ticks, packed.sizes - covered, packed.form)
    if not (first_forecast <= seen_tick).any():
        return
    n_windows = f"n_windows={options.n_windows}" if options.n_windows > 1 else ""
    held_out = packed.columns.frame.call("compare", str(options.h), n_windows)
    warn_caller(
        f"The model {record.finetuned_model_id!r} was tuned on rows up to {seen}, some of which are forecast here: the "
        f"errors look smaller than those of new data. Use {held_out}, which holds the windows out, or tune on rows "
        "before the windows.",
        DataLeakageWarning,
    )


def _tick_of(stamp: str, unit: str) -> int:
    """Return a stamp as an integer of the unit; the last or first integer for one that the unit does not reach."""
    day, at = np.datetime64(stamp, "D"), np.datetime64(stamp).astype(f"M8[{unit}]")
    if at.astype("M8[D]") == day:
        return int(at.astype(np.int64))
    limits = np.iinfo(np.int64)
    return limits.max if day.astype(np.int64) > 0 else limits.min
