"""Columns that vary in a few stretches of time only, as a holiday does: judged against themselves at other times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.covariates.panel import Rows, with_coefficients
from nixtla_accessor.local.covariates.ridge import block_slices

# chosen on promotions and holidays of 1 to 6 events, and on useless ones, on daily sales with and without outliers
_FEW_BLOCKS = 5.0  # of ten; of fewer, the spread of gains between blocks says nothing
_CHANCE = 0.05  # of any column, shifted, to fit as well


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Columns of events, and whether their effect is clear.

    Attributes
    ----------
    columns, clear : ndarray of bool, shape (columns,)
    coefficients : ndarray of float64, shape (series, columns of events)
    """

    columns: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    coefficients: NDArray[np.float64]


def are_rare(parts: Sequence[Floats]) -> NDArray[np.bool_]:
    """Return which columns vary in so few blocks that a hold-out of blocks cannot judge them; (columns,).

    Parameters
    ----------
    parts : sequence of ndarray, each of shape (series, columns, points)
        Filtered columns.
    """
    by_part = [[(part[:, :, block] ** 2).sum((0, 2)) for block in block_slices(part.shape[2])] for part in parts]
    energy = np.sum(by_part, axis=0, dtype=float)
    blocks = energy.sum(0) ** 2 / np.maximum((energy**2).sum(0), np.finfo(float).tiny)
    rare: NDArray[np.bool_] = (blocks > 0) & (blocks < _FEW_BLOCKS)
    return rare


def clear_events(
    parts: Sequence[Rows], coefficients: NDArray[np.float64], events: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which columns of events fit the target better than they do when they are shifted in time; (columns,).

    This is a permutation test by shifts, corrected for the number of columns (Bonferroni). Shifts break the link with
    the target, and leave all else: how the errors of a day depend on those of other days and other series, and how
    often outliers occur, one of which an event may have met by chance.

    Parameters
    ----------
    parts : sequence of Rows
    coefficients : ndarray of float64, shape (series, columns)
        Of all series, as the parts have them in turn.
    events : ndarray of bool, shape (columns,)
    """
    numbers = np.flatnonzero(events)
    length = max(rows.changes.shape[1] for rows in parts)
    spectra = np.zeros((len(numbers), length // 2 + 1), complex)
    in_place = np.zeros(len(numbers))
    for rows, own in with_coefficients(parts, coefficients) if len(numbers) else ():
        errors = rows.errors(own)
        # where a shorter series has no values, shifted columns meet nothing
        share = np.sqrt(length / np.maximum(rows.valid.sum(1, keepdims=True), 1))
        for nth, number in enumerate(numbers):
            column = rows.columns[:, number]
            target = errors + own[:, number, None].astype(np.float32) * column
            target = target * rows.valid / rows.noise[:, None] ** 2
            in_place[nth] += float((column * target).sum())
            spectra[nth] += (np.conj(np.fft.rfft(column, length)) * np.fft.rfft(target * share, length)).sum(0)
    shifted = np.fft.irfft(spectra, length)[:, 1:]
    as_well = (np.abs(shifted) > np.abs(in_place)[:, None]).sum(1) / length
    clear = np.zeros_like(events)
    clear[numbers] = (as_well * len(numbers) < _CHANCE) & (in_place != 0)
    return clear
