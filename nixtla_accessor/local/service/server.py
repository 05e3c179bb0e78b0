"""The contract served over HTTP: what is asked is checked here, and answered by the engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    AnomalyDetectionOutput,
    BaseModelEntry,
    BaseModels,
    CrossValidationInput,
    CrossValidationOutput,
    FinetunedModel,
    FinetunedModels,
    FinetuneInput,
    FinetuneOutput,
    ForecastInput,
    ForecastOutput,
    HTTPValidationError,
    ModelParametersOutput,
)
from nixtla_accessor.contract import MODEL_ID_PATTERN
from nixtla_accessor.local.service.answers import TooLongAnswerError
from nixtla_accessor.local.service.bodies import InflatedRequest
from nixtla_accessor.local.service.engine import (
    BusyError,
    Engine,
    ModelIdTakenError,
    ModelInTrainingError,
    StoppedError,
    UnknownFrequencyError,
    UnknownModelError,
)
from nixtla_accessor.local.service.store import DamagedModelError, StorageError

BASE_MODEL = "timegpt-1"
RETRY_AFTER = 5  # seconds, for those who come when the engine is busy
_UNSUPPORTED_SERIES = {
    "X": "exogenous features",
    "X_future": "exogenous features",
    "categorical_exog": "exogenous features",
}
_UNSUPPORTED = {
    "hist_exog": "exogenous features",
    "multivariate": "multivariate models",
    "model_parameters": "model parameters",
    "feature_contributions": "feature contributions",
}


class _EngineRoute(APIRoute):
    """A route that checks the key before a byte of the body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_inflated(request: Request) -> Response:
            _check_key(request)
            return await handle(InflatedRequest(request.scope, request.receive))

        return handle_inflated


def _check_key(request: Request) -> None:
    """Refuse a request without the engine's key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    expected: str = request.app.state.api_key
    if scheme.lower() != "bearer" or not secrets.compare_digest(key.strip().encode(), expected.encode()):
        detail = "Invalid API key: the local engine wants the key it was started with, as a bearer token."
        raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})


def _refused(location: tuple[str | int, ...], message: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"loc": location, "msg": message, "type": kind}])


async def _refuse_unsupported(request: Request) -> None:
    """Say what the engine lacks, rather than ignore it."""
    try:
        body = await request.json()
    except orjson.JSONDecodeError:
        return  # the body's own check says so
    if not isinstance(body, dict):
        return
    series = body.get("series")
    for location, values, names in (
        (("body", "series"), series if isinstance(series, dict) else {}, _UNSUPPORTED_SERIES),
        (("body",), body, _UNSUPPORTED),
    ):
        for name, feature in names.items():
            if values.get(name):
                message = f"The local engine has no {feature}: leave {name} out."
                raise _refused((*location, name), message, "unsupported")


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _written(answer: BaseModel) -> Response:
    """Write an answer of many numbers in the thread that made it, so that no one else has to wait."""
    return Response(orjson.dumps(dict(answer)), media_type="application/json")


ModelIdInPath = Annotated[str, Path(title="Finetuned Model Id", pattern=MODEL_ID_PATTERN)]
EngineOfApp = Annotated[Engine, Depends(_engine)]

router = APIRouter(
    route_class=_EngineRoute,
    dependencies=[Depends(HTTPBearer(auto_error=False, description="HTTPBearer"))],
    responses={422: {"model": HTTPValidationError, "description": "Validation Error"}},
)

_FINETUNE_DESCRIPTION = (
    "Fine-tune the large time model to your data and save it for later use. It takes a JSON as an input containing "
    "information like the series frequency and historical data. (See below for a full description of the parameters.) "
    "The response contains the ID of the finetuned model, which you can provide in other endpoints to use that model "
    "to make the forecasts. Get your token for private beta at "
    "https://nixtla.io/free-trial?utm_source=nixtla.io&utm_campaign=/docs/api-reference."
)
_FINETUNE_EXAMPLE = {
    "series": {"y": list(range(36)), "sizes": [36]},
    "finetune_steps": 10,
    "freq": "MS",
    "model": "timegpt-1",
}


@router.post(
    "/v2/finetune",
    operation_id="v2_finetune_v2_finetune_post",
    summary="Foundational Time Series Model Multi Series Finetuning",
    description=_FINETUNE_DESCRIPTION,
    dependencies=[Depends(_refuse_unsupported)],
)
def finetune(body: Annotated[FinetuneInput, Body(examples=[_FINETUNE_EXAMPLE])], engine: EngineOfApp) -> FinetuneOutput:
    """Fine-tune the network to the series and save it for later use."""
    return engine.finetune(body)


@router.post("/v2/forecast", dependencies=[Depends(_refuse_unsupported)], response_model=ForecastOutput)
def forecast(body: ForecastInput, engine: EngineOfApp) -> Response:
    """Forecast every series, with the base model or a fine-tuned one."""
    return _written(engine.forecast(body))


@router.post("/v2/cross_validation", dependencies=[Depends(_refuse_unsupported)], response_model=CrossValidationOutput)
def cross_validation(body: CrossValidationInput, engine: EngineOfApp) -> Response:
    """Forecast windows of the past, to compare with what happened."""
    return _written(engine.cross_validation(body))


@router.post(
    "/v2/anomaly_detection", dependencies=[Depends(_refuse_unsupported)], response_model=AnomalyDetectionOutput
)
def anomaly_detection(body: AnomalyDetectionInput, engine: EngineOfApp) -> Response:
    """Mark the values of the past that the model finds unusual."""
    return _written(engine.detect_anomalies(body))


@router.get("/v2/models")
def models() -> BaseModels:
    """List the base models: one network, under the contract's default name; it answers to any other name too."""
    return BaseModels(models=[BaseModelEntry(name=BASE_MODEL)])


@router.get("/v2/finetuned_models")
def finetuned_models(engine: EngineOfApp) -> FinetunedModels:
    """List the fine-tuned models."""
    return FinetunedModels(finetuned_models=engine.store.models())


@router.get("/v2/finetuned_models/{finetuned_model_id}")
def finetuned_model(finetuned_model_id: ModelIdInPath, engine: EngineOfApp) -> FinetunedModel:
    """Tell what is known of a fine-tuned model."""
    model = engine.store.model(finetuned_model_id)
    if model is None:
        raise UnknownModelError(finetuned_model_id)
    return model


@router.delete("/v2/finetuned_models/{finetuned_model_id}", status_code=204)
def delete_finetuned_model(finetuned_model_id: ModelIdInPath, engine: EngineOfApp) -> None:
    """Delete a fine-tuned model."""
    if not engine.store.delete(finetuned_model_id):
        raise UnknownModelError(finetuned_model_id)


@router.get("/model_params")
def model_params(model: str, freq: str, engine: EngineOfApp) -> ModelParametersOutput:
    """Tell how many steps of history a model reads, and how many it forecasts at once."""
    return ModelParametersOutput(detail=engine.model_parameters(model, freq))


@router.get("/validate_api_key")
def validate_api_key() -> dict[str, str]:
    """Confirm the key: without a valid one the answer is 401."""
    return {"detail": "API key is valid."}


def _answer_refusal(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 with the place and the reason, never with the series."""
    detail = [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in error.errors()]
    return JSONResponse({"detail": detail}, 422)


def _answer_unknown_model(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"Finetuned model not found: {error}"}, 404)


def _answer_taken_id(request: Request, error: Exception) -> JSONResponse:
    # Not 409: the official client takes that for a passing fault and sends the training again.
    message = f"There is a model {error} already: delete it, or choose another id."
    return _answer_refusal(request, _refused(("body", "output_model_id"), message, "model_exists"))


def _answer_in_training(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"The model {error} is being trained: look it up in a while."}, 409)


def _answer_busy(_request: Request, _error: Exception) -> JSONResponse:
    detail = "The local engine trains as many models as it can, and as many wait: try again in a while."
    return JSONResponse({"detail": detail}, 429, headers={"Retry-After": str(RETRY_AFTER)})


def _answer_damaged(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"{error} Delete it, and fine-tune again."}, 410)


def _answer_storage(_request: Request, error: Exception) -> JSONResponse:
    # Not 500 or 503: clients take those for passing faults and train again what could not be kept.
    return JSONResponse({"detail": str(error)}, 507)


def _answer_stopped(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The local engine is being stopped, and nothing was kept."}, 503)


def _answer_unknown_frequency(request: Request, error: Exception) -> JSONResponse:
    place = "query" if request.method == "GET" else "body"
    return _answer_refusal(request, _refused((place, "freq"), str(error), "unknown_freq"))


def _answer_too_long(request: Request, error: Exception) -> JSONResponse:
    return _answer_refusal(request, _refused(("body",), str(error), "too_long_answer"))


def _answer_failure(_request: Request, error: Exception) -> JSONResponse:
    detail = f"The local engine failed: {type(error).__name__}: {error}"
    return JSONResponse({"detail": detail}, 500, headers={"Connection": "close"})  # as it will be


_HANDLERS: Mapping[type[Exception], Callable[[Request, Any], JSONResponse]] = {
    RequestValidationError: _answer_refusal,
    UnknownModelError: _answer_unknown_model,
    ModelIdTakenError: _answer_taken_id,
    ModelInTrainingError: _answer_in_training,
    BusyError: _answer_busy,
    DamagedModelError: _answer_damaged,
    StorageError: _answer_storage,
    StoppedError: _answer_stopped,
    UnknownFrequencyError: _answer_unknown_frequency,
    TooLongAnswerError: _answer_too_long,
    Exception: _answer_failure,
}


def create_app(engine: Engine, api_key: str) -> FastAPI:
    """Make the application that serves an engine to those who have the key.

    Parameters
    ----------
    engine : Engine
        What answers.
    api_key : str
        The bearer token that every request must carry.

    Returns
    -------
    FastAPI
        An ASGI application; its OpenAPI description is at ``/openapi.json``.
    """
    # No page of documentation: it would load its scripts from elsewhere.
    app = FastAPI(title="nixtla_accessor local engine", docs_url=None, redoc_url=None)
    app.state.engine = engine
    app.state.api_key = api_key
    app.include_router(router)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app
