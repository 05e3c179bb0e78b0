"""Series with the columns that explain them: packed together, checked, and matched with the rows of ``X_df``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import InvalidFrameError, UnseenCategoryWarning, warn_caller
from nixtla_accessor.panel.arrays import Flags, Integers, offsets
from nixtla_accessor.panel.calendar_features import calendar_covariates
from nixtla_accessor.panel.covariate_columns import CovariateChoice, CovariateColumns, find_covariates
from nixtla_accessor.panel.covariate_values import read_covariate
from nixtla_accessor.panel.findings import Finding, refuse
from nixtla_accessor.panel.frequency import FrequencyLike
from nixtla_accessor.panel.future import place_future
from nixtla_accessor.panel.horizon import Horizon
from nixtla_accessor.panel.messages import SHOWN, and_more, quoted
from nixtla_accessor.panel.names import columns_of_future, get_column
from nixtla_accessor.panel.packing import PackedSeries, pack_frame
from nixtla_accessor.panel.panel import Columns, Covariate, name_id
from nixtla_accessor.panel.problems import COLUMN_KINDS


def pack_with_covariates(
    frame: pd.DataFrame,
    columns: Columns,
    freq: FrequencyLike | None,
    choice: CovariateChoice,
    horizon: int = 0,
    *,
    allow_missing: bool = False,
) -> PackedSeries:
    """Pack the series of a frame with the columns that explain them, in the order in which requests have them.

    Parameters
    ----------
    frame, columns, freq
        As of `nixtla_accessor.panel.packing.pack_frame`.
    choice : CovariateChoice
        The covariates.
    horizon : int, default 0
        How many steps after the end of each series are forecast.
    allow_missing : bool, default False
        Whether target and covariates may have missing values.

    Returns
    -------
    PackedSeries
        Its covariates are checked; those that are known ahead come first.

    Raises
    ------
    CovariateError
        Columns or rows cannot be used; the message lists all that is wrong with them.
    InvalidArgumentError, InvalidFrameError
        The frame cannot be packed, or an argument is wrong.

    Warns
    -----
    UnseenCategoryWarning
        The horizon has categories that the past does not have.
    """
    if not choice:
        return pack_frame(frame, columns, freq, allow_missing=allow_missing)
    packed, findings = gather(frame, columns, freq, choice, horizon, allow_missing=allow_missing)
    findings += find_bad_values(packed, allow_missing=allow_missing)
    calendar = calendar_covariates(packed, choice, horizon)
    covariates = [*packed.covariates, *calendar]
    findings += _find_doubles(covariates)
    refuse(findings)
    _warn_about_unseen(packed.covariates)
    in_order = sorted(covariates, key=_place_before_horizon if horizon else _place_in_past)
    return replace(packed, covariates=tuple(in_order))


def gather(
    frame: pd.DataFrame,
    columns: Columns,
    freq: FrequencyLike | None,
    choice: CovariateChoice,
    horizon: int,
    *,
    allow_missing: bool,
) -> tuple[PackedSeries, list[Finding]]:
    """Pack series with the columns that a caller names, and report those that cannot be used.

    Returns
    -------
    PackedSeries
        With the covariates that can be read; their values are not checked.
    list of Finding
        What is wrong with names and dtypes, and with the rows of ``X_df``.
    """
    named, findings = find_covariates(frame, columns, choice)
    covariates, unreadable = read_past(frame, columns, named)
    packed = pack_frame(frame, columns, freq, allow_missing=allow_missing, covariates=covariates)
    findings += unreadable
    if choice.X_df is not None:
        at = Horizon(columns, packed.ids, packed.last_ticks, packed.frequency, packed.form, horizon)
        covariates, misplaced = add_future(choice.X_df, packed.covariates, at)
        packed = replace(packed, covariates=covariates)
        findings += misplaced
    return packed, findings


def historic_rows(packed: PackedSeries) -> tuple[int, ...]:
    """Return the numbers of the covariates that are known of the past only."""
    return tuple(number for number, covariate in enumerate(packed.covariates) if not covariate.is_known)


def without_future(packed: PackedSeries) -> PackedSeries:
    """Return series with the past of their covariates alone."""
    return replace(packed, covariates=tuple(replace(covariate, future=None) for covariate in packed.covariates))


def read_past(
    frame: pd.DataFrame, columns: Columns, named: CovariateColumns
) -> tuple[tuple[Covariate, ...], list[Finding]]:
    """Read the columns of covariates that a frame has, in the order of its rows, and report those that it cannot."""
    covariates, findings = [], []
    for is_known, names in ((True, named.known), (False, named.historic)):
        for name in names:
            try:
                values = read_covariate(get_column(frame, name, "target"), columns.column(name))
            except InvalidFrameError as error:
                findings.append(Finding(COLUMN_KINDS[type(error)], name, str(error), ""))
            else:
                covariates.append(Covariate(name, is_known, values))
    return tuple(covariates), findings


def add_future(
    X_df: pd.DataFrame,
    covariates: Sequence[Covariate],
    horizon: Horizon,
) -> tuple[tuple[Covariate, ...], list[Finding]]:
    """Return covariates with the values that ``X_df`` has of those that are known ahead, and what is wrong with it."""
    rows, findings = place_future(X_df, horizon)
    columns = columns_of_future(X_df, horizon.columns)
    with_future = []
    for covariate in covariates:
        future = None
        if covariate.is_known:
            try:
                future = read_covariate(X_df[covariate.name], columns.column(covariate.name))
            except InvalidFrameError as error:
                findings.append(Finding(COLUMN_KINDS[type(error)], covariate.name, f"In X_df: {error}", ""))
        is_empty = future is None or bool(pd.isna(future).all())
        if future is not None and not is_empty and covariate.is_categorical != (future.dtype == np.dtype(object)):
            findings.append(_of_two_kinds(covariate, X_df))
        with_future.append(covariate if future is None or rows is None else replace(covariate, future=future[rows]))
    return tuple(with_future), findings


def find_bad_values(packed: PackedSeries, *, allow_missing: bool) -> Iterator[Finding]:
    """Yield what is wrong with the values of covariates: those that are missing or infinite."""
    sizes = packed.sizes
    for covariate in packed.covariates:
        parts = [("the frame", covariate.past, sizes, np.zeros_like(sizes))]
        if covariate.future is not None:
            steps = len(covariate.future) // len(sizes)
            parts.append(("X_df", covariate.future, np.full_like(sizes, steps), sizes))
        for where, values, of_series, before in parts:
            missing, infinite = _missing(values), _infinite(values)
            if infinite is not None:
                yield _bad_values("infinite", where, covariate, packed, of_series, before, infinite)
            if missing is None:
                continue
            if missing.all():
                found = f"The covariate {covariate.name!r} has no value in {where}."
                yield Finding("covariate without values", covariate.name, found, "Fill it in, or leave it out.")
            elif not allow_missing:
                yield _bad_values("missing", where, covariate, packed, of_series, before, missing)


def _missing(values: npt.NDArray[np.generic]) -> Flags | None:
    """Return which values are missing; None where none is."""
    if values.dtype.kind == "i":
        return None
    missing = np.asarray(pd.isna(values))
    return missing if missing.any() else None


def _infinite(values: npt.NDArray[np.generic]) -> Flags | None:
    """Return which values are infinite; None where none is."""
    if values.dtype.kind != "f":
        return None
    infinite = np.isinf(values)
    return infinite if infinite.any() else None


def _bad_values(
    word: str,
    where: str,
    covariate: Covariate,
    packed: PackedSeries,
    sizes: Integers,
    before: Integers,
    is_bad: Flags,
) -> Finding:
    """Report values of a covariate, by series and stamp.

    Parameters
    ----------
    word : str
        What is wrong with them.
    where : str
        Which frame has them.
    covariate : Covariate
        The covariate.
    packed : PackedSeries
        The series that it explains.
    sizes : ndarray of int64, shape (n_series,)
        How many values each series has there.
    before : ndarray of int64, shape (n_series,)
        How many steps of it come before these.
    is_bad : ndarray of bool, shape (sum of sizes,)
        Which values are meant.
    """
    rows = np.flatnonzero(is_bad)
    codes = np.searchsorted(np.cumsum(sizes), rows, side="right")
    steps = rows - offsets(sizes)[codes] + before[codes]
    ticks = packed.frequency.advance(packed.start_ticks[codes], steps, packed.form)
    shown = packed.form.show(ticks[:SHOWN])
    named = "; ".join(
        f"{name_id(packed.columns, packed.ids, code)} at {stamp}" for code, stamp in zip(codes, shown, strict=False)
    )
    found = (
        f"The covariate {covariate.name!r} is {word} in {len(rows)} of {len(is_bad)} rows of {where}: "
        f"{named}{and_more(len(rows))}."
    )
    remedy = "Replace these values."
    if word == "missing":
        remedy = "Fill these values in, or send them as missing with allow_missing=True."
    affected, firsts, numbers = np.unique(codes, return_index=True, return_counts=True)
    ids = [None if packed.columns.id is None else packed.ids[code] for code in affected]
    stamps = packed.form.restore(ticks[firsts])
    of_series = tuple(zip(ids, stamps, numbers.tolist(), strict=True))
    return Finding(f"{word} covariate", covariate.name, found, remedy, of_series)


def _of_two_kinds(covariate: Covariate, X_df: pd.DataFrame) -> Finding:
    kinds = ["numbers", "categories"]
    own, other = reversed(kinds) if covariate.is_categorical else kinds
    found = (
        f"The covariate {covariate.name!r} must be of one kind in both frames; it is {own} in the frame, and {other} "
        f"in X_df ({X_df[covariate.name].dtype})."
    )
    return Finding("unsupported dtype", covariate.name, found, "Convert one of them.")


def _find_doubles(covariates: Sequence[Covariate]) -> Iterator[Finding]:
    """Yield the names that more than one covariate has: a column, and a feature of the calendar."""
    names = [covariate.name for covariate in covariates]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            found = f"A feature of the calendar has the name of another covariate, {name!r}."
            yield Finding("duplicate column", name, found, "Leave one of them out, or rename the column.")


def _warn_about_unseen(covariates: Sequence[Covariate]) -> None:
    for covariate in covariates:
        if not covariate.is_categorical or covariate.future is None:
            continue
        unseen = [one for one in pd.unique(covariate.future) if one is not None and one not in set(covariate.past)]
        if unseen:
            named = ", ".join(map(quoted, unseen[:SHOWN])) + and_more(len(unseen))
            warn_caller(
                f"The covariate {covariate.name!r} has categories in X_df that the frame never has: {named}. Nothing "
                "can be learnt of them.",
                UnseenCategoryWarning,
            )


def _place_before_horizon(covariate: Covariate) -> tuple[bool, bool]:
    """Return the place of a covariate whose future is sent: row i of the future continues row i of the past."""
    return not covariate.is_known, covariate.is_categorical


def _place_in_past(covariate: Covariate) -> tuple[bool, bool]:
    """Return the place of a covariate of the past alone, where the official client puts the categories last."""
    return covariate.is_categorical, not covariate.is_known
