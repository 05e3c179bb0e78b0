"""The names of frequencies, old and new."""

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

# How pandas before 2.2 spelled them, and the lower-case forms it took.
MODERN = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "BH": "bh", "CBH": "cbh",
    "d": "D", "b": "B", "w": "W", "c": "C",
    "M": "ME", "BM": "BME", "CBM": "CBME", "SM": "SME", "Q": "QE", "BQ": "BQE",
    "A": "YE", "Y": "YE", "BA": "BYE", "BY": "BYE", "AS": "YS", "BAS": "BYS",
}  # fmt: skip

_TOKEN = re.compile(r"\s*(?P<count>\d+(?:\.\d+)?)?\s*(?P<family>[A-Za-z]+)(?:-(?P<anchor>[A-Za-z0-9]+))?\s*")


class Reading(NamedTuple):
    """A frequency in words: every ``multiple``-th day of a calendar, or every ``multiple`` units of time."""

    multiple: int
    family: str
    anchor: str = ""


def read_text(text: str) -> Reading:
    """Read a name in the spelling of any pandas.

    Raises
    ------
    InvalidArgumentError
        There is no such frequency, or it has no constant step forward.

    Examples
    --------
    >>> read_text("15T")
    Reading(multiple=15, family='min', anchor='')
    >>> read_text("A-MAR")
    Reading(multiple=1, family='YE', anchor='MAR')
    """
    tokens, end = [], 0
    while match := _TOKEN.match(text, end):
        tokens.append(
            (Fraction(match["count"] or 1), MODERN.get(match["family"], match["family"]), match["anchor"] or "")
        )
        end = match.end()
    if not tokens or end < len(text) or any(count <= 0 for count, _, _ in tokens):
        raise _unknown(text)
    durations = [_nanoseconds(count, family) for count, family, anchor in tokens if not anchor]
    if len(tokens) > 1 or tokens[0][0].denominator > 1 or tokens[0][1] in NANOSECONDS:
        if len(durations) < len(tokens) or None in durations:
            raise _unknown(text)
        total = sum(duration for duration in durations if duration)
        if total.denominator > 1:
            raise InvalidArgumentError(f"freq={text!r} is no whole number of nanoseconds.")
        return elapsed_reading(int(total))
    count, family, anchor = tokens[0]
    return _anchored(int(count), family, anchor.upper(), text)


def read_offset(offset: pd.offsets.BaseOffset) -> tuple[Reading, pd.offsets.BaseOffset | None]:
    """Read a pandas offset; the second value is its base, where a name alone does not tell its days.

    Raises
    ------
    InvalidArgumentError
        It does not step forward, or by no constant step.
    """
    if offset.n < 1:
        raise InvalidArgumentError(f"freq={offset!r} must step forward; its multiple is {offset.n}.")
    if isinstance(offset, pd.offsets.BusinessHour):
        raise _business_hours(repr(offset))
    if shift := getattr(offset, "offset", None):
        raise InvalidArgumentError(f"freq={offset!r} is shifted by {shift}; give it without the shift.")
    for kind, family in CUSTOM_KINDS.items():
        if isinstance(offset, kind):
            return Reading(offset.n, family), offset.base
    reading = _read_plain_offset(offset)
    return (Reading(offset.n, offset.base.freqstr), offset.base) if reading is None else (reading, None)


def read_duration(duration: dt.timedelta | np.timedelta64) -> Reading:
    """Read a duration; whole days are days of the calendar."""
    nanoseconds = pd.Timedelta(duration).as_unit("ns").value
    if nanoseconds <= 0:
        raise InvalidArgumentError(f"freq={duration!r} must be a positive duration.")
    if nanoseconds % NANOSECONDS_PER_DAY == 0:
        return Reading(nanoseconds // NANOSECONDS_PER_DAY, "D")
    return elapsed_reading(nanoseconds)


def elapsed_reading(nanoseconds: int) -> Reading:
    """Name a time that passes, in the largest unit that measures it."""
    unit = next(unit for unit, size in NANOSECONDS.items() if nanoseconds % size == 0)
    return Reading(nanoseconds // NANOSECONDS[unit], unit)


def day_reading(step: int, weekday: int) -> Reading:
    """Name a constant step of days: weeks where it is a multiple of seven."""
    return Reading(step // 7, "W", WEEKDAYS[weekday]) if step % 7 == 0 else Reading(step, "D")


def month_reading(months: int, month: int, family: str) -> Reading:
    """Name a constant step of months from a month (0 is January): quarters and years where it is a multiple."""
    business, side = family[:-2], family[-1]
    if months % 12 == 0:
        return Reading(months // 12, f"{business}Y{side}", MONTHS[month])
    if months % 3 == 0:
        return Reading(months // 3, f"{business}Q{side}", _first_anchor(MONTHS[month], 3, side))
    return Reading(months, family)


def _anchored(count: int, family: str, anchor: str, text: str) -> Reading:
    """Check the anchor, put in the default one, and bring equivalent ones to the same."""
    if family in BUSINESS_HOURS:
        raise _business_hours(text)
    if family in CUSTOM_KINDS.values():
        raise InvalidArgumentError(
            f"freq={text!r} names custom business days without their holidays. Give the offset itself: "
            "freq=pd.offsets.CustomBusinessDay(holidays=[…]) or one of its kin."
        )
    if family not in FAMILIES:
        raise _unknown(text)
    anchors = ANCHORS.get(family, ("",))
    anchor = anchor or DEFAULT_ANCHORS.get(family, "")
    if anchor not in anchors:
        expected = (
            f"its anchor must be one of {', '.join(anchors)}" if family in ANCHORS else f"{family!r} takes no anchor"
        )
        raise InvalidArgumentError(f"freq={text!r} is no frequency: {expected}.")
    apart = MONTHS_APART.get(family, 0)
    if apart in {3, 6}:
        anchor = _first_anchor(anchor, apart, family[-1])
    return Reading(count, family, anchor)


def _first_anchor(anchor: str, apart: int, side: str) -> str:
    """Choose one of the equivalent anchors: early months for starts, late ones for ends, as the defaults are."""
    place = MONTHS.index(anchor) % apart
    return MONTHS[place if side == "S" else place + 12 - apart]


def _nanoseconds(count: Fraction, family: str) -> Fraction | None:
    size = NANOSECONDS.get(family, NANOSECONDS_PER_DAY if family == "D" else 0)
    return count * size if size else None


def _read_plain_offset(offset: pd.offsets.BaseOffset) -> Reading | None:
    """Read an offset that a name tells in full; None when none does."""
    if isinstance(offset, pd.offsets.Day):
        return Reading(offset.n, "D")
    if isinstance(offset, pd.offsets.Tick):
        return elapsed_reading(offset.nanos)
    if isinstance(offset, pd.offsets.Week) and offset.weekday is None:  # type: ignore[attr-defined]  # the stubs lack it
        return Reading(7 * offset.n, "D")
    if isinstance(offset, pd.offsets.LastWeekOfMonth):  # pandas before 3 cannot read its name back
        return Reading(offset.n, "LWOM", WEEKDAYS[offset.weekday])  # type: ignore[attr-defined]  # the stubs lack it
    if type(offset) is pd.offsets.DateOffset:
        return _read_keywords(offset)
    try:
        return read_text(offset.freqstr)
    except InvalidArgumentError:
        return None


def _read_keywords(offset: pd.offsets.DateOffset) -> Reading:
    """Read ``DateOffset(days=1)`` and the like."""
    known = {"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"}
    keywords = dict(offset.kwds) or {"days": 1}
    if keywords.keys() <= known:
        return read_duration(offset.n * pd.Timedelta(**keywords))
    raise InvalidArgumentError(
        f"freq={offset!r} does not say on which days the stamps fall. Use a named frequency, such as 'MS' (month "
        "starts) or 'ME' (month ends)."
    )


def _business_hours(freq: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"freq={freq}: business hours are not supported. Number the rows of each series, "
        "df.groupby('unique_id').cumcount(), and use that as integer time."
    )


def _unknown(text: str) -> InvalidArgumentError:
    near = difflib.get_close_matches(text.strip(), FAMILIES, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return InvalidArgumentError(
        f"freq={text!r} is no frequency that pandas knows.{hint} Expected a pandas alias such as 'h', '15min', 'D', "
        "'W-MON', 'MS', 'ME', 'QE', 'YS' or 'B', a pandas offset, a timedelta, or an int for integer time."
    )
