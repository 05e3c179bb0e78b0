"""What irregular stamps look like, and the way that works for them."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.panel.arrays import Integers
from nixtla_accessor.panel.calendars import are_month_ends, days_of_month
from nixtla_accessor.panel.candidates import Sample
from nixtla_accessor.panel.clocks import explain_midnights
from nixtla_accessor.panel.closed import explain_closed_times, suggest_open_days
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.jitter import explain_jitter, explain_uneven_steps
from nixtla_accessor.panel.nearest import distance_from, steps_between, without_duplicates
from nixtla_accessor.panel.panel import Columns, use_integer_time
from nixtla_accessor.panel.times import TimeForm

MOST = 0.8  # of the stamps that a calendar must explain
LAST_DAY = 32  # stands for the last day of a month, whichever that is
MAX_DAYS_OF_MONTH = 8  # stamps on more different days of the month than this are no calendar of months
MIN_MONTHS = 3  # that such a calendar must be seen in
PERIODS_IN_WEEKS = (
    ({4, 5}, "a 4-4-5 calendar"),
    ({4, 5, 6}, "a 4-4-5 calendar"),
    ({13, 14}, "quarters of a 52-53-week year"),
    ({52, 53}, "52-53-week years"),
)


def explain_look(sample: Sample, columns: Columns, form: TimeForm, frequency: Frequency | None = None) -> str | None:
    """Return sentences that say what irregular stamps look like and which calls help; None if that is not known.

    Parameters
    ----------
    sample : Sample
        Irregular series, each sorted by time.
    columns : Columns
        The columns of the frame.
    form : TimeForm
        How the caller writes stamps.
    frequency : Frequency, optional
        The frequency that they have, apart from gaps; None if they have none.
    """
    if form.is_integer or not len(sample.ticks):
        return None
    sample = without_duplicates(sample)
    distance = None if frequency is None else distance_from(frequency, sample, form)
    explained = explain_midnights(sample, form, columns.column(columns.time))
    if explained is None and (distance is None or distance.off_grid):
        explained = explain_jitter(sample, form, columns.column(columns.time))
    if explained is None and frequency is not None:
        explained = explain_closed_times(sample, columns, form, frequency)
    if explained is not None:
        return explained
    if distance is None or distance.off_grid > 1 or 2 * distance.broken > len(sample.ticks):
        calendar = calendar_that_starts_anew(sample, form)
        if calendar is not None:
            return f"They look like {calendar}, which is no frequency of pandas. {use_integer_time(columns)}"
    return None if distance is not None else _explain_steps(sample, columns, form)


def _explain_steps(sample: Sample, columns: Columns, form: TimeForm) -> str | None:
    """Return sentences about stamps without a frequency: the weekdays that they are on, or their even steps."""
    open_days = suggest_open_days(sample, form)
    if open_days is not None:
        return open_days
    uneven = explain_uneven_steps(sample, form)
    return uneven and f"{uneven} {use_integer_time(columns)}"


def calendar_that_starts_anew(sample: Sample, form: TimeForm) -> str | None:
    """Recognise calendars of days that no offset of pandas describes."""
    local = form.to_local(sample.ticks)
    days = local // form.ticks_per_day
    steps = steps_between(days, sample)
    steps = steps[steps > 0]
    if len(steps) < 3:
        return None
    return _days_of_months(days, sample) or _steps_of_years(days, steps) or _weeks(steps)


def _days_of_months(days: Integers, sample: Sample) -> str | None:
    """Recognise the same few days of each month, such as dekads."""
    dates = days.view("M8[D]")
    numbers = days_of_month(dates)
    is_last = are_month_ends(dates)
    if len(np.unique(dates.astype("M8[M]"))) < MIN_MONTHS:
        return None
    for places in (numbers, np.where(is_last, LAST_DAY, numbers)):
        usual, counts = np.unique(places, return_counts=True)
        usual = usual[counts * len(usual) > len(places) / 2]
        if not 2 <= len(usual) <= MAX_DAYS_OF_MONTH:
            continue
        order = np.searchsorted(usual, places)
        order[order == len(usual)] = 0
        months = dates.astype("M8[M]").astype(np.int64)
        follows = np.diff(len(usual) * months + order) == 1
        within = np.ones(len(follows), dtype=bool)
        within[sample.firsts[1:] - 1] = False
        if np.isin(places, usual).mean() >= MOST and follows[within].mean() >= MOST:
            return f"{_name_days(usual)} of each month"
    return None


def _name_days(days: Integers) -> str:
    """Return days of the month in words: "days 1, 11 and 21"."""
    names = ["the last" if day == LAST_DAY else str(day) for day in days]
    return f"days {', '.join(names[:-1])} and {names[-1]}"


def _steps_of_years(days: Integers, steps: Integers) -> str | None:
    """Recognise every n-th day, counted anew from the same day of each year."""
    distinct, counts = np.unique(steps, return_counts=True)
    step = int(distinct[np.argmax(counts)])
    if step < 2 or counts.max() < MOST * len(steps):
        return None
    dates = days.view("M8[D]")
    day_of_year = days - dates.astype("M8[Y]").astype("M8[D]").astype(np.int64)
    years, of_row = np.unique(dates.astype("M8[Y]"), return_inverse=True)
    n_regular = np.bincount(of_row, weights=day_of_year % step == 0)
    if len(years) == 1 or (n_regular < MOST * np.bincount(of_row)).any():
        return None
    return f"{'weeks' if step == 7 else f'periods of {step} days'} that are counted anew from 1 January of each year"


def _weeks(steps: Integers) -> str | None:
    """Recognise periods of whole weeks that are not equally long."""
    weeks, rest = np.divmod(steps, 7)
    lengths = set(np.unique(weeks).tolist())
    if rest.any() or len(lengths) < 2:
        return None
    named = " and ".join(map(str, sorted(lengths)))
    return next((f"periods of {named} weeks ({name})" for known, name in PERIODS_IN_WEEKS if lengths <= known), None)
