"""Cleaning a frame: what has one sensible remedy is mended, the rest is named."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nixtla_accessor  # noqa: F401 - registers df.timegpt
from nixtla_accessor import errors


def panel(names=("a", "b", "c"), periods=20):
    stamps = pd.date_range("2024-01-01", periods=periods)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": stamps, "y": 10.0 * number + np.arange(periods)})
        for number, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


def kinds(cleaned):
    return cleaned.timegpt.cleaning["kind"].tolist()


def test_a_clean_frame_stays_as_it_is():
    df = panel()
    cleaned = df.timegpt.clean()
    pd.testing.assert_frame_equal(cleaned, df)
    assert cleaned.timegpt.cleaning.empty
    assert "timegpt_cleaning" not in df.attrs


def test_all_that_has_one_remedy_is_mended_at_once():
    df = panel()
    broken = df.drop(index=[5, 6, 27]).sample(frac=1, random_state=0)
    broken.loc[10, "y"], broken.loc[45, "y"] = np.inf, np.nan
    blank = pd.DataFrame({"unique_id": [None], "ds": [pd.NaT], "y": [np.nan]})
    late = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-21", periods=2), "y": np.nan})
    empty = pd.DataFrame({"unique_id": "d", "ds": pd.date_range("2024-01-01", periods=4), "y": np.nan})
    broken = pd.concat([broken, broken.head(3), blank, late, empty]).astype(df.dtypes)
    before = broken.copy(deep=True)
    cleaned = broken.timegpt.clean()
    pd.testing.assert_frame_equal(cleaned, df)  # a straight line is what was there
    pd.testing.assert_frame_equal(broken, before)
    done = cleaned.timegpt.cleaning
    assert done["mended"].all()
    expected = {"missing id": 1, "infinite target": 1, "duplicate stamp": 3, "gap": 3}
    for kind, number in expected.items():
        assert done.loc[done["kind"] == kind, "count"].tolist() == [number]
    missing = done[done["kind"] == "missing target"]
    assert missing["count"].tolist() == [4, 2, 2]  # series d; inf and NaN within; the end of a
    assert missing["series"].tolist() == ["'d'", "'a', 'c'", "'a'"]
    assert cleaned.timegpt.audit().empty


@pytest.mark.parametrize(("rule", "value"), [("first", 3.0), ("last", 5.0), ("sum", 8.0), ("mean", 4.0)])
def test_doubles_follow_the_named_rule(rule, value):
    df = panel()
    doubled = pd.concat([df, df.iloc[[3]].assign(y=5.0)])
    cleaned = doubled.timegpt.clean(duplicates=rule)
    pd.testing.assert_frame_equal(cleaned, df.assign(y=df["y"].where(df.index != 3, value)))
    assert kinds(cleaned) == ["unsorted", "duplicate stamp"]


def test_doubles_without_a_rule_are_named_and_their_series_stays():
    df = panel()
    doubled = pd.concat([df.drop(index=25), df.iloc[[3]].assign(y=5.0)])
    with pytest.warns(errors.ProblemsLeftWarning, match=r"duplicate stamp in 'ds', 1 row \(series 'a'\): give a rule"):
        cleaned = doubled.timegpt.clean()
    pd.testing.assert_frame_equal(cleaned.head(40), df.iloc[20:].reset_index(drop=True))
    assert len(cleaned) == 61
    assert cleaned["unique_id"].tail(21).eq("a").all()
    assert cleaned.timegpt.cleaning.set_index("kind").loc["duplicate stamp", "mended"] == np.False_


def test_rows_with_one_stamp_that_another_column_tells_apart_are_no_copies():
    df = panel().assign(shop="x")
    with pytest.warns(errors.ProblemsLeftWarning, match="'shop' tells these rows apart"):
        cleaned = pd.concat([df, df.assign(shop="y")]).timegpt.clean()
    assert len(cleaned) == 120


def test_what_has_no_one_remedy_is_named_and_stays_at_the_end():
    df = panel()
    odd = df.astype({"y": float})
    odd.loc[3, "ds"] += pd.Timedelta(hours=5)
    weekly = pd.DataFrame({"unique_id": "w", "ds": pd.date_range("2024-01-01", periods=9, freq="W"), "y": 1.0})
    odd = pd.concat([odd, weekly, pd.DataFrame({"unique_id": [None], "ds": [df.loc[0, "ds"]], "y": [7.0]})])
    with pytest.warns(errors.ProblemsLeftWarning) as caught:
        cleaned = odd.timegpt.clean()
    assert caught[0].filename == __file__
    said = str(caught[0].message)
    for part in ("off-grid stamp in 'ds', 1 row (series 'a')", "missing id in 'unique_id', 1 row", "(series 'w')"):
        assert part in said
    assert cleaned["unique_id"].tolist() == ["b"] * 20 + ["c"] * 20 + ["a"] * 20 + ["w"] * 9 + [None]
    assert len(cleaned) == len(odd)


def hours(names=("a", "b"), periods=24 * 30, start="2024-02-26"):
    stamps = pd.date_range(start, periods=periods, freq="h")
    return pd.concat(
        [pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.arange(periods) % 24.0}) for name in names]
    )


def local(df, zone):
    return df.assign(ds=df["ds"].dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None))


CLOSED = {
    "opening hours": lambda: hours()[lambda df: df["ds"].dt.hour.between(9, 17)],
    "opening hours on weekdays": lambda: hours()[
        lambda df: df["ds"].dt.hour.between(9, 17) & (df["ds"].dt.day_of_week < 5)
    ],
    "seasons": lambda: panel(periods=1500)[lambda df: df["ds"].dt.month.between(5, 9)],
    "Mondays to Saturdays": lambda: panel(periods=60)[lambda df: df["ds"].dt.day_of_week < 6],
    "clocks that go forward in Berlin": lambda: local(hours(periods=24 * 60), "Europe/Berlin"),
    "clocks that go forward in New York": lambda: local(hours(periods=24 * 60), "America/New_York"),
}


def freq_of(df):
    return "D" if (df["ds"].dt.hour == 0).all() else "h"


@pytest.mark.parametrize("look", CLOSED)
def test_gaps_that_are_no_missing_rows_are_left_with_the_remedy_of_packing(look):
    df = CLOSED[look]().reset_index(drop=True)
    with pytest.raises(errors.MissingTimestampError) as refused:
        df.timegpt.pack()
    with pytest.warns(errors.ProblemsLeftWarning) as caught:
        cleaned = df.timegpt.clean(method=0)
    pd.testing.assert_frame_equal(cleaned, df)
    (step,) = cleaned.timegpt.cleaning.itertuples()
    assert (step.kind, step.mended) == ("gap", False)
    total = int(str(refused.value).split(" stamps missing")[0].split()[-1])
    assert step.count == total
    remedy, fill = step.action.split(" Or fill the gaps: ")
    assert remedy in str(refused.value)
    assert fill == f"df.timegpt.fill_gaps(freq={freq_of(df)!r}, method=0)."
    assert f"{total} missing stamps" in str(caught[0].message)
    assert step.action.rstrip(".") in str(caught[0].message)


@pytest.mark.parametrize("look", CLOSED)
def test_at_a_frequency_that_is_given_all_gaps_are_filled(look):
    df = CLOSED[look]().reset_index(drop=True)
    cleaned = df.timegpt.clean(freq=freq_of(df), method=0)
    pd.testing.assert_frame_equal(cleaned, df.timegpt.fill_gaps(freq=freq_of(df), method=0))
    assert cleaned.timegpt.cleaning["mended"].tolist() == [True]


TOO_SHORT = {
    "closed hours": lambda: CLOSED["opening hours"](),
    "stamps off the grid": lambda: panel().assign(
        ds=lambda df: df["ds"].where(df.index % 20 != 7, df["ds"] + pd.Timedelta(hours=5))
    ),
    "different rows with one stamp": lambda: pd.concat([panel(), panel().iloc[[3, 23, 43]].assign(y=5.0)]),
}


@pytest.mark.parametrize("left", TOO_SHORT)
def test_a_series_too_short_to_tell_its_frequency_stays_where_all_others_are_set_aside(left):
    df = TOO_SHORT[left]()
    new = df.tail(1).assign(unique_id="new store")
    with pytest.warns(errors.ProblemsLeftWarning):
        cleaned = pd.concat([df, new]).timegpt.clean()
    pd.testing.assert_frame_equal(cleaned.head(1), new.reset_index(drop=True))
    assert len(cleaned) == len(df) + 1


@pytest.mark.parametrize("left", ["stamps off the grid", "different rows with one stamp"])
def test_a_gap_of_a_short_series_is_filled_at_the_frequency_of_those_set_aside(left):
    df = TOO_SHORT[left]()
    new = pd.DataFrame({"unique_id": "new store", "ds": pd.to_datetime(["2024-01-05", "2024-01-08"]), "y": [1.0, 4.0]})
    with pytest.warns(errors.ProblemsLeftWarning):
        cleaned = pd.concat([df, new]).timegpt.clean()
    assert cleaned["unique_id"].head(4).eq("new store").all()
    assert cleaned["y"].head(4).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_closed_times_of_each_series_are_told_apart():
    days = panel(periods=60, names=("mon-sat", "tue-sun", "gappy", "sparse", "whole"))
    weekday = days["ds"].dt.day_of_week
    closed = (days["unique_id"].eq("mon-sat") & weekday.eq(6)) | (days["unique_id"].eq("tue-sun") & weekday.eq(0))
    chance = np.random.default_rng(0).random(len(days))
    sold = chance < np.select([days["unique_id"] == "gappy", days["unique_id"] == "sparse"], [0.9, 0.4], 1)
    df = days[~closed & sold]
    with pytest.warns(errors.ProblemsLeftWarning, match=r"\(series 'mon-sat', 'tue-sun'\): They look like"):
        cleaned = df.timegpt.clean()
    assert cleaned["unique_id"].drop_duplicates().tolist() == ["gappy", "sparse", "whole", "mon-sat", "tue-sun"]
    pd.testing.assert_frame_equal(
        cleaned[cleaned["unique_id"].isin(["mon-sat", "tue-sun"])].reset_index(drop=True),
        df[df["unique_id"].isin(["mon-sat", "tue-sun"])].reset_index(drop=True),
    )


def test_clocks_that_skip_the_gaps_of_some_series_only():
    meters = hours(("m1", "m2", "m3"), 24 * 60)
    later = meters[(meters["ds"] > "2024-04-02") | (meters["unique_id"] != "m1")]  # m1 begins after the change
    local = later[later["ds"] != "2024-03-31 02:00"].reset_index(drop=True)
    gaps = local.index[local["unique_id"] == "m1"][10:40:2]
    df = local.drop(index=gaps)
    with pytest.warns(
        errors.ProblemsLeftWarning, match=r"2 missing stamps \(series 'm2', 'm3'\): This looks like a cha"
    ):
        cleaned = df.timegpt.clean()
    assert cleaned["unique_id"].value_counts().to_dict() == local["unique_id"].value_counts().to_dict()


SKIPPED = {"Europe/Berlin": "2024-03-31 02:00", "America/New_York": "2024-03-10 02:00"}


@pytest.mark.parametrize("zone", SKIPPED)
def test_an_hour_that_other_series_have_was_skipped_by_no_clock(zone):
    df = hours(("a", "b", "c"), 24 * 60).reset_index(drop=True)
    gappy = df.drop(index=df.index[(df["unique_id"] == "b") & (df["ds"] == SKIPPED[zone])])
    with pytest.raises(errors.MissingTimestampError, match=r"Fill the gaps with") as refused:
        gappy.timegpt.pack()
    assert zone not in str(refused.value)
    assert not gappy.timegpt.audit()["remedy"].str.contains("clocks").any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cleaned = gappy.timegpt.clean()
    pd.testing.assert_frame_equal(cleaned[["unique_id", "ds"]], df[["unique_id", "ds"]])


def test_stamps_of_series_that_are_set_aside_refute_a_zone_too():
    df = hours(("a", "b", "c"), 24 * 60).reset_index(drop=True)
    gappy = df.drop(index=df.index[(df["unique_id"] != "a") & (df["ds"] == SKIPPED["Europe/Berlin"])])
    doubled = pd.concat([gappy, gappy.iloc[[5]].assign(y=50.0)])
    with pytest.warns(errors.ProblemsLeftWarning) as caught:
        cleaned = doubled.timegpt.clean()
    assert "clocks" not in str(caught[0].message)
    assert cleaned["unique_id"].value_counts().to_dict() == {"a": 1441, "b": 1440, "c": 1440}


def test_a_series_with_closed_hours_is_left_and_the_gap_of_another_is_filled():
    shop = hours(names=("shop",))[lambda df: df["ds"].dt.hour.between(9, 17)]
    sensor = hours(names=("sensor",))
    with pytest.warns(errors.ProblemsLeftWarning, match=r"\(series 'shop'\): They look like opening hours"):
        cleaned = pd.concat([shop, sensor.drop(index=[100, 101])]).timegpt.clean()
    pd.testing.assert_frame_equal(cleaned, pd.concat([sensor, shop], ignore_index=True))


def test_hours_that_are_there_twice_may_be_those_of_clocks_that_go_back():
    df = local(hours(start="2024-10-20"), "Europe/Berlin").reset_index(drop=True)
    with pytest.warns(errors.ProblemsLeftWarning, match=r"change of clocks of 'Europe/Berlin'.* Otherwise give a rule"):
        cleaned = df.timegpt.clean()
    pd.testing.assert_frame_equal(cleaned, df)


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 12), n_open=st.integers(3, 11), names=st.integers(1, 3), periods=st.integers(200, 900))
def test_cleaning_never_invents_closed_hours(first, n_open, names, periods):
    df = hours(tuple("abc"[:names]), periods)[lambda df: df["ds"].dt.hour.between(first, first + n_open - 1)]
    with pytest.warns(errors.ProblemsLeftWarning, match="never exists"):
        cleaned = df.timegpt.clean()
    pd.testing.assert_frame_equal(cleaned, df.reset_index(drop=True))


def test_text_that_reads_as_numbers_becomes_numbers():
    cleaned = panel().astype({"y": str}).timegpt.clean()
    pd.testing.assert_frame_equal(cleaned, panel())
    assert kinds(cleaned) == ["unsupported dtype"]
    with pytest.raises(errors.UnsupportedDtypeError, match="must be real numbers"):
        panel().assign(y="many").timegpt.clean()


def test_levels_of_the_index_stay_there_and_the_record_too():
    df = panel().assign(region="north")
    indexed = df.drop(index=5).set_index(["unique_id", "ds"])
    indexed.attrs["timegpt"] = {"kept": True}
    cleaned = indexed.timegpt.clean(method=0)
    expected = df.assign(y=df["y"].where(df.index != 5, 0)).set_index(["unique_id", "ds"])
    pd.testing.assert_frame_equal(cleaned, expected)
    assert cleaned.attrs["timegpt"] == {"kept": True}


def test_the_report_outlives_parquet(tmp_path):
    panel().drop(index=5).timegpt.clean().to_parquet(tmp_path / "clean.parquet")
    again = pd.read_parquet(tmp_path / "clean.parquet")
    assert again.timegpt.cleaning["action"].tolist() == ["rows were added, and filled along a line"]


@pytest.mark.parametrize(
    "wrong", [{"duplicates": "max"}, {"method": None}, {"method": "spline"}, {"freq": "nope"}], ids=str
)
def test_wrong_arguments(wrong):
    with pytest.raises(errors.InvalidArgumentError):
        panel().timegpt.clean(**wrong)


def test_one_series_and_an_empty_frame():
    one = panel(("a",)).drop(columns="unique_id")
    pd.testing.assert_frame_equal(one.drop(index=4).timegpt.clean(), one)
    with pytest.raises(errors.InvalidFrameError):
        one.head(0).timegpt.clean()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_whatever_is_broken_a_rule_makes_a_frame_that_can_be_packed(seed):
    rng = np.random.default_rng(seed)
    df = panel(periods=30)
    broken = df.sample(n=80, random_state=seed)
    broken = pd.concat([broken, broken.sample(n=5, random_state=seed).assign(y=1.0)])
    values = broken["y"].to_numpy().copy()
    values[rng.integers(0, len(values), 6)] = rng.choice([np.nan, np.inf, -np.inf], 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cleaned = broken.assign(y=values).timegpt.clean(freq="D", duplicates="last", method="ffill")
    packed = cleaned.timegpt.pack(freq="D")
    assert len(packed.y) == len(cleaned)
    known = pd.concat([broken.assign(y=values)]).replace([np.inf, -np.inf], np.nan)
    known = known.drop_duplicates(["unique_id", "ds"], keep="last").dropna()
    both = cleaned.merge(known, on=["unique_id", "ds"], suffixes=("", "_known"))
    assert len(both) == len(known)
    np.testing.assert_array_equal(both["y"], both["y_known"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_frame_without_any_value_is_refused_as_that(value):
    df = panel().assign(y=value)
    with pytest.raises(errors.MissingValueError, match=r"in all .* rows\. Name the column that holds the values"):
        df.timegpt.clean()


def test_an_audit_of_a_frame_without_any_value_does_not_leave_it_all_out():
    remedies = panel().assign(y=np.nan).timegpt.audit()["remedy"]
    assert remedies.str.contains("Name the column that holds the values").all()


def test_the_report_on_columns_of_any_name_is_json():
    names = [pd.Timestamp("2024-01-01"), ("ds", 1), b"y"]
    df = panel().drop(index=5).sample(frac=1, random_state=0)
    df = df.set_axis(pd.Index(names, dtype=object, tupleize_cols=False), axis=1)
    cleaned = df.timegpt.clean(id_col=names[0], time_col=names[1], target_col=names[2])
    assert json.loads(json.dumps(cleaned.attrs)) == cleaned.attrs
    assert cleaned.timegpt.cleaning["column"].tolist() == ["('ds', 1)", "('ds', 1)"]


def test_names_that_numpy_made_outlive_parquet(tmp_path):
    df = panel().drop(index=5).set_axis(pd.Index([0, 1, 2]), axis=1)
    id_col, time_col, target_col = df.columns
    df.timegpt.clean(id_col=id_col, time_col=time_col, target_col=target_col).to_parquet(tmp_path / "clean.parquet")
    assert pd.read_parquet(tmp_path / "clean.parquet").timegpt.cleaning["column"].tolist() == [1]
