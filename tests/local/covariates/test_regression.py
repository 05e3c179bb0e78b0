"""The regression: against independent oracles, on useless and on awkward covariates."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.covariates.alignment import align_right, batches, exponential_mean, filter_seasons
from nixtla_accessor.local.covariates.forecasting import ExplainedPanel
from nixtla_accessor.local.covariates.panel import Rows
from nixtla_accessor.local.covariates.regression import fit_regression
from nixtla_accessor.local.covariates.ridge import Equations, make_equations, make_robust_equations
from nixtla_accessor.local.forecaster import Covariate
from nixtla_accessor.seasons import Season

WEEK = Season(7, 0)


def walk(rng, n_series, length, step=0.1):
    return rng.normal(0, step, (n_series, length)).cumsum(1) + 3 * np.sin(2 * np.pi * np.arange(length) / 7)


def fit(y, covariates, season=WEEK):
    ends = np.array([len(values) for values in y])
    return fit_regression(list(y), covariates, season, ends, lambda _: None)


def ahead(x):
    """Return a covariate that is known ahead, of whose future nothing is asked."""
    return Covariate(list(x), np.empty((len(x), 0)))


def effects(regression, y, covariates):
    lengths = np.array([len(values) for values in y])
    return np.stack([each.by_covariate for each in regression.effects(covariates, lengths)])


class TestAlignment:
    @given(st.lists(st.integers(1, 3000), min_size=1, max_size=60))
    def test_batches_hold_every_series_once_with_others_of_similar_length(self, lengths):
        lengths = np.array(lengths)
        chosen = [batch.tolist() for batch in batches(lengths)]
        assert sorted(row for batch in chosen for row in batch) == list(range(len(lengths)))
        for batch in chosen:
            assert lengths[batch].max() <= 2 * lengths[batch].min()

    def test_a_short_array_keeps_its_place(self):
        aligned = align_right([np.array([1.0, 2.0]), np.arange(9.0)], np.array([4, 6]), 5)
        np.testing.assert_array_equal(aligned, [[np.nan, 1, 2, np.nan, np.nan], [1, 2, 3, 4, 5]])

    @pytest.mark.parametrize("half_life", [1.0, 5.0, 24.0])
    def test_the_exponential_mean_is_that_of_its_recursion(self, half_life):
        values = np.random.default_rng(0).normal(size=(2, 200)).astype(np.float32)
        expected = values.copy()
        for step in range(1, 200):
            expected[:, step] = expected[:, step - 1] + (1 - 0.5 ** (1 / half_life)) * (
                values[:, step] - expected[:, step - 1]
            )
        np.testing.assert_allclose(exponential_mean(values, half_life), expected, atol=5e-3)

    def test_the_filter_takes_level_and_season_out(self):
        season = np.tile(np.arange(7.0), 10)[None] + 100
        observed = np.arange(70)[None] >= 7
        np.testing.assert_allclose(filter_seasons(season, observed, 7), 0, atol=1e-12)


class TestRidge:
    def test_coefficients_are_those_of_least_squares_with_a_prior(self):
        rng = np.random.default_rng(1)
        columns = rng.normal(size=(3, 4, 200)).astype(np.float32)
        changes = rng.normal(size=(3, 200)).astype(np.float32)
        noise = np.array([1.0, 2.0, 0.5])
        rows = Rows(columns, changes, np.ones((3, 200), bool), noise, np.ones(3), np.zeros(3))
        sums = make_equations(rows).sums(1.0)
        pooled, scale = rng.normal(size=4), sums.mean_squares()
        own = sums.own_coefficients(pooled, scale, 30.0)
        for series in range(3):
            prior = np.sqrt(30 * scale)
            design = np.vstack([columns[series].T / noise[series], np.diag(prior)])
            target = np.concatenate([changes[series] / noise[series], prior * pooled])
            expected = np.linalg.lstsq(design, target, rcond=None)[0]
            np.testing.assert_allclose(own[series], expected, rtol=1e-4)

    def test_a_block_is_taken_out_of_the_sums(self):
        rng = np.random.default_rng(2)
        whole = Equations(rng.random((10, 2, 3, 3)), rng.random((10, 2, 3)), rng.random((10, 2)))
        emptied = Equations(whole.products.copy(), whole.targets.copy(), whole.counts.copy())
        for part in (emptied.products, emptied.targets, emptied.counts):
            part[4] = 0
        without = whole.sums_without(4, 0.8, whole.sums(0.8))
        np.testing.assert_allclose(without.products, emptied.sums(0.8).products)
        np.testing.assert_allclose(without.targets, emptied.sums(0.8).targets)

    def test_what_some_columns_explain_is_taken_out_of_the_equations_of_the_others(self):
        rng = np.random.default_rng(11)
        columns = rng.normal(size=(3, 4, 200)).astype(np.float32)
        changes = rng.normal(size=(3, 200)).astype(np.float32)
        some, coefficients = np.array([False, True, False, True]), rng.normal(size=(3, 2))
        rest = changes - np.einsum("sk,skt->st", coefficients, columns[:, some]).astype(np.float32)
        found = make_equations(unit_rows(columns, changes)).without(some, coefficients)
        expected = make_equations(unit_rows(columns[:, ~some], rest))
        np.testing.assert_allclose(found.products, expected.products, atol=1e-3)
        np.testing.assert_allclose(found.targets, expected.targets, atol=1e-3)

    @settings(deadline=None, max_examples=25)
    @given(st.floats(1e2, 1e6), st.floats(-100, 100), st.integers(0, 5))
    def test_neither_the_size_of_an_outlier_nor_of_the_effect_matters(self, outlier, effect, seed):
        rng = np.random.default_rng(seed)
        column = np.where(np.arange(300) % 15 == 0, 1.0, 0.0)
        noise = rng.normal(size=300)
        changes = effect * column + noise
        changes[[45, 100]] += outlier
        rows = unit_rows(column[None, None], changes[None])
        solve = lambda equations: equations.sums(1.0).own_coefficients(np.zeros(1), np.zeros(1), 0.0)  # noqa: E731
        equations = make_robust_equations([rows], solve)
        expected = np.linalg.lstsq(column[:, None], effect * column + noise, rcond=None)[0]
        assert abs(solve(equations)[0, 0] - expected[0]) < 1


def unit_rows(columns, changes):
    ones = np.ones(len(columns))
    valid = np.ones(changes.shape, bool)
    return Rows(columns.astype(np.float32), changes.astype(np.float32), valid, ones, ones, 0 * ones)


def promoted(rng, n_series, length, promotion, effect, noise, outliers=0.0):
    """Return sales that a promotion multiplies, of which some were recorded wrongly."""
    week = np.array([0.8, 0.85, 0.9, 1, 1.2, 1.5, 1.1])[np.arange(length) % 7]
    y = 100 * week * (1 + effect * promotion) * np.exp(rng.normal(0, noise, (n_series, length)))
    return np.where(rng.random(y.shape) < outliers, y * rng.choice([0.1, 10.0], y.shape), y)


def lift(regression, y, promotion):
    """Return by how much promotions multiply, of a regression that chose to multiply."""
    assert regression is not None
    assert regression.shifts is not None
    found = effects(regression, y, [ahead(promotion)])[:, 0]
    return np.expm1(found[promotion > 0].mean() - found[promotion == 0].mean())


class TestRareAndLargeEffects:
    @pytest.mark.parametrize("effect", [-0.6, 0.3, 1.0, 2.0])
    @pytest.mark.parametrize("share", [0.03, 0.12])
    @pytest.mark.parametrize("outliers", [0.0, 0.01])
    def test_a_large_effect_counts_in_full_and_an_outlier_does_not(self, effect, share, outliers):
        rng = np.random.default_rng(12)
        promotion = (rng.random((1, 714)) < share).astype(float)
        y = promoted(rng, 1, 714, promotion, effect, 0.05)
        days = (np.arange(714)[:, None] % 7 == np.arange(7)).astype(float)
        oracle = np.linalg.lstsq(np.column_stack([promotion[0], days]), np.log(y[0]), rcond=None)[0][0]
        y = np.where(rng.random(y.shape) < outliers, 10 * y, y)
        assert lift(fit(y, [ahead(promotion)]), y, promotion) == pytest.approx(np.expm1(oracle), rel=0.1)

    @pytest.mark.parametrize("n_series", [1, 10])
    @pytest.mark.parametrize("n_events", [1, 2, 3, 4, 6])
    @pytest.mark.parametrize(("days", "effect"), [(1, -0.6), (4, 1.0)])
    def test_few_events_are_enough_for_an_effect_far_beyond_the_noise(self, n_series, n_events, days, effect):
        rng = np.random.default_rng(13)
        event = np.zeros((n_series, 1500))
        for nth in range(n_events):
            event[:, 1400 - 230 * nth :][:, :days] = 1
        y = promoted(rng, n_series, 1500, event, effect, 0.05)
        assert lift(fit(y, [ahead(event)]), y, event) == pytest.approx(effect, rel=0.15)

    def test_rare_events_are_found_beside_useful_and_useless_columns(self):
        rng = np.random.default_rng(14)
        price, useless = rng.normal(size=(2, 4, 700))
        event = np.zeros((4, 700))
        event[:, 400:402] = 1
        y = promoted(rng, 4, 700, event, 1.0, 0.05) * np.exp(-0.2 * price)
        covariates = [ahead(price), ahead(event), ahead(useless)]
        found = effects(fit(y, covariates), y, covariates)
        assert (found[:, 1, 400:402].mean() - found[:, 1, 300].mean()) == pytest.approx(np.log(2), rel=0.1)
        assert found[:, 2].std() < 0.02

    @pytest.mark.parametrize("outliers", [0.0, 0.01])
    def test_many_useless_events_are_left_out(self, outliers):
        used = 0
        for seed in range(12):
            rng = np.random.default_rng(seed)
            y = promoted(rng, 1, 700, 0.0, 0.0, 0.05, outliers)
            events = np.zeros((20, 1, 700))
            for event in events:
                for start in rng.integers(20, 680, rng.integers(1, 4)):
                    event[:, start : start + rng.integers(1, 5)] = 1
            regression = fit(y, [ahead(event) for event in events])
            if regression is not None:
                found = effects(regression, y, [ahead(event) for event in events])[0]
                used += int((np.ptp(found, axis=1) > 0.02).sum())
        assert used <= 2  # of 240

    @pytest.mark.parametrize(("multiplies", "noise"), [(False, 0.05), (True, 0.15)])
    def test_whether_a_rare_and_large_effect_multiplies_is_found(self, multiplies, noise):
        found = []
        for seed in range(10):
            rng = np.random.default_rng(seed)
            promotion = (rng.random((1, 700)) < 0.03).astype(float)
            y = promoted(rng, 1, 700, promotion, 1.0, noise)
            if not multiplies:
                y = promoted(rng, 1, 700, 0.0, 0.0, 0.0) + 100 * promotion + rng.normal(0, 100 * noise, y.shape)
            found.append(fit(y, [ahead(promotion)]).shifts is not None)
        assert np.mean(found) == pytest.approx(float(multiplies), abs=0.1)

    @pytest.mark.parametrize("n_series", [1, 10])
    @pytest.mark.parametrize("share", [0.0, 0.03])
    def test_days_of_an_event_are_as_often_within_the_intervals_as_others(self, n_series, share):
        rng = np.random.default_rng(16)
        inside = []
        for _ in range(40 // n_series):
            event = (rng.random((n_series, 520)) < share).astype(float)
            event[:, [100, 101, 300]] = event[:, 505:510] = 1
            y = promoted(rng, n_series, 520, event, 1.0, 0.1)
            usual = promoted(rng, n_series, 520, 0.0, 0.0, 0.0)[:, 500:]

            def forecast(series, probabilities, usual=usual):  # of what the event leaves, it knows all there is to know
                return np.stack([usual * np.exp(0.1 * NormalDist().inv_cdf(level)) for level in probabilities])

            covariate, ends = Covariate(list(event[:, :500]), event[:, 500:]), np.full(n_series, 500)
            panel = ExplainedPanel(list(y[:, :500]), [covariate], WEEK, ends, lambda _: None)
            rows = np.arange(n_series)
            answer = panel.forecast(forecast, rows, ends, 20, [0.5, 0.1, 0.9], clean_first=True)
            _, lowest, highest = answer.quantiles
            inside.append((lowest <= y[:, 500:]) & (y[:, 500:] <= highest))
        assert np.concatenate(inside)[:, 5:10].mean() == pytest.approx(0.8, abs=0.1)
        assert np.concatenate(inside)[:, 10:].mean() == pytest.approx(0.8, abs=0.1)

    def test_a_single_day_of_an_hourly_series_is_an_event(self):
        rng = np.random.default_rng(15)
        event = np.zeros((1, 1200))
        event[:, 600:624] = 1
        y = promoted(rng, 1, 1200, event, -0.5, 0.03) * (1.5 + np.sin(2 * np.pi * np.arange(1200) / 24))
        found = effects(fit(y, [ahead(event)], Season(24, 0)), y, [ahead(event)])[0, 0]
        assert found[600:624].mean() < 0
        assert np.ptp(found[624:]) < 0.01


class TestEffects:
    def test_linear_effects_are_recovered_in_the_series_units(self):
        rng = np.random.default_rng(3)
        x, z = rng.normal(size=(2, 8, 300))
        y = 1000 * (walk(rng, 8, 300) + 2 * x - 1.5 * z + 0.3 * rng.normal(size=(8, 300)))
        found = effects(fit(y, [ahead(x), ahead(z)]), y, [ahead(x), ahead(z)])
        for number, truth in ((0, 2000 * x), (1, -1500 * z)):
            error = found[:, number] - (truth - truth.mean(1, keepdims=True))
            assert error.std() < 0.1 * truth.std()

    def test_effects_that_multiply_are_found_to(self):
        rng = np.random.default_rng(4)
        promotion = (rng.random((20, 200)) < 0.2).astype(float)
        y = np.exp(3 + 0.3 * walk(rng, 20, 200) + 0.6 * promotion + 0.1 * rng.normal(size=(20, 200)))
        regression = fit(y, [ahead(promotion)])
        assert regression.shifts is not None
        found = effects(regression, y, [ahead(promotion)])[:, 0]
        lift = found[promotion > 0].mean() - found[promotion == 0].mean()
        assert abs(lift - 0.6) < 0.03

    def test_a_bent_effect_is_bent(self):
        rng = np.random.default_rng(5)
        x = 3 * rng.normal(size=(4, 600))
        y = walk(rng, 4, 600) + np.abs(x) + 0.3 * rng.normal(size=(4, 600))
        found = effects(fit(y, [ahead(x)]), y, [ahead(x)])[:, 0]
        assert np.corrcoef(found.ravel(), np.abs(x).ravel())[0, 1] > 0.97

    def test_short_series_borrow_from_the_panel(self):
        rng = np.random.default_rng(6)
        x = rng.normal(size=(100, 25))
        y = walk(rng, 100, 25) + x + 1.5 * rng.normal(size=(100, 25))
        found = effects(fit(y, [ahead(x)]), y, [ahead(x)])[:, 0]
        slopes = np.array([np.polyfit(x[series], found[series], 1)[0] for series in range(100)])
        alone = [
            np.polyfit(*np.stack([x, y])[:, series, 7:] - np.stack([x, y])[:, series, :-7], 1)[0]
            for series in range(100)
        ]
        assert np.abs(slopes - 1).mean() < 0.7 * np.abs(np.array(alone) - 1).mean()
        alone = fit(y[:1, :5], [ahead(x[:1, :5])])
        assert alone is None or np.isfinite(effects(alone, y[:1, :5], [ahead(x[:1, :5])])).all()

    def test_the_effects_of_categories(self):
        rng = np.random.default_rng(7)
        kinds = rng.integers(0, 4, (6, 300)).astype(float)
        truth = np.array([0.0, 2.0, -1.0, 4.0])[kinds.astype(int)]
        y = walk(rng, 6, 300) + truth + 0.3 * rng.normal(size=(6, 300))
        covariate = Covariate(list(kinds), np.empty((6, 0)), ("a", "b", "c", "d"))
        found = effects(fit(y, [covariate]), y, [covariate])[:, 0]
        assert (found - (truth - truth.mean(1, keepdims=True))).std() < 0.1 * truth.std()

    def test_a_historic_covariate_acts_through_the_lag_that_carries_it(self):
        rng = np.random.default_rng(8)
        x = rng.normal(size=(5, 300))
        y = walk(rng, 5, 300) + 2 * np.concatenate([np.zeros((5, 3)), x[:, :-3]], 1) + 0.3 * rng.normal(size=(5, 300))
        regression = fit(y, [Covariate(list(x), None)])
        assert 3 in regression.features[0].lags
        found = effects(regression, y, [Covariate(list(x), None)])[:, 0]
        assert np.corrcoef(found[:, 3:].ravel(), x[:, :-3].ravel())[0, 1] > 0.95

    def test_the_order_of_covariates_does_not_matter(self):
        rng = np.random.default_rng(9)
        x = rng.normal(size=(3, 5, 200))
        y = walk(rng, 5, 200) + x[0] - 2 * x[2] + 0.3 * rng.normal(size=(5, 200))
        covariates = [ahead(each) for each in x]
        found = effects(fit(y, covariates), y, covariates)
        turned = covariates[::-1]
        np.testing.assert_allclose(effects(fit(y, turned), y, turned)[:, ::-1], found, atol=1e-2)

    @pytest.mark.parametrize("seed", range(4))
    def test_useless_covariates_have_hardly_any_effect(self, seed):
        rng = np.random.default_rng(seed)
        y = walk(rng, 10, 200) + 0.5 * rng.normal(size=(10, 200))
        covariates = [ahead(rng.normal(size=(10, 200))), ahead(rng.normal(size=(10, 200)).cumsum(1))]
        regression = fit(y, covariates)
        assert regression is None or effects(regression, y, covariates).sum(1).std() < 0.15


AWKWARD = {
    "constant": np.full(120, 3.0),
    "all missing": np.full(120, np.nan),
    "partly missing": np.where(np.arange(120) % 5 == 0, np.nan, np.arange(120.0) % 9),
    "huge": np.where(np.arange(120) % 2, 1e308, -1e308),
    "tiny": np.where(np.arange(120) % 3, 5e-324, 1e-320),
    "one change": np.where(np.arange(120) == 60, 1.0, 0.0),
    "trend": np.arange(120.0),
    "weekday": np.arange(120.0) % 7,
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("known_ahead", [True, False])
@pytest.mark.parametrize("missing", [False, True])
def test_awkward_covariates_have_finite_effects(name, known_ahead, missing):
    rng = np.random.default_rng(10)
    useful = rng.normal(size=(3, 120))
    y = walk(rng, 3, 120) + 3 * useful
    if missing:
        y[0, 10:30] = y[1] = np.nan
    awkward = np.tile(AWKWARD[name], (3, 1))
    covariates = [ahead(useful), ahead(awkward) if known_ahead else Covariate(list(awkward), None), ahead(useful)]
    found = effects(fit(y, covariates), y, covariates)
    assert np.isfinite(found).all()
    assert np.corrcoef(found[0].sum(0), useful[0])[0, 1] > 0.95  # of two equal ones, the sum counts


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 5), st.booleans())
def test_panels_of_any_lengths_have_finite_effects(lengths, seed, positive):
    rng = np.random.default_rng(seed)
    y = [np.exp(rng.normal(size=n)) if positive else rng.normal(size=n) for n in lengths]
    x = [rng.normal(size=n) for n in lengths]
    covariate = Covariate(x, np.empty((len(x), 0)))
    regression = fit(y, [covariate])
    if regression is not None:
        for each in regression.effects([covariate], np.array(lengths)):
            assert np.isfinite(each.by_covariate).all()
