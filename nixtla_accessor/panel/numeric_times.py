"""Numbers in the place of times: which are refused, and the calls that make times of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.messages import SHOWN, and_more

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
    code : str
        The expression that reads a column of them, for `NamedColumn.convert`.
    """

    name: str
    n_digits: int
    code: str

    def reads(self, integers: Integers) -> bool:
        """Return whether all integers are dates in this layout."""
        code = self.code.replace("{pd}", "pd").replace("{}", "integers")
        try:
            dates = eval(code, {"pd": pd, "integers": pd.Series(integers)})  # noqa: S307 - the code of a layout below
        except ValueError:  # such as month 13
            return False
        return not dates.isna().any()

    def in_code(self, column: str = "{}") -> str:
        """Return the expression that reads a column, which may be converted to integers first."""
        return self.code.replace("{}", column)


_FIRST_MONTHS = "({}.astype('int64') // 10 * 100 + {}.astype('int64') % 10 * 3 - 2)"  # of quarters
LAYOUTS = (
    DateLayout("YYYYQ", 5, f"{{pd}}.to_datetime({_FIRST_MONTHS}.astype(str), format='%Y%m')"),
    DateLayout("YYYYMM", 6, "{pd}.to_datetime({}.astype(str), format='%Y%m')"),
    DateLayout("YYYYWW", 6, "{pd}.to_datetime({}.astype(str) + '1', format='%G%V%u')"),
    DateLayout("YYYYWW", 6, "{pd}.to_datetime({}.astype(str) + '1', format='%Y%W%w')"),
    DateLayout("YYYYDDD", 7, "{pd}.to_datetime({}.astype(str), format='%Y%j')"),
    DateLayout("YYYYMMDD", 8, "{pd}.to_datetime({}.astype(str), format='%Y%m%d')"),
    DateLayout("YYYYMMDDHH", 10, "{pd}.to_datetime({}.astype(str), format='%Y%m%d%H')"),
    DateLayout("YYYYMMDDHHMM", 12, "{pd}.to_datetime({}.astype(str), format='%Y%m%d%H%M')"),
    DateLayout("YYYYMMDDHHMMSS", 14, "{pd}.to_datetime({}.astype(str), format='%Y%m%d%H%M%S')"),
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


def refuse_dates(integers: Integers, name: NamedColumn, as_integers: str = "{}") -> None:
    """Refuse integers that are dates: counted on, they would be the 13th month or the 32nd day.

    Parameters
    ----------
    integers : ndarray of int64
        The integers, without missing ones.
    name : NamedColumn
        The column's name, for messages.
    as_integers : str, default "{}"
        The expression that makes integers of the column, where it holds others.

    Raises
    ------
    UnsupportedDtypeError
        All integers are dates in one layout.
    """
    layout = find_date_layout(integers)
    if layout is None:
        return
    distinct = pd.unique(integers)
    shown = ", ".join(map(str, distinct[:SHOWN])) + and_more(len(distinct))
    read = name.convert(layout.in_code(as_integers))
    counts = name.convert(f"{as_integers} - ({int(integers.min())})")
    raise UnsupportedDtypeError(
        f"The times in {name!r} are integers that look like dates, {layout.name}: {shown}. Read them as such: {read}. "
        f"If they are counts, start them at 0: {counts}."
    )


def refuse_floats(values: Column, name: NamedColumn, found: str) -> UnsupportedDtypeError:
    """Return the error that refuses floating-point times, with the code that makes integers or dates of them."""
    floats = np.asarray(pd.Series(values).dropna().to_numpy(dtype=np.float64))
    floats = np.unique(floats[np.isfinite(floats)])
    integers = "'Int64'" if pd.Series(values).isna().any() else "'int64'"
    expected = f"The times in {name!r} are floating-point numbers ({found}), which cannot be counted exactly."
    if not len(floats):
        return UnsupportedDtypeError(f"{expected} Use integers, for steps, or datetimes.")
    if (floats == np.floor(floats)).all() and np.abs(floats).max() < 2**53:
        as_integers = f"{{}}.astype({integers})"
        refuse_dates(floats.astype(np.int64), name, as_integers)
        line = name.convert(as_integers)
        return UnsupportedDtypeError(f"{expected} All are whole, so make integers of them: {line}.")
    step = _usual_step(floats)
    if step is None:
        line = name.convert("{pd}.to_datetime({}, unit='s')")
        return UnsupportedDtypeError(f"{expected} If they are seconds, make datetimes of them: {line}.")
    line = name.convert(f"({{}} / {step!r}).round().astype({integers})")
    return UnsupportedDtypeError(f"{expected} They are multiples of {step!r}, so count these steps: {line}.")


def refuse_durations(name: NamedColumn, found: str, *, are_objects: bool = False) -> UnsupportedDtypeError:
    """Return the error that refuses times since a start, with the code that adds them to one."""
    line = name.convert(f"{'{pd}.to_timedelta({})' if are_objects else '{}'} + pd.Timestamp('2000-01-01')")
    return UnsupportedDtypeError(
        f"The times in {name!r} are durations ({found}), which have no date. Add them to their start, or to any date: "
        f"{line}."
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
