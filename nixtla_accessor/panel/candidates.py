"""The frequencies that the stamps of some series fit exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from nixtla_accessor.panel.aliases import ANCHORS, alias_of_nanoseconds, canonical_anchor
from nixtla_accessor.panel.arrays import Days, Flags, Integers, Ticks, offsets
from nixtla_accessor.panel.calendars import MONTHS, WEEKDAYS, Calendar, are_month_ends, days_of_month, weekdays
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm

MAX_MONTH_DAYS = 8  # stamps on more different days of the month than this are not tried as semi-months


class Sample(NamedTuple):
    """Some series of at least two stamps, each sorted by time, one after the other."""

    ticks: Ticks
    sizes: Integers

    @property
    def firsts(self) -> Integers:
        """The position of each series' first stamp."""
        return offsets(self.sizes)


Candidates = dict[Frequency, Flags]
"""For each frequency, the series that fit it; shape (n_series,)."""


def fitting_series(frequency: Frequency, sample: Sample, form: TimeForm) -> Flags:
    """Return which series of a sample are regular at a frequency; shape (n_series,)."""
    straight, off_calendar = frequency.straighten(sample.ticks, form)
    regular = constant_steps(straight, sample) == frequency.stride(form)
    return np.asarray(regular if off_calendar is None else regular & _all_rows(~off_calendar, sample))


def candidate_frequencies(sample: Sample, form: TimeForm) -> Candidates:
    """Find the frequencies that fit whole series, stamp by stamp.

    Returns
    -------
    dict of Frequency to ndarray of bool, shape (n_series,)
        The simplest frequency first.
    """
    candidates: Candidates = {}
    steps = constant_steps(sample.ticks, sample)
    if form.is_integer:
        _add(candidates, EvenSteps(steps, None, lambda step, _: Frequency(step, "")))
        return candidates
    if not (steps % form.ticks_per_day > 0).all():
        local = form.to_local(sample.ticks)
        days = local // form.ticks_per_day
        same_time_of_day = _constant(local - days * form.ticks_per_day, sample)
        if same_time_of_day.any():
            for found in _calendar_families(days.view("M8[D]"), sample):
                _add(candidates, found._replace(steps=np.where(same_time_of_day, found.steps, 0)))
    explained = np.logical_or.reduce([*candidates.values(), np.zeros(len(steps), dtype=bool)])
    elapsed = np.where(explained, 0, steps)
    _add(candidates, EvenSteps(elapsed, None, lambda step, _: time_frequency(step, form)))
    return candidates


class SampleDays(NamedTuple):
    """The days of a sample, taken apart."""

    sample: Sample
    days: Days
    day_of_month: Integers
    weekday: Integers
    months: Integers  # since 1970-01
    month_steps: Integers  # of each series, 0 where they vary


class EvenSteps(NamedTuple):
    """The series of a sample that step evenly within a family of frequencies.

    Attributes
    ----------
    steps : ndarray of int64, shape (n_series,)
        The step of each series, in units of the family; 0 where the family does not fit.
    anchors : ndarray of int64, shape (n_series,), or None
        What tells frequencies of equal steps apart: a weekday, a month, a day of the month. None for families without.
    to_frequency : callable
        Returns the frequency of a step and an anchor, which is 0 for families without.
    """

    steps: Integers
    anchors: Integers | None
    to_frequency: Callable[[int, int], Frequency]


def _calendar_families(days: Days, sample: Sample) -> Iterator[EvenSteps]:
    """Try every family of days, the simplest first."""
    months = days.astype("M8[M]").astype(np.int64)
    month_steps = constant_steps(months, sample)
    found = SampleDays(sample, days, days_of_month(days), weekdays(days), months, month_steps)
    yield from _month_edges(found, "MS", "ME")
    yield _days_of_month(found)
    yield _constant_days(found)
    yield _business_days(found, range(1, 5))
    yield from _month_edges(found, "BMS", "BME")
    yield from _semi_months(found)
    yield from _weeks_of_month(found)
    yield _business_days(found, range(5, len(days) + 5))


def _month_edges(found: SampleDays, *families: str) -> Iterator[EvenSteps]:
    """Find first or last days of months, quarters and years."""
    first_months = found.months[found.sample.firsts] % 12
    for family in families:
        on_edge = _all_rows(Calendar(family).contains(found.days), found.sample)
        steps = np.where(on_edge, found.month_steps, 0)
        yield EvenSteps(steps, first_months, partial(month_frequency, family=family))


def _days_of_month(found: SampleDays) -> EvenSteps:
    """Find the same day of each month; in pandas, that is every second day of a semi-month."""
    first_days = found.day_of_month[found.sample.firsts]
    same_day = _constant(found.day_of_month, found.sample) & (first_days > 1) & (first_days < 28)
    steps = np.where(same_day, 2 * found.month_steps, 0)
    return EvenSteps(steps, first_days, lambda step, day: Frequency(step, "SMS", str(day)))


def _constant_days(found: SampleDays) -> EvenSteps:
    """Find every n-th day; weeks where that is a multiple of seven."""
    steps = constant_steps(found.days.astype(np.int64), found.sample)
    return EvenSteps(steps, found.weekday[found.sample.firsts], day_frequency)


def _business_days(found: SampleDays, multiples: range) -> EvenSteps:
    """Find every n-th business day; every fifth is a week and left to it, as are its multiples."""
    business_days = np.asarray(np.busday_count("1970-01-01", found.days), dtype=np.int64)
    steps = constant_steps(business_days, found.sample)
    fits = _all_rows(found.weekday < 5, found.sample) & (steps >= multiples.start) & (steps < multiples.stop)
    return EvenSteps(np.where(fits & (steps % 5 > 0), steps, 0), None, lambda step, _: Frequency(step, "B"))


def _semi_months(found: SampleDays) -> Iterator[EvenSteps]:
    """Find two days of each month: the first or last, and another."""
    days_of_month = np.unique(found.day_of_month)
    if len(days_of_month) > MAX_MONTH_DAYS:
        return
    for day in days_of_month[days_of_month < 28].tolist():
        for family, is_second in (("SMS", found.day_of_month >= day), ("SME", are_month_ends(found.days))):
            in_calendar = _all_rows(Calendar(family, str(day)).contains(found.days), found.sample)
            half_months = constant_steps(2 * found.months + is_second, found.sample)
            steps = np.where(in_calendar & (half_months % 2 == 1), half_months, 0)
            yield EvenSteps(steps, None, partial(_semi_month_frequency, family=family, day=day))


def _weeks_of_month(found: SampleDays) -> Iterator[EvenSteps]:
    """Find the n-th or last Friday, or another weekday, of each month."""
    firsts = found.sample.firsts
    same_weekday = _constant(found.weekday, found.sample)
    week, first_weekdays = (found.day_of_month - 1) // 7, found.weekday[firsts]
    same_week = same_weekday & _constant(week, found.sample) & (week[firsts] < 4)
    yield EvenSteps(
        np.where(same_week, found.month_steps, 0),
        7 * week[firsts] + first_weekdays,  # the place in ANCHORS["WOM"], which lists week by week
        lambda step, place: Frequency(step, "WOM", ANCHORS["WOM"][place]),
    )
    is_last = same_weekday & _all_rows(days_of_month(found.days + 7) <= 7, found.sample)
    yield EvenSteps(
        np.where(is_last, found.month_steps, 0),
        first_weekdays,
        lambda step, weekday: Frequency(step, "LWOM", WEEKDAYS[weekday]),
    )


def time_frequency(ticks: int, form: TimeForm) -> Frequency:
    """Return the frequency of a constant step of elapsed time."""
    return Frequency(*alias_of_nanoseconds(ticks * (TICKS_PER_SECOND["ns"] // TICKS_PER_SECOND[form.unit])))


def day_frequency(step: int, weekday: int) -> Frequency:
    """Return the frequency of a constant step of days: weeks where it is a multiple of seven."""
    return Frequency(step // 7, "W", WEEKDAYS[weekday]) if step % 7 == 0 else Frequency(step, "D")


def month_frequency(step: int, month: int, family: str) -> Frequency:
    """Return the frequency of a constant step of months from a month, 0 for January: quarters or years if possible."""
    business, side = family[:-2], family[-1]
    if step % 12 == 0:
        return Frequency(step // 12, f"{business}Y{side}", MONTHS[month])
    if step % 3 == 0:
        return Frequency(step // 3, f"{business}Q{side}", canonical_anchor(MONTHS[month], 3, side))
    return Frequency(step, family)


def _semi_month_frequency(step: int, _: int, family: str, day: int) -> Frequency:
    return Frequency(step, family, str(day))


def _add(candidates: Candidates, found: EvenSteps) -> None:
    """Add the frequencies of series that step evenly, by step, then by anchor."""
    for step in np.unique(found.steps[found.steps > 0]).tolist():
        of_step = found.steps == step
        anchors = [0] if found.anchors is None else np.unique(found.anchors[of_step]).tolist()
        for anchor in anchors:
            frequency = found.to_frequency(step, anchor)
            fitting = of_step if found.anchors is None else of_step & (found.anchors == anchor)
            candidates[frequency] = candidates[frequency] | fitting if frequency in candidates else fitting


def constant_steps(values: Integers, sample: Sample) -> Integers:
    """Return each series' step where it is positive and constant, else 0."""
    firsts = sample.firsts
    steps = np.append(np.diff(values), 0)
    steps[firsts + sample.sizes - 1] = steps[firsts]  # the difference to the next series is not a step
    low, high = np.minimum.reduceat(steps, firsts), np.maximum.reduceat(steps, firsts)
    return np.where((low == high) & (low > 0), low, 0)


def _constant(values: Integers, sample: Sample) -> Flags:
    """Return for each series whether a value is the same in all its rows."""
    return np.asarray(np.minimum.reduceat(values, sample.firsts) == np.maximum.reduceat(values, sample.firsts))


def _all_rows(flags: Flags, sample: Sample) -> Flags:
    """Return for each series whether a flag is set in all its rows."""
    return np.asarray(np.logical_and.reduceat(flags, sample.firsts))
