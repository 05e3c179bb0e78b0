"""The columns that are to explain the target: those that the caller names, found in the frame and in ``X_df``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pandas as pd
from pandas.api.types import is_list_like

from nixtla_accessor.errors import InvalidArgumentError, InvalidFrameError
from nixtla_accessor.panel.findings import Finding
from nixtla_accessor.panel.frame_code import spell
from nixtla_accessor.panel.messages import SHOWN, and_more, count
from nixtla_accessor.panel.misnamed import names_of, nearest
from nixtla_accessor.panel.names import has_keys
from nixtla_accessor.panel.panel import Columns

DateFeatures: TypeAlias = (
    bool | str | Callable[[pd.DatetimeIndex], Any] | Sequence[str | Callable[[pd.DatetimeIndex], Any]]
)
"""Whether, or which, features of the calendar are made: names of pandas' attributes of stamps, or functions of them."""
Holidays: TypeAlias = str | Sequence[str] | Mapping[str, int | Sequence[int]]
"""Countries such as ``"US"`` or ``"DE-BY"``; or for each the days around a holiday that have a column of their own."""


@dataclass(frozen=True, slots=True)
class CovariateChoice:
    """What a caller says of covariates; None for what is left out.

    Attributes
    ----------
    X_df : DataFrame, optional
        The rows of the horizon: ids, stamps and the columns that are known ahead.
    futr_exog_list : sequence of hashable, optional
        The columns that are known ahead, where nothing beyond the frame is forecast.
    hist_exog_list : sequence of hashable, optional
        The columns that are known of the past only.
    date_features
        See `DateFeatures`.
    holidays
        See `Holidays`.
    """

    X_df: Any = None
    futr_exog_list: Sequence[Hashable] | None = None
    hist_exog_list: Sequence[Hashable] | None = None
    date_features: DateFeatures = False
    holidays: Holidays | None = None

    @property
    def has_calendar(self) -> bool:
        """Whether features of the calendar are to be made."""
        return self.date_features is not False or self.holidays is not None

    def without_future(self) -> CovariateChoice:
        """Return the choice with the columns of ``X_df`` alone."""
        return self if self.X_df is None else replace(self, X_df=self.X_df.iloc[:0])

    def __bool__(self) -> bool:
        named = (self.X_df, self.futr_exog_list, self.hist_exog_list)
        return self.has_calendar or any(one is not None for one in named)


NO_COVARIATES = CovariateChoice()


@dataclass(frozen=True, slots=True)
class CovariateColumns:
    """The columns of covariates that a frame has.

    Attributes
    ----------
    known : tuple of hashable
        Those that are known ahead.
    historic : tuple of hashable
        Those that are known of the past only.
    """

    known: tuple[Hashable, ...] = ()
    historic: tuple[Hashable, ...] = ()


def find_covariates(
    frame: pd.DataFrame, columns: Columns, choice: CovariateChoice
) -> tuple[CovariateColumns, list[Finding]]:
    """Find the columns that a caller names, and what is wrong with the names.

    Parameters
    ----------
    frame : DataFrame
        A long frame, or one with its columns.
    columns : Columns
        Its ids, times and target.
    choice : CovariateChoice
        What the caller says.

    Returns
    -------
    CovariateColumns
        Those that can be read.
    list of Finding
        What is wrong with the others.

    Raises
    ------
    InvalidArgumentError
        A list is no list of names.
    InvalidFrameError
        The columns of ``X_df`` are a MultiIndex.
    """
    roles = {columns.id: "id", columns.time: "time", columns.target: "target"}
    findings: list[Finding] = []
    if choice.X_df is None:
        source, known = "futr_exog_list", _listed("futr_exog_list", choice.futr_exog_list)
    else:
        source, known = "X_df", _columns_of_future(choice.X_df, frame, columns)
        if not known and has_keys(choice.X_df, columns):
            findings.append(_nothing_known(choice.X_df, columns))
    historic = _listed("hist_exog_list", choice.hist_exog_list)
    usable: dict[str, list[Hashable]] = {source: [], "hist_exog_list": []}
    for where, names in ((source, known), ("hist_exog_list", historic)):
        for name in dict.fromkeys(names):
            finding = _refuse_name(frame, roles, name, where, names.count(name))
            if finding is None and name in known and name in historic:
                finding = _in_both(name, source) if where == source else None
            elif finding is None:
                usable[where].append(name)
            findings += [] if finding is None else [finding]
    return CovariateColumns(tuple(usable[source]), tuple(usable["hist_exog_list"])), findings


def _listed(argument: str, names: Any) -> list[Hashable]:  # noqa: ANN401 - whatever the caller gave
    """Return the names of an argument."""
    if names is None:
        return []
    if not is_list_like(names) or isinstance(names, Mapping):
        raise InvalidArgumentError(
            f"{argument} must be a list of columns, such as {argument}=['price']; got {names!r}."
        )
    return list(names)


def _columns_of_future(X_df: pd.DataFrame, frame: pd.DataFrame, columns: Columns) -> list[Hashable]:
    """Return the columns of ``X_df`` beyond ids and times."""
    if X_df.columns.nlevels > 1:
        raise InvalidFrameError(
            f"The columns of X_df must be flat; found a MultiIndex of {X_df.columns.nlevels} levels. Flatten them, for "
            "instance with X_df.columns = ['_'.join(map(str, name)) for name in X_df.columns]."
        )
    names: list[Hashable] = [name for name in X_df.columns if name not in columns.keys]
    # One that the frame does not have may be the ids, or the times, under another name.
    return names if has_keys(X_df, columns) else [name for name in names if name in names_of(frame)]


def _nothing_known(X_df: pd.DataFrame, columns: Columns) -> Finding:
    keys = " and ".join(map(repr, columns.keys))
    return Finding(
        "missing column",
        None,
        f"X_df must have columns that are known ahead, beyond {keys}; it has {_names(names_of(X_df))}.",
        "Add some, or leave X_df out.",
    )


def _refuse_name(
    frame: pd.DataFrame, roles: Mapping[Hashable | None, str], name: Hashable, where: str, times: int
) -> Finding | None:
    """Return what is wrong with one name; None where nothing is."""
    there = names_of(frame)
    if times > 1:
        how = "Keep the first of each: X_df = X_df.loc[:, ~X_df.columns.duplicated()]." if where == "X_df" else ""
        found = f"Names must be there once; {where} has {name!r} {times} times."
        return Finding("duplicate column", name, found, how or "Name it once.")
    if name in roles:
        how = (
            f"Leave it out: X_df = X_df.drop(columns=[{spell(name)}])."
            if where == "X_df"
            else f"Take it out of {where}."
        )
        found = f"The {roles[name]} column {name!r} cannot explain the target as well; {where} has it."
        return Finding("misused column", name, found, how)
    if there.count(name) > 1:
        found = f"Column names must be unique; {name!r}, which {where} has, is the name of {there.count(name)} columns."
        return Finding("duplicate column", name, found, "Keep one of them.")
    if name not in there:
        others = [known for known in there if known not in roles]
        found = (
            f"The frame has no column {name!r}, whose past a column of {where} must have; beside ids, times and target "
            f"it has {_names(others)}."
        )
        how = "Add it to the frame" + (
            f", or drop it: X_df = X_df.drop(columns=[{spell(name)}])." if where == "X_df" else "."
        )
        near = nearest(name, others)
        hint = "" if near is None else f"The nearest name is {near!r}. "
        return Finding("missing column", name, found, hint + how)
    return None


def _in_both(name: Hashable, source: str) -> Finding:
    found = f"A column is known ahead or of the past only; {name!r} is in {source} and in hist_exog_list."
    return Finding("misused column", name, found, "Leave it out of one of them.")


def _names(names: Sequence[Hashable]) -> str:
    return (", ".join(map(repr, names[:SHOWN])) + and_more(len(names))) or count(0, "column")
