"""An audit of a Dask frame lists the same problems as one of the computed frame."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor import errors


def assert_same_audit(frame, **arguments):
    found = frame.timegpt.audit(**arguments)
    expected = frame.compute().timegpt.audit(**arguments)
    pd.testing.assert_frame_equal(found, expected)
    return found


@pytest.fixture
def irregular(panel):
    """A frame with every kind of problem, some of them across partitions wherever it is cut."""
    rows = panel(8, 30).drop(index=[3, 4, 40, 100]).reset_index(drop=True)
    rows = pd.concat([rows, rows.iloc[[20, 90, 91]]], ignore_index=True).assign(further=1)
    rows.loc[[130, 10], "y"] = np.nan
    rows.loc[[131], "y"] = np.inf
    rows.loc[[132, 11], "ds"] = pd.NaT
    rows.loc[[140, 12], "unique_id"] = None
    rows.loc[150, "ds"] += pd.Timedelta("7h")
    return rows


@pytest.mark.parametrize("freq", [None, "D", "h"])
@pytest.mark.parametrize("order", ["by id", "by time", "shuffled"])
@pytest.mark.parametrize("borders", [(), (100,), (5, 6, 30, 30, 200)], ids=str)
def test_every_kind_of_problem(cut, irregular, borders, order, freq):
    if order != "by id":
        irregular = irregular.sort_values("ds") if order == "by time" else irregular.sample(frac=1, random_state=0)
    kinds = set(assert_same_audit(cut(irregular, *borders), freq=freq)["kind"])
    assert {"missing id", "missing time", "missing target", "infinite target", "duplicate stamp", "gap"} <= kinds


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_problems_in_any_partitions(cut, panel, data):
    rows = panel(3, 9)
    rows = rows.drop(index=data.draw(st.lists(st.integers(0, 26), max_size=3, unique=True)))
    rows = pd.concat([rows, rows.iloc[data.draw(st.lists(st.integers(0, 20), max_size=2))]], ignore_index=True)
    for column, value in (("y", np.nan), ("ds", pd.NaT), ("unique_id", None)):
        rows.loc[data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=2)), column] = value
    rows = rows.iloc[data.draw(st.permutations(range(len(rows))))]
    borders = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    assert_same_audit(cut(rows, *borders))


def test_no_problem(cut, panel):
    assert assert_same_audit(cut(panel(), 5, 20)).empty


def test_one_series_without_an_id(cut, panel):
    rows = panel(1, 30).drop(columns="unique_id").drop(index=[4, 20])
    assert assert_same_audit(cut(rows, 10, 20))["count"].tolist() == [2]
    assert assert_same_audit(cut(rows.set_index("ds"), 10, 20))["count"].tolist() == [2]


def test_ids_or_times_in_the_index(cut, panel):
    rows = panel(4, 12).drop(index=[5, 30])
    assert len(assert_same_audit(cut(rows.set_index("unique_id"), 10, 20))) == 2
    assert len(assert_same_audit(cut(rows.set_index("ds"), 10, 20))) == 2


def test_other_frequencies(cut, panel):
    rows = pd.concat([panel(4, 30), panel(1, 12, "W").assign(unique_id="weekly")], ignore_index=True)
    assert "other frequency" in set(assert_same_audit(cut(rows, 10, 125))["kind"])


def test_an_ambiguous_frequency(cut, panel):
    assert assert_same_audit(cut(panel(3, 5), 7))["kind"].tolist() == ["ambiguous frequency"]


def test_no_frequency(cut, panel):
    rows = panel()
    rows["ds"] += pd.to_timedelta(np.random.default_rng(0).integers(0, 10**7, len(rows)), unit="s")
    assert assert_same_audit(cut(rows, 10, 30))["kind"].tolist() == ["no frequency"]


def test_columns_that_cannot_be_used(cut, panel):
    frame = cut(panel().assign(y=1j), 10, 30)
    assert "unsupported dtype" in set(assert_same_audit(frame)["kind"])
    assert_same_audit(frame, target_col="nowhere")
    assert_same_audit(frame, id_col="nowhere")
    assert_same_audit(frame, time_col="nowhere")


def test_texts_that_are_no_numbers_are_named_without_their_rows(cut, panel):
    (remedy,) = cut(panel().assign(y="text"), 10, 30).timegpt.audit().query("kind == 'unsupported dtype'")["remedy"]
    assert "no numbers, such as 'text'" in remedy  # a partition counts only its own rows
    assert "row" not in remedy


def test_no_rows(frame_of, panel):
    assert assert_same_audit(frame_of([panel()[:0]] * 2))["kind"].tolist() == ["empty frame"]


def test_a_freq_that_is_not_a_frequency(cut, panel):
    with pytest.raises(errors.InvalidArgumentError, match="not a frequency that pandas knows"):
        cut(panel(), 10).timegpt.audit(freq="fortnightly")


def test_columns_of_the_record(cut, panel, client):
    names = {"id_col": "shop", "time_col": "day", "target_col": "sales"}
    frame = cut(panel().rename(columns={"unique_id": "shop", "ds": "day", "y": "sales"}), 10, 20)
    frame.timegpt.finetune(**names)
    assert frame.timegpt.audit().empty
    found = frame[frame["day"] != "2024-01-06"].timegpt.audit()
    assert found["column"].tolist() == ["day"] * 4
