"""The frequency that the series of a panel share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nixtla_accessor.errors import AmbiguousFrequencyWarning, FrequencyError
from nixtla_accessor.panel.calendars import MONTHS_APART
from nixtla_accessor.panel.candidates import Fits, Sample, closest_reading, find_readings
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.ids import ranges
from nixtla_accessor.panel.messages import callers_level
from nixtla_accessor.panel.panel import Panel, name_series
from nixtla_accessor.panel.vocabulary import Reading

ENOUGH_ROWS = 1_000  # of one series, to read its frequency
SAMPLE_ROWS = 20_000  # of all series together
FEW_ROWS = 1 / 3  # when regular series have less than this share, irregular ones are asked as well

Sampler: TypeAlias = "Callable[[Panel, npt.NDArray[np.int64]], Sample]"


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
