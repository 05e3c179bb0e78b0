"""Did fine-tuning help, and did covariates? Forecasts of held-out windows, measured beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import interval_key
from nixtla_accessor.panel.packing import PackedSeries, TooShort, drop_last, long_enough
from nixtla_accessor.panel.scores import MODEL_LEVEL, mase_scale, score, score_frame, seasonal_naive
from nixtla_accessor.panel.shown_frames import ShownFrame
from nixtla_accessor.panel.tidy import MODEL_COLUMN

if TYPE_CHECKING:
    from nixtla_accessor.api.requests import CrossValidationOptions

SEASONAL_NAIVE, ZERO_SHOT, FINE_TUNED = "seasonal naive", "zero-shot", "fine-tuned"
WITH_COVARIATES = " + covariates"  # after the name of a model that has them
CLEAR_CHANGE = 1.0  # percent of MASE; a smaller change of the mean is called no clear difference
_MAX_ROWS = 60  # shown
_MAX_DECIMALS = 6
MIN_TRAINING_VALUES = 2  # of each series: one change, which is the unit of MASE
Forecasts = Mapping[str, npt.NDArray[np.float64]]


class ComparisonTable(ShownFrame):
    """The accuracy of forecasts, as `TimeGPTAccessor.compare` returns it: a DataFrame that shows its verdict.

    Shown, the best value of each column is marked, and columns have as many digits as tell their values apart.
    """

    def _to_text(self) -> str | None:
        if "comparison" not in self.attrs or self.index.names[-1] != MODEL_LEVEL:
            return None
        marked = self._format("{} *", "{}  ")
        verdicts = "\n".join(self._verdicts())
        return f"{verdicts}\n{marked.to_string(max_rows=_MAX_ROWS)}\n* the best"

    def _to_html(self) -> str | None:
        if "comparison" not in self.attrs or self.index.names[-1] != MODEL_LEVEL:
            return None
        marked = self._format("<strong>{}</strong>", "{}").rename(lambda name: escape(str(name)))
        table = marked.to_html(escape=False, border=0, max_rows=_MAX_ROWS)
        verdicts = "<br>".join(map(escape, self._verdicts()))
        return f"<div><strong>{verdicts}</strong>{table}</div>"

    def _verdicts(self) -> list[str]:
        """Return the verdict on tuning, and that on covariates where there are some."""
        comparison = self.attrs["comparison"]
        return [one["verdict"] for one in (comparison, comparison.get("covariates")) if one is not None]

    def _format(self, best: str, other: str) -> pd.DataFrame:
        """Return the table as text, in templates for the best values and for others."""
        shown = pd.DataFrame(index=self.index)
        for name in self.columns:
            values = self[name]
            level = str(name).partition("coverage-")[2]
            distance = (values - float(level)).abs() if level else values
            groups = [self.index.get_level_values(n) for n in range(self.index.nlevels - 1)]
            least = distance.groupby(groups).transform("min") if groups else distance.min()
            texts = values.map(_format_digits(values))
            is_best = (distance == least) & values.notna()
            shown[name] = [(best if mark else other).format(text) for mark, text in zip(is_best, texts, strict=True)]
        return shown


def _format_digits(values: pd.Series[Any]) -> Callable[[float], str]:
    """Return a function that writes values with the fewest decimals that tell them apart, but three digits at least."""
    known = values.dropna().unique()
    largest = float(np.abs(known).max(initial=0.0))
    digits = 0 if largest >= 100 else 1 if largest >= 10 else 2
    while digits < _MAX_DECIMALS and len({f"{value:.{digits}f}" for value in known}) < min(len(known), _MAX_ROWS):
        digits += 1
    return lambda value: "" if np.isnan(value) else f"{value:,.{digits}f}"


def comparable(packed: PackedSeries, horizon: int, n_windows: int, too_short: TooShort) -> PackedSeries:
    """Return the series that are long enough for a comparison.

    Raises
    ------
    InvalidFrameError
        If nothing to train on is left of a series that is not to be left out, or of all.
    """
    least = horizon * n_windows + MIN_TRAINING_VALUES
    all_short = bool((packed.sizes < least).all())
    purpose = f"Comparisons that hold out {n_windows} × {horizon} steps"
    return long_enough(packed, least, purpose, "raise" if all_short else too_short)


def compare_forecasts(
    packed: PackedSeries,
    forecasts: Mapping[str, Forecasts],
    windows: CrossValidationOptions,
    *,
    by_series: bool,
) -> ComparisonTable:
    """Measure forecasts of the last windows of each series, beside the seasonal naive forecast.

    Parameters
    ----------
    packed : PackedSeries
        The series, the held-out windows included.
    forecasts : mapping of str to mapping of str to ndarray of shape (n_series * n_windows * horizon,)
        For `ZERO_SHOT` and `FINE_TUNED`, and for both `WITH_COVARIATES` where there are some, the columns ``TimeGPT``,
        ``TimeGPT-lo-80``, …; series by series.
    windows : CrossValidationOptions
        The windows, which follow each other at the end of each series, and the levels of their intervals.
    by_series : bool
        Whether to show each series, rather than the mean over them.

    Returns
    -------
    ComparisonTable
        As `score_frame` makes it, with the verdict in ``attrs["comparison"]``, and there under ``"covariates"`` that
        on covariates.
    """
    horizon, n_windows, levels = windows.h, windows.n_windows, windows.level or ()
    n_held_out = horizon * n_windows
    shape = (len(packed.sizes), n_held_out)
    ends = np.cumsum(packed.sizes)[:, None]
    actual = np.asarray(packed.y[ends - n_held_out + np.arange(n_held_out)], dtype=np.float64)
    season_length = packed.frequency.season_length
    units = mase_scale(drop_last(packed, n_held_out), season_length)
    naive = seasonal_naive(packed, horizon, n_windows, season_length)
    scores = {SEASONAL_NAIVE: score(actual, naive, units, {})}
    for name, columns in forecasts.items():
        bounds = {
            float(level): (
                columns[f"{MODEL_COLUMN}-{interval_key('lo', level)}"].reshape(shape),
                columns[f"{MODEL_COLUMN}-{interval_key('hi', level)}"].reshape(shape),
            )
            for level in levels
        }
        scores[name] = score(actual, columns[MODEL_COLUMN].reshape(shape), units, bounds)
    table = ComparisonTable(score_frame(packed, scores, by_series=by_series))
    table.attrs["comparison"] = _verdict("Tuning", ZERO_SHOT, FINE_TUNED, forecasts, scores)
    with_covariates = f"{FINE_TUNED}{WITH_COVARIATES}"
    if with_covariates in forecasts:
        verdict = _verdict("The covariates", FINE_TUNED, with_covariates, forecasts, scores)
        table.attrs["comparison"]["covariates"] = verdict
    return table


def _verdict(
    subject: str,
    without: str,
    with_it: str,
    forecasts: Mapping[str, Forecasts],
    scores: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
) -> dict[str, Any]:
    """Return in a sentence whether something helped, and on how many series.

    Parameters
    ----------
    subject : str
        What may have helped.
    without, with_it : str
        The forecasts to compare.
    forecasts, scores : mapping
        All forecasts and scores, by these names.
    """
    before, after = scores[without]["MASE"], scores[with_it]["MASE"]
    measured = np.isfinite(before) & np.isfinite(after)
    n_better, n_worse = int((after < before)[measured].sum()), int((after > before)[measured].sum())
    n_series = int(measured.sum())
    counts = {"n_series": n_series, "n_better": n_better, "n_worse": n_worse}
    if not n_series:
        return {"verdict": f"{subject} cannot be measured: no series changes from season to season.", **counts}
    if np.array_equal(forecasts[without][MODEL_COLUMN], forecasts[with_it][MODEL_COLUMN]):
        known = "of the base model" if without == ZERO_SHOT else "made without them"
        return {"verdict": f"{subject} changed nothing: the forecasts are those {known}.", **counts}
    mean_before, mean_after = float(before[measured].mean()), float(after[measured].mean())
    change = 100 * (mean_after / mean_before - 1) if mean_before > 0 else 0.0
    word = "made no clear difference" if abs(change) < CLEAR_CHANGE else "helped" if change < 0 else "did not help"
    verdict = (
        f"{subject} {word}: MASE {mean_before:.3f} → {mean_after:.3f} ({change:+.1f}%), better on {n_better} and worse "
        f"on {n_worse} of {n_series} series."
    )
    return {"verdict": verdict, **counts}
