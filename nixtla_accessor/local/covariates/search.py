"""How to regress a panel: on which columns, on which scale and with which filter, decided on some of its series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Integers
from nixtla_accessor.local.covariates.alignment import MOST_POINTS, batches
from nixtla_accessor.local.covariates.columns import Feature, Group, NumericFeature
from nixtla_accessor.local.covariates.panel import Panel, Rows, make_columns, make_rows, measure_noise
from nixtla_accessor.local.covariates.ridge import (
    BLOCKS,
    concatenate,
    make_equations,
    own_coefficients,
)
from nixtla_accessor.local.covariates.selection import Selection, select

_SAMPLE_SERIES = 300
_SAMPLE_POINTS = 100_000
_MAX_PERSISTENCE = 0.9
_LEAST_PERSISTENCE = 0.1
_HISTORIC_LAGS = 3
_MOST_LAG = 100
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
    """Some series of the sample, and their columns."""

    rows: Integers
    columns: NDArray[np.float32]


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
    parts = [_Part(rows, make_columns(panel, features, groups, rows, _length(panel, rows))) for rows in sample]
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
    """Choose the lags of a covariate that is known of the past only: those at which it is most correlated."""
    if not (feature.kinds and isinstance(feature, NumericFeature)):
        return feature
    most = min(max(2 * panel.season.length, 12) + 1, _MOST_LAG, int(np.median(panel.ends)) // 4)
    products = np.zeros(most)
    for some in sample:
        values = make_columns(panel, [feature] * (number + 1), [(number, "value")], some, _length(panel, some))
        rows = make_rows(panel, values, some, None, _USUAL_PERSISTENCE)
        for lag in range(1, min(most, rows.changes.shape[1] - 1) + 1):
            products[lag - 1] += float((rows.changes[:, lag:] * rows.columns[:, 0, :-lag]).sum())
    strongest = np.argsort(-np.abs(products), kind="stable")[:_HISTORIC_LAGS] + 1
    return replace(feature, lags=tuple(sorted(strongest.tolist())))


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
    rows = [make_rows(panel, part.columns, part.rows, shifts, persistence) for part in parts]
    selection = select(concatenate([make_equations(each) for each in rows]), group_of)
    persistence = _persistence(rows, selection)
    if persistence > _LEAST_PERSISTENCE:
        rows = [make_rows(panel, part.columns, part.rows, shifts, persistence) for part in parts]
        selection = select(concatenate([make_equations(each) for each in rows]), group_of)
    else:
        persistence = 0.0
    spread = _spread(rows, selection)
    return Choice(features, groups, group_of, selection, shifts, persistence, spread)


def _errors(rows: Rows, selection: Selection) -> NDArray[np.float32]:
    """Compute what the regression leaves of the filtered target; (series, points)."""
    if not selection.kept.any():
        return rows.changes
    known = make_equations(rows).of(selection.kept).up_to(BLOCKS, selection.decay)
    coefficients = own_coefficients(known, selection.pooled, selection.scale, selection.pull) * selection.shares
    explained = coefficients[:, None].astype(np.float32) @ rows.columns[:, selection.kept]
    errors: NDArray[np.float32] = (rows.changes - explained[:, 0]) * rows.valid
    return errors


def _persistence(parts: Sequence[Rows], selection: Selection) -> float:
    """Estimate the autocorrelation of the errors from one step to the next, over all series."""
    product = square = 0.0
    for rows in parts:
        errors = _errors(rows, selection) / rows.noise[:, None]
        product += float((errors[:, 1:] * errors[:, :-1]).sum())
        square += float((errors[:, 1:] ** 2).sum())
    return min(max(product / square if square else 0.0, 0.0), _MAX_PERSISTENCE)


def _spread(parts: Sequence[Rows], selection: Selection) -> float:
    """Compute the mean logarithm of the errors' spread in the units of the series.

    Between scales this compares likelihoods, as the choice of a Box-Cox transformation does.
    """
    spreads = [np.log(measure_noise(_errors(rows, selection), rows.valid)) + rows.log_units for rows in parts]
    return float(np.concatenate(spreads).mean())
