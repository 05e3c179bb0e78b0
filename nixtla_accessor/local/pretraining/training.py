"""Pretraining of the network, on synthetic series only.

All examples are drawn first. Each step then takes some of them, which depend on the seed and the number of the step
alone; so a checkpoint holds no random state, and a run that is resumed ends with the same weights, bit for bit.
"""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.losses import ERROR_LIMIT, pinball
from nixtla_accessor.local.network.model import backward, forward
from nixtla_accessor.local.network.optimiser import Adam, flatten, unflatten
from nixtla_accessor.local.network.weights import Weights, initial_weights
from nixtla_accessor.local.pretraining.examples import ExampleFiles, write_examples

_logger = logging.getLogger(__name__)

# Steps and chunks were chosen on the choosing panels of tests/benchmarks/development.py.
BATCH = 512
PEAK_RATE = 2e-3
WARM_UP = 500  # steps
DECAY_FROM = 0.4  # of the steps
DECAY = 0.02
CHUNKS = 900
CHUNK_SERIES = 512
AVERAGING = 0.004  # weight of the newest weights in the running average, which is the result


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """The settings that the outcome of a run depends on."""

    seed: int
    steps: int
    batch: int = BATCH
    chunks: int = CHUNKS
    chunk_series: int = CHUNK_SERIES

    def rate_at(self, step: int) -> np.float64:
        """Return the learning rate: a linear warm-up, a constant, and a linear decay down to a hundredth."""
        left = min(1.0, (self.steps - step) / ((1 - DECAY_FROM) * self.steps))
        return np.float64(PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * (0.99 * left + 0.01))


class PretrainingRun:
    """A run of pretraining: weights, their running average, and the optimiser, at a step.

    Parameters
    ----------
    config : PretrainingConfig
    examples : ExampleFiles
    """

    def __init__(self, config: PretrainingConfig, examples: ExampleFiles) -> None:
        self.config, self.step = config, 0
        initial = initial_weights(np.random.default_rng((config.seed, 0)))
        self.parameters, self.weights = flatten(initial)
        self.average = self.parameters.copy()
        self.optimiser = Adam(len(self.parameters), betas=(0.9, 0.98), decay=DECAY)
        self.examples = examples

    def advance(self) -> float:
        """Take one step; return the loss before it."""
        rng = np.random.default_rng((self.config.seed, 2, self.step))
        batch = self.examples.rows(rng.integers(0, len(self.examples), self.config.batch))
        features = batch.features
        quantiles, tape = forward(self.weights, features.inputs, features, NETWORK.full_depth, batch.leads)
        loss = pinball(quantiles, batch.targets)
        gradients = backward(self.weights, tape, loss.gradient)
        gradient = np.concatenate([gradients[name].ravel() for name in self.weights])
        self.optimiser.step(self.parameters, gradient, self.config.rate_at(self.step))
        self.average += np.float32(max(AVERAGING, 1 / (self.step + 2))) * (self.parameters - self.average)
        self.step += 1
        return float(np.minimum(loss.by_window, ERROR_LIMIT).mean())

    def averaged_weights(self) -> Weights:
        """Return the running average, which forecasts better than the latest weights."""
        return unflatten(self.average, self.weights)

    def save(self, path: Path) -> None:
        """Write a checkpoint; it replaces a former one whole or not at all."""
        tensors = {
            "parameters": self.parameters,
            "average": self.average,
            "mean": self.optimiser.mean,
            "square": self.optimiser.square,
        }
        unfinished = path.with_suffix(".unfinished")
        save_file(
            tensors,
            unfinished,
            metadata={name: str(value) for name, value in {"step": self.step, **asdict(self.config)}.items()},
        )
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same configuration.

        Raises
        ------
        ValueError
            The checkpoint is of another configuration.
        """
        with safe_open(path, "np") as file:
            metadata = {name: int(value) for name, value in file.metadata().items()}
            step = metadata.pop("step")
            if metadata != asdict(self.config):
                raise ValueError(f"expected a checkpoint of {asdict(self.config)}, found one of {metadata}: {path}")
            self.parameters[:] = file.get_tensor("parameters")
            self.average[:] = file.get_tensor("average")
            self.optimiser.mean[:] = file.get_tensor("mean")
            self.optimiser.square[:] = file.get_tensor("square")
        self.step = self.optimiser.steps = step


@one_blas_thread
def pretrain(config: PretrainingConfig, folder: Path, *, checkpoint_every: int = 1000, log_every: int = 500) -> Weights:
    """Train to the last step, with the examples and from the checkpoint in a folder, where it has them.

    Parameters
    ----------
    config : PretrainingConfig
    folder : pathlib.Path
        Of one configuration; the examples take 9 MB for each chunk of 512 series.
    checkpoint_every, log_every : int
        Steps.

    Returns
    -------
    dict of ndarray
        The averaged weights.
    """
    checkpoint = folder / "checkpoint.safetensors"
    made = folder / f"examples-{config.seed}-{config.chunks}x{config.chunk_series}"  # all that they depend on
    if not made.exists():
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as executor:
            write_examples(executor, made, seed=config.seed, chunks=config.chunks, chunk_series=config.chunk_series)
    examples = ExampleFiles(made)
    run = PretrainingRun(config, examples)
    if checkpoint.exists():
        run.load(checkpoint)
    losses, began = [], time.perf_counter()
    while run.step < config.steps:
        losses.append(run.advance())
        if run.step % log_every == 0:
            elapsed = time.perf_counter() - began
            _logger.info("step %d  loss %.4f  %.0f s", run.step, np.mean(losses[-log_every:]), elapsed)
        if run.step % checkpoint_every == 0 or run.step == config.steps:
            run.save(checkpoint)
    return run.averaged_weights()
