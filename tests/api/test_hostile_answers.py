"""Answers made to confuse: each ends as an error of this package, soon, with a message that any terminal can show."""

import copy
import gzip
import json
import pickle
import time
import traceback
from dataclasses import replace

import numpy as np
import pytest

from nixtla_accessor import errors
from nixtla_accessor.api.exchange import Answer
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.contract import refused_values, shift_refused_positions

Y, SIZES = np.arange(36.0), np.array([12, 24])
TOKENS = {"input_tokens": 1, "output_tokens": 1, "finetune_tokens": 0}
MIB = 2**20


def calls(client):
    """Return a call of each endpoint."""
    return {
        "finetune": lambda: client.finetune(Y, SIZES, "D"),
        "forecast": lambda: client.forecast(Y, SIZES, "D", 3, level=[80]),
        "cross_validation": lambda: client.cross_validation(Y, SIZES, "D", 3),
        "detect_anomalies": lambda: client.detect_anomalies(Y, SIZES, "D"),
        "finetuned_models": client.finetuned_models,
        "finetuned_model": lambda: client.finetuned_model("a"),
        "model_parameters": lambda: client.model_parameters("timegpt-1", "D"),
        "delete": lambda: client.delete_finetuned_model("a"),
        "validate_api_key": client.validate_api_key,
    }


@pytest.fixture
def always(service):
    """Let the service answer every request in one way."""

    def answer_always(fault):
        service._handle = fault

    return answer_always


def raw(data):
    """Return the fault of a service that sends these bytes and closes the connection."""

    def fault(connection, request):
        connection.read_body(request)
        connection.socket.sendall(data)
        connection.close()

    return fault


def check(call):
    """Make a call, which may succeed, or fail with an error that can be shown, copied and pickled."""
    began, error = time.monotonic(), None
    try:
        call()
    except errors.TimeGPTError as caught:
        error = caught
    if error is not None:
        message = str(error)
        assert all(character.isprintable() or character == "\n" for character in message)
        assert len(message) < 2_500
        assert str(pickle.loads(pickle.dumps(error))) == str(copy.deepcopy(error)) == message
        "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert time.monotonic() - began < 20  # some 5 MB are read four times, on a busy machine


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HEADS = {
    "two lengths": OK + b"Content-Length: 5, 6\r\n\r\nhello",
    "a length in words": OK + b"Content-Length: abc\r\n\r\n{}",
    "a negative length": OK + b"Content-Length: -5\r\n\r\n{}",
    "a length of 5,000 digits": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "a chunk in words": CHUNKED + b"zz\r\n",
    "a negative chunk": CHUNKED + b"-5\r\n",
    "an endless chunk": CHUNKED + b"f" * 300 + b"\r\n",
    "seven encodings": OK + b"Content-Encoding: " + b"gzip, " * 6 + b"gzip\r\n\r\n" + gzip.compress(b"{}"),
    "no deflate": OK + b"Content-Encoding: deflate\r\n\r\nxx",
    "HTTP/9.9": b"HTTP/9.9 200 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 x\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 x\r\n\r\n",
    "status of 5,000 digits": b"HTTP/1.1 " + b"2" * 5000 + b" x\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "interim answers only": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
    "no HTTP": b"x" * 100_000,
    "200 headers": OK + b"X: y\r\n" * 200 + b"\r\n",
    "a long header": OK + b"a" * 70_000 + b": b\r\n\r\n",
    "a header without a colon": OK + b"\x1b[31m no header\r\nX: y\r\n\r\n{}",
    "bytes in a header": OK + b"\xff\xfe: \xff\r\n\r\n{}",
    "cookies": OK + b"Set-Cookie: a=b; expires=" + b"1 " * 20_000 + b"\r\n\r\n{}",
    "a long date": b"HTTP/1.1 503 x\r\nDate: " + b"1 " * 20_000 + b"\r\nRetry-After: " + b"9" * 20_000 + b"\r\n\r\n",
    "a date in 9999": b"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 +9999\r\n\r\n",
    "a date in 0000": b"HTTP/1.1 503 x\r\nRetry-After: Mon, 01 Jan 0000 00:00:00 GMT\r\n\r\n",
    "a hostile redirect": b"HTTP/1.1 302 x\r\nLocation: " + b"\x1b[31m" * 10_000 + b"\r\n\r\n",
    "a hostile id": b"HTTP/1.1 400 x\r\nX-Request-Id: " + b"\x1b]0;me\x07" * 5000 + b"\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_heads_that_are_no_http(always, client_class, key, service, head):
    always(raw(head))
    with client_class(api_key=key, base_url=service.url, timeout=2) as client:
        for call in calls(client).values():
            check(call)


def test_a_head_that_cannot_be_read_is_looked_up(service, client):
    def fault(connection, request):
        service.train(connection, request)
        connection.socket.sendall(HEADS["two lengths"])
        connection.close()

    service.faults = [fault]
    assert client.finetune(Y, SIZES, "D").finetuned_model_id == service.trainings[0]
    assert len(service.posts) == 1


DEEP = b'{"a":' * 900 + b"1" + b"}" * 900
REFUSED = b'{"detail":[{"loc":["body","series","y",%s],"msg":"x"}]}'
BODIES = {
    "deep objects": DEEP,
    "deep lists": b"[" * 900 + b"]" * 900,
    "deeper than JSON may be": b"[" * 100_000,
    "a deep detail": b'{"detail":' + DEEP + b"}",
    "a deep code": b'{"message":"x","code":' + DEEP + b',"requestID":' + DEEP + b"}",
    "a deep problem": b'{"detail":[{"loc":[' + DEEP + b'],"msg":' + DEEP + b',"input":' + DEEP + b"}]}",
    **{
        f"a position {name}": REFUSED % position
        for name, position in {
            "that is true": b"true",
            "that is text": b'"5"',
            "beyond 64 bits": b"9" * 5000,
            "of 63 bits": b"9223372036854775807",
            "of 64 bits": b"18446744073709551615",
            "that is a float": b"1e300",
        }.items()
    },
    "a place of no list": b'{"detail":[{"loc":{"a":1},"msg":null},{"loc":5,"msg":["a"]}]}',
    "escapes": b'{"detail":[{"loc":["\\u001b[2J"],"msg":"\\u202e\\u2066\\u0000","input":"\\u001b]0;me\\u0007"}]}',
    "titles": b"<title" * 200_000,
    "open titles": b"<title>" * 200_000,
    "tags in a title": b"<title>" + b"<" * MIB,
    "entities in a title": b"<title>" + b"&#9" * 300_000 + b"</title>",
    "an entity of 5,000 digits": b"<title>&#" + b"9" * 5000 + b";</title>",
    "a page of spaces": b"<" + b" " * 5 * MIB,
    "5 MB of text": b"x" * 5 * MIB,
    "5 MB that are no UTF-8": b"\xff" * 5 * MIB,
    "5 MB in quotes": b'"' + b"limit models " * 400_000 + b'"',
    "a million problems": b'{"detail":[' + b'"x",' * MIB + b'"y"]}',
    "control characters": b"\x00\x07\x1b[2J\x1b]0;title\x07\x9b" * 10,
    "directions": "\u202e evil \u2066 \u200b \u2028".encode() * 3,
    "half a surrogate": b'{"detail":"\\ud800"}',
    "escapes everywhere": b"=%" * 500_000,
    "entities everywhere": b"&#" * MIB,
    "a number": b"1" * 400,
    "true": b'{"detail":true}',
    "nothing": b'{"":""}',
}


@pytest.mark.parametrize("status", [200, 422, 500])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_made_to_confuse(always, client_class, key, service, body, status):
    always(service.says(status, body))
    with client_class(api_key=key, base_url=service.url, timeout=5) as client:
        client.pacing = replace(client.pacing, max_attempts=1)
        for name in ("finetune", "forecast", "finetuned_models"):
            check(calls(client)[name])


def test_a_message_has_little_of_the_service():
    content = json.dumps({"detail": "d" * 9999, "message": "m" * 9999, "requestID": "r" * 9999}).encode()
    for status in (302, 401, 422, 500):
        error = error_of(Answer(status, content, location="l" * 9999), "https://x.io")
        assert sum(str(error).count(letter * 20) for letter in "dmrl") * 20 <= 2_000
    assert len(error_of(Answer(302, b"", location="l" * 9999), "https://x.io").args[0]) < 500


@pytest.mark.parametrize("position", [True, False, "5", 5.0, -1, None, [5]])
def test_a_position_is_a_whole_number(position):
    detail = [{"loc": ["body", "series", "y", position], "msg": "no"}]
    assert list(refused_values(detail)) == []
    if position != -1:
        assert shift_refused_positions(detail, {"y": 100}) == detail


# successes that are none


def windows(**changes):
    """Return the answer to a cross-validation of two windows of 3 steps of each series, with changes."""
    positions = [6, 7, 8, 9, 10, 11, 30, 31, 32, 33, 34, 35]
    return {"mean": [1.5] * 12, "sizes": [6, 6], "idxs": positions, "intervals": None, **TOKENS, **changes}


def cross_validate(client, **arguments):
    return client.cross_validation(Y, SIZES, "D", 3, n_windows=2, **arguments)


def test_the_last_windows_of_each_series(always, service, client):
    always(service.says(200, windows()))
    result = cross_validate(client)
    assert result.positions.tolist() == windows()["idxs"]
    always(service.says(200, windows(idxs=[7, 8, 9, 9, 10, 11, 31, 32, 33, 33, 34, 35])))
    assert cross_validate(client, step_size=2).positions.tolist() == [7, 8, 9, 9, 10, 11, 31, 32, 33, 33, 34, 35]


def test_short_series_have_fewer_windows_or_none(always, service, client):
    always(service.says(200, {"mean": [1.5] * 3, "sizes": [3, 0], "idxs": [1, 2, 3], **TOKENS}))
    assert client.cross_validation(Y[:7], [4, 3], "D", 3, n_windows=2).positions.tolist() == [1, 2, 3]
    with pytest.raises(errors.ResponseError):
        client.cross_validation(Y[:8], [4, 4], "D", 3, n_windows=2)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"mean": [], "sizes": [], "idxs": []}, id="nothing"),
        pytest.param({"mean": [], "sizes": [0, 0], "idxs": []}, id="no windows"),
        pytest.param({"mean": [1.5] * 6, "sizes": [6], "idxs": [6, 7, 8, 9, 10, 11]}, id="a series less"),
        pytest.param({"mean": [1.5] * 6, "sizes": [6, 0], "idxs": [6, 7, 8, 9, 10, 11]}, id="none of a series"),
        pytest.param({"idxs": [30, 31, 32, 33, 34, 35, 6, 7, 8, 9, 10, 11]}, id="another order of series"),
        pytest.param({"idxs": [9, 10, 11, 6, 7, 8, 30, 31, 32, 33, 34, 35]}, id="another order of windows"),
        pytest.param({"idxs": [9, 10, 11, 9, 10, 11, 30, 31, 32, 33, 34, 35]}, id="a window twice"),
        pytest.param({"idxs": [6, 7, 8, 10, 11, 12, 30, 31, 32, 33, 34, 35]}, id="across the border of two series"),
        pytest.param({"idxs": [6, 7, 8, 9, 10, 10, 30, 31, 32, 33, 34, 35]}, id="half a window"),
        pytest.param({"idxs": [5, 6, 7, 8, 9, 10, 30, 31, 32, 33, 34, 35]}, id="not the last"),
        pytest.param({"sizes": [3, 9]}, id="other sizes"),
        pytest.param({"mean": [1.5] * 11}, id="a value less"),
        pytest.param({"mean": ["1.5"] * 12}, id="text as numbers"),
        pytest.param({"mean": [True] * 12}, id="true as numbers"),
        pytest.param({"idxs": [str(position) for position in windows()["idxs"]]}, id="text as positions"),
        pytest.param({"idxs": [True, *windows()["idxs"][1:]]}, id="true as a position"),
        pytest.param({"idxs": [float(position) for position in windows()["idxs"]]}, id="floats as positions"),
        pytest.param({"idxs": [2**64 - 1] * 12}, id="huge positions"),
        pytest.param({"idxs": [1e300] * 12}, id="positions beyond 64 bits"),
        pytest.param({"sizes": [2**63, 2**63]}, id="huge sizes"),
        pytest.param({"input_tokens": "1"}, id="text as tokens"),
    ],
)
def test_other_windows_are_refused(always, service, client, changes):
    always(service.says(200, windows(**changes)))
    with pytest.raises(errors.ResponseError):
        cross_validate(client)


LEVELS = {"lo-80": [1.0] * 12, "hi-80": [2.0] * 12}


@pytest.mark.parametrize("more", [{}, {"median": [1.0]}, {"lo-": []}, {"lo-x": [1.0]}, {"hi-²": []}, {"lo-95.0": []}])
def test_what_is_no_requested_interval_is_ignored(always, service, client, more):
    always(service.says(200, windows(intervals={**LEVELS, **more})))
    assert set(cross_validate(client, level=[80]).intervals) == {"lo-80", "hi-80"}
    assert cross_validate(client).intervals == {}


def test_intervals_have_one_spelling(always, service, client):
    always(service.says(200, windows(intervals={"lo-80.0": [1.0] * 12, "hi-80.00": [2.0] * 12})))
    assert set(cross_validate(client, level=[80]).intervals) == {"lo-80", "hi-80"}


@pytest.mark.parametrize("intervals", [None, {}, {"lo-80": [1.0] * 12}, {**LEVELS, "hi-80": [1.0]}])
def test_requested_intervals_are_there(always, service, client, intervals):
    always(service.says(200, windows(intervals=intervals)))
    with pytest.raises(errors.ResponseError, match=r"requested intervals|1 values of 'hi-80' instead of 12"):
        cross_validate(client, level=[80])


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": [2]},
        {"sizes": [13, 0]},
        {"sizes": [2**64 - 1, 2]},
        {"sizes": [-2, 6]},
        {"anomaly": [0, 1, 0, 1]},
        {"anomaly": [True] * 3},
        {"mean": [1.0] * 5},
        {"intervals": None},
        {"intervals": {"lo-99": [1.0] * 4}},
    ],
)
def test_other_anomalies_are_refused(always, service, client, changes):
    bounds = {"lo-99": [1.0] * 4, "hi-99": [1.0] * 4}
    answer = {"mean": [1.0] * 4, "sizes": [2, 2], "anomaly": [False] * 4, "intervals": bounds, **TOKENS}
    always(service.says(200, answer))
    assert client.detect_anomalies(Y, SIZES, "D").sizes.tolist() == [2, 2]
    always(service.says(200, {**answer, **changes}))
    with pytest.raises(errors.ResponseError):
        client.detect_anomalies(Y, SIZES, "D")


@pytest.mark.parametrize("parameters", [{"input_size": 0, "horizon": 7}, {"input_size": 2**63, "horizon": 7}, {"a": 1}])
def test_other_parameters_of_a_model_are_refused(always, service, client, parameters):
    always(service.says(200, {"detail": parameters}))
    with pytest.raises(errors.ResponseError):
        client.model_parameters("timegpt-1", "D")


ONLINE = {
    "mean": [1.0] * 4,
    "sizes": [2, 2],
    "idxs": [10, 11, 34, 35],
    "anomaly": [False] * 4,
    "anomaly_score": [0.5] * 4,
    "accumulated_anomaly_score": [0.1] * 4,
    "intervals": {"lo-99": [1.0] * 4, "hi-99": [1.0] * 4},
    **TOKENS,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": [2]},
        {"sizes": [13, -9]},
        {"sizes": [2**64 - 1, 2]},
        {"sizes": [1, 3]},
        {"idxs": [0, 1, 34, 35]},
        {"idxs": [11, 10, 34, 35]},
        {"idxs": [10, 11, 34]},
        {"anomaly": [0, 1, 0, 1]},
        {"anomaly_score": [1.0] * 3},
        {"anomaly_score": ["1.0"] * 4},
        {"accumulated_anomaly_score": None},
        {"accumulated_anomaly_score": [1.0]},
        {"intervals": {"lo-99": [1.0] * 4}},
    ],
)
def test_other_online_anomalies_are_refused(always, service, client, changes):
    def ask():
        return client.detect_online_anomalies(Y, SIZES, "D", 2, 2, threshold_method="multivariate")

    always(service.says(200, ONLINE))
    assert ask().accumulated_anomaly_score.tolist() == [0.1] * 4
    always(service.says(200, ONLINE | {"intervals": None}))
    assert ask().intervals == {}
    always(service.says(200, ONLINE | changes))
    with pytest.raises(errors.ResponseError):
        ask()
