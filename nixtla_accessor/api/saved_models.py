"""The saved models of the service: looks one up, deletes it, refuses an id that is taken."""

from __future__ import annotations

import contextlib
import time

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.exchange import Answer
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.retry import Presence, lookup_pause
from nixtla_accessor.api.schema import FinetunedModelId
from nixtla_accessor.api.sending import RequestContext, send_quickly
from nixtla_accessor.errors import ModelExistsError, NotFoundError

_LOOKUP_TIMEOUT = 10.0  # seconds that one look-up waits for its answer, at most
_NOT_FOUND, _WORTH_REPEATING = 404, frozenset({404, 408, 429})


class ModelLookup:
    """Looks for the model that a finetune call may have made.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    model_id : str
        The id that the call has given the model.
    """

    def __init__(self, context: RequestContext, model_id: str) -> None:
        self._context = context.within(_LOOKUP_TIMEOUT)
        self._call = endpoints.finetuned_model_lookup(model_id)
        self._is_final = False  # whether another look-up would bring the same, as with a key that may not look
        self.model_id = model_id

    @property
    def result(self) -> FinetuneResult:
        """The result of the call, where the model exists: the tokens are unknown."""
        return FinetuneResult(self.model_id)

    def look_until(self, deadline: float) -> Presence:
        """Look the model up, at least once, until it is found or the time (monotonic) has come."""
        self._context.display.start_waiting(f"looking for {self.model_id}")
        lookups = 0
        while (presence := self._look()) is not Presence.FOUND:
            lookups += 1
            left = deadline - time.monotonic()
            if left <= 0 or self._is_final:
                break
            time.sleep(min(lookup_pause(lookups, self._context.pacing), left))
        return presence

    def _look(self) -> Presence:
        """Look the model up once; any 404 means that it is absent, in whatever words."""
        context = self._context
        outcome = context.transport.exchange(self._call.method, self._call.path, timeout=context.timeout)
        if not isinstance(outcome, Answer):
            self._is_final = False
            return Presence.UNKNOWN
        self._is_final = outcome.status < 500 and outcome.status not in _WORTH_REPEATING
        if outcome.is_success and isinstance(self._call.read(outcome.content), FinetunedModelId):
            return Presence.FOUND
        return Presence.ABSENT if outcome.status == _NOT_FOUND else Presence.UNKNOWN


def refuse_taken_id(context: RequestContext, model_id: str) -> None:
    """Raise `ModelExistsError` where a model has this id already."""
    if model_exists(context, model_id):
        raise ModelExistsError(
            f"Model {model_id!r} exists already, and nothing was trained. Attach it with "
            f"df.timegpt.use_model({model_id!r}), replace it with overwrite=True, or choose another output_model_id."
        )


def model_exists(context: RequestContext, model_id: str) -> bool:
    """Return whether the service has a model of this id."""
    try:
        send_quickly(context, endpoints.finetuned_model_lookup(model_id))
    except NotFoundError:
        return False
    return True


def delete_model(context: RequestContext, model_id: str) -> None:
    """Delete a model, unless it is deleted already."""
    with contextlib.suppress(NotFoundError):
        send_quickly(context, endpoints.delete_finetuned_model(model_id))
