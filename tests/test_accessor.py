"""From a frame to a fine-tuned model and its forecast, over real HTTP, with the local engine."""

import copy
import json
import os
import pickle
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor import TimeGPTAccessor, connect, errors
from nixtla_accessor.api.client import default_client
from nixtla_accessor.datasets import load_unemployment

RECORD_FIELDS = {
    "state",
    "job_id",
    "finetuned_model_id",
    "base_model_id",
    "model",
    "freq",
    "id_col",
    "time_col",
    "target_col",
    "finetune_steps",
    "finetune_loss",
    "finetune_depth",
    "input_tokens",
    "output_tokens",
    "finetune_tokens",
    "n_series",
    "n_obs",
    "last_stamp",
    "created_at",
    "origin",
    "version",
}


@pytest.fixture(autouse=True)
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


def panel(n_series=3, length=40, freq="D", names=("unique_id", "ds", "y")):
    """Return a sorted long frame with a weekly pattern."""
    step = np.arange(length)
    frames = [
        pd.DataFrame(
            {
                names[0]: f"series {i}",
                names[1]: pd.date_range("2024-01-01", periods=length, freq=freq),
                names[2]: 10 * (i + 1) + np.sin(2 * np.pi * step / 7) + 0.01 * step,
            }
        )
        for i in range(n_series)
    ]
    return pd.concat(frames, ignore_index=True)


def assert_untouched(df, before, attrs):
    pd.testing.assert_frame_equal(df, before)
    assert list(df.index.names) == list(before.index.names)
    assert df.attrs == attrs


class TestFinetune:
    def test_it_returns_the_very_frame_with_the_record(self):
        df = panel()
        before = df.copy(deep=True)
        assert df.timegpt.finetune(finetune_steps=2) is df
        pd.testing.assert_frame_equal(df, before)
        record = df.attrs["timegpt"]
        assert set(record) == RECORD_FIELDS
        assert record["finetuned_model_id"] == df.timegpt.model_id
        assert (record["freq"], record["id_col"], record["time_col"], record["target_col"]) == (
            "D",
            "unique_id",
            "ds",
            "y",
        )
        assert (record["n_series"], record["n_obs"], record["origin"]) == (3, 120, "local")
        assert (record["finetune_steps"], record["finetune_loss"], record["finetune_depth"]) == (2, "default", 1)
        assert record["input_tokens"] == 120

    def test_the_service_has_what_was_asked(self, local):
        df = panel().timegpt.finetune(
            finetune_steps=3,
            finetune_loss="mae",
            finetune_depth=2,
            output_model_id="as-asked",
            overwrite=True,
            model="timegpt-2",
        )
        model = local.finetuned_model("as-asked")
        assert df.timegpt.model_id == "as-asked"
        assert (model.steps, model.loss, model.depth, model.model, model.freq) == (3, "mae", 2, "timegpt-2", "D")

    def test_a_chain_holds(self):
        forecast = (
            panel()
            .query("ds < '2024-02-01'")
            .assign(extra="x")
            .sort_values("y")
            .timegpt.finetune(finetune_steps=2)
            .timegpt.forecast(h=7)
        )
        assert list(forecast.columns) == ["unique_id", "ds", "TimeGPT"]
        assert list(forecast["unique_id"].unique()) == ["series 0", "series 1", "series 2"]
        assert forecast["ds"].iloc[0] == pd.Timestamp("2024-02-01")
        assert len(forecast) == 21

    def test_the_order_of_rows_does_not_matter(self):
        df = panel()
        shuffled = df.sample(frac=1, random_state=1)
        ahead = df.timegpt.finetune(finetune_steps=5).timegpt.forecast(h=7)
        again = shuffled.timegpt.finetune(finetune_steps=5).timegpt.forecast(h=7)
        pd.testing.assert_frame_equal(ahead, again)

    def test_it_starts_from_the_base_model_unless_told(self, local):
        df = panel().timegpt.finetune(finetune_steps=2)
        first = df.timegpt.model_id
        second = df.timegpt.finetune(finetune_steps=2).timegpt.model_id
        assert local.finetuned_model(second).base_model_id == "None"
        third = df.timegpt.finetune(finetune_steps=2, finetuned_model_id=first).timegpt.model_id
        assert local.finetuned_model(third).base_model_id == first
        assert df.timegpt.record["base_model_id"] == first

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"finetune_steps": 0}, "finetune_steps"),
            ({"finetune_steps": 2.5}, "finetune_steps"),
            ({"finetune_steps": True}, "finetune_steps"),
            ({"finetune_depth": 6}, "finetune_depth"),
            ({"finetune_loss": "huber"}, "smape"),
            ({"output_model_id": "no spaces"}, "output_model_id"),
            ({"output_model_id": "x" * 37}, "output_model_id"),
            ({"finetuned_model_id": ""}, "finetuned_model_id"),
        ],
    )
    def test_a_wrong_argument_is_refused_before_anything_is_sent(self, arguments, said, local):
        df = panel()
        before, known = df.copy(deep=True), len(local.finetuned_models())
        with pytest.raises(errors.InvalidArgumentError, match=said) as caught:
            df.timegpt.finetune(**arguments)
        assert isinstance(caught.value, ValueError)
        assert_untouched(df, before, {})
        assert len(local.finetuned_models()) == known

    def test_numpy_integers_are_integers(self):
        df = panel().timegpt.finetune(finetune_steps=np.int64(2), finetune_depth=np.int32(2))
        assert type(df.attrs["timegpt"]["finetune_steps"]) is int
        assert type(df.attrs["timegpt"]["finetune_depth"]) is int

    def test_a_missing_column_is_named_with_the_nearest(self):
        df = panel().rename(columns={"y": "sales"})
        with pytest.raises(errors.MissingColumnError, match="sales") as caught:
            df.timegpt.finetune(target_col="slaes")
        assert "'slaes'" in str(caught.value)
        assert "'unique_id'" in str(caught.value)

    def test_on_failure_the_record_is_as_before(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        attrs, before = copy.deepcopy(df.attrs), df.copy(deep=True)
        with pytest.raises(errors.NotFoundError):
            df.timegpt.finetune(finetuned_model_id="not-there")
        assert_untouched(df, before, attrs)
        df.loc[3, "y"] = np.nan
        before = df.copy(deep=True)
        with pytest.raises(errors.MissingValueError, match="'series 0'"):
            df.timegpt.finetune()
        assert_untouched(df, before, attrs)

    def test_a_taken_id_is_refused_and_may_be_overwritten(self, local):
        panel().timegpt.finetune(finetune_steps=2, output_model_id="taken", overwrite=True)
        df = panel()
        with pytest.raises(errors.ModelExistsError, match="overwrite=True"):
            df.timegpt.finetune(finetune_steps=2, output_model_id="taken")
        assert df.attrs == {}
        df.timegpt.finetune(finetune_steps=4, output_model_id="taken", overwrite=True)
        assert local.finetuned_model("taken").steps == 4

    def test_without_an_id_column_it_is_one_series(self):
        df = panel(1).drop(columns="unique_id")
        forecast = df.timegpt.finetune(finetune_steps=2).timegpt.forecast(h=3)
        assert list(forecast.columns) == ["ds", "TimeGPT"]

    def test_missing_values_go_where_they_are_allowed(self):
        df = panel()
        df.loc[[3, 50], "y"] = np.nan
        df.timegpt.finetune(finetune_steps=2, allow_missing=True)
        assert df.timegpt.record["n_obs"] == 120
        assert df.timegpt.forecast(h=2, allow_missing=True)["TimeGPT"].notna().all()


class TestPack:
    def test_it_needs_no_client_and_sorts(self):
        df = panel().sample(frac=1, random_state=3)
        packed = df.timegpt.pack()
        in_order = panel()
        np.testing.assert_array_equal(packed.y, in_order["y"])
        np.testing.assert_array_equal(packed.sizes, [40, 40, 40])
        assert list(packed.ids) == ["series 0", "series 1", "series 2"]
        assert packed.freq == "D"
        assert packed.nbytes > 0
        pd.testing.assert_frame_equal(packed.to_frame(), in_order, check_dtype=True)


class TestRecord:
    def test_without_a_model_it_is_empty(self):
        df = panel()
        assert df.timegpt.model_id is None
        assert dict(df.timegpt.record) == {}
        assert "no fine-tuned model" in repr(df.timegpt)

    def test_it_comes_back_from_parquet_and_pickle(self, tmp_path):
        df = panel().timegpt.finetune(finetune_steps=2)
        df.to_parquet(tmp_path / "tuned.parquet")
        for again in (pd.read_parquet(tmp_path / "tuned.parquet"), pickle.loads(pickle.dumps(df))):
            assert again.timegpt.model_id == df.timegpt.model_id
            pd.testing.assert_frame_equal(again.timegpt.forecast(h=3), df.timegpt.forecast(h=3))

    def test_it_is_read_only(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        with pytest.raises(TypeError):
            df.timegpt.record["model"] = "other"

    def test_the_repr_says_model_and_columns(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        assert df.timegpt.model_id in repr(df.timegpt)
        assert "'D'" in repr(df.timegpt)


class TestUseModel:
    def test_it_attaches_what_the_service_knows(self):
        model_id = panel().timegpt.finetune(finetune_steps=3, finetune_loss="mse").timegpt.model_id
        df = panel()
        assert df.timegpt.use_model(model_id) is df
        record = df.timegpt.record
        assert (record["finetuned_model_id"], record["freq"], record["finetune_loss"]) == (model_id, "D", "mse")
        assert len(df.timegpt.forecast(h=2)) == 6

    def test_other_columns_are_kept(self):
        df = panel(names=("shop", "day", "sales"))
        columns = {"id_col": "shop", "time_col": "day", "target_col": "sales"}
        model_id = df.timegpt.finetune(finetune_steps=2, **columns).timegpt.model_id
        fresh = panel(names=("shop", "day", "sales")).timegpt.use_model(model_id, **columns)
        assert list(fresh.timegpt.forecast(h=1).columns) == ["shop", "day", "TimeGPT"]

    def test_an_unknown_model_leaves_the_frame_alone(self):
        df = panel()
        with pytest.raises(errors.NotFoundError, match="not-there"):
            df.timegpt.use_model("not-there")
        assert df.attrs == {}

    def test_integer_time(self):
        df = panel().assign(ds=np.tile(np.arange(40), 3))
        model_id = df.timegpt.finetune(finetune_steps=2).timegpt.model_id
        assert df.timegpt.record["freq"] == 1
        fresh = panel().assign(ds=np.tile(np.arange(40), 3)).timegpt.use_model(model_id)
        assert list(fresh.timegpt.forecast(h=2)["ds"].iloc[:2]) == [40, 41]


class TestForecast:
    def test_levels_and_their_order(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        forecast = df.timegpt.forecast(h=5, level=[95, 80])
        assert list(forecast.columns) == [
            "unique_id",
            "ds",
            "TimeGPT",
            "TimeGPT-lo-80",
            "TimeGPT-hi-80",
            "TimeGPT-lo-95",
            "TimeGPT-hi-95",
        ]
        assert (forecast["TimeGPT-lo-95"] <= forecast["TimeGPT-lo-80"]).all()
        assert (forecast["TimeGPT-lo-80"] <= forecast["TimeGPT"]).all()
        assert (forecast["TimeGPT"] <= forecast["TimeGPT-hi-80"]).all()

    def test_quantiles_are_levels(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        asked = [0.025, 0.1, 0.28, 0.29, 0.5, 0.57, 0.9]
        forecast = df.timegpt.forecast(h=5, quantiles=asked)
        names = [f"TimeGPT-q-{name}" for name in ("2.5", "10", "28", "29", "50", "57", "90")]
        assert list(forecast.columns) == ["unique_id", "ds", "TimeGPT", *names]
        for lower, upper in pairwise(names):
            assert (forecast[lower] <= forecast[upper]).all()
        assert (forecast["TimeGPT-q-50"] == forecast["TimeGPT"]).all()
        levels = df.timegpt.forecast(h=5, level=[80])
        np.testing.assert_array_equal(levels["TimeGPT-lo-80"], forecast["TimeGPT-q-10"])
        np.testing.assert_array_equal(levels["TimeGPT-hi-80"], forecast["TimeGPT-q-90"])

    def test_levels_and_quantiles_may_be_arrays(self):
        df = panel()
        levels = df.timegpt.forecast(h=2, level=np.array([80, 90]), model="timegpt-1")
        assert list(levels.columns[3:]) == [f"TimeGPT-{side}-{level}" for level in (80, 90) for side in ("lo", "hi")]
        quantiles = df.timegpt.forecast(h=2, quantiles=np.arange(1, 10) * 0.1, model="timegpt-1")
        assert list(quantiles.columns[3:]) == [f"TimeGPT-q-{percent}" for percent in range(10, 100, 10)]

    def test_the_record_is_carried_on(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        assert df.timegpt.forecast(h=2).timegpt.model_id == df.timegpt.model_id

    def test_columns_and_frequency_come_from_the_record(self):
        df = panel(names=("shop", "day", "sales"), freq="W-MON")
        df.timegpt.finetune(id_col="shop", time_col="day", target_col="sales", finetune_steps=2)
        forecast = df.timegpt.forecast(h=1)
        assert list(forecast.columns) == ["shop", "day", "TimeGPT"]
        assert (forecast["day"] == df["day"].max() + pd.Timedelta(weeks=1)).all()

    def test_zero_shot_needs_no_model(self):
        df = panel()
        forecast = df.timegpt.forecast(h=2, model="timegpt-1")
        assert len(forecast) == 6
        assert df.attrs == {}

    def test_a_named_model_wins_over_the_attached(self):
        df = panel()
        other = df.timegpt.finetune(finetune_steps=40, finetune_depth=5).timegpt.model_id
        df.timegpt.finetune(finetune_steps=2)
        named = df.timegpt.forecast(h=3, finetuned_model_id=other)
        assert named.timegpt.model_id == other
        expected = df.copy().timegpt.use_model(other).timegpt.forecast(h=3)
        pd.testing.assert_frame_equal(named, expected)

    def test_without_a_model_it_says_three_ways_out(self):
        with pytest.raises(errors.NoModelError) as caught:
            panel().timegpt.forecast(h=2)
        for way in ("finetune()", "use_model(previous_frame)", "zero_shot=True", "model='timegpt-1'"):
            assert way in str(caught.value)

    def test_a_model_of_another_frequency_is_refused_with_both(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        weekly = panel(freq="W")
        weekly.attrs = df.attrs
        with pytest.raises(errors.TimeGPTError) as caught:
            weekly.timegpt.forecast(h=2)
        assert "'D'" in str(caught.value)
        with pytest.raises(errors.NoModelError) as caught:
            weekly.timegpt.forecast(h=2, freq="W")
        assert "'D'" in str(caught.value)
        assert "'W" in str(caught.value)

    def test_a_model_of_another_service_is_not_sent(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        df.attrs["timegpt"]["origin"] = "https://api.nixtla.io"
        with pytest.raises(errors.NoModelError, match=r"https://api\.nixtla\.io") as caught:
            df.timegpt.forecast(h=2)
        assert "local" in str(caught.value)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"h": 0},
            {"h": -1},
            {"h": 1.5},
            {"h": True},
            {"h": 2, "level": 80},
            {"h": 2, "level": []},
            {"h": 2, "level": [100]},
            {"h": 2, "level": ["80"]},
            {"h": 2, "quantiles": [0]},
            {"h": 2, "quantiles": [10]},
            {"h": 2, "quantiles": [0.1], "level": [80]},
        ],
        ids=str,
    )
    def test_a_wrong_argument_is_one_sentence(self, arguments):
        df = panel().timegpt.finetune(finetune_steps=2)
        with pytest.raises(errors.InvalidArgumentError):
            df.timegpt.forecast(**arguments)

    def test_only_what_the_model_reads_is_sent(self, local):
        long = panel(1, 5000, freq="h")
        reads = local.model_parameters("timegpt-1", "H").input_size
        assert reads < 5000
        whole = local.forecast(long["y"].to_numpy(), np.array([5000]), "H", 24)
        forecast = long.timegpt.forecast(h=24, model="timegpt-1")
        np.testing.assert_allclose(forecast["TimeGPT"], whole.mean)


class TestConnections:
    def test_without_a_key_it_says_every_way_out(self):
        program = """if True:
            import pandas as pd, nixtla_accessor
            df = pd.DataFrame({"ds": pd.date_range("2024", periods=9), "y": range(9)})
            try:
                df.timegpt.finetune()
            except nixtla_accessor.errors.ConfigurationError as error:
                print(error)
        """
        said = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
        )
        for way in ("NIXTLA_API_KEY", "connect(api_key=", 'connect(base_url="local")'):
            assert way in said.stdout

    def test_leaving_a_connection_puts_the_former_one_back(self, local):
        with connect(api_key="key", base_url="http://127.0.0.1:9") as inner:
            assert inner.origin == "http://127.0.0.1:9"
            with pytest.raises(errors.TransportError):
                nixtla_accessor.finetuned_models()
        assert default_client() is local

    def test_the_environment_may_choose_the_engine(self):
        program = """if True:
            import pandas as pd, nixtla_accessor
            df = pd.DataFrame({"ds": pd.date_range("2024", periods=9), "y": range(9)})
            print(df.timegpt.finetune(finetune_steps=1).timegpt.record["origin"])
        """
        environment = {**os.environ, "NIXTLA_BASE_URL": "local"}
        command = [sys.executable, "-W", "error", "-c", program]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert said.stdout == "local\n"

    def test_a_client_may_be_given(self):
        with nixtla_accessor.Client(base_url="local") as client:
            df = panel().timegpt.finetune(finetune_steps=2, client=client)
            assert len(df.timegpt.forecast(h=1, client=client)) == 3

    def test_the_models_of_the_account(self):
        df = panel().timegpt.finetune(finetune_steps=2)
        models = nixtla_accessor.finetuned_models()
        assert df.timegpt.model_id in set(models["id"])
        assert str(models["created_at"].dtype).startswith("datetime64")
        assert models["age"].between(pd.Timedelta(0), pd.Timedelta(hours=1)).all()
        assert nixtla_accessor.finetuned_model(df.timegpt.model_id).steps == 2
        nixtla_accessor.delete_finetuned_model(df.timegpt.model_id)
        with pytest.raises(errors.NotFoundError):
            nixtla_accessor.finetuned_model(df.timegpt.model_id)
        with pytest.raises(errors.NotFoundError):
            nixtla_accessor.delete_finetuned_model(df.timegpt.model_id)

    def test_an_account_without_models_has_the_same_columns(self):
        columns = nixtla_accessor.finetuned_models().dtypes
        for model_id in nixtla_accessor.finetuned_models()["id"]:
            nixtla_accessor.delete_finetuned_model(model_id)
        empty = nixtla_accessor.finetuned_models()
        assert empty.empty
        assert list(empty.columns) == list(columns.index)
        assert empty.dtypes["steps"] == columns["steps"]
        assert empty.dtypes["age"].kind == "m"


class TestTheAccessorItself:
    def test_the_typed_spelling_is_the_same(self):
        df = panel()
        assert TimeGPTAccessor(df).finetune(finetune_steps=2) is df
        assert TimeGPTAccessor(df).model_id == df.timegpt.model_id

    def test_it_can_be_listed_and_never_fails_to_be_made(self):
        for df in (panel(), pd.DataFrame(), pd.DataFrame({"a": [1]}).T):
            assert "timegpt" in dir(df)
            assert {"finetune", "forecast", "pack", "use_model", "model_id", "record"} <= set(dir(df.timegpt))

    def test_importing_twice_does_not_warn(self):
        import importlib

        importlib.reload(nixtla_accessor)

    def test_a_real_panel(self):
        df = load_unemployment()
        forecast = df.timegpt.finetune(finetune_steps=5).timegpt.forecast(h=12, level=[80])
        assert forecast.shape == (168, 5)
        assert forecast["ds"].min() == pd.Timestamp("2010-03-01")


class TestColumnsOfTheRecord:
    def test_a_lost_column_is_missed_by_its_own_name(self):
        df = panel(names=("shop", "day", "sales"))
        df.timegpt.finetune(id_col="shop", time_col="day", target_col="sales", finetune_steps=1)
        with pytest.raises(errors.MissingColumnError, match="'sales'"):
            df.rename(columns={"sales": "sold"}).timegpt.forecast(h=1)

    def test_a_lost_column_gives_way_to_the_default(self):
        df = panel(names=("unique_id", "ds", "sales"))
        df.timegpt.finetune(target_col="sales", finetune_steps=1)
        assert len(df.rename(columns={"sales": "y"}).timegpt.forecast(h=1)) == 3


class TestMending:
    def test_what_audit_lists_is_what_finetune_refuses(self):
        df = panel().drop(index=[5, 6, 50])
        problems = df.timegpt.audit()
        assert list(problems["series"]) == ["series 0", "series 1"]
        assert list(problems["count"]) == [2, 1]
        with pytest.raises(errors.MissingTimestampError, match="fill_gaps"):
            df.timegpt.finetune()
        whole = df.timegpt.fill_gaps(method="interpolate")
        assert whole.timegpt.audit().empty
        assert len(whole.timegpt.finetune(finetune_steps=1)) == 120

    def test_they_take_the_columns_from_the_record_and_carry_it_on(self):
        df = panel(names=("shop", "day", "sales"))
        df.timegpt.finetune(id_col="shop", time_col="day", target_col="sales", finetune_steps=1)
        assert df.timegpt.audit().empty
        assert df.drop(index=3).timegpt.fill_gaps().timegpt.model_id == df.timegpt.model_id

    def test_a_422_is_said_in_the_rows_of_the_frame(self, refusing_service):
        df = panel().sample(frac=1, random_state=5)
        detail = [{"loc": ["body", "series", "y", 41], "msg": "too strange", "type": "value_error"}]
        url = refusing_service({"detail": detail})
        refused = pytest.raises(errors.UnprocessableError, match="'series 1' at 2024-01-02")
        with nixtla_accessor.Client(api_key="key", base_url=url, progress=False) as client, refused as caught:
            df.timegpt.finetune(client=client)
        assert caught.value.detail == detail
        assert "too strange" in str(caught.value)


@pytest.fixture
def refusing_service():
    """Return a function that starts a service which answers every POST with a 422, and returns its address."""
    servers = []

    def start(answer):
        class Refuse(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = json.dumps(answer).encode()
                self.send_response(422)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
