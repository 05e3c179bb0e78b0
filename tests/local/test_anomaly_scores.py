"""Scores of anomalies: standard deviations that mean what they say."""

import numpy as np
import pytest

from nixtla_accessor.local.anomaly_scores import accumulate, calibrate, spreads, standardise

RNG_SEED = 3


def normal(*shape):
    return np.random.default_rng(RNG_SEED).normal(size=shape)


def test_errors_are_in_standard_deviations_of_their_own_side():
    median, lowest, highest = np.full(3, 10.0), np.full(3, 10 - 1.96), np.full(3, 10 + 2 * 1.96)
    below, above = spreads(np.full(9, 10.0), median, lowest, highest)
    scores = standardise(np.array([7.0, 14.0, np.nan]), median, below, above)
    np.testing.assert_allclose(scores, [-3, 2, np.nan], rtol=1e-3)


@pytest.mark.parametrize("size", [0.2, 1.0, 5.0])
def test_calibration_measures_the_width_of_errors_and_bears_some_anomalies(size):
    errors = size * normal(1000)
    assert calibrate(errors) == pytest.approx(size, rel=0.15)
    errors[:50] = 1000
    assert calibrate(errors) == pytest.approx(size, rel=0.35)


def test_few_errors_leave_the_forecast_to_its_word():
    assert calibrate(np.full(5, np.nan)) == 1.0
    assert 1.0 < calibrate(np.array([4.0, -4.0])) < 2.0
    assert calibrate(np.zeros(10)) > 0.5


@pytest.mark.parametrize("n_series", [1, 5, 200])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_accumulated_scores_are_nearly_normal_however_the_series_move_together(n_series, shared):
    own, common = normal(n_series, 4000), np.random.default_rng(7).normal(size=4000)
    scores = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    accumulated = accumulate(scores, np.arange(4000) < 2000)[2000:]
    assert accumulated.mean() == pytest.approx(0, abs=0.2)
    assert 0.7 < accumulated.std() < 1.2
    assert 0.003 < (accumulated > 2.33).mean() < 0.03


def test_accumulated_scores_see_what_no_series_alone_shows():
    scores = normal(100, 300)
    scores[:, -1] = 1.8 * np.sign(scores[:, -1])  # usual at the level 95
    accumulated = accumulate(scores, np.arange(300) < 290)
    assert accumulated[-1] > 4


def test_steps_without_values_are_usual():
    scores = normal(3, 50)
    scores[:, 20] = np.nan
    assert np.isfinite(accumulate(scores, np.ones(50, bool))).all()
