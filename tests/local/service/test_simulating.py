"""Simulations of the engine: sums over the horizon are as uncertain as they turn out to be at rolling origins."""

import numpy as np
import pytest

from nixtla_accessor.api.schema import ForecastInput
from nixtla_accessor.api.simulation_schema import SimulationInput
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.errors import LimitError, UnknownModelError
from nixtla_accessor.local.service.simulating import simulate
from nixtla_accessor.local.service.store import ModelStore

N_SERIES, LENGTH, HORIZON = 40, 260, 12


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(ModelStore(tmp_path_factory.mktemp("store") / "models.sqlite"))


def panel(memory, seed=0):
    """Make series of a first order autoregression: noise, or a random walk, at the ends."""
    shocks = np.random.default_rng(seed).normal(size=(N_SERIES, LENGTH + 20))
    values = np.zeros_like(shocks)
    for step in range(1, values.shape[1]):
        values[:, step] = memory * values[:, step - 1] + shocks[:, step]
    return 100 + values[:, 20:]


def request(y, sizes=None, **fields):
    sizes = np.full(len(y), y.shape[1]) if sizes is None else sizes
    series = {"y": y.ravel(), "sizes": sizes, **fields.pop("series", {})}
    return SimulationInput(**{"series": series, "freq": "D", "h": HORIZON, "n_paths": 200, "seed": 1} | fields)


def paths_of(engine, asked):
    return np.array(simulate(engine, asked).samples).reshape(asked.n_paths, -1, asked.h)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8, 1.0], ids=["noise", "AR 0.5", "AR 0.8", "walk"])
def test_intervals_of_sums_hold_what_they_promise_at_rolling_origins(engine, memory):
    y = panel(memory)
    inside, inside_steps, inside_shuffled = [], [], []
    for end in range(LENGTH - HORIZON, LENGTH - 6 * HORIZON, -HORIZON):
        paths = paths_of(engine, request(y[:, :end]))
        actual = y[:, end : end + HORIZON]
        inside.append(within(paths.sum(2), actual.sum(1)))
        inside_steps.append(within(paths, actual))
        shuffled = np.random.default_rng(2).permuted(paths, axis=0)
        inside_shuffled.append(within(shuffled.sum(2), actual.sum(1)))
    of_sums, of_steps = np.mean(inside), np.mean(inside_steps)
    assert 0.7 < of_sums < 0.9
    assert abs(of_sums - of_steps) < 0.1  # sums are as well calibrated as the forecast itself
    if memory >= 0.5:
        assert np.mean(inside_shuffled) < of_sums - 0.2  # what paths without dependence would promise


def test_each_series_has_the_dependence_of_its_own_errors(engine):
    y = np.concatenate([panel(0.0)[:20], panel(1.0)[:20]])
    inside = []
    for end in range(LENGTH - HORIZON, LENGTH - 4 * HORIZON, -HORIZON):
        paths = paths_of(engine, request(y[:, :end]))
        inside.append(within(paths.sum(2), y[:, end : end + HORIZON].sum(1)))
    of_noise, of_walks = np.mean(inside, axis=0).reshape(2, 20).mean(1)
    assert 0.65 < of_noise < 0.97
    assert 0.65 < of_walks < 0.97
    step = np.array([np.corrcoef(series[:, -2:].T)[0, 1] for series in paths.transpose(1, 0, 2)])
    assert np.abs(step[:20]).mean() < 0.4 < 0.8 < step[20:].mean()


def within(draws, actual, level=0.8):
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (low < actual) & (actual < high)


def test_the_paths_have_the_quantiles_of_the_forecast(engine):
    y = panel(0.5)[:5]
    paths = paths_of(engine, request(y, n_paths=1000))
    ahead = engine.forecast(ForecastInput(series={"y": y.ravel(), "sizes": [LENGTH] * 5}, freq="D", h=12, level=[80]))
    spread = np.array(ahead.intervals["hi-80"]) - np.array(ahead.intervals["lo-80"])
    for level, expected in ((0.1, ahead.intervals["lo-80"]), (0.5, ahead.mean), (0.9, ahead.intervals["hi-80"])):
        found = np.quantile(paths, level, axis=0, method="hazen").ravel()
        assert (np.abs(found - expected) / spread).max() < 0.01


def test_the_seed_decides_and_none_is_chance(engine):
    y = panel(0.5)[:3]
    first, second = (paths_of(engine, request(y, n_paths=20)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, paths_of(engine, request(y, n_paths=20, seed=-(2**63))))
    assert not np.array_equal(*(paths_of(engine, request(y, n_paths=20, seed=None)) for _ in range(2)))


@pytest.mark.parametrize("length", [1, 2, 9, 20, 30])
def test_short_series_have_paths_too(engine, length):
    assert np.isfinite(paths_of(engine, request(panel(1.0)[:2, :length], n_paths=3))).all()


def test_series_of_all_kinds_have_paths(engine):
    sizes = np.array([50, 3, 80])
    y = np.concatenate([np.zeros(50), [1.0, np.nan, 2.0], np.where(np.arange(80) % 7, np.arange(80.0), np.nan)])
    paths = paths_of(engine, request(y[None], sizes, n_paths=10))
    assert paths.shape == (10, 3, HORIZON)
    assert np.isfinite(paths).all()
    np.testing.assert_allclose(paths[:, 0], 0, atol=1e-6)


def test_more_series_than_are_looked_at_have_paths(engine):
    y = np.tile(panel(1.0)[:, :60], (11, 1))
    paths = paths_of(engine, request(y, n_paths=100, h=6))
    assert paths.shape == (100, 440, 6)
    correlation = np.mean([np.corrcoef(paths[:, nth, 3], paths[:, nth, 5])[0, 1] for nth in range(440)])
    assert correlation > 0.5  # that of a walk is 0.82


def test_covariates_move_the_paths(engine):
    step = np.arange(150)
    promotion = (step % 11 == 0).astype(float)
    y = 100 + 40 * promotion + np.random.default_rng(0).normal(size=150)
    ahead = [0.0, 1.0, 0.0, 0.0]
    for kind in ({}, {"categorical_exog": [1]}):
        rows = [promotion.tolist(), ["a" if at % 2 else "b" for at in step] if kind else promotion.tolist()]
        paths = paths_of(engine, request(y[None], h=4, series={"X": rows, "X_future": [ahead]} | kind))
        assert np.median(paths[:, 0, 1]) > 125
        assert np.median(paths[:, 0, [0, 2, 3]]) < 115


def test_quantiles_refine_and_change_little(engine):
    y = panel(0.5)[:2]
    plain, refined = (paths_of(engine, request(y, quantiles=q)) for q in (None, [0.2, 0.33, 0.5, 0.97]))
    assert np.abs(plain - refined).max() < 0.5


def test_too_many_numbers_are_refused_before_any_work(engine):
    with pytest.raises(LimitError, match="at most 10,000,000 numbers: series times h times paths and quantiles, found"):
        simulate(engine, request(panel(0.0), h=30_000, n_paths=10_000))
    with pytest.raises(UnknownModelError):
        simulate(engine, request(panel(0.0), finetuned_model_id="none"))


@pytest.mark.parametrize("quantiles", [[0.1], [0.5, 0.5], [0.9, 0.1], [0.0, 0.5], [0.5, 1.0]])
def test_quantiles_ascend(quantiles):
    with pytest.raises(ValueError, match="quantiles"):
        request(panel(0.0), quantiles=quantiles)
