"""What pretraining lets happen to series, and the seasons that no frequency implies."""

import numpy as np

from nixtla_accessor.local.pretraining.drawing import Drawing
from nixtla_accessor.local.pretraining.events import add_events
from nixtla_accessor.local.pretraining.examples import draw_far_leads
from nixtla_accessor.local.pretraining.foreign_seasons import add_foreign_season
from nixtla_accessor.seasons import Season

ROWS, HISTORY, AHEAD = 600, 400, 48


def drawing(seed=0, length=HISTORY):
    return Drawing(np.random.default_rng(seed), ROWS, HISTORY, np.full(ROWS, length), AHEAD)


def test_events_happen_to_some_series_and_mostly_in_the_history():
    usual = 100 + np.random.default_rng(1).normal(size=(ROWS, HISTORY + AHEAD))
    after = add_events(drawing(), usual, Season(7, 364))
    assert np.isfinite(after).all()
    touched = (after != usual).any(1)
    assert 0.2 < touched.mean() < 0.6
    zeros = (after == 0).mean(1)
    assert 0.03 < ((zeros > 0.2) & (zeros < 1)).mean() < 0.2  # demand
    assert 0.005 < (after.max(1) > 300).mean() < 0.1  # bursts
    year_ago = (after != usual)[:, HISTORY - 364 : HISTORY - 336].any(1) & ~(after != usual)[:, HISTORY - 30 :].any(1)
    assert year_ago.mean() > 0.05


def test_events_leave_the_sign_of_series_that_are_never_negative():
    usual = np.abs(np.random.default_rng(2).normal(size=(ROWS, HISTORY + AHEAD))) + 0.1
    assert add_events(drawing(3), usual, Season(24, 168)).min() >= 0


def test_foreign_seasons_repeat_with_a_period_of_each_series_own():
    nothing = np.zeros((ROWS, HISTORY + AHEAD), np.float32)
    seasonal = add_foreign_season(drawing(4), nothing, 1.0)
    periods = []
    for row in seasonal:
        same = [lag for lag in range(2, 241) if np.allclose(row[lag:], row[:-lag], atol=1e-3)]
        periods.append(min(same, default=0))
    periods = np.array(periods)
    assert (periods > 0).mean() > 0.4  # the others differ from cycle to cycle
    assert len(set(periods)) > 50
    assert not add_foreign_season(drawing(5), nothing, 0.0).any()


def test_far_leads_follow_the_near_ones_and_reach_the_farthest():
    rng = np.random.default_rng(6)
    drawn = np.concatenate([draw_far_leads(rng, 720) for _ in range(200)])
    assert drawn.min() == 25
    assert drawn.max() > 700
    assert np.median(drawn) < 200
