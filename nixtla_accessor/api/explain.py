"""Explains what went wrong: turns an outcome into an error that a forecaster can act on."""

from __future__ import annotations

import html
import re
import reprlib
from collections.abc import Mapping
from typing import Any

import orjson

from nixtla_accessor.api.exchange import Answer, Failure, FailureKind, Outcome
from nixtla_accessor.api.redaction import printable
from nixtla_accessor.api.retry import Presence
from nixtla_accessor.contract import shift_refused_positions
from nixtla_accessor.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseError,
    ServerError,
    TimeGPTError,
    TransportError,
    UnprocessableError,
    UnsupportedEncodingError,
)

# For each status: the class of the error, what happened, and what to do.
_KINDS: dict[int, tuple[type[ApiError], str, str]] = {
    400: (BadRequestError, "The service could not read the request", ""),
    401: (
        AuthenticationError,
        "The service does not accept the API key",
        "Set NIXTLA_API_KEY or connect(api_key=…).",
    ),
    402: (PaymentRequiredError, "The account has no credit", "The service's dashboard shows its plan and its usage."),
    403: (PermissionDeniedError, "This API key does not allow that", "It may not include the requested model."),
    404: (
        NotFoundError,
        "The model or endpoint does not exist",
        "nixtla_accessor.models() lists the base models that exist.",
    ),
    408: (RequestTimeoutError, "The service gave up waiting for the request", "Try again."),
    409: (ConflictError, "The request conflicts with what the service already has", ""),
    413: (
        PayloadTooLargeError,
        "The request is larger than the service accepts",
        "Keep the recent part of each series.",
    ),
    415: (UnsupportedEncodingError, "The service does not accept the encoding of the request", ""),
    422: (UnprocessableError, "The service refused the request", ""),
    429: (
        RateLimitError,
        "The service accepts no more requests now",
        "Try later, or check the account's plan.",
    ),
}
_GATEWAY_TIMEOUTS = (504, 524)
_SHOWN_PROBLEMS = 3
_MAX_DEPTH = 16  # lists and objects within one another that are kept of an explanation
_MAX_LOCATION, _MAX_REQUEST_ID, _MAX_PLACE, _MAX_TITLE = 300, 100, 40, 4000  # characters
_MAX_PAGE = 2**16  # characters of a page in which its title is looked for
_SHOWN_PLACES = 8
_TEXTS = ("detail", "message", "error", "error_message", "errors", "details", "reason", "msg", "title")
_REQUEST_IDS = ("requestID", "request_id", "requestId")
_MODELS = re.compile(r"\b(fine-?tuned|saved) models?\b", re.IGNORECASE)
_LIMIT = re.compile(r"\b(limit|maximum|max|quota|too many|at most|full)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b", re.IGNORECASE)
_TITLE_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("title", "h1")}
_TAG = re.compile(r"<[^<>]*>")
_DELETE = "delete_finetuned_model(id) makes room; finetuned_models() lists the models that exist."


def error_of(
    outcome: Outcome,
    service_name: str,
    *,
    attempts: int = 1,
    model_id: str | None = None,
    new_model_id: str | None = None,
    presence: Presence | None = None,
    at_work: bool = False,
    nothing_listens: bool = False,
    offsets: Mapping[str, int] | None = None,
    n_bytes: int | None = None,
) -> TimeGPTError:
    """Return the error for an outcome that is not a readable success.

    Parameters
    ----------
    outcome : Answer or Failure
        Of the last attempt.
    service_name : str
        The service's name in messages.
    attempts : int
        The number of attempts.
    model_id : str, optional
        The fine-tuned model that the request needs.
    new_model_id : str, optional
        The fine-tuned model that the request was to make.
    presence : Presence, optional
        What is known of that model, where the service may have processed one of the attempts.
    at_work : bool
        Whether the service may be at work on the last attempt even now.
    nothing_listens : bool
        Whether no server runs at the service's address any more, which is on this machine.
    offsets : mapping of str to int, optional
        The number of items of ``y`` and ``sizes`` before the part of the series that was sent.
    n_bytes : int, optional
        The bytes of JSON that were sent.

    Returns
    -------
    TimeGPTError
        Its message says what happened, the service's explanation, and what to do.
    """
    model_state = ""
    if new_model_id is not None and presence is not None:
        model_state = _model_state(new_model_id, presence, at_work=at_work and not nothing_listens)
        if nothing_listens:
            model_state = f"No engine (or other server) is running there any more: start it again. {model_state}"
    if isinstance(outcome, Failure):
        error = _failure_error(outcome, service_name, attempts, model_state)
    else:
        error = _api_error(outcome, attempts, model_id, new_model_id, model_state, offsets or {}, n_bytes)
    if model_state and (at_work or isinstance(error, TransportError)):
        unknown = OutcomeUnknownError(str(error), finetuned_model_id=new_model_id)
        unknown.__cause__ = error.__cause__
        return unknown
    return error


def describe_detail(detail: object) -> str:
    """Return what the service says in words, on one line, whether it is a text, a list of problems or an envelope."""
    return printable(_in_words(_without_depths(detail)))


def interrupted_text(model_id: str, *, maybe_processed: bool, presence: Presence = Presence.UNKNOWN) -> str:
    """Return the message of an interrupted finetune call; `presence` is that of its model, where nothing is at work."""
    if presence is Presence.FOUND:
        return f"Interrupted when model {model_id!r} was trained; df.timegpt.use_model({model_id!r}) attaches it."
    if presence is Presence.ABSENT:
        return f"Interrupted, and the training was ended, so that model {model_id!r} is not trained."
    if maybe_processed:
        return (
            f"Interrupted, and model {model_id!r} may still be trained; df.timegpt.use_model({model_id!r}) attaches it "
            "once it exists."
        )
    return f"Interrupted before the service had all series, so that model {model_id!r} is not trained."


def interrupted_wait_text(model_id: str) -> str:
    """Return the message of an interrupted wait for a job."""
    return (
        f"Interrupted, and model {model_id!r} may still be trained by its job: df.timegpt.wait() waits on, "
        "df.timegpt.status says how it stands, and df.timegpt.cancel() ends it. For a frame without the record, "
        f"df.timegpt.use_model({model_id!r}) attaches the model once it exists."
    )


def _model_state(model_id: str, presence: Presence, *, at_work: bool) -> str:
    """Return what is known of the new model, and how to attach it."""
    attaches = f"df.timegpt.use_model({model_id!r}) attaches it"
    if at_work:
        return f"Model {model_id!r} may still be trained; {attaches} once it exists."
    if presence is Presence.ABSENT:
        return f"Model {model_id!r} does not exist yet. If it appears later, {attaches}."
    return f"Could not determine whether model {model_id!r} exists. If it does, {attaches}."


def _failure_error(failure: Failure, service_name: str, attempts: int, model_state: str) -> TimeGPTError:
    """Return the error for a failed exchange."""
    unreadable = failure.kind is FailureKind.UNREADABLE
    subject = service_name[0].upper() + service_name[1:] if service_name.startswith("the ") else service_name
    sentences = [
        f"{subject} {failure.reason}.",
        f"Tried {attempts} times." if attempts > 1 else "",
        "Check base_url." if unreadable and not model_state else "",
        model_state,
    ]
    error = (ResponseError if unreadable else TransportError)(" ".join(filter(None, sentences)))
    error.__cause__ = failure.cause
    return error


def _api_error(
    answer: Answer,
    attempts: int,
    model_id: str | None,
    new_model_id: str | None,
    model_state: str,
    offsets: Mapping[str, int],
    n_bytes: int | None,
) -> ApiError:
    """Return the error for a refusal, of the status's class."""
    detail, text, request_id = _read(answer.content)
    detail = shift_refused_positions(detail, offsets)
    explanation = printable(_in_words(detail)) if text is None else text
    kind, headline, advice = _kind(answer)
    if kind is NotFoundError and text is not None:  # a page, which is none of the service's own
        advice = "Check base_url."
    elif kind is NotFoundError and model_id is not None:
        headline = f"Fine-tuned model {model_id!r} does not exist"
        advice = "finetuned_models() lists the models that exist."
    if new_model_id is not None and answer.status < 500 and _MODELS.search(explanation) and _LIMIT.search(explanation):
        advice = _DELETE
    elif new_model_id is not None and kind is PayloadTooLargeError and n_bytes is not None:
        advice = (
            f"It has {n_bytes:,} bytes of JSON. Keep the recent part of each series; or, if each is far smaller than "
            f"that, send fewer in a request: finetune(…, max_request={n_bytes // 2})."
        )
    if answer.retry_after is not None:
        advice = f"The service asks to wait {answer.retry_after:g} s before the next attempt."
    return kind(
        headline,
        status_code=answer.status,
        detail=detail,
        explanation=explanation,
        advice=advice,
        attempts=attempts,
        model_state=model_state,
        request_id=answer.request_id or request_id,
        retry_after=answer.retry_after,
        finetuned_model_id=new_model_id or model_id,
    )


def _kind(answer: Answer) -> tuple[type[ApiError], str, str]:
    """Return the class, the headline and the advice for a status."""
    if answer.status in _KINDS:
        return _KINDS[answer.status]
    if answer.status in _GATEWAY_TIMEOUTS:
        return ServerError, "A gateway gave up waiting for the service", ""
    if answer.status >= 500:
        return ServerError, "The service failed", ""
    if 300 <= answer.status < 400:
        to = "" if answer.location is None else f" to {printable(answer.location, _MAX_LOCATION)!r}"
        headline = f"The service redirects{to}; this is not followed, since the key would be sent there"
        return ApiError, headline, "Check base_url."
    return ApiError, "The service refused the request", ""


def _read(content: bytes) -> tuple[object, str | None, str | None]:
    """Return the detail, its text where it is no JSON, and the request's id, whatever the shape of the body."""
    try:
        body: Any = _without_depths(orjson.loads(content))
    except orjson.JSONDecodeError:
        text = content.decode("utf-8", "replace").strip()
        return text or None, _page_title(text) if text.startswith("<") else None, None
    request_id = None
    if isinstance(body, dict):
        if isinstance(body.get("data"), dict):
            body = {**body, **body["data"]}
        request_id = next(filter(None, (_short_id(body.get(name)) for name in _REQUEST_IDS)), None)
    detail = body["detail"] if isinstance(body, dict) and body.get("detail") is not None else body
    return detail, None, request_id


def _without_depths(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value with what is nested too deep left out: it could not be shown, copied or pickled."""
    if not isinstance(value, dict | list):
        return value
    if depth == _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {name: _without_depths(item, depth + 1) for name, item in value.items()}
    return [_without_depths(item, depth + 1) for item in value]


def _short_id(value: object) -> str | None:
    """Return an id or a code as text on one line; None where it is neither text nor a number."""
    is_id = isinstance(value, str | int) and not isinstance(value, bool)
    return printable(str(value), _MAX_REQUEST_ID) or None if is_id else None


def _in_words(detail: object) -> str:
    """Return a detail in words, whether it is a text, a list of problems or an envelope."""
    match detail:
        case None:
            return ""
        case str():
            return printable(detail)
        case list():
            shown = "; ".join(map(_problem_in_words, detail[:_SHOWN_PROBLEMS]))
            more = len(detail) - _SHOWN_PROBLEMS
            return f"{shown}; and {more:,} more, all in .detail" if more > 0 else shown
        case dict():
            texts = dict.fromkeys(_in_words(detail[name]) for name in _TEXTS if detail.get(name))
            code = _short_id(detail.get("code"))
            return " ".join([", ".join(filter(None, texts)), f"[{code}]" if code else ""]).strip()
        case _:
            return str(detail)


def _problem_in_words(problem: object) -> str:
    """Return one refused value in words, with its full location."""
    if not isinstance(problem, dict) or not ("msg" in problem or "field" in problem):
        return _in_words(problem)
    location = problem.get("loc", problem.get("field"))
    places = location if isinstance(location, list) else [] if location is None else [location]
    where = " → ".join(printable(str(place), _MAX_PLACE) for place in places[:_SHOWN_PLACES])
    got = problem.get("input")
    found = "" if got is None or isinstance(got, dict | list) else f" (got {reprlib.repr(got)})"
    return f"{where}: {_in_words({**problem, 'code': None})}{found}".removeprefix(": ")


def _page_title(page: str) -> str:
    """Describe an HTML page by its title, or its first heading."""
    beginning = page[:_MAX_PAGE]
    opening = _TITLE.search(beginning)
    start = -1 if opening is None else beginning.find(">", opening.end())
    if opening is None or start < 0:
        return "an HTML page"
    closing = _TITLE_ENDS[opening[1].lower()].search(beginning, start)
    title = "" if closing is None else beginning[start + 1 : closing.start()][:_MAX_TITLE]
    words = printable(html.unescape(_TAG.sub(" ", title)))
    return f"an HTML page, {words!r}" if words else "an HTML page"
