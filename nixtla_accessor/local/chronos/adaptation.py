"""A fine-tuned Chronos-2 model: what it adds to its base model, as plain arrays, and as the bytes of the store.

An array is named ``full/`` and a parameter that it replaces, or ``lora_a/`` and ``lora_b/`` and a weight that their
product is added to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Arrays = Mapping[str, NDArray[np.float32]]
Parameter = Callable[[str], NDArray[np.float32]]
"""Returns the value of a parameter of the base model, by its name."""

FULL, LORA_A, LORA_B = "full/", "lora_a/", "lora_b/"
_BASE, _FORM = "base_sha256", "form"
_THIS_FORM = "chronos-2-adaptation-1"


def apply(arrays: Arrays, parameter: Parameter) -> dict[str, NDArray[np.float32]]:
    """Return the parameters that differ from the base model's.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What the fine-tuned model adds.
    parameter : callable
        Returns a parameter of the base model.
    """
    changed = {name.removeprefix(FULL): array for name, array in arrays.items() if name.startswith(FULL)}
    for name, factor in arrays.items():
        if name.startswith(LORA_A):
            weight = name.removeprefix(LORA_A)
            base = changed[weight] if weight in changed else parameter(weight)
            changed[weight] = base + arrays[LORA_B + weight] @ factor
    return changed


def combine(earlier: Arrays, later: Arrays, parameter: Parameter) -> dict[str, NDArray[np.float32]]:
    """Return what two trainings add together, the later one having begun where the earlier one ended.

    Factors are put side by side; once they are larger than the weight itself, or it is kept anyway, it takes them up.

    Parameters
    ----------
    earlier, later : mapping of str to ndarray
    parameter : callable
        Returns a parameter of the base model.
    """
    result = dict(earlier)
    for name, array in later.items():
        if name.startswith(FULL):
            weight = name.removeprefix(FULL)
            result.pop(LORA_A + weight, None)
            result.pop(LORA_B + weight, None)
            result[name] = array
        elif name.startswith(LORA_A):
            weight = name.removeprefix(LORA_A)
            a, b = array, later[LORA_B + weight]
            if name in result:
                a = np.concatenate([result[name], a])
                b = np.concatenate([result[LORA_B + weight], b], axis=1)
            result[name], result[LORA_B + weight] = a, b
            if FULL + weight in result or a.size + b.size >= b.shape[0] * a.shape[1]:
                result[FULL + weight] = apply(result, parameter)[weight]
                del result[name], result[LORA_B + weight]
    return result


def scale(arrays: Arrays, alpha: float, start: Parameter) -> dict[str, NDArray[np.float32]]:
    """Return a part of what a training has added.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    alpha : float
        From 0, where the training began, to 1, where it ended.
    start : callable
        Returns a parameter of the model that the training began with.
    """
    if alpha == 1:
        return dict(arrays)
    part = np.float32(alpha)
    result = {}
    for name, array in arrays.items():
        if name.startswith(FULL):
            before = start(name.removeprefix(FULL))
            result[name] = before + part * (array - before)
        else:
            result[name] = part * array if name.startswith(LORA_B) else array
    return result


def dump(arrays: Arrays, base_sha256: str) -> bytes:
    """Return the arrays as a safetensors file that names the base model's weights by their checksum."""
    return save(dict(arrays), metadata={_FORM: _THIS_FORM, _BASE: base_sha256})


def load_for(data: bytes, base_sha256: str) -> dict[str, NDArray[np.float32]]:
    """Read the arrays from a safetensors file.

    Raises
    ------
    ValueError
        It is of another form, or was made for other weights.
    """
    try:
        header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header.get("__metadata__", {})
        arrays = load(data)
    except Exception as error:  # bytes of any kind make safetensors raise errors of any kind
        raise ValueError(f"the bytes are not those of a fine-tuned Chronos-2 model: {error}") from error
    if metadata.get(_FORM) != _THIS_FORM:
        raise ValueError("the bytes are not those of a fine-tuned Chronos-2 model")
    if metadata.get(_BASE) != base_sha256:
        raise ValueError("it was made from other weights than those of the base model that is installed now")
    return arrays
