"""A frequency: read, named, and stepped along."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import API_FREQUENCY_NAMES, INTEGER_TIME_FREQUENCY
from nixtla_accessor.errors import (
    FrequencyError,
    InvalidArgumentError,
    OffGridTimestampError,
)
from nixtla_accessor.panel.calendars import MONTHS_APART, Calendar
from nixtla_accessor.panel.times import TICKS_PER_SECOND, Ticks, TimeForm, read_times
from nixtla_accessor.panel.vocabulary import (
    DEFAULT_ANCHORS,
    NANOSECONDS,
    read_duration,
    read_offset,
    read_text,
)
from nixtla_accessor.seasons import season_of


@dataclass(frozen=True, slots=True)
class Frequency:
    """Every ``count``-th day of a calendar, every ``count`` units of time, or every ``count`` integers.

    Days and longer steps follow the clock on the wall; shorter ones count the time that passes.

    Parameters
    ----------
    count : int
        The multiple, at least 1.
    family : str
        A pandas alias without multiple and anchor (``"h"``, ``"D"``, ``"W"``, ``"QS"``), or ``""`` for integer time.
    anchor : str, default ""
        What follows the alias's dash: ``"SUN"``, ``"JAN"``, ``"15"``.
    offset : pandas offset, optional
        The offset itself, where a name alone does not tell its days: custom business days.

    Examples
    --------
    >>> parse_frequency("W-SUN").api_name
    'W'
    >>> parse_frequency("QS-OCT").name
    'QS-JAN'
    """

    count: int
    family: str
    anchor: str = ""
    offset: Any = None

    @property
    def name(self) -> str | int:
        """The spelling of pandas today, anchor included; an int for integer time."""
        return self._spell(self.anchor) if self.family else self.count

    @property
    def api_name(self) -> str:
        """What the service is told: the contract's name where it has one, else pandas' without a default anchor."""
        if not self.family:
            return INTEGER_TIME_FREQUENCY
        if self.family == "h" and self.count % 24 == 0:
            return Frequency(self.count // 24, "D").api_name
        anchor = "" if self.anchor == DEFAULT_ANCHORS.get(self.family) else self.anchor
        if self.count == 1 and not anchor:
            return API_FREQUENCY_NAMES.get(self.family, self.family)
        return self._spell(anchor)

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

    def _spell(self, anchor: str) -> str:
        return f"{self.count if self.count > 1 else ''}{self.family}{'-' if anchor else ''}{anchor}"

    def stride(self, form: TimeForm) -> int:
        """Return the constant step between straightened ticks.

        Raises
        ------
        FrequencyError
            The unit of the times is too coarse for this frequency.
        """
        if not self.family:
            return self.count
        if self.family not in NANOSECONDS:
            return self.count * form.ticks_per_day
        wanted = self.count * NANOSECONDS[self.family] * TICKS_PER_SECOND[form.unit]
        ticks, rest = divmod(wanted, TICKS_PER_SECOND["ns"])
        if rest:
            raise FrequencyError(
                f"freq={self.name!r} is finer than the unit of the times, {form.unit}. Give another freq."
            )
        return ticks

    def straighten(self, ticks: Ticks, form: TimeForm) -> tuple[Ticks, npt.NDArray[np.bool_] | None]:
        """Map ticks so that the frequency becomes a constant step.

        Days on the calendar are numbered one after the other; the time of day stays.

        Returns
        -------
        straight : ndarray of int64, shape (n,)
            Regular series step by `stride`. The very ticks where they are straight already.
        strays : ndarray of bool, shape (n,), or None
            The stamps that lie on no day of the calendar; None when there are none.

        Raises
        ------
        FrequencyError
            Integer time with a frequency of dates, or the other way round.
        """
        if form.is_integer == bool(self.family):
            held, wanted = ("integers", "an int") if form.is_integer else ("dates", "a frequency such as 'D'")
            raise FrequencyError(
                f"freq={self.name!r} does not suit the times, which are {held}. Give {wanted} as freq."
            )
        if not self.family or self.family in NANOSECONDS:
            return ticks, None
        wall = form.to_wall(ticks)
        if self.family == "D" or not len(wall):
            return wall, None
        days = wall // form.ticks_per_day
        first = int(days.min())
        days -= first
        inside = self._calendar.contains(np.arange(first, first + int(days.max()) + 1).view("M8[D]"))
        numbers = np.cumsum(inside) - 1
        shifts = (numbers - np.arange(len(numbers))) * form.ticks_per_day
        strays = None if inside.all() else ~inside[days]
        return wall + shifts[days], strays if strays is not None and strays.any() else None

    def advance(self, ticks: Ticks, steps: npt.NDArray[np.int64], form: TimeForm) -> Ticks:
        """Move each tick, which lies on the frequency, by a number of steps of zero or more.

        Parameters
        ----------
        ticks, steps : ndarray of int64, shape (n,)
            Where to start, and how far to go.

        Raises
        ------
        OffGridTimestampError
            A tick lies on no day of the calendar.
        InvalidArgumentError
            The way leads beyond what the times' unit can hold.
        """
        if not len(ticks):
            return ticks
        if self.family in {"", "D"} or self.family in NANOSECONDS:
            start = form.to_wall(ticks) if self.family == "D" else ticks
            stride = self.stride(form)
            _refuse_overflow(int(start.max()) + int(steps.max()) * stride, form)
            end = start + steps * stride
            return form.from_wall(end) if self.family == "D" else end
        wall = form.to_wall(ticks)
        days = wall // form.ticks_per_day
        members = self._days_from(days, int(steps.max()) * self.count)
        places = np.minimum(np.searchsorted(members, days), len(members) - 1)
        if (members[places] != days).any():
            stray = ticks[np.argmax(members[places] != days)]
            raise OffGridTimestampError(f"{form.show(np.array([stray]))[0]} is no stamp of frequency {self.name!r}.")
        moved = members[places + steps * self.count]
        _refuse_overflow((int(moved.max()) + 1) * form.ticks_per_day, form)
        return form.from_wall(wall + (moved - days) * form.ticks_per_day)

    @property
    def _calendar(self) -> Calendar:
        return Calendar(self.family, self.anchor, self.offset)

    def _days_from(self, days: npt.NDArray[np.int64], steps: int) -> npt.NDArray[np.int64]:
        """List the days of the calendar from the first day until `steps` of them lie behind the last."""
        first, last = int(days.min()), int(days.max())
        length = 32 * MONTHS_APART.get(self.family, 1) * (steps + 1)
        while True:
            span = np.arange(first, last + length)
            members = span[self._calendar.contains(span.view("M8[D]"))]
            if np.count_nonzero(members > last) >= steps:
                return members
            length *= 2


FrequencyLike: TypeAlias = str | int | pd.offsets.BaseOffset | dt.timedelta | np.timedelta64 | Frequency


def parse_frequency(freq: FrequencyLike) -> Frequency:
    """Read a frequency as users give it.

    Parameters
    ----------
    freq : str, int, pandas offset, timedelta or Frequency
        A pandas alias in old or new spelling, with its multiple and anchor; an offset; a duration, where whole days
        mean days of the calendar; an int for integer time.

    Raises
    ------
    InvalidArgumentError
        It names no frequency.

    Examples
    --------
    >>> parse_frequency("H") == parse_frequency("60min") == parse_frequency(pd.Timedelta(hours=1))
    True
    """
    if isinstance(freq, Frequency):
        return freq
    if isinstance(freq, str):
        return Frequency(*read_text(freq))
    if isinstance(freq, pd.offsets.BaseOffset):
        reading, offset = read_offset(freq)
        return Frequency(*reading, offset)
    if isinstance(freq, dt.timedelta | np.timedelta64):
        return Frequency(*read_duration(freq))
    if isinstance(freq, int | np.integer) and not isinstance(freq, bool):
        if freq < 1:
            raise InvalidArgumentError(f"freq={freq} must be a positive step of integer time.")
        return Frequency(int(freq), "")
    raise InvalidArgumentError(
        f"freq must be a pandas alias such as 'D', an offset, a timedelta or an int; found {freq!r}, a "
        f"{type(freq).__name__}."
    )


def future_stamps(frequency: Frequency, last_stamps: pd.Index | pd.Series[Any], horizon: int) -> pd.Index:
    """Continue each series.

    Parameters
    ----------
    frequency : Frequency
        The frequency, on which every last stamp lies.
    last_stamps : Index or Series of length n_series
        The last stamp of each series, in any dtype that frames may have.
    horizon : int
        How many stamps to add to each.

    Returns
    -------
    Index of length n_series * horizon
        Series by series, in the dtype of `last_stamps`.

    Examples
    --------
    >>> future_stamps(parse_frequency("ME"), pd.DatetimeIndex(["2024-01-31"]), 2).astype(str).tolist()
    ['2024-02-29', '2024-03-31']
    """
    ticks, form = read_times(last_stamps, last_stamps.name)
    return form.restore(frequency.advance(ticks.repeat(horizon), np.tile(np.arange(1, horizon + 1), len(ticks)), form))


def _refuse_overflow(last: int, form: TimeForm) -> None:
    if last > form.last_tick:
        raise InvalidArgumentError(
            f"The stamps asked for reach beyond what times in {form.unit or form.dtype} can hold; ask for fewer."
        )
