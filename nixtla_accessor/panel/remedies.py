"""Calls that mend a frame, as messages name them: they work when they are typed."""

from __future__ import annotations

from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.spelling import TimesInCode

STEP_COLUMN = "step"  # the name that messages give to a column of integer time


def number_rows(columns: Columns, times: TimesInCode) -> str:
    """Return the statement that numbers the rows of each series in a column of its own, the stamps kept beside."""
    keys = [key for key in (columns.id, columns.time) if key is not None]
    is_in_index = times.in_index and not times.is_level
    ordered = "df.sort_index()" if is_in_index else f"{times.frame}.sort_values({keys if len(keys) > 1 else keys[0]!r})"
    if columns.id is None:
        return f"df = {ordered}.assign({STEP_COLUMN}=range(len(df)))"
    numbers = f"rows.groupby({columns.id!r}, observed=True).cumcount()"
    return f"df = {ordered}.assign({STEP_COLUMN}=lambda rows: {numbers})"


def use_integer_time(columns: Columns, times: TimesInCode) -> str:
    """Return the sentence that tells how to use integer time, for stamps without a frequency."""
    return (
        f"Number the rows of each series, {number_rows(columns, times)}, and use the numbers as integer time: "
        f"time_col={STEP_COLUMN!r}, freq=1. The stamps stay beside the numbers."
    )


def name_arguments(columns: Columns) -> str:
    """Return the arguments that name columns which are not the default ones, each followed by a comma.

    Examples
    --------
    >>> name_arguments(Columns("shop", "ds", "sales"))
    "id_col='shop', target_col='sales', "
    """
    arguments = {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}
    defaults = {"id_col": "unique_id", "time_col": "ds", "target_col": "y"}
    return "".join(
        f"{argument}={name!r}, "
        for argument, name in arguments.items()
        if name is not None and name != defaults[argument]
    )


def call_fill_gaps(columns: Columns, freq: str = "", *, trim: bool = False) -> str:
    """Return the call that fills the gaps of a frame.

    Parameters
    ----------
    columns : Columns
        The columns of the frame.
    freq : str, default ""
        The frequency as it is typed, such as ``"'D'"``; left out where it is inferred.
    trim : bool, default False
        Whether rows before the first value of a series and after its last are dropped.
    """
    given = f"freq={freq}, " if freq else ""
    return f"df.timegpt.fill_gaps({given}{name_arguments(columns)}method='interpolate'{', trim=True' if trim else ''})"
