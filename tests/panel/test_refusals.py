"""Every frame that cannot be packed is refused: with its own class, the series, the total and the remedy."""

from __future__ import annotations

import copy
import decimal
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nixtla_accessor import errors
from nixtla_accessor.panel.audit import audit_frame

DAYS = pd.date_range("2024-02-26", periods=10, freq="D")


def frame(freq="D", periods=10, names=("a", "b")):
    days = pd.date_range("2024-02-26", periods=periods, freq=freq)
    parts = [pd.DataFrame({"unique_id": name, "ds": days, "y": np.arange(periods) * 1.5}) for name in names]
    return pd.concat(parts, ignore_index=True)


def with_value(column, rows, value):
    changed = frame()
    if column == "unique_id":
        changed[column] = changed[column].astype(object)
    changed.loc[rows, column] = value
    return changed


def moved(row, by):
    changed = frame()
    changed.loc[row, "ds"] += pd.Timedelta(by)
    return changed


def objects(*values):
    return pd.Series([*values] * (20 // len(values)), dtype=object)


E = errors
REFUSED = {
    "one gap": (
        lambda: frame().drop(3),
        None,
        E.MissingTimestampError,
        ["1 stamp ", "'a' at 2024-02-29", "fill_gaps(freq='D'"],
    ),
    "gaps": (
        lambda: frame().drop([3, 4, 12, 15]),
        None,
        E.MissingTimestampError,
        [
            "4 stamps",
            "2 of 2 series",
            "'a' at 2024-02-29",
            "'a' at 2024-03-01",
            "'b' at 2024-02-28",
            "and 1 more",
        ],
    ),
    "a gap, freq given": (lambda: frame().drop(3), "D", E.MissingTimestampError, ["'a' at 2024-02-29"]),
    "a gap among integers": (
        lambda: frame().assign(ds=[*range(10), *range(5), *range(6, 11)]),
        None,
        E.MissingTimestampError,
        ["'b' at 5", "freq=1"],
    ),
    "a holiday among business days": (
        lambda: frame("B", 30).drop(40),
        None,
        E.MissingTimestampError,
        ["'B'", "'b' at 2024-03-11"],
    ),
    "a month missing": (lambda: frame("MS").drop(4), None, E.MissingTimestampError, ["'MS'", "'a' at 2024-07-01"]),
    "a stamp twice": (
        lambda: pd.concat([frame(), frame().iloc[[3, 12]]]),
        None,
        E.DuplicateTimestampError,
        ["2 rows", "2 of 2 series", "'a' at 2024-02-29", "'b' at 2024-02-28", "drop_duplicates(['unique_id', 'ds'])"],
    ),
    "several series without ids": (
        lambda: frame().drop(columns="unique_id"),
        None,
        E.DuplicateTimestampError,
        ["the series", "id_col="],
    ),
    "off the grid": (
        lambda: moved(4, "11h"),
        None,
        E.OffGridTimestampError,
        ["1 stamp ", "'a' at 2024-03-01 11:00:00", "'D'"],
    ),
    "the first off the grid": (lambda: moved(0, "11h"), None, E.OffGridTimestampError, ["'a' at 2024-02-26 11:00:00"]),
    "off the grid, freq given": (lambda: moved(4, "11h"), "D", E.OffGridTimestampError, ["'a' at 2024-03-01 11:00:00"]),
    "off by a microsecond": (
        lambda: moved(14, "1us"),
        None,
        E.OffGridTimestampError,
        ["'b' at 2024-03-01 00:00:00.000001"],
    ),
    "a weekend for a business day": (
        lambda: frame("B", 30).assign(ds=lambda d: d.ds.mask(d.index == 4, pd.Timestamp("2024-03-02"))),
        "B",
        E.OffGridTimestampError,
        ["'a' at 2024-03-02"],
    ),
    "random days of months": (
        lambda: frame("MS").assign(
            ds=lambda d: d.ds + pd.to_timedelta([3, 1, 9, 14, 6, 20, 11, 2, 17, 8] * 2, unit="D")
        ),
        "MS",
        E.OffGridTimestampError,
        ["20 stamps", "'MS'", "'a' at 2024-03-04"],
    ),
    "a wrong anchor": (lambda: frame("W-MON"), "W", E.FrequencyError, ["'W-SUN'", "series 'a' is 'W-MON'"]),
    "a wrong side of the month": (lambda: frame("MS"), "ME", E.FrequencyError, ["contradict", "'ME'", "'MS'"]),
    "finer than the stamps": (lambda: frame(), "h", E.FrequencyError, ["contradict", "'h'", "'D'"]),
    "coarser than the stamps": (lambda: frame(), "2D", E.FrequencyError, ["contradict", "'2D'", "'D'"]),
    "finer than the unit": (
        lambda: frame().assign(ds=lambda d: d.ds.dt.as_unit("s")),
        "5ms",
        E.FrequencyError,
        ["'5ms'"],
    ),
    "mixed frequencies": (
        lambda: pd.concat([frame(), frame("W-MON", names=("c",))]),
        None,
        E.FrequencyError,
        ["mixed", "series 'a' is 'D'", "series 'c' is 'W-MON'"],
    ),
    "mixed, freq given": (
        lambda: pd.concat([frame(), frame("h", names=("c",))]),
        "h",
        E.FrequencyError,
        ["mixed", "series 'c' is 'h'", "series 'a' is 'D'"],
    ),
    "dates with an integer freq": (frame, 1, E.FrequencyError, ["freq=1", "dates"]),
    "integers with a freq of dates": (
        lambda: frame().assign(ds=[*range(10)] * 2),
        "D",
        E.FrequencyError,
        ["'D'", "int"],
    ),
    "two stamps a series": (lambda: frame(periods=2), None, E.FrequencyError, ["three stamps", "freq="]),
    "no frequency at all": (
        lambda: frame().assign(ds=pd.to_datetime(np.cumsum(np.arange(20) ** 3 * 7919 + 13), unit="s")),
        None,
        E.FrequencyError,
        ["no frequency", "series 'a' begins"],
    ),
    "NaN": (
        lambda: with_value("y", [3, 5, 6, 11], np.nan),
        None,
        E.MissingValueError,
        ["4 of 20", "'a' at 2024-02-29", "1 more", "allow_missing"],
    ),
    "null in a nullable target": (
        lambda: frame().assign(y=pd.array([*range(9), pd.NA] * 2, dtype="Int64")),
        None,
        E.MissingValueError,
        ["2 of 20", "'a' at 2024-03-06"],
    ),
    "null in an Arrow target": (
        lambda: frame().assign(y=pd.array([*range(9), None] * 2, dtype=pd.ArrowDtype(pa.float32()))),
        None,
        E.MissingValueError,
        ["2 of 20", "'a' at 2024-03-06"],
    ),
    "all missing": (lambda: frame().assign(y=None), None, E.MissingValueError, ["20 of 20"]),
    "inf": (lambda: with_value("y", [3], np.inf), None, E.NonFiniteValueError, ["1 of 20", "'a' at 2024-02-29"]),
    "minus inf": (lambda: with_value("y", [13], -np.inf), None, E.NonFiniteValueError, ["'b' at 2024-02-29"]),
    "NaT": (lambda: with_value("ds", [13], pd.NaT), None, E.MissingValueError, ["1 of 20", "series 'b' in row 13"]),
    "NaT, freq given": (lambda: with_value("ds", [13], pd.NaT), "D", E.MissingValueError, ["series 'b' in row 13"]),
    "null integer time": (
        lambda: frame().assign(ds=pd.array([*range(9), pd.NA] * 2, dtype="Int64")),
        None,
        E.MissingValueError,
        ["2 of 20", "series 'a' in row 9"],
    ),
    "null Arrow time": (
        lambda: with_value("ds", [13], pd.NaT).astype({"ds": pd.ArrowDtype(pa.timestamp("us"))}),
        None,
        E.MissingValueError,
        ["series 'b' in row 13"],
    ),
    "null text time": (
        lambda: frame().assign(ds=[None, *frame().ds.astype(str)[1:]]),
        None,
        E.MissingValueError,
        ["series 'a' in row 0"],
    ),
    "null ids": (
        lambda: with_value("unique_id", [3, 5], None),
        None,
        E.MissingValueError,
        ["2 of 20", "rows 3, 5", "dropna"],
    ),
    "NaN ids": (lambda: with_value("unique_id", [3], np.nan), None, E.MissingValueError, ["1 of 20"]),
    "null string ids": (
        lambda: frame().assign(unique_id=pd.array([None, *["a"] * 19], dtype="string")),
        None,
        E.MissingValueError,
        ["1 of 20", "rows 0"],
    ),
    "null category ids": (
        lambda: frame().assign(unique_id=pd.Categorical([*["a"] * 19, None])),
        None,
        E.MissingValueError,
        ["1 of 20", "rows 19"],
    ),
    "NaN number ids": (lambda: frame().assign(unique_id=[1.0, np.nan] * 10), None, E.MissingValueError, ["10 of 20"]),
    "ids of mixed types": (
        lambda: with_value("unique_id", [3], 1),
        None,
        E.UnsupportedDtypeError,
        ["int, str", "astype(str)"],
    ),
    "list ids": (
        lambda: frame().assign(unique_id=objects([1], [2])),
        None,
        E.UnsupportedDtypeError,
        ["nested", "astype(str)"],
    ),
    "dict ids": (lambda: frame().assign(unique_id=objects({1: 2}, {})), None, E.UnsupportedDtypeError, ["nested"]),
    "tuples of lists as ids": (
        lambda: frame().assign(unique_id=objects(([1],), ([2],))),
        None,
        E.UnsupportedDtypeError,
        ["nested"],
    ),
    "1 and 1.0": (lambda: frame().assign(unique_id=objects(1, 1.0)), None, E.UnsupportedDtypeError, ["float, int"]),
    "True and 1": (lambda: frame().assign(unique_id=objects(True, 1)), None, E.UnsupportedDtypeError, ["bool, int"]),
    "bool": (lambda: frame().assign(y=True), None, E.UnsupportedDtypeError, ["bool", "'y'"]),
    "nullable bool": (
        lambda: frame().assign(y=pd.array([True] * 20, "boolean")),
        None,
        E.UnsupportedDtypeError,
        ["boolean"],
    ),
    "object bool": (lambda: frame().assign(y=objects(True, False)), None, E.UnsupportedDtypeError, ["boolean"]),
    "complex": (lambda: frame().assign(y=1j), None, E.UnsupportedDtypeError, ["complex128"]),
    "text": (lambda: frame().assign(y="1.5"), None, E.UnsupportedDtypeError, ["to_numeric"]),
    "text of no numbers": (lambda: frame().assign(y="1 k"), None, E.UnsupportedDtypeError, ["'1 k'", "to numbers"]),
    "object text": (lambda: frame().assign(y=objects(1.0, "x")), None, E.UnsupportedDtypeError, ["mixed"]),
    "category target": (
        lambda: frame().assign(y=lambda d: d.y.astype("category")),
        None,
        E.UnsupportedDtypeError,
        ["category"],
    ),
    "durations": (lambda: frame().assign(y=pd.Timedelta("1D")), None, E.UnsupportedDtypeError, ["timedelta"]),
    "dates as target": (lambda: frame().assign(y=lambda d: d.ds), None, E.UnsupportedDtypeError, ["datetime64"]),
    "Decimal": (lambda: frame().assign(y=objects(decimal.Decimal("1.5"))), None, E.UnsupportedDtypeError, ["decimal"]),
    "Arrow decimal": (
        lambda: frame().assign(y=pd.array([decimal.Decimal("1.5")] * 20, dtype=pd.ArrowDtype(pa.decimal128(5, 2)))),
        None,
        E.UnsupportedDtypeError,
        ["decimal128"],
    ),
    "uint64 beyond int64": (
        lambda: frame().assign(y=np.uint64(2**64 - 1)),
        None,
        E.UnsupportedDtypeError,
        [str(2**64 - 1)],
    ),
    "Python integers beyond int64": (
        lambda: frame().assign(y=objects(2**70)),
        None,
        E.UnsupportedDtypeError,
        ["object"],
    ),
    "float time": (
        lambda: frame().assign(ds=np.arange(20.0)),
        None,
        E.UnsupportedDtypeError,
        ["floating-point", "int64"],
    ),
    "bool time": (lambda: frame().assign(ds=True), None, E.UnsupportedDtypeError, ["bool"]),
    "duration time": (
        lambda: frame().assign(ds=lambda d: d.ds - DAYS[0]),
        None,
        E.UnsupportedDtypeError,
        ["timedelta64"],
    ),
    "words as time": (
        lambda: frame().assign(ds=objects("soon", "later")),
        None,
        E.UnsupportedDtypeError,
        ["'soon'", "2 different ones"],
    ),
    "American dates": (
        lambda: frame().assign(ds=lambda d: d.ds.dt.strftime("%m/%d/%Y")),
        None,
        E.UnsupportedDtypeError,
        ["'02/26/2024'", "format="],
    ),
    "no such day": (lambda: frame().assign(ds="2024-02-31"), None, E.UnsupportedDtypeError, ["'2024-02-31'"]),
    "mixed UTC offsets": (
        lambda: frame().assign(ds=objects("2024-01-01T00:00+01:00", "2024-01-01T00:00+02:00")),
        None,
        E.UnsupportedDtypeError,
        ["more than one UTC offset", "tz_convert"],
    ),
    "mixed time zones": (
        lambda: frame().assign(
            ds=objects(pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="Asia/Tokyo"))
        ),
        None,
        E.UnsupportedDtypeError,
        ["one time zone", "tz_convert('Asia/Tokyo')"],
    ),
    "mixed kinds of time": (
        lambda: frame().assign(ds=objects(pd.Timestamp("2024-01-01"), 5)),
        None,
        E.UnsupportedDtypeError,
        ["mixed"],
    ),
    "no time": (
        lambda: frame().drop(columns="ds"),
        None,
        E.MissingColumnError,
        ["time column 'ds'", "'unique_id', 'y'", "time_col"],
    ),
    "no target": (
        lambda: frame().rename(columns={"y": "sales"}),
        None,
        E.MissingColumnError,
        ["target column 'y'", "'sales'"],
    ),
    "the target twice": (
        lambda: pd.concat([frame(), frame()[["y"]]], axis=1),
        None,
        E.DuplicateColumnError,
        ["'y'", "2 columns"],
    ),
    "columns of two levels": (
        lambda: frame().set_axis(pd.MultiIndex.from_product([["x"], ["unique_id", "ds", "y"]]), axis=1),
        None,
        E.InvalidFrameError,
        ["flat"],
    ),
    "empty": (lambda: frame()[:0], None, E.InvalidFrameError, ["empty"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(pack, case):
    build, freq, kind, parts = REFUSED[case]
    refused = build()
    before = refused.copy()
    with pytest.raises(E.InvalidFrameError) as caught:
        pack(refused, freq)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    pd.testing.assert_frame_equal(refused, before)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message
    assert str(copy.copy(caught.value)) == message


@pytest.mark.parametrize("case", [case for case in REFUSED if case != "columns of two levels"])
def test_an_audit_finds_what_is_refused(case):
    build, freq, kind, _ = REFUSED[case]
    found = audit_frame(build(), freq=freq)
    assert found["refused"].any()
    kinds = {
        E.MissingTimestampError: {"gap"},
        E.DuplicateTimestampError: {"duplicate stamp"},
        E.OffGridTimestampError: {"off-grid stamp"},
        E.FrequencyError: {"no frequency", "other frequency"},
        E.NonFiniteValueError: {"infinite target"},
        E.MissingValueError: {"missing id", "missing time", "missing target"},
        E.UnsupportedDtypeError: {"unsupported dtype"},
        E.MissingColumnError: {"missing column"},
        E.DuplicateColumnError: {"duplicate column"},
        E.InvalidFrameError: {"empty frame"},
    }[kind]
    assert kinds & set(found.loc[found["refused"], "kind"])


@pytest.mark.parametrize("wrong", [lambda df: df.drop(3), lambda df: df.assign(y=df["y"].where(df.index != 3))])
def test_very_long_ids_are_shortened(pack, wrong):
    long = "beginning" + "x" * 100_000
    with pytest.raises(errors.InvalidFrameError) as caught:
        pack(wrong(frame(names=(f"{long}1", f"{long}2"))))
    said = str(caught.value)
    assert "series 'beginningxxx" in said
    assert "xxx1'" in said
    assert len(said) < 1_000


def test_the_nearest_name_is_offered(pack):
    with pytest.raises(E.MissingColumnError, match="nearest name is 'target'"):
        pack(frame().rename(columns={"y": "target"}), target_col="tagret")


def test_an_id_column_that_was_asked_for_must_be_there(pack):
    with pytest.raises(E.MissingColumnError, match="id column 'store'"):
        pack(frame(), id_col="store")


def test_one_column_for_two_roles(pack):
    with pytest.raises(E.InvalidArgumentError, match="different columns"):
        pack(frame(), target_col="ds")


@pytest.mark.parametrize(
    "freq", ["foo", "", "D MS", "-1D", "0D", "W-FOO", "QS-15", "D-MON", "1.5D5", "bh", "C", "CBMS", "SMS-31", "0.5MS"]
)
def test_names_that_are_not_frequencies(pack, freq):
    with pytest.raises(E.InvalidArgumentError, match="freq="):
        pack(frame(), freq)


@pytest.mark.parametrize(
    "freq",
    [
        0,
        -1,
        True,
        1.5,
        None,
        pd.Timedelta(0),
        pd.offsets.Day(-1),
        pd.offsets.BusinessHour(),
        pd.offsets.DateOffset(months=1),
    ],
)
def test_values_that_are_not_frequencies(freq):
    from nixtla_accessor.panel.frequency import parse_frequency

    with pytest.raises(E.InvalidArgumentError, match="freq"):
        parse_frequency(freq)


def test_integers_that_float64_cannot_hold_beside_missing_values(pack):
    large = frame().assign(y=pd.array([2**53 + 1, *range(8), pd.NA] * 2, dtype="Int64"))
    with pytest.raises(E.UnsupportedDtypeError, match="2\\*\\*53"):
        pack(large, allow_missing=True)


def test_missing_values_are_sent_when_allowed(pack):
    packed = pack(with_value("y", [3, 11], np.nan), allow_missing=True)
    assert np.flatnonzero(np.isnan(packed.y)).tolist() == [3, 11]
    integers = frame().assign(y=pd.array([2**53, *range(8), pd.NA] * 2, dtype="Int64"))
    packed = pack(integers, allow_missing=True)
    assert packed.y.dtype == np.float64
    assert packed.y[:9].tolist() == [2**53, *range(8)]
    pd.testing.assert_frame_equal(packed.to_frame(), integers)
    with pytest.raises(E.NonFiniteValueError):
        pack(with_value("y", [3], np.inf), allow_missing=True)


def test_local_times_without_a_zone_get_a_hint(pack):
    """Berlin's clocks skip an hour in March, and show one twice in October."""
    local = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin").tz_localize(None)
    with pytest.raises(E.MissingTimestampError, match=r"at 2024-03-31 02:00:00\. .*change of clocks.*tz_localize"):
        pack(pd.DataFrame({"ds": local, "y": 1.0}))
    local = pd.date_range("2024-10-26", periods=72, freq="h", tz="Europe/Berlin").tz_localize(None)
    with pytest.raises(E.DuplicateTimestampError, match=r"at 2024-10-27 02:00:00\. .*change of clocks"):
        pack(pd.DataFrame({"ds": local, "y": 1.0}), "h")
    with pytest.raises(E.MissingTimestampError) as caught:
        pack(frame("h").drop(4))
    assert "clocks" not in str(caught.value)


def test_a_time_of_day_that_the_clock_shows_twice(pack):
    """Half past two came twice in Berlin's night of October 27th."""
    wall = pd.date_range("2024-10-25 02:30", periods=6, freq="D")
    stamps = wall.tz_localize("Europe/Berlin", ambiguous=np.ones(6, dtype=bool))
    twice = stamps.insert(3, stamps[2] + pd.Timedelta("1h"))
    assert twice[2].strftime("%H:%M") == twice[3].strftime("%H:%M")
    with pytest.raises(E.DuplicateTimestampError, match="1 row "):
        pack(pd.DataFrame({"ds": twice, "y": 1.0}), "D")


def test_stamps_that_are_there_twice_beside_columns_of_one_name(pack):
    twice = pd.concat([frame().assign(shop=shop) for shop in "xy"], ignore_index=True)
    with pytest.raises(E.DuplicateTimestampError, match="The column 'shop' tells these rows apart"):
        pack(twice)
    with pytest.raises(E.DuplicateTimestampError, match="must be unique") as caught:
        pack(pd.concat([twice, twice[["shop"]]], axis=1))
    assert "'shop'" not in str(caught.value)  # which names no one column


@pytest.mark.parametrize("role", ["id", "time", "target"])
@pytest.mark.parametrize("lists", [[["ds"], ["y"]], [{"ds": 1}], [["y"]]], ids=str)
def test_lists_of_lists_name_no_columns(role, lists):
    with pytest.raises(E.MissingColumnError, match=rf"The frame has no {role} column [\[{{]"):
        frame().timegpt.pack(**{f"{role}_col": lists})


def test_a_list_with_one_name_twice_is_one_name():
    with pytest.raises(
        E.InvalidArgumentError, match=r"must name one column; found \['unique_id'\]\. Name one: id_col="
    ):
        frame().timegpt.pack(id_col=["unique_id", "unique_id"])
