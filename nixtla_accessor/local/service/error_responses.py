"""The HTTP response to each error: its status, and what the user can do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.routing import Match

from nixtla_accessor.local.base_models.names import UnknownBaseModelError
from nixtla_accessor.local.forecaster import UnavailableError
from nixtla_accessor.local.service.errors import (
    AnswerTooLongError,
    BusyError,
    ClientGoneError,
    DamagedModelError,
    JobTimeoutError,
    LimitError,
    ModelIdTakenError,
    ModelInTrainingError,
    StoppedError,
    StorageError,
    TrainingCancelledError,
    UnknownFrequencyError,
    UnknownJobError,
    UnknownModelError,
    UnknownTrainingError,
    UnsupportedError,
    WrongCovariatesError,
)

RETRY_AFTER = 5  # seconds, when the engine is busy


def refused_value(location: tuple[str | int, ...], message: str, kind: str) -> RequestValidationError:
    """Return the error that makes a 422 with one entry.

    Parameters
    ----------
    location : tuple of str or int
        Where the value is, such as ``("body", "series", "y", 3)``.
    message : str
    kind : str
        The ``type`` of the entry.
    """
    return RequestValidationError([{"loc": location, "msg": message, "type": kind}])


async def _respond_refused(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Return a 422 with place and reason, never with the series."""
    detail = [{"loc": list(item["loc"]), "msg": _in_words(item), "type": item["type"]} for item in error.errors()]
    return JSONResponse({"detail": detail}, 422)


def _in_words(item: Mapping[str, Any]) -> str:
    """Return what is wrong with a value; of a body that is no object, what the framework does not say."""
    if item["type"] == "json_invalid":
        return str(item["ctx"]["error"])
    if item["type"] == "model_attributes_type" and tuple(item["loc"]) == ("body",):
        return "The body must be a JSON object, sent with Content-Type: application/json."
    return str(item["msg"])


async def _respond_unknown_model(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"Finetuned model not found: {error}"}, 404)


async def _respond_unknown_base_model(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def _respond_unavailable(request: Request, error: Exception) -> JSONResponse:
    place = "query" if request.method == "GET" else "body"
    return await _respond_refused(request, refused_value((place, "model"), str(error), "unavailable"))


async def _respond_unsupported(request: Request, error: UnsupportedError) -> JSONResponse:
    return await _respond_refused(request, refused_value(error.location, str(error), "unsupported"))


async def _respond_out_of_memory(_request: Request, error: Exception) -> JSONResponse:
    reason = f" ({error})" if str(error) else ""
    detail = (
        f"The local engine's memory does not suffice for this request{reason}: send fewer or shorter series at a time, "
        "ask for a smaller model or a lower finetune_depth, or set NIXTLA_ACCESSOR_DEVICE where the engine runs."
    )
    return JSONResponse({"detail": detail}, 507)


async def _respond_unknown_training(_request: Request, error: Exception) -> JSONResponse:
    detail = f"No training of a model {error} to cancel: it has ended, or was not begun."
    return JSONResponse({"detail": detail}, 404)


async def _respond_unknown_job(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"Job not found: {error}. It has expired, or was never submitted."}, 404)


async def _respond_timeout(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 504)  # kept with the job, and never sent


async def _respond_taken_id(request: Request, error: Exception) -> JSONResponse:
    # Not 409: the official client takes that for a passing fault and sends the training again.
    message = f"A model {error} exists already: delete it, or choose another id."
    return await _respond_refused(request, refused_value(("body", "output_model_id"), message, "model_exists"))


async def _respond_in_training(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"The model {error} is being trained: look it up in a while."}, 409)


async def _respond_cancelled(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"The training of the model {error} was cancelled, and nothing was saved."}, 409)


async def _respond_busy(_request: Request, _error: Exception) -> JSONResponse:
    detail = "The local engine is at work on as many requests as it can, and its queue is full: try again in a while."
    return JSONResponse({"detail": detail}, 429, headers={"Retry-After": str(RETRY_AFTER)})


async def _respond_damaged(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"{error} Delete it, and fine-tune again."}, 410)


async def _respond_storage(_request: Request, error: Exception) -> JSONResponse:
    # Not 500 or 503: clients take those for passing faults and train again what could not be kept.
    return JSONResponse({"detail": str(error)}, 507)


async def _respond_stopped(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The local engine is being stopped, and nothing was kept."}, 503)


async def _respond_unknown_frequency(request: Request, error: Exception) -> JSONResponse:
    place = "query" if request.method == "GET" else "body"
    return await _respond_refused(request, refused_value((place, "freq"), str(error), "unknown_freq"))


async def _respond_too_long(request: Request, error: Exception) -> JSONResponse:
    return await _respond_refused(request, refused_value(("body",), str(error), "too_long_answer"))


async def _respond_limit(request: Request, error: LimitError) -> JSONResponse:
    return await _respond_refused(request, refused_value(error.location, str(error), "limit"))


async def _respond_wrong_covariates(request: Request, error: WrongCovariatesError) -> JSONResponse:
    return await _respond_refused(request, refused_value(error.location, str(error), "wrong_covariates"))


async def _respond_gone(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The client has closed the connection."}, 503)  # nobody reads it


async def _respond_wrong_method(request: Request, _error: HTTPException) -> JSONResponse:
    """Return a 405 with the methods of all routes at this path; the framework names those of the first alone."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= route.methods
    return JSONResponse({"detail": "Method Not Allowed"}, 405, headers={"Allow": ", ".join(sorted(methods))})


async def _respond_failure(_request: Request, error: Exception) -> JSONResponse:
    detail = f"The local engine failed: {type(error).__name__}: {error}"
    return JSONResponse({"detail": detail}, 500, headers={"Connection": "close"})  # the server closes it


# All are coroutines: a plain function would be called in a thread, for which there may be a queue.
HANDLERS: Mapping[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, JSONResponse]]] = {
    405: _respond_wrong_method,
    RequestValidationError: _respond_refused,
    UnknownModelError: _respond_unknown_model,
    UnknownBaseModelError: _respond_unknown_base_model,
    UnavailableError: _respond_unavailable,
    UnsupportedError: _respond_unsupported,
    MemoryError: _respond_out_of_memory,
    UnknownTrainingError: _respond_unknown_training,
    UnknownJobError: _respond_unknown_job,
    JobTimeoutError: _respond_timeout,
    ModelIdTakenError: _respond_taken_id,
    ModelInTrainingError: _respond_in_training,
    BusyError: _respond_busy,
    DamagedModelError: _respond_damaged,
    StorageError: _respond_storage,
    StoppedError: _respond_stopped,
    UnknownFrequencyError: _respond_unknown_frequency,
    AnswerTooLongError: _respond_too_long,
    LimitError: _respond_limit,
    WrongCovariatesError: _respond_wrong_covariates,
    TrainingCancelledError: _respond_cancelled,
    ClientGoneError: _respond_gone,
    Exception: _respond_failure,
}


async def explain_error(request: Request, error: Exception) -> str:
    """Return in words what the response to an error says."""
    handle = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    detail = orjson.loads((await handle(request, error)).body)["detail"]
    return detail if isinstance(detail, str) else "; ".join(problem["msg"] for problem in detail)
