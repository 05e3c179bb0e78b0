"""The contract served over HTTP: routes that check the key and the request, and call the engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Path, Request, Response
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
from nixtla_accessor.contract import DEFAULT_MODEL, MODEL_ID_PATTERN
from nixtla_accessor.local.service.bodies import InflatedRequest
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.error_responses import HANDLERS, refused_value
from nixtla_accessor.local.service.errors import UnknownModelError
from nixtla_accessor.local.service.forecasters import base_model_names

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
    """Raise a 401 for a request without the engine's key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    expected: str = request.app.state.api_key
    if scheme.lower() != "bearer" or not secrets.compare_digest(key.strip().encode(), expected.encode()):
        detail = "Invalid API key: send the key that the local engine was started with, as a bearer token."
        raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})


async def _refuse_unsupported(request: Request) -> None:
    """Raise a 422 for a feature that the engine does not have, rather than ignore it."""
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
                message = f"The local engine does not support {feature}: leave {name} out."
                raise refused_value((*location, name), message, "unsupported")


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _encode(answer: BaseModel) -> Response:
    """Encode an answer of many numbers in the thread that computed it, so that no other request has to wait."""
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
    "model": DEFAULT_MODEL,
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
    return _encode(engine.forecast(body))


@router.post("/v2/cross_validation", dependencies=[Depends(_refuse_unsupported)], response_model=CrossValidationOutput)
def cross_validation(body: CrossValidationInput, engine: EngineOfApp) -> Response:
    """Forecast windows of the past, to compare with what happened."""
    return _encode(engine.cross_validation(body))


@router.post(
    "/v2/anomaly_detection", dependencies=[Depends(_refuse_unsupported)], response_model=AnomalyDetectionOutput
)
def anomaly_detection(body: AnomalyDetectionInput, engine: EngineOfApp) -> Response:
    """Mark the values of the past that are unusual for the model."""
    return _encode(engine.detect_anomalies(body))


@router.get("/v2/models")
def models() -> BaseModels:
    """List the base models: the network, under the contract's default name; any other name means it too."""
    return BaseModels(models=[BaseModelEntry(name=name) for name in base_model_names()])


@router.get("/v2/finetuned_models")
def finetuned_models(engine: EngineOfApp) -> FinetunedModels:
    """List the fine-tuned models."""
    return FinetunedModels(finetuned_models=engine.store.models())


@router.get("/v2/finetuned_models/{finetuned_model_id}")
def finetuned_model(finetuned_model_id: ModelIdInPath, engine: EngineOfApp) -> FinetunedModel:
    """Return how a fine-tuned model was made."""
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
    """Return how many steps of history a model reads, and how many it forecasts at once."""
    return ModelParametersOutput(detail=engine.model_parameters(model, freq))


@router.get("/validate_api_key")
def validate_api_key() -> dict[str, str]:
    """Confirm the key: without a valid one the answer is 401."""
    return {"detail": "API key is valid."}


def create_app(engine: Engine, api_key: str) -> FastAPI:
    """Build the application that serves an engine to those who have the key.

    Parameters
    ----------
    engine : Engine
        The engine to serve.
    api_key : str
        The bearer token that every request must carry.

    Returns
    -------
    FastAPI
        An ASGI application; its OpenAPI description is at ``/openapi.json``.
    """
    # No page of documentation: it would load scripts from other sites.
    app = FastAPI(title="nixtla_accessor local engine", docs_url=None, redoc_url=None)
    app.state.engine = engine
    app.state.api_key = api_key
    app.include_router(router)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app
