"""The contract served over HTTP: routes that check the key and the request, and call the engine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Body, Depends, HTTPException, Path, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from nixtla_accessor.api.online_schema import OnlineAnomalyInput, OnlineAnomalyOutput
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
    ModelParametersOutput,
)
from nixtla_accessor.api.simulation_schema import SimulationInput, SimulationOutput
from nixtla_accessor.api.usage_schema import Usage
from nixtla_accessor.contract import MODEL_ID_PATTERN
from nixtla_accessor.local.service.arrivals import Arrivals
from nixtla_accessor.local.service.bodies import InflatedRequest
from nixtla_accessor.local.service.documentation import (
    FINETUNE_DESCRIPTION,
    FINETUNE_EXAMPLE,
    FINETUNE_SUMMARY,
    WRONG_VALUE,
    errors,
)
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.error_responses import refused_value
from nixtla_accessor.local.service.errors import ClientGoneError, StoppedError, UnknownModelError
from nixtla_accessor.local.service.interruption import Interruption
from nixtla_accessor.local.service.online_anomalies import detect_online_anomalies
from nixtla_accessor.local.service.simulating import simulate
from nixtla_accessor.local.service.usage import UsageCounts
from nixtla_accessor.local.service.workers import WorkerPools, Workers

JOBS = "/async"
"""What the path of a call ends with when it is submitted as a job."""

_FINETUNE_PATH = "/v2/finetune"
_UNSUPPORTED = {"multivariate": "multivariate models", "model_parameters": "model parameters"}
_UNSUPPORTED_IN = {
    _FINETUNE_PATH: {"hist_exog": "features in fine-tuning; forecasts of the model may have some"},
    "/v2/forecast": {"hist_exog": "hist_exog in a forecast, where rows of X beyond those of X_future are historic"},
}
_UNSUPPORTED_SERIES_IN = {
    _FINETUNE_PATH: dict.fromkeys(
        ("X", "X_future", "categorical_exog"), "features in fine-tuning; forecasts of the model may have some"
    )
}


ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT", bound=BaseModel)
_PIECE = 100_000  # numbers


class EngineRoute(APIRoute):
    """A route that checks the key before a byte of the body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        handle = super().get_route_handler()
        trains = self.path.removesuffix(JOBS) == _FINETUNE_PATH

        async def handle_inflated(request: Request) -> Response:
            _check_key(request)
            inflated = InflatedRequest(request.scope, request.receive)
            counts: UsageCounts = request.app.state.usage
            counts.add("requests")
            try:
                if not trains:
                    return await handle(inflated)
                arrivals: Arrivals = request.app.state.arrivals
                with arrivals.arriving() as request.state.begun:
                    return await handle(inflated)
            finally:
                if not inflated.is_kept:
                    inflated.release()

        return handle_inflated


def _check_key(request: Request) -> None:
    """Raise a 401 for a request without the engine's key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    expected: str = request.app.state.api_key
    if scheme.lower() != "bearer" or not secrets.compare_digest(key.strip().encode(), expected.encode()):
        detail = "Invalid API key: send the key that the local engine was started with, as a bearer token."
        raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})
    if hasattr(request.state, "connection"):
        request.state.connection.accept_key()


async def refuse_unsupported(request: Request) -> None:
    """Raise a 422 for a feature that the engine does not have, rather than ignore it."""
    try:
        body = await request.json()
    except orjson.JSONDecodeError:
        return  # the body's own check says so
    if not isinstance(body, dict):
        return
    series, path = body.get("series"), request.url.path.removesuffix(JOBS)
    for location, values, names in (
        (("body", "series"), series if isinstance(series, dict) else {}, _UNSUPPORTED_SERIES_IN.get(path, {})),
        (("body",), body, _UNSUPPORTED | _UNSUPPORTED_IN.get(path, {})),
    ):
        for name, feature in names.items():
            if values.get(name):
                message = f"The local engine does not support {feature}: leave {name} out."
                raise refused_value((*location, name), message, "unsupported")
    name = "feature_contributions_type"
    if body.get("feature_contributions") is True and body.get(name, "shapley") in ("granger", "transfer_entropy"):
        message = f"The local engine does not support {body[name]}: leave {name} out, or ask for 'intervention'."
        raise refused_value(("body", name), message, "unsupported")


async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


async def _workers(request: Request) -> WorkerPools:
    workers: WorkerPools = request.app.state.workers
    return workers


async def _answer(
    request: Request,
    workers: Workers,
    compute: Callable[[Interruption], AnswerT],
) -> Response:
    """Compute an answer and encode it, unless the client goes away: then the work ends at its next step."""
    interruption = Interruption()
    work = asyncio.ensure_future(workers.run(lambda: encode_answer(compute(interruption)), interruption))
    gone = asyncio.ensure_future(_wait_until_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            interruption.interrupt(ClientGoneError())
            raise ClientGoneError
        return Response(work.result(), media_type="application/json")
    finally:
        gone.cancel()
        if not work.done():
            interruption.interrupt(StoppedError())
            work.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def encode_answer(answer: BaseModel) -> bytes:
    """Encode an answer as JSON, lists of many numbers piece by piece: while orjson is at work, no other thread is."""
    fields = []
    for name, value in answer:
        if isinstance(value, dict):
            lists = [_quote(key) + _encode_list(numbers) for key, numbers in value.items()]
            encoded = b"{" + b",".join(lists) + b"}"
        else:
            encoded = _encode_list(value) if isinstance(value, list) else orjson.dumps(value)
        fields.append(_quote(name) + encoded)
    return b"{" + b",".join(fields) + b"}"


def _quote(key: str) -> bytes:
    return orjson.dumps(key) + b":"


def _encode_list(values: list[Any]) -> bytes:
    pieces = (values[start : start + _PIECE] for start in range(0, len(values), _PIECE))
    return b"[" + b",".join(orjson.dumps(piece)[1:-1] for piece in pieces) + b"]"


ModelIdInPath = Annotated[str, Path(title="Finetuned Model Id", pattern=MODEL_ID_PATTERN)]
EngineOfApp = Annotated[Engine, Depends(_engine)]
WorkersOfApp = Annotated[WorkerPools, Depends(_workers)]
_FORECAST_ERRORS = (400, 404, 408, 410, 413, 415, 429, 503, 507)
JOB_ERRORS = (*_FORECAST_ERRORS, 409)

router = APIRouter(
    route_class=EngineRoute,
    dependencies=[Depends(HTTPBearer(auto_error=False, description="HTTPBearer"))],
    responses=WRONG_VALUE,
)


@router.post(
    _FINETUNE_PATH,
    operation_id="v2_finetune_v2_finetune_post",
    summary=FINETUNE_SUMMARY,
    description=FINETUNE_DESCRIPTION,
    dependencies=[Depends(refuse_unsupported)],
)
async def finetune(
    request: Request,
    body: Annotated[FinetuneInput, Body(examples=[FINETUNE_EXAMPLE])],
    engine: EngineOfApp,
    workers: WorkersOfApp,
) -> FinetuneOutput:
    """Fine-tune the network to the series and save it for later use; also if the client goes away."""
    plan = await workers.lookups.run(partial(engine.plan_training, body))
    request.state.begun.set_result(None)
    try:
        return await workers.trainings.run(partial(engine.train, plan), plan.training.interruption)
    finally:
        engine.drop(plan)


@router.post(
    "/v2/forecast",
    dependencies=[Depends(refuse_unsupported)],
    response_model=ForecastOutput,
    responses=errors(*_FORECAST_ERRORS),
)
async def forecast(request: Request, body: ForecastInput, engine: EngineOfApp, workers: WorkersOfApp) -> Response:
    """Forecast every series, with the base model or a fine-tuned one."""
    pool = workers.trainings if body.finetune_steps else workers.forecasts
    return await _answer(request, pool, partial(engine.forecast, body))


@router.post(
    "/v2/cross_validation",
    dependencies=[Depends(refuse_unsupported)],
    response_model=CrossValidationOutput,
    responses=errors(*_FORECAST_ERRORS),
)
async def cross_validation(
    request: Request, body: CrossValidationInput, engine: EngineOfApp, workers: WorkersOfApp
) -> Response:
    """Forecast windows of the past, to compare with what happened."""
    pool = workers.trainings if body.finetune_steps else workers.forecasts
    return await _answer(request, pool, partial(engine.cross_validation, body))


@router.post(
    "/v2/anomaly_detection",
    dependencies=[Depends(refuse_unsupported)],
    response_model=AnomalyDetectionOutput,
    responses=errors(*_FORECAST_ERRORS),
)
async def anomaly_detection(
    request: Request, body: AnomalyDetectionInput, engine: EngineOfApp, workers: WorkersOfApp
) -> Response:
    """Mark the values of the past that are unusual for the model."""
    return await _answer(request, workers.forecasts, partial(engine.detect_anomalies, body))


@router.post(
    "/v2/online_anomaly_detection",
    dependencies=[Depends(refuse_unsupported)],
    response_model=OnlineAnomalyOutput,
    responses=errors(*_FORECAST_ERRORS),
)
async def online_anomaly_detection(
    request: Request, body: OnlineAnomalyInput, engine: EngineOfApp, workers: WorkersOfApp
) -> Response:
    """Mark unusual values among the last of each series, by the errors of the forecasts before them."""
    pool = workers.trainings if body.finetune_steps else workers.forecasts
    return await _answer(request, pool, partial(detect_online_anomalies, engine, body))


@router.post(
    "/v2/simulate",
    dependencies=[Depends(refuse_unsupported)],
    response_model=SimulationOutput,
    responses=errors(*_FORECAST_ERRORS),
)
async def simulation(request: Request, body: SimulationInput, engine: EngineOfApp, workers: WorkersOfApp) -> Response:
    """Draw paths of each series that agree with its forecast, and depend on each other over time."""
    return await _answer(request, workers.forecasts, partial(simulate, engine, body))


@router.get("/v2/models", responses=errors())
async def models(engine: EngineOfApp, workers: WorkersOfApp) -> BaseModels:
    """List the base models: the network, under the contract's default name, and those that were pulled."""
    names = await workers.lookups.run(engine.models.forecasters.names)
    return BaseModels(models=[BaseModelEntry(name=name) for name in names])


@router.get("/v2/finetuned_models", responses=errors(507))
async def finetuned_models(engine: EngineOfApp, workers: WorkersOfApp) -> FinetunedModels:
    """List the fine-tuned models."""
    return FinetunedModels(finetuned_models=await workers.lookups.run(engine.store.models))


@router.get("/v2/finetuned_models/{finetuned_model_id}", responses=errors(404, 410, 507))
async def finetuned_model(
    finetuned_model_id: ModelIdInPath, engine: EngineOfApp, workers: WorkersOfApp
) -> FinetunedModel:
    """Return how a fine-tuned model was made."""
    model = await workers.lookups.run(partial(engine.store.model, finetuned_model_id))
    if model is None:
        raise UnknownModelError(finetuned_model_id)
    return model


@router.delete("/v2/finetuned_models/{finetuned_model_id}", status_code=204, responses=errors(404, 507))
async def delete_finetuned_model(finetuned_model_id: ModelIdInPath, engine: EngineOfApp, workers: WorkersOfApp) -> None:
    """Delete a fine-tuned model."""
    if not await workers.changes.run(partial(engine.store.delete, finetuned_model_id)):
        raise UnknownModelError(finetuned_model_id)


@router.get("/model_params", responses=errors(404))
async def model_params(model: str, freq: str, engine: EngineOfApp, workers: WorkersOfApp) -> ModelParametersOutput:
    """Return how many steps of history a model reads, and how many it forecasts at once."""
    parameters = await workers.lookups.run(partial(engine.model_parameters, model, freq))
    return ModelParametersOutput(detail=parameters)


@router.get("/validate_api_key", responses=errors())
async def validate_api_key() -> dict[str, str]:
    """Confirm the key: without a valid one the answer is 401."""
    return {"detail": "API key is valid."}


@router.get("/usage", responses=errors())
async def usage(request: Request) -> Usage:
    """Count the requests with the key of this minute and of this month, since the engine was started."""
    counts: UsageCounts = request.app.state.usage
    return Usage(**counts.counts())
