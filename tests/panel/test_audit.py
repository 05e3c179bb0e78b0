"""An audit finds everything that packing would refuse, in one pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import errors
from nixtla_accessor.panel.audit import audit_frame

FIELDS = ["series", "column", "kind", "first", "count", "refused", "remedy"]


def frame(periods=10, freq="D"):
    days = pd.date_range("2024-02-26", periods=periods, freq=freq)
    ids, values = np.repeat(["a", "b", "c"], periods), np.arange(3.0 * periods)
    return pd.DataFrame({"unique_id": ids, "ds": [*days, *days, *days], "y": values})


def rows(found):
    return [(*row[:5],) for row in found.itertuples(index=False, name=None)]


def test_a_frame_without_problems():
    found = audit_frame(frame())
    assert found.empty
    assert found.columns.tolist() == FIELDS


def test_everything_is_found_in_one_pass():
    bad = pd.concat([frame(), frame()[3:4], frame(freq="W-MON")[:10].assign(unique_id="w")], ignore_index=True)
    bad.loc[[2, 12, 13], "y"] = np.nan
    bad.loc[22, "y"] = -np.inf
    bad = bad.drop([5, 6, 15])
    bad.loc[25, "ds"] += pd.Timedelta("7h")
    bad.loc[28, "ds"] = pd.NaT
    bad.loc[bad.index[:1], "unique_id"] = None
    before = bad.copy()
    found = audit_frame(bad.assign(price=1.0), freq="D")
    pd.testing.assert_frame_equal(bad, before)
    assert rows(found) == [
        (None, "unique_id", "missing id", None, 1),
        ("c", "ds", "missing time", None, 1),
        ("a", "y", "missing target", pd.Timestamp("2024-02-28"), 1),
        ("b", "y", "missing target", pd.Timestamp("2024-02-28"), 2),
        ("c", "y", "infinite target", pd.Timestamp("2024-02-28"), 1),
        ("a", "ds", "duplicate stamp", pd.Timestamp("2024-02-29"), 1),
        ("c", "ds", "off-grid stamp", pd.Timestamp("2024-03-02 07:00"), 1),
        ("a", "ds", "gap", pd.Timestamp("2024-03-02"), 2),
        ("b", "ds", "gap", pd.Timestamp("2024-03-02"), 1),
        ("c", "ds", "gap", pd.Timestamp("2024-03-02"), 2),
        ("w", "ds", "other frequency", pd.Timestamp("2024-02-26"), 10),
        ("a", "ds", "ended early", pd.Timestamp("2024-03-06"), 54),
        ("b", "ds", "ended early", pd.Timestamp("2024-03-06"), 54),
        ("c", "ds", "ended early", pd.Timestamp("2024-03-06"), 54),
        (None, "price", "unused column", None, len(bad)),
    ]
    assert found["refused"].tolist() == [True] * 11 + [False] * 4
    assert found["remedy"].str.len().min() > 20


def test_a_frame_repaired_by_its_audit_packs(pack):
    bad = frame().drop([4, 14]).sample(frac=1, random_state=0)
    bad = pd.concat([bad, bad[:2]])
    found = audit_frame(bad)
    assert set(found["kind"]) == {"duplicate stamp", "gap"}
    from nixtla_accessor.panel.gaps import fill_gaps

    repaired = fill_gaps(bad.drop_duplicates(["unique_id", "ds"]), method="ffill")
    assert audit_frame(repaired).empty
    assert pack(repaired).sizes.tolist() == [10, 10, 10]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda df: df[:0], (None, None, "empty frame", None, 0)),
        (lambda df: df.drop(columns="ds"), (None, "ds", "missing column", None, 1)),
        (lambda df: df.drop(columns="y"), (None, "y", "missing column", None, 1)),
        (lambda df: pd.concat([df, df[["y"]]], axis=1), (None, "y", "duplicate column", None, 1)),
        (lambda df: df.assign(y="text"), (None, "y", "unsupported dtype", None, 1)),
        (lambda df: df.assign(ds=1.5), (None, "ds", "unsupported dtype", None, 1)),
        (
            lambda df: df.assign(unique_id=pd.Series(["a", 1, "b"] * 10, dtype=object)),
            (None, "unique_id", "unsupported dtype", None, 1),
        ),
        (lambda df: df.groupby("unique_id").head(2), (None, "ds", "no frequency", None, 6)),
        (lambda df: df.groupby("unique_id").head(5), (None, "ds", "ambiguous frequency", None, 15)),
    ],
)
def test_problems_of_the_whole_frame(spoil, expected):
    found = audit_frame(spoil(frame()))
    assert rows(found)[0] == expected
    assert found["refused"][0] == (expected[2] != "ambiguous frequency")


def test_two_bad_columns_are_both_reported():
    found = audit_frame(frame().assign(y="text", ds=1.5))
    assert rows(found) == [
        (None, "ds", "unsupported dtype", None, 1),
        (None, "y", "unsupported dtype", None, 1),
    ]


def test_a_frequency_that_does_not_suit_the_times():
    found = audit_frame(frame(), freq=1)
    assert found["kind"].tolist() == ["no frequency"]
    assert audit_frame(frame(), freq="W").eval("kind == 'other frequency'").all()
    with pytest.raises(errors.InvalidArgumentError):
        audit_frame(frame(), freq="nonsense")


def test_columns_of_any_name_and_place():
    moved = frame().rename(columns={"unique_id": "store", "ds": "day", "y": "sales"}).set_index(["store", "day"])
    assert audit_frame(moved, id_col="store", time_col="day", target_col="sales").empty
    assert audit_frame(moved)["kind"].tolist()[:2] == ["missing column", "missing column"]
