"""Forecasts and cross-validation of Dask frames: lazy, of the right form, and those of the computed frame."""

import pickle

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dask.dataframe.dask_expr._shuffle import ShuffleBase
from dask.dataframe.utils import assert_eq

from nixtla_accessor import Client, connect, errors
from nixtla_accessor.dask.concurrency import MAX_CONCURRENT_REQUESTS
from nixtla_accessor.dask.portable_client import PortableClient

KEY = "nixak-a-key-that-must-not-travel-0123456789"


def in_order(frame):
    """Compute a frame of answers, and sort it as the pandas accessor does."""
    by = [name for name in ("unique_id", "cutoff", "ds") if name in frame.columns]
    return frame.compute().sort_values(by, ignore_index=True)


def shuffles(frame):
    return len(list(frame.expr.find_operations(ShuffleBase)))


@pytest.fixture
def frame(cut, panel):
    return cut(panel(6).sample(frac=1, random_state=0), 5, 20, 20, 50)


class TestLocalEngine:
    """Against the local engine, whose 32 bits know series asked for together from those asked for alone."""

    @pytest.fixture(autouse=True)
    def local(self):
        with connect(base_url="local", progress=False) as client:
            yield client

    def test_fine_tuned_forecasts_are_those_of_the_computed_frame(self, frame):
        twin = frame.timegpt.finetune(finetune_steps=2).compute()
        ahead = frame.timegpt.forecast(5, level=[80, 90.5])
        expected = twin.timegpt.forecast(5, level=[80, 90.5])
        pd.testing.assert_frame_equal(in_order(ahead), expected, rtol=1e-4)
        pd.testing.assert_series_equal(ahead.dtypes, expected.dtypes)
        assert ahead.compute().attrs == expected.attrs == {"timegpt": dict(ahead.timegpt.record)}
        assert_eq(ahead, ahead.compute(), check_divisions=False)

    def test_cross_validation_is_that_of_the_computed_frame(self, frame):
        arguments = {"n_windows": 3, "step_size": 1, "level": [50]}
        twin = frame.timegpt.finetune(finetune_steps=2).compute()
        windows = frame.timegpt.cross_validation(2, **arguments)
        with pytest.warns(errors.DataLeakageWarning):
            expected = twin.timegpt.cross_validation(2, **arguments)
        with pytest.warns(errors.DataLeakageWarning):
            windows = windows.persist()
        pd.testing.assert_frame_equal(in_order(windows), expected, rtol=1e-4)
        pd.testing.assert_series_equal(windows.dtypes, expected.dtypes)
        assert windows.compute().attrs == expected.attrs
        assert_eq(windows, windows.compute(), check_divisions=False)

    def test_anomalies_are_those_of_the_computed_frame(self, cut, panel):
        rows = panel(6, 40)
        rows.loc[[30, 150], "y"] += 1000
        frame = cut(rows, 50, 130)
        found = frame.timegpt.detect_anomalies(level=95, zero_shot=True)
        expected = frame.compute().timegpt.detect_anomalies(level=95, zero_shot=True)
        pd.testing.assert_series_equal(found.dtypes, expected.dtypes)
        pd.testing.assert_frame_equal(in_order(found), expected, rtol=1e-4, atol=1e-4)
        assert expected["anomaly"].any()

    def test_online_anomalies_are_those_of_the_computed_frame(self, cut, panel):
        rows = panel(6, 60).assign(y=lambda df: np.random.default_rng(0).normal(size=len(df)))
        frame = cut(rows, 50, 130)
        asked = {"method": "online", "detection_size": 7, "zero_shot": True}
        found, expected = frame.timegpt.detect_anomalies(**asked), frame.compute().timegpt.detect_anomalies(**asked)
        pd.testing.assert_series_equal(found.dtypes, expected.dtypes)
        pd.testing.assert_frame_equal(in_order(found), expected, rtol=1e-4, atol=1e-4)

    def test_paths_of_partitions_are_repeatable_and_not_the_same(self, cut, panel):
        rows = panel(6, 60).assign(y=lambda df: np.random.default_rng(0).normal(size=len(df)))
        frame = cut(rows, 120, 240)
        paths = frame.timegpt.simulate(3, 40, seed=5, zero_shot=True)
        expected = frame.compute().timegpt.simulate(3, 40, seed=5, zero_shot=True)
        found = paths.compute().sort_values(["unique_id", "sample_id", "ds"], ignore_index=True)
        pd.testing.assert_series_equal(found.dtypes, expected.dtypes)
        pd.testing.assert_frame_equal(found.drop(columns="TimeGPT"), expected.drop(columns="TimeGPT"))
        again = paths.compute().sort_values(["unique_id", "sample_id", "ds"], ignore_index=True)
        pd.testing.assert_frame_equal(again, found)
        by_series = found.pivot(index="unique_id", columns=["sample_id", "ds"], values="TimeGPT")
        assert np.abs(np.corrcoef(by_series) - np.eye(6)).max() < 0.9  # no two series share their draws

    def test_quantiles_of_windows(self, frame):
        asked = {"n_windows": 2, "quantiles": [0.1, 0.9], "model": "timegpt-1"}
        windows = frame.timegpt.cross_validation(2, **asked)
        pd.testing.assert_frame_equal(
            in_order(windows), frame.compute().timegpt.cross_validation(2, **asked), rtol=1e-4
        )

    def test_series_that_are_too_short_are_left_out(self, cut, panel):
        rows = panel(4)
        rows = rows.drop(rows.index[(rows["unique_id"] == "series 2") & (rows["y"] >= 203)])
        frame = cut(rows, 12, 24, 27)
        asked = {"h": 5, "too_short": "drop", "zero_shot": True}
        with pytest.warns(errors.ShortSeriesWarning, match="'series 2' has 3"):
            windows = in_order(frame.timegpt.cross_validation(**asked))
        with pytest.warns(errors.ShortSeriesWarning, match="1 of 4 series .* 'series 2' has 3"):
            expected = frame.compute().timegpt.cross_validation(**asked)
        pd.testing.assert_frame_equal(windows, expected, rtol=1e-4)

    def test_quantiles_without_a_model_of_its_own(self, frame):
        ahead = frame.timegpt.forecast(3, quantiles=np.array([0.1, 0.5]), model="timegpt-1")
        assert list(ahead.columns) == ["unique_id", "ds", "TimeGPT", "TimeGPT-q-10", "TimeGPT-q-50"]
        expected = frame.compute().timegpt.forecast(3, quantiles=[0.1, 0.5], model="timegpt-1")
        pd.testing.assert_frame_equal(in_order(ahead), expected, rtol=1e-4)
        assert not ahead.timegpt.record
        assert ahead.compute().attrs == {}

    def test_another_model_than_the_one_attached(self, cut, panel, frame):
        other = cut(panel(), 9).timegpt.finetune(finetune_steps=1, output_model_id="other", overwrite=True)
        frame.timegpt.finetune(finetune_steps=1)
        ahead = frame.timegpt.forecast(2, finetuned_model_id="other")
        assert ahead.timegpt.model_id == ahead.compute().timegpt.model_id == "other"
        assert ahead.timegpt.record["n_series"] is None  # what a look-up does not tell
        assert other.timegpt.forecast(2).timegpt.record["n_series"] == 4

    def test_a_model_of_another_frequency_is_refused_at_once(self, frame):
        frame.timegpt.finetune(finetune_steps=1)
        with pytest.raises(errors.NoModelError, match="tuned at the frequency 'D'"):
            frame.timegpt.forecast(2, freq="h")

    def test_a_series_that_is_too_short_for_the_windows(self, cut, panel):
        rows = panel(3)
        frame = cut(rows[(rows["unique_id"] != "series 1") | (rows["ds"] < "2024-01-04")], 14)
        windows = frame.timegpt.cross_validation(4, n_windows=2, freq="D", model="timegpt-1")
        with pytest.raises(errors.InvalidFrameError, match="'series 1' has 3") as caught:
            windows.compute()
        (note,) = caught.value.__notes__
        assert "of 2" in note
        assert "'series 1'" in note


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.assign(unique_id=rows["unique_id"].astype("category")),
        lambda rows: rows.assign(unique_id=rows["unique_id"].str[-1].astype("int32")),
        lambda rows: rows.assign(ds=rows["ds"].dt.tz_localize("Europe/Berlin")),
        lambda rows: rows.assign(ds=rows["ds"].dt.strftime("%Y-%m-%d")),
        lambda rows: rows.assign(ds=rows["ds"].astype(pd.ArrowDtype(pa.timestamp("ms")))),
        lambda rows: rows.assign(ds=rows["ds"].dt.day),
        lambda rows: rows.assign(y=rows["y"].astype("int32")),
        lambda rows: rows.assign(y=rows["y"].astype("Float32")),
        lambda rows: rows.set_index("ds"),
        lambda rows: rows.set_index("ds").rename_axis(None),
        lambda rows: rows.set_index("unique_id"),
        lambda rows: rows[rows["unique_id"] == "series 3"].drop(columns="unique_id"),
        lambda rows: rows.assign(further="text", more=pd.NaT),
    ],
)
@pytest.mark.parametrize("strings", [True, False])
def test_the_form_is_known_before_anything_is_computed(cut, panel, client, change, strings):
    with dask.config.set({"dataframe.convert-string": strings}):
        frame = cut(change(panel(4).sample(frac=1, random_state=0)), 2, 7)
        ahead = frame.timegpt.forecast(3, level=[80], model="timegpt-1")
        windows = frame.timegpt.cross_validation(3, level=[80], model="timegpt-1")
        expected = frame.compute().timegpt.forecast(3, level=[80], model="timegpt-1")
        assert_eq(ahead, ahead.compute(), check_divisions=False)
        pd.testing.assert_series_equal(ahead.dtypes, expected.dtypes)
        by = [name for name in ("unique_id", "ds") if name in ahead.columns]
        pd.testing.assert_frame_equal(ahead.compute().sort_values(by, ignore_index=True), expected)
        past = windows._meta.drop(columns=["cutoff", frame.timegpt.pack().columns.target])
        pd.testing.assert_frame_equal(past, ahead._meta)


class TestLaziness:
    def test_nothing_is_asked_before_it_is_computed(self, frame, service, client):
        frame.timegpt.finetune()
        ahead = frame.timegpt.forecast(3)
        assert not service.of("/v2/forecast")
        ahead.compute()
        assert 1 <= len(service.of("/v2/forecast")) <= frame.npartitions

    def test_no_series_is_asked_for_twice_or_in_part(self, frame, service, client):
        ahead = frame.timegpt.forecast(3, model="timegpt-1", freq="D").compute()
        assert [size for asked in service.of("/v2/forecast") for size in asked.body["series"]["sizes"]] == [12] * 6
        assert sorted(ahead["TimeGPT"].unique()) == [100.0 * number + 11 for number in range(6)]

    def test_it_is_shuffled_unless_series_are_whole_already(self, frame, client):
        def ask(frame):
            return frame.timegpt.forecast(3, model="timegpt-1", freq="D")

        assert shuffles(ask(frame)) == 1
        assert shuffles(ask(frame.shuffle("unique_id"))) == 1
        assert shuffles(ask(frame.shuffle("ds"))) == 2
        assert shuffles(ask(frame.partitions[0])) == 0
        rows = frame.compute()
        indexed = dd.from_pandas(rows.set_index(rows["unique_id"].str[-1].astype("int64"))[["ds", "y"]], npartitions=3)
        assert shuffles(ask(indexed)) == 0
        assert len(ask(indexed).compute()) == 18
        assert shuffles(ask(indexed.clear_divisions())) == 1

    def test_asking_again_asks_again(self, frame, service, client):
        first, second = (frame.timegpt.forecast(3, model="timegpt-1", freq="D") for _ in range(2))
        assert first.expr._name != second.expr._name
        kept = first.persist()
        asked = len(service.asked)
        kept.compute()
        assert len(service.asked) == asked
        second.compute()
        assert len(service.asked) > asked

    def test_partitions_without_rows_are_not_asked_for(self, cut, panel, service, client):
        ahead = cut(panel(2), 1, 2, 3, 4, 5, 6).timegpt.forecast(3, model="timegpt-1", freq="D")
        assert ahead.npartitions == 7
        assert len(ahead.compute()) == 6
        assert len(service.asked) <= 2

    def test_wrong_arguments_are_refused_at_once(self, frame, client):
        for arguments in ({"h": 0}, {"h": 3, "level": [100]}, {"h": 3, "level": [80], "quantiles": [0.5]}):
            with pytest.raises(errors.InvalidArgumentError):
                frame.timegpt.forecast(**arguments, model="timegpt-1")
        with pytest.raises(errors.NoModelError, match="no fine-tuned model attached"):
            frame.timegpt.forecast(3)
        with pytest.raises(errors.InvalidArgumentError):
            frame.timegpt.cross_validation(3, n_windows=0, model="timegpt-1")


class TestFailures:
    def test_a_failure_names_its_partition_and_leaves_the_others(self, cut, panel, service, client):
        rows = panel(6).set_index("unique_id")
        frame = dd.from_pandas(rows, npartitions=3)
        service.refuse = lambda body: 402 if 311.0 in body["series"]["y"] else None
        ahead = frame.timegpt.forecast(3, model="timegpt-1", freq="D")
        with pytest.raises(errors.PaymentRequiredError) as caught:
            ahead.compute()
        (note,) = caught.value.__notes__
        assert note == (
            "This is partition 1 of 3, whose 2 series are 'series 2', 'series 3'. "
            "Other partitions are unaffected; persist() keeps their answers."
        )
        assert len(ahead.partitions[0].compute()) == len(ahead.partitions[2].compute()) == 6

    def test_what_passes_is_tried_again(self, frame, service, client):
        failures = iter([503, 429])
        service.refuse = lambda body: next(failures, None)
        ahead = frame.timegpt.forecast(3, model="timegpt-1", freq="D").compute()
        assert len(ahead) == 18


class TestSecrets:
    def test_the_key_is_in_no_graph(self, frame, client):
        frame.timegpt.finetune()
        for lazy in (frame, frame.timegpt.forecast(3), frame.timegpt.cross_validation(3, n_windows=2)):
            graphs = [lazy, lazy.optimize(), lazy.expr, dict(lazy.optimize().__dask_graph__()), lazy.to_delayed()]
            for graph in graphs:
                pickled = pickle.dumps(graph)
                assert KEY.encode() not in pickled
                assert len(pickled) < 200_000
                assert KEY not in repr(graph)

    def test_elsewhere_the_key_is_that_of_the_environment(self, client, service, monkeypatch):
        here = PortableClient(client)
        elsewhere = pickle.loads(pickle.dumps(here))
        assert here.get() is client
        with pytest.raises(errors.ConfigurationError, match="NIXTLA_API_KEY"):
            elsewhere.get()
        monkeypatch.setenv("NIXTLA_API_KEY", "another-key")
        monkeypatch.setenv("NIXTLA_BASE_URL", "https://example.com")
        made = elsewhere.get()
        assert made.settings.api_key.get_secret_value() == "another-key"
        assert made.settings.base_url == service.url
        assert pickle.loads(pickle.dumps(elsewhere)).get() is made

    def test_an_explicit_client_is_used(self, frame, service, client):
        with Client(api_key="another-key", base_url=service.url, progress=False) as other:
            frame.timegpt.forecast(3, model="timegpt-1", freq="D", client=other).compute()
        assert {asked.bearer for asked in service.asked} == {"another-key"}


def test_so_many_ask_at_once_and_no_more(cut, panel, service, client):
    service.pause = 0.05
    frame = cut(panel(60).sample(frac=1, random_state=0), *range(12, 720, 12))
    with dask.config.set(num_workers=24):
        frame.timegpt.forecast(1, model="timegpt-1", freq="D").compute()
    assert len(service.asked) > 3 * MAX_CONCURRENT_REQUESTS
    assert 2 < service.most_at_once <= MAX_CONCURRENT_REQUESTS
    assert len({asked.connection for asked in service.asked}) <= MAX_CONCURRENT_REQUESTS + 1  # kept open
