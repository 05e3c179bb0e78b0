"""The features of features, against slow loops over single series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.network.baselines import BASELINES, N_BASELINES, PARAMETERS, forecast_baselines
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import (
    INPUTS,
    N_INPUTS,
    align_right,
    extract_features,
    input_columns,
)
from nixtla_accessor.local.network.history import History
from nixtla_accessor.seasons import Season, season_of

SEASONS = [Season(1, 0), Season(4, 0), Season(7, 364), Season(12, 0), Season(24, 168), Season(52, 0)]


def features_of(series, season):
    return extract_features(*align_right(series), season)


def in_units(features, name):
    """A baseline in the units of the series, of shape (features, horizon)."""
    return features.location + features.scale * features.baselines[:, BASELINES.index(name)]


def panel(season, rng, n_series=6):
    """Series of all lengths, well above zero, with a trend, a season and noise."""
    longest = NETWORK.max_input
    lengths = np.geomspace(2, longest, n_series).astype(int)
    shape = rng.normal(size=season.length)
    return [
        100 + np.linspace(0, 8, n) + 5 * np.resize(shape, n) + rng.normal(size=n) + rng.normal() * 10 for n in lengths
    ]


def slow_profile(values, m, periods):
    """Mean deviation from the mean of the season and from its steady growth, by phase counted back from the end."""
    whole = min(len(values) // m, periods, 16)
    if m == 1 or whole == 0:
        return np.zeros(m)
    cuts = [values[len(values) - (k + 1) * m : len(values) - k * m] for k in range(whole)]
    growth = (cuts[0].mean() - cuts[-1].mean()) / max(whole - 1, 1)
    steady = [growth / m * (phase - (m - 1) / 2) for phase in range(m)]
    return np.mean([cut - cut.mean() for cut in cuts], axis=0) - steady


def slow_level(values, rate):
    """Exponentially weighted mean of the last 256 values."""
    weights = [(1 - rate) ** age for age in range(min(len(values), 256))]
    return sum(w * v for w, v in zip(weights, values[::-1], strict=False)) / sum(weights)


@pytest.mark.parametrize("season", SEASONS, ids=str)
def test_baselines_are_what_slow_loops_compute(season):
    m = season.length
    series = panel(season, np.random.default_rng(m))
    features = features_of(series, season)
    forecasts = {name: in_units(features, name) for name in BASELINES}
    for row, values in enumerate(series):
        n = len(values)
        profile = slow_profile(values, m, 16)
        adjusted = np.array([v - profile[(t - n) % m] if n >= m else v for t, v in enumerate(values)])
        time = np.arange(n) - (n - 1) / 2
        trend = (time @ adjusted) / (time @ time)
        for step in range(NETWORK.horizon):
            ages = [k * m - step % m for k in range(1, 5)]
            lags = [values[n - age] for age in ages if age <= n]
            expected = {
                "seasonal_naive": values[n - ages[0]] if ages[0] <= n else values[-1],
                "seasonal_mean": np.mean(lags) if lags else values[-1],
                "slow_smoothing": slow_level(adjusted, 0.1) + profile[step % m],
                "theta": slow_level(adjusted, 0.4) + profile[step % m] + 0.5 * trend * (step + 1),
            }
            if season.second:
                age = season.second - step % season.second
                expected["second_seasonal_naive"] = values[n - age] if age <= n else expected["seasonal_mean"]
            if n >= m:
                expected["season_at_level"] = values[n - m :].mean() + slow_profile(values, m, 4)[step % m]
            for name, value in expected.items():
                assert forecasts[name][row, step] == pytest.approx(value, rel=1e-4), (name, row, step)


def test_growth_and_multiplicative_seasons_are_continued():
    t = np.arange(60)
    line = 50.0 + 2 * t
    features = features_of([line], Season(1, 0))
    np.testing.assert_allclose(
        in_units(features, "long_trend")[0], 50 + 2 * np.arange(60, 60 + NETWORK.horizon), rtol=1e-5
    )
    shape = np.array([0.5, 1.0, 1.7, 0.8])
    features = features_of([100 * np.resize(shape, 60)], Season(4, 0))
    np.testing.assert_allclose(
        in_units(features, "multiplicative_smoothing")[0], 100 * np.resize(shape, NETWORK.horizon), rtol=1e-4
    )


@pytest.mark.parametrize("season", SEASONS, ids=str)
def test_location_scale_and_unit(season):
    m = season.length
    series = panel(season, np.random.default_rng(m))
    features = features_of(series, season)
    for row, values in enumerate(series):
        recent = values[-max(2 * m, 48) :]
        scale = max(
            0.5 * recent.std(), 0.5 * np.abs(np.diff(recent)).mean(), 0.05 * values.std(), 1e-5 * abs(values.mean())
        )
        lags = {1, m} if len(values) > m else {1}
        usual_error = min(np.abs(values[lag:] - values[:-lag]).mean() for lag in lags)
        if len(values) < 4:  # nearly nothing is known of the spread: that of a usual panel
            continue
        assert features.location[row, 0] == pytest.approx(values[-m:].mean())
        assert features.scale[row, 0] == pytest.approx(scale)
        assert features.unit[row, 0] <= usual_error / scale * (1 + 1e-4) + 0.02
        if not features.inputs[row, input_columns("detected")]:
            assert features.unit[row, 0] == pytest.approx(usual_error / scale + 0.02, rel=1e-4)


@pytest.mark.parametrize("season", SEASONS, ids=str)
def test_features_do_not_depend_on_unit_neighbours_or_what_lies_before_a_window(season):
    series = panel(season, np.random.default_rng(1))
    together = features_of(series, season)
    history, length = align_right(series)
    junk = np.where(np.arange(history.shape[1])[None] < history.shape[1] - length[:, None], 777.0, history)
    others = {
        "alone": [features_of([values], season) for values in series],
        "junk before": [extract_features(junk, length, season)],
    }
    for what, parts in others.items():
        rows = np.concatenate([part.inputs for part in parts])
        departure = np.isin(np.arange(N_INPUTS), np.arange(N_INPUTS)[input_columns("departure")])
        np.testing.assert_allclose(rows[:, ~departure], together.inputs[:, ~departure], atol=2e-5, err_msg=what)
        # logarithms of differences, which single precision has fewer digits of
        np.testing.assert_allclose(rows[:, departure], together.inputs[:, departure], atol=3e-4, err_msg=what)
    doubled = features_of([1024 * values for values in series], season)
    np.testing.assert_array_equal(doubled.inputs, together.inputs)
    np.testing.assert_array_equal(doubled.baselines, together.baselines)


@pytest.mark.parametrize(
    "steps_and_season", [(6, Season(1, 0)), (4, Season(4, 0)), (12, Season(12, 0)), (24, Season(52, 0))]
)
def test_inputs_have_the_error_of_each_baseline_on_the_last_steps(steps_and_season):
    steps, season = steps_and_season
    rng = np.random.default_rng(2)
    series = [100 + rng.normal(size=n).cumsum() for n in (2 * steps - 1, 2 * steps, 60, 110)]
    features = features_of(series, season)
    on_trial, size, mean = (
        features.inputs[:, input_columns(name)] for name in ("on_trial", "trial_error", "trial_bias")
    )
    assert on_trial[:, 0].tolist() == [0, 1, 1, 1]
    assert not size[0].any()
    assert not mean[0].any()
    earlier = features_of([values[:-steps] for values in series], season)
    for name in ("seasonal_naive", "seasonal_mean", "season_at_level", "long_trend", "slow_smoothing", "theta"):
        missed = np.stack([values[-steps:] for values in series]) - in_units(earlier, name)[:, :steps]
        missed = (missed / (features.scale * features.unit))[1:]
        at = BASELINES.index(name)
        np.testing.assert_allclose(size[1:, at], np.log(np.abs(missed).mean(1) + 0.05), atol=1e-3, err_msg=name)
        np.testing.assert_allclose(mean[1:, at], np.arcsinh(missed.mean(1)), atol=1e-3)


def test_only_the_usable_end_of_a_series_counts():
    for freq in ("YE", "ME", "D", "h"):
        season = season_of(freq)
        values = np.random.default_rng(0).normal(size=3000)
        end = features_of([values[-NETWORK.max_input :]], season)
        np.testing.assert_array_equal(features_of([values], season).inputs, end.inputs)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3), min_size=1, max_size=40),
    st.integers(1, 300),
    st.sampled_from([*SEASONS, Season(2, 0), Season(96, 672), Season(288, 0), Season(144, 1008)]),
)
def test_inputs_are_finite_whatever_the_series(pattern, n, season):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        features = features_of([np.resize(np.array(pattern, float), n)], season)
    assert features.inputs.shape == (1, N_INPUTS)
    assert features.baselines.shape == (1, N_BASELINES, NETWORK.horizon)
    assert features.inputs.dtype == features.baselines.dtype == features.unit.dtype == np.float32
    assert np.isfinite(features.inputs).all()
    assert np.abs(features.inputs).max() < 100
    assert np.isfinite(features.baselines).all()
    assert (features.unit >= 0.02).all()
    assert (features.scale > 0).all()


@pytest.mark.parametrize("season", SEASONS, ids=str)
def test_every_declared_baseline_and_parameter_is_computed_and_no_other(season):
    values = np.random.default_rng(0).normal(size=(3, 2 * NETWORK.max_input)).astype(np.float32)
    n = np.full((3, 1), values.shape[1])
    baselines = forecast_baselines(
        History(values, np.ones(values.shape, bool), n, season, np.zeros((3, 1), np.float32)),
        np.array([[0], [11], [30]]),
    )
    assert set(baselines.by_name) == set(BASELINES)
    assert set(baselines.parameters) == set(PARAMETERS)
    assert {parameter.shape for parameter in baselines.parameters.values()} == {(3, 1)}
    for at, name in enumerate(BASELINES):
        np.testing.assert_array_equal(baselines.stacked[:, at], baselines.by_name[name].astype(np.float32))


def test_columns_of_inputs_follow_each_other_and_are_all():
    columns = [range(N_INPUTS)[input_columns(name)] for name in INPUTS]
    assert [column for each in columns for column in each] == list(range(N_INPUTS))
    assert len(set(BASELINES)) == N_BASELINES == 44
    assert N_INPUTS == 668  # as the shipped weights have it
