"""The formats that dates and times are commonly written in, where they are not ISO 8601."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pandas as pd

DAYS = (
    *(f"%d{mark}%m{mark}%Y" for mark in "./- "),
    *(f"%m{mark}%d{mark}%Y" for mark in "/-"),
    *(f"%Y{mark}%m{mark}%d" for mark in "/."),
    *(f"%d{mark}%m{mark}%y" for mark in "./"),
    "%m/%d/%y",
    *(f"%d{mark}%{month}{mark}%Y" for mark in " -" for month in "bB"),
    *(f"%{month} %d, %Y" for month in "bB"),
    "%d-%b-%y",
)
MONTHS = ("%m/%Y", "%m.%Y", "%Y/%m", "%b %Y", "%B %Y", "%b-%Y", "%b-%y")
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


def fitting_formats(texts: Sequence[str]) -> list[str]:
    """Return the formats that all texts can be read in; two where days and months cannot be told apart.

    Examples
    --------
    >>> fitting_formats(["02.01.2024", "13.01.2024"])
    ['%d.%m.%Y']
    >>> fitting_formats(["02/01/2024", "03/01/2024"])
    ['%d/%m/%Y', '%m/%d/%Y']
    """
    readings: dict[str, pd.Series[pd.Timestamp]] = {}
    for found in _formats():
        if _read(texts[:1], found) is None:
            continue
        reading = _read(texts, found)
        if reading is not None and not any(reading.equals(other) for other in readings.values()):
            readings[found] = reading
    return list(readings)[:2]


def _formats() -> Iterator[str]:
    yield from (day + time for day, time in product(DAYS, TIMES))
    yield from MONTHS


def _read(texts: Sequence[str], found: str) -> pd.Series[pd.Timestamp] | None:
    """Return texts as times; None where they are not all of a format."""
    times = pd.to_datetime(pd.Series(texts, dtype=object), format=found, errors="coerce")
    return None if times.isna().any() else times
