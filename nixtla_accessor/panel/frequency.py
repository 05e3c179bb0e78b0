"""A frequency: its names, its season, and the steps along it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from nixtla_accessor.contract import API_FREQUENCY_NAMES, INTEGER_TIME_FREQUENCY
from nixtla_accessor.errors import FrequencyError, InvalidArgumentError, OffGridTimestampError
from nixtla_accessor.panel.aliases import (
    DEFAULT_ANCHORS,
    NANOSECONDS,
    alias_of_duration,
    alias_of_offset,
    parse_alias,
)
from nixtla_accessor.panel.arrays import Flags, Integers, Ticks
from nixtla_accessor.panel.calendars import MONTHS_APART, Calendar
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm
from nixtla_accessor.seasons import season_of


@dataclass(frozen=True, slots=True)
class Frequency:
    """Every ``multiple``-th day of a calendar, every ``multiple`` units of time, or every ``multiple`` integers.

    Days and longer steps follow local time; shorter ones count elapsed time.

    Parameters
    ----------
    multiple : int
        At least 1.
    family : str
        A pandas alias without multiple and anchor (``"h"``, ``"D"``, ``"W"``, ``"QS"``), or ``""`` for integer time.
    anchor : str, default ""
        What follows the alias's dash: ``"SUN"``, ``"JAN"``, ``"15"``.
    offset : pandas offset, optional
        The offset itself, where an alias alone does not determine its days: custom business days.

    Examples
    --------
    >>> parse_frequency("W-SUN").api_name
    'W'
    >>> parse_frequency("QS-OCT").name
    'QS-JAN'
    """

    multiple: int
    family: str
    anchor: str = ""
    offset: Any = None

    @property
    def name(self) -> str | int:
        """Today's pandas alias, anchor included; an int for integer time."""
        return self._alias(self.anchor) if self.family else self.multiple

    @property
    def api_name(self) -> str:
        """The name in the API: the contract's where it has one, else pandas' without a default anchor."""
        if not self.family:
            return INTEGER_TIME_FREQUENCY
        if self.family == "h" and self.multiple % 24 == 0:
            return Frequency(self.multiple // 24, "D").api_name
        anchor = "" if self.anchor == DEFAULT_ANCHORS.get(self.family) else self.anchor
        if self.multiple == 1 and not anchor:
            return API_FREQUENCY_NAMES.get(self.family, self.family)
        return self._alias(anchor)

    @property
    def season_length(self) -> int:
        """The steps of the season that the frequency implies; 1 where it implies none, as for integer time."""
        if not self.family:
            return 1
        try:
            return season_of(self.api_name).length
        except ValueError:  # an offset of the caller's own
            return 1

    def __str__(self) -> str:
        return str(self.name)

    def _alias(self, anchor: str) -> str:
        return f"{self.multiple if self.multiple > 1 else ''}{self.family}{'-' if anchor else ''}{anchor}"

    def stride(self, form: TimeForm) -> int:
        """Return the constant step between straightened ticks.

        Raises
        ------
        FrequencyError
            The unit of the times is too coarse for this frequency.
        """
        if not self.family:
            return self.multiple
        if self.family not in NANOSECONDS:
            return self.multiple * form.ticks_per_day
        scaled = self.multiple * NANOSECONDS[self.family] * TICKS_PER_SECOND[form.unit]
        ticks, remainder = divmod(scaled, TICKS_PER_SECOND["ns"])
        if remainder:
            raise FrequencyError(
                f"freq={self.name!r} is finer than the unit of the times, {form.unit!r}. Give a coarser freq, or "
                "convert the times to a finer unit."
            )
        return ticks

    def straighten(self, ticks: Ticks, form: TimeForm) -> tuple[Ticks, Flags | None]:
        """Map ticks so that the frequency becomes a constant step.

        Days of the calendar are numbered consecutively; the time of day stays.

        Returns
        -------
        straight : ndarray of int64, shape (n,)
            Regular series step by `stride`. The very same array where the step is constant already.
        off_calendar : ndarray of bool, shape (n,), or None
            The ticks whose day is not in the calendar; None when there are none.

        Raises
        ------
        FrequencyError
            Integer time with a frequency of dates, or the other way round.
        """
        if form.is_integer == bool(self.family):
            found, expected = ("integers", "an int") if form.is_integer else ("dates", "a frequency such as 'D'")
            raise FrequencyError(
                f"freq={self.name!r} does not suit the times, which are {found}. Give {expected} as freq."
            )
        if not self.family or self.family in NANOSECONDS:
            return ticks, None
        local = form.to_local(ticks)
        if self.family == "D" or not len(local):
            return local, None
        days = local // form.ticks_per_day
        first = int(days.min())
        days -= first
        in_calendar = self._calendar.contains(np.arange(first, first + int(days.max()) + 1).view("M8[D]"))
        numbers = np.cumsum(in_calendar) - 1
        shifts = (numbers - np.arange(len(numbers))) * form.ticks_per_day
        off_calendar = None if in_calendar.all() else ~in_calendar[days]
        return local + shifts[days], off_calendar if off_calendar is not None and off_calendar.any() else None

    def advance(self, ticks: Ticks, steps: Integers, form: TimeForm) -> Ticks:
        """Move each tick, which lies on the frequency, by a number of steps of zero or more.

        Parameters
        ----------
        ticks, steps : ndarray of int64, shape (n,)
            Where to start, and how many steps to go.
        form : TimeForm
            How the caller writes times.

        Raises
        ------
        OffGridTimestampError
            The day of a tick is not in the calendar.
        InvalidArgumentError
            The result overflows the time unit.
        """
        if not len(ticks):
            return ticks
        if self.family in {"", "D"} or self.family in NANOSECONDS:
            start = form.to_local(ticks) if self.family == "D" else ticks
            stride = self.stride(form)
            _refuse_overflow(int(start.max()) + int(steps.max()) * stride, form)
            end = start + steps * stride
            return form.from_local(end) if self.family == "D" else end
        local = form.to_local(ticks)
        days = local // form.ticks_per_day
        calendar_days = self._days_from(days, int(steps.max()) * self.multiple)
        places = np.minimum(np.searchsorted(calendar_days, days), len(calendar_days) - 1)
        off_grid = calendar_days[places] != days
        if off_grid.any():
            shown = ", ".join(form.show(ticks[off_grid][:SHOWN])) + and_more(int(off_grid.sum()))
            raise OffGridTimestampError(
                f"The stamps must be on the frequency {self.name!r}; off it are {shown}. Move them onto it, or give "
                "another freq."
            )
        end_days = calendar_days[places + steps * self.multiple]
        _refuse_overflow((int(end_days.max()) + 1) * form.ticks_per_day, form)
        return form.from_local(local + (end_days - days) * form.ticks_per_day)

    @property
    def _calendar(self) -> Calendar:
        return Calendar(self.family, self.anchor, self.offset)

    def _days_from(self, days: Integers, steps: int) -> Integers:
        """Return the calendar's days from the earliest of ``days`` to at least ``steps`` beyond the latest."""
        first, last = int(days.min()), int(days.max())
        length = 32 * MONTHS_APART.get(self.family, 1) * (steps + 1)
        while True:
            span = np.arange(first, last + length)
            calendar_days = span[self._calendar.contains(span.view("M8[D]"))]
            if np.count_nonzero(calendar_days > last) >= steps:
                return calendar_days
            length *= 2


FrequencyLike: TypeAlias = str | int | pd.offsets.BaseOffset | dt.timedelta | np.timedelta64 | Frequency


def parse_frequency(freq: FrequencyLike) -> Frequency:
    """Parse a frequency as users give it.

    Parameters
    ----------
    freq : str, int, pandas offset, timedelta or Frequency
        A pandas alias in old or new spelling, with its multiple and anchor; an offset; a duration, where whole days
        mean calendar days; an int for integer time.

    Raises
    ------
    InvalidArgumentError
        It is not a frequency.

    Examples
    --------
    >>> parse_frequency("H") == parse_frequency("60min") == parse_frequency(pd.Timedelta(hours=1))
    True
    """
    if isinstance(freq, Frequency):
        return freq
    if isinstance(freq, str):
        return Frequency(*parse_alias(freq))
    if isinstance(freq, pd.offsets.BaseOffset):
        alias, offset = alias_of_offset(freq)
        return Frequency(*alias, offset)
    if isinstance(freq, dt.timedelta | np.timedelta64):
        return Frequency(*alias_of_duration(freq))
    if isinstance(freq, int | np.integer) and not isinstance(freq, bool):
        if freq < 1:
            raise InvalidArgumentError(f"An int as freq must be a positive step of integer time; found freq={freq}.")
        return Frequency(int(freq), "")
    raise InvalidArgumentError(
        f"freq must be a pandas alias such as 'D', an offset, a timedelta or an int; found {freq!r}, a "
        f"{type(freq).__name__}."
    )


def spell_frequency(frequency: Frequency) -> str:
    """Return a frequency as it is typed after ``freq=``; ``offset`` where only the offset itself tells its days.

    Examples
    --------
    >>> spell_frequency(parse_frequency("h"))
    "'h'"
    """
    return repr(frequency.name) if frequency.offset is None else "offset"


def _refuse_overflow(last: int, form: TimeForm) -> None:
    if last > form.last_tick:
        times = f"times in {form.unit!r}" if form.unit else f"times of dtype {form.dtype}"
        raise InvalidArgumentError(f"The stamps reach beyond the largest that {times} can hold. Ask for fewer steps.")
