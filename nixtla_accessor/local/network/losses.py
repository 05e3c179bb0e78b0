"""The losses of training: value and gradient with respect to the quantiles that the network returns.

All are scaled by series. `default` is the pinball loss over all levels; it is robust. The others are of the point
forecast, which is the output for the median; the other levels then keep a pinball loss of small weight, so that
intervals stay calibrated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.config import NETWORK

ERROR_LIMIT = 12  # units; `default` clips larger errors, so that outliers do not dominate
PINBALL_WEIGHT = 0.3  # of the pinball loss beside a loss of the point forecast
MIN_DENOMINATOR = 0.1  # units; of relative losses
_LEVELS = np.array(NETWORK.quantile_levels, np.float32)
_IS_MEDIAN = np.arange(NETWORK.n_levels) == NETWORK.median
_MEDIAN_TWICE = np.where(_IS_MEDIAN, 2, 1).astype(np.float32)
_MEDIAN_TWICE /= _MEDIAN_TWICE.sum()
EQUAL_WEIGHTS = np.full(NETWORK.n_levels, 1 / NETWORK.n_levels, np.float32)
_ALL_BUT_MEDIAN = np.where(_IS_MEDIAN, 0, 1).astype(np.float32)
_ALL_BUT_MEDIAN /= _ALL_BUT_MEDIAN.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The actual values of a batch of windows, and how their errors count.

    Attributes
    ----------
    values : ndarray, shape (windows, horizon)
        Actual values in z.
    importance : ndarray, shape (windows, horizon)
        Weight of each step, 0 where there is no actual value; not all 0.
    unit : ndarray, shape (windows, 1)
        Size of a usual error in z.
    offset : ndarray, shape (windows, 1)
        `z + offset` is the value in the series' own unit over its scale.
    """

    values: Floats
    importance: Floats
    unit: Floats
    offset: Floats

    def rows(self, chosen: Integers) -> Targets:
        """Return some of the windows."""
        return Targets(self.values[chosen], self.importance[chosen], self.unit[chosen], self.offset[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """The loss of a batch.

    Attributes
    ----------
    by_window : ndarray, shape (windows,)
        The mean loss of each window, its steps weighted by importance.
    gradient : ndarray, shape (windows, horizon, levels)
        Derivative, with respect to the quantiles, of the mean over windows, weighted by their total importance.
    """

    by_window: Floats
    gradient: Floats


def compute_loss(name: str, quantiles: Floats, targets: Targets) -> Loss:
    """Compute the loss of a batch.

    Parameters
    ----------
    name : str
        One of LOSSES.
    quantiles : ndarray, shape (windows, horizon, levels)
        In z, as the network returns them.
    targets : Targets

    Returns
    -------
    Loss

    Notes
    -----
    With y the actual value, f the point forecast, u the window's unit (the error of the seasonal naive forecast) and s
    its scale, the losses of the point forecast at a step are:

    - ``mae``: ``|y - f| / u``
    - ``mse``: ``((y - f) / u)^2``
    - ``rmse``: the square root of the window's mean of ``mse``
    - ``mape``: ``|y - f| / |y|``
    - ``smape``: ``2 |y - f| / (|y| + |f|)``
    - ``poisson``: the deviance ``(b log(b / a) - b + a) / s`` of the rate ``a = f + e`` and the count
      ``b = max(y, 0) + e``

    where e is a tenth of u. Denominators are at least e, and where a is below e / 2, the deviance continues as its
    tangent.
    """
    if name == "default":
        return pinball(quantiles, targets)
    point, slope = _POINT_LOSSES[name](quantiles[:, :, NETWORK.median], targets)
    importance = targets.importance
    total = importance.sum()
    by_window = (importance * point).sum(1) / np.maximum(importance.sum(1), 1e-9)
    gradient = np.zeros_like(quantiles)
    gradient[:, :, NETWORK.median] = slope * importance / total
    usual = _usual_relative_error(targets) if name in _RELATIVE else 1.0
    others = pinball(quantiles, targets, _ALL_BUT_MEDIAN)
    weight = PINBALL_WEIGHT * usual
    return Loss(
        by_window + weight * others.by_window,
        gradient + weight * others.gradient,
    )


def pinball(
    quantiles: Floats, targets: Targets, level_weights: Floats = _MEDIAN_TWICE, *, limit: float = ERROR_LIMIT
) -> Loss:
    """Compute twice the mean pinball loss over the levels, in units, with errors clipped to a limit.

    At the median, twice the pinball loss is the absolute error. With a limit, intervals leave out what is beyond it.
    """
    error = (targets.values[:, :, None] - quantiles) / targets.unit[:, :, None]
    slope = np.where(error > 0, _LEVELS, _LEVELS - 1)
    slope *= level_weights * 2
    clipped = np.clip(error, -limit, limit)
    importance = targets.importance
    by_window = np.einsum("whq,whq,wh->w", slope, clipped, importance) / np.maximum(importance.sum(1), 1e-9)
    slope *= clipped == error
    slope *= (importance / importance.sum())[:, :, None] / -targets.unit[:, :, None]
    return Loss(by_window, slope)


def _mae(point: Floats, targets: Targets) -> tuple[Floats, Floats]:
    error = (point - targets.values) / targets.unit
    return np.abs(error), np.sign(error) / targets.unit


def _mse(point: Floats, targets: Targets) -> tuple[Floats, Floats]:
    error = (point - targets.values) / targets.unit
    return error**2, 2 * error / targets.unit


def _rmse(point: Floats, targets: Targets) -> tuple[Floats, Floats]:
    error = (point - targets.values) / targets.unit
    importance = targets.importance
    square = (importance * error**2).sum(1, keepdims=True) / np.maximum(importance.sum(1, keepdims=True), 1e-9)
    root = np.sqrt(square)
    return np.broadcast_to(root, error.shape), error / np.maximum(root, 1e-9) / targets.unit


def _mape(point: Floats, targets: Targets) -> tuple[Floats, Floats]:
    error, size = point - targets.values, _size(targets)
    return np.abs(error) / size, np.sign(error) / size


def _smape(point: Floats, targets: Targets) -> tuple[Floats, Floats]:
    error = point - targets.values
    forecast = point + targets.offset
    both = np.abs(targets.values + targets.offset) + np.abs(forecast)
    size = np.maximum(both, MIN_DENOMINATOR * targets.unit)
    value = 2 * np.abs(error) / size
    return value, 2 * np.sign(error) / size - value / size * np.sign(forecast) * (both == size)


def _poisson(point: Floats, targets: Targets) -> tuple[Floats, Floats]:
    extra = (MIN_DENOMINATOR * targets.unit).astype(np.float64)
    count = np.maximum(targets.values + targets.offset.astype(np.float64), 0) + extra
    rate = point + targets.offset.astype(np.float64) + extra
    tangent_at = np.maximum(rate, extra / 2)
    slope = 1 - count / tangent_at
    value = count * np.log(count / tangent_at) - count + tangent_at + slope * (rate - tangent_at)
    return value, slope


def _size(targets: Targets) -> Floats:
    """Compute the absolute actual values over the scale, at least MIN_DENOMINATOR units."""
    size: Floats = np.maximum(np.abs(targets.values + targets.offset), MIN_DENOMINATOR * targets.unit)
    return size


def _usual_relative_error(targets: Targets) -> float:
    """Compute the factor that makes a pinball loss, in units, about as large as a relative loss."""
    return float((targets.importance * (targets.unit / _size(targets))).sum() / targets.importance.sum())


_POINT_LOSSES: dict[str, Callable[[Floats, Targets], tuple[Floats, Floats]]] = {
    "mae": _mae,
    "mse": _mse,
    "rmse": _rmse,
    "mape": _mape,
    "smape": _smape,
    "poisson": _poisson,
}
_RELATIVE = ("mape", "smape", "poisson")
LOSSES = ("default", *_POINT_LOSSES)
