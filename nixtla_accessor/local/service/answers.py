"""What of the forecast distribution is answered: its median, and the bounds of the intervals asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MOST_ANSWERED = 10_000_000  # numbers, which make some 200 MB of JSON, as large as the largest requests

Quantiles = npt.NDArray[np.float64]
"""Of shape (probabilities, series, horizon), or less of it."""


class TooLongAnswerError(Exception):
    """More numbers are asked for than are answered at once."""

    def __str__(self) -> str:
        return (
            f"expected at most {MOST_ANSWERED:,} numbers to answer, found {self.args[0]:,}: "
            "ask for fewer series, steps, windows or levels at a time"
        )


def probabilities(levels: Sequence[float] | None) -> list[float]:
    """List the quantiles that are answered for intervals of these levels: the median, then the bounds.

    Examples
    --------
    >>> [round(each, 3) for each in probabilities([80])]
    [0.5, 0.1, 0.9]
    """
    return [0.5, *_bounds(levels or ()).values()]


def room_for(levels: Sequence[float] | None, n_series: int, horizon: int) -> Quantiles:
    """Make an array for the quantiles that are answered.

    Raises
    ------
    TooLongAnswerError
        It would hold more than MOST_ANSWERED numbers.
    """
    shape = len(probabilities(levels)), n_series, horizon
    if math.prod(shape) > MOST_ANSWERED:
        raise TooLongAnswerError(math.prod(shape))
    return np.empty(shape)


def intervals(quantiles: Quantiles, levels: Sequence[float] | None) -> dict[str, list[float]] | None:
    """List the bounds of the intervals under the contract's names.

    Parameters
    ----------
    quantiles : ndarray of float64, shape (probabilities, values)
        At `probabilities(levels)`.
    levels : sequence of float or None
        In percent.
    """
    if levels is None:
        return None
    return {name: bound.tolist() for name, bound in zip(_bounds(levels), quantiles[1:], strict=True)}


def _bounds(levels: Sequence[float]) -> dict[str, float]:
    """Name the bounds, each with its probability."""
    sides = (("lo", -1), ("hi", 1))
    return {f"{side}-{level:.12g}": 0.5 + sign * level / 200 for level in levels for side, sign in sides}
