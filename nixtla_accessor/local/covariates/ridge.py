"""Ridge regression of each series towards the coefficients of the whole panel, from blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.covariates.panel import Rows

BLOCKS = 10
_RELATIVE_RIDGE = 0.01  # of the observations
_RIDGE = 3.0  # observations


@dataclass(frozen=True, slots=True, eq=False)
class Equations:
    """Normal equations of each series, in units of its noise.

    Attributes
    ----------
    products : ndarray of float64, shape (series, blocks, columns, columns)
        Of the columns with each other.
    targets : ndarray of float64, shape (series, blocks, columns)
        Of the columns with the target.
    counts : ndarray of float64, shape (series, blocks)
        Observations.
    """

    products: NDArray[np.float64]
    targets: NDArray[np.float64]
    counts: NDArray[np.float64]

    def of(self, columns: NDArray[np.bool_]) -> Equations:
        """Return the equations of some columns."""
        return Equations(self.products[:, :, columns][..., columns], self.targets[:, :, columns], self.counts)

    def up_to(self, block: int, decay: float) -> Equations:
        """Add up the blocks before one, each weighted by `decay` for each block that lies between; one block."""
        weights = decay ** np.arange(block - 1, -1, -1.0)
        return Equations(
            np.tensordot(self.products[:, :block], weights, (1, 0))[:, None],
            np.tensordot(self.targets[:, :block], weights, (1, 0))[:, None],
            np.tensordot(self.counts[:, :block], weights, (1, 0))[:, None],
        )


def concatenate(parts: list[Equations]) -> Equations:
    """Join the equations of different series."""
    return Equations(
        np.concatenate([part.products for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


def make_equations(rows: Rows, changes: NDArray[np.float32] | None = None) -> Equations:
    """Compute the normal equations of some series, in blocks of time.

    Parameters
    ----------
    rows : Rows
    changes : ndarray of float32, shape (series, points), optional
        In place of the target's own.
    """
    changes = rows.changes if changes is None else changes
    n_series, n_columns, length = rows.columns.shape
    edges = np.linspace(0, length, BLOCKS + 1).astype(int)
    products = np.empty((n_series, BLOCKS, n_columns, n_columns))
    targets = np.empty((n_series, BLOCKS, n_columns))
    counts = np.empty((n_series, BLOCKS))
    for block in range(BLOCKS):
        some = slice(edges[block], edges[block + 1])
        columns = rows.columns[:, :, some]
        products[:, block] = columns @ columns.transpose(0, 2, 1)
        targets[:, block] = (columns @ changes[:, some, None])[:, :, 0]
        counts[:, block] = rows.valid[:, some].sum(1)
    precision = 1 / rows.noise**2
    products *= precision[:, None, None, None]
    targets *= precision[:, None, None]
    return Equations(products, targets, counts)


def pooled_coefficients(equations: Equations) -> NDArray[np.float64]:
    """Solve for coefficients that all series share; equations of one block; (columns,)."""
    products, targets = equations.products[:, 0].sum(0), equations.targets[:, 0].sum(0)
    count = equations.counts.sum()
    scale = mean_squares(equations)
    ridge = np.diag(scale * (_RELATIVE_RIDGE * count + _RIDGE))
    result: NDArray[np.float64] = np.linalg.solve(products + ridge, targets)
    return result


def mean_squares(equations: Equations) -> NDArray[np.float64]:
    """Return the mean square of each column over all series, in units of noise; (columns,)."""
    total: NDArray[np.float64] = np.einsum("sbkk->k", equations.products)
    return total / max(float(equations.counts.sum()), 1.0) + 1e-9


def own_coefficients(
    equations: Equations, pooled: NDArray[np.float64], scale: NDArray[np.float64], pull: float
) -> NDArray[np.float64]:
    """Solve for each series' coefficients, drawn towards the panel's; (series, columns).

    Parameters
    ----------
    equations : Equations
        Of one block.
    pooled : ndarray, shape (columns,)
        The panel's coefficients.
    scale : ndarray, shape (columns,)
        `mean_squares` of the panel.
    pull : float
        How many observations the panel's coefficients are worth.
    """
    prior = pull * scale
    targets = equations.targets[:, 0] + prior * pooled
    coefficients = np.linalg.solve(equations.products[:, 0] + np.diag(prior), targets[:, :, None])[:, :, 0]
    return coefficients.astype(np.float64, copy=False)
