"""Turns what the service answered into errors that a forecaster can act on."""

from __future__ import annotations

import html
import re
import reprlib
from typing import Any

import orjson

from nixtla_accessor.api.exchange import Answer, FailureKind, Outcome
from nixtla_accessor.api.retry import is_unanswered
from nixtla_accessor.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
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

_KINDS: dict[int, tuple[type[ApiError], str, str]] = {
    400: (BadRequestError, "The service could not read the request", ""),
    401: (
        AuthenticationError,
        "The service does not accept the API key",
        "Set NIXTLA_API_KEY or connect(api_key=…).",
    ),
    402: (PaymentRequiredError, "The account has no credit", "Its plan and its use are on the service's dashboard."),
    403: (PermissionDeniedError, "This API key may not do that", "It may lack the model that was asked for."),
    404: (
        NotFoundError,
        "There is no such model or endpoint",
        "finetuned_models() lists the models there are.",
    ),
    408: (RequestTimeoutError, "The service gave up waiting for the request", "Try again."),
    409: (ConflictError, "The request clashes with what the service already has", ""),
    413: (PayloadTooLargeError, "The request is larger than the service takes", "Keep the recent part of each series."),
    415: (UnsupportedEncodingError, "The service does not take the encoding of the request", ""),
    422: (UnprocessableError, "The service refused the request", ""),
    429: (
        RateLimitError,
        "The service takes no more requests now",
        "Try later, or see to the account's plan.",
    ),
}
_SHOWN_PROBLEMS = 3
_SHOWN_TEXT = 500  # characters
_TEXTS = ("detail", "message", "error", "details", "msg", "title")
_REQUEST_IDS = ("requestID", "request_id", "requestId")
_FULL_ACCOUNT = re.compile(
    r"(?=.*\b(fine-?tuned|saved) models?\b)(?=.*\b(limit|maximum|max|quota|too many|at most|full)\b)",
    re.IGNORECASE | re.DOTALL,
)
_SPLIT = 'Send less in each request: finetune(…, max_request="50MiB"), or keep the recent part of each series.'
_DELETE = "delete_finetuned_model(id) makes room, and finetuned_models() lists what there is."


def error_of(
    outcome: Outcome,
    where: str,
    *,
    attempts: int = 1,
    about: str | None = None,
    making: str | None = None,
    known: str = "",
) -> TimeGPTError:
    """Make the error of what is no readable success.

    Parameters
    ----------
    outcome : Answer or Failure
        What became of the last request.
    where : str
        What to call the service.
    attempts : int
        How many requests there were.
    about : str, optional
        The fine-tuned model that was asked for.
    making : str, optional
        The fine-tuned model that the request was to make.
    known : str
        A sentence on what became of that model.

    Returns
    -------
    TimeGPTError
        Its message says what happened, what the service said and what to do.
    """
    tried = f"Tried {attempts} times." if attempts > 1 else ""
    if isinstance(outcome, Answer):
        return _api_error(outcome, about=about, making=making, more=[tried, known])
    unreadable = outcome.kind is FailureKind.UNREADABLE
    kind = ResponseError if unreadable else TransportError
    advice = "Check base_url." if unreadable and not known else ""
    subject = where[0].upper() + where[1:] if where.startswith("the ") else where
    error = kind(_join([f"{subject} {outcome.reason}.", tried, advice, known]))
    error.__cause__ = outcome.cause
    return error


def shift_positions(error: UnprocessableError, **before: int) -> None:
    """Turn the positions that a refusal of a part names into those in the whole.

    Parameters
    ----------
    error : UnprocessableError
        Its detail and its message change.
    **before : int
        How many items of each array, ``y`` or ``sizes``, come before the part.
    """
    if not isinstance(error.detail, list):
        return
    said = _shorten(_in_words(error.detail)).rstrip(".")
    error.detail = [_shifted(problem, before) for problem in error.detail]
    error.args = (str(error).replace(said, _shorten(_in_words(error.detail)).rstrip("."), 1), *error.args[1:])


def _shifted(problem: object, before: dict[str, int]) -> object:
    """Return a refused value at its position in the whole."""
    match problem:
        case {"loc": ["body", "series", str(name), int(position), *rest], **others} if name in before:
            return {**others, "loc": ["body", "series", name, position + before[name], *rest]}
        case _:
            return problem


def _api_error(answer: Answer, *, about: str | None, making: str | None, more: list[str]) -> ApiError:
    """Make the error of a refusal, of the status's class."""
    detail, said, request_id = _read(answer.content)
    request_id = answer.request_id or request_id
    kind, headline, advice = _kind(answer)
    if kind is NotFoundError and about is not None:
        headline = f"There is no fine-tuned model {about!r}"
    if making is not None and answer.status < 500 and _FULL_ACCOUNT.search(said):
        advice = _DELETE
    elif making is not None and kind is PayloadTooLargeError:
        advice = _SPLIT
    if answer.retry_after is not None:
        advice = f"It asks to be tried again in {answer.retry_after:g} s."
    what = f"{headline} ({answer.status}){': ' if said else ''}{said}".rstrip(".") + "."
    return kind(
        _join([what, advice, *more, f"Request id: {request_id}." if request_id else ""]),
        status_code=answer.status,
        detail=detail,
        request_id=request_id,
        retry_after=answer.retry_after,
        finetuned_model_id=making or about,
    )


def _join(sentences: list[str]) -> str:
    """Put sentences in a line, leaving out empty ones."""
    return " ".join(filter(None, sentences))


def _kind(answer: Answer) -> tuple[type[ApiError], str, str]:
    """Return the class, the headline and the advice for a status."""
    if answer.status in _KINDS:
        return _KINDS[answer.status]
    if is_unanswered(answer):
        return ServerError, "A gateway gave up waiting for the service", ""
    if answer.status >= 500:
        return ServerError, "The service failed", ""
    if 300 <= answer.status < 400:
        to = "" if answer.location is None else f" to {answer.location!r}"
        headline = f"The service redirects{to}, which is not followed, since the key would travel along"
        return ApiError, headline, "Check base_url."
    return ApiError, "The service refused the request", ""


def _read(content: bytes) -> tuple[object, str, str | None]:
    """Return the detail as it came, the same in words, and the request's id, of whatever shape the body is."""
    text = content.decode("utf-8", "replace").strip()
    try:
        body: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return text or None, _page_title(text) if text.startswith("<") else _shorten(_in_words(text)), None
    request_id = None
    if isinstance(body, dict):
        if isinstance(body.get("data"), dict):
            body = {**body, **body["data"]}
        request_id = next((str(body[name]) for name in _REQUEST_IDS if body.get(name)), None)
    detail = body["detail"] if isinstance(body, dict) and body.get("detail") is not None else body
    return detail, _shorten(_in_words(detail)), request_id


def _in_words(detail: object) -> str:
    """Say in one line what a detail says, whether it is a text, a list of problems or an envelope."""
    match detail:
        case None:
            return ""
        case str():
            return " ".join(detail.split())
        case list():
            shown = "; ".join(map(_problem_in_words, detail[:_SHOWN_PROBLEMS]))
            more = len(detail) - _SHOWN_PROBLEMS
            return f"{shown}; and {more:,} more, all in .detail" if more > 0 else shown
        case dict():
            said = dict.fromkeys(_in_words(detail[name]) for name in _TEXTS if detail.get(name))
            code = detail.get("code")
            return " ".join([", ".join(filter(None, said)), f"[{code}]" if code else ""]).strip()
        case _:
            return str(detail)


def _problem_in_words(problem: object) -> str:
    """Say what one refused value is, its place whole."""
    if not isinstance(problem, dict) or "msg" not in problem:
        return _in_words(problem)
    place = problem.get("loc")
    where = " → ".join(map(str, place)) if isinstance(place, list) else "" if place is None else str(place)
    got = problem.get("input")
    found = "" if got is None or isinstance(got, dict | list) else f" (got {reprlib.repr(got)})"
    return f"{where}: {problem['msg']}{found}".removeprefix(": ")


def _page_title(page: str) -> str:
    """Say of an HTML page what it is titled."""
    title = re.search(r"<(title|h1)[^>]*>(.*?)</\1", page, re.IGNORECASE | re.DOTALL)
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", title[2])).split()) if title else ""
    return f"an HTML page, {_shorten(words)!r}" if words else "an HTML page"


def _shorten(text: str) -> str:
    """Cut a long text."""
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…"
