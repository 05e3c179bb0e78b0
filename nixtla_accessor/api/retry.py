"""Decides what follows an exchange that brought no result: retry, look the model up, or give up.

Pure functions: nothing here sleeps, sends or reads the clock, so that every row of the tables is a test.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

from nixtla_accessor.api.exchange import Answer, Failure, FailureKind, Outcome

_MAYBE_PROCESSED = frozenset({408, 500, 502, 503, 520, 521, 522, 523})
"""What a service, or the proxy before it, answers when the request may or may not have been processed."""
_STILL_PROCESSING = frozenset({504, 524})
"""What a proxy answers when it stops waiting for a service that goes on."""
_BAD_REQUEST, _CONFLICT, _UNSUPPORTED_ENCODING, _TOO_MANY_REQUESTS, _UNAVAILABLE = 400, 409, 415, 429, 503
_ABOUT_ENCODING = re.compile(rb"encoding|zstd|compress|parsing the body", re.IGNORECASE)
_NO_CREDIT = b'"A21"'
"""The service's code for an account without credit, which waiting does not change."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """The limits on retries and look-ups; all durations in seconds.

    Attributes
    ----------
    max_attempts : int
        Attempts in all.
    max_total_wait : float
        The sum of the waits between attempts, and the longest wait that a service may ask for.
    first_wait, max_wait : float
        The first and the longest wait between attempts where the service asks for none. Each is twice the one before,
        minus a random part of up to half.
    lookup_time : float
        How long to look for a model that an interrupted request may have made.
    first_lookup_pause, max_lookup_pause : float
        The first and the longest pause between two look-ups; each is twice the one before.
    """

    max_attempts: int = 4
    max_total_wait: float = 60.0
    first_wait: float = 0.5
    max_wait: float = 8.0
    lookup_time: float = 10.0
    first_lookup_pause: float = 0.5
    max_lookup_pause: float = 10.0


@dataclass(frozen=True, slots=True)
class History:
    """The attempts at a request so far.

    Attributes
    ----------
    attempts : int
        How many there were.
    waited : float
        Seconds spent waiting between them.
    compressed : bool
        Whether the body of the last one was compressed.
    maybe_processed : bool
        Whether the service may have processed one of them.
    """

    attempts: int = 0
    waited: float = 0.0
    compressed: bool = False
    maybe_processed: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next; by default, give up.

    Attributes
    ----------
    look_up_for : float or None
        First look the model up for so many seconds; infinity means until the call's time limit. ``None``: do not.
    retry_in : float or None
        Then, unless the model exists, send the request again after so many seconds. ``None``: do not.
    uncompressed : bool
        Send it without compression.
    """

    look_up_for: float | None = None
    retry_in: float | None = None
    uncompressed: bool = False


class Presence(Enum):
    """What is known of a model that may have been made."""

    FOUND = "found"
    ABSENT = "absent"
    UNKNOWN = "unknown"


GIVE_UP = Decision()


def decide_training(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a request that must be processed at most once.

    ========================================  ======================================================
    not sent in full                          retry
    sent, then cut off; 408, 500, 502, 503    look up for a while; if the model is absent, retry
    sent, but no answer in time; 504          look up until the time limit, never retry
    a success that cannot be read             look up for a while, never retry
    429; 503 that asks to wait                retry after the requested wait, if it is not too long
    409 after one that may be processed       look up until the time limit: the model itself conflicts
    400, 415 because of the compression       retry without compression
    anything else                             give up
    ========================================  ======================================================

    Parameters
    ----------
    outcome : Answer or Failure
        Of the last request; not a readable success.
    history : History
        The attempts so far, with the last one.
    pacing : Pacing
        The limits.
    jitter : float
        A random number from 0 to 1.

    Returns
    -------
    Decision
    """
    wait = _next_wait(outcome, history, pacing, jitter)
    if isinstance(outcome, Failure):
        if outcome.permanent:
            return GIVE_UP
        return {
            FailureKind.NOT_SENT: Decision(retry_in=wait),
            FailureKind.CUT_OFF: Decision(look_up_for=pacing.lookup_time, retry_in=wait),
            FailureKind.TIMED_OUT: Decision(look_up_for=math.inf),
            FailureKind.UNREADABLE: Decision(look_up_for=pacing.lookup_time),
        }[outcome.kind]
    if may_still_be_processed(outcome) or (outcome.status == _CONFLICT and history.maybe_processed):
        return Decision(look_up_for=math.inf)
    if outcome.status == _TOO_MANY_REQUESTS or (outcome.status == _UNAVAILABLE and outcome.retry_after is not None):
        return Decision(retry_in=wait)
    if outcome.status in _MAYBE_PROCESSED:
        return Decision(look_up_for=pacing.lookup_time, retry_in=wait)
    return _decide_on_compression(outcome, history, pacing)


def decide_repeatable(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a request that may be processed more than once; see `decide_training`."""
    wait = _next_wait(outcome, history, pacing, jitter)
    if isinstance(outcome, Failure):
        may_succeed = outcome.kind in (FailureKind.NOT_SENT, FailureKind.CUT_OFF) and not outcome.permanent
        return Decision(retry_in=wait) if may_succeed else GIVE_UP
    if outcome.status == _TOO_MANY_REQUESTS or outcome.status in _MAYBE_PROCESSED | _STILL_PROCESSING:
        return Decision(retry_in=wait)
    return _decide_on_compression(outcome, history, pacing)


def may_be_processed(outcome: Outcome) -> bool:
    """Return whether the service may have processed the request, or may still do so."""
    if isinstance(outcome, Failure):
        return outcome.kind is not FailureKind.NOT_SENT
    return outcome.status in _MAYBE_PROCESSED | _STILL_PROCESSING


def may_still_be_processed(outcome: Outcome) -> bool:
    """Return whether the service may be processing the request even now."""
    if isinstance(outcome, Failure):
        return outcome.kind is FailureKind.TIMED_OUT
    return outcome.status in _STILL_PROCESSING


def lookup_pause(lookups: int, pacing: Pacing) -> float:
    """Return the seconds between the n-th look-up (from 1) and the next."""
    return float(min(pacing.first_lookup_pause * 2.0 ** (lookups - 1), pacing.max_lookup_pause))


def _next_wait(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> float | None:
    """Return the seconds to wait before another attempt; None if the limits allow none."""
    wait = min(pacing.first_wait * 2.0 ** (history.attempts - 1), pacing.max_wait) * (1 - jitter / 2)
    if isinstance(outcome, Answer):
        if outcome.status in (_TOO_MANY_REQUESTS, _UNAVAILABLE) and outcome.retry_after is not None:
            wait = outcome.retry_after
        if outcome.status == _TOO_MANY_REQUESTS and _NO_CREDIT in outcome.content:
            return None
    if history.attempts >= pacing.max_attempts or history.waited + wait > pacing.max_total_wait:
        return None
    return wait


def _decide_on_compression(answer: Answer, history: History, pacing: Pacing) -> Decision:
    """Retry without compression where the service refuses a compressed body for that."""
    refused = answer.status == _UNSUPPORTED_ENCODING or (
        answer.status == _BAD_REQUEST and _ABOUT_ENCODING.search(answer.content) is not None
    )
    if refused and history.compressed and history.attempts < pacing.max_attempts:
        return Decision(retry_in=0.0, uncompressed=True)
    return GIVE_UP
