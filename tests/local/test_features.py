"""What the network sees, against slow loops over single series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.network.baselines import N_BASES
from nixtla_accessor.local.network.features import LENGTH_CODE, N_INPUTS, extract, input_size, right_aligned
from nixtla_accessor.local.network.history import HORIZON
from nixtla_accessor.seasons import Season, season_of

SEASONS = [Season(1, 0), Season(4, 0), Season(7, 364), Season(12, 0), Season(24, 168), Season(52, 0)]
SEASONAL_NAIVE, SEASONAL_MEAN, RELATIVE, GROWING, SECOND_NAIVE, SLOW, THETA, PROPORTIONAL = 1, 2, 4, 6, 10, 13, 19, 20


def windows_of(series, season):
    return extract(*right_aligned(series, season), season)


def in_units(windows, base):
    """One of the simple forecasts, in the units of the series."""
    return windows.location + windows.scale * windows.bases[:, :, base]


def panel(season, rng, n_series=6):
    """Series of all lengths, well above zero, with a trend, a season and noise."""
    longest = input_size(season)
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
def test_simple_forecasts_are_what_slow_loops_make_them(season):
    m = season.length
    series = panel(season, np.random.default_rng(m))
    windows = windows_of(series, season)
    for row, values in enumerate(series):
        n = len(values)
        profile = slow_profile(values, m, 16)
        adjusted = np.array([v - profile[(t - n) % m] if n >= m else v for t, v in enumerate(values)])
        time = np.arange(n) - (n - 1) / 2
        trend = (time @ adjusted) / (time @ time)
        for step in range(HORIZON):
            ages = [k * m - step % m for k in range(1, 5)]
            lags = [values[n - age] for age in ages if age <= n]
            expected = {
                SEASONAL_NAIVE: values[n - ages[0]] if ages[0] <= n else values[-1],
                SEASONAL_MEAN: np.mean(lags) if lags else values[-1],
                SLOW: slow_level(adjusted, 0.1) + profile[step % m],
                THETA: slow_level(adjusted, 0.4) + profile[step % m] + 0.5 * trend * (step + 1),
            }
            if season.second:
                age = season.second - step % season.second
                expected[SECOND_NAIVE] = values[n - age] if age <= n else expected[SEASONAL_MEAN]
            if n >= m:
                expected[RELATIVE] = values[n - m :].mean() + slow_profile(values, m, 4)[step % m]
            for base, value in expected.items():
                answer = windows.location[row, 0] + windows.scale[row, 0] * windows.bases[row, step, base]
                assert answer == pytest.approx(value, rel=1e-4), (base, row, step)


def test_growth_and_proportional_seasons_are_carried_on():
    t = np.arange(60)
    line = 50.0 + 2 * t
    windows = windows_of([line], Season(1, 0))
    np.testing.assert_allclose(in_units(windows, GROWING)[0], 50 + 2 * np.arange(60, 60 + HORIZON), rtol=1e-5)
    shape = np.array([0.5, 1.0, 1.7, 0.8])
    windows = windows_of([100 * np.resize(shape, 60)], Season(4, 0))
    np.testing.assert_allclose(in_units(windows, PROPORTIONAL)[0], 100 * np.resize(shape, HORIZON), rtol=1e-4)


@pytest.mark.parametrize("season", SEASONS, ids=str)
def test_location_scale_and_unit(season):
    m = season.length
    series = panel(season, np.random.default_rng(m))
    windows = windows_of(series, season)
    for row, values in enumerate(series):
        recent = values[-max(2 * m, 48) :]
        scale = max(
            0.5 * recent.std(), 0.5 * np.abs(np.diff(recent)).mean(), 0.05 * values.std(), 1e-5 * abs(values.mean())
        )
        lag = m if len(values) > m else 1
        usual_error = np.abs(values[lag:] - values[:-lag]).mean()
        assert windows.location[row, 0] == pytest.approx(values[-m:].mean())
        assert windows.scale[row, 0] == pytest.approx(scale)
        assert windows.unit[row, 0] == pytest.approx(usual_error / scale + 0.05, rel=1e-4)


@pytest.mark.parametrize("season", SEASONS, ids=str)
def test_windows_do_not_depend_on_level_unit_neighbours_or_what_lies_before_them(season):
    series = panel(season, np.random.default_rng(1))
    together = windows_of(series, season)
    history, length = right_aligned(series, season)
    junk = np.where(np.arange(history.shape[1])[None] < history.shape[1] - length[:, None], 777.0, history)
    others = {
        "alone": [windows_of([values], season) for values in series],
        "junk before": [extract(junk, length, season)],
    }
    for what, parts in others.items():
        rows = np.concatenate([part.inputs for part in parts])
        np.testing.assert_allclose(rows, together.inputs, atol=2e-5, err_msg=what)
    doubled = windows_of([1024 * values for values in series], season)
    np.testing.assert_array_equal(doubled.inputs, together.inputs)
    np.testing.assert_array_equal(doubled.bases, together.bases)


@pytest.mark.parametrize(
    "steps_and_season", [(6, Season(1, 0)), (4, Season(4, 0)), (12, Season(12, 0)), (24, Season(52, 0))]
)
def test_inputs_tell_by_how_much_each_forecast_of_the_last_steps_missed(steps_and_season):
    steps, season = steps_and_season
    rng = np.random.default_rng(2)
    series = [100 + rng.normal(size=n).cumsum() for n in (2 * steps - 1, 2 * steps, 60, 110)]
    windows = windows_of(series, season)
    known, size, mean = np.split(
        windows.inputs[:, -len(LENGTH_CODE) - 2 * N_BASES - 1 : -len(LENGTH_CODE)], [1, N_BASES + 1], 1
    )
    assert known[:, 0].tolist() == [0, 1, 1, 1]
    assert not size[0].any()
    assert not mean[0].any()
    earlier = windows_of([values[:-steps] for values in series], season)
    for base in (SEASONAL_NAIVE, SEASONAL_MEAN, RELATIVE, GROWING, SLOW, THETA):
        missed = np.stack([values[-steps:] for values in series]) - in_units(earlier, base)[:, :steps]
        missed = (missed / (windows.scale * windows.unit))[1:]
        np.testing.assert_allclose(size[1:, base], np.log(np.abs(missed).mean(1) + 0.05), atol=1e-3, err_msg=str(base))
        np.testing.assert_allclose(mean[1:, base], np.arcsinh(missed.mean(1)), atol=1e-3)


def test_only_the_usable_end_of_a_series_counts():
    for freq in ("YE", "ME", "D", "h"):
        season = season_of(freq)
        values = np.random.default_rng(0).normal(size=3000)
        end = windows_of([values[-input_size(season) :]], season)
        np.testing.assert_array_equal(windows_of([values], season).inputs, end.inputs)
        assert input_size(season) <= 1056


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3), min_size=1, max_size=40),
    st.integers(1, 300),
    st.sampled_from([*SEASONS, Season(2, 0), Season(96, 672), Season(288, 0), Season(144, 1008)]),
)
def test_inputs_are_finite_whatever_the_series(pattern, n, season):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        windows = windows_of([np.resize(np.array(pattern, float), n)], season)
    assert windows.inputs.shape == (1, N_INPUTS)
    assert windows.bases.shape == (1, HORIZON, N_BASES)
    assert windows.inputs.dtype == windows.bases.dtype == windows.unit.dtype == np.float32
    assert np.isfinite(windows.inputs).all()
    assert np.abs(windows.inputs).max() < 100
    assert np.isfinite(windows.bases).all()
    assert (windows.unit >= 0.05).all()
    assert (windows.scale > 0).all()
