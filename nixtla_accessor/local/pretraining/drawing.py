"""Random draws for the rows of a chunk of synthetic series, and the part of each row that its series covers."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers, Mask

Generator = np.random.Generator
CALM = 0.06  # of the series
MIN_AHEAD = 24  # steps of the future from which slow changes are scaled to the length of the history


class Drawing:
    """Random draws for the rows of a chunk, and the part of each row that its series covers.

    Attributes
    ----------
    history : int
        Columns of history, right-aligned; `ahead` columns of the future follow.
    life : ndarray of int, shape (rows, 1)
        Points of history of each series.
    alive : ndarray of bool, shape (rows, columns)
    calm : ndarray of bool, shape (rows, 1)
        Series that hold almost nothing but smooth changes and seasons, as averages over many years do.
    age : ndarray of float32, shape (rows, columns)
        0 to 1 over the history and a little of the future, then growing more slowly: few trends go on for long.
    """

    def __init__(self, rng: Generator, rows: int, history: int, length: Integers, ahead: int) -> None:
        self.rng, self.rows, self.history, self.ahead = rng, rows, history, ahead
        self.life, self.points = length[:, None], history + ahead
        column = np.arange(self.points, dtype=np.float32)[None]
        born = (history - length)[:, None].astype(np.float32)
        self.time = column
        self.alive: Mask = column >= born
        self.calm = self.some(CALM)
        grown = length + np.minimum(ahead, np.maximum(MIN_AHEAD, length // 4))
        age = np.maximum((column - born) / grown[:, None].astype(np.float32), 0)
        self.age: Floats = np.where(age > 1, 1 + np.log(np.maximum(age, 1)), age).astype(np.float32)

    def uniform(self, low: float, high: float, rows: int | None = None) -> Floats:
        """Draw uniformly, one number a row."""
        return self.rng.uniform(low, high, (self.rows if rows is None else rows, 1)).astype(np.float32)

    def log_uniform(self, low: float, high: float, rows: int | None = None) -> Floats:
        """Draw 10 to a uniform power."""
        return np.float32(10) ** self.uniform(low, high, rows)

    def normal(self, columns: int = 1) -> Floats:
        """Draw from the standard normal distribution."""
        return self.rng.standard_normal((self.rows, columns), dtype=np.float32)

    def random(self, columns: int = 1) -> Floats:
        """Draw between 0 and 1."""
        return self.rng.random((self.rows, columns), dtype=np.float32)

    def some(self, probability: float) -> Mask:
        """Choose each row with this probability."""
        return self.rng.random((self.rows, 1)) < probability

    def spread(self, values: Floats) -> Floats:
        """Compute the standard deviation of each series."""
        count = self.alive.sum(1, keepdims=True).astype(np.float32)
        mean = (values * self.alive).sum(1, keepdims=True) / count
        spread: Floats = np.sqrt((((values - mean) ** 2) * self.alive).sum(1, keepdims=True) / count)
        return spread + np.float32(1e-6)
