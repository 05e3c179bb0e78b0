"""Each loss and its gradient, against a second definition and an independent differentiator."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from nixtla_accessor.contract import FINETUNE_LOSSES
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.losses import LOSSES, Targets, compute_loss

LEVELS = NETWORK.quantile_levels
MEDIAN = NETWORK.median
WINDOWS, STEPS = 5, 24
OTHERS = [i for i in range(len(LEVELS)) if i != MEDIAN]


def example(seed=0, *, level=3.0):
    """Quantiles and targets, some steps missing, some values zero or below in the series' unit."""
    rng = np.random.default_rng(seed)
    quantiles = rng.normal(0, 2, (WINDOWS, STEPS, len(LEVELS)))
    importance = rng.uniform(0.5, 2, (WINDOWS, STEPS)) * (rng.random((WINDOWS, STEPS)) < 0.8)
    offset = np.full((WINDOWS, 1), level)
    values = rng.normal(0, 2, (WINDOWS, STEPS))
    values[:, :3] = -level  # a zero
    return quantiles, Targets(values, importance, rng.uniform(0.5, 2, (WINDOWS, 1)), offset)


def pinball(quantiles, targets, levels):
    """Mean of twice the pinball loss by window and step, in units."""
    total = 0.0
    for i, weight in levels.items():
        error = (targets.values - quantiles[:, :, i]) / targets.unit
        error = anp.where(anp.abs(error) > 12, 12 * anp.sign(error), error)
        total = total + 2 * weight * anp.maximum(LEVELS[i] * error, (LEVELS[i] - 1) * error)
    return total / sum(levels.values())


def point_loss(name, quantiles, targets):
    """The loss of the point forecast by window and step."""
    forecast, actual, unit = quantiles[:, :, MEDIAN], targets.values, targets.unit
    least = 0.1 * unit
    series_forecast, series_actual = forecast + targets.offset, actual + targets.offset
    if name == "mae":
        return anp.abs(actual - forecast) / unit
    if name in ("mse", "rmse"):
        return ((actual - forecast) / unit) ** 2
    if name == "mape":
        return anp.abs(actual - forecast) / np.maximum(np.abs(series_actual), least)
    if name == "smape":
        return 2 * anp.abs(actual - forecast) / anp.maximum(anp.abs(series_actual) + anp.abs(series_forecast), least)
    count, rate = np.maximum(series_actual, 0) + least, series_forecast + least
    inside = anp.maximum(rate, least / 2)
    deviance = count * anp.log(count / inside) - count + inside
    return deviance + anp.minimum(rate - least / 2, 0) * (1 - count / (least / 2))


def by_window(name, quantiles, targets):
    """The whole loss of each window."""
    importance = targets.importance
    weight = anp.sum(importance, 1)
    if name == "default":
        twice = {i: 2 if i == MEDIAN else 1 for i in range(len(LEVELS))}
        return anp.sum(importance * pinball(quantiles, targets, twice), 1) / weight
    point = anp.sum(importance * point_loss(name, quantiles, targets), 1) / weight
    if name == "rmse":
        point = anp.sqrt(point)
    relative = 1.0
    if name in ("mape", "smape", "poisson"):
        size = np.maximum(np.abs(targets.values + targets.offset), 0.1 * targets.unit)
        relative = np.sum(importance * targets.unit / size) / np.sum(importance)
    others = anp.sum(importance * pinball(quantiles, targets, dict.fromkeys(OTHERS, 1)), 1) / weight
    return point + 0.3 * relative * others


@pytest.mark.parametrize("level", [3.0, 50.0, -4.0])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients(name, level):
    quantiles, targets = example(level=level)
    loss = compute_loss(name, quantiles, targets)
    np.testing.assert_allclose(loss.by_window, by_window(name, quantiles, targets), rtol=1e-6)
    weight = targets.importance.sum(1) / targets.importance.sum()
    expected = grad(lambda q: anp.sum(weight * by_window(name, q, targets)))(quantiles)
    np.testing.assert_allclose(loss.gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_finite_differences(name):
    quantiles, targets = example(1)
    gradient = compute_loss(name, quantiles, targets).gradient
    weight = targets.importance.sum(1) / targets.importance.sum()
    rng = np.random.default_rng(2)
    for _ in range(20):
        place = (rng.integers(WINDOWS), rng.integers(STEPS), rng.choice([MEDIAN, rng.integers(len(LEVELS))]))
        around = []
        for step in (1e-6, -1e-6):
            moved = quantiles.copy()
            moved[place] += step
            around.append(float(weight @ compute_loss(name, moved, targets).by_window))
        assert (around[0] - around[1]) / 2e-6 == pytest.approx(gradient[place], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("mse", np.mean),
        ("rmse", np.mean),
        ("poisson", np.mean),
        ("mae", np.median),
        ("default", np.median),
    ],
)
def test_the_best_constant_forecast_is_the_one_in_theory(name, best):
    counts = np.random.default_rng(0).poisson(3.0, (1, 24)).astype(float)
    counts[0, :4] += 6
    importance = (np.arange(24) < 23)[None].astype(float)  # of an odd number the median is one of them
    targets = Targets(counts, importance, np.ones((1, 1)), np.zeros((1, 1)))
    counts = counts[:, :23]

    def slope_at(value):
        quantiles = np.full((1, 24, len(LEVELS)), value)
        return compute_loss(name, quantiles, targets).gradient[:, :, MEDIAN].sum()

    assert slope_at(best(counts) - 0.01) < 0 < slope_at(best(counts) + 0.01)


@pytest.mark.parametrize("name", LOSSES)
def test_missing_values_add_nothing_to_loss_and_gradient(name):
    quantiles, targets = example(3)
    quantiles, values = quantiles.astype(np.float32), targets.values.copy()
    missing = targets.importance == 0
    loss = compute_loss(name, quantiles, targets)
    assert not loss.gradient[missing].any()
    values[missing] = 55
    changed = compute_loss(name, quantiles, Targets(values, targets.importance, targets.unit, targets.offset))
    np.testing.assert_allclose(changed.by_window, loss.by_window)
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        nothing = targets.importance * (np.arange(WINDOWS) > 0)[:, None]
        empty = compute_loss(name, quantiles, Targets(targets.values, nothing, targets.unit, targets.offset))
    assert np.isfinite(empty.by_window).all()
    assert np.isfinite(empty.gradient).all()


def test_losses_of_the_point_forecast_keep_a_pinball_loss_of_the_other_levels():
    quantiles, targets = example(4)
    gradients = {name: compute_loss(name, quantiles, targets).gradient for name in LOSSES}
    for name in ("mse", "rmse"):
        np.testing.assert_array_equal(gradients[name][:, :, OTHERS], gradients["mae"][:, :, OTHERS])
    points = [gradients[name][:, :, MEDIAN] for name in LOSSES]
    for i, one in enumerate(points):
        assert not any(np.allclose(one, other) for other in points[i + 1 :])


def test_they_are_those_of_the_contract():
    assert set(LOSSES) == set(FINETUNE_LOSSES)
