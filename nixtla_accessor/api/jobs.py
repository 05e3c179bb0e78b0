"""The service's jobs: finds the one that trains a model, asks how it stands, and waits for its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias, get_args

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.encoding import decode_value
from nixtla_accessor.api.exchange import Answer
from nixtla_accessor.api.explain import describe_detail
from nixtla_accessor.api.job_schema import Job, JobAnswer, Jobs, JobStatus
from nixtla_accessor.api.polling import poll
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.retry import Presence
from nixtla_accessor.api.saved_models import ModelLookup, find_model
from nixtla_accessor.api.schema import FinetuneOutput
from nixtla_accessor.api.sending import RequestContext, send_quickly
from nixtla_accessor.errors import NotFoundError

ModelState: TypeAlias = Literal["pending", "running", "ready", "failed", "cancelled"]
UNFINISHED: frozenset[ModelState] = frozenset({"pending", "running"})

_MAX_PAGES = 50
_GONE = "the service knows neither its job nor the model"
_TIMES_GONE = 3  # in a row, for a service that has not heard of a new job everywhere yet
_LONGEST_PAUSE_LOCALLY = 1.0  # seconds; asking the engine of this process costs nothing


@dataclass(frozen=True, slots=True)
class Progress:
    """How the training of a model stands.

    Attributes
    ----------
    state : {"pending", "running", "ready", "failed", "cancelled"}
    result : FinetuneResult
        The model; with the tokens once it is ready, where the service says.
    steps_done, steps : int or None
        The steps that are done, and all of them, where the service says.
    error : str
        Why it failed.
    """

    state: ModelState
    result: FinetuneResult
    steps_done: int | None = None
    steps: int | None = None
    error: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether the training waits or is at work."""
        return self.state in UNFINISHED


class JobLookup(ModelLookup):
    """Looks for the job that a submission may have made, and for its model, which may be trained already."""

    _job_id: str | None = None

    @property
    def result(self) -> FinetuneResult:
        """The result of the submission, where the job or the model is there."""
        return FinetuneResult(self.model_id, job_id=self._job_id)

    def _look(self, deadline: float) -> Presence:
        jobs = self._unfinished_jobs(deadline)
        named = [job for job in jobs or () if job.finetuned_model_id == self.model_id]
        if named:
            self._job_id = named[0].job_id
            return Presence.FOUND
        presence = super()._look(deadline)
        can_tell = jobs is not None and all(
            job.finetuned_model_id or job.task not in (None, "finetune") for job in jobs
        )
        return Presence.UNKNOWN if presence is Presence.ABSENT and not can_tell else presence

    def _unfinished_jobs(self, deadline: float) -> list[Job] | None:
        """Return the jobs that wait or are at work; None where the service does not say."""
        context = self._context_until(deadline)
        jobs, token = [], None
        for _ in range(_MAX_PAGES):
            call = endpoints.jobs(token)
            outcome = context.transport.exchange(
                call.method, call.path, timeout=context.timeout, parameters=call.parameters
            )
            page = call.read(outcome.content) if isinstance(outcome, Answer) and outcome.is_success else None
            if not isinstance(page, Jobs):
                return None
            jobs += [job for job in page.jobs if job.status in UNFINISHED]
            token = page.next_page_token
            if token is None:
                return jobs
        return None


def list_jobs(context: RequestContext) -> Iterator[Job]:
    """Yield the jobs of the account, page after page, in whichever state they are."""
    token = None
    for _ in range(_MAX_PAGES):
        page = send_quickly(context, endpoints.jobs(token, get_args(JobStatus)))
        for job in page.jobs:
            yield job.model_copy(update={"error": context.transport.redact_value(job.error)})
        token = page.next_page_token
        if token is None:
            return


def has_jobs(context: RequestContext) -> bool:
    """Return whether the service knows of jobs at all."""
    try:
        send_quickly(context, endpoints.jobs(None))
    except NotFoundError:
        return False
    return True


def look_at_training(context: RequestContext, model_id: str, job_id: str | None) -> Progress:
    """Return how the training of a model stands; where its job is gone, by whether there is the model.

    Raises
    ------
    ApiError, TransportError, ResponseError
        The service does not say.
    """
    job = None
    if job_id is not None:
        try:
            job = send_quickly(context, endpoints.training_job(job_id))
        except NotFoundError:
            job = None
    if job is not None:
        return _progress_of(job, model_id, context.transport.redact_value(job.error))
    if find_model(context, model_id) is not None:
        return Progress("ready", FinetuneResult(model_id))
    return Progress("failed", FinetuneResult(model_id), error=_GONE)


def wait_for_training(context: RequestContext, model_id: str, job_id: str | None, seconds: float) -> Progress:
    """Look at a training until it has ended or so many seconds are over.

    Raises
    ------
    ApiError, TransportError, ResponseError
        The service does not say how it stands.
    """
    display = _Steps(context, model_id)
    times_gone = 0

    def goes_on(progress: Progress) -> bool:
        nonlocal times_gone
        display.show(progress)
        times_gone = times_gone + 1 if progress.error == _GONE else 0
        return progress.is_unfinished or 0 < times_gone < _TIMES_GONE

    return poll(
        context,
        partial(look_at_training, model_id=model_id, job_id=job_id),
        goes_on,
        seconds=seconds,
        longest_pause=_LONGEST_PAUSE_LOCALLY if context.transport.is_local else context.pacing.max_poll_pause,
    )


class _Steps:
    """Shows the steps of a training as a bar, or that it is waited for, where the service tells no steps."""

    def __init__(self, context: RequestContext, model_id: str) -> None:
        self._display = context.display
        self._model_id = model_id
        self._shown: int | None = None
        self._display.start_waiting(f"waiting for {model_id}")

    def show(self, progress: Progress) -> None:
        """Show how many steps are done."""
        if not progress.is_unfinished or not progress.steps or not progress.steps_done:
            return
        if self._shown is None:
            self._display.start_counting(progress.steps, f"training {self._model_id}", unit="step")
            self._shown = 0
        self._display.advance(max(0, progress.steps_done - self._shown))
        self._shown = max(self._shown, progress.steps_done)


def _progress_of(job: JobAnswer, model_id: str, error: object) -> Progress:
    """Return how a training stands from how its job does, and its error without the key."""
    known = Progress("pending", FinetuneResult(model_id), steps_done=job.steps_done, steps=job.finetune_steps)
    if job.status != "succeeded":
        return replace(known, state=job.status, error=describe_detail(error))
    output = decode_value(job.result, FinetuneOutput)
    result = FinetuneResult(**output.model_dump()) if isinstance(output, FinetuneOutput) else known.result
    return replace(known, state="ready", result=result)
