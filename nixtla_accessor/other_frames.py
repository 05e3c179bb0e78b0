"""Refuses what is no pandas frame, and says what to call where it is a frame of another library."""

from __future__ import annotations

import reprlib

import pandas as pd

from nixtla_accessor.errors import InvalidArgumentError

# By the module of the class, the longest first, and its name; "" for every class. The libraries are not imported.
_TO_PANDAS = {
    ("pyspark.pandas", ""): "frame.to_pandas()",
    ("pyspark", ""): "frame.toPandas()",
    ("polars", "LazyFrame"): "frame.collect().to_pandas()",
    ("polars", ""): "frame.to_pandas()",
    ("pyarrow", ""): "frame.to_pandas()",
    ("duckdb", ""): "frame.df()",
    ("_duckdb", ""): "frame.df()",
    ("modin", ""): "frame.modin.to_pandas()",
    ("cudf", ""): "frame.to_pandas()",
    ("ibis", ""): "frame.to_pandas()",
    ("vaex", ""): "frame.to_pandas_df()",
}
_DASK = "dask"


def check_is_pandas(frame: object) -> None:
    """Raise for what is no pandas DataFrame.

    Raises
    ------
    InvalidArgumentError

    Examples
    --------
    >>> check_is_pandas(pd.DataFrame())
    """
    if isinstance(frame, pd.DataFrame):
        return
    kind = type(frame)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if _lies_in(kind, _DASK):
        raise InvalidArgumentError(
            "TimeGPTAccessor takes a pandas DataFrame; got one of Dask. Import nixtla_accessor.dask, which "
            "gives Dask frames the accessor timegpt."
        )
    for (package, class_name), call in _TO_PANDAS.items():
        if _lies_in(kind, package) and class_name in ("", kind.__name__):
            raise InvalidArgumentError(
                f"TimeGPTAccessor takes a pandas DataFrame; got a {name}. Convert it: TimeGPTAccessor({call})."
            )
    if isinstance(frame, pd.Series):
        raise InvalidArgumentError(
            "TimeGPTAccessor takes a pandas DataFrame; got a Series. Give a frame with its stamps in a column and its "
            "values in another."
        )
    found = name if isinstance(frame, type) else f"{name}: {reprlib.repr(frame)}"
    raise InvalidArgumentError(f"TimeGPTAccessor takes a pandas DataFrame; got {found}.")


def check_future_is_pandas(X_df: object) -> None:
    """Raise for an ``X_df`` that is neither None nor a pandas DataFrame.

    Raises
    ------
    InvalidArgumentError

    Examples
    --------
    >>> check_future_is_pandas(pd.Series([1, 2]))
    Traceback (most recent call last):
    nixtla_accessor.errors.InvalidArgumentError: X_df must be a pandas DataFrame; got a pandas Series.
    """
    if X_df is None or isinstance(X_df, pd.DataFrame):
        return
    kind = type(X_df)
    if _lies_in(kind, _DASK):
        raise InvalidArgumentError("X_df must be a pandas DataFrame, as the frame is; got one of Dask: X_df.compute().")
    for (package, class_name), call in _TO_PANDAS.items():
        if _lies_in(kind, package) and class_name in ("", kind.__name__):
            convert = call.replace("frame", "X_df")
            raise InvalidArgumentError(f"X_df must be a pandas DataFrame; got a {package} {kind.__name__}: {convert}.")
    found = f"{kind.__module__.partition('.')[0]} {kind.__name__}" if kind.__module__ != "builtins" else kind.__name__
    raise InvalidArgumentError(f"X_df must be a pandas DataFrame; got a {found}.")


def _lies_in(kind: type, package: str) -> bool:
    return any(f"{base.__module__}.".startswith(f"{package}.") for base in kind.__mro__)
