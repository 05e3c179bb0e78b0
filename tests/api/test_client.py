"""The client against the real engine, and which client a process uses by default."""

import copy
import gc
import pickle
import time
import weakref

import numpy as np
import pytest

from nixtla_accessor import errors
from nixtla_accessor.api.client import Client, connect, default_client
from nixtla_accessor.api.default_client import DefaultClient
from nixtla_accessor.api.local_engine import start_engine

RNG = np.random.default_rng(0)
Y = np.tile(np.sin(np.arange(24) * np.pi / 12), 20) + RNG.normal(scale=0.1, size=480)
SIZES = np.array([240, 240])


@pytest.fixture(scope="module")
def local():
    with Client(base_url="local") as client:
        yield client


# against the engine


def test_finetune_and_forecast_with_the_model(local):
    result = local.finetune(Y, SIZES, "h", finetune_steps=2, output_model_id="hourly", overwrite=True)
    assert result.finetuned_model_id == "hourly"
    assert result.input_tokens >= 0
    forecast = local.forecast(Y, SIZES, "h", 5, level=[80, 90.0, 97.5], finetuned_model_id="hourly")
    assert forecast.mean.shape == (10,)
    assert forecast.mean.dtype == np.float64
    assert set(forecast.intervals) == {f"{side}-{level}" for side in ("lo", "hi") for level in ("80", "90", "97.5")}
    assert (forecast.intervals["lo-80"] <= forecast.intervals["hi-80"]).all()


def test_the_registry(local):
    local.finetune(Y, SIZES, "D", finetune_steps=1, finetune_loss="mae", output_model_id="a", overwrite=True)
    local.finetune(Y, SIZES, "D", finetune_steps=1, finetuned_model_id="a", output_model_id="b", overwrite=True)
    model = local.finetuned_model("b")
    assert (model.id, model.base_model_id, model.steps, model.freq) == ("b", "a", 1, "D")
    assert {"a", "b"} <= {model.id for model in local.finetuned_models()}
    local.delete_finetuned_model("b")
    assert "b" not in {model.id for model in local.finetuned_models()}
    for call in (local.finetuned_model, local.delete_finetuned_model):
        with pytest.raises(errors.NotFoundError, match="Fine-tuned model 'b' does not exist"):
            call("b")
    with pytest.raises(errors.NotFoundError, match="Fine-tuned model 'b' does not exist"):
        local.forecast(Y, SIZES, "D", 3, finetuned_model_id="b")


def test_missing_values_and_integers_are_taken(local):
    y = Y.copy()
    y[3] = np.nan
    local.finetune(y, SIZES, "h", finetune_steps=1)
    local.finetune(np.arange(480), SIZES, "h", finetune_steps=1)


def test_a_large_request_is_sent_compressed_to_the_engine(local):
    y = RNG.normal(size=100_000)
    assert len(local.forecast(y, [100_000], "h", 7).mean) == 7


def test_a_refusal_of_the_engine_is_shown_in_full(local):
    with pytest.raises(errors.UnprocessableError, match=r"body → freq: .*'fortnight'") as caught:
        local.finetune(Y, SIZES, "fortnight")
    assert caught.value.detail[0]["loc"] == ["body", "freq"]


def test_the_key_is_checked(local):
    assert local.validate_api_key()
    with Client(api_key="wrong", base_url=start_engine().base_url) as unauthorised:
        assert not unauthorised.validate_api_key()
        with pytest.raises(errors.AuthenticationError, match="does not accept the API key"):
            unauthorised.finetune(Y, SIZES, "h")


def test_the_repr_of_a_client(local):
    assert repr(local) == "Client('local')"
    assert local.origin == "local"


# against the service of these tests


def test_parameters_of_a_model_are_requested_once(service, client):
    assert client.model_parameters("timegpt-1", "D").horizon == 7
    assert client.model_parameters("timegpt-1", "D").input_size == 28
    client.model_parameters("timegpt-1", "W")
    client.model_parameters("a & b", "2ME")
    assert [request.path for request in service.requests] == [
        "/model_params?model=timegpt-1&freq=D",
        "/model_params?model=timegpt-1&freq=W",
        "/model_params?model=a+%26+b&freq=2ME",
    ]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_lookups_and_forecasts_are_retried(service, client, status):
    service.lookup_faults = [service.says(status), service.drop_before_reading]
    service.forecast_faults = [service.says(status), service.drop_before_reading]
    assert client.finetuned_models() == []
    assert len(client.forecast(Y, SIZES, "h", 3).mean) == 6
    assert len(service.lookups) == len(service.posts) == 3


def test_a_forecast_that_takes_too_long_is_not_retried(service, client):
    service.forecast_faults = [lambda *_: service.stopped.wait(30)]
    with pytest.raises(errors.TransportError, match=r"gave no answer within 0\.2 s"):
        client.forecast(Y, SIZES, "h", 3, timeout=0.2)
    assert len(service.posts) == 1


def test_a_forecast_does_not_drip_past_its_deadline(service, client):
    def fault(connection, request):
        connection.read_body(request)
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not service.stopped.wait(0.005):
            connection.socket.sendall(b"y")

    service.forecast_faults = [fault]
    began = time.monotonic()
    with pytest.raises(errors.TransportError, match=r"gave no answer within 0\.3 s"):
        client.forecast(Y, SIZES, "h", 3, timeout=0.3)
    assert time.monotonic() - began < 2


def test_the_request_of_a_forecast(service, client):
    client.forecast(np.array([1, 2, 3]), [3], "MS", np.int64(2), level=np.array([80.0]), finetuned_model_id="a")
    assert service.posts[0].json == {
        "series": {"y": [1, 2, 3], "sizes": [3], "X": None, "X_future": None, "categorical_exog": None},
        "freq": "MS",
        "h": 2,
        "model": "timegpt-1",
        "clean_ex_first": True,
        "level": [80],
        "finetune_steps": 0,
        "finetune_loss": "default",
        "finetune_depth": 1,
        "finetuned_model_id": "a",
        "feature_contributions": False,
        "feature_contributions_type": "shapley",
        "multivariate": False,
        "model_parameters": None,
    }
    assert service.posts[0].headers["nixtla-model"] == "timegpt-1"
    assert service.posts[0].headers["user-agent"].startswith("nixtla-accessor/")


TOKENS = {"input_tokens": 1, "output_tokens": 1, "finetune_tokens": 0}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"mean": [1.0], **TOKENS}, "a forecast with 1 values of 'mean' instead of 6"),
        ({"mean": [1.0] * 6, **TOKENS}, "a forecast without all the requested intervals"),
        ({"mean": [1.0] * 6, "intervals": {"lo-80": [1.0] * 6, "hi-80": [1.0]}, **TOKENS}, "1 values of 'hi-80'"),
        ({"mean": [1.0, None], **TOKENS}, "JSON that is not a ForecastOutput"),
        ({"mean": [1.0] * 6}, "JSON that is not a ForecastOutput (input_tokens: Field required)"),
    ],
)
def test_forecasts_of_another_shape_are_refused(service, client, answer, words):
    service.forecast_faults = [service.says(200, answer)]
    with pytest.raises(errors.ResponseError) as caught:
        client.forecast(Y, SIZES, "h", 3, level=[80])
    assert words in str(caught.value)


def test_deleting_again_after_a_lost_answer_is_no_error(service, client):
    client.finetune(Y, SIZES, "h", output_model_id="a")

    def fault(connection, request):
        del service.models["a"]
        connection.reset()

    service.lookup_faults = [fault]
    client.delete_finetuned_model("a")


def test_an_enveloped_answer_is_unwrapped(service, client):
    service.lookup_faults = [service.says(200, {"data": {"finetuned_models": []}})]
    assert client.finetuned_models() == []


@pytest.mark.parametrize("model_id", ["", "a/../b", "a b", None, 5])
def test_only_an_id_gets_into_a_path(service, client, model_id):
    for call in (client.finetuned_model, client.delete_finetuned_model):
        with pytest.raises(errors.InvalidArgumentError):
            call(model_id)
    assert service.requests == []


def test_wrong_arguments_are_refused_before_anything_is_sent(service, client):
    for arguments in ({"finetune_steps": 0}, {"freq": ""}, {"timeout": 0}, {"output_model_id": "no way"}):
        with pytest.raises(errors.InvalidArgumentError):
            client.finetune(Y, SIZES, **{"freq": "D", **arguments})
    for arguments in ({"h": 0}, {"level": 80}, {"finetuned_model_id": "no way"}):
        with pytest.raises(errors.InvalidArgumentError):
            client.forecast(Y, SIZES, "D", **{"h": 1, **arguments})
    assert service.requests == []


def test_a_pickle_is_the_settings(client, key, monkeypatch):
    monkeypatch.setenv("NIXTLA_API_KEY", key)
    for same in (pickle.loads(pickle.dumps(client)), copy.copy(client), copy.deepcopy(client)):
        with same:
            assert type(same) is type(client)
            assert same.settings == client.settings
            assert same.validate_api_key()


# the default


@pytest.fixture(autouse=True)
def no_default(monkeypatch):
    monkeypatch.setattr("nixtla_accessor.api.client._DEFAULT", DefaultClient())


def test_the_default_is_the_last_connected():
    first, second = connect(api_key="k"), connect(api_key="k")
    assert default_client() is second
    first.close()
    assert default_client() is second


def test_the_previous_default_is_restored():
    with connect(api_key="k") as outer:
        with connect(api_key="k") as inner:
            assert default_client() is inner
        assert default_client() is outer
        with pytest.raises(errors.ConfigurationError), connect(api_key="k"):
            raise errors.ConfigurationError
        assert default_client() is outer
    assert inner.is_closed
    assert outer.is_closed
    with pytest.raises(errors.ConfigurationError, match="NIXTLA_API_KEY"):
        default_client()


def test_a_failed_connect_changes_nothing():
    client = connect(api_key="k")
    with pytest.raises(errors.ConfigurationError):
        connect(base_url="http://far.example")
    assert default_client() is client


def test_the_default_of_the_environment_is_kept(monkeypatch):
    monkeypatch.setenv("NIXTLA_API_KEY", "k")
    client = default_client()
    assert default_client() is client
    client.close()
    assert default_client() is not client


def test_replaced_clients_are_released():
    replaced = [weakref.ref(connect(api_key="k")) for _ in range(5)]
    with connect(api_key="k"):
        pass
    gc.collect()
    assert [reference() is not None for reference in replaced] == [False, False, False, False, True]


def test_held_clients_are_restored_before_those_that_were_only_connected():
    with connect(api_key="k") as outer:
        for _ in range(3):
            connect(api_key="k")
        with connect(api_key="k"):
            pass
        assert default_client() is not outer
        default_client().close()
    with pytest.raises(errors.ConfigurationError, match="NIXTLA_API_KEY"):
        default_client()
