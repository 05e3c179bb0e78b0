"""How sure one can be of the mean of differences: Student's interval."""

from __future__ import annotations

from math import cos, pi, sin, sqrt
from statistics import NormalDist

from nixtla_accessor.panel.arrays import Values

_MANY = 1000  # degrees of freedom, from which the normal distribution is as good: 0.1% narrower
_HALVINGS = 60


def mean_interval(differences: Values, confidence: float) -> tuple[float, float] | None:
    """Return the interval of the mean of independent differences, as a paired t-test has it.

    Parameters
    ----------
    differences : ndarray of shape (n,)
        What one forecast is worse by than another, of each series or of each window. Of the windows of one series it
        is the Diebold-Mariano test with the correction of Harvey, Leybourne and Newbold, at one step: of a window.
    confidence : float
        The level of the interval, in (0, 1).

    Returns
    -------
    (float, float) or None
        The lower and the upper end; None of fewer than two differences, which do not tell.

    References
    ----------
    Harvey, D., Leybourne, S. & Newbold, P. (1997), Testing the equality of prediction mean squared errors.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = mean_interval(np.array([1.0, 2.0, 3.0]), 0.95)
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    n = len(differences)
    if n < 2:
        return None
    mean = float(differences.mean())
    reach = student_reach(confidence, n - 1) * float(differences.std(ddof=1)) / sqrt(n)
    return mean - reach, mean + reach


def student_reach(confidence: float, freedom: int) -> float:
    """Return how far from 0 Student's t lies at most, with this probability.

    Parameters
    ----------
    confidence : float
        The probability, in (0, 1).
    freedom : int
        The degrees of freedom, at least 1.

    Examples
    --------
    >>> round(student_reach(0.95, 10), 4)
    2.2281
    """
    if freedom >= _MANY:
        return NormalDist().inv_cdf(0.5 + confidence / 2)
    low, high = 0.0, pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _probability_within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return sqrt(freedom) * sin(low) / cos(low)


def _probability_within(angle: float, freedom: int) -> float:
    """Return the probability that ``abs(t) < sqrt(freedom) * tan(angle)``.

    References
    ----------
    Abramowitz, M. & Stegun, I. A. (1964), Handbook of mathematical functions, 26.7.3 and 26.7.4.
    """
    is_odd = freedom % 2
    term = cos(angle) if is_odd else 1.0
    total = 0.0
    for power in range(2 + is_odd, freedom + 1, 2):
        total += term
        term *= cos(angle) ** 2 * (power - 1) / power
    return 2 / pi * (angle + sin(angle) * total) if is_odd else sin(angle) * total
