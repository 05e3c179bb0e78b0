"""The key is in nothing that a process prints or saves, even if the service echoes it."""

import copy
import io
import logging
import pickle
import traceback

import numpy as np
import pytest

from nixtla_accessor import errors
from nixtla_accessor.api.client import Client, connect
from nixtla_accessor.api.settings import resolve_settings

Y, SIZES = np.arange(36.0), np.array([36])


def raised(call, kind=errors.TimeGPTError):
    """Return the error of a call, raised through no frame of a test, since those know the key."""
    try:
        call()
    except kind as error:
        return error
    pytest.fail("no error")


def shown(error):
    """Return everything visible of an error: its traceback, with the variables of each frame, and its pickle."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(
        [
            *whole.format(chain=True),
            str(error),
            repr(error),
            repr(vars(error)),
            repr(pickle.dumps(error)),
            repr(copy.deepcopy(error)),
            repr(error.__cause__ and (vars(error.__cause__), error.__cause__.args)),
        ]
    )


def echo(fraction=1.0, status=400):
    """Return the fault of a service that echoes everything it was sent."""

    def fault(connection, request):
        connection.read_body(request)
        headers = {"X-Request-Id": request.headers["authorization"], "Location": request.headers["authorization"]}
        connection.answer(status, {"detail": request.headers, "message": str(request)}, headers, fraction=fraction)
        if fraction < 1:
            connection.close()
        return True

    return fault


def echo_raw(connection, request):
    connection.read_body(request)
    connection.socket.sendall(f"{request.headers['authorization']}\r\n\r\n".encode())
    connection.close()


def drop(connection, request):
    connection.reset()


def hang(connection, request):
    connection.read_body(request)
    connection.reader.read(1)


@pytest.fixture
def log():
    """Everything that any library logs, at every level."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    former = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield stream
    root.removeHandler(handler)
    root.setLevel(former)


@pytest.mark.parametrize(
    "fault",
    [
        *(pytest.param(echo(status=status), id=f"echo {status}") for status in (302, 400, 401, 422, 429, 500, 503)),
        pytest.param(echo(status=200), id="echo in a success"),
        pytest.param(echo(fraction=0.5), id="echo cut"),
        pytest.param(echo_raw, id="echo as the status line"),
        pytest.param(drop, id="drop"),
        pytest.param(hang, id="hang"),
    ],
)
@pytest.mark.parametrize("call", ["finetune", "forecast", "list", "own id"])
def test_no_error_shows_the_key(service, client_class, key, log, capfd, fault, call):
    client = client_class(api_key=key, base_url=service.url, timeout=0.3)
    service.faults = service.lookup_faults = service.forecast_faults = [fault] * 99
    error = raised(
        {
            "finetune": lambda: client.finetune(Y, SIZES, "D"),
            "forecast": lambda: client.forecast(Y, SIZES, "D", 3),
            "list": client.finetuned_models,
            "own id": lambda: client.finetune(Y, SIZES, "D", output_model_id="mine"),
        }[call]
    )
    client.close()
    assert key not in shown(error)
    assert key not in log.getvalue()
    assert key not in "".join(capfd.readouterr())


def test_a_model_that_quotes_the_key_does_not_show_it(service, client, key):
    client.finetune(Y, SIZES, "D", output_model_id="mine")
    service.models["mine"]["created_by"] = f"Bearer {key}"
    assert client.finetuned_model("mine").created_by == "Bearer *****"
    assert key not in repr(client.finetuned_models())


def test_an_interrupt_does_not_show_the_key(service, client, key, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    service.faults = [hang]
    monkeypatch.setattr("http.client.HTTPConnection.getresponse", interrupt)
    assert key not in shown(raised(lambda: client.finetune(Y, SIZES, "D"), KeyboardInterrupt))


def test_no_object_shows_the_key(client, key):
    client.validate_api_key()
    for thing in (client, client.settings, vars(client), vars(client._transport), vars(client._transport._session)):
        assert key not in repr(thing)
        assert key not in str(thing)


def test_no_pickle_has_the_key(client, key, monkeypatch):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert key.encode() not in pickle.dumps(client, protocol)
        assert key.encode() not in pickle.dumps(client.settings, protocol)


@pytest.mark.parametrize("make", [resolve_settings, Client, connect])
def test_errors_at_the_start_do_not_show_the_key(key, make):
    def tell_key():
        return key

    for arguments in ({"base_url": "http://far.example"}, {"base_url": "nonsense"}, {"timeout": -1}):
        error = raised(lambda: make(api_key=tell_key(), **arguments))  # noqa: B023 - called at once
        assert key not in shown(error)


def test_causes_keep_no_request_alive(service, client):
    service.faults = service.lookup_faults = [drop] * 99
    link = raised(lambda: client.finetune(Y, SIZES, "D"))
    while link is not None:
        assert not {"request", "response", "pool", "conn"} & set(vars(link))
        link = link.__cause__ or link.__context__
