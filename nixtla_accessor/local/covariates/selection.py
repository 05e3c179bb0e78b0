"""Which columns to use, and how far: decided by how well other blocks of time explain a block that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Integers
from nixtla_accessor.local.covariates.events import Events
from nixtla_accessor.local.covariates.ridge import BLOCKS, Equations

_PULLS = (3.0, 10.0, 30.0, 100.0, 1000.0)
_DECAYS = (1.0, 0.8, 0.6)
USUAL_PULL, USUAL_DECAY = 30.0, 1.0
_DOUBT = 0.2  # standard errors by which a group's gain is reduced
_LEAST_SHARE = 0.05  # of an effect; a smaller one is left out
_CLEAR = 2.0  # standard errors that the gain of all groups together must exceed
_SWEEPS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What a hold-out found worth using.

    Attributes
    ----------
    kept : ndarray of bool, shape (columns,)
    shares : ndarray of float64, shape (kept columns,)
        0 to 1: how much of each column's effect to believe.
    pull, decay : float
        See `Sums.own_coefficients` and `Equations.sums`.
    pooled : ndarray of float64, shape (kept columns,)
        The panel's coefficients.
    scale : ndarray of float64, shape (kept columns,)
        See `Sums.mean_squares`.
    """

    kept: NDArray[np.bool_]
    shares: NDArray[np.float64]
    pull: float
    decay: float
    pooled: NDArray[np.float64]
    scale: NDArray[np.float64]


def select(equations: Equations, group_of: Integers, events: Events) -> Selection:
    """Choose groups of columns for a panel.

    Parameters
    ----------
    equations : Equations
        Of a sample of the panel.
    group_of : ndarray of int, shape (columns,)
        The number of each column's group.
    events : Events
        Columns that no hold-out can judge: they are believed where they are clear, and have no say about the others.
    """
    n_groups = int(group_of.max()) + 1
    frequent = ~events.columns
    group_shares, pull, decay = np.zeros(n_groups), USUAL_PULL, USUAL_DECAY
    if frequent.any():
        others = equations.without(events.columns, events.coefficients)
        group_shares, pull, decay = _choose(others, group_of[frequent], n_groups)
    shares = np.where(frequent, group_shares[group_of], events.clear)
    used = np.bincount(group_of, shares > _LEAST_SHARE, n_groups) > 0
    kept = used[group_of]
    sums = equations.of(kept).sums(decay)
    return Selection(kept, shares[kept], pull, decay, sums.pooled_coefficients(), sums.mean_squares())


def _choose(equations: Equations, group_of: Integers, n_groups: int) -> tuple[NDArray[np.float64], float, float]:
    """Return the share of each group, the pull and the decay that explain blocks held out best."""
    shares = _group_shares(equations, group_of, n_groups, USUAL_PULL, USUAL_DECAY)
    pull, decay = USUAL_PULL, USUAL_DECAY
    kept = shares[group_of] > _LEAST_SHARE
    if kept.any():
        some = equations.of(kept)
        decay = min(_DECAYS, key=lambda decay: _loss(some, USUAL_PULL, decay))
        pull = min(_PULLS, key=lambda pull: _loss(some, pull, decay))
        shares = _group_shares(some, group_of[kept], n_groups, pull, decay)
        if not _gains_more_than_chance(some, shares[group_of[kept]], pull, decay):
            return np.zeros(n_groups), USUAL_PULL, USUAL_DECAY
    return np.where(shares > _LEAST_SHARE, shares, 0.0), pull, decay


def held_out_coefficients(
    equations: Equations,
    pull: float,
    decay: float,
    pooled: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
) -> list[NDArray[np.float64]]:
    """Return, for each block, the coefficients of each series that all other blocks imply.

    Those of the panel, and the scale of the columns, are taken from the same blocks where they are not given.
    """
    result = []
    total = equations.sums(decay)
    for block in range(BLOCKS):
        known = equations.sums_without(block, decay, total)
        result.append(
            known.own_coefficients(
                known.pooled_coefficients() if pooled is None else pooled,
                known.mean_squares() if scale is None else scale,
                pull,
            )
        )
    return result


def series_shares(
    equations: Equations, held_out: Sequence[NDArray[np.float64]], shares: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Find how much of the effects to believe in each series; (series,).

    Parameters
    ----------
    equations : Equations
    held_out : sequence of ndarray
        See `held_out_coefficients`.
    shares : ndarray, shape (columns,)
        What the panel says.
    prior : float
        The weight of the panel's word: a squared effect, in units of squared noise.
    """
    gain = np.full(equations.counts.shape[1], prior)
    size = gain.copy()
    for block, coefficients in enumerate(held_out):
        effect = coefficients * shares
        gain += (effect * equations.targets[block]).sum(1)
        size += ((equations.products[block] @ effect[:, :, None])[:, :, 0] * effect).sum(1)
    result: NDArray[np.float64] = np.clip(gain / size, 0, 1)
    return result


def _loss(equations: Equations, pull: float, decay: float) -> float:
    """Compute the squared error of the blocks that are held out, less that of no regression."""
    total = 0.0
    for block, coefficients in enumerate(held_out_coefficients(equations, pull, decay)):
        total -= 2 * float((coefficients * equations.targets[block]).sum())
        total += float(((equations.products[block] @ coefficients[:, :, None])[:, :, 0] * coefficients).sum())
    return total


def _group_shares(
    equations: Equations, group_of: Integers, n_groups: int, pull: float, decay: float
) -> NDArray[np.float64]:
    """Find how much of each group's effect, as the other blocks have it, best explains the blocks held out.

    This is the non-negative garrote (Breiman, 1995) of groups, on held-out blocks.
    """
    member = (group_of[:, None] == np.arange(n_groups)).astype(float)
    products, gains = np.zeros((n_groups, n_groups)), []
    for block, coefficients in enumerate(held_out_coefficients(equations, pull, decay)):
        by_group = coefficients[:, :, None] * member
        products += (by_group.transpose(0, 2, 1) @ (equations.products[block] @ by_group)).sum(0)
        gains.append((coefficients * equations.targets[block]).sum(0) @ member)
    spread = np.std(gains, 0, ddof=1) * np.sqrt(BLOCKS)
    doubt = _DOUBT * np.sqrt(np.maximum(np.diag(products), spread**2))
    return _garrote(products, np.sum(gains, 0) - doubt)


def _gains_more_than_chance(equations: Equations, shares: NDArray[np.float64], pull: float, decay: float) -> bool:
    """Return whether the blocks held out are explained clearly better than by nothing."""
    gains = []
    for block, coefficients in enumerate(held_out_coefficients(equations, pull, decay)):
        effect = coefficients * shares
        gain = 2 * float((effect * equations.targets[block]).sum())
        gains.append(gain - float(((equations.products[block] @ effect[:, :, None])[:, :, 0] * effect).sum()))
    return bool(np.sum(gains) > _CLEAR * np.std(gains, ddof=1) * np.sqrt(BLOCKS))


def _garrote(products: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise s' P s - 2 g' s over 0 <= s <= 1, coordinate by coordinate."""
    shares = np.zeros(len(gain))
    own = np.diag(products)
    for _ in range(_SWEEPS):
        for group in np.flatnonzero(own > 0):
            rest = gain[group] - products[group] @ shares + own[group] * shares[group]
            shares[group] = min(max(rest / own[group], 0.0), 1.0)
    return shares
