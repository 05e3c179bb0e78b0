"""How to regress a panel: on which columns, on which scale and with which filter, decided on some of its series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.covariates.alignment import MOST_POINTS, batches
from nixtla_accessor.local.covariates.columns import Feature, Group, NumericFeature
from nixtla_accessor.local.covariates.panel import Panel, Rows, filter_columns, make_columns, make_rows, measure_noise
from nixtla_accessor.local.covariates.ridge import concatenate, make_equations
from nixtla_accessor.local.covariates.selection import Selection, select

_SAMPLE_SERIES = 300
_SAMPLE_POINTS = 50_000
_MAX_PERSISTENCE = 0.9
_LEAST_PERSISTENCE = 0.1
_HISTORIC_LAGS = 3
_MOST_LAG = 100
_LEAST_ERRORS = 3.5  # standard errors by which a lag must be correlated, as the best of many
_USUAL_PERSISTENCE = 0.7


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
    choice = _choose_on_scale(panel, parts, features, groups, None)
    shifts = panel.log_shifts()
    if shifts is not None:
        logarithmic = _choose_on_scale(panel, parts, features, groups, shifts)
        choice = min(choice, logarithmic, key=lambda each: each.spread)
    return choice if choice.selection.kept.any() else None


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
        for lag in range(1, min(most, rows.changes.shape[1] - 1) + 1):
            product = rows.changes[:, lag:] * rows.columns[:, 0, :-lag]
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
    shifts: NDArray[np.float64] | None,
) -> Choice:
    """Choose among the groups, for effects that add up on one scale."""
    group_of = np.repeat(np.arange(len(groups)), [features[number].width(kind) for number, kind in groups])
    persistence = 0.0
    errors, selection = _try(panel, parts, group_of, shifts, persistence)
    estimated = _persistence(errors)
    if estimated > _LEAST_PERSISTENCE:
        persistence = estimated
        errors, selection = _try(panel, parts, group_of, shifts, persistence)
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
    shifts: NDArray[np.float64] | None,
    persistence: float,
) -> tuple[list[_Errors], Selection]:
    """Select columns with one filter, and compute the errors of each part of the sample."""
    filtered = [make_rows(panel, part.filtered, part.rows, shifts, persistence) for part in parts]
    equations = concatenate([make_equations(rows) for rows in filtered])
    selection = select(equations, group_of)
    sums = equations.of(selection.kept).sums(selection.decay)
    coefficients = sums.own_coefficients(selection.pooled, selection.scale, selection.pull) * selection.shares
    errors, first = [], 0
    for rows in filtered:
        own = coefficients[first : first + len(rows.changes)].astype(np.float32)
        explained = (own[:, None] @ rows.columns[:, selection.kept])[:, 0]
        errors.append(_Errors((rows.changes - explained) * rows.valid, rows))
        first += len(own)
    return errors, selection


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

    Between scales this compares likelihoods, as the choice of a Box-Cox transformation does.
    """
    spreads = [np.log(measure_noise(errors.values, errors.rows.valid)) + errors.rows.log_units for errors in parts]
    return float(np.concatenate(spreads).mean())
