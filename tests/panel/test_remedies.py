"""The calls that messages give work when they are typed: for times in a column or in the index, in any order."""

from __future__ import annotations

import ast
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nixtla_accessor  # noqa: F401 - registers df.timegpt
from nixtla_accessor import errors

YEARS = (2020, 2021, 2022, 2023)
RANDOM = np.random.default_rng(0)


def frame(stamps, name="a"):
    return pd.DataFrame({"unique_id": name, "ds": stamps, "y": 10 + np.sin(np.arange(len(stamps)) * 0.9)})


def panel(stamps):
    return pd.concat([frame(stamps, "b"), frame(stamps, "a")])  # with index labels that repeat


def code_at(text, start):
    """Return the code that begins at a place of a message: up to punctuation outside of brackets and quotes."""
    depth, quote = 0, ""
    for place, character in enumerate(text[start:], start):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif not depth and re.match(r"[,.:](\s|$)", text[place:]):
            break
        depth += 0 if quote else {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
    code = text[start:place]
    ast.parse(code)
    return code


def follow(message, df):
    """Type the first call that a message gives; return the frame and the options of the next call."""
    names = {"df": df.copy(), "pd": pd}
    call = re.search(r"(?<!\w)df(?= = |\[|\.)", message)
    if call:
        code = code_at(message, call.start())
        if isinstance(ast.parse(code).body[-1], ast.Expr):
            names["df"] = eval(code, names)
        else:
            exec(code, names)
    if "with time_col='step', with freq=1" in message:
        return names["df"], {"time_col": "step", "freq": 1}
    offset = re.search(r"freq=(?=pd\.offsets)", message)
    if call or offset is None:
        return names["df"], {}
    return names["df"], {"freq": eval(code_at(message, offset.end()), names)}


def refusal(df, **options):
    with pytest.raises(errors.InvalidFrameError) as caught:
        df.timegpt.pack(**options)
    return str(caught.value)


def from_january(step, n):
    return pd.DatetimeIndex(
        [pd.Timestamp(year, 1, 1) + pd.Timedelta(days=step * k) for year in YEARS for k in range(n)]
    )


def days_of_months(*days):
    return pd.DatetimeIndex(
        [pd.Timestamp(year, month, day) for year in YEARS for month in range(1, 13) for day in days]
    )


def at_hours(days, first, last, step):
    hours = pd.timedelta_range(first, last, freq=step)
    return pd.DatetimeIndex([day + hour for day in days for hour in hours])


def jittered(stamps, spread, unit):
    return stamps + pd.to_timedelta(RANDOM.integers(-spread, spread + 1, len(stamps)), unit=unit)


def only(stamps, keep):
    return pd.DatetimeIndex([stamp for stamp in stamps if keep(stamp)])


def in_utc(zone, freq, periods, start="2022-01-01"):
    return pd.date_range(start, periods=periods, freq=freq, tz=zone).tz_convert("UTC")


INTEGER_TIME = "rows.groupby('unique_id', observed=True).cumcount()"
# For each kind: the stamps, what the message says of them, the call that it gives, and the frequency after the call.
KINDS = {
    "trading hours": (
        at_hours(pd.bdate_range("2024-01-02", periods=20), "9h30min", "15h55min", "5min"),
        "opening hours, 09:30 to 15:55 on Mon, Tue, Wed, Thu, Fri",
        INTEGER_TIME,
        1,
    ),
    "a shop, 8 to 18": (
        at_hours(pd.date_range("2024-01-01", periods=30), "8h", "18h", "h"),
        "opening hours, 08:00 to 18:00:",
        INTEGER_TIME,
        1,
    ),
    "shorter on Saturdays": (
        only(
            at_hours(pd.date_range("2024-01-01", periods=60), "8h", "18h", "h"),
            lambda stamp: stamp.day_of_week < 5 or (stamp.day_of_week == 5 and stamp.hour < 13),
        ),
        "opening hours, 08:00 to 18:00 on Mon, Tue, Wed, Thu, Fri, Sat",
        INTEGER_TIME,
        1,
    ),
    "May to November": (
        only(pd.date_range("2019-01-01", "2024-12-31"), lambda stamp: 5 <= stamp.month <= 11),
        "a season, with stamps in May, Jun, Jul, Aug, Sep, Oct, Nov only",
        INTEGER_TIME,
        1,
    ),
    "a season of weeks": (
        only(pd.date_range("2017-01-01", "2024-12-31", freq="W"), lambda stamp: stamp.month in {12, 1, 2}),
        "a season, with stamps in Jan, Feb, Dec only",
        INTEGER_TIME,
        1,
    ),
    "a season of months": (
        only(pd.date_range("2015-01-01", "2024-12-31", freq="MS"), lambda stamp: 4 <= stamp.month <= 9),
        "a season, with stamps in Apr, May, Jun, Jul, Aug, Sep only",
        INTEGER_TIME,
        1,
    ),
    "Monday to Saturday": (
        only(pd.date_range("2024-01-01", periods=60), lambda stamp: stamp.day_of_week < 6),
        "look like Mon, Tue, Wed, Thu, Fri, Sat only",
        "freq=pd.offsets.CustomBusinessDay(weekmask='Mon Tue Wed Thu Fri Sat')",
        "C",
    ),
    "Monday to Saturday, with holidays": (
        only(pd.date_range("2024-01-01", periods=60), lambda stamp: stamp.day_of_week < 6).delete([9, 30]),
        "look like Mon, Tue, Wed, Thu, Fri, Sat only",
        "holidays=['2024-01-11', '2024-02-05']",
        "C",
    ),
    "three days a week": (
        only(pd.date_range("2024-01-01", periods=90), lambda stamp: stamp.day_of_week in {0, 2, 4}),
        "look like Mon, Wed, Fri only",
        "freq=pd.offsets.CustomBusinessDay(weekmask='Mon Wed Fri')",
        "C",
    ),
    "dekads": (days_of_months(1, 11, 21), "look like days 1, 11 and 21 of each month", INTEGER_TIME, 1),
    "two days of each month": (days_of_months(5, 20), "look like days 5 and 20 of each month", INTEGER_TIME, 1),
    "quarters of months": (days_of_months(1, 8, 15, 22), "days 1, 8, 15 and 22 of each month", INTEGER_TIME, 1),
    "pentads": (days_of_months(1, 6, 11, 16, 21, 26), "days 1, 6, 11, 16, 21 and 26 of each", INTEGER_TIME, 1),
    "ends of dekads": (
        only(
            pd.date_range("2020-01-01", "2023-12-31"), lambda stamp: stamp.day in {10, 20} or stamp.is_month_end
        ),
        "look like days 10, 20 and the last of each month",
        INTEGER_TIME,
        1,
    ),
    "16-day composites": (from_january(16, 23), "periods of 16 days that are counted anew", INTEGER_TIME, 1),
    "8-day composites": (from_january(8, 46), "periods of 8 days that are counted anew", INTEGER_TIME, 1),
    "weeks from 1 January": (from_january(7, 52), "weeks that are counted anew", INTEGER_TIME, 1),
    "composites of a year and a bit": (from_january(16, 23)[:30], "counted anew from 1 January", INTEGER_TIME, 1),
    "4-4-5": (
        pd.Timestamp("2020-01-25") + pd.to_timedelta(np.cumsum([4, 4, 5] * 12) * 7, unit="D"),
        "periods of 4 and 5 weeks (a 4-4-5 calendar)",
        INTEGER_TIME,
        1,
    ),
    "quarters of 13 and 14 weeks": (
        pd.date_range("2005-01-01", periods=60, freq=pd.offsets.FY5253Quarter(weekday=5, startingMonth=1)),
        "periods of 13 and 14 weeks",
        INTEGER_TIME,
        1,
    ),
    "20 minutes and some seconds": (
        jittered(pd.date_range("2021-02-20", periods=500, freq="20min"), 1500, "ms"),
        "on a regular grid but for shifts of at most 1.",
        ".round('20min')",
        "20min",
    ),
    "hours and some microseconds": (
        jittered(pd.date_range("2024-01-01", periods=500, freq="h"), 3, "us"),
        "shifts of at most 3e-06 s",
        ".round('h')",
        "h",
    ),
    "hours of a zone and some microseconds": (
        jittered(pd.date_range("2024-03-20", periods=500, freq="h", tz="Europe/Berlin"), 3, "us"),
        "shifts of at most 3e-06 s",
        ".round('h')",
        "h",
    ),
    "hours of a spreadsheet": (
        pd.to_datetime(45000 + np.arange(100) / 24, unit="D", origin="1899-12-30"),
        "on a regular grid",
        ".round('h')",
        "h",
    ),
    "days at about nine": (
        jittered(pd.date_range("2024-01-01 09:00", periods=60), 1200, "s"),
        "on a regular grid",
        ".round('h')",
        "D",
    ),
    "days at any time": (
        pd.date_range("2024-01-01", periods=60) + pd.to_timedelta(RANDOM.integers(0, 86_400, 60), unit="s"),
        "at varying times of day",
        ".normalize()",
        "D",
    ),
    "one stamp off by a microsecond": (
        pd.date_range("2024-01-01", periods=30, unit="us").insert(30, pd.Timestamp("2024-01-31 00:00:00.000001")),
        "off the grid",
        ".round('D')",
        "D",
    ),
    "30 in a second, in milliseconds": (
        pd.DatetimeIndex(np.round(np.arange(200) * 1000 / 30).astype("M8[ms]")),
        "evenly spaced, by about 0.0333",
        INTEGER_TIME,
        1,
    ),
    "stamps at random": (
        pd.to_datetime(np.sort(RANDOM.integers(0, 10**7, 60)), unit="s"),
        "have no frequency",
        INTEGER_TIME,
        1,
    ),
    "days of Berlin in UTC": (
        in_utc("Europe/Berlin", "D", 200),
        "midnights of 'Europe/Berlin'",
        ".tz_convert('Europe/Berlin')",
        "D",
    ),
    "business days of New York in UTC": (
        in_utc("America/New_York", "B", 200),
        "midnights of 'America/New_York'",
        ".tz_convert('America/New_York')",
        "B",
    ),
    "business days of Tokyo in UTC": (
        in_utc("Asia/Tokyo", "B", 60),
        "midnights of 'Asia/Tokyo'",
        ".tz_convert('Asia/Tokyo')",
        "B",
    ),
    "weeks of Sydney in UTC": (
        in_utc("Australia/Sydney", "W-MON", 60),
        "midnights of 'Australia/Sydney'",
        ".tz_convert('Australia/Sydney')",
        "W-MON",
    ),
    "months of Berlin in UTC": (
        in_utc("Europe/Berlin", "MS", 40),
        "midnights of 'Europe/Berlin'",
        ".tz_convert('Europe/Berlin')",
        "MS",
    ),
    "days of an island in UTC": (
        in_utc("Pacific/Norfolk", "D", 200),
        "midnights of 'Pacific/Norfolk'",
        ".tz_convert('Pacific/Norfolk')",
        "D",
    ),
    "days of Berlin in UTC, without a zone": (
        in_utc("Europe/Berlin", "D", 200).tz_localize(None),
        "midnights of 'Europe/Berlin'",
        ".tz_convert('Europe/Berlin')",
        "D",
    ),
    "days of Berlin in UTC, with gaps": (
        in_utc("Europe/Berlin", "D", 200).delete([7, 8, 120]),
        "midnights of 'Europe/Berlin'",
        ".tz_convert('Europe/Berlin')",
        "D",
    ),
    "hours of Berlin over autumn, without a zone": (
        pd.date_range("2024-10-20", periods=400, freq="h", tz="Europe/Berlin").tz_localize(None),
        "change of clocks of 'Europe/Berlin'",
        ".tz_localize('Europe/Berlin', ambiguous=",
        "h",
    ),
    "quarters of an hour over a year, without a zone": (
        pd.date_range("2024-02-01", periods=96 * 300, freq="15min", tz="America/New_York").tz_localize(None),
        "change of clocks of 'America/New_York'",
        ".tz_localize('America/New_York', ambiguous=",
        "15min",
    ),
    "hours of London over spring, without a zone": (
        pd.date_range("2024-03-01", periods=1440, freq="h", tz="Europe/London").tz_localize(None),
        "change of clocks of 'Europe/London'",
        ".tz_localize('Europe/London', ambiguous=",
        "h",
    ),
    "a gap": (pd.date_range("2024-01-01", periods=30).delete(9), "stamps missing", "fill_gaps(freq='D', ", "D"),
    "a stamp twice": (
        pd.date_range("2024-01-01", periods=30).insert(3, pd.Timestamp("2024-01-03")),
        "rows with the stamp of an earlier row",
        "Keep one row of each, df",
        "D",
    ),
}  # fmt: skip
PLACES = {
    "columns": lambda df: df,
    "times in the index": lambda df: df.set_index("ds"),
    "times in the index without a name": lambda df: df.set_index("ds").rename_axis(None),
    "ids in the index": lambda df: df.set_index("unique_id"),
    "a MultiIndex": lambda df: df.set_index(["unique_id", "ds"]),
    "a MultiIndex without names": lambda df: df.set_index(["unique_id", "ds"]).rename_axis([None, None]),
}
ORDERS = {
    "sorted": lambda df: df.sort_values(["unique_id", "ds"], kind="stable"),
    "by time": lambda df: df.sort_values("ds", kind="stable"),
    "shuffled": lambda df: df.sample(frac=1, random_state=0),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_message_gives_works(kind, place, order):
    stamps, look, call, freq = KINDS[kind]
    build = panel if "quarters of an hour" not in kind else frame
    df = PLACES[place](ORDERS[order](build(stamps)))
    message = refusal(df)
    assert look in message
    assert call in message
    for _ in range(2):  # gaps may be left, with a call of their own
        df, options = follow(message, df)
        try:
            packed = df.timegpt.pack(**options)
        except errors.MissingTimestampError as error:
            assert "with gaps" in kind
            message = str(error)
        else:
            break
    assert packed.freq == freq
    if "fill" not in call and "row" not in look:
        assert len(packed.y) == len(build(stamps)) + (3 * 2 if "with gaps" in kind else 0)


def test_one_series_without_an_id():
    for kind in ("dekads", "20 minutes and some seconds", "hours of Berlin over autumn, without a zone"):
        for place in ("columns", "times in the index", "times in the index without a name"):
            df = frame(KINDS[kind][0]).sample(frac=1, random_state=1).drop(columns="unique_id")
            df = PLACES[place](df)
            mended, options = follow(refusal(df), df)
            assert len(mended.timegpt.pack(**options).y) == len(df)


def test_the_names_are_the_callers():
    names = {"id_col": "shop", "time_col": "day", "target_col": "sales"}
    df = panel(days_of_months(1, 11, 21)).set_axis(list(names.values()), axis=1)
    mended, options = follow(refusal(df, **names), df)
    assert mended.timegpt.pack(**(names | options)).sizes.tolist() == [144, 144]
    df = panel(pd.date_range("2024-01-01", periods=30).delete(9)).set_axis(list(names.values()), axis=1)
    mended, _ = follow(refusal(df, **names), df)
    assert mended.timegpt.pack(**names).sizes.tolist() == [30, 30]
    df.loc[df["day"] < "2024-01-04", "sales"] = np.nan
    mended, _ = follow(refusal(df, **names), df)
    assert mended.timegpt.pack(**names).sizes.tolist() == [27, 27]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("rows", ["start", "end", "middle", "all over"])
def test_missing_values_never_lead_back_to_the_same_refusal(place, rows):
    df = pd.concat([frame(pd.date_range("2024-01-01", periods=40), name) for name in ("old", "new")], ignore_index=True)
    spoilt = {"start": range(40, 49), "end": range(75, 80), "middle": range(50, 60), "all over": [0, 1, 9, 40, 66, 79]}
    df.loc[list(spoilt[rows]), "y"] = np.nan
    df = PLACES[place](df)
    mended, _ = follow(refusal(df), df)
    assert mended.timegpt.pack().freq == "D"


def test_a_series_without_a_value_is_left_out():
    days = pd.date_range("2024-01-01", periods=40)
    for place in ("columns", "times in the index", "ids in the index", "a MultiIndex"):
        df = PLACES[place](pd.concat([frame(days, "old"), frame(days, "void").assign(y=np.nan)]))
        for options in ({}, {"allow_missing": True}):
            message = refusal(df, **options)
            assert "'void'" in message
            mended, _ = follow(message, df)
            assert mended.timegpt.pack().ids.tolist() == ["old"]


@pytest.mark.parametrize("missing", [[], [5]])
def test_custom_offsets_are_called_offset(missing):
    offset = pd.offsets.CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri Sat")
    df = frame(pd.date_range("2024-01-01", periods=40, freq=offset).delete(9))
    df.loc[missing, "y"] = np.nan
    message = refusal(df, freq=offset)
    assert "fill_gaps(freq=offset, method='interpolate'" in message
    filled = eval(code_at(message, message.index("df.timegpt")), {"df": df, "offset": offset})
    assert filled.timegpt.pack(freq=offset).sizes.tolist() == [40]
    remedies = df.timegpt.audit(freq=offset)["remedy"]
    assert remedies.str.contains("freq='C'").sum() == 0
    assert remedies.str.contains("fill_gaps(freq=offset, method='interpolate')", regex=False).sum() == 1


INTEGERS = {
    "YYYYMM": ([year * 100 + month for year in YEARS for month in range(1, 13)], "MS"),
    "YYYYMM, one year": ([202400 + month for month in range(1, 13)], "MS"),
    "YYYYMM, three months": ([202405, 202406, 202407], "MS"),
    "YYYYMMDD": (pd.date_range("2023-11-20", periods=60).strftime("%Y%m%d").astype("int64"), "D"),
    "YYYYMMDD, one month": ([20240100 + day for day in range(1, 32)], "D"),
    "YYYYWW": (pd.date_range("2022-01-03", periods=120, freq="W-MON").strftime("%G%V").astype("int64"), "W-MON"),
    "YYYYQ": ([year * 10 + quarter for year in YEARS for quarter in range(1, 5)], "QS-JAN"),
    "YYYYDDD": (pd.date_range("2023-11-20", periods=60).strftime("%Y%j").astype("int64"), "D"),
    "YYYYMMDDHH": (pd.date_range("2023-12-31", periods=60, freq="h").strftime("%Y%m%d%H").astype("int64"), "h"),
    "YYYYMMDDHHMM": (pd.date_range("2023-12-31", periods=60, freq="h").strftime("%Y%m%d%H%M").astype("int64"), "h"),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]", "object", "category", "float64"])
@pytest.mark.parametrize("layout", INTEGERS)
def test_integers_that_are_dates(layout, dtype):
    numbers, freq = INTEGERS[layout]
    df = panel(pd.Series(numbers).astype(dtype)).sample(frac=1, random_state=0)
    for place in ("columns", "a MultiIndex"):
        placed = PLACES[place](df)
        for options in ({}, {"freq": 1}):
            message = refusal(placed, **options)
            assert f"look like dates, {layout.split(',')[0]}" in message
            mended, _ = follow(message, placed)
            assert mended.timegpt.pack().freq == freq
        assert placed.timegpt.audit()["kind"].tolist() == ["unsupported dtype"]


def test_integers_that_are_counts_may_start_at_0():
    df = frame(np.arange(202401, 202411))
    message = refusal(df)
    shift = code_at(message, message.rindex("df['ds'] = "))
    names = {"df": df}
    exec(shift, names)
    assert names["df"].timegpt.pack().frequency.multiple == 1


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(202395, 202425),
        np.arange(20240125, 20240150),
        np.arange(0, 40),
        np.arange(2000, 2030),
        np.arange(1_700_000_000, 1_700_864_000, 86_400),
        np.arange(19_700, 19_800),
    ],
    ids=str,
)
def test_other_integers_are_counts(numbers):
    assert frame(numbers).timegpt.pack().sizes.tolist() == [len(numbers)]


ELAPSED = {
    "half seconds": (pd.to_timedelta(np.arange(60) * 0.5, unit="s"), "500ms"),
    "days": (pd.to_timedelta(np.arange(60), unit="D"), "D"),
    "Arrow durations": (pd.array(pd.to_timedelta(np.arange(60), unit="h"), dtype="duration[us][pyarrow]"), "h"),
    "Python durations": (pd.Series([pd.Timedelta(hours=k) for k in range(60)], dtype=object), "h"),
    "tenths": (np.arange(60) * 0.1, 1),
    "thirds, summed up": (np.cumsum(np.full(60, 1 / 3)), 1),
    "with an offset": (100 + np.arange(60) * 0.25, 1),
    "float32": ((np.arange(60) * 0.1).astype("float32"), 1),
    "whole floats": (np.arange(60.0), 1),
    "nullable floats": (pd.array(np.arange(60) * 0.5, dtype="Float64"), 1),
    "Arrow floats": (pd.array(np.arange(60) * 0.5, dtype="double[pyarrow]"), 1),
    "Python floats": (pd.Series(list(np.arange(60) * 0.5), dtype=object), 1),
}


@pytest.mark.parametrize("kind", ELAPSED)
def test_times_since_a_start(kind):
    elapsed, freq = ELAPSED[kind]
    df = panel(elapsed).sample(frac=1, random_state=0)
    for place in ("columns",) if "Python" in kind else ("columns", "times in the index", "a MultiIndex"):
        placed = PLACES[place](df)
        mended, _ = follow(refusal(placed), placed)
        packed = mended.timegpt.pack()
        assert (packed.freq, packed.sizes.tolist()) == (freq, [60, 60])


TEXTS = {
    "American": ("%m/%d/%Y", "D"),
    "European": ("%d.%m.%Y", "D"),
    "with words": ("%d %b %Y", "D"),
    "day of the year": ("%Y%j", "D"),
    "seconds": ("%m/%d/%Y %H:%M:%S", "D"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_are_not_iso(kind):
    layout, freq = TEXTS[kind]
    df = panel(pd.date_range("2024-01-20", periods=40).strftime(layout)).sample(frac=1, random_state=0)
    for place in ("columns", "times in the index", "a MultiIndex"):
        placed = PLACES[place](df)
        mended, _ = follow(refusal(placed), placed)
        assert mended.timegpt.pack().freq == freq


def test_texts_that_may_be_read_in_two_ways():
    message = refusal(frame([f"0{month}/0{day}/2024" for month in (1, 2, 3) for day in (1, 2, 3)]))
    assert "format='%m/%d/%Y'" in message
    assert "format='%d/%m/%Y'" in message


def test_texts_of_more_than_one_offset():
    berlin = pd.date_range("2024-03-25", periods=20, tz="Europe/Berlin")
    df = frame([stamp.isoformat() for stamp in berlin])
    for place in ("columns", "times in the index"):
        placed = PLACES[place](df)
        mended, _ = follow(refusal(placed), placed)
        assert mended.timegpt.pack().freq == "D"


TARGETS = {
    "bool": [True, False] * 10,
    "nullable bool": pd.array([True, False] * 10, dtype="boolean"),
    "text": [str(value) for value in range(20)],
    "category": pd.Categorical(range(20)),
    "durations": pd.to_timedelta(range(20), unit="h"),
    "large integers": pd.Series([2**70 + k for k in range(20)], dtype=object),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_that_are_no_numbers(kind):
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=TARGETS[kind])
    mended, _ = follow(refusal(df), df)
    assert mended.timegpt.pack().sizes.tolist() == [20]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234.5", "17"], [[1234.5, 17]]),
        (["1,234,567", "1,200"], [[1234567, 1200]]),
        (["0,5", "1,234"], [[0.5, 1.234]]),
        (["10,78", "9,5"], [[10.78, 9.5]]),
        (["1,759", "999"], [[1759, 999], [1.759, 999]]),
        (["1.926.000,00", "12,5"], [[1926000, 12.5]]),
        (["1.926.000", "7"], [[1926000, 7]]),
        (["1.926", "12,5"], [[1.926, 12.5], [1926, 12.5]]),
        (["1.926", "12.5"], [[1.926, 12.5]]),
    ],
    ids=str,
)
def test_commas_are_read_as_what_they_can_be(texts, values):
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=texts * 10)
    assert [read["y"].tolist()[:2] for read in every_reading(df)] == values


def every_reading(df):
    """Type each call for the target that the message gives, and return the frames."""
    read = []
    for call in re.findall(r"df\['y'\] = pd\.to_numeric\(.*?\)(?= where |\.$)", refusal(df)):
        names = {"df": df.copy(), "pd": pd}
        exec(call, names)
        read.append(names["df"])
    return read


SEPARATED = {"1,234.5": (",", "."), "1234,5": ("", ","), "1.234,5": (".", ",")}


@settings(max_examples=60, deadline=None)
@given(
    cents=st.lists(st.integers(-(10**9), 10**9), min_size=8, max_size=20),
    notation=st.sampled_from(list(SEPARATED.values())),
    words=st.lists(st.sampled_from(["n/a", "-", "closed", "12 500"]), max_size=5),
    random=st.randoms(),
)
def test_numbers_in_any_notation_are_read_and_the_others_named(cents, notation, words, random):
    thousands, decimal = notation
    texts = {
        place: f"{number / 100:,.2f}".translate(str.maketrans({",": thousands, ".": decimal}))
        for place, number in enumerate(cents)
    }
    rows = [*range(len(cents)), *words]
    random.shuffle(rows)
    df = frame(pd.date_range("2024-01-01", periods=len(rows))).assign(y=[texts.get(row, row) for row in rows])
    bad = [place for place, row in enumerate(rows) if row in words]
    numbers = [np.nan if row in words else cents[row] / 100 for row in rows]
    assert any(np.array_equal(read["y"], numbers, equal_nan=True) for read in every_reading(df))
    assert all(np.isnan(read["y"].to_numpy()[bad]).all() for read in every_reading(df))
    if bad:
        named = ", ".join(f"{rows[place]!r} in row {place}" for place in bad[:3])
        assert f"no numbers in {len(bad)} of {len(rows)} rows, counted from 0: {named}" in refusal(df)


@pytest.mark.parametrize("dtype", ["object", "str", "string", "string[pyarrow]", "category"])
def test_texts_that_are_no_numbers_are_named_with_their_rows_and_total(dtype):
    values = [str(number) for number in range(20)]
    for row, bad in {3: "n/a", 7: "-", 11: "closed", 19: "x"}.items():
        values[row] = bad
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=pd.Series(values, dtype=dtype))
    expected = "no numbers in 4 of 20 rows, counted from 0: 'n/a' in row 3, '-' in row 7, 'closed' in row 11 and 1 more"
    assert expected in refusal(df)
    mended, _ = follow(refusal(df), df)
    assert mended["y"].isna().to_numpy().nonzero()[0].tolist() == [3, 7, 11, 19]


@pytest.mark.parametrize("bad", ["n/a", [1, 2], {"a": 1}, pd.Timestamp("2024-01-01")], ids=str)
def test_one_value_among_numbers_that_is_none_is_named(bad):
    values = pd.Series([*np.arange(19.0) + 0.1, None], dtype=object)
    values[5] = bad
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=values)
    assert "no numbers in 1 of 20 rows, counted from 0: " in refusal(df)
    assert " in row 5. " in refusal(df)
    mended, _ = follow(refusal(df), df)
    expected = [np.nan if row in {5, 19} else row + 0.1 for row in range(20)]
    np.testing.assert_array_equal(mended["y"], expected)


def test_a_notation_is_shown_by_a_text_that_has_it():
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=["7"] * 10 + ["1.926.000,00"] * 10)
    assert "such as '1.926.000,00'. Convert it: " in refusal(df)
    assert "such as '2,5'. Convert it: " in refusal(df.assign(y=["1.5"] * 12 + ["2,5"] * 8))


def test_a_text_that_a_call_would_misread_is_named_alone_and_no_call_is_given():
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=["1,234.50"] * 19 + ["1,23"])
    assert "no numbers in 1 of 20 rows, counted from 0: '1,23' in row 19. Convert it to numbers." in refusal(df)


def test_numbers_with_exponents_are_read_in_their_notation():
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=["2,5"] * 19 + ["1,5E+03"])
    mended, _ = follow(refusal(df), df)
    assert mended["y"].tolist() == [2.5] * 19 + [1500.0]


def test_no_call_reads_a_number_as_another():
    df = frame(pd.date_range("2024-01-01", periods=20)).assign(y=["1,234.5"] * 12 + ["0,5"] * 8)
    assert all(read["y"].dropna().isin([1234.5, 0.5]).all() for read in every_reading(df))


def test_two_stamps_are_given_a_frequency_that_they_fit():
    df = frame(pd.date_range("2024-01-01", periods=2, freq="MS"))
    freq = re.search(r"freq='(\w+)'", refusal(df))[1]
    assert df.timegpt.pack(freq=freq).freq == "MS"


def test_holidays_among_business_days():
    days = pd.bdate_range("2024-01-01", periods=60).delete([20, 40])
    df = panel(days)
    message = refusal(df)
    assert "fill_gaps(freq='B', method='interpolate')" in message
    offset = eval(code_at(message, message.index("pd.offsets")), {"pd": pd})
    assert df.timegpt.pack(freq=offset).sizes.tolist() == [58, 58]


def test_gaps_within_opening_hours_are_named_apart_from_closed_ones():
    hours = pd.date_range("2024-01-01", periods=24 * 60, freq="h")
    shop = frame(hours[(hours.hour >= 8) & (hours.hour < 20)])
    assert "at usual times too" not in refusal(shop)
    lost = [100, 101, 102, 400]
    expected = "usual times too (2024-01-09 12:00:00, 2024-01-09 13:00:00, 2024-01-09 14:00:00 and 1 more)"
    assert expected in refusal(shop.drop(index=shop.index[lost]))


def test_an_audit_gives_the_same_calls():
    for kind, (stamps, look, _, _) in KINDS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.AmbiguousFrequencyWarning)
            remedies = frame(stamps).timegpt.audit()["remedy"]
        message = refusal(frame(stamps))
        assert any(remedy in message or message in remedy for remedy in remedies), (kind, look)


HALVES = st.integers(-3, 3).map(lambda number: number + 0.5)
IDS = st.one_of(st.integers(-3, 3), HALVES, st.integers(-3, 3).map(str), HALVES.map(str), st.binary(max_size=1))


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(IDS, min_size=2, max_size=6, unique=True))
def test_ids_of_several_types_stay_as_many_series(ids):
    stamps = pd.date_range("2024-01-01", periods=5)
    df = pd.concat([frame(stamps).assign(unique_id=pd.Series([one] * 5, dtype=object)) for one in ids])
    if len({type(one) for one in ids}) > 1:
        df, _ = follow(refusal(df), df)
    assert len(df.timegpt.pack(freq="D").ids) == len(ids)


@pytest.mark.parametrize("dtype", ["object", "category"])
@pytest.mark.parametrize("shared", [(1, "1"), (True, "True"), (2.5, "2.5"), (b"a", "a")])
def test_ids_whose_texts_are_the_same_are_named(shared, dtype):
    stamps = pd.date_range("2024-01-01", periods=5)
    df = pd.concat([frame(stamps).assign(unique_id=pd.Series([one] * 5, dtype=object)) for one in shared])
    df["unique_id"] = df["unique_id"].astype(dtype)
    message = refusal(df)
    assert f"As text, these ids are the same: {shared[0]!r} and {shared[1]!r}. " in message
    apart, _ = follow(message, df)
    assert apart.timegpt.pack(freq="D").ids.tolist() == sorted(map(repr, shared))
    together = eval(message.rpartition("df['unique_id'] = ")[2].rstrip("."), {"df": df})
    assert together.nunique() == 1


def test_ids_of_integers_and_floats_become_floats():
    df = panel(pd.date_range("2024-01-01", periods=6)).reset_index(drop=True)
    df["unique_id"] = pd.Series([1, 1.0, 1] * 2 + [2.5] * 6, dtype=object)
    floats, _ = follow(refusal(df), df)
    assert floats.timegpt.pack(freq="D").ids.tolist() == [1.0, 2.5]
    df["unique_id"] = pd.Series([2**60, 2**60 + 1] * 3 + [2.5] * 6, dtype=object)
    assert ".astype(str)" in refusal(df)  # of which float64 makes one
