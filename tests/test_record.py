"""The record survives what pandas does with attrs, and stays a small flat dict of JSON scalars."""

import json
import pickle
from dataclasses import asdict

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.record import KEY, Record, attach_record, read_record, view_record

ids = st.from_regex(r"[a-zA-Z0-9_-]{1,36}", fullmatch=True)
names = st.none() | st.text(max_size=20) | st.integers(-1000, 1000)
lines = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
counts = st.none() | st.integers(0, 2**53)
records = st.builds(
    Record,
    finetuned_model_id=ids,
    model=lines,
    origin=lines,
    created_at=st.text(max_size=32),
    base_model_id=st.none() | ids,
    freq=st.none() | st.sampled_from(["D", "MS", "15min"]) | st.integers(1, 10),
    id_col=names,
    time_col=names,
    target_col=names,
    input_tokens=counts,
    n_series=counts,
)


def frame():
    return pd.DataFrame(
        {"unique_id": ["a", "a", "b"], "ds": pd.date_range("2024-01-01", periods=3), "y": [1.0, 2.0, 3.0]}
    )


@given(records)
def test_what_is_attached_is_read_back(record):
    df = frame()
    attach_record(df, record)
    assert read_record(df) == record
    assert dict(view_record(df)) == asdict(record)


@given(records)
def test_it_is_flat_json(record):
    df = frame()
    attach_record(df, record)
    stored = df.attrs[KEY]
    assert json.loads(json.dumps(stored)) == stored
    assert all(value is None or isinstance(value, str | int) for value in stored.values())


RECORD = Record(
    finetuned_model_id="m" * 36,
    model="timegpt-1",
    origin="https://api.nixtla.io",
    created_at="2026-01-01T00:00:00+00:00",
)


def test_it_is_under_a_kilobyte():
    df = frame()
    attach_record(df, RECORD)
    assert len(json.dumps(df.attrs[KEY])) < 1000


@pytest.mark.parametrize(
    "operation",
    [
        lambda df: df.query("y > 1"),
        lambda df: df.assign(z=1),
        lambda df: df.sort_values("y", ascending=False),
        lambda df: df.copy(),
        lambda df: df.set_index("ds").reset_index(),
        lambda df: df.groupby("unique_id").head(1),
        lambda df: df.rename(columns={"y": "sales"}),
        lambda df: pickle.loads(pickle.dumps(df)),
    ],
    ids=["query", "assign", "sort", "copy", "index", "groupby", "rename", "pickle"],
)
def test_it_survives(operation):
    df = frame()
    attach_record(df, RECORD)
    assert read_record(operation(df)) == RECORD


def test_it_survives_parquet(tmp_path):
    df = frame()
    attach_record(df, RECORD)
    df.to_parquet(tmp_path / "frame.parquet")
    assert read_record(pd.read_parquet(tmp_path / "frame.parquet")) == RECORD


def test_attaching_to_a_copy_leaves_the_original_alone():
    df = frame()
    attach_record(df, RECORD)
    other = df.copy()
    attach_record(other, Record(finetuned_model_id="other", model="m", origin="local", created_at=""))
    assert read_record(df) == RECORD


def test_the_view_cannot_be_written():
    df = frame()
    attach_record(df, RECORD)
    with pytest.raises(TypeError):
        view_record(df)["model"] = "x"


@pytest.mark.parametrize(
    "stored", [None, 3, [], {}, {"finetuned_model_id": 3}, {"finetuned_model_id": "a", "model": "b"}]
)
def test_what_is_no_record_reads_as_none(stored):
    df = frame()
    df.attrs[KEY] = stored
    assert read_record(df) is None
    assert dict(view_record(df)) == {}


def test_fields_of_a_later_version_are_ignored():
    df = frame()
    df.attrs[KEY] = {**asdict(RECORD), "colour": "blue", "version": 2}
    assert read_record(df).finetuned_model_id == RECORD.finetuned_model_id
