"""Ridge regression of each series towards the coefficients of the whole panel, from blocks of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.covariates.panel import Rows, with_coefficients

BLOCKS = 10
_RELATIVE_RIDGE = 0.01  # of the observations
_RIDGE = 3.0  # observations
_REWEIGHTINGS = 4  # after which coefficients no longer change, on daily promotions with outliers


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Normal equations of each series, in units of its noise.

    Attributes
    ----------
    products : ndarray of float64, shape (series, columns, columns)
        Of the columns with each other.
    targets : ndarray of float64, shape (series, columns)
        Of the columns with the target.
    counts : ndarray of float64, shape (series,)
        Observations.
    """

    products: NDArray[np.float64]
    targets: NDArray[np.float64]
    counts: NDArray[np.float64]

    def mean_squares(self) -> NDArray[np.float64]:
        """Return the mean square of each column over all series, in units of noise; (columns,)."""
        total: NDArray[np.float64] = np.einsum("skk->k", self.products)
        return total / max(float(self.counts.sum()), 1.0) + 1e-9

    def pooled_coefficients(self) -> NDArray[np.float64]:
        """Solve for coefficients that all series share; (columns,)."""
        ridge = self.mean_squares() * (_RELATIVE_RIDGE * self.counts.sum() + _RIDGE)
        return np.linalg.solve(self.products.sum(0) + np.diag(ridge), self.targets.sum(0)).astype(np.float64)

    def own_coefficients(
        self, pooled: NDArray[np.float64], scale: NDArray[np.float64], pull: float
    ) -> NDArray[np.float64]:
        """Solve for each series' coefficients, drawn towards the panel's; (series, columns).

        Parameters
        ----------
        pooled : ndarray, shape (columns,)
            The panel's coefficients.
        scale : ndarray, shape (columns,)
            `mean_squares` of the panel.
        pull : float
            How many observations the panel's coefficients are worth.
        """
        prior = pull * scale
        targets = self.targets + prior * pooled
        return np.linalg.solve(self.products + np.diag(prior), targets[:, :, None])[:, :, 0].astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Equations:
    """Normal equations of each series in each of `BLOCKS` stretches of time; see `Sums`.

    Attributes
    ----------
    products : ndarray of float64, shape (blocks, series, columns, columns)
    targets : ndarray of float64, shape (blocks, series, columns)
    counts : ndarray of float64, shape (blocks, series)
    """

    products: NDArray[np.float64]
    targets: NDArray[np.float64]
    counts: NDArray[np.float64]

    def of(self, columns: NDArray[np.bool_]) -> Equations:
        """Return the equations of some columns."""
        return Equations(self.products[:, :, columns][..., columns], self.targets[:, :, columns], self.counts)

    def without(self, columns: NDArray[np.bool_], coefficients: NDArray[np.float64]) -> Equations:
        """Return the equations of the other columns, for what these columns' coefficients leave of the target.

        Parameters
        ----------
        columns : ndarray of bool, shape (columns,)
        coefficients : ndarray of float64, shape (series, columns that are left out)
        """
        rest = self.of(~columns)
        between = self.products[:, :, ~columns][..., columns]
        return Equations(rest.products, rest.targets - (between @ coefficients[:, :, None])[..., 0], rest.counts)

    def sums(self, decay: float) -> Sums:
        """Add up all blocks, each weighted by `decay` for each block that comes after."""
        weights = _weights(decay)
        return Sums(
            np.einsum("b,bskl->skl", weights, self.products),
            np.einsum("b,bsk->sk", weights, self.targets),
            weights @ self.counts,
        )

    def sums_without(self, block: int, decay: float, total: Sums) -> Sums:
        """Take one block out of their `sums`."""
        weight = _weights(decay)[block]
        return Sums(
            total.products - weight * self.products[block],
            total.targets - weight * self.targets[block],
            total.counts - weight * self.counts[block],
        )


def _weights(decay: float) -> NDArray[np.float64]:
    return decay ** np.arange(BLOCKS - 1, -1, -1.0)


def block_slices(length: int) -> list[slice]:
    """Return `BLOCKS` stretches of time, of equal length."""
    edges = np.linspace(0, length, BLOCKS + 1).astype(int)
    return [slice(first, end) for first, end in pairwise(edges)]


def concatenate(parts: Sequence[Equations]) -> Equations:
    """Join the equations of different series."""
    return Equations(
        np.concatenate([part.products for part in parts], 1),
        np.concatenate([part.targets for part in parts], 1),
        np.concatenate([part.counts for part in parts], 1),
    )


def make_equations(rows: Rows, weights: NDArray[np.float32] | None = None) -> Equations:
    """Compute the normal equations of some series.

    Parameters
    ----------
    rows : Rows
    weights : ndarray of float32, shape (series, points), or None
        How much each point counts; None if all count alike.
    """
    n_series, n_columns, length = rows.columns.shape
    products = np.empty((BLOCKS, n_series, n_columns, n_columns))
    targets = np.empty((BLOCKS, n_series, n_columns))
    counts = np.empty((BLOCKS, n_series))
    precision = 1 / rows.noise**2
    for number, block in enumerate(block_slices(length)):
        columns = rows.columns[:, :, block]
        weighted = columns if weights is None else columns * weights[:, None, block]
        products[number] = (weighted @ columns.transpose(0, 2, 1)) * precision[:, None, None]
        targets[number] = (weighted @ rows.changes[:, block, None])[:, :, 0] * precision[:, None]
        counts[number] = rows.valid[:, block].sum(1)
    return Equations(products, targets, counts)


def make_robust_equations(parts: Sequence[Rows], solve: Callable[[Equations], NDArray[np.float64]]) -> Equations:
    """Compute the normal equations of all parts, in which outliers count less: what the regression leaves unexplained.

    This is Huber's regression by iteratively reweighted least squares. So a large effect counts in full, as it would
    not if the target were clipped.

    Parameters
    ----------
    parts : sequence of Rows
    solve : callable
        Solves the equations of all parts for the coefficients of each series; (series, columns).
    """
    equations = concatenate([make_equations(rows) for rows in parts])
    for _ in range(_REWEIGHTINGS):
        fits = with_coefficients(parts, solve(equations))
        equations = concatenate([make_equations(rows, rows.weigh(rows.errors(own))) for rows, own in fits])
    return equations
