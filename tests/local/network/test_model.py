"""The network and its gradients, against an independent differentiator."""

from itertools import pairwise

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from nixtla_accessor.local.network.baselines import N_BASELINES
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import N_INPUTS
from nixtla_accessor.local.network.model import backward, forward, run_frozen_layers, trained_tensors
from nixtla_accessor.local.network.weights import (
    dump_weights,
    initial_weights,
    load_weights,
    pretrained_weights,
    tensor_shapes,
)

HORIZON, LEVELS, KNOTS = NETWORK.horizon, NETWORK.quantile_levels, NETWORK.knots
N_WINDOWS = 4


def slow_network(weights, inputs, baselines, unit):
    """Compute the network as its docstring describes it, one window and one step at a time."""

    def norm(x, name):
        centred = x - anp.mean(x)
        return centred / anp.sqrt(anp.mean(centred**2) + 1e-5) * weights[f"{name}.gain"] + weights[f"{name}.bias"]

    def linear(x, name):
        return anp.dot(x, weights[f"{name}.weight"]) + weights[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + anp.tanh(anp.sqrt(2 / anp.pi) * (x + 0.044715 * x**3)))

    quantiles = []
    for x, simple, one in zip(inputs, baselines, unit, strict=True):
        stream = linear(x, "input")
        for block in range(NETWORK.n_blocks):
            hidden = gelu(linear(norm(stream, f"block{block}.norm"), f"block{block}.expand"))
            stream = stream + linear(hidden, f"block{block}.contract")
        stream = norm(stream, "norm")
        correction = anp.reshape(linear(stream, "correction"), (HORIZON, len(LEVELS)))
        logits = anp.reshape(linear(stream, "mix"), (len(KNOTS), N_BASELINES))
        for step in range(HORIZON):
            right = next(i for i, knot in enumerate(KNOTS) if knot >= step + 1)
            left = max(right - 1, 0)
            span = np.log(KNOTS[right] / KNOTS[left])
            weight = np.log((step + 1) / KNOTS[left]) / span if span else 0.0
            mixed = anp.exp(logits[left] * (1 - weight) + logits[right] * weight)
            quantiles.append(anp.dot(simple[step], mixed / anp.sum(mixed)) + one[0] * correction[step])
    return anp.reshape(anp.array(quantiles), (len(inputs), HORIZON, len(LEVELS)))


@pytest.fixture(scope="module")
def example():
    """Weights far from their initial values and a batch, in double precision."""
    rng = np.random.default_rng(7)
    weights = {name: w + rng.normal(0, 0.05, w.shape) for name, w in initial_weights(rng).items()}
    inputs = rng.normal(size=(N_WINDOWS, N_INPUTS))
    baselines = rng.normal(size=(N_WINDOWS, HORIZON, N_BASELINES))
    unit = rng.uniform(0.2, 2, (N_WINDOWS, 1))
    weighting = rng.normal(size=(N_WINDOWS, HORIZON, len(LEVELS)))
    return weights, inputs, baselines, unit, weighting


@pytest.fixture(scope="module")
def true_gradients(example):
    weights, inputs, baselines, unit, weighting = example
    return grad(lambda w: anp.sum(slow_network(w, inputs, baselines, unit) * weighting))(weights)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_forward_at_every_depth_is_the_network(example, depth):
    weights, inputs, baselines, unit, _ = example
    quantiles, _ = forward(weights, run_frozen_layers(weights, inputs, depth), baselines, unit, depth)
    np.testing.assert_allclose(quantiles, slow_network(weights, inputs, baselines, unit), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_gradients_are_those_of_an_independent_differentiator(example, true_gradients, depth):
    weights, inputs, baselines, unit, weighting = example
    _, tape = forward(weights, run_frozen_layers(weights, inputs, depth), baselines, unit, depth)
    gradients = backward(weights, tape, weighting)
    assert set(gradients) == set(trained_tensors(depth))
    for name, gradient in gradients.items():
        size = np.abs(true_gradients[name]).max()
        np.testing.assert_allclose(gradient, true_gradients[name], atol=1e-6 * size, rtol=1e-5, err_msg=name)


def test_gradients_agree_with_finite_differences(example):
    weights, inputs, baselines, unit, weighting = example

    def value():
        return float((forward(weights, inputs, baselines, unit, 5)[0] * weighting).sum())

    gradients = backward(weights, forward(weights, inputs, baselines, unit, 5)[1], weighting)
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
    weights, inputs, baselines, unit, weighting = example
    single = {name: w.astype(np.float32) for name, w in weights.items()}
    arrays = [a.astype(np.float32) for a in (inputs, baselines, unit)]
    quantiles, tape = forward(single, *arrays, 5)
    gradients = backward(single, tape, weighting.astype(np.float32))
    assert quantiles.dtype == np.float32
    assert {gradient.dtype for gradient in gradients.values()} == {np.dtype(np.float32)}


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
    assert len(dump_weights(weights, dtype=np.float16)) <= 2_000_000
    with pytest.raises(ValueError, match="read-only"):
        weights["norm.bias"][0] = 1
