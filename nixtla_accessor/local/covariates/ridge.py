"""Ridge regression of each series towards the coefficients of the whole panel, from blocks of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.covariates.panel import Rows

BLOCKS = 10
_RELATIVE_RIDGE = 0.01  # of the observations
_RIDGE = 3.0  # observations


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


def concatenate(parts: Sequence[Equations]) -> Equations:
    """Join the equations of different series."""
    return Equations(
        np.concatenate([part.products for part in parts], 1),
        np.concatenate([part.targets for part in parts], 1),
        np.concatenate([part.counts for part in parts], 1),
    )


def make_equations(rows: Rows) -> Equations:
    """Compute the normal equations of some series."""
    n_series, n_columns, length = rows.columns.shape
    edges = np.linspace(0, length, BLOCKS + 1).astype(int)
    products = np.empty((BLOCKS, n_series, n_columns, n_columns))
    targets = np.empty((BLOCKS, n_series, n_columns))
    counts = np.empty((BLOCKS, n_series))
    precision = 1 / rows.noise**2
    for block in range(BLOCKS):
        some = slice(edges[block], edges[block + 1])
        columns = rows.columns[:, :, some]
        products[block] = (columns @ columns.transpose(0, 2, 1)) * precision[:, None, None]
        targets[block] = (columns @ rows.changes[:, some, None])[:, :, 0] * precision[:, None]
        counts[block] = rows.valid[:, some].sum(1)
    return Equations(products, targets, counts)


def make_targets(rows: Rows, changes: NDArray[np.float32], decay: float) -> NDArray[np.float64]:
    """Compute `Sums.targets` with another target, shape (series, points)."""
    length = changes.shape[1]
    edges = np.linspace(0, length, BLOCKS + 1).astype(int)
    weights = np.repeat(_weights(decay), np.diff(edges)).astype(np.float32)
    targets = (rows.columns @ (changes * weights)[:, :, None])[:, :, 0]
    return targets / rows.noise[:, None] ** 2
