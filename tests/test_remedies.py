"""Every call that a message names works when it is typed, wherever the columns are and in whatever order the rows are.

`CASES` has a frame for each message. Its message is taken apart into the calls that it names; each is typed, and what
was refused is asked again. It must work then, or be refused for another reason whose own remedy works. The last test
fails where a line of the package that writes code into a message is run by no case: add one for it.
"""

import ast
import itertools
import re
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import nixtla_accessor
import nixtla_accessor.dask  # registers ddf.timegpt
from nixtla_accessor import connect, errors

PACKAGE = Path(nixtla_accessor.__file__).parent
NAMES = {"id_col": "store", "time_col": "day", "target_col": "sales"}
ODD_NAMES = {"id_col": ("store", 1), "time_col": pd.Timestamp("2024-01-01"), "target_col": ("sales", "net")}
NAMED = {"custom names": NAMES, "odd names": ODD_NAMES, "odd names in index": ODD_NAMES}  # what a layout is asked with
OPEN_DAYS = pd.offsets.CustomBusinessDay(holidays=["2024-03-01"])


# ---------------------------------------------------------------- frames


def frame(periods=40, freq="D", names=("a", "b"), start="2024-02-26"):
    """Make a frame of a few regular series."""
    stamps = pd.date_range(start, periods=periods, freq=freq)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": stamps, "y": 10.0 * number + np.sin(np.arange(periods))})
        for number, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


def text_times(layout):
    df = frame()
    return df.assign(ds=df["ds"].dt.strftime(layout))


def clock_change(to, freq="h"):
    """Make a frame of local hours without their zone: one is missing in spring, one is there twice in autumn."""
    start = {"summer": "2024-03-28", "winter": "2024-10-24"}[to]
    df = frame(24 * 7, freq, start=start)
    local = df["ds"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").dt.tz_localize(None)
    return df.assign(ds=local)


def in_utc(df, zone):
    return df.assign(ds=df["ds"].dt.tz_localize(zone).dt.tz_convert("UTC"))


def jittered(df, unit):
    """Move each stamp by a part of some seconds, or of most of a day."""
    spread = {"s": 2_000, "h": 72_000_000}[unit]
    shifts = np.random.default_rng(0).integers(0, spread, len(df))
    return df.assign(ds=df["ds"] + pd.to_timedelta(shifts, unit="ms"))


def as_integers(stamps, layout):
    return stamps.dt.strftime(layout).astype("int64")


def by_store_and_item():
    parts = [frame(names=("x", "y")).assign(store=store) for store in ("north", "south")]
    return pd.concat(parts, ignore_index=True).rename(columns={"unique_id": "item"})


def wide():
    return frame().pivot(index="ds", columns="unique_id", values="y").rename_axis(columns=None)


def objects(values):
    return pd.Series(list(values), dtype=object)


def priced():
    return frame().assign(price=np.arange(80) % 7)


PRICES_AHEAD = pd.DataFrame(
    {"unique_id": ["a", "a", "b", "b"], "ds": [*pd.date_range("2024-04-06", periods=2)] * 2, "price": 3}
)


# ---------------------------------------------------------------- what is asked


def pack(df, **arguments):
    return df.timegpt.pack(**arguments)


def clean(df, **arguments):
    df.timegpt.clean(**arguments)


def forecast(df, **arguments):
    ahead = df.timegpt.forecast(2, **arguments)
    return ahead.compute() if isinstance(ahead, dd.DataFrame) else ahead


def cross_validation(df, **arguments):
    windows = df.timegpt.cross_validation(5, **arguments)
    return windows.compute() if isinstance(windows, dd.DataFrame) else windows


def anomalies(df, **arguments):
    found = df.timegpt.detect_anomalies(**arguments)
    return found.compute() if isinstance(found, dd.DataFrame) else found


def finetune(df, **arguments):
    return df.timegpt.finetune(**{"finetune_steps": 1} | arguments)


def compare(df, **arguments):
    return df.timegpt.compare(5, **{"finetune_steps": 1} | arguments)


def tuned(df, **arguments):
    return finetune(df, **arguments)


# ---------------------------------------------------------------- cases

ANYWHERE = ("columns", "time in index", "id in index", "MultiIndex", "unnamed", "custom names", "dask", "dask, indexed")
COLUMNS = ("columns", "custom names", "dask")
COVARIATE_LAYOUTS = ("columns", "time in index", "id in index", "MultiIndex", "unnamed")
ODD_LAYOUTS = ("odd names", "odd names in index")
PANDAS = tuple(layout for layout in ANYWHERE if not layout.startswith("dask"))


@dataclass
class Case:
    """A frame that is refused, or warned about.

    Attributes
    ----------
    build : callable
        Makes the frame, with its ids, times and values in columns ``unique_id``, ``ds`` and ``y``.
    ask : callable
        Is called with the frame and the arguments, and refused.
    arguments : dict
        The arguments that it is refused with.
    layouts : tuple of str
        Where the columns may be.
    again : dict
        The arguments that it is asked with once a remedy is typed, where they are others.
    defined : dict
        What else a remedy may use, such as ``offset``.
    orders : tuple of str
        The orders of rows for which it is refused so.
    """

    build: object
    ask: object = pack
    arguments: dict = field(default_factory=dict)
    layouts: tuple = ANYWHERE
    again: dict | None = None
    defined: dict = field(default_factory=dict)
    orders: tuple = ("sorted", "shuffled", "by time")


CASES = {
    # names
    "columns of two levels": Case(
        lambda: frame().set_axis(pd.MultiIndex.from_product([["x"], ["unique_id", "ds", "y"]]), axis=1),
        layouts=("columns",),
        again={"id_col": "x_unique_id", "time_col": "x_ds", "target_col": "x_y"},
    ),
    "a column twice": Case(lambda: pd.concat([frame(), frame()[["y"]]], axis=1), layouts=("columns",)),
    "a level twice": Case(
        lambda: frame().set_index(["unique_id", "ds", "ds"]).rename_axis(["unique_id", "ds", "ds"]),
        layouts=("columns",),
    ),
    "a wide frame, times in the index": Case(wide, layouts=("columns",), orders=("sorted", "shuffled")),
    "a wide frame, times in an index of another name": Case(
        lambda: wide().rename_axis("day"), layouts=("columns",), orders=("sorted", "shuffled")
    ),
    "a wide frame, times in a column": Case(lambda: wide().reset_index(), layouts=("columns", "dask")),
    "a wide frame, times in a column of another name": Case(
        lambda: wide().reset_index(names="day"), layouts=("columns", "dask"), orders=("sorted", "shuffled")
    ),
    "a target of another name": Case(lambda: frame().rename(columns={"y": "yy"}), layouts=("columns", "dask")),
    "times of another name": Case(
        lambda: frame().rename(columns={"ds": "dss"}), layouts=("columns", "dask"), orders=("sorted", "shuffled")
    ),
    "two id columns": Case(
        by_store_and_item,
        arguments={"id_col": ["store", "item"]},
        again={},
        layouts=("columns", "time in index", "dask"),
    ),
    "two id columns that are no strings": Case(
        lambda: by_store_and_item().rename(columns={"store": 0, "item": 1}).set_index("ds"),
        arguments={"id_col": [0, 1]},
        again={},
        layouts=("columns",),
    ),
    "ids under a number, in the index": Case(
        lambda: frame().assign(unique_id=objects([(1,)] * 40 + ["b"] * 40)).rename(columns={"unique_id": 0}),
        arguments={"id_col": 0},
        layouts=("columns", "time in index"),
    ),
    "two id columns in the index": Case(
        lambda: by_store_and_item().set_index(["store", "item", "ds"]),
        arguments={"id_col": ["store", "item"]},
        again={},
        layouts=("columns",),
    ),
    "two id columns, one of them unique_id": Case(
        lambda: by_store_and_item().rename(columns={"item": "unique_id"}),
        arguments={"id_col": ("unique_id", "store")},
        again={},
        layouts=("columns", "time in index", "id in index", "MultiIndex", "dask"),
    ),
    "one id column in a list": Case(frame, arguments={"id_col": ["unique_id"]}, again={}, layouts=("columns", "dask")),
    "one time column in a list": Case(frame, arguments={"time_col": ["ds"]}, again={}, layouts=("columns", "dask")),
    "an id column that needs another": Case(
        by_store_and_item, arguments={"id_col": "item"}, again={}, layouts=("columns", "time in index", "dask")
    ),
    "unique_id needs another": Case(
        lambda: by_store_and_item().rename(columns={"item": "unique_id"}),
        again={},
        layouts=("columns", "time in index", "id in index", "MultiIndex", "dask"),
    ),
    "no id column, where one is needed": Case(
        lambda: frame().rename(columns={"unique_id": "store"}), layouts=("columns", "time in index", "dask")
    ),
    "ids called cutoff": Case(
        lambda: frame().rename(columns={"unique_id": "cutoff"}),
        cross_validation,
        {"id_col": "cutoff", "zero_shot": True},
        again={"zero_shot": True},
        layouts=("columns", "time in index", "dask"),
    ),
    "ids called cutoff, in the index": Case(
        lambda: frame().rename(columns={"unique_id": "cutoff"}).set_index(["cutoff", "ds"]),
        cross_validation,
        {"id_col": "cutoff", "zero_shot": True},
        again={"zero_shot": True},
        layouts=("columns",),
    ),
    "a target called anomaly": Case(
        lambda: frame().rename(columns={"y": "anomaly"}).assign(y=1),
        anomalies,
        {"target_col": "anomaly", "zero_shot": True},
        again={"zero_shot": True},
        layouts=("columns", "time in index", "dask"),
    ),
    "ids called model": Case(
        lambda: frame().rename(columns={"unique_id": "model"}),
        compare,
        {"id_col": "model", "by_series": True},
        again={"by_series": True},
        layouts=("columns",),
        orders=("sorted",),
    ),
    # ids
    "ids missing": Case(lambda: frame().assign(unique_id=lambda df: df["unique_id"].mask(df.index == 0))),
    "ids of mixed types": Case(lambda: frame().assign(unique_id=objects(["a"] * 40 + [1] * 40)), layouts=PANDAS),
    "ids of mixed types with the same texts": Case(
        lambda: frame().assign(unique_id=objects(["1"] * 40 + [1] * 40)), layouts=PANDAS
    ),
    "ids of text and of bytes that are none": Case(
        lambda: frame().assign(unique_id=objects(["a"] * 40 + [b"\xff"] * 40)), layouts=PANDAS
    ),
    "ids of integers and floats": Case(
        lambda: frame().assign(unique_id=objects([1] * 40 + [2.5] * 40)), layouts=("columns", "time in index")
    ),
    "nested ids": Case(
        lambda: frame().assign(
            unique_id=pd.Series(pd.array([[1]] * 40 + [[2]] * 40, dtype=pd.ArrowDtype(pa.list_(pa.int64()))))
        ),
        layouts=("columns", "time in index", "custom names"),
    ),
    "ids that are lists": Case(lambda: frame().assign(unique_id=objects([[1]] * 40 + [[2]] * 40)), layouts=COLUMNS[:2]),
    "ids that cannot be sorted": Case(
        lambda: frame().assign(
            unique_id=pd.Series(
                pd.array(
                    pa.array([(0, 1, 0)] * 40 + [(0, 2, 0)] * 40, pa.month_day_nano_interval()),
                    dtype=pd.ArrowDtype(pa.month_day_nano_interval()),
                )
            )
        ),
        layouts=("columns", "time in index"),
        orders=("sorted",),
    ),
    "complex ids": Case(lambda: frame().assign(unique_id=objects([1j] * 40 + [2j] * 40)), layouts=PANDAS),
    # times
    "times missing": Case(lambda: frame().assign(ds=lambda df: df["ds"].mask(df.index == 0))),
    "numbers as times": Case(lambda: frame().assign(ds=[*np.arange(40.0)] * 2)),
    "German dates": Case(lambda: text_times("%d.%m.%Y")),
    "dates with slashes, that begin with days or months": Case(
        lambda: frame(12).assign(ds=[f"{day:02}/01/2024" for day in range(1, 13)] * 2)
    ),
    "times of several offsets": Case(
        lambda: frame(48, "h").assign(
            ds=lambda df: [
                stamp.isoformat()
                for stamp in pd.DatetimeIndex(df["ds"] + pd.Timedelta("33D"))
                .tz_localize("UTC")
                .tz_convert("Europe/Berlin")
            ]
        ),
    ),
    "times of several zones": Case(
        lambda: frame().assign(
            ds=lambda df: objects(
                stamp.tz_localize("UTC").tz_convert("Asia/Tokyo" if number % 2 else "UTC")
                for number, stamp in enumerate(df["ds"])
            )
        ),
        layouts=("columns", "time in index", "custom names"),
    ),
    "times of different offsets in the partitions": Case(
        lambda: frame(names="abc").assign(
            ds=lambda df: df["ds"].dt.strftime("%Y-%m-%dT00:00") + df["unique_id"].map({"a": "Z"}).fillna("+00:00")
        ),
        layouts=("dask",),
        orders=("sorted",),
    ),
    # values
    "numbers as text": Case(lambda: frame().assign(y=lambda df: df["y"].astype(str))),
    "numbers as text with thousands": Case(lambda: frame().assign(y=lambda df: (df["y"] + 5000).map("{:,.1f}".format))),
    "numbers as text with a decimal comma": Case(
        lambda: frame().assign(y=lambda df: df["y"].map("{:.2f}".format).str.replace(".", ","))
    ),
    "numbers as text with commas of either kind": Case(
        lambda: frame().assign(y=lambda df: (df["y"] + 5000).map("{:,.0f}".format))
    ),
    "numbers as text with others": Case(
        lambda: frame().assign(y=lambda df: (df["y"] + 5000).map("{:,.1f}".format).where(df.index % 10 != 3, "n/a"))
    ),
    "numbers as text with points between thousands": Case(
        lambda: frame().assign(
            y=lambda df: (df["y"] + 5e6).map("{:_.2f}".format).str.replace(".", ",").str.replace("_", ".")
        )
    ),
    "numbers as text in one of two notations": Case(lambda: frame().assign(y=["1.926", "12,5"] * 40)),
    "a text among numbers": Case(
        lambda: frame().assign(y=lambda df: objects(["n/a" if row == 3 else value for row, value in df["y"].items()])),
        layouts=PANDAS,
    ),
    "a list among numbers": Case(
        lambda: frame().assign(y=lambda df: objects([[1] if row == 3 else value for row, value in df["y"].items()])),
        layouts=("columns", "time in index"),
    ),
    "numbers as views of text": Case(
        lambda: frame().assign(
            y=lambda df: pd.Series(
                pd.array(pa.array(df["y"].astype(str), pa.string_view()), dtype=pd.ArrowDtype(pa.string_view()))
            )
        ),
        layouts=("columns", "time in index"),
        orders=("sorted",),
    ),
    "bools": Case(lambda: frame().assign(y=lambda df: df["y"] > 0)),
    "durations": Case(lambda: frame().assign(y=lambda df: pd.to_timedelta(df["y"], unit="h"))),
    "categories of numbers": Case(lambda: frame().assign(y=lambda df: df["y"].round().astype("category"))),
    "integers that are too large": Case(lambda: frame().assign(y=np.uint64(2**64 - 1))),
    "large integers with missing values": Case(
        lambda: frame().assign(y=pd.array([2**60, pd.NA, *range(78)], dtype="Int64")),
        again={"allow_missing": True},
        arguments={"allow_missing": True},
    ),
    "values missing": Case(lambda: frame().assign(y=lambda df: df["y"].mask(df.index.isin([3, 50])))),
    # stamps
    "stamps twice": Case(lambda: pd.concat([frame(), frame().iloc[[3, 50]]], ignore_index=True)),
    "stamps twice, of categories": Case(
        lambda: pd.concat([frame(), frame().iloc[[3, 50]]], ignore_index=True).astype({"unique_id": "category"}),
        layouts=PANDAS,
    ),
    "stamps twice of one series": Case(
        lambda: pd.concat([frame(names="a"), frame(names="a").iloc[[3]]], ignore_index=True).drop(columns="unique_id"),
        layouts=("columns", "time in index", "dask"),
    ),
    "a gap": Case(lambda: frame().drop([3, 50])),
    "a gap in integer time": Case(lambda: frame().assign(ds=[*range(40)] * 2).drop([3, 50])),
    "a gap of an offset of one's own": Case(
        lambda: frame(freq=OPEN_DAYS).drop([3, 50]), arguments={"freq": OPEN_DAYS}, defined={"offset": OPEN_DAYS}
    ),
    "clocks go forward": Case(lambda: clock_change("summer"), orders=("sorted", "by time")),
    "clocks go forward, while cleaning": Case(
        lambda: clock_change("summer"), clean, orders=("sorted",), layouts=PANDAS
    ),
    "closed Sundays, while cleaning": Case(
        lambda: frame(60)[lambda df: df["ds"].dt.day_of_week < 6], clean, {"method": 0}, layouts=PANDAS
    ),
    "closed hours, while cleaning": Case(
        lambda: frame(24 * 20, "h")[lambda df: df["ds"].dt.hour.between(9, 17)],
        clean,
        {"method": "ffill"},
        orders=("sorted",),
        layouts=PANDAS,
    ),
    "clocks go back": Case(lambda: clock_change("winter"), layouts=PANDAS),
    "local midnights in UTC": Case(
        lambda: in_utc(frame(200), "Europe/Berlin"), layouts=ANYWHERE, orders=("sorted", "shuffled")
    ),
    "local midnights in UTC, without a zone": Case(
        lambda: in_utc(frame(200), "America/New_York").assign(ds=lambda df: df["ds"].dt.tz_localize(None)),
        orders=("sorted",),
    ),
    "seconds off the hour": Case(lambda: jittered(frame(60, "h"), "s")),
    "times of day off the day": Case(lambda: jittered(frame(), "h")),
    "hours of a zone, seconds off": Case(
        lambda: jittered(frame(60, "h"), "s").assign(ds=lambda df: df["ds"].dt.tz_localize("Asia/Tokyo")),
        orders=("sorted",),
    ),
    "opening hours": Case(
        lambda: frame(500, "h")[lambda df: df["ds"].dt.hour.between(8, 17)], orders=("sorted", "shuffled")
    ),
    "opening hours of one series": Case(
        lambda: frame(500, "h", "a")[lambda df: df["ds"].dt.hour.between(8, 17)].drop(columns="unique_id"),
        layouts=("columns", "time in index", "dask"),
    ),
    "a season": Case(lambda: frame(1500)[lambda df: df["ds"].dt.month.between(5, 9)], orders=("sorted",)),
    "open on Saturdays": Case(lambda: frame(60)[lambda df: df["ds"].dt.day_of_week < 6], orders=("sorted",)),
    "open on three days": Case(
        lambda: frame(60)[lambda df: df["ds"].dt.day_of_week.isin([0, 2, 4])], orders=("sorted",)
    ),
    "a holiday": Case(lambda: frame(60, "B")[lambda df: df["ds"] != "2024-04-01"], orders=("sorted",)),
    "days of months": Case(
        lambda: frame(400)[lambda df: df["ds"].dt.day.isin([1, 11, 21])], orders=("sorted", "by time")
    ),
    "steps that are on no grid": Case(
        lambda: (
            frame(60)
            .assign(ds=[*(pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60) * 17_003, "s"))] * 2)
            .assign(ds=lambda df: df["ds"] + pd.to_timedelta(np.arange(120) % 7 * 311, "s"))
        ),
        orders=("sorted",),
    ),
    "stamps at random": Case(
        lambda: frame().assign(ds=[*pd.to_datetime(np.cumsum(np.arange(40) ** 3 * 7919 + 13), unit="s")] * 2),
        orders=("sorted",),
    ),
    # numbers as times
    "months as integers": Case(lambda: frame(24, "MS").assign(ds=lambda df: as_integers(df["ds"], "%Y%m"))),
    "days as integers": Case(lambda: frame().assign(ds=lambda df: as_integers(df["ds"], "%Y%m%d")), orders=("sorted",)),
    "weeks as integers": Case(
        lambda: frame(freq="W-MON").assign(ds=lambda df: as_integers(df["ds"], "%G%V")), orders=("sorted",)
    ),
    "quarters as integers": Case(
        lambda: frame(freq="QS").assign(ds=lambda df: df["ds"].dt.year * 10 + df["ds"].dt.quarter), orders=("sorted",)
    ),
    "days as floats": Case(
        lambda: frame().assign(ds=lambda df: as_integers(df["ds"], "%Y%m%d").astype("float64")), orders=("sorted",)
    ),
    "days of years as text": Case(lambda: text_times("%Y%j"), orders=("sorted",)),
    "tenths of seconds as floats": Case(lambda: frame().assign(ds=[*np.arange(40) * 0.1] * 2)),
    "seconds as floats": Case(
        lambda: frame().assign(ds=[*1.7e9 + np.arange(40) * 60 + np.arange(40) % 7 * 0.37] * 2), orders=("sorted",)
    ),
    "durations as times": Case(lambda: frame().assign(ds=[*pd.timedelta_range("0s", periods=40, freq="500ms")] * 2)),
    "durations as objects": Case(
        lambda: frame().assign(ds=objects(pd.timedelta_range("0h", periods=40, freq="h").tolist() * 2)),
        layouts=tuple(layout for layout in PANDAS if layout != "time in index"),  # pandas 2 infers their dtype there
        orders=("sorted",),
    ),
    # values at the ends
    "values missing at the ends": Case(
        lambda: frame().assign(y=lambda df: df["y"].mask(df.index.isin([0, 1, 39, 40, 79])))
    ),
    "values missing, a frequency given": Case(
        lambda: frame(freq=OPEN_DAYS).assign(y=lambda df: df["y"].mask(df.index.isin([0, 7]))),
        arguments={"freq": OPEN_DAYS},
        defined={"offset": OPEN_DAYS},
        orders=("sorted",),
    ),
    "a series without a value": Case(
        lambda: frame().assign(y=lambda df: df["y"].mask(df["unique_id"] == "b")), orders=("sorted",)
    ),
    "a series without a value, where they may be missing": Case(
        lambda: frame().assign(y=lambda df: df["y"].mask(df["unique_id"] == "b")),
        arguments={"allow_missing": True},
        orders=("sorted",),
    ),
    "values that filling leaves missing": Case(
        lambda: frame().assign(y=lambda df: df["y"].mask(df.index.isin([0, 79]))),
        lambda df, **arguments: df.timegpt.fill_gaps(method="ffill", **arguments),
        layouts=PANDAS,
        orders=("sorted",),
    ),
    "values missing at the end, before a forecast": Case(
        lambda: frame().assign(y=lambda df: df["y"].mask(df.index.isin([20, 38, 39]))),
        forecast,
        {"allow_missing": True, "zero_shot": True},
        orders=("sorted", "shuffled"),
    ),
    "values missing at the end, with an offset of one's own": Case(
        lambda: frame(freq=OPEN_DAYS).assign(y=lambda df: df["y"].mask(df.index.isin([38, 39]))),
        forecast,
        {"allow_missing": True, "zero_shot": True, "freq": OPEN_DAYS},
        layouts=("columns",),
        defined={"offset": OPEN_DAYS},
    ),
    "two stamps of each series": Case(lambda: frame(2)),
    "two integers of each series": Case(lambda: frame(2).assign(ds=[0, 1] * 2)),
    # frequencies
    "dates with an integer frequency": Case(frame, arguments={"freq": 1}, again={}, layouts=("columns",)),
    "integers with a frequency of dates": Case(
        lambda: frame().assign(ds=[*range(40)] * 2), arguments={"freq": "D"}, again={}, layouts=("columns",)
    ),
    "finer than the unit of the times": Case(
        lambda: frame().assign(ds=lambda df: df["ds"].dt.as_unit("s")),
        arguments={"freq": "5ms"},
        again={},
        layouts=("columns",),
    ),
    "a frequency backwards": Case(frame, arguments={"freq": pd.offsets.Day(-1)}, again={}, layouts=("columns",)),
    "a frequency that is shifted": Case(
        frame,
        arguments={"freq": pd.offsets.CustomBusinessDay(offset=pd.Timedelta("1h"))},
        again={},
        layouts=("columns",),
    ),
    "a negative duration": Case(frame, arguments={"freq": pd.Timedelta(-1, "D")}, again={}, layouts=("columns",)),
    "half a nanosecond": Case(frame, arguments={"freq": "0.5ns"}, again={}, layouts=("columns",)),
    "zero as a frequency": Case(frame, arguments={"freq": 0}, again={}, layouts=("columns",)),
    "no frequency": Case(frame, arguments={"freq": 1.5}, again={}, layouts=("columns",)),
    "an unknown frequency": Case(frame, arguments={"freq": "fortnightly"}, again={}, layouts=("columns",)),
    "an anchor that there is not": Case(frame, arguments={"freq": "D-MON"}, again={}, layouts=("columns",)),
    "a name of custom days": Case(lambda: frame(freq="B"), arguments={"freq": "C"}, again={}, layouts=("columns",)),
    "an offset of months and days": Case(
        frame, arguments={"freq": pd.DateOffset(months=1, days=1)}, again={}, layouts=("columns",)
    ),
    "business hours": Case(lambda: frame(freq="bh"), arguments={"freq": "bh"}, again={}, layouts=("columns",)),
    # models
    "the base model and another": Case(
        frame,
        forecast,
        {"zero_shot": True, "finetuned_model_id": "m"},
        again={},
        layouts=("columns",),
        orders=("sorted",),
    ),
    "no model": Case(frame, forecast, layouts=ANYWHERE, orders=("sorted",)),
    "no model, after another frame was tuned": Case(
        lambda: (tuned(frame()), frame())[1], forecast, layouts=ANYWHERE, orders=("sorted",)
    ),
    "a model of another service": Case(
        lambda: elsewhere(tuned(frame())), forecast, layouts=("columns", "custom names"), orders=("sorted",)
    ),
    "a model that is still being trained": Case(
        lambda: tuned(frame(), finetune_steps=1_000, wait=False),
        forecast,
        layouts=("columns", "custom names", "dask"),
        orders=("sorted",),
    ),
    "a model whose training was cancelled": Case(
        lambda: cancelled(tuned(frame(45), finetune_steps=100_000, wait=False)),  # Dask takes equal frames for one
        forecast,
        layouts=("columns", "custom names", "dask"),
        orders=("sorted",),
    ),
    # Dask takes frames of equal content for one, records of models and all: so a frame that no other case tunes.
    "nothing to wait for": Case(
        lambda: frame(names=("c", "d")),
        lambda df, **_: df.timegpt.wait(),
        layouts=("columns", "dask"),
        orders=("sorted",),
    ),
    "a model of another frequency": Case(
        lambda: at_frequency(tuned(frame()), "W-MON"), forecast, layouts=("columns", "custom names"), orders=("sorted",)
    ),
    "a model of another frequency, given": Case(
        lambda: tuned(frame()).set_axis(range(80)).assign(ds=frame(freq="W-MON")["ds"]),
        forecast,
        {"freq": "W-MON"},
        layouts=("columns", "custom names", "dask"),
        orders=("sorted",),
    ),
    "a model of custom days": Case(
        lambda: tuned(frame(freq=OPEN_DAYS), freq=OPEN_DAYS),
        forecast,
        layouts=("columns", "custom names", "dask"),
        orders=("sorted",),
        defined={"offset": OPEN_DAYS},
    ),
    "a model of other series": Case(
        lambda: tuned(frame().assign(region="r")),
        forecast,
        {"id_col": "region"},
        layouts=("columns",),
        orders=("sorted",),
    ),
    "a model that has seen the windows": Case(
        lambda: tuned(frame()), cross_validation, layouts=("columns", "custom names"), orders=("sorted",)
    ),
    "a target that no record can name": Case(
        lambda: frame().rename(columns={"y": pd.Timestamp("2024-01-01")}),
        finetune,
        {"target_col": pd.Timestamp("2024-01-01")},
        again={},
        layouts=("columns", "time in index", "dask"),
        orders=("sorted",),
    ),
    "ids in the index that no record can name": Case(
        lambda: frame().set_index("unique_id").rename_axis(["s" * 2_000]),
        finetune,
        {"id_col": "s" * 2_000},
        again={},
        layouts=("columns",),
        orders=("sorted",),
    ),
    "times that no record can name, where their usual name is taken": Case(
        lambda: frame().assign(ds=1, **{"t" * 2_000: frame()["ds"]}),
        finetune,
        {"time_col": "t" * 2_000},
        layouts=("columns",),
        orders=("sorted",),
        again={},
    ),
    "an id that is taken": Case(
        lambda: (tuned(frame(), output_model_id="taken", overwrite=True), frame())[1],
        finetune,
        {"output_model_id": "taken"},
        again={},
        layouts=("columns", "dask"),
        orders=("sorted",),
    ),
    # covariates
    "a stamp of the future twice": Case(
        priced,
        forecast,
        {"X_df": pd.concat([PRICES_AHEAD, PRICES_AHEAD[:1]]), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "the past in X_df": Case(
        priced,
        forecast,
        {"X_df": pd.concat([priced().drop(columns="y")[39:40], PRICES_AHEAD]), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "a series without a future": Case(
        priced,
        forecast,
        {"X_df": PRICES_AHEAD[:2], "zero_shot": True, "freq": "D"},
        layouts=(*COVARIATE_LAYOUTS, "dask"),
    ),
    "a future of no series": Case(
        priced,
        forecast,
        {"X_df": pd.concat([PRICES_AHEAD, PRICES_AHEAD[:2].assign(unique_id="z")]), "zero_shot": True, "freq": "D"},
        layouts=(*COVARIATE_LAYOUTS, "dask"),
    ),
    "a column that only X_df has": Case(
        priced,
        forecast,
        {"X_df": PRICES_AHEAD.assign(prise=1), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "the target in X_df": Case(
        priced, forecast, {"X_df": PRICES_AHEAD.assign(y=1.0), "zero_shot": True}, layouts=COVARIATE_LAYOUTS
    ),
    "two columns of one name in X_df": Case(
        priced,
        forecast,
        {"X_df": pd.concat([PRICES_AHEAD, PRICES_AHEAD[["price"]]], axis=1), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "times of another name in X_df": Case(
        priced,
        forecast,
        {"X_df": PRICES_AHEAD.rename(columns={"ds": "dss"}), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "no time in X_df": Case(
        priced,
        forecast,
        {"X_df": pd.concat([PRICES_AHEAD, PRICES_AHEAD[:1].assign(ds=pd.NaT)]), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "no id in X_df": Case(
        priced,
        forecast,
        {"X_df": pd.concat([PRICES_AHEAD, PRICES_AHEAD[:1].assign(unique_id=None)]), "zero_shot": True},
        layouts=("columns", "time in index"),
    ),
    "text as times in X_df": Case(
        priced,
        forecast,
        {"X_df": PRICES_AHEAD.assign(ds=PRICES_AHEAD["ds"].astype(str)), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "times in a zone in X_df": Case(
        priced,
        forecast,
        {"X_df": PRICES_AHEAD.assign(ds=PRICES_AHEAD["ds"].dt.tz_localize("UTC")), "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "times without a zone in X_df": Case(
        lambda: priced().assign(ds=lambda df: df["ds"].dt.tz_localize("Asia/Tokyo")),
        forecast,
        {"X_df": PRICES_AHEAD, "zero_shot": True},
        layouts=COVARIATE_LAYOUTS,
    ),
    "a covariate missing": Case(
        lambda: priced().assign(price=lambda df: df["price"].mask(df.index == 3)),
        forecast,
        {"X_df": PRICES_AHEAD, "zero_shot": True, "freq": "D"},
        layouts=(*COVARIATE_LAYOUTS, "dask"),
    ),
    "a covariate of datetimes": Case(
        lambda: priced().assign(opened=lambda df: df["ds"]),
        forecast,
        {"hist_exog_list": ["opened"], "zero_shot": True},
        layouts=("columns",),
        orders=("sorted",),
    ),
    "fine-tuning for a call that is to be zero-shot": Case(
        frame, forecast, {"zero_shot": True, "finetune_steps": 1}, layouts=("columns",), orders=("sorted",)
    ),
    "a client that is none": Case(
        frame, forecast, {"zero_shot": True, "client": "local"}, layouts=("columns", "dask"), orders=("sorted",)
    ),
    # lengths
    "a series that is too short": Case(
        lambda: frame().drop(range(3, 40)),
        cross_validation,
        {"zero_shot": True, "freq": "D"},
        layouts=("columns", "custom names", "dask"),
    ),
    "series that are too large": Case(
        lambda: frame(1100),
        lambda df, **arguments: finetune(df, finetune_steps=4, max_request=21_000, **arguments),
        layouts=ANYWHERE,
    ),
}


def elsewhere(df):
    df.attrs["timegpt"]["origin"] = "https://api.nixtla.io"
    return df


def cancelled(df):
    df.timegpt.cancel()
    return df


def at_frequency(df, freq):
    df.attrs["timegpt"]["freq"] = freq
    return df


# ---------------------------------------------------------------- layouts and orders


def in_order(df, order):
    if order == "shuffled":
        return df.sample(frac=1, random_state=1)
    if order == "by time" and "ds" in df:
        return df.sort_values("ds", key=lambda times: times.astype(str), kind="stable")
    return df


def laid_out(df, layout):
    """Put the columns of a frame where a layout has them."""
    if layout.startswith("odd names"):
        names = dict(zip(("unique_id", "ds", "y"), ODD_NAMES.values(), strict=True))
        odd = df.set_axis(pd.Index([names.get(name, name) for name in df], dtype=object, tupleize_cols=False), axis=1)
        return odd.set_index([*ODD_NAMES.values()][:2]) if layout == "odd names in index" else odd
    if layout == "custom names":
        renamed = df.rename(columns={"unique_id": "store", "ds": "day", "y": "sales"})
        if "timegpt" in renamed.attrs:
            renamed.attrs["timegpt"] |= NAMES
        return renamed
    if layout.startswith("dask"):
        whole = df.set_index("ds") if layout == "dask, indexed" else df
        cuts = [0, len(whole) // 3, len(whole)]
        parts = [whole.iloc[low:high] for low, high in itertools.pairwise(cuts)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dd.from_map(lambda part: part, parts, meta=whole.iloc[:0])
    levels = {
        "columns": [],
        "time in index": ["ds"],
        "id in index": ["unique_id"],
        "MultiIndex": ["unique_id", "ds"],
        "unnamed": ["unique_id", "ds"],
    }[layout]
    if not levels:
        return df
    indexed = df.set_index(levels)
    return indexed.rename_axis([None] * len(levels)) if layout == "unnamed" else indexed


# ---------------------------------------------------------------- calls in messages

START = re.compile(
    r"(?<![\w.'])(?:df\b(?= = |\[|\.)|X_df\b(?= = |\[|\.\w)|pd\.(?=\w+\()|dd\.(?=\w+\()|connect\(|finetuned_models\()"
)
VALUE = r"('[^']*'|\d+|True|offset\b|pd\.offsets\.\w+\([^)]*\))"
ARGUMENT = re.compile(
    rf"(?<![\w(.])(freq|id_col|time_col|target_col|allow_missing|zero_shot|model|overwrite|too_short)={VALUE}"
)
WITH = re.compile(rf", with (\w+)={VALUE}")
ENDS = {*")]}'\""}


@dataclass(frozen=True)
class Remedy:
    """Code that a message names, and the arguments that the call is to be repeated with."""

    code: str
    arguments: dict


def remedies_in(message, defined):
    """Take the calls out of a message: statements and expressions, and arguments of the call that was refused."""
    names = {"pd": pd, **defined}
    found, rest, place = [], "", 0
    message = message.replace("connect(max_request_bytes=…)", "a limit of the client")
    while match := START.search(message, place):
        start = match.start()
        (line, *_) = message[start:].split("\n")
        ends = [end for end in range(len(line), 0, -1) if line[end - 1] in ENDS and _is_code(line[:end])]
        assert ends, f"no call can be read from {line!r}"
        rest += message[place:start]
        place = start + ends[0]
        arguments = {}
        while further := WITH.match(message, place):
            arguments[further[1]] = eval(further[2], names)
            place = further.end()
        found.append(Remedy(line[: ends[0]], arguments))
    rest += message[place:]
    return found + [Remedy("", {name: eval(value, names)}) for name, value in ARGUMENT.findall(rest)]


def _is_code(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (*_, last) = ast.parse(text).body
    except SyntaxError:
        return False
    return not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Tuple | ast.BoolOp))


def typed(code, df, names):
    """Type a line, and return the frame that comes of it; ``names`` has what else it uses, and what it changes."""
    names.update({"df": df, "pd": pd, "dd": dd, "connect": connect})
    *statements, last = ast.parse(code).body
    exec(compile(ast.Module(statements, []), "message", "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "message", "eval"), names)
        if not code.startswith("X_df"):
            return value
        names["X_df"] = value
        return names["df"]
    exec(compile(ast.Module([last], []), "message", "exec"), names)
    return names["df"]


def said(ask, df, arguments):
    """Return what a call is refused with, or warned of; empty where it is answered without a word."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", errors.TimeGPTWarning)
        warnings.simplefilter("ignore", errors.AmbiguousFrequencyWarning)
        try:
            ask(df, **arguments)
        except errors.TimeGPTError as error:
            return str(error)
    words = [str(warning.message) for warning in caught if issubclass(warning.category, errors.TimeGPTWarning)]
    return "\n".join(word for word in words if "are left out" not in word)


def failing(case, df, message, arguments, depth=3):
    """Follow each remedy of a message, and return those that do not lead to an answer, with the reason."""
    failures = []
    for remedy in remedies_in(message, case.defined):
        if not remedy.code and all(
            repr(arguments.get(name)) == repr(value) for name, value in remedy.arguments.items()
        ):
            continue  # the message repeats what was given
        again = (arguments if case.again is None else case.again) | remedy.arguments
        fresh = df.copy() if isinstance(df, pd.DataFrame) else df
        try:
            names = {**case.defined, "X_df": again["X_df"].copy() if "X_df" in again else None}
            changed = typed(remedy.code, fresh, names) if remedy.code else fresh
            again |= {"X_df": names["X_df"]} if "X_df" in again else {}
            if ".timegpt.compare(" in remedy.code:
                continue  # it is an answer by itself
            assert isinstance(changed, pd.DataFrame | dd.DataFrame), "no frame comes of it"
            answer = said(case.ask, changed, again)
        except Exception as error:  # noqa: BLE001 - whatever a call raises is what is wrong with it
            failures.append(f"{remedy} -> {type(error).__name__}: {error}")
            continue
        if answer and (answer == message or depth == 0 or leads_nowhere(case, changed, answer, again, depth - 1)):
            failures.append(f"{remedy} -> {answer}")
    return failures


def leads_nowhere(case, df, message, arguments, depth):
    """Return whether no remedy of a message works."""
    return len(failing(case, df, message, arguments, depth)) == len(remedies_in(message, case.defined))


# ---------------------------------------------------------------- tests


@pytest.fixture(autouse=True, scope="module")
def local():
    with connect(base_url="local", progress=False), dask.config.set(scheduler="sync"):
        yield


def refused(name, layout, order):
    case = CASES[name]
    df = laid_out(in_order(case.build(), order), layout)
    arguments = dict(case.arguments)
    arguments = NAMED.get(layout, {}) | arguments
    return case, df, arguments


EVERY = [
    pytest.param(name, layout, order, id=f"{name}, {layout}, {order}", marks=[pytest.mark.dask] * ("dask" in layout))
    for name, case in CASES.items()
    for layout in (*case.layouts, *ODD_LAYOUTS * (case.ask is pack and set(PANDAS) <= set(case.layouts)))
    for order in case.orders
]


@pytest.mark.parametrize(("name", "layout", "order"), EVERY)
def test_every_call_works(name, layout, order):
    case, df, arguments = refused(name, layout, order)
    if layout in NAMED:
        case = replace(case, again=NAMED[layout] | (case.arguments if case.again is None else case.again))
    message = said(case.ask, df, arguments)
    assert message
    if "previous_frame" in message:
        named = NAMES if layout == "custom names" else {}
        case = replace(case, defined={"previous_frame": tuned(laid_out(case.build(), layout), **named)})
    failures = failing(case, df, message, arguments)
    assert not failures, "\n".join([message, *failures])


# ---------------------------------------------------------------- audits

AUDITED = [
    pytest.param(name, layout, id=f"{name}, {layout}", marks=[pytest.mark.dask] * ("dask" in layout))
    for name, case in CASES.items()
    if case.ask is pack and not {"id_col", "time_col"} & set(case.arguments)
    for layout in case.layouts
]


def audit(df, arguments):
    return df.timegpt.audit(**{key: value for key, value in arguments.items() if key != "allow_missing"})


@pytest.mark.parametrize(("name", "layout"), AUDITED)
def test_every_call_of_an_audit_works(name, layout):
    case, df, arguments = refused(name, layout, "sorted")
    try:
        found = audit(df, arguments)
    except (errors.InvalidArgumentError, errors.InvalidFrameError):
        return  # with the message that packing has
    again = arguments if case.again is None else case.again | {key: arguments[key] for key in NAMES if key in arguments}
    case = replace(case, again=again)
    for remedy in found.loc[found["refused"], "remedy"]:
        failures = failing(case, df, remedy, arguments)
        assert not failures, "\n".join([remedy, *failures])


# ---------------------------------------------------------------- completeness

WRITES_CODE = re.compile(
    r"(?<![\w.])(df|pd|dd|ddf)(\[|\.[a-z])|\.timegpt\b|(?<![\w.])(\w+_col|freq|zero_shot|allow_missing|too_short)="
)
APART = {  # what writes code, and is no message about a frame
    "api": "has messages about models and requests; the tests of the client cover them",
    "local": "answers requests",
    "datasets": "reads files",
    "demo.py": "prints what it does",
    "__main__.py": "prints what it does",
    "mypy_plugin.py": "is for a type checker",
}
HELPERS = {  # which return code: where they are called, a message has code
    node.name
    for node in ast.walk(ast.parse((PACKAGE / "panel" / "frame_code.py").read_text("utf-8")))
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
}


def statements_with_code(path):
    """Return the first and the last line of each statement that writes code into a message."""
    tree = ast.parse(path.read_text("utf-8"))
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    spans = set()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "__repr__"]
    for function in functions:
        docstring = ast.get_docstring(function, clean=False)
        for node in ast.walk(function):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            called = node.func if isinstance(node, ast.Call) else None
            helper = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if text == docstring or not (WRITES_CODE.search(text) or helper in HELPERS - {"assign", "rename"}):
                continue
            around = [s for s in statements if s.lineno <= node.lineno and node.end_lineno <= s.end_lineno]
            inner = max(around, key=lambda statement: statement.lineno)
            spans.add((inner.lineno, inner.end_lineno))
    return spans


def lines_run(ask, paths):
    """Return the lines that run of some files while something is asked."""
    ran = {path: set() for path in paths}

    def trace(frame, event, _):
        if frame.f_code.co_filename not in ran:
            return None
        ran[frame.f_code.co_filename].add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ask()
    finally:
        sys.settrace(before)
    return ran


def test_every_line_that_writes_code_is_run_by_a_case():
    def ask_all():
        for name, case in CASES.items():
            for layout in {case.layouts[0], *({"dask", "time in index", "unnamed"} & set(case.layouts))}:
                _, df, arguments = refused(name, layout, case.orders[0])
                said(case.ask, df, arguments)
                if case.ask is pack:
                    with suppress(errors.TimeGPTError):
                        audit(df, arguments | {"h": 100})

    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in APART]
    statements = {str(path): sorted(statements_with_code(path)) for path in paths}
    ran = lines_run(ask_all, statements)
    missed = [
        f"{path}:{first}"
        for path, spans in statements.items()
        for first, last in spans
        if not ran[path] & set(range(first, last + 1))
    ]
    assert not missed, "no case of CASES runs these lines:\n" + "\n".join(missed)
