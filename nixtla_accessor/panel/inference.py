"""Which frequencies the stamps of some series can be read as."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nixtla_accessor.panel.calendars import WEEKDAYS, Calendar, are_month_ends, days_of_month, weekdays
from nixtla_accessor.panel.times import TICKS_PER_SECOND, Ticks, TimeForm, most_frequent
from nixtla_accessor.panel.vocabulary import Reading, day_reading, elapsed_reading, month_reading

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_MONTH_DAYS = 8  # stamps on more different days of the month than this are no semi-month
PLAIN_BUSINESS_DAYS = 4  # every fifth business day is a week


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


def _calendar_strides(
    days: npt.NDArray[np.datetime64], sample: Sample
) -> Iterator[tuple[Integers, Callable[[int], Reading]]]:
    """Yield, for each family of days, the stride of each series (0 where it does not fit), and what strides are called.

    Where a family has anchors, strides come multiplied and the anchor is added, so that one number tells both.
    """
    firsts = sample.firsts
    numbers, week_days = days_of_month(days), weekdays(days)
    months = days.astype("M8[M]").astype(np.int64)
    month_strides = _constant_steps(months, sample)
    first_months = months[firsts] % 12

    def edges(family: str) -> tuple[Integers, Callable[[int], Reading]]:
        fitting = np.where(_all_rows(Calendar(family).contains(days), sample), month_strides, 0)
        return _with_anchor(fitting, first_months), lambda key: month_reading(*divmod(key, 100), family)

    yield edges("MS")
    yield edges("ME")
    # Of a semi-month, every second day is the same day of each month.
    first_numbers = numbers[firsts]
    same_number = _constant(numbers, sample) & (first_numbers > 1) & (first_numbers < 28)
    yield (
        _with_anchor(np.where(same_number, 2 * month_strides, 0), first_numbers),
        lambda key: Reading(key // 100, "SMS", str(key % 100)),
    )
    day_steps = _constant_steps(days.astype(np.int64), sample)
    yield _with_anchor(day_steps, week_days[firsts]), lambda key: day_reading(*divmod(key, 100))
    business = np.where(
        _all_rows(week_days < 5, sample), _constant_steps(np.busday_count("1970-01-01", days), sample), 0
    )
    yield np.where(business <= PLAIN_BUSINESS_DAYS, business, 0), lambda count: Reading(count, "B")
    yield edges("BMS")
    yield edges("BME")
    kinds = np.unique(numbers)
    if len(kinds) <= MOST_MONTH_DAYS:
        for day in kinds[kinds < 28].tolist():
            for family, later in (("SMS", numbers >= day), ("SME", are_month_ends(days))):
                inside = _all_rows(Calendar(family, str(day)).contains(days), sample)
                strides = _constant_steps(2 * months + later, sample)
                yield np.where(inside & (strides % 2 == 1), strides, 0), _named(family, str(day))
    same_day = _constant(week_days, sample)
    weeks = (numbers - 1) // 7
    same_week = np.where(same_day & _constant(weeks, sample) & (weeks[firsts] < 4), month_strides, 0)
    week_names = 7 * weeks[firsts] + week_days[firsts]
    yield (
        _with_anchor(same_week, week_names),
        lambda key: Reading(key // 100, "WOM", f"{key % 100 // 7 + 1}{WEEKDAYS[key % 100 % 7]}"),
    )
    last_week = np.where(same_day & _all_rows(days_of_month(days + 7) <= 7, sample), month_strides, 0)
    yield _with_anchor(last_week, week_days[firsts]), lambda key: Reading(key // 100, "LWOM", WEEKDAYS[key % 100])
    yield (
        np.where((business > PLAIN_BUSINESS_DAYS) & (business % 5 > 0), business, 0),
        lambda count: Reading(count, "B"),
    )


def _named(family: str, anchor: str = "") -> Callable[[int], Reading]:
    return lambda multiple: Reading(multiple, family, anchor)


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
    if form.is_integer or usual % form.ticks_per_day:
        reading = Reading(usual, "") if form.is_integer else _elapsed(usual, form)
        candidates = [_closeness(sample.ticks, sample, usual, 0, reading)]
    else:
        wall = form.to_wall(sample.ticks)
        days = wall // form.ticks_per_day
        hours = wall - days * form.ticks_per_day
        at_usual_hour = hours == most_frequent(hours)
        candidates = []
        for family in ("MS", "ME", "D", "B", "BMS", "BME"):
            on = at_usual_hour & Calendar(family).contains(days.view("M8[D]"))
            if np.count_nonzero(on) > len(on) / 2:
                candidates.append(_day_closeness(family, days, on, sample))
    best = min(candidates)
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
