"""Covariates from a frame to the local engine and back."""

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import connect, errors

H = 14
N = 120 + H
DAYS = pd.date_range("2024-01-01", periods=N)


@pytest.fixture(autouse=True, scope="module")
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


@pytest.fixture(scope="module")
def frames():
    """Return the history and the future of series of which promotions and prices are most."""
    rng = np.random.default_rng(5)
    parts = []
    for number in range(6):
        promo, price = rng.random(N) < 0.2, 10 + rng.normal(size=N)
        sales = (
            50 + 10 * number + 5 * np.sin(2 * np.pi * np.arange(N) / 7) + 30 * promo - 4 * price + rng.normal(size=N)
        )
        place = np.where(promo, "front", "back")
        parts.append(pd.DataFrame({"unique_id": f"s{number}", "ds": DAYS, "y": sales, "promo": promo, "price": price}))
        parts[-1]["place"] = place
    whole = pd.concat(parts, ignore_index=True)
    known = whole["ds"] < DAYS[-H]
    return whole[known].reset_index(drop=True), whole[~known].reset_index(drop=True)


def error(ahead, future):
    both = ahead.merge(future, on=["unique_id", "ds"], suffixes=("_effect", ""))
    return float((both["TimeGPT"] - both["y"]).abs().mean())


@pytest.mark.parametrize("column", ["promo", "place"])
def test_they_make_the_forecast_better(frames, column):
    history, future = frames
    X_df = future[["unique_id", "ds", "price", column]]
    alone = history.timegpt.forecast(H, zero_shot=True)
    explained = history.timegpt.forecast(H, X_df=X_df, zero_shot=True)
    assert error(explained, future) < 0.4 * error(alone, future)


def test_contributions_sum_to_the_forecast_and_find_the_promotion(frames):
    history, future = frames
    X_df = future.drop(columns=["y", "place"])
    ahead = history.timegpt.forecast(
        H, X_df=X_df, date_features=["day"], feature_contributions=True, level=[80], zero_shot=True
    )
    parts = ["promo", "price", "day", "base_value"]
    assert list(ahead.columns[-4:]) == parts
    np.testing.assert_allclose(ahead[parts].sum(axis=1), ahead["TimeGPT"])
    is_promo = future.sort_values(["unique_id", "ds"])["promo"].to_numpy()
    effect = ahead.loc[is_promo, "promo"].mean() - ahead.loc[~is_promo, "promo"].mean()
    assert effect == pytest.approx(30, abs=3)


def test_history_comes_with_contributions(frames):
    history, future = frames
    X_df = future.drop(columns=["y", "place"])
    ahead = history.timegpt.forecast(H, X_df=X_df, add_history=True, feature_contributions=True, zero_shot=True)
    past = ahead[ahead["ds"] < DAYS[-H]]
    assert len(past) > 6 * 60
    np.testing.assert_allclose(ahead[["promo", "price", "base_value"]].sum(axis=1), ahead["TimeGPT"])


def test_a_model_tuned_without_them_forecasts_with_them(frames):
    history, future = frames
    tuned = history.copy().timegpt.finetune(finetune_steps=5)
    explained = tuned.timegpt.forecast(H, X_df=future.drop(columns="y"))
    assert error(explained, future) < 0.4 * error(tuned.timegpt.forecast(H), future)
    assert explained.timegpt.model_id == tuned.timegpt.model_id


def test_a_higher_price_is_another_forecast(frames):
    history, future = frames
    X_df = future[["unique_id", "ds", "price", "promo"]]
    ahead = history.timegpt.forecast(H, X_df=X_df, zero_shot=True)
    dearer = history.timegpt.forecast(H, X_df=X_df.assign(price=X_df["price"] + 1), zero_shot=True)
    assert (dearer["TimeGPT"] - ahead["TimeGPT"]).mean() == pytest.approx(-4, abs=1.5)


def test_did_they_help(frames):
    history, _ = frames
    table = history.timegpt.compare(H, futr_exog_list=["price", "promo"], finetune_steps=2)
    assert table.loc["zero-shot + covariates", "MASE"] < 0.5 * table.loc["zero-shot", "MASE"]
    assert "The covariates helped" in repr(table)


def test_windows_and_anomalies(frames):
    history, _ = frames
    chosen = {"futr_exog_list": ["place"], "hist_exog_list": ["price"], "zero_shot": True}
    windows = history.timegpt.cross_validation(H, n_windows=2, **chosen)
    assert len(windows) == 6 * 2 * H
    strange = history.assign(y=history["y"].mask(history.index == 100, 500.0))
    found = strange.timegpt.detect_anomalies(**chosen)
    assert found.loc[found["y"] == 500.0, "anomaly"].all()


@pytest.mark.parametrize("add_history", [False, True])
def test_a_time_without_holidays_has_nothing_but_the_base_value(add_history):
    df = pd.DataFrame({"ds": pd.date_range("2024-03-05", periods=30), "y": np.arange(30.0) % 7})
    asked = {"holidays": "US", "feature_contributions": True, "zero_shot": True, "add_history": add_history}
    ahead = df.timegpt.forecast(3, **asked)
    assert ahead.columns.tolist()[-2:] == ["TimeGPT", "base_value"]
    assert ahead["base_value"].tolist() == ahead["TimeGPT"].tolist()
    wanted = df.timegpt.forecast(3, zero_shot=True, add_history=add_history)
    pd.testing.assert_series_equal(ahead["TimeGPT"], wanted["TimeGPT"])


@pytest.mark.parametrize("covariates", [{}, {"date_features": ["month"], "feature_contributions": True}], ids=str)
def test_series_of_one_value_have_no_history_to_forecast(covariates):
    df = pd.DataFrame({"unique_id": ["a", "b"], "ds": pd.Timestamp("2024-03-05"), "y": [1.0, 2.0]})
    asked = {"freq": "D", "level": [80], "zero_shot": True, **covariates}
    both = df.timegpt.forecast(2, add_history=True, **asked)
    pd.testing.assert_frame_equal(both, df.timegpt.forecast(2, **asked), check_dtype=False)


def test_x_df_that_reaches_further_for_some_series_has_rows_that_a_shorter_horizon_does_not_need(frames):
    history, X_df = frames[:2]
    uneven = X_df.drop(index=X_df.index[-1])
    with pytest.raises(errors.CovariateError, match=r"for all: h=13, without the rows of later steps\.$"):
        history.timegpt.forecast(H, X_df=uneven.drop(columns="y"), zero_shot=True)
