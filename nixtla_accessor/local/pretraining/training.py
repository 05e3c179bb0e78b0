"""Pretraining of the network, on synthetic series only.

Which windows a step sees follows from the seed and the number of the step alone, so that a checkpoint holds no random
state, and a run that goes on from one ends in the same weights, bit for bit::

    python -m nixtla_accessor.local.pretraining.training --seed 0 --steps 170000 --checkpoint-folder run --output new

The series are made in a process of their own. The network trains quicker by a quarter where the C library keeps freed
memory: with glibc, ``MALLOC_TRIM_THRESHOLD_=2000000000 MALLOC_MMAP_THRESHOLD_=1000000000``.
"""

from __future__ import annotations

import argparse
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

from nixtla_accessor.local.network.baselines import N_BASES
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.features import N_INPUTS, Windows, extract
from nixtla_accessor.local.network.history import HORIZON, Floats
from nixtla_accessor.local.network.losses import Targets, pinball
from nixtla_accessor.local.network.model import (
    WHOLE,
    Weights,
    backward,
    dump_weights,
    forward,
    initial_weights,
)
from nixtla_accessor.local.network.optimiser import Adam, flattened, shaped
from nixtla_accessor.local.pretraining.synthetic import generate, surprises
from nixtla_accessor.seasons import Season

_logger = logging.getLogger(__name__)

BATCH = 512
PEAK_RATE = 2e-3
WARM_UP = 500  # steps
DECAY = 0.02
CHUNK_SERIES = 512
CHUNKS = 64  # that the pool holds
STEPS_PER_CHUNK = 12  # then the oldest chunk is replaced
CHUNKS_AHEAD = 8  # that are made before they are wanted
AVERAGING = 0.002  # share of the newest weights in the running average, which is what is kept in the end
TARGET_LIMIT = 60.0  # in z
SHORTEST = 4  # points of history in a window


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that the outcome of a run depends on."""

    seed: int
    steps: int
    batch: int = BATCH
    chunks: int = CHUNKS
    chunk_series: int = CHUNK_SERIES

    def rate(self, step: int) -> np.float64:
        """Learning rate: a linear warm-up, then half a cosine down to a hundredth."""
        cosine = 0.5 * (1 + np.cos(np.pi * step / self.steps))
        return np.float64(PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * (0.99 * cosine + 0.01))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Windows of freshly made series; `values` and `importance` are of shape (windows, HORIZON), in z."""

    windows: Windows
    values: Floats
    importance: Floats


@one_blas_thread
def draw(schedule: Schedule, number: int) -> Drawn:
    """Make a chunk of series, and windows that end at two points of each."""
    rng = np.random.default_rng((schedule.seed, 1, number))
    chunk = generate(rng, schedule.chunk_series)
    points = chunk.values.shape[1] - HORIZON
    parts, values = [], []
    for back in (0, int(rng.integers(1, max(2, points // 3)))):
        long_enough = np.flatnonzero(chunk.length - back >= SHORTEST)
        series = np.resize(long_enough, schedule.chunk_series)  # repeats some where others are too short
        history, end = chunk.values[series], points - back
        windows = extract(history[:, :end], chunk.length[series] - back, chunk.season)
        future = (history[:, end : end + HORIZON] - windows.location) / windows.scale
        future += windows.unit * surprises(rng, len(future), chunk.season)
        parts.append(windows)
        values.append(np.clip(future, -TARGET_LIMIT, TARGET_LIMIT).astype(np.float32))
    joined = Windows.joined(parts)
    return Drawn(joined, np.concatenate(values), np.tile(importance(chunk.season), (len(joined), 1)))


def drawn_ahead(executor: Executor, schedule: Schedule, first: int) -> Iterator[Drawn]:
    """Make chunk after chunk, some ahead."""
    ahead = deque(executor.submit(draw, schedule, first + i) for i in range(CHUNKS_AHEAD))
    for number in count(first + CHUNKS_AHEAD):
        yield ahead.popleft().result()
        ahead.append(executor.submit(draw, schedule, number))


class Pool:
    """The latest windows, drawn at random for each step; their content follows from the schedule and the step."""

    def __init__(self, schedule: Schedule, executor: Executor) -> None:
        self.schedule, self.executor = schedule, executor
        self.per_chunk = 2 * schedule.chunk_series
        size = schedule.chunks * self.per_chunk
        self.inputs = np.zeros((size, N_INPUTS), np.float32)
        self.bases = np.zeros((size, HORIZON, N_BASES), np.float32)
        self.unit = np.zeros((size, 1), np.float32)
        self.values = np.zeros((size, HORIZON), np.float32)
        self.importance = np.zeros((size, HORIZON), np.float32)
        self._drawn: Iterator[Drawn] | None = None
        self._made = -1  # number of the newest chunk

    def batch(self, step: int) -> tuple[Floats, Floats, Targets]:
        """Draw the inputs, bases and targets of one step; steps come in their order."""
        newest = step // STEPS_PER_CHUNK + self.schedule.chunks - 1
        first = max(self._made, newest - self.schedule.chunks) + 1
        if self._drawn is None:
            self._drawn = drawn_ahead(self.executor, self.schedule, first)
        for chunk in range(first, newest + 1):
            self._replace(chunk, next(self._drawn))
        self._made = newest
        rows = np.random.default_rng((self.schedule.seed, 2, step)).integers(0, len(self.inputs), self.schedule.batch)
        unit = self.unit[rows]
        targets = Targets(self.values[rows], self.importance[rows], unit, np.zeros_like(unit))
        return self.inputs[rows], self.bases[rows], targets

    def _replace(self, number: int, drawn: Drawn) -> None:
        """Put a chunk's windows in the place of the oldest."""
        start = number % self.schedule.chunks * self.per_chunk
        place = slice(start, start + self.per_chunk)
        self.inputs[place], self.bases[place] = drawn.windows.inputs, drawn.windows.bases
        self.unit[place], self.values[place] = drawn.windows.unit, drawn.values
        self.importance[place] = drawn.importance


def importance(season: Season) -> Floats:
    """Weight of each step ahead: what lies many seasons ahead is hardly asked for, and its errors are large."""
    weight = 1 / (1 + np.arange(HORIZON) / (2 * season.length + 6))
    result: Floats = (weight / weight.mean()).astype(np.float32)
    return result


class Training:
    """A run of pretraining: weights, their running average, and the optimiser, at a step.

    Parameters
    ----------
    schedule : Schedule
    executor : concurrent.futures.Executor
        Where series are made.
    """

    def __init__(self, schedule: Schedule, executor: Executor) -> None:
        self.schedule, self.step = schedule, 0
        initial = initial_weights(np.random.default_rng((schedule.seed, 0)))
        self.parameters, self.weights = flattened(initial)
        self.average = self.parameters.copy()
        self.optimiser = Adam(len(self.parameters), betas=(0.9, 0.98), decay=DECAY)
        self.pool = Pool(schedule, executor)

    def advance(self) -> float:
        """Take one step; answers the loss before it."""
        inputs, bases, targets = self.pool.batch(self.step)
        quantiles, tape = forward(self.weights, inputs, bases, targets.unit, WHOLE)
        measured = pinball(quantiles, targets)
        gradients = backward(self.weights, tape, measured.gradient)
        gradient = np.concatenate([gradients[name].ravel() for name in self.weights])
        self.optimiser.step(self.parameters, gradient, self.schedule.rate(self.step))
        self.average += np.float32(max(AVERAGING, 1 / (self.step + 2))) * (self.parameters - self.average)
        self.step += 1
        return float(measured.by_window.mean())

    def averaged_weights(self) -> Weights:
        """Take the running average, which forecasts better than the latest weights."""
        return shaped(self.average, self.weights)

    def save(self, path: Path) -> None:
        """Write a checkpoint; a former one is replaced at once or not at all."""
        tensors = {
            "parameters": self.parameters,
            "average": self.average,
            "mean": self.optimiser.mean,
            "square": self.optimiser.square,
        }
        unfinished = path.with_suffix(".unfinished")
        save_file(tensors, unfinished, metadata={"step": str(self.step), **_described(self.schedule)})
        unfinished.replace(path)

    @classmethod
    def resume(cls, path: Path, schedule: Schedule, executor: Executor) -> Training:
        """Go on from a checkpoint of the same schedule.

        Raises
        ------
        ValueError
            The checkpoint is of another schedule.
        """
        training = cls(schedule, executor)
        with safe_open(path, "np") as file:
            metadata = dict(file.metadata())
            step = int(metadata.pop("step"))
            if metadata != _described(schedule):
                raise ValueError(f"expected a checkpoint of {_described(schedule)}, found one of {metadata}: {path}")
            training.parameters[:] = file.get_tensor("parameters")
            training.average[:] = file.get_tensor("average")
            training.optimiser.mean[:] = file.get_tensor("mean")
            training.optimiser.square[:] = file.get_tensor("square")
        training.step = training.optimiser.steps = step
        return training


def _described(schedule: Schedule) -> dict[str, str]:
    """Write a schedule as the metadata of a checkpoint."""
    return {name: str(value) for name, value in asdict(schedule).items()}


@one_blas_thread
def pretrain(schedule: Schedule, checkpoint: Path, *, every: int = 4000, report: int = 500) -> Weights:
    """Train to the end of the schedule, from the checkpoint where there is one; answers the averaged weights."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        if checkpoint.exists():
            training = Training.resume(checkpoint, schedule, executor)
        else:
            training = Training(schedule, executor)
        losses, began = [], time.perf_counter()
        while training.step < schedule.steps:
            losses.append(training.advance())
            if training.step % report == 0:
                elapsed = time.perf_counter() - began
                _logger.info("step %d  loss %.4f  %.0f s", training.step, np.mean(losses[-report:]), elapsed)
            if training.step % every == 0 or training.step == schedule.steps:
                training.save(checkpoint)
        executor.shutdown(cancel_futures=True)
    return training.averaged_weights()


def main() -> None:
    """Pretrain from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m nixtla_accessor.local.pretraining.training", description="Pretrain the network."
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--checkpoint-folder", type=Path, required=True, help="a run goes on from what is found there")
    parser.add_argument("--output", type=Path, required=True, help="where the weights go, in float16")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.checkpoint_folder.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(seed=arguments.seed, steps=arguments.steps)
    weights = pretrain(schedule, arguments.checkpoint_folder / "checkpoint.safetensors")
    arguments.output.write_bytes(dump_weights(weights, dtype=np.float16))


if __name__ == "__main__":
    main()
