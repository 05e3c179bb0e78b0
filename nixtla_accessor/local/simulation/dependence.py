"""How the errors of a forecast depend on each other over the horizon, learnt from forecasts of the past.

In units of their spread, the errors at lead times s < t are taken to have the correlation
``shared + (1 - shared) * memory**(t - s) * sd(s) / sd(t)``. The second part is that of the optimal forecast of a first
order autoregression, whose errors have the standard deviation ``sd``: white noise where the memory is 0, a random walk
where it is 1. The first is an error of the level, which all lead times share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers

MEMORIES = np.array([-0.4, 0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.88, 0.94, 0.97, 0.99, 1.0])
SHARES = np.array([0.0, 0.05, 0.12, 0.25, 0.4, 0.6])

_HALF_OF_NORMAL = 0.6745  # standard deviations within which half of all normal variables lie
_CLIP = 3.0  # standard deviations: an outlier says little of the dependence
_SCALE_VALUES = 1  # values that the spread of the panel's errors counts for, where that of a series is measured
_PRIOR_SERIES = 0.3  # series that the even prior over the kinds of dependence counts for
_ROUNDS = 40  # of the estimate of how common each kind is
_EVERY_LEAD_UNTIL, _LEAD_RATIO = 16, 1.25  # later, the lead times that are compared lie apart


@dataclass(frozen=True, slots=True, eq=False)
class Dependence:
    """How likely each kind of dependence is.

    Attributes
    ----------
    memory, shared : ndarray of float64, shape (kinds,)
        The kinds: each of `MEMORIES` with each of `SHARES`.
    by_series : ndarray of float64, shape (series, kinds)
        Of each series that was looked at; a row adds up to 1.
    of_panel : ndarray of float64, shape (kinds,)
        Of any other series of the panel.
    """

    memory: Floats
    shared: Floats
    by_series: Floats
    of_panel: Floats


def estimate_dependence(scores: Floats, series: Integers, n_series: int, step: int) -> Dependence:
    """Estimate how the errors of each series depend on each other, with strength borrowed from the panel.

    How common each kind of dependence is in the panel is estimated together with the kind of each series (empirical
    Bayes), so that a series with few windows is taken for one like the others.

    Parameters
    ----------
    scores : ndarray of float64, shape (windows, horizon)
        Errors of forecasts of the past, in units of their spread; finite.
    series : ndarray of int64, shape (windows,)
        The series of each window.
    n_series : int
    step : int
        Steps from one window of a series to the next. What overlapping windows have in common counts once.

    Examples
    --------
    >>> walks = np.random.default_rng(0).normal(size=(200, 12)).cumsum(1) / np.sqrt(np.arange(1, 13))
    >>> found = estimate_dependence(walks, np.arange(200) // 20, 10, 12)
    >>> bool((found.by_series @ found.memory).min() > 0.95)
    True
    """
    memory, shared = (each.ravel() for each in np.meshgrid(MEMORIES, SHARES, indexing="ij"))
    horizon = scores.shape[1]
    leads = _compared_leads(horizon)
    compared = scores[:, leads - 1]
    usual = float(np.median(np.abs(compared)) / _HALF_OF_NORMAL) if len(compared) else 0.0
    compared = np.clip(compared / (usual or 1.0), -_CLIP, _CLIP)
    squares, determinants = _quadratic_forms(compared, leads)
    n_windows = np.bincount(series, minlength=n_series)
    total_squares = np.stack([np.bincount(series, each, n_series) for each in squares], 1)
    total_determinants = n_windows[:, None] * determinants
    n_values = n_windows[:, None] * len(leads)
    # the spread of the errors is not known: a multivariate t distribution
    likelihood = -0.5 * (total_determinants + (n_values + _SCALE_VALUES) * np.log1p(total_squares / _SCALE_VALUES))
    distinct = np.clip(((n_windows - 1) * min(step, horizon) + horizon) / (horizon * np.maximum(n_windows, 1)), 0, 1)
    likelihood *= distinct[:, None]
    even = np.full(len(memory), 1 / len(memory))
    of_panel, by_series = even, np.tile(even, (n_series, 1))
    looked_at = n_windows > 0
    for _ in range(_ROUNDS):
        by_series = _normalise(likelihood + np.log(of_panel))
        of_panel = (by_series[looked_at].sum(0) + _PRIOR_SERIES * even) / (looked_at.sum() + _PRIOR_SERIES)
    return Dependence(memory, shared, by_series, of_panel)


def draw_scores(memory: Floats, shared: Floats, horizon: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw standard normal variables for each lead time, which depend on each other over time.

    Parameters
    ----------
    memory, shared : ndarray of float64, shape (...)
        The kind of dependence of each path.
    horizon : int
    generator : numpy Generator

    Returns
    -------
    ndarray of float64, shape (..., horizon)
    """
    result = np.empty((*memory.shape, horizon))
    deviations = _deviations(memory, np.arange(1, horizon + 1))
    level = np.sqrt(shared) * generator.standard_normal(memory.shape)
    own = np.sqrt(1 - shared)
    error: Floats = np.zeros(memory.shape)
    for step in range(horizon):
        error = memory * error + generator.standard_normal(memory.shape)
        result[..., step] = level + own * error / deviations[..., step]
    return result


def _quadratic_forms(scores: Floats, leads: Integers) -> tuple[Floats, Floats]:
    """Return for each kind ``z' R**-1 z`` of each window, and the logarithm of the determinant of R.

    R is the matrix of correlations. Its second part is that of a Markov chain, whose inverse is found by predicting
    each lead time from the one before; the first is of rank one.

    Returns
    -------
    squares : ndarray, shape (kinds, windows)
    determinants : ndarray, shape (kinds,)
    """
    deviations = _deviations(MEMORIES, leads)
    squares, determinants = [], []
    for memory, deviation in zip(MEMORIES, deviations, strict=True):
        kept = memory ** np.diff(leads).astype(float) * deviation[:-1] / deviation[1:]
        left = np.sqrt(1 - kept**2)
        unlike = np.concatenate([scores[:, :1], (scores[:, 1:] - kept * scores[:, :-1]) / left], 1)
        level = np.concatenate([[1.0], (1 - kept) / left])
        own_squares, along_level, of_level = (unlike**2).sum(1), unlike @ level, level @ level
        for shared in SHARES:
            ratio = shared / (1 - shared)
            common = ratio * along_level**2 / (1 + ratio * of_level)
            squares.append((own_squares - common) / (1 - shared))
            determinants.append(len(leads) * np.log1p(-shared) + 2 * np.log(left).sum() + np.log1p(ratio * of_level))
    return np.array(squares), np.array(determinants)


def _deviations(memory: Floats, leads: Integers) -> Floats:
    """Return the standard deviation of the errors of an autoregression, with steps of 1; (..., leads)."""
    squared = memory[..., None] ** 2
    is_walk = squared > 1 - 1e-9
    geometric = (1 - squared ** leads.astype(float)) / np.where(is_walk, 1.0, 1 - squared)
    deviations: Floats = np.sqrt(np.where(is_walk, leads.astype(float), geometric))
    return deviations


def _compared_leads(horizon: int) -> Integers:
    """Return the lead times whose errors are compared: the first ones, and later ones in growing distances."""
    leads = list(range(1, min(horizon, _EVERY_LEAD_UNTIL) + 1))
    while leads[-1] < horizon:
        leads.append(min(round(leads[-1] * _LEAD_RATIO), horizon))
    return np.array(leads)


def _normalise(logarithms: Floats) -> Floats:
    """Return probabilities from their logarithms, each row up to a constant."""
    weights = np.exp(logarithms - logarithms.max(1, keepdims=True))
    probabilities: Floats = weights / weights.sum(1, keepdims=True)
    return probabilities
