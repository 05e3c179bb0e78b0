"""Chronos models in memory: loaded when first used, one at a time, on the device that is there, and run in batches."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from chronos import Chronos2Pipeline, ChronosBoltPipeline
from chronos.chronos2 import Chronos2Model
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from numpy.typing import NDArray

from nixtla_accessor.local.chronos.config import CHRONOS_2, CHRONOS_BOLT
from nixtla_accessor.local.forecaster import UnavailableError

_LOG = logging.getLogger(__name__)
_DEVICES = ("auto", "cpu", "cuda", "mps")
_MODELS = {CHRONOS_2: Chronos2Model, CHRONOS_BOLT: ChronosBoltModelForForecasting}
_MAX_ROWS = 256  # of a batch; the library's own default
_MAX_VALUES = 2**17  # of a batch, so that it takes some hundred MB for a model of 120 million parameters
_UNROLLED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # the library's own, for steps beyond the horizon

Progress = Callable[[int], None]
TorchModel = Any
"""A model of the library, which has no types where the extra is not installed."""
Input = Mapping[str, Any]
"""What Chronos-2 reads of a series: ``target``; where there are any, ``past_covariates`` and ``future_covariates``."""

_turns = threading.Lock()
_PARAMETERS_FOR_ALL_CORES = 4_000_000  # of smaller models the steps are so short that threads wait for each other


@dataclass(frozen=True, slots=True)
class _Loaded:
    folder: Path
    model: TorchModel


_lock = threading.Lock()
_loaded: _Loaded | None = None


def load(folder: Path, architecture: str, sha256: str) -> TorchModel:
    """Return the model of a folder, ready to forecast; the one loaded before is freed as soon as nobody uses it.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and ``model.safetensors``.
    architecture : str
        `CHRONOS_2` or `CHRONOS_BOLT`.
    sha256 : str
        The checksum that the weights must have.

    Raises
    ------
    UnavailableError
        The weights are gone or damaged, or the device is not there.
    MemoryError
    """
    global _loaded  # noqa: PLW0603 - one model for a process
    with _lock:
        if _loaded is None or _loaded.folder != folder:
            _loaded = None
            gc.collect()  # the parts of a model refer to one another
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            _loaded = _Loaded(folder, read(folder, architecture, sha256))
        return _loaded.model


def unload() -> None:
    """Free the model in memory."""
    global _loaded  # noqa: PLW0603 - one model for a process
    with _lock:
        _loaded = None
        gc.collect()


def read(folder: Path, architecture: str, sha256: str | None = None) -> TorchModel:
    """Read a model, and keep nothing; see `load`."""
    device = choose_device(os.environ.get("NIXTLA_ACCESSOR_DEVICE", "auto"))
    weights = folder / "model.safetensors"
    try:
        if sha256 is not None and file_sha256(weights) != sha256:
            raise UnavailableError("its weights on disk are damaged: pull it again")
        with quiet(), memory_errors():
            model = _MODELS[architecture].from_pretrained(folder, local_files_only=True, use_safetensors=True)
            model = model.to(device).eval().requires_grad_(requires_grad=False)
    except FileNotFoundError as error:
        raise UnavailableError("its files are gone: pull it again") from error
    _LOG.info("The model in %s is loaded, and runs on %s.", folder, device)
    return model


def expected_shapes(folder: Path, architecture: str) -> tuple[dict[str, tuple[int, ...]], Callable[[str], bool]]:
    """Return the shapes of the weights that the ``config.json`` of a folder describes.

    Returns
    -------
    shapes : dict of tuple
        By the name of the weight.
    may_differ : callable
        Whether the library allows a weight to be missing or left over: one that is the same as another, or unused.
    """
    kind = _MODELS[architecture]
    with torch.device("meta"):  # takes no memory
        model = kind(kind.config_class.from_pretrained(folder, local_files_only=True))
    tied = set(model.all_tied_weights_keys)
    unused = [re.compile(pattern) for pattern in model._keys_to_ignore_on_load_unexpected or ()]

    def may_differ(name: str) -> bool:
        return name in tied or any(pattern.search(name) for pattern in unused)

    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, may_differ


def choose_device(wanted: str) -> torch.device:
    """Return the device that ``NIXTLA_ACCESSOR_DEVICE`` names; of ``auto``, the fastest that is there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted not in _DEVICES:
        raise UnavailableError(f"NIXTLA_ACCESSOR_DEVICE must be one of {', '.join(_DEVICES)}; found {wanted!r}")
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[wanted]:
        raise UnavailableError(
            f"NIXTLA_ACCESSOR_DEVICE is {wanted!r}, and torch finds no such device here: set it to cpu, or to auto"
        )
    return torch.device(wanted)


def file_sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def turn(model: TorchModel) -> Iterator[None]:
    """Wait for the turn to run a model: one at a time, on all cores or, if it is small, on one.

    Two at once would have more threads than there are cores, which takes far longer than one after the other. And the
    library draws from the random numbers of the process, also where it forecasts.
    """
    n_parameters = sum(tensor.numel() for tensor in model.parameters())
    with _turns:
        usual = torch.get_num_threads()
        torch.set_num_threads(usual if n_parameters > _PARAMETERS_FOR_ALL_CORES else 1)
        try:
            yield
        finally:
            torch.set_num_threads(usual)


class _Quiet:
    """What transformers logs and draws, while somebody wants it quiet; the last to leave restores what was set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        log = transformers.utils.logging
        with self._lock:
            if self._inside == 0:
                self._usual = log.get_verbosity(), log.is_progress_bar_enabled()
                log.set_verbosity_error()
                log.disable_progress_bar()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    verbosity, has_bars = self._usual
                    log.set_verbosity(verbosity)
                    if has_bars:
                        log.enable_progress_bar()


quiet = _Quiet()
"""Keep transformers from drawing bars and logging, within a with statement."""


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise the errors of torch that mean a lack of memory as `MemoryError`."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in text or "not enough memory" in text:
            raise MemoryError(text.partition("\n")[0]) from error
        raise


class _Watched:
    """A model that reports before each of its steps."""

    def __init__(self, model: TorchModel, progress: Progress) -> None:
        self._model = model
        self._progress = progress

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def __call__(self, **inputs: object) -> object:
        self._progress(0)
        return self._model(**inputs)


def predict_chronos_2(
    model: TorchModel,
    inputs: Sequence[Input],
    horizon: int,
    progress: Progress,
) -> NDArray[np.float32]:
    """Forecast with a Chronos-2 model.

    Parameters
    ----------
    model : Chronos2Model
    inputs : sequence of mapping
        All with the same covariates.
    horizon : int
        Steps; those beyond the model's own horizon are forecast from its forecasts.
    progress : callable
        Called before each step of the model; what it raises ends the work.

    Returns
    -------
    ndarray of float32, shape (series, horizon, levels)
        At the model's own levels; they may cross.
    """
    pipeline = Chronos2Pipeline(_Watched(model, progress))
    own = set(pipeline.quantiles)
    _expect_long_horizons()
    rows = 1 + len(inputs[0].get("past_covariates", ()))
    forecasts: dict[int, NDArray[np.float32]] = {}
    for batch in _batches([len(each["target"]) for each in inputs], pipeline.model_context_length, horizon, rows):
        with turn(model), memory_errors():
            predicted = pipeline.predict(
                [inputs[position] for position in batch],
                prediction_length=horizon,
                batch_size=rows * len(batch),
                unrolled_quantiles=[level for level in _UNROLLED if level in own] or list(pipeline.quantiles),
            )
        for position, forecast in zip(batch, predicted, strict=True):
            forecasts[position] = forecast[0].numpy().T
    return np.stack([forecasts[position] for position in range(len(inputs))])


def predict_bolt(
    model: TorchModel,
    series: Sequence[NDArray[np.float32]],
    horizon: int,
    progress: Progress,
) -> NDArray[np.float32]:
    """Forecast with a Chronos-Bolt model; see `predict_chronos_2`."""
    pipeline = ChronosBoltPipeline(_Watched(model, progress))
    _expect_long_horizons()
    forecasts: dict[int, NDArray[np.float32]] = {}
    for batch in _batches([len(each) for each in series], pipeline.model_context_length, horizon, 1):
        with turn(model), memory_errors():
            predicted = pipeline.predict(
                [torch.from_numpy(series[position]) for position in batch], prediction_length=horizon
            )
        for position, forecast in zip(batch, predicted, strict=True):
            forecasts[position] = forecast.numpy().T
    return np.stack([forecasts[position] for position in range(len(series))])


def _batches(lengths: Sequence[int], context: int, horizon: int, rows: int) -> Iterator[list[int]]:
    """Yield the positions of series that are forecast at once: of similar lengths, since the shorter are padded."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        values = (min(lengths[position], context) + min(horizon, context)) * rows * (len(batch) + 1)
        if batch and (values > _MAX_VALUES or rows * (len(batch) + 1) > _MAX_ROWS):
            yield batch
            batch = []
        batch.append(position)
    yield batch


def _expect_long_horizons() -> None:
    """Let the library pass over horizons beyond its models' own without a warning: the engine's README says it."""
    warnings.filterwarnings("ignore", "We recommend keeping prediction length", UserWarning, "chronos")


def with_tensors(model: TorchModel, changed: Mapping[str, NDArray[np.float32]]) -> TorchModel:
    """Return a model with other values of some parameters; the others are shared, and the model stays as it is."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copy = deepcopy(model, shared)
    state = {
        name: torch.from_numpy(np.array(values)).to(device=model.device, dtype=model.dtype)
        for name, values in changed.items()
    }
    copy.load_state_dict(state, strict=False, assign=True)
    return copy.eval().requires_grad_(requires_grad=False)
