"""Requests that may be worked on twice, such as look-ups and forecasts: asked again until there is an answer."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, overload

from nixtla_accessor.api.encoding import decode, encode
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.outcome import Answer, Failure, Outcome
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.retry import Pacing, Progress, decide_reading, may_be_done
from nixtla_accessor.api.schema import WireModel
from nixtla_accessor.api.transport import Transport

_LOG = logging.getLogger(__name__)
_GONE = 404

AnswerT = TypeVar("AnswerT", bound=WireModel)


def get(
    transport: Transport,
    path: str,
    expected: type[AnswerT],
    *,
    pacing: Pacing,
    timeout: tuple[float, float],
    parameters: Mapping[str, str] | None = None,
    about: str | None = None,
) -> AnswerT:
    """Get what a path names.

    Parameters
    ----------
    transport : Transport
        To the service.
    path : str
        Such as ``"/v2/finetuned_models"``.
    expected : type
        The contract's model of the answer.
    pacing, timeout
        How long to keep at it.
    parameters : mapping, optional
        Of the query.
    about : str, optional
        The fine-tuned model that the path names, for the message.

    Raises
    ------
    ApiError, TransportError, ResponseError
    """
    progress = Progress(attempts=0)
    while True:
        outcome = read(transport.exchange("GET", path, timeout=timeout, parameters=parameters), expected)
        if isinstance(outcome, expected):
            return outcome
