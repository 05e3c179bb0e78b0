"""Inference of the frequency that the series of a panel share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import AmbiguousFrequencyWarning, FrequencyError, InvalidArgumentError, warn_caller
from nixtla_accessor.panel.arrays import Integers, concatenate_ranges
from nixtla_accessor.panel.calendars import MONTHS_APART
from nixtla_accessor.panel.candidates import Candidates, Sample, candidate_frequencies, fitting_series
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.looks import explain_look
from nixtla_accessor.panel.nearest import nearest_frequency
from nixtla_accessor.panel.panel import Columns, Stamps, name_id, use_integer_time
from nixtla_accessor.panel.times import TimeForm

ENOUGH_ROWS = 1_000  # of one series, to infer its frequency
SAMPLE_ROWS = 20_000  # of all series together
MIN_REGULAR = 1 / 3  # of the sample's rows; with fewer in regular series, the frequency nearest to all is preferred


@dataclass(frozen=True, slots=True)
class InferredFrequency:
    """The frequency that series share.

    Parameters
    ----------
    frequency : Frequency
        The simplest one that fits most series.
    ambiguity : str, optional
        A warning, where the series fit another frequency as well.
    """

    frequency: Frequency
    ambiguity: str | None = None

    def or_warn(self) -> Frequency:
        """Return the frequency; warn at the caller's line where it is ambiguous.

        Warns
        -----
        AmbiguousFrequencyWarning
            All series fit another frequency as well, which would continue differently.
        """
        if self.ambiguity:
            warn_caller(self.ambiguity, AmbiguousFrequencyWarning)
        return self.frequency


@dataclass(frozen=True, slots=True, eq=False)
class SampledSeries:
    """Series whose stamps are looked at in samples: those of a frame, or of the partitions of one.

    Parameters
    ----------
    columns : Columns
        The caller's names of the columns.
    ids : Index of length n_series
        The ids.
    sizes : ndarray of int64, shape (n_series,)
        How many rows each series has.
    form : TimeForm
        How the caller writes stamps.
    sample : callable
        Returns the stamps of some series, given by number; of long ones the first `ENOUGH_ROWS` may do.
    """

    columns: Columns
    ids: pd.Index[Any]
    sizes: Integers
    form: TimeForm
    sample: Callable[[Integers], Sample]


def infer_frequency(stamps: Stamps) -> Frequency:
    """Infer the frequency that the series of a panel share, and warn where it is ambiguous.

    Raises
    ------
    FrequencyError
        No series is long enough, or none is nearly regular.

    Warns
    -----
    AmbiguousFrequencyWarning
        All series fit another frequency as well, which would continue differently.
    """
    return find_frequency(stamps).or_warn()


def find_frequency(stamps: Stamps) -> InferredFrequency:
    """Infer the frequency that the series of a panel share, as `find_shared_frequency` does."""
    grouping = stamps.grouping
    sample = partial(take_sample, stamps)
    return find_shared_frequency(SampledSeries(stamps.columns, grouping.ids, grouping.sizes, stamps.form, sample))


def find_shared_frequency(series: SampledSeries) -> InferredFrequency:
    """Infer the frequency that series share.

    A series of three or more stamps may fit several frequencies; the one that fits most series is chosen, of equals
    the one that the times say themselves, then the simplest. Verifying every series is left to
    `nixtla_accessor.panel.packing.pack_panel`.

    Raises
    ------
    FrequencyError
        No series is long enough, or none is nearly regular.
    """
    declared = declared_frequency(series.form)
    long_enough = np.flatnonzero(series.sizes >= 3)
    if not len(long_enough):
        if declared is not None:
            return InferredFrequency(declared)
        raise _too_short(series)
    longest = _longest(series.sizes, long_enough)
    sample = series.sample(longest)
    candidates = candidate_frequencies(sample, series.form)
    if declared is not None:
        candidates = {declared: fitting_series(declared, sample, series.form)} | candidates
    frequency, rivals = _simplest(candidates)
    if frequency == declared:
        rivals = []
    if rivals:  # all series may settle it, the short ones too
        of_all = candidate_frequencies(series.sample(np.flatnonzero(series.sizes >= 2)), series.form)
        still_open = {frequency, *rivals}
        frequency, rivals = _simplest({name: of_all[name] for name in candidates if name in still_open})
    if frequency is None or sample.sizes[candidates[frequency]].sum() < MIN_REGULAR * len(sample.ticks):
        frequency = nearest_frequency(sample, series.form, declared) or frequency
    if frequency is None:
        raise _no_frequency(series, int(longest[0]), sample)
    return InferredFrequency(frequency, _ambiguity(frequency, rivals, series.columns) if rivals else None)


def declared_frequency(form: TimeForm) -> Frequency | None:
    """Return the frequency that times say themselves, as an index of datetimes or as periods; None if they say none."""
    if form.declared is None:
        return None
    try:
        frequency = parse_frequency(form.declared.base * abs(form.declared.n))  # an index may run backwards
        frequency.stride(form)
    except (InvalidArgumentError, FrequencyError):  # business hours, for instance
        return None
    return frequency


def _too_short(series: SampledSeries) -> FrequencyError:
    """Return the error for series of one or two stamps, with the simplest frequency that two of them fit."""
    pairs = np.flatnonzero(series.sizes == 2)
    found = candidate_frequencies(series.sample(pairs), series.form) if len(pairs) else {}
    simplest = next(iter(found), Frequency(1, "" if series.form.is_integer else "D"))
    return FrequencyError(
        f"Inferring the frequency requires a series of at least three stamps; the longest has {series.sizes.max()}. "
        f"Give the frequency, such as freq={simplest.name!r}."
    )


def _no_frequency(series: SampledSeries, longest: int, sample: Sample) -> FrequencyError:
    """Return the error for stamps without a frequency, with what they look like."""
    columns, form = series.columns, series.form
    look = explain_look(sample, columns, form)
    return FrequencyError(
        f"The stamps in {columns.time!r} have no frequency: {name_id(columns, series.ids, longest)} begins "
        f"{', '.join(form.show(sample.ticks[:4]))}. "
        f"{look or f'Resample to a regular frequency, if they should have one. {use_integer_time(columns)}'}"
    )


def take_sample(stamps: Stamps, series: Integers, *, whole: bool = False) -> Sample:
    """Return the sorted stamps of some series.

    Unless ``whole``, the first `ENOUGH_ROWS` stand for longer series, where that saves sorting the others.
    """
    grouping = stamps.grouping
    if grouping.blocks is not None and not whole:
        sizes = np.minimum(grouping.sizes[series], ENOUGH_ROWS)
        ticks = stamps.ticks[concatenate_ranges(grouping.blocks[series], sizes)]
        sample = Sample(ticks, sizes)
        steps = np.diff(ticks)
        steps[sample.firsts[1:] - 1] = 0
        if (steps >= 0).all():
            return sample
    places = np.full(len(grouping.sizes), -1)
    places[series] = np.arange(len(series))
    rows = grouping.rows_of(series)
    if len(series) == 1 and len(rows) > ENOUGH_ROWS and not whole:
        ticks = np.sort(np.partition(stamps.ticks[rows], ENOUGH_ROWS)[:ENOUGH_ROWS])
        return Sample(ticks, np.array([ENOUGH_ROWS]))
    rows = rows[np.lexsort((stamps.ticks[rows], places[grouping.row_codes()[rows]]))]
    return Sample(stamps.ticks[rows], grouping.sizes[series])


def _longest(sizes: Integers, long_enough: Integers) -> Integers:
    """Choose the series with most evidence, `SAMPLE_ROWS` rows in all; beyond `ENOUGH_ROWS` the shorter comes first."""
    sizes = sizes[long_enough]
    order = np.lexsort((sizes, -np.minimum(sizes, ENOUGH_ROWS)))
    chosen = np.searchsorted(np.cumsum(sizes[order]), SAMPLE_ROWS)
    return long_enough[order[: max(int(chosen), 1)]]


def _simplest(candidates: Candidates) -> tuple[Frequency | None, list[Frequency]]:
    """Choose the first of the frequencies that fit most series; list the others that fit some of the same series."""
    if not candidates:
        return None, []
    counts = {frequency: int(fitting.sum()) for frequency, fitting in candidates.items()}
    simplest, *others = [frequency for frequency, count in counts.items() if count == max(counts.values())]
    rivals = [other for other in others if (candidates[other] & candidates[simplest]).any()]
    if simplest.family in {*MONTHS_APART, "SMS"}:  # a few months of equal length are no evidence of days
        rivals = [rival for rival in rivals if rival.family not in {"D", "W", "B"}]
    return simplest, rivals


def _ambiguity(frequency: Frequency, rivals: list[Frequency], columns: Columns) -> str:
    """Return a warning that names the other frequencies that fit."""
    others = " and ".join(repr(rival.name) for rival in rivals)
    return (
        f"The stamps in {columns.time!r} fit {frequency.name!r}, and {others} as well; {frequency.name!r} is used, as "
        "the simplest. Pass freq to choose."
    )
