"""The service's jobs as models: what submits one, how one stands, and their list."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StrictInt, StringConstraints

from nixtla_accessor.api.online_schema import OnlineAnomalyInput
from nixtla_accessor.api.schema import ContractModel, CrossValidationInput, FinetuneInput, ForecastInput
from nixtla_accessor.api.simulation_schema import SimulationInput
from nixtla_accessor.contract import JOB_ID_PATTERN

JobStatus: TypeAlias = Literal["pending", "running", "succeeded", "failed", "cancelled"]
UNFINISHED = frozenset({"pending", "running"})
"""The statuses of a job that waits or is at work."""


def _text_or_none(value: object) -> str | None:
    """Return text; None for what is none, since these fields are not needed."""
    return value if isinstance(value, str) else None


def _count_or_none(value: object) -> int | None:
    """Return a count; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


JobId = Annotated[str, StringConstraints(strict=True, pattern=JOB_ID_PATTERN)]
_Text = Annotated[str | None, BeforeValidator(_text_or_none)]
_Count = Annotated[int | None, BeforeValidator(_count_or_none)]


class JobOptions(ContractModel):
    """How a job is carried out."""

    timeout_seconds: StrictInt | None = Field(
        default=None, gt=0, description="Seconds that the job may be at work; without a limit where it is null."
    )


class _Submission(ContractModel):
    """The body of a job beyond that of the synchronous call."""

    job_options: JobOptions | None = None


class FinetuneJobInput(FinetuneInput, _Submission):
    """The request of ``POST /v2/finetune/async``."""


class ForecastJobInput(ForecastInput, _Submission):
    """The request of ``POST /v2/forecast/async``."""


class CrossValidationJobInput(CrossValidationInput, _Submission):
    """The request of ``POST /v2/cross_validation/async``."""


class AnomalyDetectionJobInput(OnlineAnomalyInput, _Submission):
    """The request of ``POST /v2/anomaly_detection/async``: that of the online route."""


class SimulationJobInput(SimulationInput, _Submission):
    """The request of ``POST /v2/simulate/async``."""


class SubmittedJob(ContractModel):
    """The answer to a submission."""

    job_id: JobId


class Job(ContractModel):
    """A job of the service.

    Attributes
    ----------
    job_id : str
        Its id.
    status : {"pending", "running", "succeeded", "failed", "cancelled"}
        How it stands.
    task : str or None
        What it does, such as ``"finetune"``.
    created_at : str or None
        When it was submitted, ISO 8601.
    finetuned_model_id : str or None
        The model that it trains.
    finetune_steps, steps_done : int or None
        The steps of the training, and those that are done.
    error : object
        Why it failed.

    Fields beyond the id and the status are None where the service does not say.
    """

    job_id: JobId
    status: JobStatus
    task: _Text = None
    created_at: _Text = None
    finetuned_model_id: _Text = None
    finetune_steps: _Count = None
    steps_done: _Count = None
    error: Any = None


class JobAnswer(Job):
    """The answer of ``GET /v2/{task}/jobs/{job_id}``: a job, and its result if it has succeeded."""

    result: Any = None


class Jobs(ContractModel):
    """The answer of ``GET /v2/async/jobs``."""

    jobs: Annotated[list[Job], Field(fail_fast=True)]
    next_page_token: _Text = None
