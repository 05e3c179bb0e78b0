"""Fine-tuning: a few optimiser steps on the windows of a panel, then back toward the base weights.

Training windows end before the last stretch of each series, which is held out. The answer is
``base + share * (trained - base)`` with the share of the least error on the hold-out, where its gain is larger than
chance would make it; else the base weights themselves. So tuning does no harm that a hold-out can show. What it cannot
show is a later change of regime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.blas import one_blas_thread
from nixtla_accessor.local.features import HORIZON, Floats, Windows, extract, right_aligned
from nixtla_accessor.local.forecasting import BATCH, Prepared, prepared
from nixtla_accessor.local.losses import Targets, loss
from nixtla_accessor.local.network import Weights, backward, forward, frozen_part, opened_names
from nixtla_accessor.local.optimiser import Adam, flattened
from nixtla_accessor.local.seasons import Season

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the way from the base weights to the trained ones
CERTAINTY = 0.5  # standard errors by which the hold-out's gain must exceed zero
CERTAINTY_FEW = 3.0  # more of them for panels of few series, whose windows are not independent
TARGET_LIMIT = 60.0  # in z
MOST_WINDOWS = 3000
MOST_HELD_OUT = 512
SHORTEST_HISTORY = 4
AVERAGED_FROM = 50  # steps from which on the running average of the weights is taken
AVERAGING = 0.05


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train at a depth: the peak of the learning rate for up to so many steps, and windows a step."""

    rate: float
    steps: int
    batch: int

    def rate_at(self, step: int, steps: int) -> float:
        """Find the rate: a linear warm-up over a tenth of the steps, then half a cosine; lower for more steps."""
        peak = self.rate * min(1.0, self.steps / steps) ** 0.66
        warm_up = max(1.0, 0.1 * steps)
        cosine = 0.5 + 0.5 * np.cos(np.pi * max(0.0, step + 1 - warm_up) / max(1.0, steps + 1 - warm_up))
        return float(peak * min(1.0, (step + 1) / warm_up) * cosine)


RECIPES = {
    1: Recipe(rate=1.5e-2, steps=10, batch=1024),
    2: Recipe(rate=4.5e-3, steps=50, batch=128),
    3: Recipe(rate=2e-3, steps=50, batch=128),
    4: Recipe(rate=1e-3, steps=50, batch=128),
    5: Recipe(rate=7e-4, steps=50, batch=128),
}


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """The outcome of fine-tuning.

    Attributes
    ----------
    weights : dict of ndarray
        The base weights themselves where share is 0.
    share : float
        How far they are from the base weights toward the trained ones, 0 to 1.
    steps : int
        Optimiser steps taken; 0 where no series is long enough to train on.
    windows : int
        Training windows seen, repeated ones included.
    """

    weights: Weights
    share: float
    steps: int
    windows: int


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Windows and what came after them."""

    windows: Windows
    targets: Targets


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where windows lie in a panel: the series, the origin (first target), and the end of the targets."""

    series: NDArray[np.integer]
    origin: NDArray[np.integer]
    end: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.series)

    def rows(self, chosen: NDArray[Any]) -> Places:
        """Pick some places."""
        return Places(self.series[chosen], self.origin[chosen], self.end[chosen])

    def with_targets(self, panel: Sequence[Prepared]) -> Places:
        """Keep those where not every target is missing."""
        places = zip(self.series, self.origin, self.end, strict=True)
        return self.rows(
            np.array(
                [panel[i].observed[origin : origin + HORIZON][: end - origin].any() for i, origin, end in places], bool
            )
        )


@one_blas_thread
def tune(
    weights: Weights,
    series: Sequence[NDArray[np.floating[Any]]],
    season: Season,
    *,
    steps: int,
    depth: int,
    loss: str,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Tuned:
    """Fine-tune the network on a panel.

    Parameters
    ----------
    weights : dict of ndarray
        To start from; not written into.
    series : sequence of ndarray, each of shape (points,)
        At least one point each. NaN is a missing value.
    season : Season
    steps : int
        Optimiser steps.
    depth : int
        1 to 5: how much of the network is trained, see `network.opened_names`.
    loss : str
        See `losses.loss`.
    seed : int
        The outcome depends on the arguments alone.
    progress : callable, optional
        Called with the number of steps done after each.

    Returns
    -------
    Tuned
    """
    panel = [prepared(values, season) for values in series]
    rng = np.random.default_rng(seed)
    recipe = RECIPES[depth]
    training, held_out = _split(panel, season, rng, most=min(MOST_WINDOWS, max(recipe.batch * steps, 512)))
    if not len(training) or not len(held_out):
        return Tuned(weights, 0.0, 0, 0)
    trained, windows = _train(weights, _examples(panel, season, training), recipe, steps, depth, loss, rng, progress)
    if not all(np.isfinite(tensor).all() for tensor in trained.values()):
        return Tuned(weights, 0.0, steps, windows)
    share = _best_share(weights, trained, _examples(panel, season, held_out), depth, loss, len(panel))
    return Tuned(_between(weights, trained, share), share, steps, windows)


def _train(
    base: Weights,
    examples: Examples,
    recipe: Recipe,
    steps: int,
    depth: int,
    loss_name: str,
    rng: np.random.Generator,
    progress: Callable[[int], None] | None,
) -> tuple[Weights, int]:
    """Train the opened tensors; answers them, and the number of windows seen."""
    parameters, opened = flattened({name: base[name] for name in opened_names(depth)})
    weights = {**base, **opened}
    average = parameters.copy()
    optimiser = Adam(len(parameters), betas=(0.9, 0.99))
    entering = frozen_part(base, examples.windows.inputs, depth)
    batch = min(recipe.batch, len(entering))
    for step in range(steps):
        rows = rng.choice(len(entering), batch, replace=False)
        bases, targets = examples.windows.bases[rows], examples.targets.rows(rows)
        quantiles, tape = forward(weights, entering[rows], bases, targets.unit, depth)
        gradients = backward(weights, tape, loss(loss_name, quantiles, targets).gradient)
        gradient = np.concatenate([gradients[name].ravel() for name in opened])
        optimiser.step(parameters, gradient, recipe.rate_at(step, steps))
        average += AVERAGING * (parameters - average)
        if progress:
            progress(step + 1)
    if steps >= AVERAGED_FROM:
        parameters[:] = average
    return opened, steps * batch


def _best_share(
    base: Weights, trained: Weights, examples: Examples, depth: int, loss_name: str, n_series: int
) -> float:
    """Choose how far to go: to where the hold-out's mean gain, less what may be chance, is largest."""
    windows, targets = examples.windows, examples.targets
    entering = frozen_part(base, windows.inputs, depth)

    def errors(share: float) -> Floats:
        quantiles, _ = forward(_between(base, trained, share), entering, windows.bases, windows.unit, depth)
        return loss(loss_name, quantiles, targets).by_window

    before = errors(0.0)
    certainty = CERTAINTY * (1 + CERTAINTY_FEW / np.sqrt(n_series))
    best, best_score = 0.0, 0.0
    for share in SHARES:
        change = np.clip((errors(share) - before) / (before + np.median(before) + 1e-9), -0.5, 0.5)
        score = change.mean() + certainty * change.std() / np.sqrt(len(change))
        if score < best_score:
            best, best_score = share, score
    return best


def _between(base: Weights, trained: Weights, share: float) -> Weights:
    """Go part of the way from the base weights to the trained ones."""
    if share == 0:
        return base
    return {
        **base,
        **{name: base[name] + np.float32(share) * (tensor - base[name]) for name, tensor in trained.items()},
    }


def _split(panel: Sequence[Prepared], season: Season, rng: np.random.Generator, *, most: int) -> tuple[Places, Places]:
    """Choose training windows, and hold-out windows from the ends of the series; their targets do not overlap."""
    lengths = np.array([len(each.values) for each in panel])
    usual_horizon = min(HORIZON, max(6, 2 * season.length if season.length < 12 else season.length))
    horizon = np.minimum(usual_horizon, np.maximum(lengths // 5, 1))
    week = -(-season.second // usual_horizon) if season.second == 7 * season.length else 0  # weekends count too
    origins = int(np.clip(np.ceil(48 / len(panel)), max(3, week), 14))
    held = np.where(lengths < 6, 0, np.minimum(origins, np.maximum(lengths // (5 * horizon), 1)))
    series = np.repeat(np.arange(len(panel)), held)
    nth = np.concatenate([np.arange(count) for count in held]) if len(series) else series
    end = lengths[series] - nth * horizon[series]
    held_out = Places(series, end - horizon[series], end)
    if len(held_out) > MOST_HELD_OUT:
        held_out = held_out.rows(rng.choice(len(held_out), MOST_HELD_OUT, replace=False))

    cut = lengths - held * horizon  # training targets end here
    first = np.minimum(np.maximum(np.minimum(2 * season.length, cut // 2), SHORTEST_HISTORY), cut - 1)
    room = np.where(cut > SHORTEST_HISTORY, cut - first, 0)
    if not room.any():
        nothing = np.zeros(0, int)
        return Places(nothing, nothing, nothing), held_out
    weight = np.sqrt(room)
    series = rng.choice(len(panel), min(most, int(room.sum())), p=weight / weight.sum())
    anywhere = rng.integers(first[series], cut[series])
    late = cut[series] - 1 - rng.integers(0, max(2, 2 * usual_horizon), len(series))
    origin = np.where(rng.random(len(series)) < 0.5, anywhere, np.maximum(first[series], late))
    training = Places(series, origin, cut[series])
    return training.with_targets(panel), held_out.with_targets(panel)


def _examples(panel: Sequence[Prepared], season: Season, places: Places) -> Examples:
    """Make the windows at these places, and targets; what is missing or beyond the end has no importance."""
    windows = []
    for start in range(0, len(places), BATCH):
        chosen = slice(start, start + BATCH)
        histories = [
            panel[i].values[:origin] for i, origin in zip(places.series[chosen], places.origin[chosen], strict=True)
        ]
        windows.append(extract(*right_aligned(histories, season), season))
    joined = Windows.joined(windows)
    values, importance = np.zeros((len(places), HORIZON)), np.zeros((len(places), HORIZON), np.float32)
    for row, (i, origin, end) in enumerate(zip(places.series, places.origin, places.end, strict=True)):
        stop = min(origin + HORIZON, end)
        values[row, : stop - origin] = panel[i].values[origin:stop]
        importance[row, : stop - origin] = panel[i].observed[origin:stop]
    z = np.clip((values - joined.location) / joined.scale, -TARGET_LIMIT, TARGET_LIMIT).astype(np.float32)
    offset = (joined.location / joined.scale).astype(np.float32)
    return Examples(joined, Targets(z, importance, joined.unit, offset))
