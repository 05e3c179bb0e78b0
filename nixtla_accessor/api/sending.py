"""Sends a call until it has a result: the retry loop that all calls share."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, Protocol, Self, TypeVar

from nixtla_accessor.api.encoding import Body, encode
from nixtla_accessor.api.endpoints import Call
from nixtla_accessor.api.exchange import Answer, Failure, Outcome
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.retry import (
    Decision,
    History,
    Pacing,
    Presence,
    Processing,
    decide_repeatable,
    decide_training,
    decide_tuning,
    processing_of,
)
from nixtla_accessor.api.transport import Transport, Upload
from nixtla_accessor.errors import TimeGPTError

_LOG = logging.getLogger(__name__)
_NOT_FOUND = 404
_QUICK = 30.0  # seconds

Policy = Callable[[Outcome, History, Pacing, float], Decision]
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What every request of a call needs, whatever it asks.

    Attributes
    ----------
    transport : Transport
        The connection to the service.
    pacing : Pacing
        The limits on retries and look-ups.
    timeout : tuple of float
        Seconds to connect, and seconds to wait for the answer once the request is sent; of each attempt.
    max_bytes : int or None
        The most bytes of JSON in a request.
    display : ProgressDisplay
        Shows the progress.
    offsets : mapping of str to int
        The number of items of ``y`` and ``sizes`` before the part of the series that is sent; empty for the whole.
    """

    transport: Transport
    pacing: Pacing
    timeout: tuple[float, float]
    max_bytes: int | None
    display: ProgressDisplay
    offsets: Mapping[str, int] = field(default_factory=dict)

    def within(self, seconds: float) -> Self:
        """Return the same context, with no timeout above so many seconds."""
        return replace(self, timeout=(min(self.timeout[0], seconds), min(self.timeout[1], seconds)))

    def briefly(self, seconds: float) -> Self:
        """Return the same context, with neither timeouts nor waits between attempts above so many seconds."""
        waits = min(self.pacing.max_total_wait, seconds)
        return replace(self.within(seconds), pacing=replace(self.pacing, max_total_wait=waits))


class Lookup(Protocol[ResultT_co]):
    """Finds out whether a call has made its model, although the answer was lost."""

    @property
    def model_id(self) -> str:
        """The model's id."""

    @property
    def result(self) -> ResultT_co:
        """The result of the call, where the model exists."""

    @property
    def nothing_listens(self) -> bool:
        """Whether no server runs at the address any more, which is on this machine."""

    def look_until(self, end: float, deadline: float) -> Presence:
        """Look the model up, at least once, until it is found or the end has come.

        Parameters
        ----------
        end : float
            When the last look-up starts, on the monotonic clock.
        deadline : float
            When the call has to end, on the same clock: no look-up waits longer for its answer, but for a moment.
        """


class Attempts(Generic[ResultT]):
    """The attempts at one call.

    There are two policies. Without a look-up, the service may process the request more than once, so that it is sent
    again where that may help. With one, it must be processed at most once, since it makes a model; it is sent again
    only where the service cannot be at work on it, and says that the model does not exist.

    A call with a look-up has one deadline: the time allowed for the answer, from the last byte of its last request, and
    the time for look-ups. Waits between requests come on top.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    call : Call
        What to send.
    lookup : Lookup, optional
        Looks up the model that the call makes.
    decide : callable, optional
        Decides what follows an outcome; by default `decide_training` with a look-up, `decide_tuning` for a call that
        tunes on its way, else `decide_repeatable`.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    """

    def __init__(
        self,
        context: RequestContext,
        call: Call[ResultT],
        lookup: Lookup[ResultT] | None = None,
        decide: Policy | None = None,
    ) -> None:
        self._context = context
        self._call = call
        self._lookup = lookup
        self._policy = decide or (
            decide_training if lookup is not None else decide_tuning if call.tunes else decide_repeatable
        )
        self._body = self._encode(compress=True)
        self._history = History()
        self._upload: Upload | None = None
        self._sent_at = 0.0
        self._processing = Processing.NONE
        self._presence = Presence.UNKNOWN

    @property
    def maybe_processed(self) -> bool:
        """Whether the service may have processed the request, or may be processing it."""
        return (self._upload is not None and self._upload.maybe_sent) or self._history.maybe_processed

    def run(self) -> ResultT:
        """Send the request until there is a result, or nothing more can be done.

        Raises
        ------
        ApiError, TransportError, ResponseError
            The last attempt failed, and there is no result.
        OutcomeUnknownError
            The model may still be trained.
        """
        while True:
            outcome = self._attempt()
            if not isinstance(outcome, Answer | Failure):
                return outcome
            decision = self._decide(outcome)
            found = None if decision.look_up_for is None else self._find(decision.look_up_for)
            if found is not None:
                return found
            if decision.retry_in is None or not self._may_send_again(decision):
                raise self._error(outcome)
            self._wait(outcome, decision.retry_in)
            found = self._find(0.0) if self._history.maybe_processed else None  # it may have appeared meanwhile
            if found is not None:
                return found
            if not self._may_send_again(decision):
                raise self._error(outcome)
            if decision.uncompressed:
                self._body = self._encode(compress=False)

    def _may_send_again(self, decision: Decision) -> bool:
        """Return whether the service has said that the model does not exist, where that must be known."""
        return decision.look_up_for is None or self._presence is Presence.ABSENT

    def _encode(self, *, compress: bool) -> Body | None:
        if self._call.request is None:
            return None
        return encode(self._call.request, max_bytes=self._context.max_bytes, compress=compress)

    def _attempt(self) -> ResultT | Outcome:
        """Send the request once, and read the answer."""
        call, display = self._call, self._context.display
        if self._body is not None:
            waiting = partial(display.start_waiting, call.activity)
            self._upload = Upload(self._body, on_sent=display.advance, on_finished=waiting)
            display.start_sending(len(self._upload))
        outcome = self._context.transport.exchange(
            call.method, call.path, timeout=self._context.timeout, parameters=call.parameters, upload=self._upload
        )
        finished_at = None if self._upload is None else self._upload.finished_at
        answered_at = time.monotonic()
        self._sent_at = answered_at if finished_at is None else finished_at
        self._history = replace(self._history, answered_after=answered_at - self._sent_at)
        if isinstance(outcome, Answer) and (outcome.is_success or self._is_deleted_already(outcome)):
            result = call.read(outcome.content)
            return self._context.transport.redact_failure(result) if isinstance(result, Failure) else result
        return outcome

    def _is_deleted_already(self, answer: Answer) -> bool:
        """Return whether an earlier attempt has deleted the model."""
        return self._call.method == "DELETE" and answer.status == _NOT_FOUND and self._history.maybe_processed

    def _decide(self, outcome: Outcome) -> Decision:
        """Add the attempt to the history, and decide what follows it."""
        self._processing = processing_of(outcome, self._history, self._context.pacing)
        if self._processing is not Processing.NONE:
            self._presence = Presence.UNKNOWN
        self._history = replace(
            self._history,
            attempts=self._history.attempts + 1,
            compressed=self._body is not None and self._body.is_compressed,
            maybe_processed=self._history.maybe_processed or self._processing is not Processing.NONE,
        )
        self._upload = None
        return self._policy(outcome, self._history, self._context.pacing, random.random())  # noqa: S311 - jitter

    def _find(self, seconds: float) -> ResultT | None:
        """Look the model up for so many seconds, infinity meaning until the call's time limit."""
        if self._lookup is None:
            return None
        deadline = self._sent_at + self._context.timeout[1] + self._context.pacing.lookup_time
        end = deadline if math.isinf(seconds) else time.monotonic() + seconds
        self._presence = self._lookup.look_until(end, deadline)
        return self._lookup.result if self._presence is Presence.FOUND else None

    def _wait(self, outcome: Outcome, seconds: float) -> None:
        """Wait before the next attempt."""
        _LOG.info("%s %s: %s; retry in %.1f s", self._call.method, self._call.path, outcome.summary, seconds)
        if self._body is not None:
            self._context.display.start_waiting("waiting to try again")
        time.sleep(seconds)
        self._sent_at += seconds  # so that the wait does not count towards the deadline
        self._history = replace(self._history, waited=self._history.waited + seconds)

    def _error(self, outcome: Outcome) -> TimeGPTError:
        """Return the error of the last attempt."""
        return error_of(
            outcome,
            self._context.transport.service_name,
            attempts=self._history.attempts,
            model_id=self._call.model_id,
            new_model_id=None if self._lookup is None else self._lookup.model_id,
            presence=self._presence if self._history.maybe_processed else None,
            at_work=self._processing is Processing.POSSIBLE,
            nothing_listens=self._lookup is not None and self._lookup.nothing_listens,
            offsets=self._context.offsets,
            n_bytes=None if self._body is None else self._body.n_json,
        )


def send(context: RequestContext, call: Call[ResultT]) -> ResultT:
    """Send a call that the service may process more than once, and return the result.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    ApiError, TransportError, ResponseError
        There is no result.
    """
    return Attempts(context, call).run()


def send_quickly(context: RequestContext, call: Call[ResultT]) -> ResultT:
    """Send a call that needs no work of the service, so that no attempt waits longer than half a minute; as `send`."""
    return send(context.within(_QUICK), call)
