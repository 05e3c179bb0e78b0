"""Answers about the past: cross-validation, anomalies, and whether tuning helps."""

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import connect, errors
from nixtla_accessor.datasets import load_unemployment


@pytest.fixture(autouse=True)
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


def panel(lengths=(60, 45), freq="D", names=("unique_id", "ds", "y")):
    parts = []
    for i, length in enumerate(lengths):
        step = np.arange(length)
        y = 10 * (i + 1) + 2 * np.sin(2 * np.pi * step / 7) + np.random.default_rng(i).normal(0, 0.1, length)
        stamps = pd.date_range("2024-01-01", periods=length, freq=freq)
        parts.append(pd.DataFrame({names[0]: f"s{i}", names[1]: stamps, names[2]: y}))
    return pd.concat(parts, ignore_index=True)


class TestCrossValidation:
    @pytest.mark.parametrize("step_size", [None, 2, 9])
    def test_each_window_is_the_forecast_from_its_cutoff(self, step_size):
        df = panel()
        asked = {"n_windows": 3, "step_size": step_size, "level": [80], "model": "timegpt-1"}
        windows = df.sample(frac=1, random_state=0).timegpt.cross_validation(5, **asked)
        assert list(windows.columns) == [
            "unique_id",
            "ds",
            "cutoff",
            "y",
            "TimeGPT",
            "TimeGPT-lo-80",
            "TimeGPT-hi-80",
        ]
        assert len(windows) == 2 * 3 * 5
        for (name, cutoff), window in windows.groupby(["unique_id", "cutoff"]):
            series = df[df["unique_id"] == name]
            known, after = series[series["ds"] <= cutoff], series[series["ds"] > cutoff].head(5)
            forecast = known.timegpt.forecast(5, level=[80], model="timegpt-1")
            np.testing.assert_array_equal(window["ds"], after["ds"])
            np.testing.assert_array_equal(window["y"], after["y"])
            for column in ("TimeGPT", "TimeGPT-lo-80", "TimeGPT-hi-80"):
                np.testing.assert_allclose(window[column], forecast[column], rtol=1e-4)
        last = windows.groupby("unique_id")["ds"].max()
        assert (last == df.groupby("unique_id")["ds"].max()).all()

    def test_it_uses_the_attached_model(self):
        df = panel().timegpt.finetune(finetune_steps=60, finetune_depth=5)
        with pytest.warns(errors.DataLeakageWarning, match=r"rows up to 2024-02-29, .*timegpt.compare\(5\)"):
            windows = df.timegpt.cross_validation(5)
        assert windows.timegpt.model_id == df.timegpt.model_id
        with pytest.warns(errors.DataLeakageWarning):
            named = df.timegpt.cross_validation(5, finetuned_model_id=df.timegpt.model_id)
        pd.testing.assert_frame_equal(windows, named)

    def test_names_and_dtypes_are_the_callers(self):
        df = panel(names=("shop", "day", "sales")).astype({"shop": "category"})
        df["day"] = df["day"].dt.tz_localize("Europe/Berlin")
        df["sales"] = (df["sales"] * 10).round().astype("int64")
        windows = df.timegpt.cross_validation(
            4, n_windows=20, id_col="shop", time_col="day", target_col="sales", step_size=1, model="timegpt-1"
        )
        assert list(windows.columns) == ["shop", "day", "cutoff", "sales", "TimeGPT"]
        assert windows["day"].dtype == df["day"].dtype == windows["cutoff"].dtype
        assert windows["sales"].dtype == "int64"
        assert isinstance(windows["shop"].dtype, pd.CategoricalDtype)

    def test_a_series_that_is_too_short_is_named(self):
        with pytest.raises(errors.InvalidFrameError, match="'s1' has 9"):
            panel((60, 9)).timegpt.cross_validation(5, n_windows=2, model="timegpt-1")

    def test_series_that_are_too_short_are_left_out_by_name(self):
        df = panel((60, 9, 45, 3))
        expected = (
            panel((60, 9, 45)).query("unique_id != 's1'").timegpt.cross_validation(5, n_windows=2, zero_shot=True)
        )
        match = (
            "2 windows of 5 steps: 2 of 4 series have fewer than 11 values and are left out: .*'s1' has 9; .*'s3' has 3"
        )
        with pytest.warns(errors.ShortSeriesWarning, match=match):
            windows = df.timegpt.cross_validation(5, n_windows=2, too_short="drop", zero_shot=True)
        pd.testing.assert_frame_equal(windows, expected)

    def test_where_all_series_are_too_short_the_answer_is_empty(self):
        with pytest.warns(errors.ShortSeriesWarning):
            windows = panel((4, 3)).timegpt.cross_validation(5, freq="D", level=[80], too_short="drop", zero_shot=True)
        expected = panel().timegpt.cross_validation(5, level=[80], zero_shot=True)
        pd.testing.assert_frame_equal(windows, expected.head(0))

    def test_too_short_is_one_of_two_words(self):
        with pytest.raises(errors.InvalidArgumentError, match="too_short must be 'raise' or 'drop'; got 'skip'"):
            panel().timegpt.cross_validation(5, too_short="skip", zero_shot=True)

    @pytest.mark.parametrize("wrong", [{"n_windows": 0}, {"step_size": 0}, {"h": 0}, {"level": [100]}], ids=str)
    def test_wrong_arguments(self, wrong):
        with pytest.raises(errors.InvalidArgumentError):
            panel().timegpt.cross_validation(**{"h": 5, "model": "timegpt-1"} | wrong)


class TestAnomalies:
    def test_a_spike_is_found(self):
        df = panel()
        df.loc[50, "y"] += 20
        looked_at = df.timegpt.detect_anomalies(model="timegpt-1")
        assert list(looked_at.columns) == [
            "unique_id",
            "ds",
            "y",
            "TimeGPT",
            "TimeGPT-lo-99",
            "TimeGPT-hi-99",
            "anomaly",
        ]
        assert looked_at["anomaly"].dtype == bool
        odd = looked_at[looked_at["anomaly"]]
        assert (odd["unique_id"].iloc[0], odd["ds"].iloc[0]) == ("s0", df.loc[50, "ds"])
        outside = (looked_at["y"] < looked_at["TimeGPT-lo-99"]) | (looked_at["y"] > looked_at["TimeGPT-hi-99"])
        assert (outside == looked_at["anomaly"]).all()
        joined = looked_at.merge(df, on=["unique_id", "ds"], suffixes=("", "_sent"))
        assert len(joined) == len(looked_at)
        assert (joined["y"] == joined["y_sent"]).all()

    def test_the_level_names_the_columns(self):
        looked_at = panel().timegpt.detect_anomalies(level=97.5, model="timegpt-1")
        assert "TimeGPT-lo-97.5" in looked_at
        with pytest.raises(errors.InvalidArgumentError):
            panel().timegpt.detect_anomalies(level=[99], model="timegpt-1")


class TestCompare:
    def test_it_measures_what_it_says(self, local, capsys):
        df = panel()
        before = len(local.finetuned_models())
        table = df.timegpt.compare(5, n_windows=2, level=[80], finetune_steps=5)
        assert list(table.index) == ["seasonal naive", "zero-shot", "fine-tuned"]
        assert list(table.columns) == ["MASE", "RMSSE", "WAPE", "sMAPE", "RMSE", "bias", "pinball", "coverage-80"]
        assert len(local.finetuned_models()) == before
        assert repr(table).splitlines()[0] == table.attrs["comparison"]["verdict"]
        assert capsys.readouterr().out == ""
        assert table.attrs["comparison"]["n_series"] == 2

        windows = df.timegpt.cross_validation(5, n_windows=2, level=[80], model="timegpt-1")
        expected = []
        for name, window in windows.groupby("unique_id"):
            known = df[df["unique_id"] == name]["y"].to_numpy()[:-10]
            changes = [known[i] - known[i - 7] for i in range(7, len(known))]
            unit = np.mean(np.abs(changes))
            pairs = list(zip(window["y"], window["TimeGPT"], strict=True))
            root = np.sqrt(np.mean([(y - f) ** 2 for y, f in pairs]))
            bounds = [(0.1, window["TimeGPT-lo-80"]), (0.9, window["TimeGPT-hi-80"])]
            expected.append(
                {
                    "MASE": np.mean([abs(y - f) for y, f in pairs]) / unit,
                    "RMSSE": root / np.sqrt(np.mean(np.square(changes))),
                    "sMAPE": np.mean([200 * abs(y - f) / (abs(y) + abs(f)) for y, f in pairs]),
                    "RMSE": root,
                    "pinball": np.mean(
                        [
                            q * (y - f) if y > f else (1 - q) * (f - y)
                            for q, bound in bounds
                            for y, f in zip(window["y"], bound, strict=True)
                        ]
                    )
                    / unit,
                    "coverage-80": 100 * window["y"].between(window["TimeGPT-lo-80"], window["TimeGPT-hi-80"]).mean(),
                }
            )
        expected = pd.DataFrame(expected).mean()
        expected["WAPE"] = 100 * (windows["y"] - windows["TimeGPT"]).abs().sum() / windows["y"].abs().sum()
        expected["bias"] = 100 * (windows["TimeGPT"] - windows["y"]).sum() / windows["y"].abs().sum()
        pd.testing.assert_series_equal(table.loc["zero-shot"].sort_index(), expected.sort_index(), check_names=False)

    def test_the_seasonal_naive_repeats_the_week_before_each_window(self):
        df = panel()
        table = df.timegpt.compare(10, n_windows=2, by_series=True, finetune_steps=1)
        for name, series in df.groupby("unique_id"):
            y = series["y"].to_numpy()
            said = []
            for start in (len(y) - 20, len(y) - 10):
                said += [y[start - 7 + step % 7] for step in range(10)]
            unit = np.abs(y[7:-20] - y[:-27]).mean()
            mase = np.abs(np.array(said) - y[-20:]).mean() / unit
            np.testing.assert_allclose(table.loc[(name, "seasonal naive"), "MASE"], mase)

    def test_the_tuning_never_sees_the_hold_out(self):
        df, other = panel(), panel()
        other.loc[other.groupby("unique_id").tail(5).index, "y"] += 1000
        tuning = {"finetune_steps": 60, "finetune_depth": 5, "keep": True}
        models = [frame.timegpt.compare(5, **tuning).attrs["comparison"]["finetuned_model_id"] for frame in (df, other)]
        first, second = (df.timegpt.forecast(5, finetuned_model_id=model)["TimeGPT"] for model in models)
        np.testing.assert_array_equal(first, second)

    def test_by_series_has_every_series(self):
        table = panel().timegpt.compare(5, by_series=True, finetune_steps=1)
        assert list(table.index) == [
            (name, model) for name in ("s0", "s1") for model in ("seasonal naive", "zero-shot", "fine-tuned")
        ]
        assert table.index.names == ["unique_id", "model"]

    def test_the_verdict_counts_the_series(self):
        table = load_unemployment().timegpt.compare(12, finetune_steps=2)
        said = table.attrs["comparison"]
        assert said["n_series"] == 14
        assert said["n_better"] + said["n_worse"] <= 14
        assert said["verdict"].startswith("Tuning ")

    def test_series_that_never_change_cannot_be_measured(self):
        table = panel().assign(y=1.0).timegpt.compare(5, finetune_steps=1)
        assert table.attrs["comparison"]["verdict"].startswith("Tuning cannot be measured")

    def test_a_series_that_is_too_short_is_named(self):
        with pytest.raises(errors.InvalidFrameError, match="'s1' has 11"):
            panel((60, 11)).timegpt.compare(5, n_windows=2)

    def test_series_that_are_too_short_are_left_out_by_name(self):
        expected = panel().timegpt.compare(5, n_windows=2, by_series=True, finetune_steps=1)
        df = pd.concat([panel(), panel((60, 60, 11)).query("unique_id == 's2'")])
        with pytest.warns(errors.ShortSeriesWarning, match="1 of 3 series have fewer than 12 .*'s2' has 11"):
            table = df.timegpt.compare(5, n_windows=2, too_short="drop", by_series=True, finetune_steps=1)
        pd.testing.assert_frame_equal(table, expected)
        with pytest.raises(errors.InvalidFrameError, match="every series must have at least 12 values"):
            panel((4, 3)).timegpt.compare(5, freq="D", n_windows=2, too_short="drop")

    def test_on_failure_nothing_is_left_behind(self, local):
        before = len(local.finetuned_models())
        with pytest.raises(errors.InvalidArgumentError):
            panel().timegpt.compare(5, level=[100])
        assert len(local.finetuned_models()) == before
