"""Gaps are filled with a row for each missing stamp, and with values by the given method."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor import errors
from nixtla_accessor.panel.gaps import fill_gaps


def frame_with_gaps(freq="D", drop=(1, 2, 8, 11)):
    days = pd.date_range("2024-01-31", periods=6, freq=freq)
    frame = pd.DataFrame({"unique_id": ["b"] * 6 + ["a"] * 6, "ds": [*days, *days], "y": np.arange(12.0) ** 2})
    frame["ds"] = pd.DatetimeIndex(frame["ds"])
    return frame.assign(price=np.arange(12), note="kept").drop(list(drop))


def test_missing_rows_are_added_and_nothing_else_changes(pack):
    frame = frame_with_gaps().assign(size=range(8), is_open=[True, False] * 4)
    frame.attrs["note"] = "kept"
    before = frame.copy()
    filled = fill_gaps(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert filled.columns.tolist() == frame.columns.tolist()
    assert filled.attrs == {"note": "kept"}
    assert filled["unique_id"].tolist() == ["a"] * 5 + ["b"] * 6
    assert filled["ds"].tolist() == [*pd.date_range("2024-01-31", periods=5), *pd.date_range("2024-01-31", periods=6)]
    added = filled["size"].isna()
    assert filled.loc[added, "ds"].dt.strftime("%m-%d").tolist() == ["02-02", "02-01", "02-02"]
    assert filled.loc[added, ["y", "price", "is_open"]].isna().all(axis=None)
    assert filled["note"].tolist() == ["kept"] * 11
    assert filled.dtypes[["size", "is_open"]].astype(str).tolist() == ["Int64", "boolean"]
    known = filled[~added].astype(frame.dtypes)
    expected = frame.sort_values(["unique_id", "ds"]).set_axis(known.index, axis=0)
    pd.testing.assert_frame_equal(known, expected)
    assert pack(filled, allow_missing=True).sizes.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("method", "first", "second"),
    [
        (None, [36, 49, np.nan, 81, 100], [0, np.nan, np.nan, 9, 16, 25]),
        ("ffill", [36, 49, 49, 81, 100], [0, 0, 0, 9, 16, 25]),
        ("interpolate", [36, 49, 65, 81, 100], [0, 3, 6, 9, 16, 25]),
        (0, [36, 49, 0, 81, 100], [0, 0, 0, 9, 16, 25]),
        (-1.5, [36, 49, -1.5, 81, 100], [0, -1.5, -1.5, 9, 16, 25]),
    ],
)
@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "int64", "int8", "Int64", "Float64", pd.ArrowDtype(pa.int64()), pd.ArrowDtype(pa.float64())],
    ids=str,
)
def test_methods(method, first, second, dtype):
    frame = frame_with_gaps()
    frame["y"] = frame["y"].astype(dtype)
    filled = fill_gaps(frame.sample(frac=1, random_state=3), method=method)
    np.testing.assert_allclose(filled["y"].to_numpy("float64", na_value=np.nan), first + second)
    if (method != -1.5 and method != "interpolate") or "float" in str(dtype).lower() or "double" in str(dtype):
        kept = str(dtype) if method is not None or str(dtype) not in {"int64", "int8"} else "Int64"
        assert str(filled["y"].dtype) == kept


def test_targets_that_were_missing_are_filled_too():
    frame = frame_with_gaps(drop=(3,))
    frame.loc[[0, 2, 6, 7, 11], "y"] = np.nan
    left = "stays missing in 3 rows at the start or the end of series 'a', series 'b'"
    with pytest.warns(errors.ValuesLeftMissingWarning, match=left) as caught:
        filled = fill_gaps(frame, method="ffill")["y"].to_numpy()
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(filled, [np.nan, np.nan, 64, 81, 100, 100, np.nan, 1, 1, 1, 16, 25])
    with pytest.warns(errors.ValuesLeftMissingWarning, match="stays missing in 4 rows"):
        filled = fill_gaps(frame, method="interpolate")["y"]
    assert filled.tolist()[2:5] == [64, 81, 100]
    np.testing.assert_array_equal(filled, [np.nan, np.nan, 64, 81, 100, np.nan, np.nan, 1, 6, 11, 16, 25])
    assert fill_gaps(frame, method=0)["y"].tolist() == [0, 0, 64, 81, 100, 0, 0, 1, 0, 0, 16, 25]


SHAPES = {
    "time in the index": lambda df: df.set_index("ds"),
    "unnamed time in the index": lambda df: df.set_index("ds").rename_axis(None),
    "MultiIndex": lambda df: df.set_index(["unique_id", "ds"]),
    "odd index": lambda df: df.set_axis(df.index * 2 + 5, axis=0),
    "categories": lambda df: df.assign(unique_id=pd.Categorical(df.unique_id, ["b", "x", "a"])),
    "Arrow": lambda df: df.convert_dtypes(dtype_backend="pyarrow"),
    "zoned": lambda df: df.assign(ds=df.ds.dt.tz_localize("Europe/Berlin")),
    "periods": lambda df: df.assign(ds=df.ds.dt.to_period("D")),
    "text": lambda df: df.assign(ds=df.ds.dt.strftime("%Y-%m-%d")),
    "integers": lambda df: df.assign(ds=(df.ds - pd.Timestamp("2024-01-01")).dt.days),
    "one series": lambda df: df[df.unique_id == "b"].drop(columns="unique_id"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_the_frame_is_kept(pack, shape):
    frame = SHAPES[shape](frame_with_gaps())
    filled = fill_gaps(frame, method="interpolate")
    assert filled.columns.tolist() == frame.columns.tolist()
    assert filled.index.names == frame.index.names
    if shape != "odd index":
        assert [level.dtype for level in (filled.index.levels if filled.index.nlevels > 1 else [filled.index])] == [
            level.dtype for level in (frame.index.levels if frame.index.nlevels > 1 else [frame.index])
        ]
    for column in {"unique_id", "ds"} & set(frame.columns):
        assert filled[column].dtype == frame[column].dtype
    packed = pack(filled)
    assert packed.y.tolist()[-6:] == [0, 3, 6, 9, 16, 25]
    again = fill_gaps(filled)
    pd.testing.assert_frame_equal(again, filled)


FREQUENCIES = ["h", "D", "W-TUE", "B", "MS", "ME", "QE-DEC", "SMS-15"]


@settings(deadline=None, max_examples=100)
@given(freq=st.sampled_from(FREQUENCIES), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), data=st.data())
def test_filling_undoes_dropping(pack, freq, sizes, data):
    parts = []
    for number, size in enumerate(sizes):
        stamps = pd.date_range("2023-05-01", periods=size, freq=freq)
        parts.append(pd.DataFrame({"unique_id": number, "ds": stamps, "y": np.arange(size) * 1.0}))
    whole = pd.concat(parts, ignore_index=True)
    inner = [
        row
        for row in range(len(whole))
        if whole["y"][row] > 0 and row + 1 < len(whole) and whole["unique_id"][row] == whole["unique_id"][row + 1]
    ]
    kept = whole.drop(data.draw(st.lists(st.sampled_from(inner), unique=True)) if inner else [])
    filled = fill_gaps(kept.sample(frac=1, random_state=0), freq=freq, method="interpolate")
    pd.testing.assert_frame_equal(filled, whole)


@pytest.mark.parametrize("method", ["linear", "bfill", True, [], "0"])
def test_unknown_methods(method):
    with pytest.raises(errors.InvalidArgumentError, match="method must be"):
        fill_gaps(frame_with_gaps(), method=method)


def test_a_given_freq_may_be_finer_than_the_series(pack):
    weeks = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=4, freq="W-MON"), "y": [0.0, 7.0, 14.0, 21.0]})
    filled = fill_gaps(weeks, freq="D", method="interpolate")
    assert filled["y"].tolist() == list(range(22))
    assert pack(filled).freq == "D"


def test_other_irregularities_are_refused():
    frame = frame_with_gaps()
    with pytest.raises(errors.DuplicateTimestampError):
        fill_gaps(pd.concat([frame, frame[:1]]))
    with pytest.raises(errors.OffGridTimestampError):
        fill_gaps(frame.assign(ds=frame["ds"].mask(frame.index == 4, frame["ds"] + pd.Timedelta("1h"))))
    with pytest.raises(errors.FrequencyError, match="mixed"):
        fill_gaps(pd.concat([frame_with_gaps(drop=()), frame_with_gaps("W-MON", ())[:6].assign(unique_id="c")]))
    with pytest.raises(errors.MissingValueError):
        fill_gaps(frame.assign(ds=frame["ds"].mask(frame.index == 4)))


@pytest.mark.parametrize("method", [None, "ffill", "interpolate", -1.0])
def test_trim_leaves_out_the_rows_before_the_first_value_and_after_the_last(method):
    frame = frame_with_gaps(drop=(3,))
    frame.loc[[0, 2, 6, 7, 11], "y"] = np.nan
    filled = fill_gaps(frame.sample(frac=1, random_state=1), method=method, trim=True)
    first, last = frame["ds"].sort_values().iloc[[0, -1]]
    ends = filled.groupby("unique_id")["ds"].agg(["min", "max"])
    assert ends["min"].tolist() == [first + pd.Timedelta(days=2), first + pd.Timedelta(days=1)]
    assert ends["max"].tolist() == [last - pd.Timedelta(days=1), last]
    inner = {None: [np.nan, np.nan], "ffill": [1, 1], "interpolate": [6, 11], -1.0: [-1, -1]}[method]
    np.testing.assert_array_equal(filled["y"], [64, 81, 100, 1, *inner, 16, 25])


def test_a_series_without_a_value_is_refused_by_name(pack):
    void = frame_with_gaps(drop=())
    void.loc[void["unique_id"] == "b", "y"] = np.nan
    for options in ({"method": "interpolate"}, {"method": "ffill"}, {"trim": True}, {"method": 0, "trim": True}):
        with pytest.raises(errors.MissingValueError, match="without a single value: series 'b'"):
            fill_gaps(void, **options)
    assert fill_gaps(void, method=0)["y"].tolist() == [36, 49, 64, 81, 100, 121, 0, 0, 0, 0, 0, 0]
    assert fill_gaps(void)["y"].isna().sum() == 6
    for allow_missing in (False, True):
        with pytest.raises(errors.MissingValueError, match=r"missing in 6 of 12 rows; .*series 'b'"):
            pack(void, allow_missing=allow_missing)
    with pytest.raises(errors.MissingValueError, match="12 of 12 rows, which are all"):
        pack(void.assign(y=np.nan), allow_missing=True)


COLUMNS = {
    "int64": [1, 2],
    "int8": [1, 2],
    "uint16": [1, 2],
    "bool": [True, False],
    "float32": [0.5, 1.5],
    "object": ["x", "y"],
    "str": ["x", "y"],
    "category": ["x", "y"],
    "boolean": [True, False],
    "Int64": [2**60 + 1, 2],
    "datetime64[us]": ["2024-01-01", "2024-01-02"],
    "datetime64[us, Europe/Berlin]": ["2024-01-01", "2024-01-02"],
    "string[pyarrow]": ["x", "y"],
}


@pytest.mark.parametrize("dtype", COLUMNS)
def test_columns_that_are_constant_within_a_series_are_carried(dtype):
    first, second = COLUMNS[dtype]
    frame = frame_with_gaps()
    frame["region"] = pd.Series(np.where(frame["unique_id"] == "b", first, second), index=frame.index).astype(dtype)
    varied = pd.Series([first, second] * 4, index=frame.index).astype(dtype)
    filled = fill_gaps(frame.assign(varied=varied).sample(frac=1, random_state=0), method="interpolate")
    assert filled["region"].dtype == frame["region"].dtype
    assert filled["region"].tolist() == frame["region"].tolist()[-1:] * 5 + frame["region"].tolist()[:1] * 6
    assert filled["varied"].isna().sum() == 3
    known = filled[filled["varied"].notna()].sort_values(["unique_id", "ds"], ascending=[False, True])
    assert known["varied"].tolist() == varied.tolist()
    assert filled["varied"].dtype == {
        "int64": "Int64", "int8": "Int8", "uint16": "UInt16", "bool": "boolean"
    }.get(dtype, varied.dtype)  # fmt: skip


def test_columns_of_lists_and_of_one_name(pack):
    frame = frame_with_gaps().assign(tags=lambda df: [["x"]] * len(df))
    twice = pd.concat([frame, frame[["price"]]], axis=1)
    filled = fill_gaps(twice)
    assert filled.columns.tolist() == twice.columns.tolist()
    assert filled["tags"].isna().sum() == filled["price"].iloc[:, 1].isna().sum() == 3


def test_constants_beside_missing_values_of_their_column():
    frame = frame_with_gaps().assign(region=["north", None, "north", "north", "south", "south", "south", None])
    filled = fill_gaps(frame)
    assert filled["region"].fillna("?").tolist() == [
        *["south"] * 4,
        "?",
        "north",
        "north",
        "north",
        "?",
        "north",
        "north",
    ]


def test_a_stamp_that_is_wrong_by_decades_is_not_filled_up_to(pack):
    seconds = pd.date_range("2024-01-01", periods=100, freq="s")
    good = pd.DataFrame({"unique_id": "b", "ds": seconds, "y": 1.0})
    wrong = good.assign(unique_id="a", ds=[pd.Timestamp("1970-01-01"), *seconds[1:]])
    frame = pd.concat([good, wrong], ignore_index=True)
    for refused in (pack, fill_gaps):
        with pytest.raises(errors.MissingTimestampError, match=r"1704067200 stamps missing.* leave its row out\.$"):
            refused(frame)
    with pytest.warns(errors.ProblemsLeftWarning, match="series 'a'.*far from the others"):
        cleaned = frame.timegpt.clean()
    assert len(cleaned) == 200
    assert cleaned["unique_id"].tolist() == ["b"] * 100 + ["a"] * 100
    assert frame.timegpt.audit().query("kind == 'gap'")["remedy"].str.contains("leave its row out").all()
