"""The saved models of the service: looks one up, deletes it, refuses an id that is taken."""

from __future__ import annotations

import contextlib
import math
import time

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.exchange import Answer, Failure
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.retry import Presence, lookup_pause
from nixtla_accessor.api.schema import ExistingModel
from nixtla_accessor.api.sending import RequestContext, send_quickly
from nixtla_accessor.errors import ModelExistsError, NotFoundError

_LOOKUP_TIMEOUT = 10.0  # seconds that one look-up waits for its answer, at most
_LAST_LOOKUP_TIMEOUT = 1.0  # seconds that the last one may wait beyond the deadline of its call
_NOT_FOUND, _WORTH_REPEATING = 404, frozenset({404, 408, 429})


class ModelLookup:
    """Looks for the model that a finetune call may have made.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    model_id : str
        The id that the call has given the model.

    Attributes
    ----------
    model_id : str
        The id.
    replaced : ExistingModel or None
        The model that had the id before and was deleted for the new one; it does not count as found.
    shows_replaced : bool
        Whether the last look-up has found that one, or one that may be.
    nothing_listens : bool
        Whether no server runs at the address any more, which is on this machine.
    """

    def __init__(self, context: RequestContext, model_id: str) -> None:
        self._context = context
        self._call = endpoints.finetuned_model_lookup(model_id)
        self._is_final = False  # whether another look-up would bring the same, as with a key that may not look
        self.model_id = model_id
        self.replaced: ExistingModel | None = None
        self.shows_replaced = False
        self.nothing_listens = False

    @property
    def result(self) -> FinetuneResult:
        """The result of the call, where the model exists: the tokens are unknown."""
        return FinetuneResult(self.model_id)

    def look_until(self, end: float, deadline: float) -> Presence:
        """Look the model up, at least once, until it is found or the end has come; see `Lookup`."""
        self._context.display.start_waiting(f"looking for {self.model_id}")
        lookups, absent_since = 0, math.inf
        while (presence := self._look(deadline)) is not Presence.FOUND:
            lookups += 1
            now = time.monotonic()
            absent_since = min(absent_since, now) if self.nothing_listens else math.inf
            left = min(end, absent_since + self._context.pacing.max_absence) - now
            if left <= 0 or self._is_final:
                break
            time.sleep(min(lookup_pause(lookups, self._context.pacing), left))
        return presence

    def _look(self, deadline: float) -> Presence:
        """Look the model up once; any 404 means that it is absent, in whatever words."""
        context = self._context_until(deadline)
        outcome = context.transport.exchange(self._call.method, self._call.path, timeout=context.timeout)
        self._is_final, self.shows_replaced = False, False
        self.nothing_listens = isinstance(outcome, Failure) and outcome.nothing_listens
        if not isinstance(outcome, Answer):
            return Presence.UNKNOWN
        if not outcome.is_success:
            self._is_final = outcome.status < 500 and outcome.status not in _WORTH_REPEATING
            return Presence.ABSENT if outcome.status == _NOT_FOUND else Presence.UNKNOWN
        model = self._call.read(outcome.content)
        if not isinstance(model, ExistingModel):
            return Presence.UNKNOWN
        self.shows_replaced = self.replaced is not None and model.created_at in (None, self.replaced.created_at)
        return Presence.UNKNOWN if self.shows_replaced else Presence.FOUND

    def _context_until(self, deadline: float) -> RequestContext:
        """Return the context of a request that the deadline of the call allows."""
        left = max(deadline - time.monotonic(), _LAST_LOOKUP_TIMEOUT)
        return self._context.within(min(left, _LOOKUP_TIMEOUT))


def refuse_taken_id(context: RequestContext, model_id: str) -> None:
    """Raise `ModelExistsError` where a model has this id already."""
    if find_model(context, model_id) is not None:
        raise _model_exists(model_id, "exists already, and nothing was trained")


def refuse_id_taken_meanwhile(context: RequestContext, model_id: str, replaced: ExistingModel | None) -> None:
    """Raise `ModelExistsError` where a model has got this id since it was free, other than the one replaced."""
    lookup = ModelLookup(context, model_id)
    lookup.replaced = replaced
    now = time.monotonic()
    if lookup.look_until(now, now) is Presence.FOUND:
        raise _model_exists(model_id, "was made by another call meanwhile, and this one made none")


def _model_exists(model_id: str, what: str) -> ModelExistsError:
    return ModelExistsError(
        f"Model {model_id!r} {what}. Attach it with df.timegpt.use_model({model_id!r}), replace it with "
        "overwrite=True, or choose another output_model_id."
    )


def find_model(context: RequestContext, model_id: str) -> ExistingModel | None:
    """Return the model of this id; None where the service has none."""
    try:
        return send_quickly(context, endpoints.finetuned_model_lookup(model_id))
    except NotFoundError:
        return None


def delete_model(context: RequestContext, model_id: str) -> None:
    """Delete a model, unless it is deleted already."""
    with contextlib.suppress(NotFoundError):
        send_quickly(context, endpoints.delete_finetuned_model(model_id))
