"""Paths whose values have the quantiles of a forecast at each step, and depend on each other as errors do."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.simulation.dependence import draw_scores

_LEAST_DRAWN = 100  # paths, so that few paths too are spread over the whole distribution


def draw_paths(
    quantiles: NDArray[np.float64],
    levels: Sequence[float],
    kinds: tuple[Floats, Floats],
    probabilities: Floats,
    n_paths: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw paths of each series.

    The order of the paths at each step is that of dependent normal variables (a Gaussian copula); their values at each
    step are the quantiles of the forecast at evenly spaced probabilities. So they agree with the forecast without the
    chance of a draw, from 100 paths on; fewer are a part of so many.

    Parameters
    ----------
    quantiles : ndarray of float64, shape (levels, series, horizon)
        Of the forecast; a higher level has no lower value.
    levels : sequence of float
        Their levels, ascending, strictly between 0 and 1.
    kinds : pair of ndarray of float64, shape (kinds,)
        Memory and shared part of each kind of dependence.
    probabilities : ndarray of float64, shape (series, kinds)
        How likely each kind is for each series.
    n_paths : int
    generator : numpy Generator

    Returns
    -------
    ndarray of float64, shape (paths, series, horizon)
    """
    n_drawn = max(n_paths, _LEAST_DRAWN)
    chosen = _draw_kinds(probabilities, n_drawn, generator)
    memory, shared = kinds
    scores = draw_scores(memory[chosen], shared[chosen], quantiles.shape[2], generator)
    ranks = scores.argsort(0).argsort(0)[:n_paths]
    paths: NDArray[np.float64] = np.take_along_axis(_evenly_spaced(quantiles, levels, n_drawn), ranks, 0)
    return paths


def _draw_kinds(probabilities: Floats, n_drawn: int, generator: np.random.Generator) -> Integers:
    """Draw a kind of dependence for each path of each series; (paths, series)."""
    draws = generator.random((n_drawn, len(probabilities)))
    cumulated = probabilities.cumsum(1)
    kinds = [np.searchsorted(each, draws[:, nth] * each[-1]) for nth, each in enumerate(cumulated)]
    return np.stack(kinds, 1)


def _evenly_spaced(quantiles: NDArray[np.float64], levels: Sequence[float], count: int) -> NDArray[np.float64]:
    """Return the quantiles at evenly spaced probabilities, linear in those of the normal distribution between levels.

    Beyond the outermost levels they stay there.
    """
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    at = np.array([NormalDist().inv_cdf((nth + 0.5) / count) for nth in range(count)])
    at = np.clip(at, normal[0], normal[-1])
    left = np.clip(np.searchsorted(normal, at, side="right") - 1, 0, len(normal) - 2)
    weight = ((at - normal[left]) / (normal[left + 1] - normal[left]))[:, None, None]
    lower, upper = quantiles[left], quantiles[left + 1]
    spaced: NDArray[np.float64] = np.minimum(lower + weight * (upper - lower), upper)
    return spaced
