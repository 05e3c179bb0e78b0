"""Windows of the past: from where in a series to forecast what is known already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of equal length, series by series and in the order of time.

    Attributes
    ----------
    series : ndarray of int64, shape (n_windows,)
        The number of the series.
    start : ndarray of int64, shape (n_windows,)
        The step of the series that is forecast first; what comes before it is known.
    horizon : int
        Steps forecast.
    """

    series: Integers
    start: Integers
    horizon: int

    def rows(self, chosen: npt.NDArray[np.int64]) -> Windows:
        """Return some of the windows."""
        return Windows(self.series[chosen], self.start[chosen], self.horizon)

    def earliest(self) -> Windows:
        """Return the first window of each series."""
        return self.rows(np.unique(self.series, return_index=True)[1])

    def rounds(self) -> list[npt.NDArray[np.int64]]:
        """Return the rows of the windows that are equally far from the end of their series, the earliest first."""
        from_end = np.searchsorted(self.series, self.series, side="right") - np.arange(len(self.series))
        return [np.flatnonzero(from_end == nth) for nth in np.unique(from_end)[::-1]]

    def answered(self, sizes: Integers) -> tuple[npt.NDArray[np.bool_], Integers, Integers]:
        """Tell what there is to answer for windows over series of these sizes.

        Returns
        -------
        inside : ndarray of bool, shape (n_windows, horizon)
            Which steps lie inside their series.
        positions : ndarray of int64, shape (n_answered,)
            Where these steps are in the series one after the other.
        counts : ndarray of int64, shape (n_series,)
            How many there are of each series.
        """
        steps, inside = self.steps(sizes)
        offsets = np.cumsum(sizes) - sizes
        positions = (offsets[self.series][:, None] + steps)[inside]
        counts = np.bincount(self.series, inside.sum(1), len(sizes)).astype(np.int64)
        return inside, positions, counts

    def steps(self, sizes: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """Return the steps that the windows cover, and which of them lie inside their series; (n_windows, horizon)."""
        steps = self.start[:, None] + np.arange(self.horizon)
        return steps, steps < sizes[self.series][:, None]


def last_windows(sizes: Integers, horizon: int, n_windows: int, step: int) -> Windows:
    """Place windows so that the last one ends with its series; those without a step of history are left out.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_series,)
        The length of each series.
    horizon : int
        Steps of a window.
    n_windows : int
        Windows of each series, at most.
    step : int
        Steps from one window to the next.

    Examples
    --------
    >>> last_windows(np.array([10]), horizon=3, n_windows=2, step=2).start
    array([5, 7])
    """
    before_end = horizon + step * np.arange(n_windows)[::-1]
    start = sizes[:, None] - before_end
    fits = start >= 1
    series = np.broadcast_to(np.arange(len(sizes))[:, None], start.shape)
    return Windows(series[fits], start[fits], horizon)


def all_windows(sizes: Integers, horizon: int, history: int) -> Windows:
    """Place windows one after the other over all of each series but its beginning.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_series,)
        The length of each series.
    horizon : int
        Steps of a window; the last one of a series may reach beyond its end.
    history : int
        Steps at the beginning that are not forecast; half of a shorter series.

    Examples
    --------
    >>> all_windows(np.array([10, 3]), horizon=4, history=2).start
    array([2, 6, 1])
    """
    first = np.maximum(np.minimum(history, sizes // 2), 1)
    counts = -((first - sizes) // horizon)
    series = np.repeat(np.arange(len(sizes)), counts)
    nth = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Windows(series, first[series] + horizon * nth, horizon)
