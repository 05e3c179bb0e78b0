"""Series in the units of a model that computes in 32-bit floats, and forecasts back in the units of the series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats

_LEAST_SPREAD = 1e-4  # of the largest value; below, rounding to 32 bits would show in the forecasts
_MAX_EXPONENT = 40  # values beyond 2 ** 40 or below 2 ** -40 have squares that 32-bit floats hold badly
_LARGEST = 1000  # the exponent of the largest forecasts: their differences are finite too


@dataclass(frozen=True, slots=True)
class Unit:
    """What was taken out of a series: ``values = centre + 2 ** exponent * taken``.

    Attributes
    ----------
    centre : float
    exponent : int
    """

    centre: float = 0.0
    exponent: int = 0

    def convert(self, values: Floats) -> NDArray[np.float32]:
        """Return values in this unit; NaN for those that are not finite."""
        finite = np.where(np.isfinite(values), values, np.nan)
        return np.asarray(np.ldexp(finite - self.centre, -self.exponent), np.float32)

    def restore(self, values: Floats) -> NDArray[np.float64]:
        """Return values in the units of the series, finite."""
        largest = np.ldexp(1.0, min(1020 - self.exponent, _LARGEST))
        inside = np.clip(np.asarray(values, np.float64), -largest, largest)
        return np.asarray(np.ldexp(inside, self.exponent) + self.centre, np.float64)


def choose_unit(values: Floats) -> Unit:
    """Choose the unit of a series: its own, unless 32-bit floats cannot hold its values and their differences.

    A series that moves little beside its size, such as 10 ** 9 and a few, is centred. One of very large or very small
    values is scaled by a power of two, which is exact. All others are left as they are.

    Parameters
    ----------
    values : ndarray, shape (points,)
        Those that are not finite are not looked at.

    Examples
    --------
    >>> import numpy as np
    >>> choose_unit(np.array([1.0, 2.0, 3.0]))
    Unit(centre=0.0, exponent=0)
    >>> choose_unit(np.array([1e9, 1e9 + 2]))
    Unit(centre=1000000001.0, exponent=0)
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.any():
        return Unit()
    exponent = int(np.frexp(np.abs(finite).max())[1])
    inside = np.ldexp(finite, -exponent)  # below 1, so that sums do not overflow
    centre = 0.0
    if np.ptp(inside) < _LEAST_SPREAD:
        centre = float(np.ldexp(inside.mean(), exponent))
        rest = np.abs(finite - centre).max()
        exponent = int(np.frexp(rest)[1]) if rest else 0
    return Unit(centre, exponent if abs(exponent) > _MAX_EXPONENT else 0)
