"""What a Chronos model can do, as the ``config.json`` beside its weights says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

CHRONOS_2 = "Chronos2Model"
CHRONOS_BOLT = "ChronosBoltModelForForecasting"

# Far above all published models, and low enough that a model of these sizes can be compared with its weights at once.
_MAX_CONFIG_BYTES = 2**20
_MAX_SIZE = 2**16
_MAX_LAYERS = 256
_MAX_QUANTILES = 1000
_SIZES = ("d_model", "d_kv", "d_ff", "num_heads")
_STEPS = {
    CHRONOS_2: ("context_length", "input_patch_size", "output_patch_size", "input_patch_stride", "max_output_patches"),
    CHRONOS_BOLT: ("context_length", "prediction_length", "input_patch_size", "input_patch_stride"),
}
_FOREIGN = ("auto_map", "quantization_config")  # they make transformers load code, or weights of another form


@dataclass(frozen=True, slots=True)
class ChronosConfig:
    """What a model can do.

    Attributes
    ----------
    architecture : str
        `CHRONOS_2` or `CHRONOS_BOLT`.
    context_length : int
        How many values of history it reads.
    horizon : int
        How many steps it forecasts at once.
    quantiles : tuple of float
        The levels of the quantiles that it was trained on, ascending.
    """

    architecture: str
    context_length: int
    horizon: int
    quantiles: tuple[float, ...]


def read_config(folder: Path) -> ChronosConfig:
    """Read and check the ``config.json`` of a folder.

    Raises
    ------
    ValueError
        It is not that of a Chronos-2 or Chronos-Bolt model; the message says why.
    """
    document = _read_json(folder / "config.json")
    architectures = document.get("architectures")
    architecture = architectures[0] if isinstance(architectures, list) and len(architectures) == 1 else None
    if not isinstance(architecture, str) or architecture not in _STEPS:
        raise ValueError(
            f"its config.json is that of {_shown(architectures)}; expected one architecture, "
            f"{CHRONOS_2} or {CHRONOS_BOLT}"
        )
    foreign = [name for name in _FOREIGN if document.get(name) is not None]
    if foreign:
        raise ValueError(f"its config.json has {foreign[0]!r}, which is not supported")
    chronos = document.get("chronos_config")
    if not isinstance(chronos, dict):
        raise ValueError("its config.json has no chronos_config")  # noqa: TRY004 - as above
    layers = ("num_layers", "num_decoder_layers") if architecture == CHRONOS_BOLT else ("num_layers",)
    for name in layers:
        _check_count(document, name, _MAX_LAYERS)
    for name in _SIZES:
        _check_count(document, name, _MAX_SIZE)
    for name in _STEPS[architecture]:
        _check_count(chronos, name, 2**20)
    horizon = (
        chronos["max_output_patches"] * chronos["output_patch_size"]
        if architecture == CHRONOS_2
        else chronos["prediction_length"]
    )
    return ChronosConfig(architecture, chronos["context_length"], horizon, _quantiles(chronos.get("quantiles")))


def _read_json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(_MAX_CONFIG_BYTES + 1)
    if len(text) > _MAX_CONFIG_BYTES:
        raise ValueError(f"its config.json is larger than {_MAX_CONFIG_BYTES:,} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its config.json is not JSON") from error
    if not isinstance(document, dict):
        raise ValueError("its config.json is not a JSON object")  # noqa: TRY004 - one kind of error for all
    return document


def _check_count(values: dict[str, Any], name: str, most: int) -> None:
    value = values.get(name)
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(f"its config.json has {name} = {_shown(value)}; expected a whole number from 1 to {most:,}")


def _quantiles(levels: object) -> tuple[float, ...]:
    if (
        not isinstance(levels, list)
        or not 0 < len(levels) <= _MAX_QUANTILES
        or not all(type(level) is float and 0 < level < 1 for level in levels)
        or not all(lower < upper for lower, upper in pairwise(levels))
        or 0.5 not in levels
    ):
        raise ValueError(
            f"its config.json has quantiles {_shown(levels)}; expected ascending levels between 0 and 1, 0.5 among them"
        )
    return tuple(levels)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
