"""The weights of the network: names, shapes, initial values, files, and those that come with the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike
from safetensors.numpy import load, save

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.baselines import N_BASELINES
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import N_INPUTS
from nixtla_accessor.local.network.quantiles import NORMAL_QUANTILES

Weights = dict[str, Floats]


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor, from the input to the output."""
    width, hidden = NETWORK.width, NETWORK.hidden
    shapes: dict[str, tuple[int, ...]] = {"input.weight": (N_INPUTS, width), "input.bias": (width,)}
    for block in range(NETWORK.n_blocks):
        shapes |= {
            f"block{block}.norm.gain": (width,),
            f"block{block}.norm.bias": (width,),
            f"block{block}.expand.weight": (width, hidden),
            f"block{block}.expand.bias": (hidden,),
            f"block{block}.contract.weight": (hidden, width),
            f"block{block}.contract.bias": (width,),
        }
    n_corrections, n_logits = NETWORK.horizon * NETWORK.n_levels, len(NETWORK.knots) * N_BASELINES
    n_spreads = len(NETWORK.knots) * (2 * NETWORK.n_levels + 1)  # corrections, those by phase, the share of own spread
    return shapes | {
        "norm.gain": (width,),
        "norm.bias": (width,),
        "correction.weight": (width, n_corrections),
        "correction.bias": (n_corrections,),
        "mix.weight": (width, n_logits),
        "mix.bias": (n_logits,),
        "trust.gain": (2 * n_logits,),  # how much the errors on trial, and the departures, count
        "spread.weight": (width, n_spreads),
        "spread.bias": (n_spreads,),
    }


def initial_weights(rng: np.random.Generator) -> Weights:
    """Draw random weights to begin pretraining with: the baselines count by their errors on trial."""
    shapes = tensor_shapes()
    weights: Weights = {}
    for name, shape in shapes.items():
        part, kind = name.split(".")[-2:]
        if part == "trust":
            values = np.repeat([-1.0, -0.3], shape[0] // 2)  # twice the error on trial, half the weight
        elif kind == "gain":
            values = np.ones(shape)
        elif part in ("input", "expand"):
            bound = shapes[name.replace("bias", "weight")][0] ** -0.5
            values = rng.uniform(-bound, bound, shape)
        elif kind == "weight":
            values = rng.normal(0, 0.004 if part == "contract" else 0.01, shape)
        elif name == "spread.bias":
            of_knot = np.concatenate([0.8 * NORMAL_QUANTILES, np.zeros(NETWORK.n_levels + 1)])
            values = np.tile(of_knot, len(NETWORK.knots))
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
    expected = tensor_shapes()
    wrong = [
        name
        for name in expected.keys() | weights.keys()
        if getattr(weights.get(name), "shape", None) != expected.get(name) or tensors[name].dtype.kind != "f"
    ]
    if wrong:
        raise ValueError(
            f"expected the {len(expected)} tensors of this network, found {len(wrong)} that differ: {sorted(wrong)[:3]}"
        )
    if not all(np.isfinite(tensor).all() for tensor in weights.values()):
        raise ValueError("expected finite weights, found NaN or infinite ones")
    return {name: weights[name] for name in expected}


def dump_weights(weights: Weights, *, dtype: DTypeLike = np.float32) -> bytes:
    """Return weights as a safetensors file, in float32 or float16."""
    return save({name: np.ascontiguousarray(tensor, dtype) for name, tensor in weights.items()})


@cache
def pretrained_weights() -> Weights:
    """Load the weights that come with the package. They are shared, and read-only."""
    source = resources.files("nixtla_accessor.local") / "weights" / "weights.safetensors"
    weights = load_weights(source.read_bytes())
    for tensor in weights.values():
        tensor.flags.writeable = False
    return weights
