"""Forecasts from a season of each series' own, against slow loops; how far trends may go; lone outliers."""

import numpy as np
import pytest

from nixtla_accessor.local.network.baselines import BASELINES, TRENDING, forecast_baselines
from nixtla_accessor.local.network.cycles import CYCLE_FORECASTS, Cycle, forecast_cycles, short_season
from nixtla_accessor.local.network.growth import growth_bounds
from nixtla_accessor.local.network.history import History
from nixtla_accessor.local.network.outliers import without_spikes
from nixtla_accessor.seasons import Season

NONE, DAYS = Season(1, 0), Season(7, 0)
LEADS = np.array([1, 2, 5, 11, 24, 100, 720])


def history_of(rows, season=NONE, offset=0.0):
    z = np.asarray(rows, np.float32)
    n = np.full((len(z), 1), z.shape[1])
    return History(z, np.ones(z.shape, bool), n, season, np.full((len(z), 1), offset, np.float32), LEADS)


def test_forecasts_of_cycles_are_what_slow_loops_compute():
    rng = np.random.default_rng(0)
    rows, periods = rng.normal(size=(4, 150)).astype(np.float32), [7, 11, 40, 100]
    cycle = Cycle(history_of(rows), np.array(periods)[:, None])
    assert cycle.rows.tolist() == [0, 1, 2, 3]
    for row, (values, period) in enumerate(zip(rows.astype(float), periods, strict=True)):
        count = min(len(values) // period, 8)
        whole = [values[len(values) - (k + 1) * period : len(values) - k * period] for k in range(count)]
        growth = (whole[0].mean() - whole[-1].mean()) / max(count - 1, 1)
        steady = growth * (np.arange(period) - (period - 1) / 2) / period
        profile = np.mean([each - each.mean() for each in whole], axis=0) - steady
        for at, lead in enumerate(LEADS):
            phase = (lead - 1) % period
            expected = {
                "naive": whole[0][phase],
                "mean": np.mean([each[phase] for each in whole]),
                "at_level": whole[0].mean() + profile[phase],
                "trend": whole[0].mean() + profile[phase] + growth * (lead / period + 0.5 - 0.5 / period),
            }
            for name, value in expected.items():
                assert cycle.forecasts[name][row, at] == pytest.approx(value, abs=1e-4), (name, row, lead)


def test_without_a_cycle_the_other_forecast_is_taken():
    otherwise = np.full((3, len(LEADS)), 7.0, np.float32)
    forecasts = forecast_cycles(history_of(np.ones((3, 150))), np.array([[0], [151], [1]]), otherwise)
    assert len(forecasts) == 2 * len(CYCLE_FORECASTS) + 1
    for forecast in forecasts.values():
        np.testing.assert_array_equal(forecast, otherwise)


def test_an_hour_is_a_short_season_within_the_day():
    assert [short_season(m) for m in (288, 144, 96, 48, 24, 60, 52, 1)] == [12, 6, 4, 2, 0, 0, 0, 0]


def test_steady_growth_may_go_on():
    steps = np.arange(60.0)
    line = history_of([steps / 10])
    _, highest = growth_bounds(line)
    assert (highest[0] >= (59 + LEADS) / 10)[:6].all()
    growing = history_of([1.1 ** (steps - 59)], offset=1e-3)
    _, highest = growth_bounds(growing)
    assert (highest[0] >= 1.1**LEADS)[:5].all()


@pytest.mark.parametrize("calm", [0.0, 0.01])
def test_a_burst_after_a_long_calm_may_not(calm):
    burst = np.concatenate([np.full(200, calm), np.linspace(0.1, 1, 10)])
    lowest, highest = growth_bounds(history_of([burst], DAYS))
    assert highest[0, LEADS <= 11].max() < 1.5  # a line would reach 2.1
    assert lowest[0, LEADS <= 11].min() > -0.5
    baselines = forecast_baselines(history_of([burst], DAYS), np.zeros((1, 1), int))
    near = baselines.stacked[0][:, LEADS <= 11]
    assert near[[BASELINES.index(name) for name in TRENDING]].max() < 1.5


def test_a_lone_outlier_is_replaced_and_what_belongs_to_a_series_is_not():
    rng = np.random.default_rng(1)
    usual = rng.normal(size=200)
    cases = {
        "outlier": (usual + 40 * (np.arange(200) == 150), [150]),
        "two": (usual + 40 * np.isin(np.arange(200), (60, 150)), [60, 150]),
        "last": (usual + 40 * (np.arange(200) == 199), []),
        "shift": (usual + 40 * (np.arange(200) >= 150), []),
        "now and then": (np.where(rng.random(200) < 0.1, 50.0, 0), []),
        "weekly": (usual + 40 * (np.arange(200) % 7 == 3), []),
        "last week too": (usual + 40 * np.isin(np.arange(200), (143, 150)), []),
        "short": (usual[:40] + 40 * (np.arange(40) == 20), []),
    }
    for name, (values, replaced) in cases.items():
        rows = values[None]
        result = without_spikes(rows, np.ones(rows.shape, bool), 7)[0]
        assert np.flatnonzero(result != values).tolist() == replaced, name
        for at in replaced:
            assert result[at] == pytest.approx((values[at - 1] + values[at + 1]) / 2)
