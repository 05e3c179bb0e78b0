"""How errors depend on each other over the horizon: found from few of them, beside dense matrices as an oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.simulation import dependence
from nixtla_accessor.local.simulation.dependence import MEMORIES, SHARES, draw_scores, estimate_dependence


def correlations(memory, shared, leads):
    """Return the matrix of correlations as the module's docstring writes it, summed shock by shock."""
    age = leads[:, None] - np.arange(1, leads.max() + 1)  # of each shock
    weights = np.where(age >= 0, memory ** np.maximum(age, 0).astype(float), 0.0)
    own = weights @ weights.T
    deviation = np.sqrt(np.diag(own))
    return shared + (1 - shared) * own / np.outer(deviation, deviation)


def errors_of(memory, shared, shape, seed=0):
    return draw_scores(np.full(shape[:-1], memory), np.full(shape[:-1], shared), shape[-1], np.random.default_rng(seed))


@settings(max_examples=20, deadline=None)
@given(horizon=st.integers(1, 60), seed=st.integers(0, 99))
def test_quadratic_forms_and_determinants_are_those_of_the_dense_matrices(horizon, seed):
    leads = dependence._compared_leads(horizon)
    scores = np.random.default_rng(seed).normal(size=(3, len(leads)))
    squares, determinants = dependence._quadratic_forms(scores, leads)
    kinds = [(memory, shared) for memory in MEMORIES for shared in SHARES]
    for (memory, shared), square, determinant in zip(kinds, squares, determinants, strict=True):
        matrix = correlations(memory, shared, leads)
        np.testing.assert_allclose(square, np.einsum("wi,ij,wj->w", scores, np.linalg.inv(matrix), scores), rtol=1e-6)
        np.testing.assert_allclose(determinant, np.linalg.slogdet(matrix)[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("shared", [0.0, 0.25])
def test_draws_are_standard_normal_with_these_correlations(memory, shared):
    draws = errors_of(memory, shared, (40_000, 8))
    np.testing.assert_allclose(np.cov(draws.T), correlations(memory, shared, np.arange(1, 9)), atol=0.04)


def spread_of_sums(found, weights, horizon):
    """Return the standard deviation of the sum over the horizon, in units of that of independent errors."""
    leads = np.arange(1, horizon + 1)
    sums = [correlations(*kind, leads).sum() for kind in zip(found.memory, found.shared, strict=True)]
    return np.sqrt(weights @ np.array(sums) / horizon)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(
    ("memory", "shared"), [(0.0, 0.0), (0.5, 0.0), (0.9, 0.0), (1.0, 0.0), (0.0, 0.3), (-0.4, 0.0)]
)
def test_sums_get_the_spread_that_the_errors_have(memory, shared, scale):
    scores = scale * errors_of(memory, shared, (20, 15, 12))
    found = estimate_dependence(scores.reshape(-1, 12), np.repeat(np.arange(20), 15), 20, 12)
    expected = np.sqrt(correlations(memory, shared, np.arange(1, 13)).sum() / 12)
    spreads = [spread_of_sums(found, weights, 12) for weights in (*found.by_series, found.of_panel)]
    np.testing.assert_allclose(spreads, expected, rtol=0.3)
    assert np.mean(spreads) == pytest.approx(expected, rel=0.12)


def test_a_series_with_few_windows_is_taken_for_one_of_its_panel():
    walks, noise = errors_of(1.0, 0.0, (30, 20, 12)), errors_of(0.0, 0.0, (1, 20, 12), seed=1)
    scores = np.concatenate([walks.reshape(-1, 12), noise[0]])
    series = np.append(np.repeat(np.arange(30), 20), np.full(20, 30))
    long = estimate_dependence(scores, series, 31, 12)
    assert (long.by_series @ long.memory)[-1] < 0.3
    assert (long.by_series @ long.memory)[:-1].min() > 0.9
    none = estimate_dependence(scores[:-20], series[:-20], 31, 12)
    np.testing.assert_allclose(none.by_series[-1] @ none.memory, none.of_panel @ none.memory, rtol=1e-3)
    assert none.of_panel @ none.memory > 0.9


def test_without_any_errors_every_kind_is_as_likely():
    found = estimate_dependence(np.empty((0, 5)), np.empty(0, np.int64), 2, 5)
    np.testing.assert_allclose(found.by_series, 1 / len(found.memory))
    np.testing.assert_allclose(found.of_panel, 1 / len(found.memory))


def test_windows_that_overlap_count_less():
    scores = np.repeat(errors_of(0.7, 0.0, (1, 4, 12))[0], 12, axis=0)  # each window twelve times
    series = np.zeros(len(scores), np.int64)
    apart, overlapping = (estimate_dependence(scores, series, 1, step).by_series[0] for step in (12, 1))
    assert overlapping.max() < apart.max()


def test_long_horizons_are_compared_at_a_few_lead_times():
    leads = dependence._compared_leads(1000)
    assert len(leads) < 50
    assert leads[0] == 1
    assert leads[-1] == 1000
    assert (np.diff(leads) > 0).all()
