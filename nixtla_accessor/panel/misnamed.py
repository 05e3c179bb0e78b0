"""Refusals of columns that the caller's names do not settle, with the code that does."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_hashable, is_numeric_dtype

from nixtla_accessor.errors import InvalidArgumentError, MissingColumnError
from nixtla_accessor.panel.frame_code import FrameCode, spell
from nixtla_accessor.panel.panel import DEFAULT_NAMES, ID_COLUMN, TARGET_COLUMN, TIME_COLUMN

SHOWN_NAMES = 20


def missing_column(frame: pd.DataFrame, name: Hashable, role: str) -> MissingColumnError:
    """Return the error about a column that a frame does not have."""
    there = names_of(frame)
    shown = ", ".join(map(repr, there[:SHOWN_NAMES]))
    shown += f" and {len(there) - SHOWN_NAMES} more" if len(there) > SHOWN_NAMES else ""
    remedy = _melt(frame, name) or _nearest_name(frame, name, role) or f"Name the right one with {role}_col."
    return MissingColumnError(f"The frame has no {role} column {name!r}; it has {shown or 'no columns'}. {remedy}")


def is_one_name(frame: pd.DataFrame, name: Any) -> bool:  # noqa: ANN401 - whatever the caller gave
    """Return whether a caller's argument names one column; a tuple may be the name of one."""
    return is_hashable(name) and not (isinstance(name, tuple | frozenset) and name not in names_of(frame))


def several_names(frame: pd.DataFrame, names: Sequence[Hashable], role: str, code: FrameCode) -> Exception:
    """Return the error about several names that were given for one role.

    Parameters
    ----------
    frame : DataFrame
        The frame.
    names : sequence of hashable
        The names.
    role : {"id", "time", "target"}
        The role.
    code : FrameCode
        How code reaches a frame that has them as columns.
    """
    there = names_of(frame)
    for name in names:
        if not is_hashable(name) or name not in there:
            return missing_column(frame, name, role)
    names = list(dict.fromkeys(names))
    refusal = f"{role}_col must name one column; found {list(names)!r}."
    if role != "id" or len(names) < 2:
        advice = f" Name one: {role}_col={spell(names[0])}." if names else ""
        return InvalidArgumentError(refusal + advice)
    return InvalidArgumentError(f"{refusal} Make one id of them: {join_ids(names, there, code)}.")


def join_ids(names: Sequence[Hashable], there: Sequence[Hashable], code: FrameCode) -> str:
    """Return the line that makes one id column of several, and the argument that names it.

    Parameters
    ----------
    names : sequence of hashable
        The columns.
    there : sequence of hashable
        The names of all columns and levels of the frame, none of which is replaced.
    code : FrameCode
        How code reaches the columns.

    Examples
    --------
    >>> join_ids(["store", "item"], ["store", "item", "ds", "y"], FrameCode())
    "df['unique_id'] = df['store'].astype('string') + '/' + df['item'].astype('string'), with id_col='unique_id'"
    """
    joined: Hashable = ID_COLUMN if ID_COLUMN not in there else "_".join(map(str, names))
    line = code.assign(joined, " + '/' + ".join(f"{{df}}[{spell(name)}].astype('string')" for name in names))
    return f"{line}, with id_col={spell(joined)}"


def taken_name(frame: pd.DataFrame, name: Hashable, role: str, code: FrameCode) -> InvalidArgumentError:
    """Return the error about a column that has the name of one that an answer adds."""
    default = DEFAULT_NAMES[role]
    new = default if default not in names_of(frame) else f"{role}_{name}"
    then = "" if new == default else f", with {role}_col={spell(new)}"
    return InvalidArgumentError(
        f"The answer adds a column {name!r}, which is the name of the frame's {role} column, and would replace it. "
        f"Rename that: {code.rename(name, new)}{then}."
    )


def names_of(frame: pd.DataFrame) -> list[Hashable]:
    """Return the names of all columns and levels of a frame."""
    return [*frame.columns, *(level for level in frame.index.names if level is not None)]


def nearest(name: Hashable, there: Iterable[Hashable], cutoff: float = 0.6) -> Hashable | None:
    """Return the nearest of some names, whatever their case; None where none is near.

    Examples
    --------
    >>> nearest("prise", ["Price", "load"])
    'Price'
    """
    spellings = {str(known).casefold(): known for known in there}
    near = difflib.get_close_matches(str(name).casefold(), spellings, n=1, cutoff=cutoff)
    return spellings[near[0]] if near else None


def _nearest_name(frame: pd.DataFrame, name: Hashable, role: str) -> str:
    """Return the advice to use the nearest name; empty where none is near."""
    there = names_of(frame)
    if role == "target":
        there = [known for known in frame.columns if _is_number(frame, known)]
    near = nearest(name, there, cutoff=0.4)
    return "" if near is None else f"The nearest name is {near!r}: {role}_col={spell(near)}."


def _melt(frame: pd.DataFrame, missing: Hashable) -> str:
    """Return the line that makes a long frame of one that looks wide, with a column for each series; else empty."""
    is_default = is_hashable(missing) and missing in {TIME_COLUMN, TARGET_COLUMN}
    if not is_default or frame.columns.nlevels > 1 or not frame.columns.is_unique:
        return ""
    flat, others = "df", list(frame.columns)
    if isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex):
        renamed = "df" if frame.index.name == TIME_COLUMN else f"df.rename_axis({TIME_COLUMN!r})"
        flat = f"{renamed}.reset_index()"
    else:
        times = [name for name in others if name == TIME_COLUMN or is_datetime64_any_dtype(frame[name].dtype)]
        if len(times) != 1:
            return ""
        others.remove(times[0])
        flat = "df" if times[0] == TIME_COLUMN else f"df.rename(columns={{{spell(times[0])}: {TIME_COLUMN!r}}})"
    if len(others) < 2 or TARGET_COLUMN in others or not all(_is_number(frame, name) for name in others):
        return ""
    line = f"{flat}.melt({TIME_COLUMN!r}, var_name={ID_COLUMN!r}, value_name={TARGET_COLUMN!r})"
    return (
        f"It looks wide; if each column of numbers is a series, make it long: {line}. Otherwise name the right columns "
        "with time_col and target_col."
    )


def _is_number(frame: pd.DataFrame, name: Any) -> bool:  # noqa: ANN401 - any name
    dtype = frame.dtypes.iloc[list(frame.columns).index(name)]
    return is_numeric_dtype(dtype) and not is_bool_dtype(dtype)
