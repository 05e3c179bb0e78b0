"""Ticks: numbers as people write them, and times at the steps of the frequency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, MaxNLocator

_PLAIN_BELOW = 10_000
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_DATE_TICKS = 6
_QUARTER_DAYS, _YEAR_DAYS = 85, 360  # the shortest steps of quarterly and yearly times


class ReadableNumbers(Formatter):
    """Format numbers by the largest on the axis: ``2.4 B``, ``850 k``, ``1,200``, ``0.35``."""

    def __call__(self, value: float, pos: int | None = None) -> str:  # noqa: ARG002 - matplotlib's signature
        """Return a number as text."""
        largest = max(map(abs, self.axis.get_view_interval())) if self.axis is not None else abs(value)
        if largest >= _PLAIN_BELOW and value:
            for scale, letter in _SCALES:
                if largest >= scale:
                    return f"{value / scale:,.10g} {letter}"
        return f"{value:,.10g}"


def format_numbers(axes: Axes) -> None:
    """Format the vertical axis of a plot, unless its scale has a format of its own, such as a logarithmic one."""
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_formatter(ReadableNumbers())


def format_times(axes: Axes, times: npt.NDArray[np.generic] | None = None) -> None:
    """Format the horizontal axis of a plot: concise dates at few ticks, never between two steps; integers as such.

    Parameters
    ----------
    axes : Axes
        The plot.
    times : ndarray of int64 or datetime64, optional
        Some consecutive times that are drawn, from which the step is read.
    """
    if not isinstance(axes.xaxis.get_major_locator(), dates.AutoDateLocator):
        if times is not None and times.dtype.kind in "iu":
            axes.xaxis.set_major_locator(MaxNLocator(_DATE_TICKS, integer=True))
        return
    n_steps = 3 if times is None else max(len(times) - 1, 1)
    # With no more ticks asked for than there are steps, the locator finds no unit below the step.
    locator = dates.AutoDateLocator(minticks=min(3, n_steps), maxticks=_DATE_TICKS)  # type: ignore[no-untyped-call]
    if times is not None and _QUARTER_DAYS <= _step_in_days(times) < _YEAR_DAYS:
        locator.intervald[dates.MONTHLY] = [3, 6]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _step_in_days(times: npt.NDArray[np.generic]) -> float:
    steps = np.diff(times).astype("m8[s]").astype(np.int64)
    return float(np.median(steps)) / 86_400 if len(steps) else 0.0
