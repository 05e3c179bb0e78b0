"""The windows of a panel that fine-tuning trains on, and those from the ends of its series that it holds out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.network.features import Windows, extract, right_aligned
from nixtla_accessor.local.network.forecasting import BATCH, Prepared
from nixtla_accessor.local.network.history import HORIZON, Integers, Mask
from nixtla_accessor.local.network.losses import Targets
from nixtla_accessor.seasons import Season

TARGET_LIMIT = 60.0  # in z
MOST_HELD_OUT = 512
MOST_ORIGINS = 14  # hold-out windows of one series
SHORTEST_HELD_OUT = 6  # points of a series that gives hold-out windows
SHORTEST_HISTORY = 4  # points before a training window's targets


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where windows lie in a panel.

    Attributes
    ----------
    series, origin, end : ndarray of int, shape (windows,)
        The series, the position of the first target in it, and the position after the last.
    """

    series: Integers
    origin: Integers
    end: Integers

    def __len__(self) -> int:
        return len(self.series)

    def rows(self, chosen: Integers | Mask) -> Places:
        """Pick some places."""
        return Places(self.series[chosen], self.origin[chosen], self.end[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Windows and what came after them."""

    windows: Windows
    targets: Targets


def split(
    panel: Sequence[Prepared], season: Season, rng: np.random.Generator, *, most_training: int
) -> tuple[Places, Places]:
    """Choose training windows, and hold-out windows from the ends of the series; their targets do not overlap.

    Parameters
    ----------
    panel : sequence of Prepared
    season : Season
    rng : numpy.random.Generator
    most_training : int
        Training windows at most.

    Returns
    -------
    training, held_out : Places
        Either can be empty, where the series are short or their values missing.
    """
    lengths = np.array([len(each.values) for each in panel])
    usual_horizon = min(HORIZON, max(6, 2 * season.length if season.length < 12 else season.length))
    horizon = np.minimum(usual_horizon, np.maximum(lengths // 5, 1))
    week = -(-season.second // usual_horizon) if season.second == 7 * season.length else 0  # so that all its days count
    origins = int(np.clip(np.ceil(48 / len(panel)), max(3, week), MOST_ORIGINS))
    held = np.where(lengths < SHORTEST_HELD_OUT, 0, np.clip(lengths // (5 * horizon), 1, origins))
    held_out = _last_windows(lengths, held, horizon)
    if len(held_out) > MOST_HELD_OUT:
        held_out = held_out.rows(rng.choice(len(held_out), MOST_HELD_OUT, replace=False))
    training = _training_windows(lengths - held * horizon, season, usual_horizon, rng, most_training)
    return _with_targets(panel, training), _with_targets(panel, held_out)


def examples(panel: Sequence[Prepared], season: Season, places: Places) -> Examples:
    """Make the windows at these places, and targets; what is missing or beyond the end has no importance."""

    def windows_from(start: int) -> Windows:
        some = places.rows(np.arange(start, min(start + BATCH, len(places))))
        histories = [panel[i].values[:origin] for i, origin in zip(some.series, some.origin, strict=True)]
        return extract(*right_aligned(histories, season), season)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy lets go of the interpreter where it computes
        joined = Windows.joined([*threads.map(windows_from, range(0, len(places), BATCH))])
    values, importance = np.zeros((len(places), HORIZON)), np.zeros((len(places), HORIZON), np.float32)
    for row, (i, origin, end) in enumerate(zip(places.series, places.origin, places.end, strict=True)):
        stop = min(origin + HORIZON, end)
        values[row, : stop - origin] = panel[i].values[origin:stop]
        importance[row, : stop - origin] = panel[i].observed[origin:stop]
    z = np.clip((values - joined.location) / joined.scale, -TARGET_LIMIT, TARGET_LIMIT).astype(np.float32)
    offset = (joined.location / joined.scale).astype(np.float32)
    return Examples(joined, Targets(z, importance, joined.unit, offset))


def _last_windows(lengths: Integers, held: Integers, horizon: Integers) -> Places:
    """Lay so many windows, one before the other, at the end of each series."""
    series = np.repeat(np.arange(len(lengths)), held)
    nth = np.arange(len(series)) - np.repeat(np.cumsum(held) - held, held)  # 0 is the last of its series
    end = lengths[series] - nth * horizon[series]
    return Places(series, end - horizon[series], end)


def _training_windows(
    lengths: Integers, season: Season, usual_horizon: int, rng: np.random.Generator, most: int
) -> Places:
    """Draw windows of series of these lengths, half of them near the end; long series give more, by the root."""
    first = np.minimum(np.maximum(np.minimum(2 * season.length, lengths // 2), SHORTEST_HISTORY), lengths - 1)
    room = np.where(lengths > SHORTEST_HISTORY, lengths - first, 0)
    if not room.any():
        return Places(*np.zeros((3, 0), int))
    weight = np.sqrt(room)
    series = rng.choice(len(lengths), min(most, int(room.sum())), p=weight / weight.sum())
    anywhere = rng.integers(first[series], lengths[series])
    late = lengths[series] - 1 - rng.integers(0, max(2, 2 * usual_horizon), len(series))
    origin = np.where(rng.random(len(series)) < 0.5, anywhere, np.maximum(first[series], late))
    return Places(series, origin, lengths[series])


def _with_targets(panel: Sequence[Prepared], places: Places) -> Places:
    """Keep the windows of which not every target is missing."""
    stops = np.minimum(places.origin + HORIZON, places.end)
    ranges = zip(places.series, places.origin, stops, strict=True)
    return places.rows(np.array([panel[i].observed[origin:stop].any() for i, origin, stop in ranges], bool))
