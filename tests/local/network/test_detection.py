"""Detection of seasons that the frequency does not imply."""

import numpy as np
import pytest

from nixtla_accessor.local.network.detection import detect_seasons
from nixtla_accessor.seasons import Season

NONE, DAYS, HOURS = Season(1, 0), Season(7, 364), Season(24, 168)


def detect(rows, season=NONE):
    z = (rows - rows.mean(1, keepdims=True)).astype(np.float32)
    period, strength = detect_seasons(z, np.ones(z.shape, bool), np.full((len(z), 1), z.shape[1]), season)
    assert period.shape == strength.shape == (len(z), 1)
    assert ((strength > 0) == (period > 0)).all()
    return period[:, 0], strength[:, 0]


def cycles(period, count, noise, n_series=60):
    rng = np.random.default_rng(period)
    shapes = rng.normal(size=(n_series, period))
    n = int(period * count)
    return np.stack([np.resize(shape, n) for shape in shapes]) + noise * rng.normal(size=(n_series, n))


@pytest.mark.parametrize("period", [5, 13, 36, 79, 150])
@pytest.mark.parametrize("count", [4, 6])
def test_cycles_are_found(period, count):
    assert (detect(cycles(period, count, 0.1))[0] == period).mean() > 0.97


@pytest.mark.parametrize(("season", "period"), [(DAYS, 30), (HOURS, 36), (Season(12, 0), 5), (Season(5, 0), 21)])
def test_cycles_are_found_beside_the_season_of_the_frequency(season, period):
    assert (detect(cycles(period, 12, 0.3), season)[0] == period).mean() > 0.9


def test_the_season_of_the_frequency_and_its_multiples_are_not_found_again():
    found, _ = detect(cycles(24, 20, 0.1), HOURS)
    assert not (found % 24 == 0)[found > 0].any()
    assert (detect(cycles(24, 20, 0.1))[0] == 24).all()


def test_noise_and_walks_have_few_seasons_and_weak_ones():
    rng = np.random.default_rng(0)
    noise, walk = rng.normal(size=(300, 200)), rng.normal(size=(300, 200)).cumsum(1)
    assert (detect(noise)[0] > 0).mean() < 0.06
    assert (detect(walk)[0] > 0).mean() < 0.25
    assert detect(noise)[1].max() < 0.2
    assert detect(cycles(10, 20, 0.1))[1].min() > 0.5


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_the_shortest_and_constant_histories_have_none(n):
    for rows in (np.ones((3, n)), np.arange(3.0 * n).reshape(3, n), np.ones((3, 200))):
        assert not detect(rows)[0].any()


def test_what_rounding_leaves_is_no_season():
    assert not detect(1e-6 * cycles(10, 20, 0.1))[0].any()


def test_what_lies_before_a_history_does_not_count():
    rows = cycles(12, 8, 0.1, n_series=20).astype(np.float32)
    padded = np.concatenate([np.zeros((20, 300), np.float32), rows], 1)
    seen = np.arange(padded.shape[1])[None] >= 300
    length = np.full((20, 1), rows.shape[1])
    period, strength = detect_seasons(padded, np.broadcast_to(seen, padded.shape), length, NONE)
    alone, alone_strength = detect_seasons(rows, np.ones(rows.shape, bool), length, NONE)
    np.testing.assert_array_equal(period, alone)
    np.testing.assert_allclose(strength, alone_strength, atol=1e-5)
