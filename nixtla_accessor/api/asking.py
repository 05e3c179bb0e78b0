"""Requests that may be worked on twice, such as look-ups and forecasts: asked again until there is an answer."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from nixtla_accessor.api.encoding import decode
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.outcome import Answer, Failure
from nixtla_accessor.api.retry import History, Pacing, decide_reading, may_be_done
from nixtla_accessor.api.schema import WireModel
from nixtla_accessor.api.transport import Transport, Upload

_LOG = logging.getLogger(__name__)
_GONE = 404

_PROMPT = 30.0  # seconds

AnswerT = TypeVar("AnswerT", bound=WireModel)


def prompt_timeout(timeout: tuple[float, float]) -> tuple[float, float]:
    """Return the time limits of what the service need not work on: no longer than the given, or half a minute."""
    return min(timeout[0], _PROMPT), min(timeout[1], _PROMPT)


def read(answer: Answer, expected: type[AnswerT], where: str) -> AnswerT:
    """Read a success, or raise a `ResponseError` that says what it is instead."""
    decoded = decode(answer.content, expected)
    if isinstance(decoded, Failure):
        raise error_of(decoded, where)
    return decoded


def ask(
    transport: Transport,
    method: str,
    path: str,
    *,
    pacing: Pacing,
    timeout: tuple[float, float],
    parameters: Mapping[str, str] | None = None,
    prepare_upload: Callable[[bool], Upload] | None = None,
    about: str | None = None,
) -> Answer:
    """Send a request until the service does what it asks.

    Parameters
    ----------
    transport : Transport
        To the service.
    method, path : str
        Such as ``"GET"`` and ``"/v2/finetuned_models"``.
    pacing : Pacing
        How often and how fast to try again.
    timeout : tuple of float
        Seconds to connect, and seconds to wait for the answer once the request is out, of each attempt.
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
        outcome = transport.exchange(method, path, timeout=timeout, parameters=parameters, upload=upload)
        if isinstance(outcome, Answer) and (
            outcome.is_success or (method == "DELETE" and outcome.status == _GONE and history.maybe_done)
        ):
            return outcome
        compressed = upload is not None and upload.body.is_compressed
        history = replace(history, attempts=history.attempts + 1, compressed=compressed)
        decision = decide_reading(outcome, history, pacing, random.random())  # noqa: S311 - jitter
        if decision.again is None:
            raise error_of(outcome, transport.where, attempts=history.attempts, about=about)
        _LOG.info("%s %s: %s; again in %.1f s", method, path, outcome.summary, decision.again)
        time.sleep(decision.again)
        compress = compress and not decision.plain
        history = replace(
            history,
            waited=history.waited + decision.again,
            maybe_done=history.maybe_done or may_be_done(outcome),
        )
