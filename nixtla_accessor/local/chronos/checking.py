"""Checks of a folder that is to become a base model: its config, the shapes of its weights, and a forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from nixtla_accessor.local.base_models.storage import WEIGHTS, Checked
from nixtla_accessor.local.chronos.config import CHRONOS_2, read_config
from nixtla_accessor.local.chronos.forecaster import import_pipelines

_SHOWN = 3


def check_folder(folder: Path) -> Checked:
    """Check that a folder has a Chronos model that forecasts.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and ``model.safetensors``.

    Raises
    ------
    ValueError
        It has not; the message says why.
    UnavailableError
        The extra ``chronos`` is not installed.
    """
    config = read_config(folder)
    pipelines = import_pipelines()
    found = _shapes(folder / WEIGHTS)
    try:
        expected, may_differ = pipelines.expected_shapes(folder, config.architecture)
    except Exception as error:  # what a config makes the library raise may be anything
        raise ValueError(f"its config.json makes no model: {error}") from error
    wrong = [
        f"{name!r} is {_shown(found.get(name))}, expected {_shown(expected.get(name))}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name) and not may_differ(name)
    ]
    if wrong:
        more = f", and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
        raise ValueError(f"its weights are not those that its config.json describes: {'; '.join(wrong[:_SHOWN])}{more}")
    model = pipelines.read(folder, config.architecture)
    history = np.sin(np.arange(40, dtype=np.float32))
    ignore = lambda _done: None  # noqa: E731 - short
    horizon = min(config.horizon, 8)
    forecast = (
        pipelines.predict_chronos_2(model, [{"target": history}], horizon, ignore)
        if config.architecture == CHRONOS_2
        else pipelines.predict_bolt(model, [history], horizon, ignore)
    )
    if not np.isfinite(forecast).all():
        raise ValueError("its forecasts are not finite: its weights are damaged")
    return Checked(config.architecture, sum(int(np.prod(shape)) for shape in found.values()))


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(f"its {WEIGHTS} is not a safetensors file ({error})") from error


def _shown(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(shape)
