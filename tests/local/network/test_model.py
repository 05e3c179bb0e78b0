"""The network and its gradients, against an independent differentiator."""

from dataclasses import fields
from itertools import pairwise

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from nixtla_accessor.local.network.baselines import N_BASELINES
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import N_INPUTS, Features, input_columns
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.network.model import backward, forward, run_frozen_layers, trained_tensors
from nixtla_accessor.local.network.weights import (
    dump_weights,
    initial_weights,
    load_weights,
    pretrained_weights,
    tensor_shapes,
)

HORIZON, LEVELS, KNOTS = NETWORK.horizon, NETWORK.quantile_levels, NETWORK.knots
LEADS = np.array([*NEAR_LEADS, 30, 168, 500, 720, 900])
N_WINDOWS = 4


def slow_network(weights, features):
    """Compute the network as its docstring describes it, one window and one step at a time."""

    def norm(x, name):
        centred = x - anp.mean(x)
        return centred / anp.sqrt(anp.mean(centred**2) + 1e-5) * weights[f"{name}.gain"] + weights[f"{name}.bias"]

    def linear(x, name):
        return anp.dot(x, weights[f"{name}.weight"]) + weights[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + anp.tanh(anp.sqrt(2 / anp.pi) * (x + 0.044715 * x**3)))

    def at(lead, of_knots):
        right = next((i for i, knot in enumerate(KNOTS) if knot >= lead), len(KNOTS) - 1)
        left = max(right - 1, 0)
        span = np.log(KNOTS[right] / KNOTS[left])
        weight = min(np.log(lead / KNOTS[left]) / span, 1.0) if span else 0.0
        return of_knots[left] * (1 - weight) + of_knots[right] * weight

    quantiles = []
    for row in range(N_WINDOWS):
        stream = linear(features.inputs[row], "input")
        for block in range(NETWORK.n_blocks):
            hidden = gelu(linear(norm(stream, f"block{block}.norm"), f"block{block}.expand"))
            stream = stream + linear(hidden, f"block{block}.contract")
        stream = norm(stream, "norm")
        near = anp.reshape(linear(stream, "correction"), (HORIZON, len(LEVELS)))
        logits = anp.reshape(linear(stream, "mix"), (len(KNOTS), N_BASELINES))
        of_errors, of_departures = anp.reshape(weights["trust.gain"], (2, len(KNOTS), N_BASELINES))
        logits = logits + of_errors * features.inputs[row, input_columns("trial_error")]
        logits = logits + of_departures * features.inputs[row, input_columns("departure")]
        mix = anp.exp(logits) / anp.sum(anp.exp(logits), axis=1, keepdims=True)
        spread = anp.reshape(linear(stream, "spread"), (len(KNOTS), 2 * len(LEVELS) + 1))
        spread = spread * (np.array(KNOTS) ** 0.25)[:, None]
        for nth, lead in enumerate(LEADS):
            here = at(lead, spread)
            correction = here[: len(LEVELS)] + features.phase_spread[row, nth] * here[len(LEVELS) : -1]
            correction = correction + (near[nth] if lead <= HORIZON else 0)
            value = anp.dot(at(lead, mix), features.baselines[row, :, nth]) + features.unit[row, 0] * correction
            value = value + here[-1] * features.own_spread[row]
            quantiles.append(anp.minimum(anp.maximum(value, features.support[row, 0]), features.support[row, 1]))
    return anp.reshape(anp.array(quantiles), (N_WINDOWS, len(LEADS), len(LEVELS)))


@pytest.fixture(scope="module")
def example():
    """Weights far from their initial values and a batch, in double precision."""
    rng = np.random.default_rng(7)
    weights = {name: w + rng.normal(0, 0.05, w.shape) for name, w in initial_weights(rng).items()}
    infinity = np.inf
    features = Features(
        inputs=rng.normal(size=(N_WINDOWS, N_INPUTS)),
        baselines=rng.normal(size=(N_WINDOWS, N_BASELINES, len(LEADS))),
        own_spread=np.sort(rng.normal(size=(N_WINDOWS, len(LEVELS))), axis=1),
        phase_spread=rng.uniform(-0.5, 2, (N_WINDOWS, len(LEADS))),
        support=np.array([[-infinity, infinity], [-0.3, infinity], [-infinity, 0.2], [-infinity, infinity]]),
        unit=rng.uniform(0.2, 2, (N_WINDOWS, 1)),
        location=np.zeros((N_WINDOWS, 1)),
        scale=np.ones((N_WINDOWS, 1)),
    )
    weighting = rng.normal(size=(N_WINDOWS, len(LEADS), len(LEVELS)))
    at_edge = (slow_network(weights, features) == features.support[:, None, :1]) | (
        slow_network(weights, features) == features.support[:, None, 1:]
    )
    assert 0.05 < at_edge.mean() < 0.6
    return weights, features, weighting * ~at_edge


@pytest.fixture(scope="module")
def true_gradients(example):
    weights, features, weighting = example
    return grad(lambda w: anp.sum(slow_network(w, features) * weighting))(weights)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_forward_at_every_depth_is_the_network(example, depth):
    weights, features, _ = example
    quantiles, _ = forward(weights, run_frozen_layers(weights, features.inputs, depth), features, depth, LEADS)
    np.testing.assert_allclose(quantiles, slow_network(weights, features), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_gradients_are_those_of_an_independent_differentiator(example, true_gradients, depth):
    weights, features, weighting = example
    _, tape = forward(weights, run_frozen_layers(weights, features.inputs, depth), features, depth, LEADS)
    gradients = backward(weights, tape, weighting)
    assert set(gradients) == set(trained_tensors(depth))
    for name, gradient in gradients.items():
        size = np.abs(true_gradients[name]).max()
        np.testing.assert_allclose(gradient, true_gradients[name], atol=1e-6 * size, rtol=1e-5, err_msg=name)


def test_gradients_agree_with_finite_differences(example):
    weights, features, weighting = example

    def run():
        return forward(weights, features.inputs, features, 5, LEADS)

    def value():
        return float((run()[0] * weighting).sum())

    gradients = backward(weights, run()[1], weighting)
    rng = np.random.default_rng(3)
    for name, tensor in weights.items():
        place = tuple(rng.integers(0, size) for size in tensor.shape)
        here, step = tensor[place], 1e-5
        tensor[place] = here + step
        above = value()
        tensor[place] = here - step
        below = value()
        tensor[place] = here
        assert (above - below) / (2 * step) == pytest.approx(gradients[name][place], rel=1e-4, abs=1e-5), name


def test_single_precision_is_kept(example):
    weights, features, weighting = example
    single = {name: w.astype(np.float32) for name, w in weights.items()}
    features = Features(*(getattr(features, field.name).astype(np.float32) for field in fields(Features)))
    quantiles, tape = forward(single, features.inputs, features, 5, LEADS)
    gradients = backward(single, tape, weighting.astype(np.float32))
    assert quantiles.dtype == np.float32
    assert {gradient.dtype for gradient in gradients.values()} == {np.dtype(np.float32)}


def test_at_the_edge_of_the_support_a_quantile_is_moved_inward_only(example):
    weights, features, _ = example
    quantiles, tape = forward(weights, features.inputs, features, 5, LEADS)
    assert (quantiles[1] >= -0.3).all()
    assert (quantiles[2] <= 0.2).all()
    for edge, outward in ((tape.below, 1.0), (tape.above, -1.0)):
        assert edge.any()
        assert not any(gradient.any() for gradient in backward(weights, tape, edge * outward).values())
        assert any(gradient.any() for gradient in backward(weights, tape, edge * -outward).values())


def test_each_depth_trains_more_and_the_fifth_all():
    trained = [set(trained_tensors(depth)) for depth in (1, 2, 3, 4, 5)]
    assert all(less < more for less, more in pairwise(trained))
    assert trained[-1] == set(tensor_shapes())
    assert not any(name.startswith(("block", "input")) for name in trained[0])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 0), (np.float16, 1e-3)])
def test_weights_are_the_same_after_writing_and_reading(tmp_path, dtype, tolerance):
    weights = initial_weights(np.random.default_rng(0))
    data = dump_weights(weights, dtype=dtype)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    for source in (data, path):
        again = load_weights(source)
        assert list(again) == list(tensor_shapes())
        for name, tensor in again.items():
            assert tensor.dtype == np.float32
            np.testing.assert_allclose(tensor, weights[name], rtol=tolerance, atol=tolerance * 0.1)


def test_weights_of_another_network_are_refused():
    weights = initial_weights(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"1 that differ: \['mix.bias'\]"):
        load_weights(dump_weights({name: w for name, w in weights.items() if name != "mix.bias"}))
    with pytest.raises(ValueError, match="differ"):
        load_weights(dump_weights({**weights, "mix.bias": np.zeros(3, np.float32)}))
    with pytest.raises(ValueError, match="differ"):
        load_weights(dump_weights({**weights, "more": np.zeros(3, np.float32)}))
    with pytest.raises(ValueError, match="finite"):
        load_weights(dump_weights({**weights, "norm.bias": np.full(192, np.nan, np.float32)}))


def test_pretrained_weights_come_with_the_package_and_cannot_be_changed():
    weights = pretrained_weights()
    assert weights is pretrained_weights()
    assert len(dump_weights(weights, dtype=np.float16)) <= 4_000_000
    with pytest.raises(ValueError, match="read-only"):
        weights["norm.bias"][0] = 1
