"""Training and validation examples: windows of a panel's history, and the values that came after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Integers, Mask
from nixtla_accessor.local.network.config import NETWORK, TUNING
from nixtla_accessor.local.network.features import Features, align_right, extract_features
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.network.losses import Targets
from nixtla_accessor.local.network.preparation import PreparedSeries
from nixtla_accessor.local.network.threads import map_in_threads
from nixtla_accessor.seasons import Season


@dataclass(frozen=True, slots=True, eq=False)
class WindowPositions:
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

    def rows(self, chosen: Integers | Mask) -> WindowPositions:
        """Return some of the positions."""
        return WindowPositions(self.series[chosen], self.origin[chosen], self.end[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A panel's windows for training, and those of its validation set.

    Attributes
    ----------
    training, validation : WindowPositions
        Either can be empty, if the series are short or their values missing.
    n_stretches : int
        Validation windows of a usual series, one before the other. Windows of other series over the same stretch of
        time are another matter: what moves one of them may move all.
    """

    training: WindowPositions
    validation: WindowPositions
    n_stretches: int


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The features of windows, and what came after them at these leads."""

    features: Features
    targets: Targets
    leads: Integers


def split_panel(
    panel: Sequence[PreparedSeries], season: Season, rng: np.random.Generator, *, max_training_windows: int
) -> Split:
    """Choose training windows, and validation windows from the ends of the series; their targets do not overlap.

    Parameters
    ----------
    panel : sequence of PreparedSeries
    season : Season
    rng : numpy.random.Generator
    max_training_windows : int
    """
    lengths = np.array([len(each.values) for each in panel])
    usual_horizon = min(NETWORK.horizon, max(6, 2 * season.length if season.length < 12 else season.length))
    horizon = np.minimum(usual_horizon, np.maximum(lengths // 5, 1))
    # the windows of a sub-daily series cover all days of the week
    week = -(-season.second // usual_horizon) if season.second == 7 * season.length else 0
    per_series = int(np.clip(np.ceil(48 / len(panel)), max(3, week), TUNING.max_validation_windows_per_series))
    counts = np.where(lengths < TUNING.min_validation_points, 0, np.clip(lengths // (5 * horizon), 1, per_series))
    validation = _last_positions(lengths, counts, horizon)
    if len(validation) > TUNING.max_validation_windows:
        validation = validation.rows(rng.choice(len(validation), TUNING.max_validation_windows, replace=False))
    training = _training_positions(lengths - counts * horizon, season, usual_horizon, rng, max_training_windows)
    n_stretches = int(np.median(counts[counts > 0])) if counts.any() else 0
    return Split(_with_targets(panel, training), _with_targets(panel, validation), n_stretches)


def training_leads(panel: Sequence[PreparedSeries]) -> Integers:
    """Return the leads to train on: the near ones, and far ones of which usual series of the panel hold several."""
    longest = int(np.median([len(each.values) for each in panel])) // TUNING.least_far_leads
    return np.concatenate([NEAR_LEADS, [lead for lead in TUNING.far_leads if lead <= longest]]).astype(int)


def build_examples(
    panel: Sequence[PreparedSeries], season: Season, positions: WindowPositions, leads: Integers = NEAR_LEADS
) -> Examples:
    """Build the examples at these positions; targets that are missing or beyond the end have no importance."""

    def build_batch(start: int) -> Features:
        some = positions.rows(np.arange(start, min(start + NETWORK.batch, len(positions))))
        histories = [panel[i].values[:origin] for i, origin in zip(some.series, some.origin, strict=True)]
        return extract_features(*align_right(histories), season, leads)

    features = Features.concatenate(map_in_threads(build_batch, range(0, len(positions), NETWORK.batch)))
    values = np.zeros((len(positions), len(leads)))
    importance = np.zeros((len(positions), len(leads)), np.float32)
    for row, (i, origin, end) in enumerate(zip(positions.series, positions.origin, positions.end, strict=True)):
        within = int(np.searchsorted(leads, end - origin, side="right"))
        ahead = origin + leads[:within] - 1
        values[row, :within] = panel[i].values[ahead]
        importance[row, :within] = panel[i].observed[ahead]
    importance[:, NETWORK.horizon :] *= TUNING.far_weight
    z = np.clip((values - features.location) / features.scale, -NETWORK.z_limit, NETWORK.z_limit).astype(np.float32)
    offset = (features.location / features.scale).astype(np.float32)
    return Examples(features, Targets(z, importance, features.unit, offset), leads)


def _last_positions(lengths: Integers, counts: Integers, horizon: Integers) -> WindowPositions:
    """Place so many windows, one before the other, at the end of each series."""
    series = np.repeat(np.arange(len(lengths)), counts)
    nth = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)  # 0 is the last of its series
    end = lengths[series] - nth * horizon[series]
    return WindowPositions(series, end - horizon[series], end)


def _training_positions(
    lengths: Integers, season: Season, usual_horizon: int, rng: np.random.Generator, max_windows: int
) -> WindowPositions:
    """Draw windows of series of these lengths, half of them near the end; the longer a series, the more windows."""
    first = np.minimum(np.maximum(np.minimum(2 * season.length, lengths // 2), TUNING.min_history), lengths - 1)
    room = np.where(lengths > TUNING.min_history, lengths - first, 0)
    if not room.any():
        return WindowPositions(*np.zeros((3, 0), int))
    weight = np.sqrt(room)
    series = rng.choice(len(lengths), min(max_windows, int(room.sum())), p=weight / weight.sum())
    anywhere = rng.integers(first[series], lengths[series])
    late = lengths[series] - 1 - rng.integers(0, max(2, 2 * usual_horizon), len(series))
    origin = np.where(rng.random(len(series)) < 0.5, anywhere, np.maximum(first[series], late))
    return WindowPositions(series, origin, lengths[series])


def _with_targets(panel: Sequence[PreparedSeries], positions: WindowPositions) -> WindowPositions:
    """Keep the windows that have a target."""
    stops = np.minimum(positions.origin + NETWORK.horizon, positions.end)
    ranges = zip(positions.series, positions.origin, stops, strict=True)
    return positions.rows(np.array([panel[i].observed[origin:stop].any() for i, origin, stop in ranges], bool))
