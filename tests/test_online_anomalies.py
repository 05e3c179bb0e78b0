"""Anomalies among the last values of each series, judged by the errors before them."""

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import connect, errors
from nixtla_accessor.api.client import Client


@pytest.fixture(autouse=True)
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


def panel(n_series=6, length=300, seed=0):
    y = 100 + np.random.default_rng(seed).normal(size=(n_series, length))
    stamps = pd.date_range("2024-01-01", periods=length, freq="D")
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{i}" for i in range(n_series)], length),
            "ds": np.tile(stamps, n_series),
            "y": y.ravel(),
        }
    )


def online(df, **arguments):
    return df.timegpt.detect_anomalies(**{"method": "online", "detection_size": 20, "zero_shot": True} | arguments)


def test_the_last_values_are_examined_and_what_stands_out_is_found():
    df = panel()
    df.loc[[290, 595], "y"] += [15, -15]
    found = online(df.sample(frac=1, random_state=0))
    assert list(found.columns) == [
        *("unique_id", "ds", "y", "TimeGPT", "TimeGPT-lo-99", "TimeGPT-hi-99", "anomaly", "anomaly_score")
    ]
    expected = df.groupby("unique_id").tail(20)[["unique_id", "ds", "y"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[["unique_id", "ds", "y"]], expected)
    outside = (found["y"] < found["TimeGPT-lo-99"]) | (found["y"] > found["TimeGPT-hi-99"])
    assert outside.equals(found["anomaly"])
    planted = found[found["ds"].isin(df.loc[[290, 595], "ds"]) & found["anomaly"]]
    assert (planted["anomaly_score"].abs() > 5).sum() == 2
    assert np.sign(planted.set_index("unique_id")["anomaly_score"][["s0", "s1"]]).tolist() == [1, -1]
    assert found["anomaly"].mean() < 0.1


def test_scores_of_usual_values_are_standard_deviations():
    found = online(panel(20, 400, seed=4), detection_size=60, level=80)
    assert 0.8 < found["anomaly_score"].std() < 1.2
    assert 0.13 < found["anomaly"].mean() < 0.27


def test_an_anomaly_within_the_values_examined_does_not_widen_what_is_usual():
    df = panel(1)
    before = online(df)
    df.loc[df.index[-1], "y"] += 50
    after = online(df)
    assert after["TimeGPT-hi-99"].iloc[-1] == pytest.approx(before["TimeGPT-hi-99"].iloc[-1])
    assert after["anomaly"].iloc[-1]


def test_related_series_are_judged_together():
    df = panel(10)
    at = df["ds"] == df["ds"].max()
    df.loc[at, "y"] += np.where(np.arange(10) % 2, 2.0, -2.0)  # little for each
    alone, together = online(df), online(df, threshold_method="multivariate")
    scores = together.pivot(index="ds", columns="unique_id", values="accumulated_anomaly_score")
    assert (scores.nunique(axis=1) == 1).all()
    assert scores.iloc[-1, 0] > 3
    last = together["ds"] == df["ds"].max()
    assert together.loc[last, "anomaly"].all()
    assert alone.loc[last, "anomaly"].mean() < 0.5
    pd.testing.assert_series_equal(together["anomaly_score"], alone["anomaly_score"])


def test_series_of_unequal_length_cannot_be_judged_together():
    df = panel(3).drop(index=range(30))
    with pytest.raises(errors.InvalidFrameError, match=r"'s0' has 270 and .*'s1' has 300") as caught:
        online(df, threshold_method="multivariate")
    assert len(online(df, threshold_method="univariate")) == 60
    assert "threshold_method='univariate'" in str(caught.value)


def test_series_that_are_too_short_are_named_or_left_out():
    df = panel(3).drop(index=range(285))
    with pytest.raises(errors.InvalidFrameError, match=r"The last 20 values are examined: .* 21 values; .*'s0' has 15"):
        online(df)
    with pytest.warns(errors.ShortSeriesWarning):
        assert online(df, too_short="drop")["unique_id"].unique().tolist() == ["s1", "s2"]


@pytest.mark.parametrize(
    "y",
    [
        np.full(60, 3.0),
        np.zeros(60),
        np.append(np.zeros(59), 1.0),
        np.append(np.sin(np.arange(58.0)), [np.nan, np.nan]),
    ],
    ids=["constant", "zero", "zero but the last", "missing at the end"],
)
def test_every_series_has_finite_scores(y):
    df = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": y})
    found = online(df, detection_size=4, allow_missing=True, threshold_method="multivariate")
    assert np.isfinite(found[["anomaly_score", "TimeGPT", "TimeGPT-lo-99", "TimeGPT-hi-99"]]).all(axis=None)
    assert not found["anomaly"].iloc[:2].any()
    assert found["anomaly"].iloc[-1] == (y[-1] == 1)


@pytest.mark.parametrize("step_size", [1, 3, 7])
def test_each_value_is_judged_by_the_latest_forecast_of_it(step_size):
    df = panel(2, 120)
    found = online(df, h=7, step_size=step_size, detection_size=14)
    windows = df.timegpt.cross_validation(7, step_size=step_size, n_windows=30 // step_size, zero_shot=True)
    latest = windows.drop_duplicates(["unique_id", "ds"], keep="last").set_index(["unique_id", "ds"])["TimeGPT"]
    np.testing.assert_allclose(
        found["TimeGPT"], latest[pd.MultiIndex.from_frame(found[["unique_id", "ds"]])], rtol=1e-6
    )


def test_windows_are_a_season_long_unless_said(recwarn):
    df = panel(2, 120)
    pd.testing.assert_frame_equal(online(df), online(df, h=7))
    pd.testing.assert_frame_equal(online(df, detection_size=3), online(df, detection_size=3, h=3))


def test_windows_that_leave_values_out_are_refused():
    with pytest.raises(errors.UnprocessableError, match="step_size of at most h"):
        online(panel(1), h=2, step_size=3)


def test_it_can_fine_tune_for_the_call():
    df = panel(4, 240).assign(y=lambda df: 10.0 * (df.index % 9))  # a pattern that is no season of days
    as_it_is, tuned = online(df), online(df, zero_shot=False, finetune_steps=60, finetune_depth=5)
    assert "timegpt" not in tuned.attrs
    assert not np.array_equal(as_it_is["TimeGPT"], tuned["TimeGPT"])


def test_it_uses_and_keeps_the_attached_model():
    df = panel(2, 120).timegpt.finetune(finetune_steps=5)
    assert online(df, zero_shot=False).timegpt.model_id == df.timegpt.model_id


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"detection_size": None}, "detection_size=30"),
        ({"detection_size": 0}, "detection_size must be a whole number above 0"),
        ({"method": "live"}, "'batch' or 'online'; got 'live'"),
        ({"method": "batch"}, "detection_size is for the online method"),
        ({"method": "batch", "detection_size": None, "h": 3}, "h is for the online method"),
        ({"threshold_method": "both"}, "'univariate'.*'multivariate'.*got 'both'"),
        ({"too_short": "skip"}, "'raise' or 'drop'"),
        ({"refit": 1}, "refit must be True or False"),
        ({"method": "batch", "detection_size": None, "finetune_steps": 3}, "is for method='online'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises(errors.InvalidArgumentError, match=said):
        online(panel(1), **arguments)


def test_more_values_than_there_are_cannot_be_examined():
    with pytest.raises(
        errors.InvalidFrameError, match=r"must have at least 1001 values; .* Give a smaller detection_size"
    ):
        online(panel(1), detection_size=1_000)


def test_names_of_the_answer_are_not_the_frames():
    df = panel(1).rename(columns={"unique_id": "anomaly_score"})
    with pytest.raises(errors.InvalidArgumentError, match="anomaly_score"):
        online(df, id_col="anomaly_score")


def test_the_client_answers_for_arrays(local: Client):
    df = panel(4, 200)
    result = local.detect_online_anomalies(df["y"], [200] * 4, "D", 7, 20, threshold_method="multivariate")
    found = online(df, h=7, threshold_method="multivariate")
    np.testing.assert_array_equal(result.anomaly_score, found["anomaly_score"])
    np.testing.assert_array_equal(result.accumulated_anomaly_score, found["accumulated_anomaly_score"])
    assert result.sizes.tolist() == [20] * 4
