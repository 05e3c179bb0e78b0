"""The levels of prediction intervals that answer quantiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nixtla_accessor.contract import level_of_quantile
from nixtla_accessor.errors import InvalidArgumentError


def levels_to_ask(level: Sequence[float] | None, quantiles: Sequence[float] | None) -> Sequence[float] | None:
    """Work out the levels that answer both what is asked as levels and what is asked as quantiles.

    Parameters
    ----------
    level : sequence of float, optional
        Levels of prediction intervals, in percent; they are left as they are.
    quantiles : sequence of float, optional
        Quantile levels, each in (0, 1). One of the two at most.

    Returns
    -------
    sequence of float or None
        For quantiles each level once, ascending; None where none is needed (the quantile 0.5 is the forecast itself).

    Raises
    ------
    InvalidArgumentError
        If both are given, or the quantiles are none or out of their range.

    Examples
    --------
    >>> levels_to_ask(None, [0.1, 0.5, 0.9])
    [80.0]
    """
    if level is not None and quantiles is not None:
        raise InvalidArgumentError("Give level or quantiles, not both: level=[80] asks for the quantiles 0.1 and 0.9.")
    if quantiles is None:
        return level
    _check_quantiles(quantiles)
    return sorted({level_of_quantile(quantile) for quantile in quantiles} - {0.0}) or None


def _check_quantiles(quantiles: object) -> None:
    """Refuse what is no sequence of numbers between 0 and 1."""
    expected = "quantiles should be a list of numbers above 0 and below 1"
    if isinstance(quantiles, str | bytes) or not isinstance(quantiles, Iterable):
        raise InvalidArgumentError(f"{expected}, such as quantiles=[0.1, 0.9]; it is {quantiles!r}.")
    asked = list(quantiles)
    wrong = [
        item
        for item in asked
        if isinstance(item, bool) or not isinstance(item, int | float | np.integer | np.floating) or not 0 < item < 1
    ]
    if wrong or not asked:
        found = ", ".join(map(repr, wrong[:3])) if wrong else "none"
        raise InvalidArgumentError(f"{expected}, at least one; found {found} ({len(wrong)} wrong of {len(asked)}).")
