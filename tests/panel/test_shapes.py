"""Every accepted shape of frame gives the identical payload, and the frame stays as it was."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nixtla_accessor.errors import FrequencyError
from nixtla_accessor.panel.results import forecast_frame

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
    assert (packed.freq, packed.frequency.wire) == ("D", "D")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_frame_stays_as_it_was(pack, shape):
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
    if shape == "Timestamps":
        last = pd.to_datetime(last)
    for name, first in zip(forecast["unique_id"][::2], forecast["ds"][::2], strict=True):
        assert type(first) is type(last[name])
        if isinstance(first, str):
            assert len(first) == len(last[name])
        assert pd.Timestamp(str(first)) - pd.Timestamp(str(last[name])) == pd.Timedelta(days=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_unpacking_gives_the_sorted_input_back(pack, shape):
    frame = SHAPES[shape](base())
    packed = pack(frame)
    again = pack(packed.to_frame())
    assert again.y.tobytes() == packed.y.tobytes()
    assert again.sizes.tolist() == packed.sizes.tolist()
    assert packed.to_frame()["y"].dtype == frame["y"].dtype
    assert list(again.starts) == list(packed.starts)
