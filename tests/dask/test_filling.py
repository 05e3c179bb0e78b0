"""Gaps are filled as in the computed frame, lazily, and at one frequency."""

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import errors

HOLES = [3, 4, 17, 30]


def as_pandas(frame, **arguments):
    """Fill the gaps of the computed frame, sorted as a comparison wants it."""
    return frame.compute().timegpt.fill_gaps(**arguments)


def assert_same_rows(filled, expected, keys=("unique_id", "ds")):
    found = filled.compute().sort_values(list(keys)).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_dtype=False)


@pytest.mark.parametrize("method", [None, "ffill", "interpolate", 0.5], ids=str)
@pytest.mark.parametrize("freq", [None, "D"])
@pytest.mark.parametrize("order", ["by id", "by time", "shuffled"])
def test_the_same_rows_as_in_pandas(cut, panel, order, freq, method):
    rows = panel().drop(index=HOLES)
    if order != "by id":
        rows = rows.sort_values("ds") if order == "by time" else rows.sample(frac=1, random_state=0)
    frame = cut(rows, 10, 25)
    filled = frame.timegpt.fill_gaps(freq=freq, method=method)
    assert_same_rows(filled, as_pandas(frame, freq=freq, method=method))
    assert filled.compute().timegpt.pack(allow_missing=method is None).sizes.tolist() == [12] * 4


def test_it_is_lazy_where_the_frequency_is_given(panel, frame_of):
    read = []

    def part(number):
        read.append(number)
        return panel().iloc[12 * number : 12 * number + 12]

    import dask.dataframe as dd

    frame = dd.from_map(part, [0, 1, 2], meta=panel().iloc[:0])
    filled = frame.timegpt.fill_gaps(freq="D")
    assert read == []
    assert len(filled) == 36


def test_every_partition_has_the_dtypes_of_the_meta(cut, panel):
    rows = panel().astype({"y": "int64", "unique_id": "category"}).assign(price=np.arange(48), promo=True)
    filled = cut(rows.drop(index=HOLES[:2]), 12, 24, 36).timegpt.fill_gaps()
    assert filled.dtypes["y"] == "Int64"
    parts = [part.compute() for part in filled.partitions]
    assert any(part["y"].isna().any() for part in parts)
    for part in parts:
        for name in ("ds", "y", "price", "promo"):
            assert part[name].dtype == filled.dtypes[name], name
        assert isinstance(part["unique_id"].dtype, pd.CategoricalDtype)


@pytest.mark.parametrize("index", ["unique_id", "ds"])
def test_ids_or_times_in_the_index(cut, panel, index):
    frame = cut(panel().drop(index=HOLES).set_index(index), 10, 25)
    filled = frame.timegpt.fill_gaps(method="interpolate")
    assert filled.compute().index.name == index
    whole = filled.compute().reset_index().sort_values(["unique_id", "ds"])
    np.testing.assert_array_equal(whole["y"], panel()["y"])


def test_one_series_without_an_id(cut, panel):
    frame = cut(panel(1, 30).drop(columns="unique_id").drop(index=[4, 12]), 10)
    assert len(frame.timegpt.fill_gaps(method="ffill")) == 30


def test_the_record_stays(cut, panel, client):
    frame = cut(panel().drop(index=HOLES), 10, 25).timegpt.fill_gaps(method="interpolate")
    frame.timegpt.finetune(output_model_id="filled")
    again = frame[frame["ds"] != "2024-01-05"].timegpt.fill_gaps(method="ffill")
    assert again.timegpt.model_id == "filled"
    assert again.compute().timegpt.model_id == "filled"


def test_what_is_refused_at_once(cut, panel):
    frame = cut(panel(), 10)
    with pytest.raises(errors.InvalidArgumentError, match="backwards"):
        frame.timegpt.fill_gaps(method="backwards")
    with pytest.raises(errors.MissingColumnError, match="'nowhere'"):
        frame.timegpt.fill_gaps(target_col="nowhere")
    with pytest.raises(errors.FrequencyError, match="three stamps"):
        cut(panel(4, 2), 4).timegpt.fill_gaps()


def test_other_problems_are_refused_when_it_is_computed(cut, panel):
    rows = pd.concat([panel(), panel().iloc[[20]]])
    filled = cut(rows, 10, 25).timegpt.fill_gaps(freq="D")
    with pytest.raises(errors.DuplicateTimestampError, match="'series 1'") as caught:
        filled.compute()
    assert "This is partition" in caught.value.__notes__[0]
