"""The network: a residual multilayer perceptron that mixes the baselines and corrects them.

One definition for pretraining, fine-tuning and forecasting: forward and backward by hand, in numpy. For each window it
returns quantiles for each lead, in z (see `features`)::

    stream    = input(x), then for each block: stream + contract(gelu(expand(norm(stream))))
    quantiles = mix of the baselines + unit * (correction + phase spread * phase correction) + share * own spread
    mix       = softmax(mix(stream) + gain * error on trial + gain * departure), the last two of each baseline

Weights of the mix (a softmax), corrections and share are given at a few leads, the knots, and between them linear in
log(lead), so that they cost the same at any horizon. The first leads have a further correction of their own. Quantiles
beyond the support of a series are moved to its edge: zero, for series that never were below zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.network.baselines import N_BASELINES
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import Features, input_columns
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.network.weights import Weights, tensor_shapes

_LEADS = np.arange(1, NETWORK.max_lead + 1)
_BETWEEN_KNOTS = np.stack(
    [np.interp(np.log(_LEADS), np.log(NETWORK.knots), knot) for knot in np.eye(len(NETWORK.knots))], 1
).astype(np.float32)
_KNOT_SIZES = np.array(NETWORK.knots, np.float32) ** 0.25  # corrections grow with the lead, their weights need not
_N_KNOTS, _N_LEVELS = len(NETWORK.knots), NETWORK.n_levels
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
    features: Features
    between: Floats
    blocks: list[BlockTape]
    normed: Floats
    standardised: Floats
    inverse_spread: Floats
    mix: Floats
    below: Mask
    above: Mask


def between_knots(leads: Integers) -> Floats:
    """Return the weight of each knot at each lead, in a further last dimension; constant beyond the last knot."""
    weights: Floats = _BETWEEN_KNOTS[np.minimum(leads, NETWORK.max_lead) - 1]
    return weights


def trained_tensors(depth: int) -> list[str]:
    """Return the names of the tensors that fine-tuning at this depth trains: those of the depth before, and more.

    1 is the head (last norm, corrections, mix), 2 and 3 add the last blocks, 4 all blocks, 5 the input layer.
    """
    frozen = [f"block{block}." for block in range(_FIRST_TRAINED_BLOCK[depth])]
    frozen += ["input."] if depth < NETWORK.full_depth else []
    return [name for name in tensor_shapes() if not name.startswith(tuple(frozen))]


def predict(weights: Weights, features: Features, leads: Integers = NEAR_LEADS) -> Floats:
    """Return the quantiles in z, not sorted, of shape (windows, leads, levels)."""
    entering = run_frozen_layers(weights, features.inputs, 1)
    quantiles, _ = forward(weights, entering, features, 1, leads)
    return quantiles


def run_frozen_layers(weights: Weights, inputs: Floats, depth: int) -> Floats:
    """Compute what enters the layers trained at this depth: at 5 the inputs, at 1 the last block's stream."""
    if depth == NETWORK.full_depth:
        return inputs
    stream = inputs @ weights["input.weight"] + weights["input.bias"]
    for block in range(_FIRST_TRAINED_BLOCK[depth]):
        stream += _block(weights, block, stream)[0]
    return stream


def forward(
    weights: Weights, entering: Floats, features: Features, depth: int, leads: Integers = NEAR_LEADS
) -> tuple[Floats, Tape]:
    """Run the layers trained at this depth on the result of `run_frozen_layers`.

    Parameters
    ----------
    weights : dict of ndarray
    entering : ndarray of float32, shape (windows, columns)
    features : Features
    depth : int
    leads : ndarray of int, shape (leads,) or (windows, leads)
        Those of the features; the first are NEAR_LEADS.

    Returns
    -------
    quantiles : ndarray of float32, shape (windows, leads, levels)
        In z.
    tape : Tape
    """
    stream = entering @ weights["input.weight"] + weights["input.bias"] if depth == NETWORK.full_depth else entering
    blocks = []
    for block in range(_FIRST_TRAINED_BLOCK[depth], NETWORK.n_blocks):
        change, kept = _block(weights, block, stream)
        blocks.append(kept)
        stream = stream + change
    normed, standardised, inverse_spread = _norm(stream, weights["norm.gain"], weights["norm.bias"])
    n, unit = len(normed), features.unit[:, :, None]
    between = between_knots(leads)
    mix = (normed @ weights["mix.weight"] + weights["mix.bias"]).reshape(n, _N_KNOTS, N_BASELINES)
    mix += np.einsum("ekb,web->wkb", weights["trust.gain"].reshape(2, _N_KNOTS, N_BASELINES), _evidence(features))
    mix -= mix.max(2, keepdims=True)
    np.exp(mix, out=mix)
    mix /= mix.sum(2, keepdims=True)
    mixed = np.matmul(mix, features.baselines)
    mixed *= np.swapaxes(between, -1, -2)
    spread = (normed @ weights["spread.weight"] + weights["spread.bias"]).reshape(n, _N_KNOTS, 2 * _N_LEVELS + 1)
    spread *= _KNOT_SIZES[:, None]
    at_leads = np.matmul(between, spread)
    quantiles = at_leads[:, :, _N_LEVELS : 2 * _N_LEVELS] * features.phase_spread[:, :, None]
    quantiles += at_leads[:, :, :_N_LEVELS]
    near = normed @ weights["correction.weight"] + weights["correction.bias"]
    quantiles[:, : NETWORK.horizon] += near.reshape(n, NETWORK.horizon, _N_LEVELS)
    quantiles *= unit
    quantiles += at_leads[:, :, -1:] * features.own_spread[:, None]
    quantiles += mixed.sum(1)[:, :, None]
    lowest, highest = features.support[:, None, :1], features.support[:, None, 1:]
    below, above = quantiles < lowest, quantiles > highest
    np.maximum(quantiles, lowest, out=quantiles)
    np.minimum(quantiles, highest, out=quantiles)
    tape = Tape(depth, entering, features, between, blocks, normed, standardised, inverse_spread, mix, below, above)
    return quantiles, tape


def backward(weights: Weights, tape: Tape, gradient: Floats) -> Weights:
    """Compute the gradients of the trained tensors from the gradient of the quantiles."""
    n, features = len(gradient), tape.features
    # at the edge of the support, a quantile can only be moved inward
    gradient = np.where((tape.below & (gradient > 0)) | (tape.above & (gradient < 0)), np.float32(0), gradient)
    gradients: Weights = {}
    to_knots = np.swapaxes(tape.between, -1, -2)
    mix = np.matmul(gradient.sum(2)[:, None] * to_knots, np.swapaxes(features.baselines, 1, 2))
    mix -= np.einsum("wkb,wkb->wk", mix, tape.mix)[:, :, None]
    mix *= tape.mix
    gradients["trust.gain"] = np.einsum("wkb,web->ekb", mix, _evidence(features)).ravel()
    mix = mix.reshape(n, -1)
    in_units = gradient * features.unit[:, :, None]
    near = in_units[:, : NETWORK.horizon].reshape(n, -1)
    share = np.einsum("whl,wl->wh", gradient, features.own_spread)
    at_leads = np.concatenate([in_units, in_units * features.phase_spread[:, :, None], share[:, :, None]], 2)
    spread = (np.matmul(to_knots, at_leads) * _KNOT_SIZES[:, None]).reshape(n, -1)
    normed = np.zeros_like(tape.normed)
    for name, part in (("correction", near), ("mix", mix), ("spread", spread)):
        gradients[f"{name}.weight"], gradients[f"{name}.bias"] = tape.normed.T @ part, part.sum(0)
        normed += part @ weights[f"{name}.weight"].T
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


def _evidence(features: Features) -> Floats:
    """Return what speaks against each baseline: its error on trial, its departure; (windows, 2, N_BASELINES)."""
    return np.stack([features.inputs[:, input_columns(name)] for name in ("trial_error", "departure")], 1)


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
