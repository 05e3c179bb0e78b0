"""Fine-tuning a Chronos-2 model with the library's own `fit`, as far as a validation set supports it."""

from __future__ import annotations

import random
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from chronos import Chronos2Pipeline
from numpy.typing import NDArray
from transformers import TrainerCallback, TrainerState

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.chronos.adaptation import FULL, LORA_A, LORA_B, Arrays, apply, combine, scale
from nixtla_accessor.local.chronos.pipelines import (
    Progress,
    TorchModel,
    memory_errors,
    predict_chronos_2,
    quiet,
    turn,
    with_tensors,
)
from nixtla_accessor.local.chronos.units import choose_unit
from nixtla_accessor.local.chronos.validation import choose_alpha, pinball_losses, split_panel
from nixtla_accessor.local.forecaster import TunedModel
from nixtla_accessor.seasons import Season

_ATTENTION = ("self_attention.q", "self_attention.v")
_ALL_ATTENTION = (*_ATTENTION, "self_attention.k", "self_attention.o", "output_patch_embedding.output_layer")
_BATCH = 32  # series in a step, as AutoGluon fine-tunes Chronos; 4 GB for all of chronos-2
_CONTEXT = 1024  # values of history in a step; longer ones take more memory, and few series have them
_MIN_PAST = 4  # values of history before the steps that are trained for
_WIDTH_OF_CHRONOS_2 = 768
_HEAD = ("output_patch_embedding.", "encoder.final_layer_norm.")


@dataclass(frozen=True, slots=True)
class Depth:
    """What a depth of fine-tuning trains, and how fast.

    Attributes
    ----------
    rank : int
        Of the LoRA factors; 0 where weights themselves are trained.
    modules : tuple of str
        The ends of the names of the modules that get factors.
    part_of_blocks : float
        Where weights are trained: this part of the blocks, the last ones, and the head; 1 is the whole model.
    """

    rank: int = 0
    modules: tuple[str, ...] = ()
    part_of_blocks: float = 1.0

    def rate(self, steps: int, width: int) -> float:
        """Return the learning rate at the beginning; it falls to 0 linearly.

        The library recommends 1e-5 for factors and 1e-6 for weights, for a thousand steps and with no other guard. A
        request of tens of steps is to have an effect, and here a validation set decides how far to go: up to 100 steps
        the rate is a hundred times that, beyond it falls with the steps, so that the way is equally long. All this is
        of chronos-2. In narrower models a weight has to move farther for the same effect: the rate is inverse to the
        width (Yang et al. 2022, https://arxiv.org/abs/2203.03466, for Adam).

        Parameters
        ----------
        steps : int
        width : int
            ``d_model``.
        """
        recommended = 1e-5 if self.rank else 1e-6
        return float(np.clip(1e4 / steps, 1, 1e2)) * recommended * _WIDTH_OF_CHRONOS_2 / width


DEPTHS: Mapping[int, Depth] = MappingProxyType(
    {
        1: Depth(rank=2, modules=_ATTENTION),
        2: Depth(rank=4, modules=_ALL_ATTENTION),
        3: Depth(rank=8, modules=(*_ALL_ATTENTION, "mlp.wi", "mlp.wo")),
        4: Depth(part_of_blocks=0.25),
        5: Depth(),
    }
)
"""What each depth trains: few factors, more, those of the feed-forward layers too; the head and last blocks; all."""

_training = threading.Lock()
"""Held while the library trains: it draws from the random numbers of the whole process."""


def tune(
    base: TorchModel,
    earlier: Arrays,
    series: Sequence[Floats],
    season: Season,
    *,
    steps: int,
    depth: int,
    seed: int,
    progress: Progress,
) -> TunedModel:
    """Fine-tune a Chronos-2 model on a panel.

    Parameters
    ----------
    base : Chronos2Model
        Not written into.
    earlier : mapping of str to ndarray
        What earlier trainings have added to it: the training begins there.
    series : sequence of ndarray, each of shape (points,)
        NaN is a missing value.
    season : Season
    steps : int
        Optimiser steps.
    depth : int
        1 to 5: see `DEPTHS`.
    seed : int
    progress : callable
        Called with the number of steps done; what it raises ends the training.

    Returns
    -------
    TunedModel
        All that is added to the base model now; ``earlier`` itself if the validation set supports nothing more.
    """
    panel = [choose_unit(values).convert(values) for values in series]
    horizon = base.chronos_config.max_output_patches * base.chronos_config.output_patch_size
    split = split_panel(panel, season, horizon, np.random.default_rng(seed))
    trainable = [values for values in split.training if len(values) >= _MIN_PAST + split.horizon]
    if not split.targets or not trainable:
        return TunedModel(earlier, 0.0, 0)

    def parameter(name: str) -> NDArray[np.float32]:
        return _array(base.get_parameter(name))

    start = with_tensors(base, apply(earlier, parameter)) if earlier else base
    later = _fit(start, trainable, split.horizon, DEPTHS[depth], steps, seed, progress)
    if not all(np.isfinite(array).all() for array in later.values()):
        return TunedModel(earlier, 0.0, steps)

    def parameter_of_start(name: str) -> NDArray[np.float32]:
        return _array(start.get_parameter(name))

    def loss_at(alpha: float) -> NDArray[np.float64]:
        tuned = with_tensors(start, apply(scale(later, alpha, parameter_of_start), parameter_of_start))
        inputs = [{"target": history} for history in split.histories]
        forecasts = predict_chronos_2(tuned, inputs, split.horizon, lambda _: progress(steps))
        losses = pinball_losses(forecasts, base.chronos_config.quantiles, split.targets)
        return np.where(np.isfinite(losses), losses, np.finfo(np.float32).max)

    alpha = choose_alpha(loss_at, len(panel))
    added = combine(earlier, scale(later, alpha, parameter_of_start), parameter) if alpha else earlier
    return TunedModel(added, alpha, steps)


class _Steps(TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Freezes what is not to be trained, reports each step, and lets forecasts run between the steps.

    Forecasts draw from torch's random numbers too, so that each step begins with a seed of its own.
    """

    def __init__(self, depth: Depth, seed: int, progress: Progress) -> None:
        self._depth = depth
        self._seed = seed
        self._progress = progress
        self._turn = ExitStack()
        self._holds = False

    def on_init_end(self, _arguments: object, _state: object, _control: object, **others: TorchModel) -> None:
        if not self._depth.rank:
            model = others["model"]
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(_is_trained(name, self._depth, len(model.encoder.block)))

    def on_step_begin(self, _arguments: object, state: TrainerState, _control: object, **others: TorchModel) -> None:
        self.hold(others["model"])
        torch.manual_seed((self._seed + state.global_step) % 2**32)

    def on_step_end(self, _arguments: object, state: TrainerState, _control: object, **_others: object) -> None:
        self.release()
        self._progress(state.global_step)

    def hold(self, model: TorchModel) -> None:
        """Wait for the turn to compute, unless it is held already."""
        if not self._holds:
            self._turn.enter_context(turn(model))
            self._holds = True

    def release(self) -> None:
        """Let others compute."""
        self._holds = False
        self._turn.close()


def _is_trained(name: str, depth: Depth, n_blocks: int) -> bool:
    if depth.part_of_blocks == 1 or name.startswith(_HEAD):
        return True
    if not name.startswith("encoder.block."):
        return False
    n_last = max(1, round(depth.part_of_blocks * n_blocks))
    return int(name.split(".")[2]) >= n_blocks - n_last


def _fit(
    start: TorchModel,
    series: Sequence[NDArray[np.float32]],
    horizon: int,
    depth: Depth,
    steps: int,
    seed: int,
    progress: Progress,
) -> dict[str, NDArray[np.float32]]:
    """Train a copy of a model, and return what it has learnt."""
    on_cpu = start.device.type == "cpu"
    factors = {"r": depth.rank, "lora_alpha": 2 * depth.rank, "target_modules": list(depth.modules)}
    seed %= 2**32
    callback = _Steps(depth, seed, progress)
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # peft asks for it
    warnings.filterwarnings("ignore", "The model is being fine-tuned on the CPU", UserWarning)  # as was chosen
    with (
        _one_at_a_time(progress),
        tempfile.TemporaryDirectory(prefix="nixtla-accessor-") as folder,
        quiet(),
        memory_errors(),
    ):
        callback.hold(start)  # until the first step has ended: what comes before it draws random numbers
        try:
            with _random_numbers(seed, start.device):
                tuned = Chronos2Pipeline(start).fit(
                    list(series),
                    prediction_length=horizon,
                    finetune_mode="lora" if depth.rank else "full",
                    lora_config=factors if depth.rank else None,
                    context_length=min(_CONTEXT, start.chronos_config.context_length),
                    learning_rate=depth.rate(steps, start.config.d_model),
                    num_steps=steps,
                    batch_size=_BATCH,
                    min_past=_MIN_PAST,
                    output_dir=Path(folder),
                    callbacks=[callback],
                    remove_printer_callback=True,
                    disable_tqdm=True,
                    logging_strategy="no",
                    dataloader_pin_memory=not on_cpu,
                    seed=seed,
                )
        finally:
            callback.release()
    return _factors(tuned.model) if depth.rank else _weights(tuned.model)


def _factors(model: TorchModel) -> dict[str, NDArray[np.float32]]:
    """Return the LoRA factors of a model, the scaling in the second."""
    result = {}
    for name, module in model.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            weight = f"{name}.weight"
            result[LORA_A + weight] = _array(module.lora_A["default"].weight)
            result[LORA_B + weight] = _array(module.lora_B["default"].weight) * np.float32(module.scaling["default"])
    return result


def _weights(model: TorchModel) -> dict[str, NDArray[np.float32]]:
    """Return the weights that were trained."""
    return {FULL + name: _array(each) for name, each in model.named_parameters() if each.requires_grad}


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().to("cpu", torch.float32).numpy()
    return array


@contextmanager
def _one_at_a_time(progress: Progress) -> Iterator[None]:
    """Wait until no other training is at work."""
    while not _training.acquire(timeout=0.2):
        progress(0)
    try:
        yield
    finally:
        _training.release()


@contextmanager
def _random_numbers(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the random numbers of the process, which the library draws from, and restore them afterwards."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the library uses these
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
