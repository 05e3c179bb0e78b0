"""Decides what follows an exchange that brought no result: retry, look the model up, or give up.

Pure functions: nothing here sleeps, sends or reads the clock, so that every row of the tables is a test.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

import orjson

from nixtla_accessor.api.exchange import Answer, Failure, FailureKind, Outcome

_NOT_PROCESSED = frozenset({501, 505, 507, 511})
"""Failures of a server that are refusals: it does not know how to, or has no room."""
_BRIEF = frozenset({500, 502, 503})
"""What a service, or the gateway before it, answers where the request may or may not have been processed."""
_BAD_REQUEST, _REQUEST_TIMEOUT, _CONFLICT, _UNSUPPORTED_ENCODING, _TOO_MANY_REQUESTS = 400, 408, 409, 415, 429
_SERVICE_FAILED, _UNAVAILABLE = 500, 503
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
    first_poll_pause, max_poll_pause : float
        The first and the longest pause between two looks at a job; each is twice the one before.
    max_silence : float
        How long a wait for a job bears that the service cannot be asked.
    max_absence : float
        How long a look-up, or a wait for a job, bears that no server runs at an address of this machine.
    at_work_after : float
        A request that fails later than this after its last byte may be at work behind the gateway that gave up.
    """

    max_attempts: int = 4
    max_total_wait: float = 60.0
    first_wait: float = 0.5
    max_wait: float = 8.0
    lookup_time: float = 10.0
    first_lookup_pause: float = 0.5
    max_lookup_pause: float = 10.0
    first_poll_pause: float = 0.5
    max_poll_pause: float = 15.0
    max_silence: float = 300.0
    max_absence: float = 5.0
    at_work_after: float = 1.0


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
    answered_after : float
        Seconds from the last byte of the last one to its outcome.
    """

    attempts: int = 0
    waited: float = 0.0
    compressed: bool = False
    maybe_processed: bool = False
    answered_after: float = 0.0


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


class Processing(Enum):
    """What is known of the service's work on a request that brought no result."""

    NONE = "none"
    """The service never had the whole request, or refused it."""
    UNLIKELY = "unlikely"
    """The request failed so soon that the service can hardly be at work on it."""
    POSSIBLE = "possible"
    """The service may be at work on it even now."""
    FAILED = "failed"
    """The service itself says that it failed."""
    FINISHED = "finished"
    """The service said that it succeeded; its answer is lost or cannot be read."""


GIVE_UP = Decision()


def decide_training(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a request that must be processed at most once.

    ============================================  ==============================================================
    not sent in full                              retry
    cut off, 500, 502, 503 within a second; 408   look up for a while; if the model is absent, retry
    a success, cut off or unreadable, likewise    look up for a while, never retry
    the same later; no answer in time; other 5xx  look up until the time limit, never retry
    500 with an explanation of the service's own  look up for a while, never retry
    429; 503 that asks to wait                    retry after the requested wait; if it is too long, give up
    409 after one that may be processed           look up until the time limit: the model itself conflicts
    400, 415 because of the compression           retry without compression
    anything else                                 give up
    ============================================  ==============================================================

    The second is counted from the last byte of the request. Before giving up, the model is looked up once if the
    service may have processed this request or one before.

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
    match processing_of(outcome, history, pacing):
        case Processing.POSSIBLE:
            return Decision(look_up_for=math.inf)
        case Processing.FAILED | Processing.FINISHED:
            return Decision(look_up_for=pacing.lookup_time)
        case Processing.UNLIKELY if not _asks_to_wait(outcome):
            return Decision(look_up_for=pacing.lookup_time, retry_in=wait)
    decision = _decide_on_refusal(outcome, history, pacing, wait)
    return Decision(look_up_for=0.0) if decision == GIVE_UP and history.maybe_processed else decision


def decide_submission(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows the submission of a job, which must never be made twice; see `decide_training`.

    It is repeated only where the service never had the whole request, or refused it for now with a 429. Where it may
    have a job, the job and its model are looked up for a while.
    """
    if processing_of(outcome, history, pacing) is not Processing.NONE:
        return Decision(look_up_for=pacing.lookup_time)
    return _decide_on_refusal(outcome, history, pacing, _next_wait(outcome, history, pacing, jitter))


def decide_repeatable(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a request that may be processed more than once; see `decide_training`."""
    wait = _next_wait(outcome, history, pacing, jitter)
    if isinstance(outcome, Failure):
        again = (FailureKind.NOT_SENT, FailureKind.CUT_OFF, FailureKind.INCOMPLETE)
        return Decision(retry_in=wait) if outcome.kind in again and not outcome.permanent else GIVE_UP
    is_passing = outcome.status >= _SERVICE_FAILED and outcome.status not in _NOT_PROCESSED
    if is_passing or outcome.status in (_TOO_MANY_REQUESTS, _REQUEST_TIMEOUT):
        return Decision(retry_in=wait)
    return _decide_on_compression(outcome, history, pacing)


def decide_tuning(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a forecast that a model is tuned for, which costs as often as it is processed.

    It leaves no model to look up, so it is sent again only where the service can hardly be at work on it; see
    `decide_training`.
    """
    if processing_of(outcome, history, pacing) in (Processing.NONE, Processing.UNLIKELY):
        return decide_repeatable(outcome, history, pacing, jitter)
    return GIVE_UP


def processing_of(outcome: Outcome, history: History, pacing: Pacing) -> Processing:
    """Return what is known of the service's work on the last request.

    Parameters
    ----------
    outcome : Answer or Failure
        Of that request; not a readable success.
    history : History
        The attempts so far, with that one.
    pacing : Pacing
        The limits.

    Examples
    --------
    >>> processing_of(Answer(502), History(attempts=1, answered_after=0.2), Pacing())
    <Processing.UNLIKELY: 'unlikely'>
    >>> processing_of(Answer(502), History(attempts=1, answered_after=30.0), Pacing())
    <Processing.POSSIBLE: 'possible'>
    """
    if isinstance(outcome, Failure):
        processing = {
            FailureKind.NOT_SENT: Processing.NONE,
            FailureKind.CUT_OFF: Processing.UNLIKELY,
            FailureKind.TIMED_OUT: Processing.POSSIBLE,
            FailureKind.INCOMPLETE: Processing.FINISHED,
            FailureKind.UNREADABLE: Processing.FINISHED,
        }[outcome.kind]
    elif outcome.status == _REQUEST_TIMEOUT or (outcome.status == _UNAVAILABLE and _asks_to_wait(outcome)):
        return Processing.UNLIKELY  # however late: the service says that it does not process the request
    elif outcome.status == _CONFLICT and history.maybe_processed:
        processing = Processing.POSSIBLE
    elif outcome.status < _SERVICE_FAILED or outcome.status in _NOT_PROCESSED:
        processing = Processing.NONE
    elif outcome.status == _SERVICE_FAILED and _is_explained(outcome):
        processing = Processing.FAILED
    else:
        processing = Processing.UNLIKELY if outcome.status in _BRIEF else Processing.POSSIBLE
    if history.answered_after > pacing.at_work_after and processing in (Processing.UNLIKELY, Processing.FINISHED):
        return Processing.POSSIBLE  # a gateway may have answered for a service that is still at work
    return processing


def lookup_pause(lookups: int, pacing: Pacing) -> float:
    """Return the seconds between the n-th look-up (from 1) and the next."""
    return float(min(pacing.first_lookup_pause * 2.0 ** (lookups - 1), pacing.max_lookup_pause))


def _next_wait(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> float | None:
    """Return the seconds to wait before another attempt; None if the limits allow none."""
    wait = min(pacing.first_wait * 2.0 ** (history.attempts - 1), pacing.max_wait) * (1 - jitter / 2)
    if isinstance(outcome, Answer):
        if _asks_to_wait(outcome) and outcome.retry_after is not None:
            wait = outcome.retry_after
        if outcome.status == _TOO_MANY_REQUESTS and _NO_CREDIT in outcome.content:
            return None
    if history.attempts >= pacing.max_attempts or history.waited + wait > pacing.max_total_wait:
        return None
    return wait


def _decide_on_refusal(outcome: Outcome, history: History, pacing: Pacing, wait: float | None) -> Decision:
    """Decide what follows a request that did not reach the service, or that it refused."""
    if isinstance(outcome, Failure):
        return GIVE_UP if outcome.permanent else Decision(retry_in=wait)
    if outcome.status == _TOO_MANY_REQUESTS or _asks_to_wait(outcome):
        return Decision(retry_in=wait)
    return _decide_on_compression(outcome, history, pacing)


def _asks_to_wait(outcome: Outcome) -> bool:
    """Return whether the service is too busy for the request, and says when to send it again."""
    if not isinstance(outcome, Answer) or outcome.status not in (_TOO_MANY_REQUESTS, _UNAVAILABLE):
        return False
    return outcome.retry_after is not None


def _is_explained(answer: Answer) -> bool:
    """Return whether the service explains its failure in JSON, as gateways do not."""
    try:
        explanation = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return False
    return isinstance(explanation, dict) and bool(explanation)


def _decide_on_compression(answer: Answer, history: History, pacing: Pacing) -> Decision:
    """Retry without compression where the service refuses a compressed body for that."""
    refused = answer.status == _UNSUPPORTED_ENCODING or (
        answer.status == _BAD_REQUEST and _ABOUT_ENCODING.search(answer.content) is not None
    )
    if refused and history.compressed and history.attempts < pacing.max_attempts:
        return Decision(retry_in=0.0, uncompressed=True)
    return GIVE_UP
