"""Training and hold-out windows: apart from each other, within their series, with something to aim at."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.network.examples import examples, split
from nixtla_accessor.local.network.forecasting import prepared
from nixtla_accessor.local.network.history import HORIZON
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
def test_training_ends_before_the_hold_out_begins(lengths, season, missing, seed):
    panel = [prepared(values, season) for values in panel_of(lengths, missing, seed)]
    training, held_out = split(panel, season, np.random.default_rng(seed), most_training=200)
    for places in (training, held_out):
        for i, origin, end in zip(places.series, places.origin, places.end, strict=True):
            assert 1 <= origin < end <= len(panel[i].values)
            assert panel[i].observed[origin : min(end, origin + HORIZON)].any()
    for i in set(held_out.series):
        first = held_out.origin[held_out.series == i].min()
        assert (training.end[training.series == i] <= first).all()
        windows = sorted(zip(*(part[held_out.series == i] for part in (held_out.origin, held_out.end)), strict=True))
        assert all(end <= following for (_, end), (following, _) in pairwise(windows))
    assert len(training) <= 200
    assert len(held_out) <= 512


@settings(max_examples=30, deadline=None)
@given(LENGTHS, SEASONS, st.sampled_from([0.0, 0.3]), st.integers(0, 5))
def test_targets_are_what_was_observed_after_the_origin(lengths, season, missing, seed):
    panel = [prepared(values, season) for values in panel_of(lengths, missing, seed)]
    places, _ = split(panel, season, np.random.default_rng(seed), most_training=300)
    if not len(places):
        return
    made = examples(panel, season, places)
    assert len(made.windows) == len(places)
    for row, (i, origin, end) in enumerate(zip(places.series, places.origin, places.end, strict=True)):
        following = range(origin, min(end, origin + HORIZON))
        observed = panel[i].observed[following]
        np.testing.assert_array_equal(made.targets.importance[row, : len(following)], observed)
        assert not made.targets.importance[row, len(following) :].any()
        z = made.targets.values[row, : len(following)]
        inside = np.abs(z) < 59
        back = made.windows.location[row] + made.windows.scale[row] * z
        np.testing.assert_allclose(back[inside], panel[i].values[following][inside], atol=1e-4)


def test_sub_daily_hold_outs_cover_a_week_where_the_series_are_long_enough():
    season = Season(24, 168)
    panel = [prepared(np.arange(24.0 * 60), season) for _ in range(40)]
    _, held_out = split(panel, season, np.random.default_rng(0), most_training=10)
    assert (np.bincount(held_out.series) == 7).all()
    assert set(held_out.origin // 24 % 7) == set(range(7))
