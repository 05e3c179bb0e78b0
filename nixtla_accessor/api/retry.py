"""Decides, purely, what follows an exchange: ask again, look the model up, or give up.

Nothing here sleeps, sends or knows the time, so that every row of the table is a test.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from nixtla_accessor.api.exchange import Answer, Failure, FailureKind, Outcome

_MAYBE_DONE = frozenset({408, 500, 502, 503, 520, 521, 522, 523})
"""What a service or the proxy before it answers when a request may or may not have been worked on."""
_STILL_AT_WORK = frozenset({504, 524})
"""What a proxy answers that lost its patience while the service goes on."""
_CONFLICT, _UNSUPPORTED_ENCODING, _BAD_REQUEST, _TOO_MANY, _UNAVAILABLE = 409, 415, 400, 429, 503
_ABOUT_ENCODING = re.compile(rb"encoding|zstd|compress|parsing the body", re.IGNORECASE)
_NO_CREDIT = b'"A21"'
"""The service's code for an account without credit, which waiting does not mend."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How often and how fast to try again; all durations in seconds.

    Attributes
    ----------
    most_attempts : int
        Attempts in all.
    most_waiting : float
        Waiting between attempts, in all, and the longest wait that a service may ask for.
    first_wait, longest_wait : float
        The first and the longest wait between attempts where the service asks for none; each is twice the one before,
        of which a random part up to half is left out.
    look_up : float
        For how long to look for a model that an interrupted call may have made.
    first_look, longest_look : float
        The first and the longest pause between two such look-ups; each is twice the one before.
    """

    most_attempts: int = 4
    most_waiting: float = 60.0
    first_wait: float = 0.5
    longest_wait: float = 8.0
    look_up: float = 10.0
    first_look: float = 0.5
    longest_look: float = 10.0


@dataclass(frozen=True, slots=True)
class History:
    """How far a call is.

    Attributes
    ----------
    attempts : int
        Requests so far.
    waited : float
        Seconds spent waiting between them.
    compressed : bool
        Whether the last one travelled compressed.
    maybe_done : bool
        Whether one of those before the last may have been worked on.
    """

    attempts: int
    waited: float = 0.0
    compressed: bool = False
    maybe_done: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next; by default, to give up.

    Attributes
    ----------
    look_up : float or None
        First look the model up, for so many seconds; infinity is until the call's time limit. ``None``: do not.
    again : float or None
        Then, unless the model is there, ask again after so many seconds. ``None``: do not.
    plain : bool
        Ask again without compression.
    """

    look_up: float | None = None
    again: float | None = None
    plain: bool = False


GIVE_UP = Decision()


def decide_training(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a request that must not be worked on twice.

    ======================================  =============================================================
    never sent whole                        again
    sent, and cut; 408, 500, 502, 503       look for a while; if there is no model, again
    sent, and no answer in time; 504        look until the time limit, never again
    a success that cannot be read           look for a while, never again
    429; 503 that asks to wait              again, after the wait that is asked for, if it is not too long
    409, after one that may be done         look until the time limit: the clash is with the model itself
    400, 415 because of the compression     again, plain
    anything else                           give up
    ======================================  =============================================================

    Parameters
    ----------
    outcome : Answer or Failure
        Of the last request; not a readable success.
    history : History
        How far the call is.
    pacing : Pacing
        The limits.
    jitter : float
        A random number from 0 to 1.

    Returns
    -------
    Decision
    """
    again = _next_wait(outcome, history, pacing, jitter)
    if isinstance(outcome, Failure):
        if outcome.permanent:
            return GIVE_UP
        return {
            FailureKind.NOT_SENT: Decision(again=again),
            FailureKind.CUT: Decision(look_up=pacing.look_up, again=again),
            FailureKind.TIMED_OUT: Decision(look_up=math.inf),
            FailureKind.UNREADABLE: Decision(look_up=pacing.look_up),
        }[outcome.kind]
    if is_unanswered(outcome) or (outcome.status == _CONFLICT and history.maybe_done):
        return Decision(look_up=math.inf)
    if outcome.status == _TOO_MANY or (outcome.status == _UNAVAILABLE and outcome.retry_after is not None):
        return Decision(again=again)
    if outcome.status in _MAYBE_DONE:
        return Decision(look_up=pacing.look_up, again=again)
    return _without_compression(outcome, history, pacing)


def decide_reading(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> Decision:
    """Decide what follows a request that may be worked on twice; see `decide_training`."""
    again = _next_wait(outcome, history, pacing, jitter)
    if isinstance(outcome, Failure):
        hopeful = outcome.kind in (FailureKind.NOT_SENT, FailureKind.CUT) and not outcome.permanent
        return Decision(again=again) if hopeful else GIVE_UP
    if outcome.status == _TOO_MANY or outcome.status in _MAYBE_DONE | _STILL_AT_WORK:
        return Decision(again=again)
    return _without_compression(outcome, history, pacing)


def may_be_done(outcome: Outcome) -> bool:
    """Whether the service may have worked on the request, or still be at it."""
    if isinstance(outcome, Failure):
        return outcome.kind is not FailureKind.NOT_SENT
    return outcome.status in _MAYBE_DONE | _STILL_AT_WORK


def is_unanswered(outcome: Outcome) -> bool:
    """Whether the service may be at work on the request even now, as far as anyone was told."""
    if isinstance(outcome, Failure):
        return outcome.kind is FailureKind.TIMED_OUT
    return outcome.status in _STILL_AT_WORK


def look_pause(looks: int, pacing: Pacing) -> float:
    """Return the seconds between the n-th look-up (from 1) and the next."""
    return float(min(pacing.first_look * 2.0 ** (looks - 1), pacing.longest_look))


def requested_wait(retry_after: str | None, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date (RFC 9110 §10.2.3).

    Parameters
    ----------
    retry_after : str or None
        The header.
    now : datetime
        The service's clock, aware of its zone.

    Returns
    -------
    float or None
        Seconds, not below 0; None for no header, and for one that says nothing.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    date = parse_http_date(text)
    return None if date is None else max(0.0, (date - now).total_seconds())


def parse_http_date(text: str | None) -> datetime | None:
    """Read a date as HTTP headers have it; None if it is none."""
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _next_wait(outcome: Outcome, history: History, pacing: Pacing, jitter: float) -> float | None:
    """Return the seconds to wait before another attempt; None if the limits allow none."""
    wait = min(pacing.first_wait * 2.0 ** (history.attempts - 1), pacing.longest_wait) * (1 - jitter / 2)
    if isinstance(outcome, Answer):
        if outcome.status in (_TOO_MANY, _UNAVAILABLE) and outcome.retry_after is not None:
            wait = outcome.retry_after
        if outcome.status == _TOO_MANY and _NO_CREDIT in outcome.content:
            return None
    if history.attempts >= pacing.most_attempts or history.waited + wait > pacing.most_waiting:
        return None
    return wait


def _without_compression(answer: Answer, history: History, pacing: Pacing) -> Decision:
    """Ask again, plain, where a service refuses a compressed body for that."""
    refused = answer.status == _UNSUPPORTED_ENCODING or (
        answer.status == _BAD_REQUEST and _ABOUT_ENCODING.search(answer.content) is not None
    )
    if refused and history.compressed and history.attempts < pacing.most_attempts:
        return Decision(again=0.0, plain=True)
    return GIVE_UP
