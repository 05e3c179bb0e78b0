"""Frequency aliases of every pandas version, and what pandas offsets and durations are called."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.calendars import MONTHS, MONTHS_APART, WEEKDAYS

NANOSECONDS = {"h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
NANOSECONDS_PER_DAY = 24 * NANOSECONDS["h"]

DEFAULT_ANCHORS = {"W": "SUN", "SMS": "15", "SME": "15"} | {
    family: "JAN" if family.endswith("S") else "DEC" for family, months in MONTHS_APART.items() if months > 1
}
ANCHORS = {
    "W": WEEKDAYS,
    "SMS": tuple(str(day) for day in range(2, 28)),
    "SME": tuple(str(day) for day in range(1, 28)),
    "WOM": tuple(f"{week}{day}" for week in range(1, 5) for day in WEEKDAYS),
    "LWOM": WEEKDAYS,
} | {family: MONTHS for family, months in MONTHS_APART.items() if months > 1}

BUSINESS_HOURS = ("bh", "cbh")
CUSTOM_KINDS = {pd.offsets.CDay: "C", pd.offsets.CBMonthBegin: "CBMS", pd.offsets.CBMonthEnd: "CBME"}
FAMILIES = (*NANOSECONDS, "D", "B", "MS", "ME", "BMS", "BME", *(name for name in ANCHORS if not name.startswith("CB")))

# The spellings of pandas before 2.2, and the lower-case ones that it accepted, with those of today.
MODERN_FAMILIES = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "BH": "bh", "CBH": "cbh",
    "d": "D", "b": "B", "w": "W", "c": "C",
    "M": "ME", "BM": "BME", "CBM": "CBME", "SM": "SME", "Q": "QE", "BQ": "BQE",
    "A": "YE", "Y": "YE", "BA": "BYE", "BY": "BYE", "AS": "YS", "BAS": "BYS",
}  # fmt: skip

_PART = re.compile(r"\s*(?P<multiple>\d+(?:\.\d+)?)?\s*(?P<family>[A-Za-z]+)(?:-(?P<anchor>[A-Za-z0-9]+))?\s*")


class Alias(NamedTuple):
    """A frequency alias, taken apart: ``2W-MON`` is ``(2, "W", "MON")``."""

    multiple: int
    family: str
    anchor: str = ""


def parse_alias(text: str) -> Alias:
    """Parse an alias as any pandas version spells it.

    Raises
    ------
    InvalidArgumentError
        There is no such frequency, or it has no constant step forward.

    Examples
    --------
    >>> parse_alias("15T")
    Alias(multiple=15, family='min', anchor='')
    >>> parse_alias("A-MAR")
    Alias(multiple=1, family='YE', anchor='MAR')
    """
    parts, end = [], 0
    while match := _PART.match(text, end):
        family = MODERN_FAMILIES.get(match["family"], match["family"])
        parts.append((Fraction(match["multiple"] or 1), family, match["anchor"] or ""))
        end = match.end()
    if not parts or end < len(text) or any(multiple <= 0 for multiple, _, _ in parts):
        raise _unknown(text)
    if len(parts) > 1 or parts[0][0].denominator > 1 or parts[0][1] in NANOSECONDS:
        return _alias_of_durations(parts, text)
    multiple, family, anchor = parts[0]
    return _with_valid_anchor(int(multiple), family, anchor.upper(), text)


def alias_of_offset(offset: pd.offsets.BaseOffset) -> tuple[Alias, pd.offsets.BaseOffset | None]:
    """Return the alias of a pandas offset, and its base where the alias alone does not determine its days.

    Raises
    ------
    InvalidArgumentError
        It does not step forward, or not by a constant step.
    """
    if offset.n < 1:
        raise InvalidArgumentError(
            f"freq must step forward; freq={offset!r} has the multiple {offset.n}. Give a positive multiple."
        )
    if isinstance(offset, pd.offsets.BusinessHour):
        raise _business_hours(repr(offset))
    if shift := getattr(offset, "offset", None):
        raise InvalidArgumentError(
            f"freq must be a frequency without a shift; freq={offset!r} is shifted by {shift}. Leave out its argument "
            "offset."
        )
    for kind, family in CUSTOM_KINDS.items():
        if isinstance(offset, kind):
            return Alias(offset.n, family), offset.base
    alias = _alias_of_plain_offset(offset)
    return (Alias(offset.n, offset.base.freqstr), offset.base) if alias is None else (alias, None)


def alias_of_duration(duration: dt.timedelta | np.timedelta64) -> Alias:
    """Return the alias of a duration; whole days are calendar days."""
    nanoseconds = pd.Timedelta(duration).as_unit("ns").value
    if nanoseconds <= 0:
        raise InvalidArgumentError(f"freq must be a positive duration; found freq={duration!r}.")
    if nanoseconds % NANOSECONDS_PER_DAY == 0:
        return Alias(nanoseconds // NANOSECONDS_PER_DAY, "D")
    return alias_of_nanoseconds(nanoseconds)


def alias_of_nanoseconds(nanoseconds: int) -> Alias:
    """Return the alias of a step of elapsed time, in the largest unit that divides it."""
    unit = next(unit for unit, size in NANOSECONDS.items() if nanoseconds % size == 0)
    return Alias(nanoseconds // NANOSECONDS[unit], unit)


def canonical_anchor(anchor: str, months_apart: int, side: str) -> str:
    """Return one of the equivalent anchor months: the earliest for starts, the latest for ends, as pandas' defaults.

    Examples
    --------
    >>> canonical_anchor("OCT", 3, "S"), canonical_anchor("MAR", 3, "E")
    ('JAN', 'DEC')
    """
    place = MONTHS.index(anchor) % months_apart
    return MONTHS[place if side == "S" else place + 12 - months_apart]


def _alias_of_durations(parts: list[tuple[Fraction, str, str]], text: str) -> Alias:
    """Return the alias of a sum of durations, such as ``1h30min`` or ``0.5D``."""
    total = Fraction(0)
    for multiple, family, anchor in parts:
        size = NANOSECONDS_PER_DAY if family == "D" else NANOSECONDS.get(family)
        if size is None or anchor:
            raise _unknown(text)
        total += multiple * size
    if total.denominator > 1:
        raise InvalidArgumentError(f"freq must be a whole number of nanoseconds; freq={text!r} is not.")
    return alias_of_nanoseconds(int(total))


def _with_valid_anchor(multiple: int, family: str, anchor: str, text: str) -> Alias:
    """Check the anchor, default to pandas' own, and choose one of equivalent anchors."""
    if family in BUSINESS_HOURS:
        raise _business_hours(text)
    if family in CUSTOM_KINDS.values():
        raise InvalidArgumentError(
            f"freq={text!r} names custom business days without their holidays. Give the offset itself, such as "
            "freq=pd.offsets.CustomBusinessDay(holidays=['2024-12-25']); CustomBusinessMonthBegin and "
            "CustomBusinessMonthEnd work as well."
        )
    if family not in FAMILIES:
        raise _unknown(text)
    anchors = ANCHORS.get(family, ("",))
    anchor = anchor or DEFAULT_ANCHORS.get(family, "")
    if anchor not in anchors:
        expected = (
            f"its anchor must be one of {', '.join(anchors)}" if family in ANCHORS else f"{family!r} takes no anchor"
        )
        raise InvalidArgumentError(f"freq={text!r} is not a frequency: {expected}.")
    months_apart = MONTHS_APART.get(family, 0)
    if months_apart in {3, 6}:
        anchor = canonical_anchor(anchor, months_apart, family[-1])
    return Alias(multiple, family, anchor)


def _alias_of_plain_offset(offset: pd.offsets.BaseOffset) -> Alias | None:
    """Return the alias of an offset that an alias determines; None for any other."""
    if isinstance(offset, pd.offsets.Day):
        return Alias(offset.n, "D")
    if isinstance(offset, pd.offsets.Tick):
        return alias_of_nanoseconds(offset.nanos)
    if isinstance(offset, pd.offsets.Week) and offset.weekday is None:  # type: ignore[attr-defined]  # not in the stubs
        return Alias(7 * offset.n, "D")
    if isinstance(offset, pd.offsets.LastWeekOfMonth):  # pandas before 3 cannot parse the alias that it writes
        return Alias(offset.n, "LWOM", WEEKDAYS[offset.weekday])  # type: ignore[attr-defined]  # not in the stubs
    if type(offset) is pd.offsets.DateOffset:
        return _alias_of_keywords(offset)
    try:
        return parse_alias(offset.freqstr)
    except InvalidArgumentError:
        return None


def _alias_of_keywords(offset: pd.offsets.DateOffset) -> Alias:
    """Return the alias of ``DateOffset(days=1)`` and the like."""
    known = {"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"}
    keywords = dict(offset.kwds) or {"days": 1}
    if keywords.keys() <= known:
        return alias_of_duration(offset.n * pd.Timedelta(**keywords))
    raise InvalidArgumentError(
        f"freq={offset!r} does not determine the days of the timestamps. Give a named frequency, such as 'MS' (month "
        "starts) or 'ME' (month ends)."
    )


def _business_hours(freq: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"freq={freq}: business hours are not supported. Number the rows of each series, "
        "in the order of their times, and use these numbers as integer time."
    )


def _unknown(text: str) -> InvalidArgumentError:
    near = difflib.get_close_matches(text.strip(), FAMILIES, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return InvalidArgumentError(
        f"freq={text!r} is not a frequency that pandas knows.{hint} Expected a pandas alias such as 'h', '15min', 'D', "
        "'W-MON', 'MS', 'ME', 'QE', 'YS' or 'B', a pandas offset, a timedelta, or an int for integer time."
    )
