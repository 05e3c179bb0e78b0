"""The frequency that irregular series are nearest to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nixtla_accessor.panel.arrays import Integers, most_frequent
from nixtla_accessor.panel.calendars import WEEKDAYS, days_of_month, weekdays
from nixtla_accessor.panel.candidates import Sample, day_frequency, month_frequency, time_frequency
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.grid import place_on_grid
from nixtla_accessor.panel.times import TimeForm


class Distance(NamedTuple):
    """How far stamps are from a frequency; candidates compare by these, in this order."""

    broken: int  # stamps off the frequency, and steps over more than one stride
    off_grid: int  # of these, the stamps
    missing: int  # stamps missing within the steps


def nearest_frequency(sample: Sample, form: TimeForm, declared: Frequency | None = None) -> Frequency | None:
    """Find the frequency that irregular series are nearest to; None when they are not near to any.

    Of the stamps, one may be off it, or a quarter: where more are, the grid is wrong and not the stamps. And either
    half the steps follow it, or a fifth of its stamps are there.

    Parameters
    ----------
    sample : Sample
        The stamps, sorted by series and time; some may repeat.
    form : TimeForm
        How the caller writes them.
    declared : Frequency, optional
        A frequency that the times say themselves, which is tried first.
    """
    sample = without_duplicates(sample)
    steps = steps_between(sample.ticks, sample)
    n_steps = int(np.count_nonzero(steps))
    if not n_steps:
        return None
    tried = [*([declared] if declared else []), *_proposals(sample, form)]
    distances = [(distance_from(frequency, sample, form), frequency) for frequency in dict.fromkeys(tried)]
    nearest, frequency = min(distances, key=lambda pair: pair[0])
    n_stamps = len(sample.ticks)
    fits = 3 * nearest.off_grid < n_stamps and (nearest.off_grid <= 1 or 4 * nearest.off_grid < n_stamps)
    is_near = 2 * nearest.broken <= n_steps or nearest.missing < 4 * n_stamps
    return frequency if fits and is_near else None


def distance_from(frequency: Frequency, sample: Sample, form: TimeForm) -> Distance:
    """Measure how far the stamps of a sample are from a frequency."""
    codes = np.repeat(np.arange(len(sample.sizes)), sample.sizes)
    grid = place_on_grid(codes, sample.ticks, frequency, form)
    off_grid = int(np.count_nonzero(grid.off_grid))
    return Distance(off_grid + int(np.count_nonzero(grid.missing)), off_grid, int(grid.missing.sum()))


def without_duplicates(sample: Sample) -> Sample:
    """Return a sample with each stamp of a series once."""
    kept = np.append(True, np.diff(sample.ticks) != 0)
    kept[sample.firsts] = True
    return Sample(sample.ticks[kept], np.add.reduceat(kept, sample.firsts, dtype=np.int64))


def steps_between(values: Integers, sample: Sample) -> Integers:
    """Return the step from each value to the next; 0 from one series to the next."""
    steps = np.diff(values)
    steps[sample.firsts[1:] - 1] = 0
    return steps


def _proposals(sample: Sample, form: TimeForm) -> Iterator[Frequency]:
    """Yield a frequency of each family that most stamps are in, the simplest first."""
    steps = steps_between(sample.ticks, sample)
    usual_step = most_frequent(steps[steps > 0])
    if form.is_integer:
        yield Frequency(usual_step, "")
        return
    local = form.to_local(sample.ticks)
    local_steps = steps_between(local, sample)
    if most_frequent(local_steps[local_steps > 0]) % form.ticks_per_day == 0:
        days = local // form.ticks_per_day
        time_of_day = local - days * form.ticks_per_day
        at_usual_time = time_of_day == most_frequent(time_of_day)
        for base in _families(days):
            straight, off_calendar = base.straighten(sample.ticks, form)
            on = at_usual_time if off_calendar is None else at_usual_time & ~off_calendar
            if 2 * np.count_nonzero(on) > len(on):
                sizes = np.add.reduceat(on, sample.firsts, dtype=np.int64)
                numbers = straight[on] // form.ticks_per_day
                yield _with_usual_step(base, numbers, days[on], Sample(numbers, sizes[sizes > 0]))
    yield time_frequency(usual_step, form)


def _families(days: Integers) -> Iterator[Frequency]:
    """Yield the families of days, with the anchors that suit most of some days."""
    dates = days.view("M8[D]")
    for family in ("MS", "ME", "D", "B", "BMS", "BME"):
        yield Frequency(1, family)
    numbers = days_of_month(dates)
    between = numbers[(numbers > 1) & (numbers < 28)]
    if len(between):
        yield Frequency(1, "SMS", str(most_frequent(between)))
        yield Frequency(1, "SME", str(most_frequent(between)))
    if (numbers == 1).any():
        yield Frequency(1, "SME", "1")
    usual = most_frequent(7 * ((numbers - 1) // 7) + weekdays(dates))
    if usual < 28:
        yield Frequency(1, "WOM", f"{usual // 7 + 1}{WEEKDAYS[usual % 7]}")
    yield Frequency(1, "LWOM", WEEKDAYS[most_frequent(weekdays(dates))])


def _with_usual_step(base: Frequency, numbers: Integers, days: Integers, sample: Sample) -> Frequency:
    """Return a family with the step that is most frequent, in the name that whole series would get.

    Parameters
    ----------
    base : Frequency
        The family, every day of it.
    numbers, days : ndarray of int64, shape (n,)
        The places of stamps among the family's days, and those days.
    sample : Sample
        The same places, as series.
    """
    steps = steps_between(numbers, sample)
    step = most_frequent(steps[steps > 0]) if (steps > 0).any() else 1
    if base.family == "D" or (base.family == "B" and step % 5 == 0):
        usual_weekday = most_frequent(weekdays(days.view("M8[D]")))
        return day_frequency(step if base.family == "D" else step // 5 * 7, usual_weekday)
    if base.anchor or base.family == "B":
        return Frequency(step, base.family, base.anchor)
    months = days.view("M8[D]").astype("M8[M]").astype(np.int64) % 12
    return month_frequency(step, most_frequent(months), base.family)
