"""The verdict of a comparison, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nixtla_accessor.comparison.candidates import FINE_TUNED, WITH_COVARIATES, ZERO_SHOT
from nixtla_accessor.comparison.certainty import mean_interval
from nixtla_accessor.panel.arrays import Values
from nixtla_accessor.panel.scores import WindowForecasts

CONFIDENCE = 0.95  # that all intervals of a verdict hold together
Errors = Mapping[str, Values]
"""By model, the mean absolute error of each window of each series in units of MASE; shape (n_series, n_windows).

Only of series that can be measured; NaN is a window of which no value is known, for every model.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a forecast is than another, and how sure that is.

    Attributes
    ----------
    before, after : float
        The MASE of the other, and of this.
    interval : (float, float) or None
        The interval of the change of MASE; None where one series in one window does not tell.
    n_series, n_better, n_worse : int
        How many series there are, and on how many of them it is better and worse.
    """

    before: float
    after: float
    interval: tuple[float, float] | None
    n_series: int
    n_better: int
    n_worse: int

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance alone would make."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    def describe_change(self) -> str:
        """Return the change with its interval: in percent where there is something to be a percent of."""
        unit, scale = ("%", 100 / self.before) if self.before > 0 else ("", 1.0)
        digits = 1 if unit else 3

        def show(change: float) -> str:
            return f"{scale * change:+.{digits}f}{unit}"

        sure = ""
        if self.interval is not None:
            low, high = self.interval
            low = max(low, -self.before)  # no error is below zero
            sure = f", {100 * CONFIDENCE:.0f}% interval {show(low)} to {show(high)}"
        return f"{show(self.after - self.before)}{sure}"

    def count_series(self) -> str:
        """Return on how many series it is better."""
        return f"better on {self.n_better} and worse on {self.n_worse} of {self.n_series} series"

    def figures(self) -> dict[str, Any]:
        """Return the figures by name, as JSON has them."""
        interval = None if self.interval is None else list(self.interval)
        return asdict(self) | {"interval": interval, "is_clear": self.is_clear}


def find_difference(before: Values, after: Values, n_differences: int = 1) -> Difference:
    """Compare the errors of two forecasts.

    Parameters
    ----------
    before, after : ndarray of shape (n_series, n_windows)
        The errors, as of `Errors`.
    n_differences : int, default 1
        Of how many differences the intervals are to hold together (Bonferroni).

    Notes
    -----
    What is averaged counts as independent: the series, each with the mean of its windows; or the windows, each with
    the mean of its series, where these are more.
    """
    both = np.stack([before, after])
    of_series = np.nanmean(both, axis=2)
    units = of_series
    n_series, n_windows = before.shape
    if n_windows > n_series:
        units = np.nanmean(both[:, :, np.isfinite(before).any(axis=0)], axis=1)
    mean_before, mean_after = (float(one) for one in of_series.mean(axis=1))
    return Difference(
        before=mean_before,
        after=mean_after,
        interval=mean_interval(units[1] - units[0], 1 - (1 - CONFIDENCE) / n_differences),
        n_series=n_series,
        n_better=int((of_series[1] < of_series[0]).sum()),
        n_worse=int((of_series[1] > of_series[0]).sum()),
    )


def did_it_help(forecasts: Mapping[str, WindowForecasts], errors: Errors) -> dict[str, Any]:
    """Return whether tuning helped, and under ``covariates`` whether these did, where there are some."""
    said = _did_help("Tuning", ZERO_SHOT, FINE_TUNED, forecasts, errors)
    with_covariates = f"{FINE_TUNED}{WITH_COVARIATES}"
    if with_covariates in forecasts:
        said["covariates"] = _did_help("The covariates", FINE_TUNED, with_covariates, forecasts, errors)
    return said


def _did_help(
    subject: str, without: str, with_it: str, forecasts: Mapping[str, WindowForecasts], errors: Errors
) -> dict[str, Any]:
    """Return whether something helped: what is forecast with it, and without."""
    if not len(errors[without]):
        return _cannot_be_measured(f"{subject} cannot be measured")
    difference = find_difference(errors[without], errors[with_it])
    if np.array_equal(forecasts[without].mean, forecasts[with_it].mean):
        kept = "of the base model, which is kept where no validation set shows a gain"
        known = kept if without == ZERO_SHOT else "made without them"
        verdict = f"{subject} changed nothing: the forecasts are those {known}."
    else:
        better = "helped" if difference.after < difference.before else "did not help"
        word = better if difference.is_clear else "made no clear difference"
        verdict = (
            f"{subject} {word}: MASE {difference.before:.3f} → {difference.after:.3f} "
            f"({difference.describe_change()}), {difference.count_series()}.{_ask_for_windows(difference)}"
        )
    return {"verdict": verdict, **difference.figures()}


def which_is_best(errors: Errors) -> dict[str, Any]:
    """Return which forecast is best, and from which of the others it differs clearly."""
    best, *others = rank(errors)
    if not len(errors[best]):
        return _cannot_be_measured("The forecasts cannot be compared")
    differences = {name: find_difference(errors[name], errors[best], len(others)) for name in others}
    lines = [f"{best} is best: MASE {_mase(errors[best]):.3f}."]
    for name, difference in differences.items():
        lines.append(_compare_best(name, difference))
    return {
        "verdict": "\n".join(lines),
        "best": best,
        "n_series": len(errors[best]),
        "differences": {name: difference.figures() for name, difference in differences.items()},
    }


def _compare_best(name: str, difference: Difference) -> str:
    """Return the sentences on the best forecast and another one."""
    if difference.n_better == difference.n_worse == 0:
        return f"The same errors as {name}."
    word = "Clearly better than" if difference.is_clear else "No clear difference from"
    return (
        f"{word} {name}, {difference.before:.3f}: {difference.describe_change()}, {difference.count_series()}."
        f"{_ask_for_windows(difference)}"
    )


def rank(errors: Errors) -> list[str]:
    """Return the forecasts by their mean error over the series, the best first; as they are where none is measured."""
    return sorted(errors, key=lambda name: _mase(errors[name])) if all(map(len, errors.values())) else list(errors)


def _mase(errors: Values) -> float:
    return float(np.nanmean(errors, axis=1).mean())


def _cannot_be_measured(beginning: str) -> dict[str, Any]:
    return {
        "verdict": f"{beginning}: no series changes from season to season.",
        "n_series": 0,
        "n_better": 0,
        "n_worse": 0,
    }


def _ask_for_windows(difference: Difference) -> str:
    """Return what to do where chance cannot be told from skill; empty elsewhere."""
    if difference.interval is not None:
        return ""
    return " One series in one window does not tell whether that is chance: ask for more, such as n_windows=5."
