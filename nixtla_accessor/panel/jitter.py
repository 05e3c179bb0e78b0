"""Stamps that are nearly on a regular grid: the rounding that puts them on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nixtla_accessor.panel.aliases import NANOSECONDS, NANOSECONDS_PER_DAY, alias_of_nanoseconds
from nixtla_accessor.panel.arrays import most_frequent
from nixtla_accessor.panel.candidates import Sample, candidate_frequencies
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.nearest import distance_from, nearest_frequency, steps_between
from nixtla_accessor.panel.times import TICKS_PER_SECOND, TimeForm

# What people round times to, in nanoseconds.
GRIDS = sorted(
    [size * NANOSECONDS[unit] for unit in ("us", "ms") for size in (1, 10, 100)]
    + [size * NANOSECONDS[unit] for unit in ("s", "min") for size in (1, 2, 5, 10, 15, 20, 30)]
    + [size * NANOSECONDS["h"] for size in (1, 2, 3, 4, 6, 8, 12)]
    + [NANOSECONDS_PER_DAY]
)
MIN_STAMPS = 6  # fewer are on some grid by chance
MAX_STAMPS = 2_000  # that are looked at
MAX_SHIFT = 1 / 4  # of the usual step, that a stamp may be off the grid
MAX_GAPS = 1 / 10  # of the stamps, that may be missing on it


class Rounding(NamedTuple):
    """A grid that all stamps are regular on, once they are rounded to it.

    Attributes
    ----------
    shift : int
        By how many ticks a stamp moves at most.
    grid : int
        The grid, in nanoseconds.
    """

    shift: int
    grid: int


def explain_jitter(sample: Sample, form: TimeForm, name: NamedColumn) -> str | None:
    """Recognise stamps that are regular but for small shifts, and return the sentence that tells how to round them."""
    if form.kind not in {"stamp", "text"}:
        return None
    sample = _beginning(sample)
    steps = steps_between(sample.ticks, sample)
    steps = steps[steps > 0]
    if len(sample.ticks) < MIN_STAMPS or not len(steps):
        return None
    rounding = _find_rounding(sample, form, MAX_SHIFT * float(np.median(steps)))
    if rounding is not None:
        shift = pd.Timedelta(rounding.shift * (NANOSECONDS["s"] // TICKS_PER_SECOND[form.unit]), "ns")
        grid = "D" if rounding.grid == NANOSECONDS_PER_DAY else _alias(rounding.grid)
        return (
            f"They are on a regular grid but for shifts of at most {shift.total_seconds():.6g} s. Round them: "
            f"{name.convert(_rounded(form, grid))}."
        )
    local = form.to_local(sample.ticks)
    of_day = local % form.ticks_per_day
    varies = 2 * np.count_nonzero(of_day == most_frequent(of_day)) < len(of_day)
    if varies and _is_regular(Sample(local - of_day, sample.sizes), _without_zone(form)):
        days = name.convert(f"{form.datetimes}.dt.normalize()")
        return f"They are one at each step of days, at varying times of day. Leave the time of day out: {days}."
    return None


def explain_uneven_steps(sample: Sample, form: TimeForm) -> str | None:
    """Recognise stamps that are evenly spaced by a step that is on no grid, such as 30 in a second, and say so."""
    longest = int(np.argmax(sample.sizes))
    start = int(sample.firsts[longest])
    ticks = sample.ticks[start : start + int(sample.sizes[longest])][:MAX_STAMPS]
    if len(ticks) < 2 * MIN_STAMPS:
        return None
    step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
    if np.abs(ticks - ticks[0] - step * np.arange(len(ticks))).max() > step / 2:
        return None
    seconds = step / TICKS_PER_SECOND[form.unit]
    length = f"{seconds:.6g} s" if seconds < NANOSECONDS_PER_DAY / NANOSECONDS["s"] else f"{seconds / 86_400:.4g} days"
    return f"They are nearly evenly spaced, by about {length}, which is on no grid."


def _find_rounding(sample: Sample, form: TimeForm, max_shift: float) -> Rounding | None:
    """Find the grid that moves stamps least; of equals that of their steps, or a whole unit, or the coarsest."""
    found: list[Rounding] = []
    per_tick = NANOSECONDS["s"] // TICKS_PER_SECOND[form.unit]
    local = form.to_local(sample.ticks)
    for grid in GRIDS:
        size = grid // per_tick
        if size < 2:
            continue
        is_day = grid == NANOSECONDS_PER_DAY
        ticks = local if is_day else sample.ticks
        rounded = (ticks + size // 2) // size * size
        shift = int(np.abs(rounded - ticks).max())
        if 0 < shift <= max_shift and _is_regular(
            Sample(rounded, sample.sizes), _without_zone(form) if is_day else form
        ):
            found.append(Rounding(shift, grid))
    if not found:
        return None
    least = min(found).shift
    equals = [one for one in found if one.shift <= 1.05 * least]
    usual = max_shift / MAX_SHIFT * per_tick
    of_steps = [one for one in equals if abs(one.grid - usual) <= usual / 10]
    of_units = [one for one in equals if one.grid in (*NANOSECONDS.values(), NANOSECONDS_PER_DAY)]
    return max(of_steps or of_units or equals, key=lambda one: one.grid)


def _is_regular(sample: Sample, form: TimeForm) -> bool:
    """Return whether stamps are regular, or have a few gaps at the most."""
    if not _are_distinct(sample):
        return False
    if any(fitting.all() for fitting in candidate_frequencies(sample, form).values()):
        return True
    nearest = nearest_frequency(sample, form)
    if nearest is None:
        return False
    distance = distance_from(nearest, sample, form)
    return distance.off_grid == 0 and distance.broken <= MAX_GAPS * len(sample.ticks)


def _are_distinct(sample: Sample) -> bool:
    within = np.ones(len(sample.ticks) - 1, dtype=bool)
    within[sample.firsts[1:] - 1] = False
    return not (np.diff(sample.ticks)[within] == 0).any()


def _beginning(sample: Sample) -> Sample:
    """Return the first `MAX_STAMPS` of a sample, in series of at least two."""
    sizes = np.clip(MAX_STAMPS - sample.firsts, 0, sample.sizes)
    sizes = sizes[sizes > 0]
    if sizes[-1] < 2:
        sizes = sizes[:-1]
    return Sample(sample.ticks[: sizes.sum()], sizes)


def _without_zone(form: TimeForm) -> TimeForm:
    return TimeForm("stamp", None, form.unit)


def _alias(grid: int) -> str:
    alias = alias_of_nanoseconds(grid)
    return f"{alias.multiple if alias.multiple > 1 else ''}{alias.family}"


def _rounded(form: TimeForm, grid: str) -> str:
    """Return the expression that rounds; within a day it does so in UTC, where no time of day comes twice."""
    if form.zone is None or str(form.zone) == "UTC" or grid == "D":
        return f"{form.datetimes}.dt.round({grid!r})"
    return f"{form.datetimes}.dt.tz_convert('UTC').dt.round({grid!r}).dt.tz_convert({str(form.zone)!r})"
