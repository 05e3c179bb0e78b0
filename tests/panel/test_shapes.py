"""Frames of every accepted shape pack to identical payloads, and are not changed."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nixtla_accessor.errors import FrequencyError
from nixtla_accessor.panel.audit import audit_frame
from nixtla_accessor.panel.tidy import forecast_frame

SIZES = {"b": 9, "a": 12, "10": 5, "9": 8}
START = "2024-02-26"


def base(freq="D"):
    rng = np.random.default_rng(7)
    parts = [
        pd.DataFrame(
            {"unique_id": name, "ds": pd.date_range(START, periods=size, freq=freq), "y": rng.normal(size=size)}
        )
        for name, size in SIZES.items()
    ]
    return pd.concat(parts, ignore_index=True)


def expected(frame):
    """The payload by plain loops."""
    y, sizes = [], []
    for name in sorted(set(frame["unique_id"])):
        rows = sorted((row.ds, row.y) for row in frame.itertuples() if row.unique_id == name)
        y += [value for _, value in rows]
        sizes.append(len(rows))
    return y, sizes


def object_column(values):
    return pd.Series(list(values), dtype=object)


SHAPES = {
    "as it is": lambda df: df,
    "shuffled": lambda df: df.sample(frac=1, random_state=1),
    "backwards": lambda df: df[::-1],
    "by time": lambda df: df.sort_values(["ds", "unique_id"]),
    "odd index": lambda df: df.set_axis(np.arange(len(df)) * 3 % 7, axis=0),
    "float index": lambda df: df.set_axis(np.linspace(0, 1, len(df)), axis=0),
    "time in the index": lambda df: df.set_index("ds"),
    "unnamed time in the index": lambda df: df.set_index("ds").rename_axis(None),
    "id in the index": lambda df: df.set_index("unique_id"),
    "MultiIndex": lambda df: df.set_index(["unique_id", "ds"]),
    "MultiIndex, time first": lambda df: df.set_index(["ds", "unique_id"]).sort_index(),
    "MultiIndex with more": lambda df: df.assign(z=1).set_index(["z", "unique_id", "ds"]),
    "unnamed MultiIndex": lambda df: df.set_index(["unique_id", "ds"]).rename_axis([None, None]),
    "object ids": lambda df: df.assign(unique_id=object_column(df.unique_id)),
    "python string ids": lambda df: df.assign(unique_id=df.unique_id.astype("string[python]")),
    "pyarrow string ids": lambda df: df.assign(unique_id=df.unique_id.astype("string[pyarrow]")),
    "arrow ids": lambda df: df.assign(unique_id=df.unique_id.astype(pd.ArrowDtype(pa.string()))),
    "arrow large ids": lambda df: df.assign(unique_id=df.unique_id.astype(pd.ArrowDtype(pa.large_string()))),
    "arrow dictionary ids": lambda df: df.assign(
        unique_id=df.unique_id.astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))
    ),
    "chunked arrow ids": lambda df: pd.concat([df[:7], df[7:]], ignore_index=True).assign(
        unique_id=lambda d: pd.Series(
            pd.array(pa.chunked_array([list(d.unique_id[:3]), list(d.unique_id[3:])]), dtype=pd.ArrowDtype(pa.string()))
        )
    ),
    "category ids": lambda df: df.assign(unique_id=df.unique_id.astype("category")),
    "shuffled category ids": lambda df: df.assign(unique_id=df.unique_id.astype("category")).sample(
        frac=1, random_state=2
    ),
    "category ids, unobserved": lambda df: df.assign(
        unique_id=df.unique_id.astype(pd.CategoricalDtype(["zz", "b", "a", "0", "9", "10"], ordered=True))
    ),
    "nanoseconds": lambda df: df.assign(ds=df.ds.dt.as_unit("ns")),
    "seconds": lambda df: df.assign(ds=df.ds.dt.as_unit("s")),
    "milliseconds": lambda df: df.assign(ds=df.ds.dt.as_unit("ms")),
    "arrow times": lambda df: df.assign(ds=df.ds.astype(pd.ArrowDtype(pa.timestamp("us")))),
    "arrow dates": lambda df: df.assign(
        ds=pd.Series(pd.array(pa.array(df.ds.dt.date), dtype=pd.ArrowDtype(pa.date32())))
    ),
    "zoned": lambda df: df.assign(ds=df.ds.dt.tz_localize("Europe/Berlin")),
    "UTC": lambda df: df.assign(ds=df.ds.dt.tz_localize("UTC")),
    "arrow zoned": lambda df: df.assign(
        ds=df.ds.dt.tz_localize("America/New_York").astype(pd.ArrowDtype(pa.timestamp("us", "America/New_York")))
    ),
    "dates": lambda df: df.assign(ds=object_column(df.ds.dt.date)),
    "Timestamps": lambda df: df.assign(ds=object_column(df.ds)),
    "periods": lambda df: df.assign(ds=df.ds.dt.to_period("D")),
    "ISO strings": lambda df: df.assign(ds=df.ds.dt.strftime("%Y-%m-%d")),
    "ISO object strings": lambda df: df.assign(ds=object_column(df.ds.dt.strftime("%Y-%m-%dT%H:%M:%S"))),
    "compact ISO strings": lambda df: df.assign(ds=df.ds.dt.strftime("%Y%m%d")),
    "ISO strings, Z": lambda df: df.assign(ds=df.ds.dt.strftime("%Y-%m-%d %H:%M:%SZ")),
    "category times": lambda df: df.assign(ds=df.ds.astype("category")),
    "other time of day": lambda df: df.assign(ds=df.ds + pd.Timedelta("9h30min")),
    "datetimes": lambda df: df.assign(ds=object_column(stamp.to_pydatetime() for stamp in df.ds)),
    "extra columns": lambda df: df.assign(price=1.0, note="text", when=pd.Timestamp("2020-01-01"), nothing=None),
    "nullable target": lambda df: df.assign(y=df.y.astype("Float64")),
    "arrow target": lambda df: df.assign(y=df.y.astype(pd.ArrowDtype(pa.float64()))),
    "object target": lambda df: df.assign(y=object_column(df.y)),
    "sparse target": lambda df: df.assign(y=df.y.astype(pd.SparseDtype("float64"))),
    "column order": lambda df: df[["y", "ds", "unique_id"]],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("freq", [None, "D"])
def test_every_shape_packs_the_same(pack, shape, freq):
    y, sizes = expected(base())
    frame = SHAPES[shape](base())
    packed = pack(frame, freq)
    assert packed.y.tolist() == y
    assert packed.y.dtype == np.float64
    assert packed.sizes.tolist() == sizes
    assert [str(name) for name in packed.ids] == sorted(SIZES)
    assert (packed.freq, packed.frequency.api_name) == ("D", "D")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_frame_is_not_changed(pack, shape):
    frame = SHAPES[shape](base())
    frame.attrs["note"] = {"kept": [1]}
    before = pickle.loads(pickle.dumps(frame))
    names = copy.copy(frame.index.names)
    pack(frame)
    with pytest.raises(FrequencyError, match="contradict"):
        pack(frame, "W-TUE")
    pd.testing.assert_frame_equal(frame, before, check_exact=True, check_freq=True)
    assert frame.attrs == before.attrs
    assert frame.index.names == names
    assert frame.flags == before.flags


@pytest.mark.parametrize("shape", SHAPES)
def test_results_have_the_callers_names_and_dtypes(pack, shape):
    frame = SHAPES[shape](base())
    forecast = forecast_frame(pack(frame), 2, {"TimeGPT": np.arange(8.0)})
    rows = frame.reset_index() if frame.index.nlevels > 1 or frame.index.name in {"ds", "unique_id"} else frame
    rows = rows.rename(columns={"level_0": "unique_id", "level_1": "ds"})
    if shape == "unnamed time in the index":
        rows = frame.reset_index(names="ds")
    assert forecast.columns.tolist() == ["unique_id", "ds", "TimeGPT"]
    assert isinstance(forecast.index, pd.RangeIndex)
    assert forecast["unique_id"].dtype == rows["unique_id"].dtype
    if shape == "category times":
        assert forecast["ds"].dtype == rows["ds"].dtype.categories.dtype
        return
    assert forecast["ds"].dtype == rows["ds"].dtype
    last = rows["ds"].groupby(rows["unique_id"].astype(object)).max()
    if shape in {"Timestamps", "datetimes"}:
        last = pd.to_datetime(last)
    for name, first in zip(forecast["unique_id"][::2], forecast["ds"][::2], strict=True):
        assert type(first) is type(last[name])
        if isinstance(first, str):
            assert len(first) == len(last[name])
        assert pd.Timestamp(str(first)) - pd.Timestamp(str(last[name])) == pd.Timedelta(days=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_unpacking_returns_the_sorted_input(pack, shape):
    frame = SHAPES[shape](base())
    packed = pack(frame)
    again = pack(packed.to_frame())
    assert again.y.tobytes() == packed.y.tobytes()
    assert again.sizes.tolist() == packed.sizes.tolist()
    assert packed.to_frame()["y"].dtype == frame["y"].dtype
    assert list(again.starts) == list(packed.starts)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_audit_finds_no_problem(shape):
    found = audit_frame(SHAPES[shape](base()))
    assert not found["refused"].any()
    assert set(found["kind"]) == ({"unused column"} if shape == "extra columns" else set())


IDS = {
    "negative": (-5, -1),
    "floats": (1.5, 2.5),
    "flags": (False, True),
    "bytes": (b"a", b"b"),
    "tuples": (("a", 2), ("b", 1)),
    "dates": (dt.date(2020, 1, 1), dt.date(2020, 1, 2)),
    "Timestamps": (pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")),
    "UUIDs": (uuid.UUID(int=3), uuid.UUID(int=5)),
    "Unicode": ("é", "😀"),
    "empty text": ("", "a"),
    "beyond int64": (5, 2**64 - 1),
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("as_objects", [True, False])
def test_ids_of_any_sortable_type(pack, kind, as_objects):
    first, second = IDS[kind]
    frame = base().query("unique_id in ['a', 'b']")
    ids = object_column(second if name == "a" else first for name in frame["unique_id"])
    frame = frame.assign(unique_id=(ids if as_objects else ids.infer_objects()).to_numpy())
    if as_objects:
        frame["unique_id"] = ids.set_axis(frame.index)
    for rows in (frame, frame.sample(frac=1, random_state=4)):
        packed = pack(rows)
        assert packed.sizes.tolist() == [9, 12]
        assert list(packed.ids) == [first, second]
        assert packed.ids.dtype == rows["unique_id"].dtype
        assert forecast_frame(packed, 1, {})["unique_id"].tolist() == [first, second]


def test_a_frame_without_ids_has_results_without_ids(pack):
    frame = base()[:9].drop(columns="unique_id")
    packed = pack(frame)
    assert forecast_frame(packed, 2, {"TimeGPT": np.zeros(2)}).columns.tolist() == ["ds", "TimeGPT"]
    assert packed.to_frame().columns.tolist() == ["ds", "y"]
    assert packed.locate(3) == (None, frame["ds"][3], frame["y"][3])


def test_columns_come_first_then_index_levels(pack):
    frame = base()
    both = frame.set_index(["unique_id", "ds"], drop=False)
    assert pack(both).y.tolist() == pack(frame).y.tolist()


@pytest.mark.parametrize(
    "names", [(0, 1, 2), (("x", 1), ("x", 2), ("x", 3)), ("id", "time", "value"), (1.5, b"t", None)]
)
def test_columns_of_any_name(pack, names):
    frame = base().set_axis(pd.Index(names, dtype=object, tupleize_cols=False), axis=1)
    if None in names:
        frame = frame.rename(columns={None: "y"})
        names = (*names[:2], "y")
    packed = pack(frame, id_col=names[0], time_col=names[1], target_col=names[2])
    assert packed.y.tolist() == pack(base()).y.tolist()
    assert packed.to_frame().columns.tolist() == list(names)


def test_a_view_is_packed_without_a_copy_and_cannot_be_written(pack):
    frame = base().sort_values(["unique_id", "ds"], ignore_index=True)
    packed = pack(frame)
    assert np.shares_memory(packed.y, frame["y"].to_numpy())
    with pytest.raises(ValueError, match="read-only"):
        packed.y[0] = 1.0
    assert repr(packed) == "PackedSeries(4 series, 34 rows, 694 bytes, freq='D')"
    assert pickle.loads(pickle.dumps(packed)).y.tolist() == packed.y.tolist()
