"""Answered numbers as a tidy frame in the caller's names and dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.times import as_column


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
