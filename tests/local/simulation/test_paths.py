"""Paths have the quantiles of the forecast at each step, and the order of dependent variables over time."""

from statistics import NormalDist

import numpy as np
import pytest

from nixtla_accessor.local.simulation.paths import draw_paths

LEVELS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999]
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
KINDS = (np.array([0.0, 1.0]), np.array([0.0, 0.0]))  # noise, a walk


def forecast(n_series=3, horizon=5):
    centre = 10.0 * np.arange(n_series)[:, None] + np.arange(horizon)
    return centre + NORMAL[:, None, None] * (1 + np.arange(horizon))


def draw(quantiles, n_paths, seed=0, walks=1.0):
    probabilities = np.tile([1 - walks, walks], (quantiles.shape[1], 1))
    return draw_paths(quantiles, LEVELS, KINDS, probabilities, n_paths, np.random.default_rng(seed))


@pytest.mark.parametrize("n_paths", [100, 333, 1000])
def test_the_paths_have_the_quantiles_of_the_forecast(n_paths):
    quantiles = forecast()
    paths = draw(quantiles, n_paths)
    assert paths.shape == (n_paths, 3, 5)
    for level, expected in zip(LEVELS[2:-2], quantiles[2:-2], strict=True):
        np.testing.assert_allclose(
            np.quantile(paths, level, axis=0, method="hazen"), expected, atol=0.02 * (1 + np.arange(5)).max()
        )
    assert paths.min() >= quantiles[0].min()
    assert paths.max() <= quantiles[-1].max()


def test_few_paths_are_draws_of_the_whole_distribution():
    singles = np.array([draw(forecast(1, 1), 1, seed)[0, 0, 0] for seed in range(400)])
    assert abs(singles.mean()) < 0.2
    assert 0.85 < singles.std() < 1.15


def test_quantiles_that_are_equal_leave_nothing_to_chance():
    np.testing.assert_array_equal(draw(np.full((len(LEVELS), 2, 4), 7.0), 50), 7.0)


def test_a_bounded_forecast_has_bounded_paths():
    assert draw(np.maximum(forecast(), 0.0), 200).min() == 0.0


def test_the_seed_decides():
    np.testing.assert_array_equal(draw(forecast(), 30, seed=4), draw(forecast(), 30, seed=4))
    assert not np.array_equal(draw(forecast(), 30, seed=4), draw(forecast(), 30, seed=5))


def test_the_kind_of_dependence_decides_how_wide_sums_are():
    quantiles = np.repeat(NORMAL[:, None], 12, axis=1)[:, None, :]
    noise, walks = (draw(quantiles, 2000, walks=share).sum(2).std() for share in (0.0, 1.0))
    assert noise == pytest.approx(np.sqrt(12), rel=0.1)
    steps = np.arange(1, 13)
    expected = np.sqrt(np.sqrt(np.minimum.outer(steps, steps) / np.maximum.outer(steps, steps)).sum())
    assert walks == pytest.approx(expected, rel=0.1)


def test_series_are_drawn_independently():
    paths = draw(forecast(2, 3), 2000)
    assert abs(np.corrcoef(paths[:, 0, 2], paths[:, 1, 2])[0, 1]) < 0.08
