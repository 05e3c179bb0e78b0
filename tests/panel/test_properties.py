"""Random panels, compared with plain loops."""

from __future__ import annotations

import itertools
import re
import warnings

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.errors import AmbiguousFrequencyWarning, InvalidFrameError
from nixtla_accessor.panel.packing import keep_last

FREQUENCIES = [
    "15min",
    "h",
    "4h",
    "D",
    "2D",
    "W-SUN",
    "W-WED",
    "B",
    "MS",
    "ME",
    "QS-JAN",
    "2QS-JAN",
    "QE-DEC",
    "YS-JAN",
    "SMS-15",
]

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.lists(st.text("ab01é中", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


@st.composite
def panels(draw, freq=None):
    """A long frame of regular series, its rows in any order; and its frequency."""
    freq = freq or draw(st.sampled_from(FREQUENCIES))
    parts = []
    for name in draw(names):
        size = draw(st.integers(1, 9))
        start = pd.Timestamp("2020-01-01") + pd.Timedelta(days=draw(st.integers(0, 900)))
        stamps = pd.date_range(start, periods=size, freq=freq, unit="us")
        parts.append(
            pd.DataFrame({"unique_id": name, "ds": stamps, "y": draw(st.lists(finite, min_size=size, max_size=size))})
        )
    frame = pd.concat(parts, ignore_index=True)
    order = draw(st.permutations(range(len(frame)))) if draw(st.booleans()) else range(len(frame))
    return frame.iloc[list(order)], freq


@st.composite
def spoiled_panels(draw):
    """A panel with some rows dropped, duplicated or moved."""
    frame, freq = draw(panels())
    rows = list(frame.itertuples(index=False, name=None))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(rows) - 1))
        name, stamp, value = rows[place]
        kind = draw(st.sampled_from(["drop", "double", "move", "hour"]))
        if kind == "drop" and len(rows) > 1:
            del rows[place]
        elif kind == "double":
            rows.append((name, stamp, value + 1 if abs(value) < 1e300 else 0.0))
        elif kind == "move":
            rows[place] = (name, stamp + pd.Timedelta(days=draw(st.integers(-40, 40))), value)
        elif kind == "hour":
            rows[place] = (name, stamp + pd.Timedelta(hours=draw(st.integers(-30, 30))), value)
    return pd.DataFrame(rows, columns=["unique_id", "ds", "y"]).astype({"ds": "datetime64[us]"}), freq


def pack_by_loops(frame, freq):
    """Return the values, sizes and irregular series, by plain loops and pandas' own offset arithmetic."""
    offset = pd.tseries.frequencies.to_offset(freq)
    y, sizes, irregular = [], [], set()
    for name in sorted(set(frame["unique_id"])):
        rows = sorted((row for row in frame.itertuples() if row.unique_id == name), key=lambda row: row.ds)
        if not offset.is_on_offset(rows[0].ds):
            irregular.add(name)
        for row, following in itertools.pairwise(rows):
            if row.ds + offset != following.ds:
                irregular.add(name)
        y += [row.y for row in rows]
        sizes.append(len(rows))
    return y, sizes, irregular


@settings(deadline=None, max_examples=150)
@given(panel=spoiled_panels())
def test_packed_or_refused_by_name(pack, panel):
    frame, freq = panel
    y, sizes, irregular = pack_by_loops(frame, freq)
    before = frame.copy()
    if irregular:
        with pytest.raises(InvalidFrameError) as caught:
            pack(frame, freq)
        named = re.findall(r"series ('[^']*')", str(caught.value))
        assert {eval(name) for name in named} & irregular
    else:
        packed = pack(frame, freq)
        assert orjson.dumps(packed.y, option=orjson.OPT_SERIALIZE_NUMPY) == orjson.dumps(y)
        assert packed.sizes.tolist() == sizes
    pd.testing.assert_frame_equal(frame, before)


BACKENDS = {
    "unique_id": ["object", "string[python]", "string[pyarrow]", "category", pd.ArrowDtype(pa.large_string())],
    "ds": ["datetime64[ns]", "datetime64[s]", pd.ArrowDtype(pa.timestamp("ms")), "category"],
    "y": ["Float64", pd.ArrowDtype(pa.float64()), "object"],
}


@settings(deadline=None, max_examples=120)
@given(panel=panels(), data=st.data())
def test_permutation_and_back_end_do_not_matter(pack, panel, data):
    frame, freq = panel
    packed = pack(frame, freq)
    other = frame.sample(frac=1, random_state=data.draw(st.integers(0, 9)))
    for column, dtypes in BACKENDS.items():
        other[column] = other[column].astype(data.draw(st.sampled_from(dtypes)))
    again = pack(other, freq)
    assert again.y.tobytes() == packed.y.tobytes()
    assert again.sizes.tobytes() == packed.sizes.tobytes()
    assert again.freq == packed.freq
    assert again.ids.astype(object).tolist() == packed.ids.astype(object).tolist()


@settings(deadline=None, max_examples=120)
@given(panel=panels())
def test_unpacking_returns_the_sorted_input(pack, panel):
    frame, freq = panel
    packed = pack(frame, freq)
    expected = frame.sort_values(["unique_id", "ds"], key=lambda column: column, ignore_index=True)
    pd.testing.assert_frame_equal(packed.to_frame(), expected, check_exact=True)
    for position, row in enumerate(expected.itertuples(index=False, name=None)):
        assert packed.locate(position) == row
    for position in (-1, len(frame)):
        with pytest.raises(IndexError):
            packed.locate(position)
    text = orjson.dumps({"y": packed.y, "sizes": packed.sizes}, option=orjson.OPT_SERIALIZE_NUMPY)
    assert packed.nbytes == len(text) - len(b'{"y":,"sizes":}')


@settings(deadline=None, max_examples=150)
@given(data=st.data(), freq=st.sampled_from(FREQUENCIES))
def test_disjoint_panels_concatenate(pack, data, freq):
    first, _ = data.draw(panels(freq))
    second, _ = data.draw(panels(freq))
    first["unique_id"], second["unique_id"] = "a" + first["unique_id"], "b" + second["unique_id"]
    both = pack(pd.concat([first, second]).sample(frac=1, random_state=0), freq)
    one, two = pack(first, freq), pack(second, freq)
    assert both.y.tolist() == one.y.tolist() + two.y.tolist()
    assert both.sizes.tolist() == one.sizes.tolist() + two.sizes.tolist()


@settings(deadline=None, max_examples=150)
@given(panel=panels(), n=st.integers(1, 10))
def test_the_last_rows_of_each_series(pack, panel, n):
    frame, freq = panel
    kept = keep_last(pack(frame, freq), n)
    tail = frame.sort_values("ds").groupby("unique_id").tail(n)
    expected = pack(tail, freq)
    assert kept.y.tolist() == expected.y.tolist()
    assert not kept.y.flags.writeable
    assert kept.sizes.tolist() == expected.sizes.tolist()
    assert kept.starts.tolist() == expected.starts.tolist()
    assert kept.last_ticks.tolist() == expected.last_ticks.tolist()


@settings(deadline=None, max_examples=150)
@given(panel=panels())
def test_inference_on_regular_panels_never_invents_gaps(pack, panel):
    frame, freq = panel
    if frame.groupby("unique_id").size().max() < 3:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousFrequencyWarning)
        packed = pack(frame)
    assert packed.y.tolist() == pack(frame, freq).y.tolist()


INTEGERS = {
    "int8": [-128, 127],
    "int64": [-(2**63), 2**63 - 1, 2**53 + 1],
    "uint64": [0, 2**63 - 1, 2**53 + 1],
    "Int64": [-(2**63), 2**63 - 1, 2**53 + 1],
    "UInt8": [0, 255],
    "object": [-(2**63), 2**63 - 1, 2**53 + 1],
}


@pytest.mark.parametrize("dtype", [*INTEGERS, pd.ArrowDtype(pa.int64()), pd.ArrowDtype(pa.uint32())], ids=str)
def test_integers_keep_every_digit(pack, dtype):
    values = INTEGERS.get(str(dtype), [0, 2**32 - 1] if "uint32" in str(dtype) else INTEGERS["int64"])
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=len(values)), "y": pd.Series(values, dtype=dtype)})
    packed = pack(frame[::-1], "D")
    assert packed.y.dtype == np.int64
    assert packed.y.tolist() == values
    assert packed.to_frame()["y"].dtype == frame["y"].dtype
    assert packed.to_frame()["y"].tolist() == values


@pytest.mark.parametrize(
    ("dtype", "width"),
    [
        ("float16", "float16"),
        ("float32", "float32"),
        ("float64", "float64"),
        (">f4", "float32"),
        (">f8", "float64"),
        ("Float32", "float32"),
        ("Float64", "float64"),
        (pd.ArrowDtype(pa.float32()), "float32"),
        (pd.SparseDtype("float32"), "float32"),
    ],
    ids=str,
)
def test_floats_keep_every_digit(pack, dtype, width):
    values = np.array([0.1, -0.0, 5e-324, 1e-8, 3.3333333333333335, 6e4]).astype(width)
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=6), "y": pd.Series(values).astype(dtype)})
    packed = pack(frame, "D")
    assert packed.y.dtype == np.float64
    assert packed.y.dtype.isnative
    assert packed.y.tobytes() == values.astype(np.float64).tobytes()
    assert packed.y.flags.c_contiguous
