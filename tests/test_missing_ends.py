"""Series that end with missing values: a forecast begins after them, and says so."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor import connect, errors


def panel(ends, length=30):
    """Make a frame of a series for each number of missing values at the end; each has a gap within as well."""
    stamps = pd.date_range("2024-01-01", periods=length)
    parts = []
    for number, n_missing in enumerate(ends):
        y = 10.0 * number + np.sin(np.arange(length))
        y[[3, *range(length - n_missing, length)]] = np.nan
        parts.append(pd.DataFrame({"unique_id": f"series {number}", "ds": stamps, "y": y}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(autouse=True, scope="module")
def local():
    with connect(base_url="local", progress=False):
        yield


ASK = {
    "forecast": lambda df: df.timegpt.forecast(2, zero_shot=True, allow_missing=True),
    "simulate": lambda df: df.timegpt.simulate(2, 3, seed=1, zero_shot=True, allow_missing=True),
}


@pytest.mark.parametrize("ask", ASK)
def test_the_series_are_named_with_the_first_missing_row_and_the_total(ask):
    df = panel([0, 1, 12, 2, 3])
    with pytest.warns(errors.MissingEndsWarning) as caught:
        ahead = ASK[ask](df)
    assert caught[0].filename == __file__
    assert (
        "missing at the end of 4 of 5 series, and the forecast begins after that: series 'series 1' from 2024-01-30, "
        "1 row; series 'series 2' from 2024-01-19, 12 rows; series 'series 3' from 2024-01-29, 2 rows and 1 more."
    ) in str(caught[0].message)
    assert ahead["ds"].min() == pd.Timestamp("2024-01-31")


@settings(max_examples=25, deadline=None)
@given(ends=st.lists(st.integers(0, 20), min_size=1, max_size=4), shuffle=st.booleans())
def test_the_remedy_begins_the_forecast_with_the_missing_rows(ends, shuffle):
    df = panel(ends)
    df = df.sample(frac=1, random_state=0) if shuffle else df
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ASK["forecast"](df)
    assert len(caught) == any(ends)
    if not any(ends):
        return
    code = str(caught[0].message).partition("begins with them: ")[2].partition(". What is known")[0]
    trimmed = eval(code, {"df": df})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ahead = ASK["forecast"](trimmed)
    known = df.dropna().groupby("unique_id")["ds"].max()
    pd.testing.assert_series_equal(
        ahead.groupby("unique_id")["ds"].min() - pd.Timedelta("1D"), known, check_names=False, check_dtype=False
    )


@pytest.mark.parametrize(
    "df", [panel([0, 0]), panel([0, 0]).fillna(0.0).astype({"y": int})], ids=["missing within", "integers"]
)
def test_there_is_no_warning_where_all_series_end_with_values(df):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ASK["forecast"](df)
