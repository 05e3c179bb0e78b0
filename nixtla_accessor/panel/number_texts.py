"""Texts that are to be numbers: the ways to write numbers, and which of them reads a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.panel.arrays import Flags


@dataclass(frozen=True, slots=True)
class Notation:
    """A way to write numbers.

    Parameters
    ----------
    thousands : str
        What separates thousands; empty where nothing does.
    decimal : {".", ","}
        What separates decimals.
    name : str
        The notation in words, which follow "where".
    """

    thousands: str
    decimal: str
    name: str

    @property
    def replacements(self) -> Sequence[tuple[str, str]]:
        """What to replace, so that pandas reads the texts as numbers."""
        marks = [(self.thousands, ""), (self.decimal, ".")]
        return [(mark, plain) for mark, plain in marks if mark not in {"", plain}]

    def read(self, texts: pd.Series[Any]) -> tuple[pd.Series[float], Flags]:
        """Return texts as numbers, NaN where one is none; and which of these replacing would make a number of."""
        plain = texts
        for mark, replacement in self.replacements:
            plain = plain.str.replace(mark, replacement, regex=False)
        numbers: pd.Series[float] = pd.to_numeric(plain, errors="coerce")
        whole = rf"([1-9]\d{{0,2}}({re.escape(self.thousands)}\d{{3}})+|\d*)" if self.thousands else r"\d*"
        written = rf"\s*[+-]?{whole}({re.escape(self.decimal)}\d*)?([eE][+-]?\d+)?\s*"
        misread = (plain != texts) & numbers.notna() & ~texts.str.fullmatch(written).astype(bool)
        return numbers.mask(misread), misread.to_numpy()


PLAIN = Notation("", ".", "points are decimal points")
NOTATIONS = (
    PLAIN,
    Notation(",", ".", "commas separate thousands"),
    Notation("", ",", "commas are decimal commas"),
    Notation(".", ",", "points separate thousands, and commas are decimal commas"),
)


class Reading(NamedTuple):
    """How the texts of a column can be read as numbers.

    Attributes
    ----------
    notations : list of Notation
        Those that read most texts; several where they read other numbers of them. Where replacing would make wrong
        numbers of other texts, these must be corrected first, and there is none.
    unreadable : ndarray of bool, shape (n,)
        The texts that none of them reads.
    """

    notations: list[Notation]
    unreadable: Flags


def find_notations(texts: pd.Series[Any]) -> Reading:
    """Find the notations that read most texts of a column without missing values.

    Examples
    --------
    >>> [notation.name for notation in find_notations(pd.Series(["1.926.000,00", "7"])).notations]
    ['points separate thousands, and commas are decimal commas']
    """
    codes, found = pd.factorize(texts)
    distinct = pd.Series(found, dtype=object)
    counts = np.bincount(codes, minlength=len(distinct))
    read = {notation: notation.read(distinct) for notation in NOTATIONS}
    totals = {notation: int(counts[numbers.notna()].sum()) for notation, (numbers, _) in read.items()}
    best = [notation for notation, total in totals.items() if total == max(totals.values())]
    if PLAIN in best:
        best = [PLAIN]
    different = [
        notation
        for place, notation in enumerate(best)
        if not any(read[notation][0].equals(read[other][0]) for other in best[:place])
    ]
    unreadable = np.logical_and.reduce([np.asarray(read[notation][0].isna()) for notation in different])
    safe = [notation for notation in different if not read[notation][1].any()]
    return Reading(safe, np.asarray(unreadable[codes]))
