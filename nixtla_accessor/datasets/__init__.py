"""A real panel to try things on."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

__all__ = ["load_unemployment"]


def load_unemployment() -> pd.DataFrame:
    """Load unemployed persons in the United States by industry of the last job.

    Returns
    -------
    DataFrame
        1,708 rows, sorted: ``unique_id`` (str, 14 industries), ``ds`` (datetime64, month starts from January 2000 to
        February 2010), ``y`` (int64, thousands of persons, not seasonally adjusted).

    Notes
    -----
    U.S. Bureau of Labor Statistics, Current Population Survey; public domain. The file ``SOURCE.md`` beside this
    module says where it was taken from.

    Examples
    --------
    >>> from nixtla_accessor.datasets import load_unemployment
    >>> load_unemployment()["unique_id"].nunique()
    14
    """
    with (files(__name__) / "unemployment.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, parse_dates=["ds"])
