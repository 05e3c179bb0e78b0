"""Windows of the past to forecast, and to compare with the values that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Integers, Mask


@dataclass(frozen=True, slots=True, eq=False)
class BacktestWindows:
    """Windows of equal length, by series and then by time.

    Attributes
    ----------
    series : ndarray of int64, shape (n_windows,)
        The number of the series.
    start : ndarray of int64, shape (n_windows,)
        The first step that is forecast; what comes before it is known.
    horizon : int
        Steps forecast.
    """

    series: Integers
    start: Integers
    horizon: int

    def rows(self, chosen: Integers) -> BacktestWindows:
        """Return some of the windows."""
        return BacktestWindows(self.series[chosen], self.start[chosen], self.horizon)

    def earliest(self) -> BacktestWindows:
        """Return the first window of each series."""
        return self.rows(np.unique(self.series, return_index=True)[1])

    def rounds(self) -> list[Integers]:
        """Return the rows of the windows that are equally far from the end of their series, the earliest first."""
        from_end = np.searchsorted(self.series, self.series, side="right") - np.arange(len(self.series))
        return [np.flatnonzero(from_end == nth) for nth in np.unique(from_end)[::-1]]

    def shared_rounds(self, rows: Integers, count: int) -> list[Integers]:
        """Split some rows by the distance of their windows from the end of their series, the earliest first.

        Parameters
        ----------
        rows : ndarray of int64
        count : int
            At most so many parts; a part may then hold several windows of a series.
        """
        rounds = [rows[within] for within in self.rows(rows).rounds()]
        parts = [rounds[some[0] : some[-1] + 1] for some in np.array_split(np.arange(len(rounds)), count) if len(some)]
        return [np.sort(np.concatenate(part)) for part in parts]

    def known_steps(self, sizes: Integers) -> tuple[Mask, Integers, Integers]:
        """Return which steps of the windows lie inside their series, and where.

        Returns
        -------
        inside : ndarray of bool, shape (n_windows, horizon)
            Which steps lie inside their series.
        positions : ndarray of int64, shape (n_steps,)
            Positions of these steps in the values of all series, one after the other.
        counts : ndarray of int64, shape (n_series,)
            The number of these steps in each series.
        """
        steps, inside = self.steps(sizes)
        offsets = np.cumsum(sizes) - sizes
        positions = (offsets[self.series][:, None] + steps)[inside]
        counts = np.bincount(self.series, inside.sum(1), len(sizes)).astype(np.int64)
        return inside, positions, counts

    def steps(self, sizes: Integers) -> tuple[Integers, Mask]:
        """Return the steps that the windows cover, and which of them lie inside their series; (n_windows, horizon)."""
        steps = self.start[:, None] + np.arange(self.horizon)
        return steps, steps < sizes[self.series][:, None]


def last_windows(sizes: Integers, horizon: int, n_windows: int, step: int) -> BacktestWindows:
    """Place windows so that the last one ends with its series; leave out those without a step of history.

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
    counts = count_last_windows(sizes, horizon, n_windows, step)
    series, nth = _number_windows(counts)
    start = sizes[series] - horizon - step * (counts[series] - 1 - nth)
    return BacktestWindows(series, start, horizon)


def count_last_windows(sizes: Integers, horizon: int, n_windows: int, step: int) -> Integers:
    """Return how many windows `last_windows` places in each series, without placing them.

    Examples
    --------
    >>> count_last_windows(np.array([10, 4, 3]), horizon=3, n_windows=2, step=2)
    array([2, 1, 0])
    """
    return np.clip((sizes - 1 - horizon) // step + 1, 0, n_windows)


def all_windows(sizes: Integers, horizon: int, history: int) -> BacktestWindows:
    """Place windows one after the other over each series except its beginning.

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
    first = _first_steps(sizes, history)
    series, nth = _number_windows(count_all_windows(sizes, horizon, history))
    return BacktestWindows(series, first[series] + horizon * nth, horizon)


def count_all_windows(sizes: Integers, horizon: int, history: int) -> Integers:
    """Return how many windows `all_windows` places in each series, without placing them.

    Examples
    --------
    >>> count_all_windows(np.array([10, 3]), horizon=4, history=2)
    array([2, 1])
    """
    return -((_first_steps(sizes, history) - sizes) // horizon)


def _first_steps(sizes: Integers, history: int) -> Integers:
    return np.maximum(np.minimum(history, sizes // 2), 1)


def _number_windows(counts: Integers) -> tuple[Integers, Integers]:
    """Return the series of each window, and the window's number in it."""
    series = np.repeat(np.arange(len(counts)), counts)
    return series, np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
