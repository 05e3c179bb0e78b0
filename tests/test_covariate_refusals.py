"""Covariates that cannot be used: each refused by its name, before anything is sent, with a remedy that works.

The client is connected to a port where nothing listens, so that a refusal cannot come from an answer.
"""

import datetime as dt
import pickle
import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import nixtla_accessor.dask
from nixtla_accessor import connect, errors
from nixtla_accessor.panel.covariate_columns import CovariateChoice
from nixtla_accessor.panel.covariates import pack_with_covariates
from nixtla_accessor.panel.names import resolve_columns

H = 3


@pytest.fixture(autouse=True, scope="module")
def nowhere():
    with connect(api_key="nixak-0123456789abcdef0123456789", base_url="http://127.0.0.1:9", progress=False) as client:
        yield client


def history(length=40):
    stamps = pd.date_range("2024-01-01", periods=length)
    step = np.arange(length)
    parts = [
        pd.DataFrame(
            {"unique_id": name, "ds": stamps, "y": 1.0 + step, "price": 2.0 + step % 5, "kind": "x", "temp": step}
        )
        for name in "abcd"
    ]
    return pd.concat(parts, ignore_index=True)


def future(h=H):
    stamps = pd.date_range("2024-02-10", periods=h)
    parts = [pd.DataFrame({"unique_id": name, "ds": stamps, "price": 3.0, "kind": "x"}) for name in "abcd"]
    return pd.concat(parts, ignore_index=True)


def ask(df, X_df, **arguments):
    return df.timegpt.forecast(**{"h": H, "X_df": X_df, "zero_shot": True} | arguments)


def refusal(df, X_df, **arguments):
    with pytest.raises(errors.TimeGPTError) as caught:
        ask(df, X_df, **arguments)
    assert not isinstance(caught.value, errors.TransportError)
    return caught.value


def is_packed(df, X_df, **arguments):
    """Return whether frames are accepted, as far as packing them goes."""
    h = arguments.pop("h", H)
    allow_missing = arguments.pop("allow_missing", False)
    choice = CovariateChoice(X_df, None, **arguments)
    pack_with_covariates(df, resolve_columns(df), None, choice, h, allow_missing=allow_missing)
    return True


def rows(X_df, name, step):
    return (X_df["unique_id"] == name) & (X_df["ds"] == X_df["ds"].min() + pd.Timedelta(days=step))


def other_values(X_df, at, column, value):
    values = X_df[column].astype(object)
    values[at] = value
    return X_df.assign(**{column: values})


# name: the frames, further arguments, what the message says, and the line or the argument that mends it
BAD = {
    "a stamp that is missing": (
        lambda df, X: (df, X[~rows(X, "b", 2)]),
        {},
        ["3 steps after the end of each series", "missing are series 'b' at 2024-02-12", "h=2"],
        {"h": 2, "X": lambda X: X[X["ds"] < "2024-02-12"]},
    ),
    "a stamp twice": (
        lambda df, X: (df, pd.concat([X, X[rows(X, "c", 1)]])),
        {},
        ["more than once: series 'c' at 2024-02-11"],
        "X_df = X_df.drop_duplicates(['unique_id', 'ds'])",
    ),
    "a stamp off the grid": (
        lambda df, X: (df, X.assign(ds=X["ds"].mask(rows(X, "a", 0), pd.Timestamp("2024-02-10 05:00")))),
        {},
        ["on the frequency 'D'", "series 'a' at 2024-02-10 05:00:00", "missing are series 'a' at 2024-02-10"],
        None,
    ),
    "stamps beyond the horizon": (
        lambda df, X: (df, future(4)),
        {},
        ["beyond: series 'a' at 2024-02-13; series 'b' at 2024-02-13; series 'c' at 2024-02-13 and 1 more", "larger h"],
        {"h": 4},
    ),
    "stamps before the horizon": (
        lambda df, X: (df, pd.concat([X, df.loc[39:39, ["unique_id", "ds", "price", "kind"]]])),
        {},
        ["before: series 'a' at 2024-02-09"],
        "X_df = X_df.loc[lambda rows: rows['ds'] > '2024-02-09']",
    ),
    "a series that X_df lacks": (
        lambda df, X: (df, X[X["unique_id"] != "d"]),
        {},
        ["no rows for series 'd' of the frame"],
        "df = df.loc[lambda rows: rows['unique_id'].isin(X_df['unique_id'])]",
    ),
    "a series that the frame lacks": (
        lambda df, X: (df, pd.concat([X, X[X["unique_id"] == "a"].assign(unique_id="z")])),
        {},
        ["series that are not in the frame: 'z'"],
        "X_df = X_df.loc[lambda rows: rows['unique_id'].isin(df['unique_id'])]",
    ),
    "ids of another type": (
        lambda df, X: (df, X.assign(unique_id=X["unique_id"].map({"a": 1, "b": 2, "c": 3, "d": 4}))),
        {},
        ["must be those of the frame, 'a', 'b', 'c' and 1 more", "but 1, 2, 3 and 1 more (int64)"],
        None,
    ),
    "a column that the frame lacks": (
        lambda df, X: (df, X.assign(prise=1)),
        {},
        ["The frame has no column 'prise'", "The nearest name is 'price'"],
        "X_df = X_df.drop(columns=['prise'])",
    ),
    "a historic column that the frame lacks": (
        lambda df, X: (df, X),
        {"hist_exog_list": ["tmp"]},
        ["The frame has no column 'tmp'", "hist_exog_list", "The nearest name is 'temp'"],
        None,
    ),
    "a value that is missing": (
        lambda df, X: (df, X.assign(price=X["price"].mask(rows(X, "c", 1)))),
        {},
        ["'price' is missing in 1 of 12 rows of X_df: series 'c' at 2024-02-11", "allow_missing=True"],
        {"allow_missing": True},
    ),
    "a value that is missing in the past": (
        lambda df, X: (df.assign(temp=df["temp"].astype(float).mask(df.index == 41)), X),
        {"hist_exog_list": ["temp"]},
        ["'temp' is missing in 1 of 160 rows of the frame: series 'b' at 2024-01-02"],
        {"allow_missing": True},
    ),
    "a category that is missing": (
        lambda df, X: (df, X.assign(kind=X["kind"].mask(rows(X, "a", 0)))),
        {},
        ["'kind' is missing in 1 of 12 rows of X_df: series 'a' at 2024-02-10"],
        {"allow_missing": True},
    ),
    "an infinite value": (
        lambda df, X: (df, X.assign(price=X["price"].mask(rows(X, "d", 2), -np.inf))),
        {},
        ["'price' is infinite in 1 of 12 rows of X_df: series 'd' at 2024-02-12"],
        None,
    ),
    "a column without values": (
        lambda df, X: (df, X.assign(price=np.nan)),
        {"allow_missing": True},
        ["'price' has no value in X_df"],
        None,
    ),
    "a column without values in the past": (
        lambda df, X: (df.assign(kind=None), X),
        {"allow_missing": True},
        ["'kind' has no value in the frame"],
        None,
    ),
    "a column in both lists": (
        lambda df, X: (df, X),
        {"hist_exog_list": ["temp", "price"]},
        ["'price' is in X_df and in hist_exog_list"],
        {"hist_exog_list": ["temp"]},
    ),
    "a column twice in a list": (
        lambda df, X: (df, X),
        {"hist_exog_list": ["temp", "temp"]},
        ["hist_exog_list has 'temp' 2 times"],
        {"hist_exog_list": ["temp"]},
    ),
    "the target": (
        lambda df, X: (df, X.assign(y=1.0)),
        {},
        ["The target column 'y' cannot explain the target as well; X_df has it"],
        "X_df = X_df.drop(columns=['y'])",
    ),
    "the id as historic": (
        lambda df, X: (df, X),
        {"hist_exog_list": ["unique_id"]},
        ["The id column 'unique_id' cannot explain", "Take it out of hist_exog_list"],
        {"hist_exog_list": None},
    ),
    "two columns of one name": (
        lambda df, X: (df, pd.concat([X, X[["price"]]], axis=1)),
        {},
        ["X_df has 'price' 2 times"],
        "X_df = X_df.loc[:, ~X_df.columns.duplicated()]",
    ),
    "two columns of one name in the frame": (
        lambda df, X: (pd.concat([df, df[["price"]]], axis=1), X),
        {},
        ["'price', which X_df has, is the name of 2 columns"],
        None,
    ),
    "columns of two levels": (
        lambda df, X: (df, X.set_axis(pd.MultiIndex.from_product([["x"], X.columns]), axis=1)),
        {},
        ["columns of X_df must be flat"],
        None,
    ),
    "times of another zone": (
        lambda df, X: (df, X.assign(ds=X["ds"].dt.tz_localize("Europe/Berlin"))),
        {},
        ["datetimes without a zone (datetime64[", "found datetimes in the zone Europe/Berlin"],
        "X_df['ds'] = X_df['ds'].dt.tz_convert('Europe/Berlin').dt.tz_localize(None)",
    ),
    "times without the zone of the frame": (
        lambda df, X: (df.assign(ds=df["ds"].dt.tz_localize("Asia/Tokyo")), X),
        {},
        ["datetimes in the zone Asia/Tokyo", "found datetimes without a zone"],
        "X_df['ds'] = X_df['ds'].dt.tz_localize('Asia/Tokyo')",
    ),
    "times as text": (
        lambda df, X: (df, X.assign(ds=X["ds"].astype(str))),
        {},
        ["written as those of the frame", "found text"],
        "X_df['ds'] = pd.to_datetime(X_df['ds'])",
    ),
    "times as integers": (
        lambda df, X: (df, X.assign(ds=range(len(X)))),
        {},
        ["found integers (int64)"],
        None,
    ),
    "times that are missing": (
        lambda df, X: (df, pd.concat([X, X.iloc[:1].assign(ds=pd.NaT)]).astype({"ds": X["ds"].dtype})),
        {},
        ["The times in 'ds' of X_df are missing in 1 row"],
        "X_df = X_df.dropna(subset=['ds'])",
    ),
    "ids that are missing": (
        lambda df, X: (df, pd.concat([X, X.iloc[:1].assign(unique_id=None)], ignore_index=True)),
        {},
        ["In X_df: The ids in 'unique_id' are missing in 1 of 13 rows"],
        None,
    ),
    "no times": (
        lambda df, X: (df, X.rename(columns={"ds": "dss"})),
        {},
        ["X_df must have the time column 'ds' of the frame; it has 'unique_id', 'dss', 'price'"],
        "X_df = X_df.rename(columns={'dss': 'ds'})",
    ),
    "no columns": (
        lambda df, X: (df, X[["unique_id", "ds"]]),
        {},
        ["columns that are known ahead, beyond 'unique_id' and 'ds'"],
        None,
    ),
    "no rows": (lambda df, X: (df, X.iloc[:0]), {}, ["no rows for series 'a', 'b', 'c' and 1 more of the frame"], None),
    "numbers and categories": (
        lambda df, X: (df, X.assign(kind=1)),
        {},
        ["'kind' must be of one kind in both frames; it is categories in the frame, and numbers in X_df (int64)"],
        None,
    ),
    "values that are neither": (
        lambda df, X: (df, X.assign(price=X["ds"])),
        {},
        ["In X_df: The covariate 'price' must be numbers, bools, text or categories; found datetime64"],
        None,
    ),
    "values that are neither, in the past": (
        lambda df, X: (df.assign(temp=df["ds"]), X),
        {"hist_exog_list": ["temp"]},
        ["The covariate 'temp' must be numbers, bools, text or categories; found datetime64"],
        "df['temp'] = df['temp'].astype('string')",
    ),
    "the frame in place of X_df": (
        lambda df, X: (df, df),
        {},
        ["it has stamps before", "Is it the frame itself?", "2024-02-09", "The target column 'y' cannot explain"],
        None,
    ),
    "X_df in place of the frame": (lambda df, X: (X, X), {}, ["The frame has no target column 'y'"], None),
    "a feature of the calendar as well": (
        lambda df, X: (df.assign(month=1), X.assign(month=2)),
        {"date_features": ["month"]},
        ["feature of the calendar has the name of another covariate, 'month'"],
        {"date_features": ["day"]},
    ),
    "a name of the answer": (
        lambda df, X: (df.assign(TimeGPT=1.0), X.assign(TimeGPT=2.0)),
        {"feature_contributions": True},
        ["'TimeGPT' is the name of another of its columns"],
        None,
    ),
    "several things": (
        lambda df, X: (df, X[~rows(X, "b", 2)].assign(prise=1, price=np.inf)),
        {"hist_exog_list": ["kind", "tmp"]},
        ["4 problems", "1. A column is known ahead", "2. The frame has no column 'prise'", "3. The frame has no column",
         "4. X_df must have the 3 steps"],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_by_its_name(name):
    build, arguments, phrases, _ = BAD[name]
    error = refusal(*build(history(), future()), **arguments)
    for phrase in phrases:
        assert phrase in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("name", [name for name, case in BAD.items() if case[3] is not None])
def test_its_remedy_works(name):
    build, arguments, _, remedy = BAD[name]
    df, X_df = build(history(), future())
    if isinstance(remedy, str):
        assert remedy in str(refusal(df, X_df, **arguments))
        names = {"df": df, "X_df": X_df, "pd": pd}
        exec(remedy, names)
        df, X_df = names["df"], names["X_df"]
        remedy = {}
    shorten = remedy.pop("X", lambda X: X) if isinstance(remedy, dict) and "X" in remedy else lambda X: X
    assert is_packed(df, shorten(X_df), **{**arguments, **remedy})


@pytest.mark.parametrize("name", ["a stamp twice", "stamps before the horizon", "a series that the frame lacks"])
@pytest.mark.parametrize("levels", [["ds"], ["unique_id", "ds"]])
def test_a_remedy_works_where_ids_and_times_are_in_the_index(name, levels):
    df, X_df = BAD[name][0](history(), future())
    df, X_df = df.set_index(levels), X_df.set_index(levels)
    message = str(refusal(df, X_df))
    line = message[message.index("X_df = ") :].rstrip(".")
    names = {"df": df, "X_df": X_df, "pd": pd}
    exec(line, names)
    assert is_packed(df, names["X_df"])


class Polars:
    """Stands for a frame of polars, which is not installed."""


Polars.__module__, Polars.__qualname__, Polars.__name__ = "polars.dataframe.frame", "DataFrame", "DataFrame"


@pytest.mark.parametrize(
    ("X_df", "said"),
    [
        (dd.from_pandas(future(), npartitions=1), "got one of Dask: X_df.compute()."),
        (Polars(), "got a polars DataFrame: X_df.to_pandas()."),
        (future()["price"], "got a pandas Series."),
        ({"price": [1]}, "got a dict."),
        (np.zeros(3), "got a numpy ndarray."),
    ],
)
def test_a_frame_of_another_library_is_refused(X_df, said):
    with pytest.raises(errors.InvalidArgumentError, match="X_df must be a pandas DataFrame") as caught:
        ask(history(), X_df)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hist_exog_list": "temp"}, "hist_exog_list must be a list of columns, such as hist_exog_list=['price']"),
        ({"date_features": ["mont"]}, "'mont' is none. Did you mean 'month'?"),
        ({"date_features": [3]}, "got 3"),
        ({"date_features": []}, "got []"),
        ({"date_features": [lambda stamps: [1]]}, "must return one value for each of the 43 stamps; it returned 1 val"),
        ({"date_features": [lambda stamps: stamps]}, "must return numbers, bools or text"),
        ({"date_features": [lambda stamps: np.full(len(stamps), np.nan)]}, "must return a finite value for each stamp"),
        ({"holidays": "XX"}, "holidays must be codes of countries, such as 'US'"),
        ({"holidays": "DE-XX"}, "got 'DE-XX'"),
        ({"holidays": True}, "holidays must be countries"),
        ({"holidays": {"US": "x"}}, "for each the days around a holiday, such as {'US': 1}"),
        ({"feature_contributions": "yes"}, "feature_contributions must be True or False"),
        ({"add_history": 1}, "add_history must be True or False"),
    ],
)
def test_a_wrong_argument_is_refused(arguments, said):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        ask(history(), None, **arguments)
    assert said in str(caught.value)


def test_contributions_need_covariates():
    with pytest.raises(errors.InvalidArgumentError, match="Name some: X_df, hist_exog_list"):
        ask(history(), None, feature_contributions=True)
    with pytest.raises(errors.InvalidArgumentError, match="Name some: X_df, hist_exog_list"):
        ask(history(), None, hist_exog_list=[], feature_contributions=True)


def test_categories_that_the_past_never_had_are_warned_of():
    with pytest.warns(errors.UnseenCategoryWarning, match="'kind' has categories in X_df .* never has: 'new'"):
        is_packed(history(), other_values(future(), 0, "kind", "new"))


def test_integer_time_has_no_calendar():
    df = history().assign(ds=[*range(40)] * 4)
    with pytest.raises(errors.InvalidArgumentError, match="the times are integers"):
        ask(df, None, date_features=True)


def test_holidays_are_days():
    df = history().assign(ds=[*pd.date_range("2020-01-05", periods=40, freq="W")] * 4)
    with pytest.raises(errors.InvalidArgumentError, match="a step of the frequency 'W-SUN' covers several"):
        ask(df, None, holidays="US")


def test_dates_are_no_datetimes():
    df = history()
    X_df = future().assign(ds=[stamp.date() for stamp in future()["ds"]])
    message = str(refusal(df, X_df))
    assert "found dates (object)" in message
    names = {"X_df": X_df, "pd": pd}
    exec(message[message.index("X_df['ds'] = ") :].rstrip("."), names)
    assert is_packed(df, names["X_df"])
    assert isinstance(X_df["ds"].iloc[0], dt.date)


# ---------------------------------------------------------------- audits

# of each bad frame, the kinds and the series that an audit lists, where it is not refused before
AUDITED = {
    "a stamp that is missing": [("missing future stamp", "b", 1)],
    "a stamp twice": [("duplicate future stamp", "c", 1)],
    "a stamp off the grid": [("off-grid future stamp", "a", 1), ("missing future stamp", "a", 1)],
    "stamps beyond the horizon": [("stamp beyond the horizon", name, 1) for name in "abcd"],
    "stamps before the horizon": [("stamp before the horizon", "a", 1)],
    "a series that X_df lacks": [("missing future series", "d", 3)],
    "a series that the frame lacks": [("unknown future series", "z", 3)],
    "a column that the frame lacks": [("missing column", None, 1)],
    "a value that is missing": [("missing covariate", "c", 1)],
    "a value that is missing in the past": [("missing covariate", "b", 1)],
    "an infinite value": [("infinite covariate", "d", 1)],
    "a column in both lists": [("misused column", None, 1)],
    "a column twice in a list": [("duplicate column", None, 1)],
    "the target": [("misused column", None, 1)],
    "no rows": [("missing future series", name, 3) for name in "abcd"],
    "values that are neither, in the past": [("unsupported dtype", None, 1)],
    "times as text": [("unsupported dtype", None, 1)],
}


def refused(found):
    listed = found[found["refused"]]
    return [
        (kind, None if pd.isna(series) else series, number)
        for kind, series, number in listed[["kind", "series", "count"]].itertuples(index=False)
    ]


@pytest.mark.parametrize("name", AUDITED)
@pytest.mark.parametrize("library", ["pandas", pytest.param("dask", marks=pytest.mark.dask)])
def test_an_audit_lists_it(name, library):
    df, X_df = BAD[name][0](history(), future())
    arguments = {"X_df": X_df, "h": H, "hist_exog_list": BAD[name][1].get("hist_exog_list")}
    if library == "dask":
        found = dd.from_pandas(df, npartitions=3).timegpt.audit(**arguments)
    else:
        found = df.timegpt.audit(**arguments)
    assert refused(found) == AUDITED[name]


def test_an_audit_finds_nothing_in_good_frames():
    found = history().timegpt.audit(X_df=future(), h=H, hist_exog_list=["temp"])
    assert found.empty


def test_columns_that_are_named_are_used():
    def unused(**arguments):
        found = history().timegpt.audit(**arguments)
        return found.loc[found["kind"] == "unused column", "column"].tolist()

    assert unused() == ["price", "kind", "temp"]
    assert unused(futr_exog_list=["price"]) == ["kind", "temp"]
    assert unused(X_df=future(), h=H, hist_exog_list=["temp"]) == []


def test_a_frame_that_cannot_be_packed_is_audited_first():
    found = history().drop(index=5).timegpt.audit(X_df=future().assign(prise=1, price=np.inf), h=H)
    assert refused(found) == [("gap", "a", 1), ("missing column", None, 1)]


def test_an_audit_of_a_future_needs_its_length():
    with pytest.raises(errors.InvalidArgumentError, match="add h=…"):
        history().timegpt.audit(X_df=future())
    with pytest.raises(errors.InvalidArgumentError, match="give X_df or futr_exog_list"):
        history().timegpt.audit(X_df=future(), h=H, futr_exog_list=["price"])


def test_nothing_is_warned_of_good_frames():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_packed(history(), future(), hist_exog_list=["temp"])


assert nixtla_accessor.dask  # registers ddf.timegpt
