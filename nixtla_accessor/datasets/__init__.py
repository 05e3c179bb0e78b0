"""Real data sets for examples."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

__all__ = ["load_unemployment", "load_weather"]


def load_unemployment() -> pd.DataFrame:
    """Load monthly numbers of unemployed persons in the United States, by industry of the last job.

    Returns
    -------
    DataFrame
        1,708 rows, sorted: ``unique_id`` (str, 14 industries), ``ds`` (datetime64, month starts from January 2000 to
        February 2010), ``y`` (int64, thousands of persons, not seasonally adjusted).

    Notes
    -----
    U.S. Bureau of Labor Statistics, Current Population Survey; public domain. The file ``SOURCE.md`` beside this
    module has the source in full.

    Examples
    --------
    >>> from nixtla_accessor.datasets import load_unemployment
    >>> load_unemployment()["unique_id"].nunique()
    14
    """
    with (files(__name__) / "unemployment.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, parse_dates=["ds"])


def load_weather() -> pd.DataFrame:
    """Load daily weather of New York and Seattle.

    Returns
    -------
    DataFrame
        11,688 rows, sorted: ``unique_id`` (str, 8 series: highest and lowest temperature in °C, precipitation in mm,
        wind in m/s, of each place), ``ds`` (datetime64, days from 2012 to 2015), ``y`` (float64).

    Notes
    -----
    U.S. National Oceanic and Atmospheric Administration; public domain. The file ``SOURCE.md`` beside this module has
    the source in full.

    Examples
    --------
    >>> from nixtla_accessor.datasets import load_weather
    >>> load_weather()["unique_id"].iloc[0]
    'New York, highest temperature'
    """
    with (files(__name__) / "weather.csv").open(encoding="utf-8") as file:
        days = pd.read_csv(file, parse_dates=["ds"])
    return days.melt("ds", var_name="unique_id", value_name="y")[["unique_id", "ds", "y"]]
