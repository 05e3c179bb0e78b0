"""Requests that may be worked on twice, such as look-ups and forecasts: asked again until there is an answer."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from nixtla_accessor.api.encoding import Request, decode, encode
from nixtla_accessor.api.exchange import Answer, Failure
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.retry import History, Pacing, decide_reading, may_be_done
from nixtla_accessor.api.schema import WireModel
from nixtla_accessor.api.transport import Transport, Upload

_LOG = logging.getLogger(__name__)
_GONE = 404
_PROMPT = 30.0  # seconds

AnswerT = TypeVar("AnswerT", bound=WireModel)


@dataclass(frozen=True, slots=True)
class Call:
    """What a call goes by.

    Attributes
    ----------
    transport : Transport
        To the service.
    pacing : Pacing
        How often and how fast to try again.
    timeout : tuple of float
        Seconds to connect, and seconds to wait for the answer once the request is out, of each attempt.
    largest : int or None
        The most bytes of JSON that may be sent.
    display : ProgressDisplay
        Shows how far it is.
    """

    transport: Transport
    pacing: Pacing
    timeout: tuple[float, float]
    largest: int | None
    display: ProgressDisplay

    def prompt(self) -> Self:
        """Return the same for what the service need not work on: no attempt waits longer than half a minute."""
        return replace(self, timeout=(min(self.timeout[0], _PROMPT), min(self.timeout[1], _PROMPT)))


def read(answer: Answer, expected: type[AnswerT], where: str) -> AnswerT:
    """Read a success, or raise a `ResponseError` that says what it is instead."""
    decoded = decode(answer.content, expected)
    if isinstance(decoded, Failure):
        raise error_of(decoded, where)
    return decoded


def ask(
    call: Call,
    method: str,
    path: str,
    *,
    parameters: Mapping[str, str] | None = None,
    prepare_upload: Callable[[bool], Upload] | None = None,
    about: str | None = None,
) -> Answer:
    """Send a request until the service does what it asks.

    Parameters
    ----------
    call : Call
        What it goes by.
    method, path : str
        Such as ``"GET"`` and ``"/v2/finetuned_models"``.
    parameters : mapping, optional
        Of the query.
    prepare_upload : callable, optional
        Makes the body of an attempt; it is told whether the body may be compressed.
    about : str, optional
        The fine-tuned model that is asked for.

    Returns
    -------
    Answer
        A success; a model that an earlier attempt has deleted counts as one.

    Raises
    ------
    ApiError, TransportError, ResponseError
        What persists.
    """
    history = History(attempts=0)
    compress = True
    while True:
        upload = None if prepare_upload is None else prepare_upload(compress)
        outcome = call.transport.exchange(method, path, timeout=call.timeout, parameters=parameters, upload=upload)
        if isinstance(outcome, Answer) and (
            outcome.is_success or (method == "DELETE" and outcome.status == _GONE and history.maybe_done)
        ):
            return outcome
        compressed = upload is not None and upload.body.is_compressed
        history = replace(history, attempts=history.attempts + 1, compressed=compressed)
        decision = decide_reading(outcome, history, call.pacing, random.random())  # noqa: S311 - jitter
        if decision.again is None:
            raise error_of(outcome, call.transport.where, attempts=history.attempts, about=about)
        _LOG.info("%s %s: %s; again in %.1f s", method, path, outcome.summary, decision.again)
        time.sleep(decision.again)
        compress = compress and not decision.plain
        history = replace(
            history,
            waited=history.waited + decision.again,
            maybe_done=history.maybe_done or may_be_done(outcome),
        )


def ask_with_series(
    call: Call, path: str, request: Request, expected: type[AnswerT], *, waiting_for: str, about: str | None
) -> AnswerT:
    """Post series, and read the answer.

    Parameters
    ----------
    call : Call
        What it goes by.
    path : str
        Such as ``"/v2/forecast"``.
    request : FinetuneInput, ForecastInput, CrossValidationInput or AnomalyDetectionInput
        What is asked.
    expected : type
        The contract's model of the answer.
    waiting_for : str
        What is shown while the service is at work.
    about : str or None
        The fine-tuned model that is asked for.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    ApiError, TransportError, ResponseError
        There is no answer that can be read.
    """

    def prepare_upload(compress: bool) -> Upload:  # noqa: FBT001 - its only argument
        return call.display.follow(encode(request, largest=call.largest, compress=compress), waiting_for)

    answer = ask(call, "POST", path, prepare_upload=prepare_upload, about=about)
    return read(answer, expected, call.transport.where)
