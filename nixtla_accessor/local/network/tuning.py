"""Fine-tuning: a few optimiser steps on the windows of a panel, then back toward the base weights.

Training windows end before the last stretch of each series, which is held out. The answer is
``base + share * (trained - base)`` with the share of the least error on the hold-out, where its gain is larger than
chance would make it; else the base weights themselves. Past half the way it goes only where that is plainly better
still, since a hold-out is too trusting. So tuning does no harm that a hold-out can show. What it cannot
show is a later change of regime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.examples import Examples, examples, split
from nixtla_accessor.local.network.forecasting import prepared
from nixtla_accessor.local.network.history import Floats
from nixtla_accessor.local.network.losses import loss
from nixtla_accessor.local.network.model import Weights, backward, forward, frozen_part, opened_names
from nixtla_accessor.local.network.optimiser import Adam, flattened
from nixtla_accessor.seasons import Season

SHARES = (0.1, 0.25, 0.5)  # of the way from the base weights to the trained ones
FURTHER_SHARES = (0.75, 1.0)  # for panels unlike the prior: the hold-out is too trusting, so the gain must be plain
CERTAINTY = 1.0  # standard errors by which the hold-out's gain must exceed zero
FURTHER_CERTAINTY = 2.0  # and that of going further
CERTAINTY_FEW = 3.0  # more of them for panels of few series, whose windows are not independent
MOST_WINDOWS = 3000
FEWEST_WINDOWS = 512
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

    def windows_for(self, steps: int) -> int:
        """Say how many different windows so many steps are worth."""
        return min(MOST_WINDOWS, max(FEWEST_WINDOWS, self.batch * steps))


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

    Examples
    --------
    >>> import numpy as np
    >>> from nixtla_accessor.local.network.model import pretrained_weights
    >>> sales = [np.tile([10.0, 12.0, 15.0, 11.0], 10) + i for i in range(5)]
    >>> tuned = tune(pretrained_weights(), sales, Season(4, 0), steps=10, depth=1, loss="default", seed=0)
    >>> tuned.steps
    10
    """
    panel = [prepared(values, season) for values in series]
    rng = np.random.default_rng(seed)
    recipe = RECIPES[depth]
    training, held_out = split(panel, season, rng, most_training=recipe.windows_for(steps))
    if not len(training) or not len(held_out):
        return Tuned(weights, 0.0, 0, 0)
    trained, windows = _train(weights, examples(panel, season, training), recipe, steps, depth, loss, rng, progress)
    if not all(np.isfinite(tensor).all() for tensor in trained.values()):
        return Tuned(weights, 0.0, steps, windows)
    share = _best_share(weights, trained, examples(panel, season, held_out), depth, loss, len(panel))
    return Tuned(_between(weights, trained, share), share, steps, windows)


def _train(
    base: Weights,
    training: Examples,
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
    entering = frozen_part(base, training.windows.inputs, depth)
    batch = min(recipe.batch, len(entering))
    for step in range(steps):
        rows = rng.choice(len(entering), batch, replace=False)
        bases, targets = training.windows.bases[rows], training.targets.rows(rows)
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
    base: Weights, trained: Weights, held_out: Examples, depth: int, loss_name: str, n_series: int
) -> float:
    """Choose how far to go: to where the hold-out's mean gain, less what may be chance, is largest."""
    windows, targets = held_out.windows, held_out.targets
    entering = frozen_part(base, windows.inputs, depth)

    def errors(share: float) -> Floats:
        quantiles, _ = forward(_between(base, trained, share), entering, windows.bases, windows.unit, depth)
        return loss(loss_name, quantiles, targets).by_window

    before = errors(0.0)
    few = 1 + CERTAINTY_FEW / np.sqrt(n_series)

    def score(after: Floats, than: Floats, certainty: float) -> float:
        """Take the mean change of the errors, and what chance may have added to a gain; below 0 it is a plain gain."""
        change = np.clip((after - than) / (before + np.median(before) + 1e-9), -0.5, 0.5)
        return float(change.mean() + certainty * few * change.std() / np.sqrt(len(change)))

    scores = {share: score(errors(share), before, CERTAINTY) for share in SHARES}
    best = min(scores, key=scores.__getitem__)
    if scores[best] >= 0:
        return 0.0
    if best == SHARES[-1]:
        for share in FURTHER_SHARES:
            if score(errors(share), errors(best), FURTHER_CERTAINTY) >= 0:
                break
            best = share
    return best


def _between(base: Weights, trained: Weights, share: float) -> Weights:
    """Go part of the way from the base weights to the trained ones."""
    if share == 0:
        return base
    return {
        **base,
        **{name: base[name] + np.float32(share) * (tensor - base[name]) for name, tensor in trained.items()},
    }
