"""Submits a request as a job of the service, and waits for its result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import orjson

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.encoding import RequestModel, decode
from nixtla_accessor.api.endpoints import Call
from nixtla_accessor.api.exchange import Answer, Failure, FailureKind
from nixtla_accessor.api.explain import error_of
from nixtla_accessor.api.job_schema import UNFINISHED, JobAnswer, SubmittedJob
from nixtla_accessor.api.polling import poll
from nixtla_accessor.api.retry import decide_submission
from nixtla_accessor.api.sending import Attempts, RequestContext, send_quickly
from nixtla_accessor.errors import TimeGPTError

_SECONDS_TO_CANCEL = 5.0  # after Ctrl-C: a user waits for it

ResultT = TypeVar("ResultT")


def submit_job(context: RequestContext, task: str, request: RequestModel, model_id: str | None = None) -> str:
    """Submit a request as a job, once, and return the job's id.

    It is sent again only where the service cannot have a job of it.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    task : str
        As the path has it: ``"simulate"``.
    request : RequestModel
        The body.
    model_id : str, optional
        The fine-tuned model that the request needs.

    Raises
    ------
    NotFoundError
        The service has no jobs of this task, or not the model.
    ApiError, TransportError, ResponseError
        It is not known that there is a job.
    """
    submit = Call(
        "POST",
        f"/v2/{task}/async",
        partial(decode, expected=SubmittedJob),
        request=request,
        activity="submitting the job",
        model_id=model_id,
    )
    return Attempts(context, submit, decide=decide_submission).run().job_id


def result_of_job(
    context: RequestContext, task: str, job_id: str, read: Callable[[bytes], ResultT | Failure]
) -> ResultT:
    """Wait for the result of a job as long as an answer may take; one that is given up, or by Ctrl-C, is cancelled.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    task, job_id : str
        The job.
    read : callable
        Reads the result, as the body of a synchronous answer.

    Raises
    ------
    ApiError, TransportError, ResponseError
        There is no result.
    """
    try:
        content = _wait(context, task, job_id)
    except BaseException:
        with suppress(TimeGPTError):
            send_quickly(context.briefly(_SECONDS_TO_CANCEL), endpoints.cancel_job(job_id))
        raise
    result = read(content)
    if isinstance(result, Failure):
        raise error_of(result, context.transport.service_name)
    return result


def _wait(context: RequestContext, task: str, job_id: str) -> bytes:
    """Return the result of a job as JSON, once there is one."""
    look = Call("GET", f"/v2/{task}/jobs/{job_id}", partial(decode, expected=JobAnswer))
    context.display.start_waiting(f"waiting for the {task} job")
    seconds = context.timeout[1]
    job = poll(
        context,
        partial(send_quickly, call=look),
        lambda job: job.status in UNFINISHED,
        seconds=seconds,
        longest_pause=context.pacing.max_poll_pause,
    )
    if job.status in UNFINISHED:
        late = f"did not finish the job {job_id} within {seconds:g} seconds, and was asked to cancel it"
        raise error_of(Failure(FailureKind.TIMED_OUT, late), context.transport.service_name)
    if job.status != "succeeded":
        said = context.transport.redact_value(job.error) or f"The job {job_id} is {job.status}."
        explanation = orjson.dumps({"detail": said})
        raise error_of(Answer(500, explanation), context.transport.service_name)
    return orjson.dumps(job.result)
