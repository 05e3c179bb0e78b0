"""The service's explanations, of any shape, in one sentence."""

import json

import pytest

from nixtla_accessor import errors
from nixtla_accessor.api.exchange import Answer, Failure, FailureKind
from nixtla_accessor.api.explain import error_of

ENVELOPE = (
    b'{"data":null,"message":"Token is not valid","details":"Renew it",'
    b'"code":"A12","requestID":"r-7","support":"s@x.io"}'
)


@pytest.mark.parametrize(
    ("content", "words", "detail"),
    [
        (b'{"detail":"Not authenticated"}', ": Not authenticated. ", "Not authenticated"),
        (b'"just a text"', ": just a text. ", "just a text"),
        (b"plain\ntext.", ": plain text. ", "plain\ntext."),
        (b"", "(401). ", None),
        (b"null", "(401). ", None),
        (b"{}", "(401). ", {}),
        (b'{"detail":null,"message":null}', "(401). ", {"detail": None, "message": None}),
        (b'{"message":"no","code":"A1"}', ": no [A1]. ", {"message": "no", "code": "A1"}),
        (b'{"code":"A1"}', ": [A1]. ", {"code": "A1"}),
        (b'{"error":{"message":"deep"}}', ": deep. ", {"error": {"message": "deep"}}),
        (b'{"detail":{"msg":"inner","code":5}}', ": inner [5]. ", {"msg": "inner", "code": 5}),
        (b'{"data":{"detail":"wrapped"}}', ": wrapped. ", "wrapped"),
        (b'["one","two"]', ": one; two. ", ["one", "two"]),
        (b"<html><head><title>401\n Unauthorized</title>", ": an HTML page, '401 Unauthorized'. ", None),
        (b"<html><p>hi", ": an HTML page. ", None),
        (b"\xff\xfe", ": \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}. ", None),
        (b"17", ": 17. ", 17),
    ],
)
def test_every_shape_of_a_refusal(content, words, detail):
    error = error_of(Answer(401, content), "https://x.io")
    said = words.removeprefix("(401)")
    assert str(error) == (
        f"The service does not accept the API key (401){said}Set NIXTLA_API_KEY or connect(api_key=…)."
    )
    if detail is not None or not content:
        assert error.detail == detail


def test_the_services_own_envelope():
    error = error_of(Answer(401, ENVELOPE), "https://x.io")
    assert "Token is not valid, Renew it [A12]" in str(error)
    assert error.request_id == "r-7"
    assert error.detail["support"] == "s@x.io"


def test_a_header_names_the_request_before_the_body_does():
    assert error_of(Answer(401, ENVELOPE, request_id="h-1"), "https://x.io").request_id == "h-1"


def test_refused_values_are_shown_with_their_full_location():
    detail = [
        {"type": "float_type", "loc": ["body", "series", "y", 30], "msg": "should be a number", "input": "a"},
        {"type": "enum", "loc": ["body", "unheard", "of", 0, "place"], "msg": "no", "input": [1, 2], "ctx": {}},
        {"loc": [], "msg": "nowhere"},
        {"loc": ["body"], "msg": "one more"},
        {"loc": ["body"], "msg": "and more"},
    ]
    error = error_of(Answer(422, json.dumps({"detail": detail}).encode()), "https://x.io")
    assert type(error) is errors.UnprocessableError
    assert error.detail == detail
    assert str(error) == (
        "The service refused the request (422): body → series → y → 30: should be a number (got 'a'); "
        "body → unheard → of → 0 → place: no; nowhere; and 2 more, all in .detail."
    )


def test_long_texts_are_truncated_in_the_message_only():
    error = error_of(Answer(500, b"x" * 10_000), "https://x.io")
    assert len(str(error)) < 600
    assert len(error.detail) == 10_000


def test_a_base_model_that_does_not_exist_is_looked_up_elsewhere():
    assert str(error_of(Answer(404, b'{"detail":"no model \'timegtp\'"}'), "https://x.io")) == (
        "The model or endpoint does not exist (404): no model 'timegtp'. nixtla_accessor.models() lists the base "
        "models that exist."
    )


def test_a_model_that_does_not_exist_is_named():
    error = error_of(Answer(404, b'{"detail":"nope"}'), "https://x.io", model_id="a")
    assert (
        str(error) == "Fine-tuned model 'a' does not exist (404): nope. finetuned_models() lists the models that exist."
    )
    assert error.finetuned_model_id == "a"


@pytest.mark.parametrize(
    ("kind", "reason", "message", "error_class"),
    [
        (FailureKind.NOT_SENT, "slept", "https://x.io slept.", errors.TransportError),
        (FailureKind.CUT_OFF, "broke off", "https://x.io broke off.", errors.TransportError),
        (FailureKind.TIMED_OUT, "dreamt", "https://x.io dreamt.", errors.TransportError),
        (FailureKind.UNREADABLE, "mumbled", "https://x.io mumbled. Check base_url.", errors.ResponseError),
    ],
)
def test_failures_in_words(kind, reason, message, error_class):
    error = error_of(Failure(kind, reason), "https://x.io")
    assert type(error) is error_class
    assert str(error) == message


def test_the_local_engine_starts_a_sentence():
    assert str(error_of(Failure(FailureKind.CUT_OFF, "slept"), "the local engine")) == "The local engine slept."


def test_other_ways_to_name_a_problem():
    error = error_of(Answer(422, b'{"errors":[{"field":"y","reason":"must be positive"}]}'), "https://x.io")
    assert "(422): y: must be positive." in str(error)
    assert "(500): it broke." in str(error_of(Answer(500, b'{"error_message":"it broke"}'), "https://x.io"))


def test_a_page_that_is_not_there_is_no_model():
    error = error_of(Answer(404, b"<html><title>Not Found</title>"), "https://x.io", model_id="sales")
    assert str(error) == ("The model or endpoint does not exist (404): an HTML page, 'Not Found'. Check base_url.")
