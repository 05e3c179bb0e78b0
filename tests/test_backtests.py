"""Answers about the past: cross-validation, anomalies, and whether tuning helps."""

import contextlib
import http.server
import re
import threading

import numpy as np
import pandas as pd
import pytest
import requests

import nixtla_accessor
from nixtla_accessor import connect, errors
from nixtla_accessor.comparison.certainty import student_reach
from nixtla_accessor.comparison.verdict import find_difference, which_is_best
from nixtla_accessor.datasets import load_unemployment
from nixtla_accessor.local.service.embedded import start_engine


@pytest.fixture(autouse=True)
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


@contextlib.contextmanager
def engine_that_refuses(refused):
    """Yield a client of the engine behind a proxy that refuses all requests of one method."""
    engine = start_engine()

    class Proxy(http.server.BaseHTTPRequestHandler):
        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = 403, b'{"detail": "no deletions"}'
            if self.command != refused:
                answer = requests.request(
                    self.command, engine.base_url + self.path, data=body, headers=dict(self.headers), timeout=60
                )
                status, content = answer.status_code, answer.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = forward  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{proxy.server_port}"
            with nixtla_accessor.Client(api_key=engine.api_key, base_url=url, progress=False) as client:
                yield client
        finally:
            proxy.shutdown()
            thread.join()


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

    def test_the_verdict_says_why_tuning_changed_nothing(self):
        table = panel((11, 12)).timegpt.compare(2, finetune_steps=3)  # too short to tune on
        assert table.loc["fine-tuned"].equals(table.loc["zero-shot"])
        assert table.attrs["comparison"]["verdict"] == (
            "Tuning changed nothing: the forecasts are those of the base model, which is kept where no validation set "
            "shows a gain."
        )

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


class TestCandidates:
    def test_every_kind_has_a_row_in_the_order_given(self, local):
        df = panel()
        df["mine"] = df.groupby("unique_id")["y"].shift(7)
        model = df.query("ds < '2024-02-01'").timegpt.finetune().timegpt.model_id
        before = len(local.finetuned_models())
        candidates = {"last": model, "AutoETS": "mine", "base": "zero-shot", "tuned": {"finetune_steps": 2}}
        table = df.timegpt.compare(5, candidates=candidates)
        assert list(table.index) == ["seasonal naive", *candidates]
        assert len(local.finetuned_models()) == before
        plain = df.timegpt.compare(5, finetune_steps=2)
        same = ["zero-shot", "fine-tuned"]
        np.testing.assert_array_equal(table.loc[["base", "tuned"]], plain.loc[same])
        np.testing.assert_allclose(table.loc["AutoETS"], table.loc["seasonal naive"])
        lines = repr(table).splitlines()
        assert lines[0].startswith(f"{table['MASE'].idxmin()} is best: MASE {table['MASE'].min():.3f}")
        assert len(table.attrs["comparison"]["verdict"].splitlines()) == 5

    def test_a_model_that_cannot_be_deleted_is_named_in_a_warning(self):
        with engine_that_refuses("DELETE") as client:
            with pytest.warns(errors.TimeGPTWarning, match="tuned for the comparison, could not be deleted") as caught:
                table = panel().timegpt.compare(5, finetune_steps=1, client=client)
            assert list(table.index.get_level_values(0).unique()) == list(panel().timegpt.compare(5).index)
            [warning] = caught
            model_id = re.search(r"The model '(.*?)'", str(warning.message))[1]
            assert "(403): no deletions" in str(warning.message)
            assert warning.filename == __file__
            assert nixtla_accessor.finetuned_model(model_id).steps == 1
            eval(re.search(r"nixtla_accessor\.delete_finetuned_model\('.*?'\)", str(warning.message))[0])
            with pytest.raises(errors.NotFoundError):
                nixtla_accessor.finetuned_model(model_id)

    def test_a_list_names_its_candidates(self):
        table = panel().timegpt.compare(5, candidates=["zero-shot", {"finetune_steps": 1, "finetune_depth": 2}])
        assert list(table.index) == ["seasonal naive", "zero-shot", "finetune_steps=1, finetune_depth=2"]
        table = panel().timegpt.compare(5, candidates=["zero-shot", "seasonal naive", {"zero_shot": True}])
        assert list(table.index) == ["zero-shot", "seasonal naive", "zero_shot=True"]

    @pytest.mark.parametrize(
        ("candidates", "match"),
        [
            ("zero-shot", "must be a list such as"),
            ([], "must be a list such as"),
            ([None], "A candidate must be 'zero-shot', .* got None"),
            (["zero shot"], "got 'zero shot'"),
            (["y"], "is the id, the time or the target"),
            ([{"steps": 3}], "Found 'steps'"),
            ([{"zero_shot": True, "finetune_steps": 3}], "Found 'finetune_steps'"),
            ([{"finetune_depth": 9}], "finetune_depth must be"),
            (["zero-shot", "zero-shot"], "twice: 'zero-shot'"),
            ({1: "zero-shot"}, "must be text; got 1"),
            ({"seasonal naive": "zero-shot"}, "every comparison has; got it for 'zero-shot'. Give .* another name"),
            ({"seasonal naive": {"finetune_steps": 3}, "last": "seasonal naive"}, "got it for {'finetune_steps': 3}"),
        ],
        ids=str,
    )
    def test_what_is_no_candidate(self, candidates, match):
        with pytest.raises(errors.InvalidArgumentError, match=match):
            panel().timegpt.compare(5, candidates=candidates)

    def test_what_is_neither_a_column_nor_a_model(self):
        with pytest.raises(errors.NotFoundError, match="'nothing' is no column of the frame either"):
            panel().timegpt.compare(5, candidates=["nothing"])

    def test_a_column_must_cover_the_windows(self):
        df = panel()
        df["mine"] = df["y"].where(df.groupby("unique_id").cumcount(ascending=False) > 0)
        match = "'mine' must be there for the last 5 steps .*; 2 of 10 are missing: series 's0' at 2024-02-29"
        with pytest.raises(errors.MissingValueError, match=match):
            df.timegpt.compare(5, candidates=["mine"])
        with pytest.raises(errors.UnsupportedDtypeError, match="forecast 'words'"):
            df.assign(words="x").timegpt.compare(5, candidates=["words"])

    def test_a_column_is_read_in_any_order_with_its_intervals_and_without_short_series(self):
        df = panel((60, 45, 4))
        df["mine"], df["mine-lo-80"], df["mine-hi-80"] = df["y"] + 1, df["y"] - 2, df["y"] + 2
        asked = {"candidates": ["mine"], "level": [80, 90], "too_short": "drop", "freq": "D"}
        with pytest.warns(errors.ShortSeriesWarning):
            table = df.sample(frac=1, random_state=1).timegpt.compare(5, **asked)
        assert table.loc["mine", "coverage-80"] == 100
        np.testing.assert_allclose(table.loc["mine", "RMSE"], 1)
        assert "coverage-90" not in table
        assert table.loc["mine", "bias"] > 0

    def test_a_model_that_saw_the_windows_is_warned_about(self):
        df = panel().timegpt.finetune(finetune_steps=1)
        with pytest.warns(errors.DataLeakageWarning):
            df.timegpt.compare(5, candidates=[df.timegpt.model_id])

    def test_a_model_of_another_frequency_is_refused(self):
        model = panel().timegpt.finetune(finetune_steps=1).timegpt.model_id
        with pytest.raises(errors.NoModelError, match="tuned at the frequency 'D'"):
            panel(freq="h").timegpt.compare(5, candidates=[model])

    def test_the_best_is_kept_and_attached(self, local):
        df = panel()
        before = len(local.finetuned_models())
        tunings = {"a": {"finetune_steps": 60, "finetune_depth": 5}, "b": {"finetune_steps": 1}}
        table = df.timegpt.compare(5, n_windows=2, candidates=tunings, keep="best")
        best = table["MASE"].idxmin()
        assert list(table.attrs["comparison"]["kept"]) == [best]
        assert len(local.finetuned_models()) == before + 1
        tuned = df.timegpt.use_model(table)
        assert tuned.timegpt.record["finetune_steps"] == tunings[best]["finetune_steps"]
        assert len(tuned.timegpt.forecast(5)) == 10
        every = df.timegpt.compare(5, n_windows=2, candidates=tunings, keep=True)
        assert set(every.attrs["comparison"]["kept"]) == {"a", "b"}
        assert every.timegpt.model_id == every.attrs["comparison"]["kept"][best]

    def test_nothing_is_kept_where_the_best_is_no_tuned_model(self, local):
        df = panel()
        df["perfect"] = df["y"]
        before = len(local.finetuned_models())
        table = df.timegpt.compare(5, candidates=["perfect", "fine-tuned"], keep="best")
        assert table.attrs["comparison"]["best"] == "perfect"
        assert "kept" not in table.attrs["comparison"]
        assert table.timegpt.model_id is None
        assert len(local.finetuned_models()) == before
        with pytest.raises(errors.InvalidArgumentError, match="keep must be True, False or 'best'"):
            df.timegpt.compare(5, keep="all")


class TestCertainty:
    @pytest.mark.parametrize(
        ("confidence", "freedom", "expected"),
        [(0.95, 1, 12.70620), (0.95, 2, 4.302653), (0.99, 7, 3.499483), (0.9, 30, 1.697261), (0.95, 5000, 1.960439)],
    )
    def test_the_reach_of_student_is_that_of_the_tables(self, confidence, freedom, expected):
        assert student_reach(confidence, freedom) == pytest.approx(expected, rel=3e-4)

    @pytest.mark.parametrize("shape", [(8, 1), (8, 3), (1, 12), (3, 12)], ids=str)
    def test_the_interval_holds_the_true_change_as_often_as_it_says(self, shape):
        rng, held = np.random.default_rng(3), 0
        for _ in range(1000):
            before, after = 10 + rng.normal(size=shape), 10.2 + rng.normal(size=shape)
            low, high = find_difference(before, after).interval
            held += low <= 0.2 <= high
        assert 0.93 <= held / 1000 <= 0.97

    def test_no_interval_promises_errors_below_zero(self):
        before, after = np.array([[1.0], [0.2], [0.9]]), np.array([[0.05], [0.1], [0.6]])
        difference = find_difference(before, after)
        assert difference.interval[0] < -difference.before
        assert "95% interval -100.0% to " in difference.describe_change()

    def test_several_intervals_hold_together(self):
        rng, held = np.random.default_rng(5), 0
        for _ in range(500):
            errors_ = {name: 10 + rng.normal(size=(12, 1)) for name in "abcd"}
            found = [find_difference(errors_["a"], errors_[name], 3).interval for name in "bcd"]
            held += all(low <= 0 <= high for low, high in found)
        assert held / 500 >= 0.94

    def test_what_is_clear_is_said_and_what_is_not(self):
        rng = np.random.default_rng(0)
        one = 1 + rng.random((20, 1))
        said = which_is_best({"a": one, "worse": one + 0.5, "luck": one + rng.normal(0.01, 1, (20, 1)), "same": one})
        assert "Clearly better than worse" in said["verdict"]
        assert "No clear difference from luck" in said["verdict"]
        assert "The same errors as same." in said["verdict"]
        assert list(said["differences"])[-1] == "worse"
        clear = {name: difference["is_clear"] for name, difference in said["differences"].items()}
        assert clear == {"same": False, "luck": False, "worse": True}
        assert which_is_best({"a": np.ones((0, 1)), "b": np.ones((0, 1))})["n_series"] == 0

    def test_one_window_of_one_series_does_not_tell(self):
        table = panel((60,)).timegpt.compare(5, candidates=["zero-shot"])
        assert "ask for more, such as n_windows=5" in table.attrs["comparison"]["verdict"]
        table = panel((60,)).timegpt.compare(5, n_windows=5, candidates=["zero-shot"])
        assert "95% interval" in table.attrs["comparison"]["verdict"]
