"""The frequency of a panel: found, named, and stepped along."""

from __future__ import annotations

import datetime as dt
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import (
    AmbiguousFrequencyWarning,
    FrequencyError,
    InvalidArgumentError,
    OffGridTimestampError,
)
from nixtla_accessor.panel.calendars import MONTHS_APART, Calendar
from nixtla_accessor.panel.ids import ranges
from nixtla_accessor.panel.inference import Fits, Sample, closest_reading, find_readings
from nixtla_accessor.panel.messages import name_series
from nixtla_accessor.panel.times import TICKS_PER_SECOND, Ticks, TimeForm, read_times
from nixtla_accessor.panel.vocabulary import (
    DEFAULT_ANCHORS,
    NANOSECONDS,
    Reading,
    read_duration,
    read_offset,
    read_text,
)

if TYPE_CHECKING:
    from nixtla_accessor.panel.frame import Panel

CONTRACT_NAMES = {"D": "D", "h": "H", "W": "W", "ME": "M"}

ENOUGH_ROWS = 1_000  # of one series, to read its frequency
SAMPLE_ROWS = 20_000  # of all series together
FEW_ROWS = 1 / 3  # when regular series have less than this share, irregular ones are asked as well


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
    >>> parse_frequency("W-SUN").wire
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
    def wire(self) -> str:
        """What the service is told: the contract's name where it has one, else pandas' without a default anchor."""
        if not self.family:
            return "MS"
        if self.family == "h" and self.count % 24 == 0:
            return Frequency(self.count // 24, "D").wire
        anchor = "" if self.anchor == DEFAULT_ANCHORS.get(self.family) else self.anchor
        if self.count == 1 and not anchor:
            return CONTRACT_NAMES.get(self.family, self.family)
        return self._spell(anchor)

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


Sampler: TypeAlias = "Callable[[Panel, npt.NDArray[np.int64]], Sample]"
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


class Finding(NamedTuple):
    """The frequency that series share, and what is to be said where they fit another as well."""

    frequency: Frequency
    doubt: str | None = None


def infer_frequency(panel: Panel) -> Frequency:
    """Find the frequency that the series of a panel share, as `find_frequency` does, and warn where that is in doubt.

    Raises
    ------
    FrequencyError
        No series is long enough, or none is near to regular.

    Warns
    -----
    AmbiguousFrequencyWarning
        All series fit another frequency as well, which would go on differently.
    """
    frequency, doubt = find_frequency(panel)
    if doubt:
        warnings.warn(doubt, AmbiguousFrequencyWarning, stacklevel=callers_level())
    return frequency


def find_frequency(panel: Panel, sample_of: Sampler | None = None) -> Finding:
    """Find the frequency that the series of a panel share.

    Every series of three or more stamps may be read in several ways; the reading that fits most of them is taken, of
    equals the plainest. Verifying every series is left to `nixtla_accessor.panel.packing.pack_panel`.

    Parameters
    ----------
    panel : Panel
        The series. Of its rows only the sizes of the series are looked at.
    sample_of : callable, optional
        Gives the stamps of some series of the panel, as `take_sample` does, which is the default.

    Raises
    ------
    FrequencyError
        No series is long enough, or none is near to regular.
    """
    sample_of = sample_of or take_sample
    sizes = panel.grouping.sizes
    eligible = np.flatnonzero(sizes >= 3)
    if not len(eligible):
        raise FrequencyError(
            f"No series has the three stamps that it takes to find a frequency; the longest has {sizes.max()}. "
            f"Give it: freq={1 if panel.form.is_integer else 'D'!r}."
        )
    some = _longest(panel, eligible)
    sample = sample_of(panel, some)
    fits = find_readings(sample, panel.form)
    reading, rivals = _plainest(fits)
    if rivals:  # now every series has a say, the short ones too
        everyone = find_readings(sample_of(panel, np.flatnonzero(sizes >= 2)), panel.form)
        reading, rivals = _plainest({name: everyone[name] for name in fits if name in {reading, *rivals}})
    if reading is None or sample.sizes[fits[reading]].sum() < FEW_ROWS * len(sample.ticks):
        reading = closest_reading(sample, panel.form) or reading
    if reading is None:
        shown = ", ".join(panel.form.show(sample.ticks[:4]))
        raise FrequencyError(
            f"The stamps in {panel.columns.time!r} have no frequency: {name_series(panel, some[0])} begins {shown}. "
            "Resample to a regular frequency, or number the rows of each series and use that as integer time."
        )
    return Finding(Frequency(*reading), _doubt(reading, rivals, panel) if rivals else None)


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


def take_sample(panel: Panel, series: npt.NDArray[np.int64], *, whole: bool = False) -> Sample:
    """Sort the stamps of some series; of series that are sorted, the first `ENOUGH_ROWS` do unless all are wanted."""
    grouping = panel.grouping
    if grouping.blocks is not None and not whole:
        sizes = np.minimum(grouping.sizes[series], ENOUGH_ROWS)
        ticks = panel.ticks[ranges(grouping.blocks[series], sizes)]
        sample = Sample(ticks, sizes)
        steps = np.diff(ticks)
        steps[sample.firsts[1:] - 1] = 0
        if (steps >= 0).all():
            return sample
    places = np.full(len(grouping.sizes), -1)
    places[series] = np.arange(len(series))
    rows = grouping.rows_of(series)
    if len(series) == 1 and len(rows) > ENOUGH_ROWS and not whole:  # the earliest stamps need no sorting of the others
        ticks = np.sort(np.partition(panel.ticks[rows], ENOUGH_ROWS)[:ENOUGH_ROWS])
        return Sample(ticks, np.array([ENOUGH_ROWS]))
    rows = rows[np.lexsort((panel.ticks[rows], places[grouping.row_codes()[rows]]))]
    return Sample(panel.ticks[rows], grouping.sizes[series])


def _longest(panel: Panel, eligible: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Choose series with the most evidence; more than `ENOUGH_ROWS` is no better."""
    sizes = panel.grouping.sizes[eligible]
    order = np.lexsort((sizes, -np.minimum(sizes, ENOUGH_ROWS)))
    chosen = np.searchsorted(np.cumsum(sizes[order]), SAMPLE_ROWS)
    return eligible[order[: max(int(chosen), 1)]]


def _plainest(fits: Fits) -> tuple[Reading | None, list[Reading]]:
    """Choose the reading that fits most series, of equals the first; and list the others that would have done."""
    if not fits:
        return None, []
    counts = {reading: int(fitting.sum()) for reading, fitting in fits.items()}
    best, *others = [reading for reading, count in counts.items() if count == max(counts.values())]
    rivals = [other for other in others if (fits[other] & fits[best]).any()]
    if best.family in {*MONTHS_APART, "SMS"}:  # that months are sometimes equally long says nothing
        rivals = [rival for rival in rivals if rival.family not in {"D", "W", "B"}]
    return best, rivals


def _doubt(reading: Reading, rivals: list[Reading], panel: Panel) -> str:
    """Say what else the stamps may be."""
    taken, *others = [repr(Frequency(*one).name) for one in (reading, *rivals)]
    return (
        f"The stamps in {panel.columns.time!r} fit {taken}, and {' and '.join(others)} as well; the plainer reading, "
        f"{taken}, was taken. Give freq to settle it."
    )


def _refuse_overflow(last: int, form: TimeForm) -> None:
    if last > form.last_tick:
        raise InvalidArgumentError(
            f"The stamps asked for reach beyond what times in {form.unit or form.dtype} can hold; ask for fewer."
        )


def callers_level() -> int:
    """Count the frames up to the first outside this package, so that a warning points at the user's line."""
    package = str(Path(__file__).parent.parent)
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level
