"""The network: a residual multilayer perceptron that mixes the baselines and corrects them.

One definition for pretraining, fine-tuning and forecasting: forward and backward by hand, in numpy. For each window it
returns nine quantiles for each step of the horizon, in z (see `features`)::

    stream    = input(x), then for each block: stream + contract(gelu(expand(norm(stream))))
    quantiles = mix of the baselines by a softmax per step + unit * correction
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.baselines import N_BASELINES
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import Features
from nixtla_accessor.local.network.weights import Weights, tensor_shapes

_STEPS = np.arange(1, NETWORK.horizon + 1)
_BETWEEN_KNOTS = np.stack(
    [np.interp(np.log(_STEPS), np.log(NETWORK.knots), knot) for knot in np.eye(len(NETWORK.knots))], 1
).astype(np.float32)
_GELU_SCALE = 0.7978845608028654  # sqrt(2 / pi)
_GELU_CUBIC = 0.044715
_FIRST_TRAINED_BLOCK = {1: NETWORK.n_blocks, 2: NETWORK.n_blocks - 1, 3: NETWORK.n_blocks - 2, 4: 0, 5: 0}  # by depth


@dataclass(frozen=True, slots=True, eq=False)
class BlockTape:
    """The results of a block's forward pass that its backward pass needs."""

    normed: Floats
    standardised: Floats
    inverse_spread: Floats
    wide: Floats
    bend: Floats
    active: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """The results of a forward pass that the backward pass needs."""

    depth: int
    entering: Floats
    baselines: Floats
    unit: Floats
    blocks: list[BlockTape]
    normed: Floats
    standardised: Floats
    inverse_spread: Floats
    mix: Floats


def trained_tensors(depth: int) -> list[str]:
    """Return the names of the tensors that fine-tuning at this depth trains: those of the depth before, and more.

    1 is the head (last norm, correction, mix), 2 and 3 add the last blocks, 4 all blocks, 5 the input layer.
    """
    frozen = [f"block{block}." for block in range(_FIRST_TRAINED_BLOCK[depth])]
    frozen += ["input."] if depth < NETWORK.full_depth else []
    return [name for name in tensor_shapes() if not name.startswith(tuple(frozen))]


def predict(weights: Weights, features: Features) -> Floats:
    """Return the quantiles in z, not sorted, of shape (windows, horizon, levels)."""
    entering = run_frozen_layers(weights, features.inputs, 1)
    quantiles, _ = forward(weights, entering, features.baselines, features.unit, 1)
    return quantiles


def run_frozen_layers(weights: Weights, inputs: Floats, depth: int) -> Floats:
    """Compute what enters the layers trained at this depth: at 5 the inputs, at 1 the last block's stream."""
    if depth == NETWORK.full_depth:
        return inputs
    stream = inputs @ weights["input.weight"] + weights["input.bias"]
    for block in range(_FIRST_TRAINED_BLOCK[depth]):
        stream += _block(weights, block, stream)[0]
    return stream


def forward(weights: Weights, entering: Floats, baselines: Floats, unit: Floats, depth: int) -> tuple[Floats, Tape]:
    """Run the layers trained at this depth on the result of `run_frozen_layers`; return quantiles in z and the tape."""
    stream = entering @ weights["input.weight"] + weights["input.bias"] if depth == NETWORK.full_depth else entering
    blocks = []
    for block in range(_FIRST_TRAINED_BLOCK[depth], NETWORK.n_blocks):
        change, kept = _block(weights, block, stream)
        blocks.append(kept)
        stream = stream + change
    normed, standardised, inverse_spread = _norm(stream, weights["norm.gain"], weights["norm.bias"])
    correction = normed @ weights["correction.weight"] + weights["correction.bias"]
    at_knots = (normed @ weights["mix.weight"] + weights["mix.bias"]).reshape(-1, len(NETWORK.knots), N_BASELINES)
    logits = _BETWEEN_KNOTS @ at_knots
    logits -= logits.max(2, keepdims=True)
    mix = np.exp(logits, out=logits)
    mix /= mix.sum(2, keepdims=True)
    mixed = np.einsum("whb,whb->wh", mix, baselines)
    quantiles = correction.reshape(-1, NETWORK.horizon, NETWORK.n_levels)
    quantiles *= unit[:, :, None]
    quantiles += mixed[:, :, None]
    return quantiles, Tape(depth, entering, baselines, unit, blocks, normed, standardised, inverse_spread, mix)


def backward(weights: Weights, tape: Tape, gradient: Floats) -> Weights:
    """Compute the gradients of the trained tensors from the gradient of the quantiles."""
    n = len(gradient)
    gradients: Weights = {}
    correction = (gradient * tape.unit[:, :, None]).reshape(n, -1)
    mix = gradient.sum(2)[:, :, None] * tape.baselines
    mix -= np.einsum("whb,whb->wh", mix, tape.mix)[:, :, None]
    mix *= tape.mix
    knots = (_BETWEEN_KNOTS.T @ mix).reshape(n, -1)
    gradients["correction.weight"], gradients["correction.bias"] = tape.normed.T @ correction, correction.sum(0)
    gradients["mix.weight"], gradients["mix.bias"] = tape.normed.T @ knots, knots.sum(0)
    normed = correction @ weights["correction.weight"].T
    normed += knots @ weights["mix.weight"].T
    stream, gradients["norm.gain"], gradients["norm.bias"] = _norm_backward(
        normed, weights["norm.gain"], tape.standardised, tape.inverse_spread
    )
    first = NETWORK.n_blocks - len(tape.blocks)
    for block in reversed(range(first, NETWORK.n_blocks)):
        trained_before = tape.depth == NETWORK.full_depth or block > first
        stream = _block_backward(
            weights, block, tape.blocks[block - first], stream, gradients, trained_before=trained_before
        )
    if tape.depth == NETWORK.full_depth:
        gradients["input.weight"], gradients["input.bias"] = tape.entering.T @ stream, stream.sum(0)
    return gradients


def _block(weights: Weights, block: int, stream: Floats) -> tuple[Floats, BlockTape]:
    """Compute what a block adds to the stream, and keep its tape."""
    name = f"block{block}."
    normed, standardised, inverse_spread = _norm(stream, weights[name + "norm.gain"], weights[name + "norm.bias"])
    wide = normed @ weights[name + "expand.weight"]
    wide += weights[name + "expand.bias"]
    bend = wide * wide  # gelu in its tanh form (Hendrycks and Gimpel, arXiv:1606.08415)
    bend *= _GELU_CUBIC
    bend += 1
    bend *= wide
    bend *= _GELU_SCALE
    np.tanh(bend, out=bend)
    active = bend + 1
    active *= wide
    active *= 0.5
    change = active @ weights[name + "contract.weight"]
    change += weights[name + "contract.bias"]
    return change, BlockTape(normed, standardised, inverse_spread, wide, bend, active)


def _block_backward(
    weights: Weights, block: int, tape: BlockTape, stream: Floats, gradients: Weights, *, trained_before: bool
) -> Floats:
    """Fill in a block's gradients; return that of the stream before it, if anything trained comes before."""
    name = f"block{block}."
    normed, wide, bend = tape.normed, tape.wide, tape.bend
    gradients[name + "contract.weight"], gradients[name + "contract.bias"] = tape.active.T @ stream, stream.sum(0)
    slope = wide * wide  # derivative of gelu: (1 + bend) / 2 + wide / 2 * (1 - bend^2) * d(inner)/d(wide)
    slope *= 3 * _GELU_CUBIC * _GELU_SCALE
    slope += _GELU_SCALE
    slope *= wide
    rest = bend * bend
    np.subtract(1, rest, out=rest)
    slope *= rest
    slope += bend
    slope += 1
    slope *= 0.5
    wide_gradient = stream @ weights[name + "contract.weight"].T
    wide_gradient *= slope
    gradients[name + "expand.weight"], gradients[name + "expand.bias"] = normed.T @ wide_gradient, wide_gradient.sum(0)
    normed_gradient = wide_gradient @ weights[name + "expand.weight"].T
    through, gradients[name + "norm.gain"], gradients[name + "norm.bias"] = _norm_backward(
        normed_gradient, weights[name + "norm.gain"], tape.standardised, tape.inverse_spread
    )
    return stream + through if trained_before else stream


def _norm(stream: Floats, gain: Floats, bias: Floats) -> tuple[Floats, Floats, Floats]:
    """Apply a layer norm; return also what its backward pass needs: the standardised stream, and its inverse spread."""
    standardised = stream - stream.mean(1, keepdims=True)
    inverse_spread = 1 / np.sqrt(
        np.einsum("ws,ws->w", standardised, standardised)[:, None] / standardised.shape[1] + 1e-5
    )
    standardised *= inverse_spread
    normed = standardised * gain
    normed += bias
    return normed, standardised, inverse_spread


def _norm_backward(
    gradient: Floats, gain: Floats, standardised: Floats, inverse_spread: Floats
) -> tuple[Floats, Floats, Floats]:
    """Compute the gradients of the stream, of the gain and of the bias."""
    gain_gradient, bias_gradient = np.einsum("ws,ws->s", gradient, standardised), gradient.sum(0)
    through = gradient * gain
    along = np.einsum("ws,ws->w", through, standardised)[:, None] / standardised.shape[1]
    through -= through.mean(1, keepdims=True)
    through -= standardised * along
    through *= inverse_spread
    return through, gain_gradient, bias_gradient
