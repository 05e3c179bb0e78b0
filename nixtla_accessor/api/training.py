"""One finetune call, one model: asked again only where nothing can have been trained; else the model is looked up."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import time
from dataclasses import dataclass, replace

from nixtla_accessor.api.asking import Call, ask, read
from nixtla_accessor.api.encoding import Body, decode, encode
from nixtla_accessor.api.exchange import Answer, Outcome
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.retry import (
    History,
    decide_training,
    is_unanswered,
    look_pause,
    may_be_done,
)
from nixtla_accessor.api.schema import FinetunedModelId, FinetuneInput, FinetuneOutput
from nixtla_accessor.api.transport import Upload
from nixtla_accessor.errors import (
    ModelExistsError,
    NotFoundError,
    OutcomeUnknownError,
    TimeGPTError,
    TransportError,
)

_LOG = logging.getLogger(__name__)
_PATH = "/v2/finetune"
_LOOK_TIMEOUT = 10.0  # seconds that one look-up waits for its answer, at most
_NOT_FOUND, _WORTH_ANOTHER_LOOK = 404, frozenset({404, 408, 429})


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What a finetune call made.

    Attributes
    ----------
    finetuned_model_id : str
        The model's id.
    input_tokens, output_tokens, finetune_tokens : int or None
        What it cost; None where the answer was lost and the model was found by its id.
    """

    finetuned_model_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    finetune_tokens: int | None = None


class Training:
    """One finetune call.

    Parameters
    ----------
    call : Call
        What it goes by; its time limit, which is for the model, starts when the series are sent.
    request : FinetuneInput
        What to train.
    model_id : str
        The id that the model gets, as in the request, so that it can be looked up.
    """

    def __init__(self, call: Call, request: FinetuneInput, model_id: str) -> None:
        self._call = call
        self._request = request
        self._model_id = model_id
        self._history = History(attempts=0)
        self._sending: Upload | None = None
        self._sent_at = 0.0
        self._seen: Outcome | None = None  # the last look

    def run(self, *, make_way: bool, overwrite: bool) -> FinetuneResult:
        """Train, and return the model.

        Parameters
        ----------
        make_way : bool
            Whether a model of this id may exist already, which is then refused, or deleted.
        overwrite : bool
            Whether it is deleted.

        Raises
        ------
        ModelExistsError
            There is a model of this id; nothing was sent.
        ApiError, TransportError, ResponseError
            There is no model, as far as the service tells.
        OutcomeUnknownError
            It may still be trained.
        KeyboardInterrupt
            With a message that says whether it may still be trained.
        """
        body = encode(self._request, largest=self._call.largest)
        replaced = False
        try:
            if make_way and not overwrite:
                refuse_taken(self._call, self._model_id)
            elif make_way and _exists(self._call, self._model_id):
                delete_model(self._call, self._model_id)
                replaced = True
            return self._train(body)
        except (TimeGPTError, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt):
                error.args = (self._state_when_interrupted(),)
            if replaced:
                error.add_note(f"The former model {self._model_id!r} was deleted before, as overwrite=True asks.")
            raise

    @property
    def may_be_trained(self) -> bool:
        """Whether the service may have trained the model, or be at it."""
        return (self._sending is not None and self._sending.may_be_out) or self._history.maybe_done

    def _train(self, body: Body) -> FinetuneResult:
        """Send the series, until there is a model or nothing more can be done for one."""
        while True:
            outcome = self._send(body)
            if isinstance(outcome, FinetuneOutput):
                return FinetuneResult(**outcome.model_dump())
            decision = decide_training(outcome, self._history, self._call.pacing, random.random())  # noqa: S311 - jitter
            if may_be_done(outcome):
                self._history, self._seen = replace(self._history, maybe_done=True), None
            self._sending = None
            if decision.look_up is not None and self._look_up(decision.look_up):
                return FinetuneResult(self._model_id)
            if decision.again is None or (decision.look_up is not None and not _is_absent(self._seen)):
                raise self._error(outcome)
            _LOG.info("POST %s: %s; again in %.1f s", _PATH, outcome.summary, decision.again)
            self._call.display.waiting("waiting to try again")
            time.sleep(decision.again)
            self._history = replace(self._history, waited=self._history.waited + decision.again)
            if decision.plain:
                body = encode(self._request, compress=False)
            if self._history.maybe_done and self._look():
                return FinetuneResult(self._model_id)

    def _send(self, body: Body) -> FinetuneOutput | Outcome:
        """Send the series once."""
        self._sending = self._call.display.follow(body, f"training {self._model_id}")
        outcome = self._call.transport.exchange("POST", _PATH, timeout=self._call.timeout, upload=self._sending)
        self._sent_at = self._sending.finished_at or time.monotonic()
        self._history = replace(self._history, attempts=self._history.attempts + 1, compressed=body.is_compressed)
        if isinstance(outcome, Answer) and outcome.is_success:
            return decode(outcome.content, FinetuneOutput)
        return outcome

    def _look_up(self, seconds: float) -> bool:
        """Look for the model for so long, infinity being the call's time limit, and return whether it is there."""
        until = self._sent_at + self._call.timeout[1] if math.isinf(seconds) else time.monotonic() + seconds
        self._call.display.waiting(f"looking for {self._model_id}")
        looks = 0
        while not self._look():
            looks += 1
            left = until - time.monotonic()
            if left <= 0 or _is_final(self._seen):
                return False
            time.sleep(min(look_pause(looks, self._call.pacing), left))
        return True

    def _look(self) -> bool:
        """Look for the model once, and return whether it is there."""
        timeout = min(self._call.timeout[0], _LOOK_TIMEOUT), min(self._call.timeout[1], _LOOK_TIMEOUT)
        self._seen = self._call.transport.exchange("GET", self._path, timeout=timeout)
        if not (isinstance(self._seen, Answer) and self._seen.is_success):
            return False
        model = decode(self._seen.content, FinetunedModelId)
        return isinstance(model, FinetunedModelId)

    def _error(self, outcome: Outcome) -> TimeGPTError:
        """Make the error that says what became of the call, and what is known of the model."""
        error = error_of(
            outcome,
            self._call.transport.where,
            attempts=self._history.attempts,
            about=self._request.finetuned_model_id,
            making=self._model_id,
            known=self._known(outcome),
        )
        if self._history.maybe_done and (is_unanswered(outcome) or isinstance(error, TransportError)):
            unknown = OutcomeUnknownError(str(error), finetuned_model_id=self._model_id)
            unknown.__cause__ = error.__cause__
            return unknown
        return error

    def _known(self, outcome: Outcome) -> str:
        """Say what is known of the model, and how to attach it."""
        attach = f"df.timegpt.use_model({self._model_id!r}) attaches it"
        if not self._history.maybe_done:
            return ""
        if is_unanswered(outcome):
            return f"Model {self._model_id!r} may still be trained; {attach} once it is there."
        if _is_absent(self._seen):
            return f"There is no model {self._model_id!r} as yet; should it still appear, {attach}."
        return f"Whether there is a model {self._model_id!r} could not be found out; {attach} if there is."

    def _state_when_interrupted(self) -> str:
        """Say whether the model may still be trained."""
        if self.may_be_trained:
            return (
                f"Interrupted, and model {self._model_id!r} may still be trained; "
                f"df.timegpt.use_model({self._model_id!r}) attaches it once it is there."
            )
        return f"Interrupted before the service had all series, so that no model {self._model_id!r} is trained."

    @property
    def _path(self) -> str:
        return model_path(self._model_id)


def refuse_taken(call: Call, model_id: str) -> None:
    """Raise `ModelExistsError` where a model has this id already."""
    if _exists(call, model_id):
        raise ModelExistsError(
            f"There is a model {model_id!r} already, and nothing was trained: attach it with "
            f"df.timegpt.use_model({model_id!r}), replace it with overwrite=True, or choose another output_model_id."
        )


def delete_model(call: Call, model_id: str) -> None:
    """Delete a model, unless it is gone already."""
    with contextlib.suppress(NotFoundError):
        ask(call.prompt(), "DELETE", model_path(model_id), about=model_id)


def _exists(call: Call, model_id: str) -> bool:
    """Whether the service has a model of this id."""
    try:
        read(ask(call.prompt(), "GET", model_path(model_id), about=model_id), FinetunedModelId, call.transport.where)
    except NotFoundError:
        return False
    return True


def model_path(finetuned_model_id: str) -> str:
    """Return the path of a model, whose id was checked."""
    return f"/v2/finetuned_models/{finetuned_model_id}"


def _is_absent(seen: Outcome | None) -> bool:
    """Whether the service says that there is no such model, in whatever words."""
    return isinstance(seen, Answer) and seen.status == _NOT_FOUND


def _is_final(seen: Outcome | None) -> bool:
    """Whether another look would see the same, as with a key that may not look."""
    return isinstance(seen, Answer) and seen.status < 500 and seen.status not in _WORTH_ANOTHER_LOOK
