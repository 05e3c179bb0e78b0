"""The network: a residual multilayer perceptron that mixes simple forecasts and corrects them.

One definition for pretraining, fine-tuning and forecasting: forward and backward by hand, in numpy. Of each window it
answers nine quantiles for HORIZON steps, in z (see `features`)::

    stream    = input(x), then for each block: stream + contract(gelu(expand(norm(stream))))
    quantiles = mix of the bases by a softmax per step + unit * correction
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike
from safetensors.numpy import load, save

from nixtla_accessor.local.network.baselines import N_BASES
from nixtla_accessor.local.network.features import N_INPUTS, Windows
from nixtla_accessor.local.network.history import HORIZON, Floats

Weights = dict[str, Floats]

LEVELS = (0.025, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.975)
MEDIAN = LEVELS.index(0.5)
WIDTH = 192
HIDDEN = 256
N_BLOCKS = 5
WHOLE = 5  # the depth at which all of the network is open
KNOTS = (1, 2, 4, 8, 16, 24)  # steps ahead at which the mix is given; in between its logits are, by log(step)
_BETWEEN_KNOTS = np.stack(
    [np.interp(np.log(np.arange(1, HORIZON + 1)), np.log(KNOTS), knot) for knot in np.eye(len(KNOTS))], 1
).astype(np.float32)
_GELU_SCALE = 0.7978845608028654  # sqrt(2 / pi)
_GELU_CUBIC = 0.044715


def shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor, from the input to the output."""
    result: dict[str, tuple[int, ...]] = {"input.weight": (N_INPUTS, WIDTH), "input.bias": (WIDTH,)}
    for block in range(N_BLOCKS):
        result |= {
            f"block{block}.norm.gain": (WIDTH,),
            f"block{block}.norm.bias": (WIDTH,),
            f"block{block}.expand.weight": (WIDTH, HIDDEN),
            f"block{block}.expand.bias": (HIDDEN,),
            f"block{block}.contract.weight": (HIDDEN, WIDTH),
            f"block{block}.contract.bias": (WIDTH,),
        }
    return result | {
        "norm.gain": (WIDTH,),
        "norm.bias": (WIDTH,),
        "correction.weight": (WIDTH, HORIZON * len(LEVELS)),
        "correction.bias": (HORIZON * len(LEVELS),),
        "mix.weight": (WIDTH, len(KNOTS) * N_BASES),
        "mix.bias": (len(KNOTS) * N_BASES,),
    }


def initial_weights(rng: np.random.Generator) -> Weights:
    """Random weights to begin pretraining with: the first forecasts are close to the mean of the bases."""
    weights: Weights = {}
    for name, shape in shapes().items():
        part, kind = name.split(".")[-2:]
        if kind == "gain":
            values = np.ones(shape)
        elif part in ("input", "expand"):
            reach = shapes()[name.replace("bias", "weight")][0] ** -0.5
            values = rng.uniform(-reach, reach, shape)
        elif kind == "weight":
            values = rng.normal(0, 0.004 if part == "contract" else 0.01, shape)
        else:
            values = np.zeros(shape)
        weights[name] = values.astype(np.float32)
    return weights


def load_weights(source: Path | bytes) -> Weights:
    """Read weights in the safetensors format, as float32.

    Raises
    ------
    ValueError
        The tensors are not those of this network, or not all finite.
    safetensors.SafetensorError
        The bytes are no safetensors file.
    """
    tensors = load(source if isinstance(source, bytes) else source.read_bytes())
    weights = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
    expected = shapes()
    wrong = [
        name
        for name in expected.keys() | weights.keys()
        if getattr(weights.get(name), "shape", None) != expected.get(name)
    ]
    if wrong:
        raise ValueError(
            f"expected the {len(expected)} tensors of this network, found {len(wrong)} that differ: {sorted(wrong)[:3]}"
        )
    if not all(np.isfinite(tensor).all() for tensor in weights.values()):
        raise ValueError("expected finite weights, found NaN or infinite ones")
    return {name: weights[name] for name in expected}


def dump_weights(weights: Weights, *, dtype: DTypeLike = np.float32) -> bytes:
    """Weights as a safetensors file, in float32 or float16."""
    return save({name: np.ascontiguousarray(tensor, dtype) for name, tensor in weights.items()})


@cache
def pretrained_weights() -> Weights:
    """Load the weights that come with the package. They are shared, and read-only."""
    source = resources.files("nixtla_accessor.local") / "weights" / "weights.safetensors"
    weights = load_weights(source.read_bytes())
    for tensor in weights.values():
        tensor.flags.writeable = False
    return weights


def opened_names(depth: int) -> list[str]:
    """Tensors that fine-tuning at this depth trains: each depth those of the one before, and more.

    1 is the head (last norm, correction, mix), 2 and 3 add the last blocks, 4 all blocks, 5 the input layer.
    """
    first = _first_open_block(depth)
    frozen = [f"block{block}." for block in range(first)] + (["input."] if depth < WHOLE else [])
    return [name for name in shapes() if not name.startswith(tuple(frozen))]


def _first_open_block(depth: int) -> int:
    return {1: N_BLOCKS, 2: N_BLOCKS - 1, 3: N_BLOCKS - 2, 4: 0, 5: 0}[depth]


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """What the backward pass needs of a forward pass."""

    depth: int
    entering: Floats
    bases: Floats
    unit: Floats
    blocks: list[tuple[Floats, ...]]
    normed: Floats
    normed_by: tuple[Floats, Floats]
    mix: Floats


def predict(weights: Weights, windows: Windows) -> Floats:
    """Answer the quantiles in z, not sorted, of shape (windows, HORIZON, levels)."""
    quantiles, _ = forward(weights, frozen_part(weights, windows.inputs, 1), windows.bases, windows.unit, 1)
    return quantiles


def frozen_part(weights: Weights, inputs: Floats, depth: int) -> Floats:
    """Compute what enters the part that is open at this depth: at 5 the inputs, at 1 the last block's stream."""
    if depth == WHOLE:
        return inputs
    stream = inputs @ weights["input.weight"] + weights["input.bias"]
    for block in range(_first_open_block(depth)):
        stream += _block(weights, block, stream)[0]
    return stream


def forward(weights: Weights, entering: Floats, bases: Floats, unit: Floats, depth: int) -> tuple[Floats, Tape]:
    """Run the open part at this depth, from what `frozen_part` answers to the quantiles in z; and keep its tape."""
    stream = entering @ weights["input.weight"] + weights["input.bias"] if depth == WHOLE else entering
    blocks = []
    for block in range(_first_open_block(depth), N_BLOCKS):
        change, kept = _block(weights, block, stream)
        blocks.append(kept)
        stream = stream + change
    normed, normed_by = _norm(stream, weights["norm.gain"], weights["norm.bias"])
    correction = normed @ weights["correction.weight"] + weights["correction.bias"]
    logits = _BETWEEN_KNOTS @ (normed @ weights["mix.weight"] + weights["mix.bias"]).reshape(-1, len(KNOTS), N_BASES)
    logits -= logits.max(2, keepdims=True)
    mix = np.exp(logits, out=logits)
    mix /= mix.sum(2, keepdims=True)
    mixed = np.einsum("whb,whb->wh", mix, bases)
    quantiles = correction.reshape(-1, HORIZON, len(LEVELS))
    quantiles *= unit[:, :, None]
    quantiles += mixed[:, :, None]
    return quantiles, Tape(depth, entering, bases, unit, blocks, normed, normed_by, mix)


def backward(weights: Weights, tape: Tape, gradient: Floats) -> Weights:
    """Turn the gradient of the quantiles, of their shape, into the gradients of the open tensors."""
    n = len(gradient)
    gradients: Weights = {}
    correction = (gradient * tape.unit[:, :, None]).reshape(n, -1)
    mix = gradient.sum(2)[:, :, None] * tape.bases
    mix -= np.einsum("whb,whb->wh", mix, tape.mix)[:, :, None]
    mix *= tape.mix
    knots = (_BETWEEN_KNOTS.T @ mix).reshape(n, -1)
    gradients["correction.weight"], gradients["correction.bias"] = tape.normed.T @ correction, correction.sum(0)
    gradients["mix.weight"], gradients["mix.bias"] = tape.normed.T @ knots, knots.sum(0)
    normed = correction @ weights["correction.weight"].T
    normed += knots @ weights["mix.weight"].T
    stream, gradients["norm.gain"], gradients["norm.bias"] = _norm_backward(
        normed, weights["norm.gain"], tape.normed_by
    )
    first = N_BLOCKS - len(tape.blocks)
    for block in reversed(range(first, N_BLOCKS)):
        before = tape.depth == WHOLE or block > first  # does anything open come before this block?
        stream = _block_backward(weights, block, tape.blocks[block - first], stream, gradients, before=before)
    if tape.depth == WHOLE:
        gradients["input.weight"], gradients["input.bias"] = tape.entering.T @ stream, stream.sum(0)
    return gradients


def _block(weights: Weights, block: int, stream: Floats) -> tuple[Floats, tuple[Floats, ...]]:
    """Compute what a block adds to the stream, and what its backward pass needs."""
    name = f"block{block}."
    normed, normed_by = _norm(stream, weights[name + "norm.gain"], weights[name + "norm.bias"])
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
    return change, (normed, *normed_by, wide, bend, active)


def _block_backward(
    weights: Weights, block: int, kept: tuple[Floats, ...], stream: Floats, gradients: Weights, *, before: bool
) -> Floats:
    """Fill in a block's gradients; answers the gradient of the stream before it, if that is wanted."""
    name = f"block{block}."
    normed, centred, inverse_spread, wide, bend, active = kept
    gradients[name + "contract.weight"], gradients[name + "contract.bias"] = active.T @ stream, stream.sum(0)
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
    through, gradients[name + "norm.gain"], gradients[name + "norm.bias"] = _norm_backward(
        wide_gradient @ weights[name + "expand.weight"].T, weights[name + "norm.gain"], (centred, inverse_spread)
    )
    return stream + through if before else stream


def _norm(stream: Floats, gain: Floats, bias: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """Layer norm, and what its backward pass needs."""
    unit = stream - stream.mean(1, keepdims=True)
    inverse_spread = 1 / np.sqrt(np.einsum("ws,ws->w", unit, unit)[:, None] / unit.shape[1] + 1e-5)
    unit *= inverse_spread
    normed = unit * gain
    normed += bias
    return normed, (unit, inverse_spread)


def _norm_backward(gradient: Floats, gain: Floats, kept: tuple[Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """Gradients of what was normed, of the gain and of the bias."""
    unit, inverse_spread = kept
    gain_gradient, bias_gradient = np.einsum("ws,ws->s", gradient, unit), gradient.sum(0)
    through = gradient * gain
    along = np.einsum("ws,ws->w", through, unit)[:, None] / unit.shape[1]
    through -= through.mean(1, keepdims=True)
    through -= unit * along
    through *= inverse_spread
    return through, gain_gradient, bias_gradient
