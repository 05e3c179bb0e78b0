"""Forecasts: their units, missing values, unusual series, many steps, and any quantile."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.forecaster import NetworkForecaster
from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.preparation import prepare_series
from nixtla_accessor.local.network.quantiles import interpolate_quantile
from nixtla_accessor.local.network.weights import pretrained_weights
from nixtla_accessor.seasons import Season, season_of

LEVELS = NETWORK.quantile_levels
MEDIAN = NETWORK.median
MONTHS = Season(12, 0)

UNUSUAL_SERIES = {
    "one value": [3.0],
    "one zero": [0.0],
    "constant": [7.0] * 50,
    "all zero": [0.0] * 30,
    "two values": [1.0, 2.0],
    "integers": list(range(40)),
    "nothing seen": [np.nan] * 5,
    "little seen": [np.nan, 3.0, np.nan, 5.0, np.nan],
    "infinite values": [1.0, np.inf, 2.0, -np.inf, 3.0],
    "very large": [1e300, -1e300, 2e299] * 20,
    "largest": [1.7e308, -1.7e308] * 20,
    "very small": [1e-300, 3e-300, 2e-300] * 20,
    "subnormal": [5e-324] * 3,
    "hardly ever sold": [0.0] * 60 + [1.0] + [0.0] * 20,
    "far from zero": list(1e9 + np.sin(np.arange(80))),
    "one jump": [0.0] * 20 + [1e300],
}


def seasonal_panel(n_series=5, n=96, m=12, seed=0):
    rng = np.random.default_rng(seed)
    season = np.resize(rng.normal(size=m), n)
    return [100 * (i + 1) + 10 * season + rng.normal(size=n) + 0.1 * np.arange(n) for i in range(n_series)]


@pytest.mark.parametrize("freq", ["YE", "QE", "ME", "W", "D", "h", "15min", "5min"])
@pytest.mark.parametrize("horizon", [1, 24, 60])
def test_any_series_has_finite_quantiles_that_do_not_cross(freq, horizon):
    series = [np.array(values) for values in UNUSUAL_SERIES.values()]
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        quantiles = forecast(pretrained_weights(), series, season_of(freq), horizon)
    assert quantiles.shape == (len(series), horizon, len(LEVELS))
    assert quantiles.dtype == np.float64
    assert np.isfinite(quantiles).all()
    assert (quantiles[:, :, 1:] >= quantiles[:, :, :-1]).all()
    with np.errstate(over="raise"):
        assert all(np.isfinite(interpolate_quantile(quantiles, level)).all() for level in (0.001, 0.03, 0.3, 0.9999))


def test_a_constant_is_continued_and_an_unseen_series_is_zero():
    constant, nothing = forecast(pretrained_weights(), [np.full(40, 7.0), np.full(4, np.nan)], MONTHS, 12)
    np.testing.assert_allclose(constant, 7, rtol=1e-3)
    assert not nothing.any()


def test_a_season_is_continued():
    season = np.array([10.0, 20, 35, 50, 80, 95, 90, 70, 45, 30, 18, 12])
    median = forecast(pretrained_weights(), [np.tile(season, 8)], MONTHS, 18)[0, :, MEDIAN]
    np.testing.assert_allclose(median, np.resize(season, 18), atol=4)


def test_forecasts_of_no_series_and_of_many_batches():
    weights = pretrained_weights()
    assert forecast(weights, [], MONTHS, 5).shape == (0, 5, len(LEVELS))
    many = seasonal_panel(n_series=600, n=40)
    together = forecast(weights, many, MONTHS, 3)
    for i in (0, 299, 599):
        np.testing.assert_allclose(forecast(weights, [many[i]], MONTHS, 3)[0], together[i], rtol=1e-5)


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**-3, 2.0**900])
def test_forecasts_are_in_the_units_of_the_series(factor):
    weights, series = pretrained_weights(), seasonal_panel()
    plain = forecast(weights, series, MONTHS, 30)
    scaled = forecast(weights, [factor * values for values in series], MONTHS, 30)
    np.testing.assert_array_equal(scaled, factor * plain)


@pytest.mark.parametrize("level", [1e6, 1e8, 1e9])
def test_forecasts_follow_small_changes_of_a_high_level(level):
    values = 10 + np.sin(np.arange(172) * 2 * np.pi / 12)
    forecast_there = forecast(pretrained_weights(), [values + level], MONTHS, 12)[0] - level
    expected = 10 + np.sin(np.arange(172, 184) * 2 * np.pi / 12)
    np.testing.assert_allclose(forecast_there[:, MEDIAN], expected, atol=0.02)
    assert np.ptp(forecast_there, axis=1).max() < 0.5


def test_the_first_steps_do_not_depend_on_the_horizon():
    weights, series = pretrained_weights(), seasonal_panel(n=200)
    long = forecast(weights, series, MONTHS, 2000)
    for horizon in (1, 12, 24, 25, 720, 721, 1440, 1441):
        some = forecast(weights, series, MONTHS, horizon)
        np.testing.assert_allclose(some, long[:, :horizon], rtol=1e-5, err_msg=str(horizon))


def test_beyond_the_trained_leads_spreads_grow_with_each_doubling_as_with_the_last():
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(20, 400)).cumsum(1)
    walks = list(walks - walks.mean(1, keepdims=True))  # on both sides of zero
    lead = NETWORK.max_lead
    quantiles = forecast(pretrained_weights(), walks, Season(1, 0), 4 * lead)
    lower, upper = LEVELS.index(0.1), LEVELS.index(0.9)
    half, whole, double, four = (
        quantiles[:, at - 1, upper] - quantiles[:, at - 1, lower] for at in (lead // 2, lead, 2 * lead, 4 * lead)
    )
    growth = np.clip(whole / half, 1, np.sqrt(2))
    assert growth.max() > 1.05
    np.testing.assert_allclose(double / whole, growth, rtol=1e-3)
    np.testing.assert_allclose(four / double, growth, rtol=1e-3)


@pytest.mark.parametrize("freq", ["YE", "ME", "D", "h", "5min"])
@pytest.mark.parametrize("horizon", [7, 30, 800])
def test_forecasts_keep_to_the_side_of_zero_that_the_history_keeps_to(freq, horizon):
    rng = np.random.default_rng(1)
    demand = [np.where(rng.random(300) < rate, rng.poisson(4, 300), 0).astype(float) for rate in (0.02, 0.1, 0.5)]
    near_zero = [np.abs(rng.normal(size=n)) for n in (1, 2, 5, 40)]
    fall = [np.linspace(100, 1, 50), np.concatenate([np.full(100, 1e9), [1.0, 0.0]])]
    series, season = [*demand, *near_zero, *fall], season_of(freq)
    forecaster, levels = NetworkForecaster(), (0.0001, 0.005, 0.2, 0.5, 0.999)

    def forecasts(values):
        return forecaster.forecast(None, values, season, horizon, levels, progress=lambda _: None)

    assert forecasts(series).min() == 0
    assert forecasts([-values for values in series]).max() == 0


def test_a_series_of_zeros_is_forecast_by_zeros_alone():
    for n in (1, 2, 60, 2000):
        assert not forecast(pretrained_weights(), [np.zeros(n)], Season(7, 364), 800).any()


def test_a_lone_value_takes_the_spread_of_the_panel():
    rng = np.random.default_rng(2)
    lower, upper = LEVELS.index(0.1), LEVELS.index(0.9)
    widths = []
    for noise in (0.01, 0.2):
        panel = [1000 * (1 + noise * rng.normal(size=60)) for _ in range(30)]
        alone = forecast(pretrained_weights(), [np.array([5.0]), *panel], Season(7, 0), 7)[0]
        widths.append((alone[:, upper] - alone[:, lower]).mean())
    assert 0 < 5 * widths[0] < widths[1]


def test_growth_stays_finite_over_thousands_of_steps():
    growing = [1.5 ** np.arange(40.0), -(1.3 ** np.arange(60.0)), np.arange(50.0) ** 3]
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(forecast(pretrained_weights(), growing, Season(1, 0), 3000)).all()


def test_only_the_last_points_count():
    for freq in ("YE", "ME", "h"):
        season = season_of(freq)
        values = seasonal_panel(n_series=1, n=NETWORK.max_input + 300, m=24)[0]
        whole = forecast(pretrained_weights(), [values], season, 5)
        values = np.concatenate([np.full(50, 123.0), values[50:]])
        np.testing.assert_array_equal(forecast(pretrained_weights(), [values], season, 5), whole)


def test_missing_values_are_filled_and_hardly_change_the_forecast():
    weights, values = pretrained_weights(), seasonal_panel(n_series=1)[0]
    holed = values.copy()
    holed[[5, 17, 18, 40, 95]] = np.nan
    before = np.concatenate([np.full(30, np.nan), values])
    full, with_holes, with_start = forecast(weights, [values, holed, before], MONTHS, 12)
    np.testing.assert_allclose(with_holes[:, MEDIAN], full[:, MEDIAN], atol=5)
    np.testing.assert_allclose(with_start, full, rtol=1e-5)


def test_gaps_are_filled_between_neighbours_and_at_the_end_from_the_season_before():
    filled = prepare_series(np.array([np.nan, 1.0, np.nan, np.nan, 4.0, 8.0, np.nan, np.nan, np.nan]), Season(2, 0))
    np.testing.assert_array_equal(np.ldexp(filled.values, filled.exponent), [1, 2, 3, 4, 8, 4, 8, 4])
    assert filled.observed.tolist() == [True, False, False, True, True, False, False, False]
    alone = prepare_series(np.array([4.0, np.nan]), Season(12, 0))
    np.testing.assert_array_equal(np.ldexp(alone.values, alone.exponent), [4, 4])


def test_the_series_are_not_written_into():
    values = np.array([1.0, np.nan, 3.0, 5.0, np.nan])
    before = values.copy()
    forecast(pretrained_weights(), [values], MONTHS, 30)
    np.testing.assert_array_equal(values, before)


SORTED = arrays(float, (3, 2, len(LEVELS)), elements=st.floats(-1e9, 1e9)).map(lambda a: np.sort(a, axis=-1))
LEVEL = st.floats(0.0001, 0.9999)


@settings(max_examples=200, deadline=None)
@given(SORTED, LEVEL, LEVEL)
def test_quantiles_at_any_two_levels_do_not_cross(quantiles, one, other):
    lower, upper = (interpolate_quantile(quantiles, level) for level in sorted((one, other)))
    assert lower.shape == (3, 2)
    assert (lower <= upper).all()


@settings(max_examples=50, deadline=None)
@given(SORTED)
def test_quantiles_at_the_networks_levels_are_its_own(quantiles):
    for i, level in enumerate(LEVELS):
        np.testing.assert_array_equal(interpolate_quantile(quantiles, level), quantiles[..., i])


def test_quantiles_of_a_normal_distribution_are_read_exactly_within_the_networks_levels():
    normal = NormalDist(5, 3)
    quantiles = np.array([[normal.inv_cdf(level) for level in LEVELS]])
    for level in (0.006, 0.01, 0.05, 0.25, 0.495, 0.62, 0.95, 0.99):
        assert interpolate_quantile(quantiles, level)[0] == pytest.approx(normal.inv_cdf(level))


def test_quantiles_of_an_exponential_distribution_are_read_exactly_beyond_the_networks_levels():
    upward = np.array([[-np.log(1 - level) for level in LEVELS]])
    for level in (0.996, 0.9995, 0.999999):
        assert interpolate_quantile(upward, level)[0] == pytest.approx(-np.log(1 - level))
        assert interpolate_quantile(-upward[:, ::-1], 1 - level)[0] == pytest.approx(np.log(1 - level))
