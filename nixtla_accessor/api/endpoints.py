"""The endpoints of the service: what each call sends, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from nixtla_accessor.api.encoding import RequestModel, decode
from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.results import (
    AnomalyResult,
    CrossValidationResult,
    FinetuneResult,
    ForecastResult,
    read_anomalies,
    read_cross_validation,
    read_finetune,
    read_forecast,
)
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    CrossValidationInput,
    ExistingModel,
    FinetunedModel,
    FinetunedModels,
    FinetuneInput,
    ForecastInput,
    ModelParametersOutput,
)

ResultT_co = TypeVar("ResultT_co", covariant=True)
ModelT = TypeVar("ModelT", FinetunedModel, ExistingModel)
_MODELS = "/v2/finetuned_models"
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
    parameters: Mapping[str, str] | None = None
    request: RequestModel | None = None
    activity: str = ""
    model_id: str | None = None


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


def cancel_training(model_id: str) -> Call[None]:
    """Return the call that ends a training (``POST /v2/async/jobs/{id}/cancel``); the local engine has it."""
    return Call("POST", f"/v2/async/jobs/{model_id}/cancel", _ignore_body)


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


def validate_api_key() -> Call[None]:
    """Return the call that checks the key (``GET /validate_api_key``)."""
    return Call("GET", "/validate_api_key", _ignore_body)


def _read_model(content: bytes, expected: type[ModelT], model_id: str) -> ModelT | Failure:
    """Read what the service says of a model; an answer about another one says nothing."""
    model = decode(content, expected)
    if isinstance(model, Failure) or model.id == model_id:
        return model
    return Failure(FailureKind.UNREADABLE, f"answered about model {model.id!r} instead of {model_id!r}")


def _ignore_body(_content: bytes) -> None:
    """Return nothing: the status says it all."""
