"""The arrays that a panel is made of: their types, and the arithmetic of series that stand end to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Integers: TypeAlias = npt.NDArray[np.int64]
Values: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Days: TypeAlias = npt.NDArray[np.datetime64]
Ticks: TypeAlias = Integers
"""Times as integers, see `nixtla_accessor.panel.times.TimeForm`."""
Target: TypeAlias = Values | Integers
"""The values of series, every digit kept: integers stay integers."""
Column: TypeAlias = "pd.Series[Any] | pd.Index[Any]"
"""A column of a frame, or the index level in its place."""

CHUNK_ROWS = 1 << 17  # temporary arrays of this length stay in the processor's cache, and add little to peak memory


def offsets(sizes: Integers) -> Integers:
    """Return where each series begins when series of these sizes stand end to end; shape (n_series,)."""
    return np.asarray(np.cumsum(sizes) - sizes)


def steps_within(sizes: Integers) -> Integers:
    """Return the place of each row within its series, from 0, when series stand end to end; shape (sum of sizes,)."""
    return np.asarray(np.arange(sizes.sum()) - np.repeat(offsets(sizes), sizes))


def concatenate_ranges(starts: Integers, sizes: Integers) -> Integers:
    """Concatenate the ranges of integers that begin at ``starts`` and are ``sizes`` long.

    Examples
    --------
    >>> concatenate_ranges(np.array([10, 20]), np.array([2, 3])).tolist()
    [10, 11, 20, 21, 22]
    """
    return np.asarray(np.arange(sizes.sum()) + np.repeat(starts - offsets(sizes), sizes))


def chunks(length: int) -> Iterator[slice]:
    """Yield slices of at most `CHUNK_ROWS` that cover a length."""
    for start in range(0, length, CHUNK_ROWS):
        yield slice(start, start + CHUNK_ROWS)


def most_frequent(values: Integers) -> int:
    """Return the most frequent number; of equally frequent ones the smallest."""
    distinct, counts = np.unique(values, return_counts=True)
    return int(distinct[np.argmax(counts)])
