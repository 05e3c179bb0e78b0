"""One finetune call, or the submission of one: at most one model, and its outcome known or its id in the error."""

from __future__ import annotations

import contextlib
import time

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.explain import interrupted_text
from nixtla_accessor.api.jobs import JobLookup, has_jobs
from nixtla_accessor.api.requests import IfExists
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.retry import Presence, decide_submission, decide_training
from nixtla_accessor.api.saved_models import (
    ModelLookup,
    delete_model,
    find_model,
    refuse_id_taken_meanwhile,
    refuse_taken_id,
)
from nixtla_accessor.api.schema import FinetuneInput
from nixtla_accessor.api.sending import Attempts, RequestContext, send
from nixtla_accessor.errors import (
    ApiError,
    ConflictError,
    FinetuneInterrupted,
    ModelExistsError,
    NotFoundError,
    TimeGPTError,
    TimeGPTWarning,
    UnprocessableError,
    warn_caller,
)

_CANCEL_TIMEOUT = 5.0  # seconds


class Training:
    """One finetune call.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits; the time limit, which is for the model, starts when the series are sent.
    request : FinetuneInput
        What to train.
    model_id : str
        The id that the model gets, as in the request, so that it can be looked up.
    as_job : bool
        Whether a job is to train the model, so that the call does not wait for it.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    """

    def __init__(self, context: RequestContext, request: FinetuneInput, model_id: str, *, as_job: bool = False) -> None:
        self._context = context
        self._model_id = model_id
        self._as_job = as_job
        self._lookup = JobLookup(context, model_id) if as_job else ModelLookup(context, model_id)
        call = endpoints.submit_finetune(request, model_id) if as_job else endpoints.finetune(request)
        self._attempts = Attempts(context, call, self._lookup, decide_submission if as_job else decide_training)
        self._is_deleted = False  # whether the model to replace is deleted, as far as that is known
        self._is_cancelled = False  # whether the service has ended the training, and there is no model

    @property
    def may_be_trained(self) -> bool:
        """Whether the service may have trained the model, or may be training it."""
        return self._attempts.maybe_processed and not self._is_cancelled

    def run(self, if_exists: IfExists) -> FinetuneResult:
        """Train, and return the model; or submit the training, and return the job.

        Parameters
        ----------
        if_exists : {"refuse", "replace"} or None
            What to do with an existing model of this id: raise, or delete it first. None where there is none.

        Raises
        ------
        ModelExistsError
            A model of this id exists; nothing was trained by this call.
        NotFoundError
            The service has no jobs.
        ApiError, TransportError, ResponseError
            There is no model, as far as the service tells.
        OutcomeUnknownError
            The model may still be trained.
        FinetuneInterrupted
            Ctrl-C; the message says whether the model may still be trained.

        Warns
        -----
        TimeGPTWarning
            The service has given the model another id.
        """
        try:
            self._free_id(if_exists)
            result = self._send(is_named=if_exists is not None)
        except TimeGPTError as error:
            self._add_replaced(error)
            self._refuse_service_without_jobs(error)
            raise
        except KeyboardInterrupt:
            presence = self._cancel() if self._attempts.maybe_processed else Presence.UNKNOWN
            interrupted = FinetuneInterrupted(
                interrupted_text(self._model_id, maybe_processed=self.may_be_trained, presence=presence)
            )
            self._add_replaced(interrupted)
            raise interrupted from None
        if result.finetuned_model_id != self._model_id:
            warn_caller(
                f"The service was asked to name the model {self._model_id!r}, and named it "
                f"{result.finetuned_model_id!r}, which is the id that is used from here on.",
                TimeGPTWarning,
            )
        return result

    def _send(self, *, is_named: bool) -> FinetuneResult:
        """Send the request; a refusal of an id that the caller has named, since another call made it, says so."""
        try:
            return self._attempts.run()
        except (ConflictError, UnprocessableError) as error:
            if is_named and not self._attempts.maybe_processed:
                try:
                    refuse_id_taken_meanwhile(self._context, self._model_id, self._lookup.replaced)
                except ModelExistsError as exists:
                    raise exists from error
            raise

    def _cancel(self) -> Presence:
        """End the training itself, where that is in this process; return whether there is a model for sure.

        Elsewhere a training goes on, so that whoever waits for it may also come back to it.
        """
        if not self._context.transport.is_local:
            return Presence.UNKNOWN
        context = self._context.within(_CANCEL_TIMEOUT)
        presence = Presence.UNKNOWN
        with contextlib.suppress(KeyboardInterrupt, TimeGPTError):  # another Ctrl-C ends this too
            try:
                send(context, endpoints.cancel_job(self._model_id))
                presence = Presence.ABSENT
            except NotFoundError:  # it has ended: with a model, or before it began
                presence = self._look_for(0.0)
            except ApiError:  # its model is being saved
                presence = Presence.FOUND if self._look_for(_CANCEL_TIMEOUT) is Presence.FOUND else Presence.UNKNOWN
        self._is_cancelled = presence is Presence.ABSENT
        return presence

    def _look_for(self, seconds: float) -> Presence:
        end = time.monotonic() + seconds
        return self._lookup.look_until(end, end)

    def _free_id(self, if_exists: IfExists) -> None:
        """Refuse an id that is taken, or delete the model that has it."""
        if if_exists == "refuse":
            refuse_taken_id(self._context, self._model_id)
        elif if_exists == "replace":
            if self._as_job and not has_jobs(self._context):
                raise _no_jobs()
            existing = find_model(self._context, self._model_id)
            if existing is not None:
                self._lookup.replaced = existing
                delete_model(self._context, self._model_id)
                self._is_deleted = True

    def _refuse_service_without_jobs(self, error: TimeGPTError) -> None:
        """Raise what a refusal means where the service has no jobs at all."""
        if not (self._as_job and isinstance(error, ApiError) and error.status_code in (404, 405)):
            return
        try:
            is_without = not has_jobs(self._context)
        except TimeGPTError:
            return
        if is_without:
            raise _no_jobs(error.context) from None

    def _add_replaced(self, error: TimeGPTError | FinetuneInterrupted) -> None:
        """Add to an error what has become of the model that was to be replaced."""
        if self._lookup.replaced is None:
            return
        if isinstance(error, ApiError) and error.status_code < 500 and not self._is_deleted:
            return  # the service refuses to delete it
        if not self._is_deleted:
            error.add_context(
                f"The previous model {self._model_id!r} may be deleted already, as overwrite=True asks; nothing was "
                "trained in its place."
            )
            return
        error.add_context(f"The previous model {self._model_id!r} was deleted first, as overwrite=True asks.")
        if self._lookup.shows_replaced:
            error.add_context(
                f"The service still shows it: only a model with another created_at is the new one, see "
                f"finetuned_model({self._model_id!r})."
            )


def _no_jobs(context: tuple[str, ...] = ()) -> NotFoundError:
    error = NotFoundError(
        "The service has no jobs, and nothing was submitted: leave out wait=False, and finetune() waits for the model",
        status_code=404,
    )
    error.context = context
    return error
