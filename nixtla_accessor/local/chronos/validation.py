"""The validation set of a panel: the last windows of its series, and how far to go from the base model by them.

A validation set is small, and what has gained on it may have gained by chance. So the tuned model is
``base + alpha * (trained - base)`` with the alpha of the largest clear gain; 0 where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.seasons import Season

ALPHAS = (0.25, 0.5, 1.0)
_MIN_POINTS = 10  # of a series that has validation windows
_MAX_WINDOWS = 64  # so that validating takes no longer than some training steps
_MAX_WINDOWS_OF_A_SERIES = 3
_WINDOWS_OF_A_SMALL_PANEL = 24
# Standard errors by which a gain must exceed zero, and more for few series, whose windows are not independent: as for
# the network in the package, where they were chosen.
_CERTAINTY = 1.0
_SMALL_PANEL_CERTAINTY = 3.0
_MIN_HORIZON = 6


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A panel in two parts.

    Attributes
    ----------
    training : list of ndarray
        The series up to their validation windows.
    histories, targets : list of ndarray
        Of the validation windows: what comes before each, and its values.
    horizon : int
        The length of the longest window, which is to be trained for as well.
    """

    training: list[Floats]
    histories: list[Floats]
    targets: list[Floats]
    horizon: int


def split_panel(series: Sequence[Floats], season: Season, max_horizon: int, rng: np.random.Generator) -> Split:
    """Split a panel into what to train on, and the windows at the ends of its series.

    The windows are a season long, two if it is short, and never more than a fifth of their series.

    Parameters
    ----------
    series : sequence of ndarray
        NaN is a missing value.
    season : Season
    max_horizon : int
        The longest window.
    rng : numpy.random.Generator
    """
    panel = [_without_leading_gap(values) for values in series]
    usual = min(max_horizon, max(_MIN_HORIZON, 2 * season.length if season.length < 12 else season.length))
    long_enough = [len(values) for values in panel if len(values) >= _MIN_POINTS]
    if not long_enough:
        return Split(panel, [], [], 1)
    horizon = min(usual, max(1, int(np.quantile(long_enough, 0.25)) // 5))
    per_series = int(np.clip(-(-_WINDOWS_OF_A_SMALL_PANEL // len(panel)), 1, _MAX_WINDOWS_OF_A_SERIES))
    training, histories, targets = [], [], []
    for values in panel:
        length = min(horizon, len(values) // 5)
        count = min(per_series, len(values) // (5 * length)) if len(values) >= _MIN_POINTS else 0
        training.append(values[: len(values) - count * length])
        for start in range(len(values) - count * length, len(values), max(length, 1)):
            histories.append(values[:start])
            targets.append(values[start : start + length])
    observed = [nth for nth, target in enumerate(targets) if np.isfinite(target).any()]
    if len(observed) > _MAX_WINDOWS:
        observed = sorted(rng.choice(observed, _MAX_WINDOWS, replace=False).tolist())
    return Split(training, [histories[nth] for nth in observed], [targets[nth] for nth in observed], horizon)


def pinball_losses(forecasts: Floats, levels: Sequence[float], targets: Sequence[Floats]) -> NDArray[np.float64]:
    """Compute the quantile loss of each window.

    Parameters
    ----------
    forecasts : ndarray, shape (windows, horizon, levels)
    levels : sequence of float
    targets : sequence of ndarray, each of at most ``horizon`` values
        NaN is a missing value.

    Returns
    -------
    ndarray of float64, shape (windows,)
        The mean over levels and observed steps.
    """
    result = np.empty(len(targets))
    for nth, target in enumerate(targets):
        error = target[:, None] - forecasts[nth, : len(target)].astype(np.float64)
        result[nth] = np.nanmean(np.maximum(np.asarray(levels) * error, (np.asarray(levels) - 1) * error))
    return result


def choose_alpha(loss_at: Callable[[float], NDArray[np.float64]], n_series: int) -> float:
    """Choose how far to go from the base model to the trained one.

    Parameters
    ----------
    loss_at : callable
        Returns the loss of each validation window, by alpha.
    n_series : int
        Of the panel.

    Returns
    -------
    float
        One of `ALPHAS`; 0 if no gain is clear, as of one window nobody can say how far its loss is chance.
    """
    base = loss_at(0.0)
    if len(base) < 2:
        return 0.0
    unit = base + np.median(base) + np.finfo(float).tiny
    certainty = _CERTAINTY * (1 + _SMALL_PANEL_CERTAINTY / np.sqrt(n_series))
    scores = {}
    for alpha in ALPHAS:
        change = np.clip((loss_at(alpha) - base) / unit, -0.5, 0.5)
        scores[alpha] = float(change.mean() + certainty * change.std() / np.sqrt(len(change)))
    best = min(scores, key=scores.__getitem__)
    return best if scores[best] < 0 else 0.0


def _without_leading_gap(values: Floats) -> Floats:
    """Return a series from its first value on: a history of missing values only has no scale."""
    observed = np.flatnonzero(np.isfinite(values))
    return values[observed[0] :] if len(observed) else values[:0]
