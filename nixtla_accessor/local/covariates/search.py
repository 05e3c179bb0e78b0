"""How to regress a panel: on which columns, on which scale and with which filter, decided on some of its series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.covariates.alignment import MOST_POINTS, batches
from nixtla_accessor.local.covariates.columns import Feature, Group, NumericFeature
from nixtla_accessor.local.covariates.events import Events, are_rare, clear_events
from nixtla_accessor.local.covariates.panel import (
    Panel,
    Rows,
    filter_columns,
    make_columns,
    make_rows,
    with_coefficients,
)
from nixtla_accessor.local.covariates.ridge import Equations, make_robust_equations
from nixtla_accessor.local.covariates.selection import USUAL_DECAY, USUAL_PULL, Selection, select

_SAMPLE_SERIES = 300
_SAMPLE_POINTS = 50_000
_MAX_PERSISTENCE = 0.9
_LEAST_PERSISTENCE = 0.1
_HISTORIC_LAGS = 3
_MOST_LAG = 100
_LEAST_ERRORS = 3.5  # standard errors by which a lag must be correlated, as the best of many
_USUAL_PERSISTENCE = 0.7
_LEAST_SQUARE = 1e-18
# Chosen on counts, which lie between both, and of which intervals that grow with the level hold more; sums have 0.07
_LEAST_GAIN_OF_ADDING = 0.04


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """How to regress.

    Attributes
    ----------
    features : sequence of Feature
    groups : tuple of (int, str)
        All that were tried.
    group_of : ndarray of int, shape (columns,)
        The number of each column's group, kept or not.
    selection : Selection
    shifts : ndarray of float64, shape (series,), or None
        For a logarithmic scale: what is added to each series before.
    persistence : float
        Of the errors, from step to step.
    spread : float
        Mean logarithm of the spread of the errors, in the units of the series.
    """

    features: Sequence[Feature]
    groups: tuple[Group, ...]
    group_of: Integers
    selection: Selection
    shifts: NDArray[np.float64] | None
    persistence: float
    spread: float

    @property
    def kept_groups(self) -> tuple[Group, ...]:
        """The groups that are used."""
        used = set(self.group_of[self.selection.kept].tolist())
        return tuple(group for nth, group in enumerate(self.groups) if nth in used)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some series of the sample, and their columns without level and season."""

    rows: Integers
    filtered: Floats


def choose(panel: Panel, features: Sequence[Feature]) -> Choice | None:
    """Choose how to regress a panel; None if a hold-out finds no covariate worth using."""
    sample = _sample(panel)
    features = [
        _with_lags(panel, feature, number, sample) if panel.covariates[number].future is None else feature
        for number, feature in enumerate(features)
    ]
    groups = tuple((number, kind) for number, feature in enumerate(features) for kind in feature.kinds)
    if not groups:
        return None
    parts = [
        _Part(rows, filter_columns(panel, make_columns(panel, features, groups, rows, _length(panel, rows)), rows))
        for rows in sample
    ]
    groups, parts, are_events = _find_events(groups, parts, features)
    choice = _choose_on_scale(panel, parts, features, groups, are_events, None)
    shifts = panel.log_shifts()
    if shifts is not None:
        logarithmic = _choose_on_scale(panel, parts, features, groups, are_events, shifts)
        choice = choice if choice.spread < logarithmic.spread - _LEAST_GAIN_OF_ADDING else logarithmic
    return choice if choice.selection.kept.any() else None


def _find_events(
    groups: tuple[Group, ...], parts: Sequence[_Part], features: Sequence[Feature]
) -> tuple[tuple[Group, ...], list[_Part], NDArray[np.bool_]]:
    """Find the columns of events, and leave their lags and shapes out: so many columns fit a few days by chance."""
    group_of = _number_groups(groups, features)
    # an event is known ahead, and no number of many values: of such a one few blocks may hold most, as of a random walk
    may_be = np.array([(number, "value") in groups and (number, "hinges") not in groups for number, _ in groups])
    are_events = may_be[group_of] & are_rare([part.filtered for part in parts])
    is_left_out = np.array([kind != "value" for _, kind in groups])
    is_left_out &= np.bincount(group_of, ~are_events, len(groups)) == 0
    columns = ~is_left_out[group_of]
    groups = tuple(group for group, left_out in zip(groups, is_left_out, strict=True) if not left_out)
    return groups, [_Part(part.rows, part.filtered[:, columns]) for part in parts], are_events[columns]


def _number_groups(groups: tuple[Group, ...], features: Sequence[Feature]) -> Integers:
    """Return the number of each column's group."""
    return np.repeat(np.arange(len(groups)), [features[number].width(kind) for number, kind in groups])


def _length(panel: Panel, rows: Integers) -> int:
    return min(int(panel.ends[rows].max()), MOST_POINTS)


def _sample(panel: Panel) -> list[Integers]:
    """Return series spread evenly over the panel, in groups of similar length."""
    n_series = len(panel.ends)
    points = int(np.minimum(panel.ends, MOST_POINTS).sum())
    count = max(1, min(n_series, _SAMPLE_SERIES, n_series * _SAMPLE_POINTS // points))
    rows = np.linspace(0, n_series - 1, count).astype(int)
    return [rows[some] for some in batches(panel.ends[rows])]


def _with_lags(panel: Panel, feature: Feature, number: int, sample: Sequence[Integers]) -> Feature:
    """Choose the lags of a covariate that is known of the past only: those at which it is clearly correlated."""
    if not (feature.kinds and isinstance(feature, NumericFeature)):
        return feature
    most = min(max(2 * panel.season.length, 12) + 1, _MOST_LAG, int(np.median(panel.ends)) // 4)
    products, squares = np.zeros(most), np.zeros(most)
    for some in sample:
        values = make_columns(panel, [feature] * (number + 1), [(number, "value")], some, _length(panel, some))
        rows = make_rows(panel, filter_columns(panel, values, some), some, None, _USUAL_PERSISTENCE)
        changes = rows.changes * rows.weigh(rows.changes)
        for lag in range(1, min(most, changes.shape[1] - 1) + 1):
            product = changes[:, lag:] * rows.columns[:, 0, :-lag]
            products[lag - 1] += float(product.sum())
            squares[lag - 1] += float((product**2).sum())
    errors = np.abs(products) / np.sqrt(np.maximum(squares, np.finfo(float).tiny))
    strongest = [lag for lag in np.argsort(-errors, kind="stable")[:_HISTORIC_LAGS] if errors[lag] > _LEAST_ERRORS]
    return replace(feature, kinds=("lags",) if strongest else (), lags=tuple(sorted(int(lag) + 1 for lag in strongest)))


def _choose_on_scale(
    panel: Panel,
    parts: Sequence[_Part],
    features: Sequence[Feature],
    groups: tuple[Group, ...],
    are_events: NDArray[np.bool_],
    shifts: NDArray[np.float64] | None,
) -> Choice:
    """Choose among the groups, for effects that add up on one scale."""
    group_of = _number_groups(groups, features)
    persistence = 0.0
    errors, selection = _try(panel, parts, group_of, are_events, shifts, persistence)
    estimated = _persistence(errors)
    if estimated > _LEAST_PERSISTENCE:
        persistence = estimated
        errors, selection = _try(panel, parts, group_of, are_events, shifts, persistence)
    return Choice(features, groups, group_of, selection, shifts, persistence, _spread(errors))


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """What a regression leaves of the filtered target of some series; see `Rows`."""

    values: NDArray[np.float32]
    rows: Rows


def _try(
    panel: Panel,
    parts: Sequence[_Part],
    group_of: Integers,
    are_events: NDArray[np.bool_],
    shifts: NDArray[np.float64] | None,
    persistence: float,
) -> tuple[list[_Errors], Selection]:
    """Select columns with one filter, and compute the errors of each part of the sample, their outliers clipped."""
    filtered = [make_rows(panel, part.filtered, part.rows, shifts, persistence) for part in parts]
    equations = make_robust_equations(filtered, _usual_coefficients)
    coefficients = _usual_coefficients(equations)
    clear = clear_events(filtered, coefficients, are_events)
    selection = select(equations, group_of, Events(are_events, clear, coefficients[:, are_events]))
    coefficients = np.zeros_like(coefficients)
    sums = equations.of(selection.kept).sums(selection.decay)
    own = sums.own_coefficients(selection.pooled, selection.scale, selection.pull)
    coefficients[:, selection.kept] = own * selection.shares
    errors = []
    for rows, own in with_coefficients(filtered, coefficients):
        left = rows.errors(own)
        errors.append(_Errors(left * rows.weigh(left), rows))
    return errors, selection


def _usual_coefficients(equations: Equations) -> NDArray[np.float64]:
    sums = equations.sums(USUAL_DECAY)
    return sums.own_coefficients(sums.pooled_coefficients(), sums.mean_squares(), USUAL_PULL)


def _persistence(parts: Sequence[_Errors]) -> float:
    """Estimate the autocorrelation of the errors from one step to the next, over all series."""
    product = square = 0.0
    for errors in parts:
        scaled = errors.values / errors.rows.noise[:, None]
        product += float((scaled[:, 1:] * scaled[:, :-1]).sum())
        square += float((scaled[:, 1:] ** 2).sum())
    return min(max(product / square if square else 0.0, 0.0), _MAX_PERSISTENCE)


def _spread(parts: Sequence[_Errors]) -> float:
    """Compute the mean logarithm of the errors' spread in the units of the series.

    Between scales this compares likelihoods, as the choice of a Box-Cox transformation does. Large errors count, though
    clipped: the wrong scale has them at the times of large effects.
    """
    spreads = []
    for errors in parts:
        mean_square = (errors.values**2).sum(1) / np.maximum(errors.rows.valid.sum(1), 1)
        spreads.append(np.log(np.maximum(mean_square, _LEAST_SQUARE)) / 2 + errors.rows.log_units)
    return float(np.concatenate(spreads).mean())
