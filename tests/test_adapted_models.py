"""Models adapted for one call: fine-tuned without being kept, beside models that are; and settings that go along."""

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import connect, errors
from nixtla_accessor.api import parts
from nixtla_accessor.api.adaptation import check_adaptation
from nixtla_accessor.api.requests import (
    check_anomaly_options,
    check_cross_validation_options,
    check_forecast_options,
    check_series,
)

TUNING = {"finetune_steps": 20, "finetune_depth": 5, "finetune_loss": "mae"}


@pytest.fixture(autouse=True, scope="module")
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


def panel(n_series=4, length=240):
    """Make waves whose lengths are no whole numbers of days: no season repeats, so that tuning changes the model."""
    rng = np.random.default_rng(0)
    step = 2 * np.pi * np.arange(length)
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{i}",
                "ds": pd.date_range("2024-01-01", periods=length),
                "y": 50 + 10 * (np.sin(step / 11.3 + i) + np.sin(step / 8.6 + 2 * i)) + 0.3 * rng.normal(size=length),
            }
        )
        for i in range(n_series)
    ]
    return pd.concat(parts, ignore_index=True)


def forecasts(frame):
    return frame.filter(like="TimeGPT").to_numpy()


class TestTuningForOneCall:
    def test_a_forecast_is_that_of_a_model_tuned_alike(self):
        df = panel()
        once = df.timegpt.forecast(9, level=[80], **TUNING)
        assert once.timegpt.model_id is None
        kept = df.copy().timegpt.finetune(**TUNING).timegpt.forecast(9, level=[80])
        np.testing.assert_allclose(forecasts(once), forecasts(kept), rtol=1e-5)
        assert not np.allclose(forecasts(once), forecasts(df.timegpt.forecast(9, level=[80], zero_shot=True)))

    def test_it_starts_from_the_base_model_whatever_is_attached(self):
        df = panel()
        expected = df.timegpt.forecast(9, **TUNING)
        attached = df.copy().timegpt.finetune(**TUNING)
        pd.testing.assert_frame_equal(attached.timegpt.forecast(9, **TUNING), expected)
        further = attached.timegpt.forecast(9, finetuned_model_id=attached.timegpt.model_id, **TUNING)
        assert not np.allclose(forecasts(further), forecasts(expected))

    def test_each_window_is_tuned_for_on_what_comes_before_it(self):
        df = panel()
        windows = df.timegpt.cross_validation(9, n_windows=2, **TUNING)
        for cutoff, window in windows.groupby("cutoff"):
            expected = df[df["ds"] <= cutoff].timegpt.forecast(9, **TUNING)
            np.testing.assert_allclose(forecasts(window), forecasts(expected), rtol=1e-4)

    def test_without_refit_all_windows_have_the_model_of_the_first(self):
        df = panel()
        windows = df.timegpt.cross_validation(9, n_windows=2, refit=False, **TUNING)
        first, second = sorted(windows["cutoff"].unique())
        tuned = df[df["ds"] <= first].timegpt.finetune(**TUNING)
        expected = df[df["ds"] <= second].timegpt.forecast(9, finetuned_model_id=tuned.timegpt.model_id)
        np.testing.assert_allclose(forecasts(windows[windows["cutoff"] == second]), forecasts(expected), rtol=1e-4)

    def test_a_history_is_tuned_for_too(self):
        df = panel(2)
        whole = df.timegpt.forecast(9, add_history=True, **TUNING)
        ahead = df.timegpt.forecast(9, **TUNING)
        pd.testing.assert_frame_equal(whole.groupby("unique_id").tail(9).reset_index(drop=True), ahead)
        assert len(whole) > 400

    def test_it_is_no_use_of_a_model_that_was_tuned_on_the_windows(self, recwarn):
        df = panel().timegpt.finetune(finetune_steps=1)
        df.timegpt.cross_validation(9, **TUNING)
        assert not [each for each in recwarn if issubclass(each.category, errors.DataLeakageWarning)]

    def test_the_client_tunes_arrays_alike(self, local):
        df = panel(2)
        arrays = (df["y"], [240, 240], "D")
        ahead = local.forecast(*arrays, 9, **TUNING)
        np.testing.assert_allclose(ahead.mean, df.timegpt.forecast(9, **TUNING)["TimeGPT"], rtol=1e-5)
        windows = local.cross_validation(*arrays, 9, refit=False, **TUNING)
        expected = df.timegpt.cross_validation(9, refit=False, **TUNING)["TimeGPT"]
        np.testing.assert_allclose(windows.mean, expected, rtol=1e-5)
        asked = {"method": "online", "detection_size": 9, "h": 9}
        found = local.detect_online_anomalies(*arrays, 9, 9, **TUNING)
        expected = df.timegpt.detect_anomalies(**asked, **TUNING)["anomaly_score"]
        np.testing.assert_allclose(found.anomaly_score, expected, rtol=1e-3, atol=1e-3)
        with pytest.raises(errors.UnprocessableError, match="model parameters"):
            local.detect_anomalies(*arrays, model_parameters={"a": 1})

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"finetune_steps": -1}, "finetune_steps must be a whole number above -1"),
            ({"finetune_steps": 5, "zero_shot": True}, "Give one of the two"),
            ({"finetune_depth": 3}, "finetune_steps=10, or leave finetune_depth out"),
            ({"finetune_loss": "mae"}, "finetune_steps=10, or leave finetune_loss out"),
            ({"finetune_steps": 5, "finetune_depth": 6}, "finetune_depth must be a whole number from 1 to 5"),
            ({"finetune_steps": 5, "finetune_loss": "smap"}, "did you mean 'smape'"),
            ({"multivariate": 1}, "multivariate must be True or False"),
            ({"model_parameters": [1]}, "model_parameters must be a dict"),
            ({"model_parameters": {"a": object()}}, "model_parameters must be a dict"),
            ({"model_parameters": {1: 2}}, "model_parameters must be a dict"),
        ],
    )
    def test_wrong_arguments_are_refused(self, arguments, said):
        for ask in ("forecast", "cross_validation"):
            with pytest.raises(errors.InvalidArgumentError, match=said):
                getattr(panel().timegpt, ask)(3, **{"zero_shot": "finetune_steps" not in arguments} | arguments)

    def test_refit_is_a_flag(self):
        with pytest.raises(errors.InvalidArgumentError, match="refit must be True or False"):
            panel().timegpt.cross_validation(3, refit="no", zero_shot=True)


class TestSettingsOfOtherModels:
    @pytest.mark.parametrize("ask", ["forecast", "cross_validation", "detect_anomalies"])
    @pytest.mark.parametrize(
        ("settings", "said"),
        [({"multivariate": True}, "multivariate models"), ({"model_parameters": {"a": 1}}, "model parameters")],
    )
    def test_the_engine_says_that_it_has_none(self, ask, settings, said):
        h = () if ask == "detect_anomalies" else (3,)
        with pytest.raises(errors.UnprocessableError, match=f"does not support {said}"):
            getattr(panel().timegpt, ask)(*h, zero_shot=True, **settings)

    def test_they_are_in_the_request(self):
        adaptation = check_adaptation(multivariate=True, model_parameters={"depth": 3})
        series = check_series(np.arange(5), np.array([5]))
        for options in (
            check_forecast_options(h=2, adaptation=adaptation),
            check_cross_validation_options(h=2, adaptation=adaptation),
            check_anomaly_options(adaptation=adaptation),
        ):
            sent = options.make_request(series, "D")
            assert (sent.multivariate, sent.model_parameters) == (True, {"depth": 3})


class TestQuantilesOfWindows:
    def test_they_are_those_of_the_forecast_from_each_cutoff(self):
        df = panel(2)
        windows = df.timegpt.cross_validation(4, n_windows=2, quantiles=[0.9, 0.025, 0.5], zero_shot=True)
        names = ["TimeGPT", "TimeGPT-q-2.5", "TimeGPT-q-50", "TimeGPT-q-90"]
        assert list(windows.columns) == ["unique_id", "ds", "cutoff", "y", *names]
        for cutoff, window in windows.groupby("cutoff"):
            known = df[df["ds"] <= cutoff]
            expected = known.timegpt.forecast(4, quantiles=[0.9, 0.025, 0.5], zero_shot=True)
            np.testing.assert_allclose(window[names], expected[names], rtol=1e-4)

    def test_level_and_quantiles_exclude_each_other(self):
        with pytest.raises(errors.InvalidArgumentError, match="level or quantiles, not both"):
            panel(1).timegpt.cross_validation(4, level=[80], quantiles=[0.1], zero_shot=True)


class TestParts:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda df: df.timegpt.cross_validation(4, n_windows=3, step_size=2, level=[80], zero_shot=True),
            lambda df: df.timegpt.detect_anomalies(zero_shot=True),
            lambda df: df.timegpt.detect_anomalies(method="online", detection_size=10, zero_shot=True),
            lambda df: df.timegpt.forecast(4, add_history=True, zero_shot=True),
        ],
        ids=["cross-validation", "anomalies", "online anomalies", "history"],
    )
    def test_the_answer_is_that_of_one_request(self, monkeypatch, ask):
        df = pd.concat([panel(5, 60), panel(3, 45).assign(unique_id=lambda df: "t" + df["unique_id"])])
        whole = ask(df)
        monkeypatch.setattr(parts, "MAX_VALUES", 150)
        pd.testing.assert_frame_equal(ask(df), whole, rtol=1e-4, atol=1e-3)

    def test_what_concerns_all_series_is_asked_in_one(self, monkeypatch):
        df = panel(6, 100)
        tuned = df.timegpt.forecast(4, **TUNING)
        together = {"method": "online", "detection_size": 10, "threshold_method": "multivariate", "zero_shot": True}
        judged = df.timegpt.detect_anomalies(**together)
        monkeypatch.setattr(parts, "MAX_VALUES", 100)
        pd.testing.assert_frame_equal(df.timegpt.forecast(4, **TUNING), tuned)
        pd.testing.assert_frame_equal(df.timegpt.detect_anomalies(**together), judged)

    def test_a_refused_value_is_named_in_the_whole(self, monkeypatch):
        monkeypatch.setattr(parts, "MAX_VALUES", 100)
        df = panel(6, 60).assign(price=1.0)
        df.loc[200, "price"] = np.nan
        with pytest.raises(errors.TimeGPTError, match="'s3'"):
            df.timegpt.cross_validation(4, futr_exog_list=["price"], zero_shot=True)
