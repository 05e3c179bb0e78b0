"""Pretraining of the network, on synthetic series only.

The windows of a step depend on the seed and the number of the step alone. So a checkpoint holds no random state, and a
run that is resumed from one ends with the same weights, bit for bit. The series are made in a process of their own.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import Features, extract_features, input_columns
from nixtla_accessor.local.network.history import NEAR_LEADS, row_mean
from nixtla_accessor.local.network.losses import ERROR_LIMIT, Targets, pinball
from nixtla_accessor.local.network.model import backward, between_knots, forward
from nixtla_accessor.local.network.optimiser import Adam, flatten, unflatten
from nixtla_accessor.local.network.weights import Weights, initial_weights
from nixtla_accessor.local.pretraining.synthetic import generate, surprises
from nixtla_accessor.seasons import Season

_logger = logging.getLogger(__name__)

BATCH = 512
PEAK_RATE = 2e-3
WARM_UP = 500  # steps
DECAY_FROM = 0.4  # of the steps; until then a run does not depend on how many there will be
DECAY = 0.02
CHUNK_SERIES = 512
CHUNKS = 48  # in the pool
STEPS_PER_CHUNK = 16  # after which the oldest chunk is replaced
CHUNKS_AHEAD = 8  # made before they are needed
AVERAGING = 0.004  # weight of the newest weights in the running average, which is the result
MIN_HISTORY = 1  # points of history in a window
FAR_LEADS = 8  # of an example, beyond the near ones
FAR_WEIGHT = 1.0  # of a far lead's loss beside a near one's, where far leads are asked for often
SELDOM_FAR_WEIGHT = 0.4  # where they are not: in yearly, quarterly and monthly series


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

    def may_continue(self, other: PretrainingConfig, step: int) -> bool:
        """Return whether a run of this configuration is at this step what one of another would be."""
        if self == other:
            return True
        before_decay = step <= DECAY_FROM * min(self.steps, other.steps)
        return before_decay and replace(self, steps=other.steps) == other


@dataclass(frozen=True, slots=True, eq=False)
class LeadExamples:
    """Examples, and the leads of each."""

    features: Features
    targets: Targets
    leads: Integers

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays, windows first."""
        parts = (self.features, self.targets)
        return [*(getattr(part, field.name) for part in parts for field in fields(part)), self.leads]

    @classmethod
    def of_arrays(cls, arrays: Sequence[NDArray[Any]]) -> LeadExamples:
        """Return the examples that `arrays` returned."""
        *both, leads = arrays
        split = len(fields(Features))
        return cls(Features(*both[:split]), Targets(*both[split:]), leads)


@one_blas_thread
def draw_examples(config: PretrainingConfig, number: int) -> LeadExamples:
    """Draw a chunk of series, and build examples that end at two points of each."""
    rng = np.random.default_rng((config.seed, 1, number))
    chunk = generate(rng, config.chunk_series)
    points = chunk.values.shape[1] - chunk.ahead
    leads = np.concatenate([NEAR_LEADS, draw_far_leads(rng, chunk.ahead)])
    parts, values = [], []
    for back in (0, int(rng.integers(1, max(2, points // 3)))):
        long_enough = np.flatnonzero(chunk.length - back >= MIN_HISTORY)
        series = np.resize(long_enough, config.chunk_series)  # repeats some where others are too short
        history, end = chunk.values[series], points - back
        length = chunk.length[series] - back
        features = extract_features(
            history[:, :end], length, chunk.season, leads, _hearsay(rng, history, chunk.length[series], points)
        )
        future = (history[:, end + leads - 1] - features.location) / features.scale
        future += features.unit * surprises(rng, len(future), chunk.season, leads)
        parts.append(features)
        values.append(np.clip(future, -NETWORK.z_limit, NETWORK.z_limit).astype(np.float32))
    features = Features.concatenate(parts)
    importance = np.tile(lead_importance(chunk.season, leads), (len(features), 1))
    targets = Targets(np.concatenate(values), importance, _units(features, leads), np.zeros_like(features.unit))
    return LeadExamples(features, targets, np.tile(leads, (len(features), 1)))


def draw_far_leads(rng: np.random.Generator, ahead: int) -> Integers:
    """Draw leads beyond the near ones, evenly in their logarithm."""
    low, high = np.log(NETWORK.horizon + 1), np.log(ahead + 0.99)
    return np.sort(np.exp(rng.uniform(low, high, FAR_LEADS)).astype(int))


def _hearsay(rng: np.random.Generator, values: Floats, length: Integers, points: int) -> Floats:
    """Compute what a panel would say about each series' usual change, from its own and not exactly."""
    inside = np.arange(values.shape[1])[None] >= (points - length)[:, None]
    size = row_mean(np.abs(values), inside) + 1e-9
    change = row_mean(np.abs(np.diff(values)), inside[:, :-1]) / size
    heard: Floats = np.clip(change * np.exp(0.4 * rng.standard_normal(change.shape)), 1e-3, 3)
    return heard


def _units(features: Features, leads: Integers) -> Floats:
    """Compute the size of a usual error at each lead: as far as the history moved in so many steps.

    Losses are in this unit, so that no kind of series counts for more than all others, and few errors are so large that
    the loss clips them: what is clipped is missing from the intervals.
    """
    moved = np.sinh(features.inputs[:, input_columns("lag_errors")]) + np.float32(0.05)
    known = features.inputs[:, input_columns("lag_seen")] > 0
    at_knots = np.empty_like(moved)
    before = features.unit[:, 0]
    for knot in range(moved.shape[1]):
        growth = (NETWORK.knots[knot] / NETWORK.knots[max(knot - 1, 0)]) ** 0.25
        before = np.where(known[:, knot], np.clip(moved[:, knot], before, before * 3), before * growth)
        at_knots[:, knot] = before
    result: Floats = at_knots @ between_knots(leads).T
    return result


def draw_ahead(executor: Executor, config: PretrainingConfig, first: int) -> Iterator[LeadExamples]:
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
        self._arrays: list[NDArray[Any]] = []  # made when the first chunk has come, in its shapes
        self._chunks: Iterator[LeadExamples] | None = None
        self._newest = -1  # number of the newest chunk

    def batch(self, step: int) -> LeadExamples:
        """Draw the examples of one step; steps have to come in order."""
        newest = step // STEPS_PER_CHUNK + self.config.chunks - 1
        first = max(self._newest, newest - self.config.chunks) + 1
        if self._chunks is None:
            self._chunks = draw_ahead(self.executor, self.config, first)
        for chunk in range(first, newest + 1):
            self._replace(chunk, next(self._chunks))
        self._newest = newest
        size = self.config.chunks * self.per_chunk
        rows = np.random.default_rng((self.config.seed, 2, step)).integers(0, size, self.config.batch)
        return LeadExamples.of_arrays([array[rows] for array in self._arrays])

    def _replace(self, number: int, chunk: LeadExamples) -> None:
        """Replace the oldest chunk."""
        parts = chunk.arrays()
        if not self._arrays:
            size = self.config.chunks * self.per_chunk
            self._arrays = [np.zeros((size, *part.shape[1:]), part.dtype) for part in parts]
        start = number % self.config.chunks * self.per_chunk
        for whole, part in zip(self._arrays, parts, strict=True):
            whole[start : start + self.per_chunk] = part


def lead_importance(season: Season, leads: Integers) -> Floats:
    """Return the weight of each lead: few ask for steps many seasons ahead, and their errors are large."""
    near = 1 / (1 + (NEAR_LEADS - 1) / (2 * season.length + 6))
    often = season.length not in (1, 4, 12)
    far = np.full(len(leads) - len(near), FAR_WEIGHT if often else SELDOM_FAR_WEIGHT)
    result: Floats = np.concatenate([near / near.mean(), far]).astype(np.float32)
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
        batch = self.pool.batch(self.step)
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

    @classmethod
    def resume(cls, path: Path, config: PretrainingConfig, executor: Executor) -> PretrainingRun:
        """Resume from a checkpoint of the same configuration, or before the decay, of one with other steps.

        Raises
        ------
        ValueError
            The checkpoint is of another configuration.
        """
        run = cls(config, executor)
        with safe_open(path, "np") as file:
            metadata = {name: int(value) for name, value in file.metadata().items()}
            step = metadata.pop("step")
            if not PretrainingConfig(**metadata).may_continue(config, step):
                raise ValueError(f"expected a checkpoint of {asdict(config)}, found one of {metadata}: {path}")
            run.parameters[:] = file.get_tensor("parameters")
            run.average[:] = file.get_tensor("average")
            run.optimiser.mean[:] = file.get_tensor("mean")
            run.optimiser.square[:] = file.get_tensor("square")
        run.step = run.optimiser.steps = step
        return run


@one_blas_thread
def pretrain(
    config: PretrainingConfig, checkpoint: Path, *, checkpoint_every: int = 1000, log_every: int = 500
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
