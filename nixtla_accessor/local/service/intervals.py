"""The median and the bounds of prediction intervals, as quantiles of the forecast and as lists of a response."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nixtla_accessor.contract import SIDES, Side, interval_key

Quantiles = npt.NDArray[np.float64]
"""Of shape (probabilities, series, horizon), or with the last two flattened."""


def probabilities(levels: Sequence[float] | None) -> list[float]:
    """Return the quantiles that intervals of these levels need: the median, then the bounds.

    Examples
    --------
    >>> [round(each, 3) for each in probabilities([80])]
    [0.5, 0.1, 0.9]
    """
    return [0.5, *_bounds(levels or ()).values()]


def interval_lists(quantiles: Quantiles, levels: Sequence[float] | None) -> dict[str, list[float]] | None:
    """Return the bounds of the intervals under the contract's keys.

    Parameters
    ----------
    quantiles : ndarray of float64, shape (probabilities, values)
        At `probabilities(levels)`.
    levels : sequence of float or None
        In percent.
    """
    if levels is None:
        return None
    return {key: bound.tolist() for key, bound in zip(_bounds(levels), quantiles[1:], strict=True)}


def _bounds(levels: Sequence[float]) -> dict[str, float]:
    """Return the key of each bound, with its probability."""
    return {interval_key(side, level): _probability(side, level) for level in levels for side in SIDES}


def _probability(side: Side, level: float) -> float:
    return 0.5 + (-1 if side == "lo" else 1) * level / 200
