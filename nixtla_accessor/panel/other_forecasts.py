"""Forecasts of others, which stand in columns of the frame beside the target."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from nixtla_accessor.contract import interval_key
from nixtla_accessor.errors import MissingValueError
from nixtla_accessor.panel.arrays import Values
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import PackedSeries, pack_frame
from nixtla_accessor.panel.panel import Covariate, name_id
from nixtla_accessor.panel.scores import WindowForecasts
from nixtla_accessor.panel.target import read_target


def read_other_forecasts(
    frame: pd.DataFrame, packed: PackedSeries, names: Sequence[Hashable], n_held_out: int, levels: Sequence[float]
) -> dict[Hashable, WindowForecasts]:
    """Read forecasts of the last steps of each series from columns of the frame.

    Parameters
    ----------
    frame : DataFrame
        The frame that was packed.
    packed : PackedSeries
        Its series, or those of them that are compared.
    names : sequence of hashable
        The columns of the forecasts. Their intervals are those that the ecosystem calls ``AutoETS-lo-80`` and
        ``AutoETS-hi-80``; levels that a frame does not have are left out.
    n_held_out : int
        How many steps at the end of each series were forecast.
    levels : sequence of float
        The levels of the intervals, in percent.

    Returns
    -------
    dict of hashable to WindowForecasts
        Of shape (n_series, n_held_out).

    Raises
    ------
    MissingValueError
        If one of these steps has no forecast.
    UnsupportedDtypeError
        If a column has no numbers.
    """
    bounds = {name: _find_bounds(name, levels, frame) for name in names}
    wanted = [*names, *(column for of_one in bounds.values() for pair in of_one.values() for column in pair)]
    values = _read_in_order(frame, packed, wanted, n_held_out)
    return {
        name: WindowForecasts(
            values[name], {level: (values[low], values[high]) for level, (low, high) in bounds[name].items()}
        )
        for name in names
    }


def _find_bounds(name: Hashable, levels: Sequence[float], frame: pd.DataFrame) -> dict[float, tuple[str, str]]:
    """Return the columns of the lower and upper bounds that a frame has, by level."""
    pairs = {
        float(level): (f"{name}-{interval_key('lo', level)}", f"{name}-{interval_key('hi', level)}") for level in levels
    }
    return {level: pair for level, pair in pairs.items() if set(pair) <= set(frame.columns)}


def _read_in_order(
    frame: pd.DataFrame, packed: PackedSeries, names: Sequence[Hashable], n_held_out: int
) -> Mapping[Hashable, Values]:
    """Return columns at the last steps of each packed series; shape (n_series, n_held_out)."""
    columns = [
        Covariate(
            name,
            is_known=True,
            past=read_target(get_column(frame, name, "target"), packed.columns.column(name), "forecast"),
        )
        for name in names
    ]
    whole = pack_frame(frame, packed.columns, packed.frequency, allow_missing=True, covariates=columns)
    series = whole.ids.get_indexer(packed.ids)
    rows = np.cumsum(whole.sizes)[series, None] - n_held_out + np.arange(n_held_out)
    values = {one.name: np.asarray(one.past[rows], dtype=np.float64) for one in whole.covariates}
    for name, found in values.items():
        missing = np.argwhere(~np.isfinite(found))
        if len(missing):
            named = [
                f"{name_id(packed.columns, packed.ids, one)} at {whole.locate(rows[one, step])[1]}"
                for one, step in missing[:SHOWN]
            ]
            raise MissingValueError(
                f"The forecasts in {name!r} must be there for the last {n_held_out} steps of each series; "
                f"{len(missing)} of {found.size} are missing: {'; '.join(named)}{and_more(len(missing))}. Join those "
                "of a cross-validation with the same windows to the frame, by id and time."
            )
    return values
