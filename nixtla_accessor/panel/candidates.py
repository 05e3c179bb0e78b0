"""Which frequencies the stamps of some series can be read as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nixtla_accessor.panel.calendars import WEEKDAYS, Calendar, Days, are_month_ends, days_of_month, weekdays
from nixtla_accessor.panel.times import TICKS_PER_SECOND, Ticks, TimeForm, most_frequent
from nixtla_accessor.panel.vocabulary import Reading, day_reading, elapsed_reading, month_reading

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_MONTH_DAYS = 8  # stamps on more different days of the month than this are no semi-month


class Sample(NamedTuple):
    """Some series of at least two stamps, each sorted by time, one after the other."""

    ticks: Ticks
    sizes: Integers

    @property
    def firsts(self) -> Integers:
        """The position of each series' first stamp."""
        return np.cumsum(self.sizes) - self.sizes


Fits = dict[Reading, Flags]  # for each reading, the series that it fits


def find_readings(sample: Sample, form: TimeForm) -> Fits:
    """Find the readings that fit whole series, stamp by stamp.

    Returns
    -------
    dict of Reading to ndarray of bool, shape (n_series,)
        The plainest reading first.
    """
    fits: Fits = {}
    if form.is_integer:
        _add(fits, _constant_steps(sample.ticks, sample), lambda step: Reading(step, ""))
        return fits
    elapsed = _constant_steps(sample.ticks, sample)
    if not (elapsed % form.ticks_per_day > 0).all():
        wall = form.to_wall(sample.ticks)
        days = wall // form.ticks_per_day
        same_time_of_day = _constant(wall - days * form.ticks_per_day, sample)
        if same_time_of_day.any():
            for strides, name in _calendar_strides(days.view("M8[D]"), sample):
                _add(fits, np.where(same_time_of_day, strides, 0), name)
    explained = np.logical_or.reduce([*fits.values(), np.zeros(len(elapsed), dtype=bool)])
    _add(fits, np.where(explained, 0, elapsed), lambda step: _elapsed(step, form))
    return fits


class DayView(NamedTuple):
    """The days of a sample, taken apart."""

    sample: Sample
    days: Days
    day_of_month: Integers
    weekday: Integers
    months: Integers  # since 1970-01
    month_strides: Integers  # of each series, 0 where they vary


# The strides of each series (0 where a family does not fit), and what a stride is called. Where the family has
# anchors, strides come as 100 * stride + anchor, so that one number tells both.
Strides = Iterator[tuple[Integers, Callable[[int], Reading]]]


def _calendar_strides(days: Days, sample: Sample) -> Strides:
    """Try every family of days, the plainest first."""
    months = days.astype("M8[M]").astype(np.int64)
    strides = _constant_steps(months, sample)
    view = DayView(sample, days, days_of_month(days), weekdays(days), months, strides)
    yield from _month_edges(view, "MS", "ME")
    yield from _days_of_month(view)
    yield from _constant_days(view)
    yield from _business_days(view, range(1, 5))
    yield from _month_edges(view, "BMS", "BME")
    yield from _semi_months(view)
    yield from _weeks_of_month(view)
    yield from _business_days(view, range(5, len(days) + 5))


def _month_edges(view: DayView, *families: str) -> Strides:
    """First or last days of months, quarters and years."""
    first_months = view.months[view.sample.firsts] % 12
    for family in families:
        inside = _all_rows(Calendar(family).contains(view.days), view.sample)
        strides = np.where(inside, view.month_strides, 0)
        yield _with_anchor(strides, first_months), partial(_month_name, family)


def _days_of_month(view: DayView) -> Strides:
    """Find the same day of each month; in pandas, that is every second day of a semi-month."""
    numbers = view.day_of_month[view.sample.firsts]
    same = _constant(view.day_of_month, view.sample) & (numbers > 1) & (numbers < 28)
    strides = np.where(same, 2 * view.month_strides, 0)
    yield _with_anchor(strides, numbers), lambda key: Reading(key // 100, "SMS", str(key % 100))


def _constant_days(view: DayView) -> Strides:
    """Find every n-th day; weeks where that is a multiple of seven."""
    strides = _constant_steps(view.days.astype(np.int64), view.sample)
    yield _with_anchor(strides, view.weekday[view.sample.firsts]), lambda key: day_reading(*divmod(key, 100))


def _business_days(view: DayView, multiples: range) -> Strides:
    """Find every n-th business day; every fifth is a week, and no multiple of it."""
    strides = _constant_steps(_day_numbers("B", view.days.astype(np.int64)), view.sample)
    wanted = _all_rows(view.weekday < 5, view.sample) & (strides >= multiples.start) & (strides < multiples.stop)
    yield np.where(wanted & (strides % 5 > 0), strides, 0), lambda stride: Reading(stride, "B")


def _semi_months(view: DayView) -> Strides:
    """Find two days of each month: the first or last, and another."""
    numbers = np.unique(view.day_of_month)
    if len(numbers) > MOST_MONTH_DAYS:
        return
    for day in numbers[numbers < 28].tolist():
        for family, is_second in (("SMS", view.day_of_month >= day), ("SME", are_month_ends(view.days))):
            inside = _all_rows(Calendar(family, str(day)).contains(view.days), view.sample)
            strides = _constant_steps(2 * view.months + is_second, view.sample)
            name = partial(Reading, family=family, anchor=str(day))
            yield np.where(inside & (strides % 2 == 1), strides, 0), name


def _weeks_of_month(view: DayView) -> Strides:
    """Find the n-th or last Friday, or another weekday, of each month."""
    firsts = view.sample.firsts
    same_weekday = _constant(view.weekday, view.sample)
    week, weekday = (view.day_of_month - 1) // 7, view.weekday[firsts]
    same_week = same_weekday & _constant(week, view.sample) & (week[firsts] < 4)
    strides = np.where(same_week, view.month_strides, 0)
    yield (
        _with_anchor(strides, 7 * week[firsts] + weekday),
        lambda key: Reading(key // 100, "WOM", _week_name(key % 100)),
    )
    is_last = same_weekday & _all_rows(days_of_month(view.days + 7) <= 7, view.sample)
    strides = np.where(is_last, view.month_strides, 0)
    yield _with_anchor(strides, weekday), lambda key: Reading(key // 100, "LWOM", WEEKDAYS[key % 100])


def _month_name(family: str, key: int) -> Reading:
    return month_reading(*divmod(key, 100), family)


def _week_name(number: int) -> str:
    week, weekday = divmod(number, 7)
    return f"{week + 1}{WEEKDAYS[weekday]}"


class Closeness(NamedTuple):
    """How near stamps are to a reading; the smaller the nearer."""

    broken: int  # stamps off the reading, and steps over more than one stride
    off: int  # of these, the stamps
    missing: int  # strides within the steps
    reading: Reading


def closest_reading(sample: Sample, form: TimeForm) -> Reading | None:
    """Find the reading that irregular series are nearest to; None when they are not near to any.

    Two stamps of three must lie on it; and either every other step follow it, or every fifth of its stamps be there.
    """
    sample = _without_duplicates(sample)
    steps = _steps(sample.ticks, sample)
    if not (steps > 0).any():
        return None
    usual = most_frequent(steps[steps > 0])
    candidates = []
    if not form.is_integer and usual % form.ticks_per_day == 0:
        wall = form.to_wall(sample.ticks)
        days = wall // form.ticks_per_day
        hours = wall - days * form.ticks_per_day
        at_usual_hour = hours == most_frequent(hours)
        for family in ("MS", "ME", "D", "B", "BMS", "BME"):
            on = at_usual_hour & Calendar(family).contains(days.view("M8[D]"))
            if np.count_nonzero(on) > len(on) / 2:
                candidates.append(_day_closeness(family, days, on, sample))
    reading = Reading(usual, "") if form.is_integer else _elapsed(usual, form)
    candidates.append(_closeness(sample.ticks, sample, usual, 0, reading))
    best = min(candidates, key=lambda candidate: candidate[:3])
    is_rhythm = 2 * best.broken <= np.count_nonzero(steps) or best.missing < 4 * len(sample.ticks)
    return best.reading if 3 * best.off < len(sample.ticks) and is_rhythm else None


def _without_duplicates(sample: Sample) -> Sample:
    kept = np.append(True, np.diff(sample.ticks) != 0)
    kept[sample.firsts] = True
    return Sample(sample.ticks[kept], np.add.reduceat(kept, sample.firsts, dtype=np.int64))


def _day_closeness(family: str, days: Integers, on: Flags, sample: Sample) -> Closeness:
    """Hold the stamps against the most frequent stride of a family of days, on which some of them are."""
    sizes = np.add.reduceat(on, sample.firsts, dtype=np.int64)
    kept = Sample(days[on], sizes[sizes > 0])
    numbers = _day_numbers(family, kept.ticks)
    steps = _steps(numbers, kept)
    stride = most_frequent(steps[steps > 0]) if (steps > 0).any() else 1
    if family == "D":
        reading = day_reading(stride, int(weekdays(kept.ticks[:1].view("M8[D]"))[0]))
    elif family == "B":
        reading = Reading(stride, "B")
    else:
        reading = month_reading(stride, int(numbers[0]) % 12, family)
    return _closeness(numbers, kept, stride, int(np.count_nonzero(~on)), reading)


def _closeness(values: Integers, sample: Sample, stride: int, off: int, reading: Reading) -> Closeness:
    steps = _steps(values, sample)
    strides, rests = np.divmod(steps[steps > 0], stride)
    between = int(np.count_nonzero(rests))
    broken = int(np.count_nonzero((strides != 1) | (rests > 0)))
    return Closeness(off + broken, off + between, int((strides - 1).sum()), reading)


def _day_numbers(family: str, days: Integers) -> Integers:
    """Count days, business days or months up to each day."""
    if family == "D":
        return days
    if family == "B":
        return np.asarray(np.busday_count("1970-01-01", days.view("M8[D]")), dtype=np.int64)
    return np.asarray(days.view("M8[D]").astype("M8[M]").astype(np.int64))


def _steps(values: Integers, sample: Sample) -> Integers:
    """Give the step from each value to the next; 0 from one series to the next."""
    steps = np.diff(values)
    steps[sample.firsts[1:] - 1] = 0
    return steps


def _elapsed(ticks: int, form: TimeForm) -> Reading:
    return elapsed_reading(ticks * (TICKS_PER_SECOND["ns"] // TICKS_PER_SECOND[form.unit]))


def _add(fits: Fits, strides: Integers, name: Callable[[int], Reading]) -> None:
    for stride in np.unique(strides[strides > 0]).tolist():
        reading = name(stride)
        fitting = strides == stride
        fits[reading] = fits[reading] | fitting if reading in fits else fitting


def _with_anchor(strides: Integers, anchors: Integers) -> Integers:
    return np.where(strides > 0, 100 * strides + anchors, 0)


def _constant_steps(values: Integers, sample: Sample) -> Integers:
    """Give each series' step where it is positive and constant, else 0."""
    firsts = sample.firsts
    steps = np.append(np.diff(values), 0)
    steps[firsts + sample.sizes - 1] = steps[firsts]  # what lies between two series is no step
    low, high = np.minimum.reduceat(steps, firsts), np.maximum.reduceat(steps, firsts)
    return np.where((low == high) & (low > 0), low, 0)


def _constant(values: Integers, sample: Sample) -> Flags:
    return np.asarray(np.minimum.reduceat(values, sample.firsts) == np.maximum.reduceat(values, sample.firsts))


def _all_rows(flags: Flags, sample: Sample) -> Flags:
    return np.asarray(np.logical_and.reduceat(flags, sample.firsts))
