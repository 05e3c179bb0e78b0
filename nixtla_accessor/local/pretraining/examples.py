"""The examples of pretraining: windows of synthetic series, drawn from a seed, in files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.features import Features, extract_features, input_columns
from nixtla_accessor.local.network.history import NEAR_LEADS, row_mean
from nixtla_accessor.local.network.losses import Targets
from nixtla_accessor.local.network.model import between_knots
from nixtla_accessor.local.pretraining.synthetic import generate, surprises
from nixtla_accessor.seasons import Season

MIN_HISTORY = 1  # points of history in a window
FAR_LEADS = 8  # of an example, beyond the near ones
FAR_WEIGHT = 1.0  # of a far lead's loss beside a near one's, where far leads are asked for often
SELDOM_FAR_WEIGHT = 0.4  # where they are not: in yearly, quarterly and monthly series
_N_ARRAYS = len(fields(Features)) + len(fields(Targets)) + 1  # of examples; the last is the leads


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


class ExampleFiles:
    """Examples in a folder, a file for each array, which are read as they are needed.

    Parameters
    ----------
    folder : pathlib.Path
        Where `write_examples` put them.
    """

    def __init__(self, folder: Path) -> None:
        self._arrays = [np.load(folder / f"{k}.npy", mmap_mode="r") for k in range(_N_ARRAYS)]

    def __len__(self) -> int:
        return len(self._arrays[0])

    def rows(self, chosen: Integers) -> LeadExamples:
        """Return some of the examples, in the order of the files."""
        chosen = np.sort(chosen)  # a disk's order
        return LeadExamples.of_arrays([array[chosen] for array in self._arrays])


def write_examples(executor: Executor, folder: Path, *, seed: int, chunks: int, chunk_series: int) -> None:
    """Draw chunks of examples and write them into a folder, which is there when all are.

    They depend on the seed and the numbers alone. A chunk of 512 series takes 9 MB.
    """
    unfinished = folder.with_suffix(".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    files: list[NDArray[Any]] = []
    first = 0
    for chunk in executor.map(partial(draw_examples, seed, chunk_series), range(chunks)):
        parts = chunk.arrays()
        if not files:
            files = [
                open_memmap(unfinished / f"{k}.npy", "w+", part.dtype, (chunks * len(part), *part.shape[1:]))
                for k, part in enumerate(parts)
            ]
        for file, part in zip(files, parts, strict=True):
            file[first : first + len(part)] = part
        first += len(parts[0])
    unfinished.replace(folder)


@one_blas_thread
def draw_examples(seed: int, n_series: int, number: int) -> LeadExamples:
    """Draw a chunk of series, and build examples that end at two points of each."""
    rng = np.random.default_rng((seed, 1, number))
    chunk = generate(rng, n_series)
    points = chunk.values.shape[1] - chunk.ahead
    leads = np.concatenate([NEAR_LEADS, draw_far_leads(rng, chunk.ahead)])
    parts, values = [], []
    for back in (0, int(rng.integers(1, max(2, points // 3)))):
        long_enough = np.flatnonzero(chunk.length - back >= MIN_HISTORY)
        series = np.resize(long_enough, n_series)  # repeats some where others are too short
        history, end = chunk.values[series], points - back
        length = chunk.length[series] - back
        usual_change = _usual_change_of_panel(rng, history, chunk.length[series], points)
        features = extract_features(history[:, :end], length, chunk.season, leads, usual_change)
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


def _usual_change_of_panel(rng: np.random.Generator, values: Floats, length: Integers, points: int) -> Floats:
    """Compute the usual change that a panel tells each of its series: near the series' own; (series, 1)."""
    inside = np.arange(values.shape[1])[None] >= (points - length)[:, None]
    size = row_mean(np.abs(values), inside) + 1e-9
    change = row_mean(np.abs(np.diff(values)), inside[:, :-1]) / size
    told: Floats = np.clip(change * np.exp(0.4 * rng.standard_normal(change.shape)), 1e-3, 3)
    return told


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


def lead_importance(season: Season, leads: Integers) -> Floats:
    """Return the weight of each lead: few ask for steps many seasons ahead, and their errors are large."""
    near = 1 / (1 + (NEAR_LEADS - 1) / (2 * season.length + 6))
    often = season.length not in (1, 4, 12)
    far = np.full(len(leads) - len(near), FAR_WEIGHT if often else SELDOM_FAR_WEIGHT)
    result: Floats = np.concatenate([near / near.mean(), far]).astype(np.float32)
    return result
