"""Pretraining of the network, on synthetic series only.

The windows of a step depend on the seed and the number of the step alone. So a checkpoint holds no random state, and a
run that is resumed from one ends with the same weights, bit for bit. The series are made in a process of their own.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.baselines import N_BASELINES
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import N_INPUTS, Features, extract_features
from nixtla_accessor.local.network.losses import Targets, pinball
from nixtla_accessor.local.network.model import backward, forward
from nixtla_accessor.local.network.optimiser import Adam, flatten, unflatten
from nixtla_accessor.local.network.training_windows import Examples
from nixtla_accessor.local.network.weights import Weights, initial_weights
from nixtla_accessor.local.pretraining.synthetic import generate, surprises
from nixtla_accessor.seasons import Season

_logger = logging.getLogger(__name__)

BATCH = 512
PEAK_RATE = 2e-3
WARM_UP = 500  # steps
DECAY = 0.02
CHUNK_SERIES = 512
CHUNKS = 64  # in the pool
STEPS_PER_CHUNK = 12  # after which the oldest chunk is replaced
CHUNKS_AHEAD = 8  # made before they are needed
AVERAGING = 0.002  # weight of the newest weights in the running average, which is the result
MIN_HISTORY = 4  # points of history in a window


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """The settings that the outcome of a run depends on."""

    seed: int
    steps: int
    batch: int = BATCH
    chunks: int = CHUNKS
    chunk_series: int = CHUNK_SERIES

    def rate_at(self, step: int) -> np.float64:
        """Return the learning rate: a linear warm-up, then half a cosine down to a hundredth."""
        cosine = 0.5 * (1 + np.cos(np.pi * step / self.steps))
        return np.float64(PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * (0.99 * cosine + 0.01))


@one_blas_thread
def draw_examples(config: PretrainingConfig, number: int) -> Examples:
    """Draw a chunk of series, and build examples that end at two points of each."""
    rng = np.random.default_rng((config.seed, 1, number))
    chunk = generate(rng, config.chunk_series)
    points = chunk.values.shape[1] - NETWORK.horizon
    parts, values = [], []
    for back in (0, int(rng.integers(1, max(2, points // 3)))):
        long_enough = np.flatnonzero(chunk.length - back >= MIN_HISTORY)
        series = np.resize(long_enough, config.chunk_series)  # repeats some where others are too short
        history, end = chunk.values[series], points - back
        features = extract_features(history[:, :end], chunk.length[series] - back, chunk.season)
        future = (history[:, end : end + NETWORK.horizon] - features.location) / features.scale
        future += features.unit * surprises(rng, len(future), chunk.season)
        parts.append(features)
        values.append(np.clip(future, -NETWORK.z_limit, NETWORK.z_limit).astype(np.float32))
    features = Features.concatenate(parts)
    importance = np.tile(step_importance(chunk.season), (len(features), 1))
    targets = Targets(np.concatenate(values), importance, features.unit, np.zeros_like(features.unit))
    return Examples(features, targets)


def draw_ahead(executor: Executor, config: PretrainingConfig, first: int) -> Iterator[Examples]:
    """Yield the examples of chunk after chunk, with some drawn ahead."""
    ahead = deque(executor.submit(draw_examples, config, first + i) for i in range(CHUNKS_AHEAD))
    for number in count(first + CHUNKS_AHEAD):
        yield ahead.popleft().result()
        ahead.append(executor.submit(draw_examples, config, number))


class ExamplePool:
    """The latest examples, to draw batches from; its content depends on the configuration and the step alone."""

    def __init__(self, config: PretrainingConfig, executor: Executor) -> None:
        self.config, self.executor = config, executor
        self.per_chunk = 2 * config.chunk_series
        size = config.chunks * self.per_chunk
        self.inputs = np.zeros((size, N_INPUTS), np.float32)
        self.baselines = np.zeros((size, NETWORK.horizon, N_BASELINES), np.float32)
        self.unit = np.zeros((size, 1), np.float32)
        self.values = np.zeros((size, NETWORK.horizon), np.float32)
        self.importance = np.zeros((size, NETWORK.horizon), np.float32)
        self._chunks: Iterator[Examples] | None = None
        self._newest = -1  # number of the newest chunk

    def batch(self, step: int) -> tuple[Floats, Floats, Targets]:
        """Draw the inputs, baselines and targets of one step; steps have to come in order."""
        newest = step // STEPS_PER_CHUNK + self.config.chunks - 1
        first = max(self._newest, newest - self.config.chunks) + 1
        if self._chunks is None:
            self._chunks = draw_ahead(self.executor, self.config, first)
        for chunk in range(first, newest + 1):
            self._replace(chunk, next(self._chunks))
        self._newest = newest
        rows = np.random.default_rng((self.config.seed, 2, step)).integers(0, len(self.inputs), self.config.batch)
        unit = self.unit[rows]
        targets = Targets(self.values[rows], self.importance[rows], unit, np.zeros_like(unit))
        return self.inputs[rows], self.baselines[rows], targets

    def _replace(self, number: int, examples: Examples) -> None:
        """Replace the oldest chunk."""
        start = number % self.config.chunks * self.per_chunk
        place = slice(start, start + self.per_chunk)
        features, targets = examples.features, examples.targets
        self.inputs[place], self.baselines[place], self.unit[place] = features.inputs, features.baselines, features.unit
        self.values[place], self.importance[place] = targets.values, targets.importance


def step_importance(season: Season) -> Floats:
    """Return the weight of each step ahead: few ask for steps many seasons ahead, and their errors are large."""
    weight = 1 / (1 + np.arange(NETWORK.horizon) / (2 * season.length + 6))
    result: Floats = (weight / weight.mean()).astype(np.float32)
    return result


class PretrainingRun:
    """A run of pretraining: weights, their running average, and the optimiser, at a step.

    Parameters
    ----------
    config : PretrainingConfig
    executor : concurrent.futures.Executor
        Draws the series.
    """

    def __init__(self, config: PretrainingConfig, executor: Executor) -> None:
        self.config, self.step = config, 0
        initial = initial_weights(np.random.default_rng((config.seed, 0)))
        self.parameters, self.weights = flatten(initial)
        self.average = self.parameters.copy()
        self.optimiser = Adam(len(self.parameters), betas=(0.9, 0.98), decay=DECAY)
        self.pool = ExamplePool(config, executor)

    def advance(self) -> float:
        """Take one step; return the loss before it."""
        inputs, baselines, targets = self.pool.batch(self.step)
        quantiles, tape = forward(self.weights, inputs, baselines, targets.unit, NETWORK.full_depth)
        loss = pinball(quantiles, targets)
        gradients = backward(self.weights, tape, loss.gradient)
        gradient = np.concatenate([gradients[name].ravel() for name in self.weights])
        self.optimiser.step(self.parameters, gradient, self.config.rate_at(self.step))
        self.average += np.float32(max(AVERAGING, 1 / (self.step + 2))) * (self.parameters - self.average)
        self.step += 1
        return float(loss.by_window.mean())

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
        save_file(tensors, unfinished, metadata={"step": str(self.step), **_metadata(self.config)})
        unfinished.replace(path)

    @classmethod
    def resume(cls, path: Path, config: PretrainingConfig, executor: Executor) -> PretrainingRun:
        """Resume from a checkpoint of the same configuration.

        Raises
        ------
        ValueError
            The checkpoint is of another configuration.
        """
        run = cls(config, executor)
        with safe_open(path, "np") as file:
            metadata = dict(file.metadata())
            step = int(metadata.pop("step"))
            if metadata != _metadata(config):
                raise ValueError(f"expected a checkpoint of {_metadata(config)}, found one of {metadata}: {path}")
            run.parameters[:] = file.get_tensor("parameters")
            run.average[:] = file.get_tensor("average")
            run.optimiser.mean[:] = file.get_tensor("mean")
            run.optimiser.square[:] = file.get_tensor("square")
        run.step = run.optimiser.steps = step
        return run


def _metadata(config: PretrainingConfig) -> dict[str, str]:
    """Return a configuration as the metadata of a checkpoint."""
    return {name: str(value) for name, value in asdict(config).items()}


@one_blas_thread
def pretrain(
    config: PretrainingConfig, checkpoint: Path, *, checkpoint_every: int = 4000, log_every: int = 500
) -> Weights:
    """Train to the last step, from the checkpoint if it exists; return the averaged weights."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        if checkpoint.exists():
            run = PretrainingRun.resume(checkpoint, config, executor)
        else:
            run = PretrainingRun(config, executor)
        losses, began = [], time.perf_counter()
        while run.step < config.steps:
            losses.append(run.advance())
            if run.step % log_every == 0:
                elapsed = time.perf_counter() - began
                _logger.info("step %d  loss %.4f  %.0f s", run.step, np.mean(losses[-log_every:]), elapsed)
            if run.step % checkpoint_every == 0 or run.step == config.steps:
                run.save(checkpoint)
        executor.shutdown(cancel_futures=True)
    return run.averaged_weights()
