"""The synthetic series: reproducible, finite, and of every kind."""

import numpy as np
import pytest

from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.pretraining.synthetic import KINDS, generate, surprises
from nixtla_accessor.seasons import Season


def living(chunk):
    """Each series over its life, the steps to be forecast included."""
    return [row[-(length + chunk.ahead) :] for row, length in zip(chunk.values, chunk.length, strict=True)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_series_of_a_kind(kind):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        chunk = generate(np.random.default_rng(0), 64, kind)
    assert chunk.values.shape == (64, kind.max_length + chunk.ahead)
    assert chunk.ahead in (kind.max_lead, 48)
    assert chunk.values.dtype == np.float32
    assert np.isfinite(chunk.values).all()
    assert chunk.length.min() >= 1
    assert (chunk.length < kind.min_length).mean() < 0.2
    assert chunk.length.max() == kind.max_length
    assert chunk.season in kind.seasons
    spreads = np.array([values.std() for values in living(chunk)])
    assert (spreads > 0).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_seed_makes_the_same_series_again(kind):
    one, again, other = (generate(np.random.default_rng(seed), 16, kind) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.values, again.values)
    np.testing.assert_array_equal(one.length, again.length)
    assert not np.array_equal(one.values, other.values)


def test_kinds_are_drawn_with_their_probabilities():
    assert sum(kind.probability for kind in KINDS) == pytest.approx(1)
    rng = np.random.default_rng(0)
    seasons = [generate(rng, 1).season for _ in range(200)]
    monthly = next(kind for kind in KINDS if kind.name == "monthly")
    assert seasons.count(monthly.seasons[0]) / 200 == pytest.approx(monthly.probability, abs=0.1)
    assert len(set(seasons)) >= len(KINDS) - 2


def test_there_are_seasons_trends_counts_and_constants():
    monthly = next(kind for kind in KINDS if kind.name == "monthly")
    series = living(generate(np.random.default_rng(1), 400, monthly))
    long = [values for values in series if len(values) >= 120]
    yearly_correlation = [np.corrcoef(values[12:], values[:-12])[0, 1] for values in long if values.std() > 0]
    assert 0.2 < np.mean(np.array(yearly_correlation) > 0.8) < 0.95
    trend = [np.corrcoef(np.arange(len(values)), values)[0, 1] for values in long if values.std() > 0]
    assert np.mean(np.array(trend) > 0.7) > np.mean(np.array(trend) < -0.7) > 0.02
    counts = [values for values in series if (values == np.round(values)).all()]
    assert 0.02 < len(counts) / len(series) < 0.2


@pytest.mark.parametrize("season", [Season(4, 0), Season(12, 0)], ids=str)
def test_surprises_grow_with_the_steps_ahead_and_go_either_way(season):
    paths = surprises(np.random.default_rng(0), 2000, season, NEAR_LEADS)
    assert paths.shape == (2000, NETWORK.horizon)
    assert paths.dtype == np.float32
    a_season_ahead = paths[:, season.length - 1]
    assert 0.2 < a_season_ahead.std() < 0.7
    assert abs(a_season_ahead.mean()) < 0.05
    assert paths[:, -1].std() > paths[:, season.length - 1].std() > paths[:, 0].std() > 0


def test_hourly_and_yearly_series_have_no_surprises():
    for season in (Season(1, 0), Season(24, 168)):
        assert not surprises(np.random.default_rng(0), 3, season, NEAR_LEADS).any()
