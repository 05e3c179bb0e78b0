"""Which columns to use, and how far: decided by forecasts of later blocks of time from earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Integers
from nixtla_accessor.local.covariates.ridge import (
    BLOCKS,
    Equations,
    mean_squares,
    own_coefficients,
    pooled_coefficients,
)

_FIRST_TESTED = 4  # block
_PULLS = (3.0, 10.0, 30.0, 100.0, 300.0, 10_000.0)
_DECAYS = (1.0, 0.8, 0.6)
_USUAL = (30.0, 1.0)
_DOUBT = 1.5  # standard errors that a group's gain must exceed
_LEAST_SHARE = 0.15  # of an effect; a smaller one is left out
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
        See `own_coefficients` and `Equations.up_to`.
    pooled : ndarray of float64, shape (kept columns,)
        The panel's coefficients.
    scale : ndarray of float64, shape (kept columns,)
        See `mean_squares`.
    """

    kept: NDArray[np.bool_]
    shares: NDArray[np.float64]
    pull: float
    decay: float
    pooled: NDArray[np.float64]
    scale: NDArray[np.float64]


def select(equations: Equations, group_of: Integers) -> Selection:
    """Choose groups of columns for a panel.

    Parameters
    ----------
    equations : Equations
        Of a sample of the panel.
    group_of : ndarray of int, shape (columns,)
        The number of each column's group.
    """
    n_groups = int(group_of.max()) + 1
    shares = np.where(_group_shares(equations, group_of, n_groups, *_USUAL) > _LEAST_SHARE, 1.0, 0.0)
    pull, decay = _USUAL
    kept = shares[group_of] > 0
    if kept.any():
        some = equations.of(kept)
        pull, decay = min(
            ((pull, decay) for pull in _PULLS for decay in _DECAYS), key=lambda choice: _loss(some, *choice)
        )
        shares = _group_shares(some, group_of[kept], n_groups, pull, decay)
        kept = shares[group_of] > _LEAST_SHARE
    some = equations.of(kept).up_to(BLOCKS, decay)
    pooled = pooled_coefficients(some) if kept.any() else np.empty(0)
    return Selection(kept, shares[group_of[kept]], pull, decay, pooled, mean_squares(some))


def forward_coefficients(
    equations: Equations,
    pull: float,
    decay: float,
    pooled: NDArray[np.float64] | None = None,
    scale: NDArray[np.float64] | None = None,
) -> list[NDArray[np.float64]]:
    """Return the coefficients of each series before each tested block, from earlier blocks alone.

    Those of the panel, and the scale of the columns, are taken from the same equations where they are not given.
    """
    result = []
    for block in range(_FIRST_TESTED, BLOCKS):
        known = equations.up_to(block, decay)
        centre = pooled_coefficients(known) if pooled is None else pooled
        result.append(own_coefficients(known, centre, mean_squares(known) if scale is None else scale, pull))
    return result


def _loss(equations: Equations, pull: float, decay: float) -> float:
    """Compute the squared error of the tested blocks, less that of no regression."""
    total = 0.0
    for nth, coefficients in enumerate(forward_coefficients(equations, pull, decay)):
        block = _FIRST_TESTED + nth
        total -= 2 * float(np.einsum("sk,sk->", coefficients, equations.targets[:, block]))
        total += float(
            np.einsum("sk,skl,sl->", coefficients, equations.products[:, block], coefficients, optimize=True)
        )
    return total


def _group_shares(
    equations: Equations, group_of: Integers, n_groups: int, pull: float, decay: float
) -> NDArray[np.float64]:
    """Find how much of each group's effect, as earlier blocks have it, best forecasts the tested blocks.

    This is the non-negative garrote (Breiman, 1995) of groups, on forecasts of held-out blocks; a group must gain more
    than chance would.
    """
    member = (group_of[:, None] == np.arange(n_groups)).astype(float)
    products, gains = np.zeros((n_groups, n_groups)), []
    for nth, coefficients in enumerate(forward_coefficients(equations, pull, decay)):
        block = _FIRST_TESTED + nth
        by_group = coefficients[:, :, None] * member
        products += np.einsum("skg,skl,slh->gh", by_group, equations.products[:, block], by_group, optimize=True)
        gains.append(np.einsum("skg,sk->g", by_group, equations.targets[:, block]))
    gain = np.sum(gains, 0)
    spread = np.std(gains, 0, ddof=1) * np.sqrt(len(gains))
    doubt = _DOUBT * np.sqrt(np.maximum(np.diag(products), spread**2))
    return _garrote(products, gain - doubt)


def _garrote(products: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimise s' P s - 2 g' s over 0 <= s <= 1, coordinate by coordinate."""
    shares = np.zeros(len(gain))
    own = np.diag(products)
    for _ in range(_SWEEPS):
        for group in range(len(gain)):
            if own[group] > 0:
                rest = gain[group] - products[group] @ shares + own[group] * shares[group]
                shares[group] = min(max(rest / own[group], 0.0), 1.0)
    return shares


def series_shares(
    equations: Equations, forward: Sequence[NDArray[np.float64]], shares: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Find how much of the effects to believe in each series; (series,).

    Parameters
    ----------
    equations : Equations
    forward : sequence of ndarray
        See `forward_coefficients`.
    shares : ndarray, shape (columns,)
        What the panel says.
    prior : float
        The weight of the panel's word: a squared effect, in units of squared noise.
    """
    gain = np.full(len(equations.products), prior)
    size = gain.copy()
    for nth, coefficients in enumerate(forward):
        effect = coefficients * shares
        gain += np.einsum("sk,sk->s", effect, equations.targets[:, _FIRST_TESTED + nth])
        size += np.einsum("sk,skl,sl->s", effect, equations.products[:, _FIRST_TESTED + nth], effect, optimize=True)
    result: NDArray[np.float64] = np.clip(gain / size, 0, 1)
    return result
