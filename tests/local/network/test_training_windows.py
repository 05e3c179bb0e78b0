"""Training and validation windows: apart from each other, within their series, with targets."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.network.config import NETWORK, TUNING
from nixtla_accessor.local.network.preparation import prepare_series
from nixtla_accessor.local.network.training_windows import (
    WindowPositions,
    build_examples,
    split_panel,
    training_leads,
)
from nixtla_accessor.seasons import Season

SEASONS = st.sampled_from([Season(1, 0), Season(4, 0), Season(7, 364), Season(12, 0), Season(24, 168), Season(52, 0)])
LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=8)


def panel_of(lengths, missing, seed):
    """Series whose values are their positions, each distinct in the panel, some of them missing."""
    rng = np.random.default_rng(seed)
    whole = [1000.0 * i + np.arange(n) for i, n in enumerate(lengths)]
    return [np.where(rng.random(len(values)) < missing, np.nan, values) for values in whole]


@settings(max_examples=80, deadline=None)
@given(LENGTHS, SEASONS, st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 5))
def test_training_ends_before_validation_begins(lengths, season, missing, seed):
    panel = [prepare_series(values, season) for values in panel_of(lengths, missing, seed)]
    split = split_panel(panel, season, np.random.default_rng(seed), max_training_windows=200)
    training, validation = split.training, split.validation
    for positions in (training, validation):
        for i, origin, end in zip(positions.series, positions.origin, positions.end, strict=True):
            assert 1 <= origin < end <= len(panel[i].values)
            assert panel[i].observed[origin : min(end, origin + NETWORK.horizon)].any()
    for i in set(validation.series):
        first = validation.origin[validation.series == i].min()
        assert (training.end[training.series == i] <= first).all()
        windows = sorted(
            zip(*(part[validation.series == i] for part in (validation.origin, validation.end)), strict=True)
        )
        assert all(end <= following for (_, end), (following, _) in pairwise(windows))
    assert len(training) <= 200
    assert len(validation) <= 512
    if not missing and len(validation):
        assert split.n_stretches == int(np.median(np.unique(validation.series, return_counts=True)[1]))


@settings(max_examples=30, deadline=None)
@given(LENGTHS, SEASONS, st.sampled_from([0.0, 0.3]), st.integers(0, 5))
def test_targets_are_what_was_observed_after_the_origin(lengths, season, missing, seed):
    panel = [prepare_series(values, season) for values in panel_of(lengths, missing, seed)]
    positions = split_panel(panel, season, np.random.default_rng(seed), max_training_windows=300).training
    if not len(positions):
        return
    examples = build_examples(panel, season, positions)
    assert len(examples.features) == len(positions)
    for row, (i, origin, end) in enumerate(zip(positions.series, positions.origin, positions.end, strict=True)):
        following = range(origin, min(end, origin + NETWORK.horizon))
        observed = panel[i].observed[following]
        np.testing.assert_array_equal(examples.targets.importance[row, : len(following)], observed)
        assert not examples.targets.importance[row, len(following) :].any()
        z = examples.targets.values[row, : len(following)]
        inside = np.abs(z) < 59
        back = examples.features.location[row] + examples.features.scale[row] * z
        np.testing.assert_allclose(back[inside], panel[i].values[following][inside], atol=1e-4)


def test_far_leads_are_trained_where_the_series_are_long_enough():
    panel = [prepare_series(np.arange(n * 1.0), Season(24, 168)) for n in (50, 400, 400)]
    leads = training_leads(panel)
    assert leads.tolist() == [*range(1, 25), 30, 36, 48, 72, 96]
    positions = WindowPositions(np.array([1, 1]), np.array([100, 350]), np.array([400, 400]))
    examples = build_examples(panel, Season(24, 168), positions, leads)
    importance = examples.targets.importance
    assert importance[0].tolist() == [1.0] * 24 + [TUNING.far_weight] * 5
    assert importance[1].tolist() == [1.0] * 24 + [TUNING.far_weight] * 3 + [0.0] * 2
    values = examples.features.location + examples.features.scale * examples.targets.values
    np.testing.assert_allclose(np.ldexp(values[0], panel[1].exponent), 99 + leads, rtol=1e-5)


def test_sub_daily_validation_windows_cover_a_week_if_the_series_are_long_enough():
    season = Season(24, 168)
    panel = [prepare_series(np.arange(24.0 * 60), season) for _ in range(40)]
    validation = split_panel(panel, season, np.random.default_rng(0), max_training_windows=10).validation
    assert (np.bincount(validation.series) == 7).all()
    assert set(validation.origin // 24 % 7) == set(range(7))


def test_stretches_of_large_panels_are_those_of_their_series_and_not_of_the_windows_drawn():
    panel = [prepare_series(np.arange(3 * 5 * 14.0), Season(7, 364)) for _ in range(400)]
    split = split_panel(panel, Season(7, 364), np.random.default_rng(0), max_training_windows=10)
    assert len(split.validation) == TUNING.max_validation_windows < 3 * 400
    assert split.n_stretches == 3
