"""The key is in nothing that a process prints or saves, even if the service echoes it."""

import base64
import copy
import io
import json
import logging
import pickle
import traceback
from dataclasses import replace

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


def raw(data):
    """Return the fault of a service that sends these bytes and closes the connection."""

    def fault(connection, request):
        connection.read_body(request)
        connection.socket.sendall(data)
        connection.close()

    return fault


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


def spaced(text):
    return " ".join(text)


SPELLINGS = {
    "plain": str,
    "upper case": str.upper,
    "in part": lambda key: key[3:20],
    "reversed": lambda key: key[::-1],
    "spaced": spaced,
    "on lines": lambda key: "\n".join(key[start : start + 4] for start in range(0, len(key), 4)),
    "with hyphens": "-".join,
    "with zero-width spaces": "\u200b".join,
    "wide": lambda key: "".join(chr(ord(letter) + 0xFEE0) for letter in key),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of the header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a user and a key": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
    "base64 within a text": lambda key: base64.b64encode(f"{{'a': '{key}', 'b': 1}}".encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"?>{key}".encode()).decode().rstrip("="),
    "base64 on lines": lambda key: base64.encodebytes(
        f"Bearer {key} and so on, for more than a line".encode()
    ).decode(),
    "base64 reversed": lambda key: base64.b64encode(key.encode()).decode()[::-1],
    "base64 spaced": lambda key: spaced(base64.b64encode(f"Bearer {key}".encode()).decode()),
    "base32": lambda key: base64.b32encode(f"Bearer {key}".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal with colons": lambda key: key.encode().hex(":"),
    "codes": lambda key: str(list(key.encode())),
    "percent": lambda key: "".join(f"%{ord(letter):02X}" for letter in key),
    "percent in lower case": lambda key: "".join(f"%{ord(letter):02x}" for letter in key),
    "percent twice": lambda key: "".join(f"%25{ord(letter):02X}" for letter in key),
    "percent here and there": lambda key: key.replace("0", "%30").replace("a", "%61"),
    "quoted-printable": lambda key: "".join(f"={ord(letter):02X}" for letter in key),
    "JSON escapes": lambda key: "".join(f"\\u{ord(letter):04x}" for letter in key),
    "JSON escapes here and there": lambda key: key.replace("3", "\\u0033").replace("n", "\\u006E"),
    "Python escapes": lambda key: "".join(f"\\x{ord(letter):02x}" for letter in key),
    "octal escapes": lambda key: "".join(f"\\{ord(letter):03o}" for letter in key),
    "HTML numbers": lambda key: "".join(f"&#{ord(letter)};" for letter in key),
    "HTML hexadecimal numbers": lambda key: "".join(f"&#x{ord(letter):x};" for letter in key),
    "HTML without semicolons": lambda key: " ".join(f"&#0{ord(letter)}" for letter in key),
    "HTML names": lambda key: key.replace("-", "&hyphen;"),
    "HTML within JSON": lambda key: "".join(f"\\u0026#{ord(letter)};" for letter in key),
    "tags between": "<b></b>".join,
    "as JSON letters": lambda key: str(list(key)),
}
SHAPES = {
    "JSON": lambda text: json.dumps({"detail": f"Bearer {text} is not valid"}).encode(),
    "raw JSON": lambda text: f'{{"detail": "Bearer {text} is not valid"}}'.encode(),
    "a name in JSON": lambda text: json.dumps({"detail": {text: 1, "message": "no"}, "requestID": text}).encode(),
    "problems": lambda text: json.dumps({"detail": [{"loc": [text], "msg": text, "input": text}]}).encode(),
    "text": lambda text: f"Bearer {text} is not valid".encode(),
    "page": lambda text: f"<html><title>{text}</title><p>{text}".encode(),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_the_key_is_shown_in_no_spelling(service, client_class, key, log, spell):
    client = client_class(api_key=key, base_url=service.url, timeout=2)
    client.pacing = replace(client.pacing, max_attempts=1)
    secret = spell(key)
    secrets = {secret, secret[: len(secret) * 2 // 3], *secret.split("\n")[:1], json.dumps(secret)[1:-1]} - {"n i "}
    for write in SHAPES.values():
        for status in (200, 401, 500):
            service.faults = [service.says(status, write(secret))]
            visible = shown(raised(lambda: client.finetune(Y, SIZES, "D")))
            for hidden in secrets:
                assert len(hidden) < 5 or hidden not in visible
                assert repr(hidden)[1:-1] not in visible or len(hidden) < 5
    client.close()
    assert not any(hidden in log.getvalue() for hidden in secrets if len(hidden) > 5)


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_no_header_and_no_garbage_shows_the_key_in_another_spelling(service, client_class, key, log, spell):
    client = client_class(api_key=key, base_url=service.url, timeout=2)
    client.pacing = replace(client.pacing, max_attempts=1)
    secret = " ".join(spell(key).split()).encode("utf-8", "ignore")
    for data in (
        secret + b"\r\n\r\n",
        b"HTTP/1.1 " + secret + b"\r\n\r\n",
        b"HTTP/1.1 401 " + secret + b"\r\nX-Request-Id: " + secret + b"\r\nLocation: " + secret + b"\r\n\r\n",
        b"HTTP/1.1 302 Moved\r\nLocation: https://x.io/?" + secret + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + secret + b"\r\n" + secret + b" : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + secret + b", 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: " + secret + b"\r\nSet-Cookie: " + secret + b"\r\n\r\n",
    ):
        service.faults = [raw(data)]
        visible = shown(raised(lambda: client.finetune(Y, SIZES, "D")))
        assert secret.decode() not in visible
        assert secret.decode("latin-1") not in visible
    client.close()
    assert secret.decode() not in log.getvalue()
    assert secret.decode("latin-1") not in log.getvalue()


def test_a_model_named_like_the_key_is_not_believed(service, client, key):
    answer = {"input_tokens": 1, "output_tokens": 1, "finetune_tokens": 1, "finetuned_model_id": key[::-1]}
    service.faults = [service.says(200, answer)]
    assert key[::-1] not in shown(raised(lambda: client.finetune(Y, SIZES, "D")))


def test_a_refusal_without_the_key_is_shown_in_full(service, client):
    service.faults = [service.says(400, {"detail": "nixak is 0123 base64 Bearer authorization, 110 105 120 97 107"})]
    assert "nixak is 0123 base64 Bearer authorization, 110 105 120 97 107" in str(
        raised(lambda: client.finetune(Y, SIZES, "D"))
    )


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
