"""The series of X_df must be those of the frame: refused as pandas does, and only the ids are read to know it."""

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nixtla_accessor import errors
from nixtla_accessor.dask.partitions import plan_ids
from nixtla_accessor.panel.panel import Columns

H = 3
ASKED = {"h": H, "freq": "D", "zero_shot": True}
NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def rows():
    """Return four series with a column known ahead."""
    stamps = pd.date_range("2024-01-01", periods=30, freq="D")
    keys = pd.MultiIndex.from_product([NAMES, stamps], names=["unique_id", "ds"])
    return keys.to_frame(index=False).assign(y=np.arange(120.0) % 7, price=1.0)


@pytest.fixture
def future(rows):
    """Return the rows of their horizon."""
    ahead = rows.groupby("unique_id").head(H)
    return ahead.assign(ds=ahead["ds"] + pd.Timedelta(30, "D")).drop(columns="y").reset_index(drop=True)


def same_refusal(frame, X_df):
    """Return the text of the error that pandas and Dask raise alike."""
    texts = []
    for one in (frame.compute(), frame):
        with pytest.raises(errors.CovariateError) as refused:
            one.timegpt.forecast(X_df=X_df, **ASKED).compute()
        texts.append(str(refused.value))
    assert texts[0] == texts[1]
    return texts[1]


def same_audit(frame, X_df):
    """Return the kinds of problems that audits of pandas and Dask list alike."""
    found = frame.timegpt.audit(X_df=X_df, h=H)
    pd.testing.assert_frame_equal(found, frame.compute().timegpt.audit(X_df=X_df, h=H))
    return list(found["kind"])


@pytest.mark.parametrize("of_frame", ["str", "category"])
@pytest.mark.parametrize("of_future", ["str", "category"])
def test_categories_without_rows_are_no_series(client, cut, rows, future, of_frame, of_future):
    frame = cut(rows.astype({"unique_id": of_frame})[:90], 20, 50)
    X_df = future.astype({"unique_id": of_future})
    ahead = frame.timegpt.forecast(X_df=X_df[X_df["unique_id"] != "d"], **ASKED).compute()
    assert sorted(ahead["unique_id"]) == sorted(NAMES[:3] * H)
    assert same_audit(frame, X_df[X_df["unique_id"] != "d"]) == []
    assert "series that are not in the frame: 'd'" in same_refusal(frame, X_df)
    assert same_audit(frame, X_df) == ["unknown future series"]


@pytest.mark.parametrize(
    ("ids", "kind", "text"),
    [
        ([7, *NAMES[1:]], "unsupported dtype", "must all be of one type"),
        ([["a"], "b", "c", "d"], "unsupported dtype", "nested values, such as lists"),
        (["a", "b", "c", None], "missing id", "missing in 3 of 12 rows"),
    ],
    ids=["of two types", "lists", "missing"],
)
def test_ids_that_are_none(client, service, cut, rows, future, ids, kind, text):
    frame = cut(rows, 20, 50)
    X_df = future.assign(unique_id=pd.Series([name for name in ids for _ in range(H)], dtype=object))
    assert text in same_refusal(frame, X_df)
    assert same_audit(frame, X_df) == [kind]
    assert not service.asked


@pytest.mark.parametrize("dtype", [object, pd.ArrowDtype(pa.list_(pa.string()))], ids=["lists", "lists of Arrow"])
def test_a_frame_whose_ids_are_lists(client, service, cut, rows, future, dtype):
    rows["unique_id"] = pd.Series([[name] for name in rows["unique_id"]], dtype=dtype)
    with dask.config.set({"dataframe.convert-string": False}):
        frame = cut(rows)
        with pytest.raises(errors.UnsupportedDtypeError, match="nested values"):
            frame.timegpt.forecast(X_df=future, **ASKED).compute()
        assert frame.timegpt.audit(X_df=future, h=H, freq="D")["kind"].tolist() == ["unsupported dtype"]
    assert not service.asked


def test_missing_ids_of_both_frames_are_two_problems(cut, rows, future):
    rows.loc[[0, 119], "unique_id"] = None
    future.loc[0, "unique_id"] = None
    found = cut(rows, 20, 50).timegpt.audit(X_df=future, h=H)
    missing = found[found["kind"] == "missing id"]
    assert missing["count"].tolist() == [2, 1]
    assert missing["remedy"].str.startswith("In X_df: ").tolist() == [False, True]


@pytest.mark.parametrize("ids", [[1, 2, 3, 4], ["A", "B", "C", "D"]], ids=["of another type", "of the same type"])
def test_no_series_in_common(client, service, cut, rows, future, ids):
    frame = cut(rows, 20, 50)
    X_df = future.assign(unique_id=np.repeat(ids, H))
    assert "it has none of them, but" in same_refusal(frame, X_df)
    assert same_audit(frame, X_df) == ["unknown future series"]
    assert not service.asked


def test_stamps_as_ids_in_two_storages(client, cut, rows, future):
    days = dict(zip(NAMES, pd.date_range("2020-01-01", periods=4), strict=True))
    rows["unique_id"] = rows["unique_id"].map(days).astype("timestamp[us][pyarrow]")
    frame, X_df = cut(rows, 20, 50), future.assign(unique_id=future["unique_id"].map(days))
    assert len(frame.timegpt.forecast(X_df=X_df, **ASKED).compute()) == 4 * H
    assert same_audit(frame, X_df) == []


def damage(path, kept):
    """Overwrite all columns of a Parquet file but one, so that they cannot be read."""
    metadata = pq.read_metadata(path)
    content = bytearray(path.read_bytes())
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            if column.path_in_schema != kept:
                start = min(column.dictionary_page_offset or column.data_page_offset, column.data_page_offset)
                content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)


@pytest.mark.parametrize("layout", ["column", "index"])
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")  # which Dask uses
@pytest.mark.parametrize("filesystem", ["fsspec", "arrow"])
def test_of_parquet_only_the_ids_are_read(tmp_path, rows, layout, filesystem):
    for number in range(2):
        path = tmp_path / f"{number}.parquet"
        part = rows[60 * number : 60 * number + 60]
        (part.set_index("unique_id") if layout == "index" else part).to_parquet(path)
        damage(path, "unique_id")
    frame = dd.read_parquet(tmp_path, filesystem=filesystem)
    assert frame.index.name == ("unique_id" if layout == "index" else None)
    with pytest.raises(OSError, match=r"."):
        frame.compute()
    ids = dask.compute(*plan_ids(frame, Columns("unique_id", "ds", "y")))
    assert set().union(*ids) == set(NAMES)


def test_a_function_is_asked_for_the_ids_and_then_for_all_columns(client, rows, future):
    calls = []

    def load(first, columns=None):
        calls.append((first, tuple(rows.columns if columns is None else columns)))
        part = rows.iloc[first : first + 60]
        return part if columns is None else part[columns]

    frame = dd.from_map(load, [0, 60], meta=rows.iloc[:0])
    ahead = frame.timegpt.forecast(X_df=future, **ASKED).compute()
    assert len(ahead) == 4 * H
    asked = [(first, columns) for first in (0, 60) for columns in (("unique_id",), tuple(rows.columns))]
    assert sorted(calls) == sorted(asked)


def test_a_frame_that_is_kept_is_not_computed_again(client, rows, future):
    calls = []

    def load(first):
        calls.append(first)
        return rows.iloc[first : first + 60]

    frame = dd.from_map(load, [0, 60], meta=rows.iloc[:0]).persist()
    frame.timegpt.forecast(X_df=future, **ASKED).compute()
    assert sorted(calls) == [0, 60]
