"""The endpoints of the service: what each call sends, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from nixtla_accessor.api.encoding import RequestModel, decode
from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.job_schema import JobAnswer, Jobs, JobStatus
from nixtla_accessor.api.results import (
    AnomalyResult,
    CrossValidationResult,
    FinetuneResult,
    ForecastResult,
    read_anomalies,
    read_cross_validation,
    read_finetune,
    read_forecast,
    read_submission,
)
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    BaseModels,
    CrossValidationInput,
    ExistingModel,
    FinetunedModel,
    FinetunedModels,
    FinetuneInput,
    ForecastInput,
    ModelParametersOutput,
)
from nixtla_accessor.api.usage_schema import Usage

ResultT_co = TypeVar("ResultT_co", covariant=True)
ModelT = TypeVar("ModelT", FinetunedModel, ExistingModel)
_MODELS = "/v2/finetuned_models"
_JOBS = "/v2/async/jobs"
_JOBS_OF_A_PAGE = 100
FORECASTING_THE_PAST = "forecasting the past"


@dataclass(frozen=True, slots=True)
class Call(Generic[ResultT_co]):
    """One call of an endpoint.

    Attributes
    ----------
    method, path : str
        Such as ``"GET"`` and ``"/v2/finetuned_models"``.
    read : callable
        Reads the body of a success; a `Failure` means that it does not follow the contract.
    parameters : mapping or None
        The query string.
    request : FinetuneInput, ForecastInput, CrossValidationInput, AnomalyDetectionInput or None
        The body.
    activity : str
        What the service does, for the progress bar.
    model_id : str or None
        The fine-tuned model that the call needs.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    read: Callable[[bytes], ResultT_co | Failure]
    parameters: Mapping[str, str | Sequence[str]] | None = None
    request: RequestModel | None = None
    activity: str = ""
    model_id: str | None = None

    @property
    def tunes(self) -> bool:
        """Whether the service tunes a model, which costs."""
        return getattr(self.request, "finetune_steps", 0) > 0


def finetune(request: FinetuneInput) -> Call[FinetuneResult]:
    """Return the call that trains a model (``POST /v2/finetune``)."""
    activity = f"training {request.output_model_id}"
    return Call(
        "POST",
        "/v2/finetune",
        read_finetune,
        request=request,
        activity=activity,
        model_id=request.finetuned_model_id,
    )


def submit_finetune(request: FinetuneInput, model_id: str) -> Call[FinetuneResult]:
    """Return the call that has a job train a model (``POST /v2/finetune/async``)."""
    return Call(
        "POST",
        "/v2/finetune/async",
        partial(read_submission, model_id=model_id),
        request=request,
        activity=f"submitting the training of {model_id}",
        model_id=request.finetuned_model_id,
    )


def forecast(request: ForecastInput) -> Call[ForecastResult]:
    """Return the call that forecasts (``POST /v2/forecast``)."""
    return Call(
        "POST",
        "/v2/forecast",
        partial(read_forecast, request=request),
        request=request,
        activity="forecasting",
        model_id=request.finetuned_model_id,
    )


def cross_validation(request: CrossValidationInput) -> Call[CrossValidationResult]:
    """Return the call that forecasts windows of the past (``POST /v2/cross_validation``)."""
    return Call(
        "POST",
        "/v2/cross_validation",
        partial(read_cross_validation, request=request),
        request=request,
        activity=FORECASTING_THE_PAST,
        model_id=request.finetuned_model_id,
    )


def anomaly_detection(request: AnomalyDetectionInput) -> Call[AnomalyResult]:
    """Return the call that finds anomalies (``POST /v2/anomaly_detection``)."""
    return Call(
        "POST",
        "/v2/anomaly_detection",
        partial(read_anomalies, request=request),
        request=request,
        activity=FORECASTING_THE_PAST,
        model_id=request.finetuned_model_id,
    )


def training_job(job_id: str) -> Call[JobAnswer]:
    """Return the call that asks how the training of a job stands (``GET /v2/finetune/jobs/{id}``)."""
    return Call("GET", f"/v2/finetune/jobs/{job_id}", partial(_read_job, job_id=job_id))


def cancel_job(job_id: str) -> Call[None]:
    """Return the call that cancels a job (``POST /v2/async/jobs/{id}/cancel``).

    The local engine also takes the id of a model in training.
    """
    return Call("POST", f"{_JOBS}/{job_id}/cancel", _ignore_body)


def jobs(page_token: str | None, statuses: Sequence[JobStatus] | None = None) -> Call[Jobs]:
    """Return the call that lists jobs, the first page or that of a token (``GET /v2/async/jobs``).

    Without statuses, the hosted service lists those that wait or are at work.
    """
    parameters: dict[str, str | Sequence[str]] = {"page_size": str(_JOBS_OF_A_PAGE)}
    if statuses is not None:
        parameters["status"] = statuses
    if page_token is not None:
        parameters["page_token"] = page_token
    return Call("GET", _JOBS, partial(decode, expected=Jobs), parameters=parameters)


def finetuned_models() -> Call[FinetunedModels]:
    """Return the call that lists the fine-tuned models (``GET /v2/finetuned_models``)."""
    return Call("GET", _MODELS, partial(decode, expected=FinetunedModels))


def finetuned_model(model_id: str) -> Call[FinetunedModel]:
    """Return the call that describes a fine-tuned model (``GET /v2/finetuned_models/{id}``)."""
    read = partial(_read_model, expected=FinetunedModel, model_id=model_id)
    return Call("GET", f"{_MODELS}/{model_id}", read, model_id=model_id)


def finetuned_model_lookup(model_id: str) -> Call[ExistingModel]:
    """Return the call that finds out whether a fine-tuned model exists (``GET /v2/finetuned_models/{id}``)."""
    read = partial(_read_model, expected=ExistingModel, model_id=model_id)
    return Call("GET", f"{_MODELS}/{model_id}", read, model_id=model_id)


def delete_finetuned_model(model_id: str) -> Call[None]:
    """Return the call that deletes a fine-tuned model (``DELETE /v2/finetuned_models/{id}``)."""
    return Call("DELETE", f"{_MODELS}/{model_id}", _ignore_body, model_id=model_id)


def model_parameters(model: str, freq: str) -> Call[ModelParametersOutput]:
    """Return the call that describes a base model at a frequency (``GET /model_params``)."""
    parameters = {"model": model, "freq": freq}
    return Call("GET", "/model_params", partial(decode, expected=ModelParametersOutput), parameters=parameters)


def models() -> Call[BaseModels]:
    """Return the call that lists the base models (``GET /v2/models``)."""
    return Call("GET", "/v2/models", partial(decode, expected=BaseModels))


def usage() -> Call[Usage]:
    """Return the call that counts what the account has used (``GET /usage``)."""
    return Call("GET", "/usage", partial(decode, expected=Usage))


def validate_api_key() -> Call[None]:
    """Return the call that checks the key (``GET /validate_api_key``)."""
    return Call("GET", "/validate_api_key", _ignore_body)


def _read_model(content: bytes, expected: type[ModelT], model_id: str) -> ModelT | Failure:
    """Read what the service says of a model; an answer about another one says nothing."""
    model = decode(content, expected)
    if isinstance(model, Failure) or model.id == model_id:
        return model
    return Failure(FailureKind.UNREADABLE, f"answered about model {model.id!r} instead of {model_id!r}")


def _read_job(content: bytes, job_id: str) -> JobAnswer | Failure:
    """Read how a job stands; an answer about another one says nothing."""
    job = decode(content, JobAnswer)
    if isinstance(job, Failure) or job.job_id == job_id:
        return job
    return Failure(FailureKind.UNREADABLE, f"answered about job {job.job_id!r} instead of {job_id!r}")


def _ignore_body(_content: bytes) -> None:
    """Return nothing: the status says it all."""
