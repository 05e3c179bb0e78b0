"""Fine-tuning: deterministic, as deep as requested, with the loss requested, and harmless."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.local.network.config import NETWORK, TRAINING, TUNING
from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.losses import LOSSES
from nixtla_accessor.local.network.model import trained_tensors
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.network.weights import pretrained_weights
from nixtla_accessor.local.pretraining.synthetic import KINDS, generate
from nixtla_accessor.seasons import Season

MEDIAN = NETWORK.median
WEEK = Season(7, 0)
USUAL = {"steps": 8, "depth": 1, "loss": "default", "seed": 0}


def unusual_panel(n_series=12, n=120, seed=0):
    """Series unlike those of pretraining: two waves whose lengths are no whole numbers, so that no season repeats."""
    rng = np.random.default_rng(seed)
    t = 2 * np.pi * np.arange(n)
    phases = rng.uniform(0, 2 * np.pi, (n_series, 2))
    return [50 + 10 * (np.sin(t / 11.3 + a) + np.sin(t / 8.6 + b)) + 0.3 * rng.normal(size=n) for a, b in phases]


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def error(weights, train, test):
    median = forecast(weights, train, WEEK, len(test[0]))[:, :, MEDIAN]
    return float(np.abs(median - np.stack(test)).mean())


def test_the_outcome_depends_on_the_arguments_alone():
    base, panel = pretrained_weights(), unusual_panel()
    one, again = (tune(base, panel, WEEK, **USUAL) for _ in range(2))
    assert (one.alpha, one.steps, one.n_windows) == (again.alpha, again.steps, again.n_windows)
    assert changed(one.weights, again.weights) == set()
    for other in ({"seed": 1}, {"steps": 9}, {"depth": 2}, {"loss": "mse"}):
        assert changed(one.weights, tune(base, panel, WEEK, **{**USUAL, **other}).weights)
    assert changed(one.weights, tune(base, unusual_panel(seed=1), WEEK, **USUAL).weights)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_a_depth_changes_all_that_it_trains_and_nothing_else(depth):
    base = pretrained_weights()
    tuned = tune(base, unusual_panel(), WEEK, **{**USUAL, "depth": depth, "steps": 30})
    assert tuned.alpha > 0
    assert changed(base, tuned.weights) == set(trained_tensors(depth))
    assert list(tuned.weights) == list(base)
    assert {tensor.dtype for tensor in tuned.weights.values()} == {np.dtype(np.float32)}


def test_the_base_weights_are_not_written_into():
    base = {name: tensor.copy() for name, tensor in pretrained_weights().items()}
    tune(base, unusual_panel(), WEEK, **{**USUAL, "depth": 5})
    assert changed(base, pretrained_weights()) == set()


def test_more_steps_and_a_second_tuning_help_on_an_unusual_panel():
    base = pretrained_weights()
    panel = unusual_panel(n_series=30, n=220)
    train, test = [values[:-11] for values in panel], [values[-11:] for values in panel]
    before = error(base, train, test)
    few = tune(base, train, WEEK, **{**USUAL, "steps": 10, "depth": 5})
    many = tune(base, train, WEEK, **{**USUAL, "steps": 100, "depth": 5})
    chained = tune(many.weights, train, WEEK, **{**USUAL, "steps": 100, "depth": 5})
    errors = [before, *(error(tuned.weights, train, test) for tuned in (few, many, chained))]
    assert errors == sorted(errors, reverse=True), errors
    assert errors[2] < 0.95 * before


def test_large_alphas_are_chosen_only_if_the_gain_is_clear():
    base, thorough = pretrained_weights(), {**USUAL, "depth": 5, "steps": 50}
    assert tune(base, unusual_panel(n_series=60, n=220), WEEK, **thorough).alpha > max(TUNING.alphas)
    monthly = next(kind for kind in KINDS if kind.name == "monthly")
    usual = generate(np.random.default_rng(0), 60, monthly)
    panel = [row[-length:].astype(float) for row, length in zip(usual.values, usual.length, strict=True)]
    assert tune(base, panel, usual.season, **thorough).alpha <= max(TUNING.alphas)


def test_a_validation_set_of_one_stretch_of_time_allows_small_alphas_only():
    base, thorough = pretrained_weights(), {**USUAL, "depth": 5, "steps": 50}
    one_stretch, two_stretches = (tune(base, unusual_panel(60, n), WEEK, **thorough) for n in (139, 140))
    assert 0 < one_stretch.alpha <= TUNING.max_alpha_of_one_stretch < two_stretches.alpha


def test_a_single_validation_window_cannot_tell_whether_training_helped():
    base = pretrained_weights()
    (one,) = unusual_panel(n_series=1, n=139)
    assert tune(base, [one], WEEK, **USUAL).weights is base
    assert tune(base, [one, one + 5], WEEK, **USUAL).steps == USUAL["steps"]


def test_intervals_of_few_seasons_hold_about_as_much_after_tuning():
    rng = np.random.default_rng(120)
    year, steps = Season(52, 0), np.arange(120 + 26)
    usual = 100 * np.exp(0.1 * steps / 52) * (1 + 0.3 * np.sin(2 * np.pi * steps / 52))
    inside, errors = {"base": [], "tuned": []}, {"base": [], "tuned": []}
    for _ in range(3):
        panel = usual + 5 * rng.normal(size=(10, len(steps)))
        train, test = list(panel[:, :-26]), panel[:, -26:]
        base = pretrained_weights()
        for name, weights in {"base": base, "tuned": tune(base, train, year, **{**USUAL, "steps": 10}).weights}.items():
            quantiles = forecast(weights, train, year, 26)
            lower, upper = (quantiles[:, :, NETWORK.quantile_levels.index(level)] for level in (0.1, 0.9))
            inside[name].append(((lower <= test) & (test <= upper)).mean())
            errors[name].append(np.abs(quantiles[:, :, MEDIAN] - test).mean())
    assert np.mean(inside["tuned"]) > np.mean(inside["base"]) - 0.1
    assert np.mean(errors["tuned"]) < 1.02 * np.mean(errors["base"])


@pytest.mark.parametrize("loss", LOSSES)
def test_tuning_for_a_loss_lowers_that_loss(loss):
    rng = np.random.default_rng(5)
    panel = [rng.exponential(10, 150) + 2 for _ in range(40)]  # skewed: each loss wants another forecast
    base = pretrained_weights()
    tuned = tune(base, panel, WEEK, steps=60, depth=5, loss=loss, seed=0)
    measures = {
        "mse": lambda y, f: np.mean((y - f) ** 2),
        "rmse": lambda y, f: np.sqrt(np.mean((y - f) ** 2, axis=1)).mean(),
        "mape": lambda y, f: np.mean(np.abs(y - f) / y),
        "smape": lambda y, f: np.mean(np.abs(y - f) / (np.abs(y) + np.abs(f))),
        "poisson": lambda y, f: np.mean(f - y * np.log(np.maximum(f, 0.1))),
    }
    measure = measures.get(loss, lambda y, f: np.mean(np.abs(y - f)))
    fresh = [rng.exponential(10, 24) + 2 for _ in panel]

    def value(weights):
        return measure(np.stack(fresh), forecast(weights, panel, WEEK, 24)[:, :, MEDIAN])

    assert value(tuned.weights) <= value(base) * 1.001


def test_skewed_series_show_that_the_losses_differ():
    rng = np.random.default_rng(6)
    panel = [rng.exponential(10, 150) + 2 for _ in range(40)]
    level = {}
    for loss in ("mse", "mae", "mape"):
        tuned = tune(pretrained_weights(), panel, WEEK, steps=60, depth=5, loss=loss, seed=0)
        assert tuned.alpha > 0 or loss == "mae"
        level[loss] = forecast(tuned.weights, panel, WEEK, 24)[:, :, MEDIAN].mean()
    assert level["mape"] < level["mae"] < level["mse"]  # towards small values, the median, the mean


def test_little_changes_if_there_is_nothing_to_gain():
    rng = np.random.default_rng(8)
    panel = [rng.normal(size=80).cumsum() for _ in range(20)]
    train, test = [values[:-11] for values in panel], [values[-11:] for values in panel]
    base = pretrained_weights()
    for depth, steps in ((1, 10), (5, 50)):
        tuned = tune(base, train, WEEK, **{**USUAL, "depth": depth, "steps": steps})
        assert error(tuned.weights, train, test) <= 1.03 * error(base, train, test)


@pytest.mark.parametrize(
    "panel",
    [
        [[1.0]],
        [[1.0, 2.0, 3.0, 4.0]],
        [[5.0], [1.0, 2.0], [np.nan] * 30],
        [[np.nan]],
        [[1.0] + [np.nan] * 40],
    ],
)
def test_series_too_short_to_train_on_return_the_base_weights(panel):
    base = pretrained_weights()
    tuned = tune(base, [np.array(values) for values in panel], WEEK, **USUAL)
    assert tuned.weights is base
    assert (tuned.alpha, tuned.steps, tuned.n_windows) == (0.0, 0, 0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1.0, -1.0, 1e300, 1e-300, 3e5, np.nan, np.inf]), min_size=1, max_size=60),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(LOSSES),
    st.integers(1, 5),
)
def test_weights_stay_finite_whatever_the_series(panel, loss, depth):
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        tuned = tune(
            pretrained_weights(), [np.array(v) for v in panel], Season(4, 0), steps=3, depth=depth, loss=loss, seed=0
        )
    assert all(np.isfinite(tensor).all() for tensor in tuned.weights.values())


def test_progress_is_called_at_every_step_and_windows_are_counted():
    steps = []
    tuned = tune(pretrained_weights(), unusual_panel(), WEEK, **{**USUAL, "depth": 5}, progress=steps.append)
    assert steps == list(range(1, 9))
    assert tuned.steps == 8
    assert tuned.n_windows == 8 * TRAINING[5].batch


def test_missing_values_are_not_targets():
    rng = np.random.default_rng(0)
    panel = unusual_panel()
    holed = [np.where(rng.random(len(values)) < 0.2, np.nan, values) for values in panel]
    tuned = tune(pretrained_weights(), holed, WEEK, **USUAL)
    assert tuned.steps == 8
    assert all(np.isfinite(tensor).all() for tensor in tuned.weights.values())
