"""Numbers in the place of times: which are refused, and the calls that make times of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.spelling import TimesInCode

FIRST_YEAR, LAST_YEAR = 1900, 2199  # integers that would be dates of other years are taken for counts
NEARLY_WHOLE = 0.05  # of a step, how far elapsed times may be from its multiples


@dataclass(frozen=True, slots=True)
class DateLayout:
    """A way to write dates as integers.

    Parameters
    ----------
    name : str
        The layout as people write it.
    n_digits : int
        The digits of such an integer.
    call : str
        The expression that reads them, of the text ``{text}``; it can be evaluated.
    """

    name: str
    n_digits: int
    call: str

    def reads(self, integers: Integers) -> bool:
        """Return whether all integers are dates in this layout."""
        texts = pd.Series(integers).astype(str)
        try:
            dates = eval(self.call.format(text="texts"), {"pd": pd, "texts": texts})  # noqa: S307 - a call of `LAYOUTS`
        except ValueError:  # such as month 13
            return False
        return not pd.isna(dates).any()


LAYOUTS = (
    DateLayout("YYYYQ", 5, r"pd.PeriodIndex({text}.str.replace(r'(\d)$', r'Q\1', regex=True), freq='Q')"),
    DateLayout("YYYYMM", 6, "pd.to_datetime({text}, format='%Y%m')"),
    DateLayout("YYYYWW", 6, "pd.to_datetime({text} + '1', format='%G%V%u')"),
    DateLayout("YYYYWW", 6, "pd.to_datetime({text} + '1', format='%Y%W%w')"),
    DateLayout("YYYYDDD", 7, "pd.to_datetime({text}, format='%Y%j')"),
    DateLayout("YYYYMMDD", 8, "pd.to_datetime({text}, format='%Y%m%d')"),
    DateLayout("YYYYMMDDHH", 10, "pd.to_datetime({text}, format='%Y%m%d%H')"),
    DateLayout("YYYYMMDDHHMM", 12, "pd.to_datetime({text}, format='%Y%m%d%H%M')"),
    DateLayout("YYYYMMDDHHMMSS", 14, "pd.to_datetime({text}, format='%Y%m%d%H%M%S')"),
)


def find_date_layout(integers: Integers) -> DateLayout | None:
    """Find the layout in which all of some integers, at least two different ones, are dates.

    Examples
    --------
    >>> find_date_layout(np.array([202311, 202312, 202401])).name
    'YYYYMM'
    """
    if not len(integers):
        return None
    low, high = int(integers.min()), int(integers.max())
    n_digits = len(str(high))
    in_years = [layout for layout in LAYOUTS if layout.n_digits == n_digits]
    scale = 10 ** (n_digits - 4)
    if not in_years or low == high or not FIRST_YEAR * scale <= low <= high < (LAST_YEAR + 1) * scale:
        return None
    distinct = pd.unique(integers)
    return next((layout for layout in in_years if layout.reads(distinct[:50]) and layout.reads(distinct)), None)


def refuse_dates(integers: Integers, times: TimesInCode) -> None:
    """Refuse integers that are dates: counted on, they would be the 13th month or the 32nd day.

    Raises
    ------
    UnsupportedDtypeError
        All integers are dates in one layout.
    """
    layout = find_date_layout(integers)
    if layout is None:
        return
    shown = ", ".join(map(str, pd.unique(integers)[:SHOWN]))
    read = times.replaced_by(layout.call.format(text=f"{times.values}.astype(str)"))
    shifted = times.replaced_by(f"{times.values} - {int(integers.min())}")
    raise UnsupportedDtypeError(
        f"The times in {times.name!r} are integers that look like dates, {layout.name}: {shown}"
        f"{and_more(len(pd.unique(integers)))}. Read them as such: {read}. If they are counts, start them at 0: "
        f"{shifted}."
    )


def refuse_floats(values: Column, times: TimesInCode, found: str) -> UnsupportedDtypeError:
    """Return the error that refuses floating-point times, with the call that makes integers or dates of them."""
    floats = np.asarray(pd.Series(values).dropna().to_numpy(dtype=np.float64))
    floats = np.unique(floats[np.isfinite(floats)])
    integer = "'Int64'" if pd.Series(values).isna().any() else "'int64'"
    expected = f"The times in {times.name!r} are floating-point numbers ({found}), which cannot be counted exactly."
    if not len(floats):
        return UnsupportedDtypeError(f"{expected} Use integers, for steps, or datetimes.")
    if (floats == np.floor(floats)).all() and np.abs(floats).max() < 2**53:
        layout = find_date_layout(floats.astype(np.int64))
        text = f"{times.values}.astype({integer})"
        if layout is not None:
            read = times.replaced_by(layout.call.format(text=f"{text}.astype(str)"))
            return UnsupportedDtypeError(f"{expected} They look like dates, {layout.name}; read them as such: {read}.")
        return UnsupportedDtypeError(f"{expected} All are whole, so use integers: {times.replaced_by(text)}.")
    step = _usual_step(floats)
    if step is not None:
        steps = f"({times.values} / {step!r}).round().astype({integer})"
        return UnsupportedDtypeError(
            f"{expected} They are multiples of {step!r}, so count these steps: {times.replaced_by(steps)}."
        )
    read = times.replaced_by(f"pd.to_datetime({times.values}, unit='s')")
    return UnsupportedDtypeError(f"{expected} If they are seconds, make datetimes of them: {read}.")


def refuse_durations(times: TimesInCode, found: str, *, is_object: bool = False) -> UnsupportedDtypeError:
    """Return the error that refuses times since a start, with the call that adds them to one."""
    durations = f"pd.to_timedelta({times.values})" if is_object else times.values
    added = times.replaced_by(f"pd.Timestamp('2000-01-01') + {durations}")
    return UnsupportedDtypeError(
        f"The times in {times.name!r} are durations ({found}), which have no date. Add them to their start, or to any: "
        f"{added}."
    )


def _usual_step(floats: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    """Return the step that sorted, distinct floats are multiples of, in at most six digits; None if there is none."""
    gaps = np.diff(floats)
    gaps = gaps[gaps > 1e-9 * np.abs(floats).max()]  # not the rounding errors of equal ones
    if not len(gaps):
        return None
    step = float(f"{np.median(gaps):.6g}")
    multiples = floats / step
    return step if np.abs(multiples - np.round(multiples)).max() < NEARLY_WHOLE else None
