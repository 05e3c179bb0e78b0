"""The days of a frequency: month ends, Fridays, business days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from nixtla_accessor.panel.arrays import Days, Flags, Integers

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

# Months from one day of the calendar to the next.
MONTHS_APART = {
    f"{business}{unit}{side}": months
    for business in ("", "B", "CB")
    for unit, months in {"M": 1, "Q": 3, "HY": 6, "Y": 12}.items()
    for side in ("S", "E")
}


@dataclass(frozen=True, slots=True)
class Calendar:
    """A set of days, such as month ends.

    Parameters
    ----------
    family : str
        The pandas alias without multiple and anchor: ``"D"``, ``"W"``, ``"B"``, ``"ME"``, ``"BQS"``, ``"SMS"``, …
    anchor : str, default ""
        What follows the dash: ``"SUN"``, ``"JAN"``, ``"15"``, ``"3FRI"``.
    offset : pandas offset, optional
        The custom business offset with the holidays (families ``C``, ``CBMS``, ``CBME``), or any other offset of whole
        days that has no rule here.

    Examples
    --------
    >>> days = np.arange("2024-01-30", "2024-02-02", dtype="datetime64[D]")
    >>> Calendar("ME").contains(days).tolist()
    [False, True, False]
    """

    family: str
    anchor: str = ""
    offset: Any = None

    def contains(self, days: Days) -> Flags:
        """Return for each day whether it is in the set; shape (n,)."""
        if self.family in MONTHS_APART:
            return self._month_edges(days)
        rule = _RULES.get(self.family)
        if rule is not None:
            return rule(days, self.anchor)
        if self.family == "C":
            return np.asarray(np.is_busday(days, busdaycal=self.offset.calendar))
        return np.array([self.offset.is_on_offset(day) for day in pd.DatetimeIndex(days)], dtype=bool)

    def _month_edges(self, days: Days) -> Flags:
        """Return which days are the first or last (business) days of months, quarters, half-years or years."""
        months = days.astype("datetime64[M]")
        if self.family.endswith("S"):
            edges: Days = months.astype("datetime64[D]")
            roll: Literal["forward", "backward"] = "forward"
        else:
            edges, roll = (months + 1).astype("datetime64[D]") - 1, "backward"
        if self.family.startswith("CB"):
            edges = np.busday_offset(edges, 0, roll=roll, busdaycal=self.offset.calendar)
        elif self.family.startswith("B"):
            edges = np.busday_offset(edges, 0, roll=roll)
        inside = days == edges
        apart = MONTHS_APART[self.family]
        if apart > 1:
            inside &= (months.astype(np.int64) - MONTHS.index(self.anchor)) % apart == 0
        return np.asarray(inside)


def weekdays(days: Days) -> Integers:
    """Return the weekday of each day, Monday 0 to Sunday 6."""
    return np.asarray((days.astype(np.int64) + 3) % 7)  # 1970-01-01 was a Thursday


def days_of_month(days: Days) -> Integers:
    """Return the day of the month of each day, from 1."""
    return np.asarray((days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1)


def are_month_ends(days: Days) -> Flags:
    """Return which days are the last of their month."""
    return np.asarray(days_of_month(days + 1) == 1)


def _semi_month_starts(days: Days, anchor: str) -> Flags:
    numbers = days_of_month(days)
    return np.asarray((numbers == 1) | (numbers == int(anchor)))


def _semi_month_ends(days: Days, anchor: str) -> Flags:
    return np.asarray((days_of_month(days) == int(anchor)) | are_month_ends(days))


def _weeks_of_month(days: Days, anchor: str) -> Flags:
    week, weekday = int(anchor[0]), WEEKDAYS.index(anchor[1:])
    return np.asarray((weekdays(days) == weekday) & ((days_of_month(days) - 1) // 7 == week - 1))


def _last_weeks_of_month(days: Days, anchor: str) -> Flags:
    next_week_is_next_month = days_of_month(days + 7) <= 7
    return np.asarray((weekdays(days) == WEEKDAYS.index(anchor)) & next_week_is_next_month)


_RULES: dict[str, Callable[[Days, str], Flags]] = {
    "D": lambda days, _: np.ones(len(days), dtype=bool),
    "W": lambda days, anchor: np.asarray(weekdays(days) == WEEKDAYS.index(anchor)),
    "B": lambda days, _: np.asarray(weekdays(days) < 5),
    "SMS": _semi_month_starts,
    "SME": _semi_month_ends,
    "WOM": _weeks_of_month,
    "LWOM": _last_weeks_of_month,
}
