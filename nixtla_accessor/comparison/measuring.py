"""The accuracy of forecasts of held-out windows, measured beside each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nixtla_accessor.api.requests import CrossValidationOptions
from nixtla_accessor.comparison.table import ComparisonTable
from nixtla_accessor.comparison.verdict import Errors
from nixtla_accessor.panel.packing import PackedSeries, drop_last
from nixtla_accessor.panel.scores import Scales, WindowForecasts, mase_scale, nanmean, rmsse_scale, score_frame


def compare_forecasts(
    packed: PackedSeries, forecasts: Mapping[str, WindowForecasts], windows: CrossValidationOptions, *, by_series: bool
) -> tuple[ComparisonTable, Errors]:
    """Measure forecasts of the last windows of each series.

    Parameters
    ----------
    packed : PackedSeries
        The series, the held-out windows included.
    forecasts : mapping of str to WindowForecasts
        By name, of the shape (n_series, n_windows * h).
    windows : CrossValidationOptions
        The windows, which follow each other at the end of each series.
    by_series : bool
        Whether to show each series, rather than all together.

    Returns
    -------
    ComparisonTable
        As `score_frame` makes it, without a verdict.
    Errors
        What verdicts are made from.
    """
    n_held_out = windows.h * windows.n_windows
    ends = np.cumsum(packed.sizes)[:, None]
    actual = np.asarray(packed.y[ends - n_held_out + np.arange(n_held_out)], dtype=np.float64)
    training, season_length = drop_last(packed, n_held_out), packed.frequency.season_length
    scales = Scales(mase_scale(training, season_length), rmsse_scale(training, season_length))
    table = ComparisonTable(score_frame(packed, actual, forecasts, scales, by_series=by_series))
    measured = np.isfinite(scales.mase) & np.isfinite(actual).any(axis=1)
    errors = {}
    for name, forecast in forecasts.items():
        scaled = np.abs(forecast.mean - actual)[measured] / scales.mase[measured, None]
        errors[name] = nanmean(scaled.reshape(-1, windows.n_windows, windows.h))
    return table, errors
