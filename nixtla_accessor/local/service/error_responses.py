"""The HTTP response to each error: its status, and what the user can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from nixtla_accessor.local.service.errors import (
    AnswerTooLongError,
    BusyError,
    DamagedModelError,
    ModelIdTakenError,
    ModelInTrainingError,
    StoppedError,
    StorageError,
    UnknownFrequencyError,
    UnknownModelError,
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


def _respond_refused(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Return a 422 with place and reason, never with the series."""
    detail = [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in error.errors()]
    return JSONResponse({"detail": detail}, 422)


def _respond_unknown_model(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"Finetuned model not found: {error}"}, 404)


def _respond_taken_id(request: Request, error: Exception) -> JSONResponse:
    # Not 409: the official client takes that for a passing fault and sends the training again.
    message = f"A model {error} exists already: delete it, or choose another id."
    return _respond_refused(request, refused_value(("body", "output_model_id"), message, "model_exists"))


def _respond_in_training(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"The model {error} is being trained: look it up in a while."}, 409)


def _respond_busy(_request: Request, _error: Exception) -> JSONResponse:
    detail = "The local engine is training as many models as it can, and its queue is full: try again in a while."
    return JSONResponse({"detail": detail}, 429, headers={"Retry-After": str(RETRY_AFTER)})


def _respond_damaged(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"{error} Delete it, and fine-tune again."}, 410)


def _respond_storage(_request: Request, error: Exception) -> JSONResponse:
    # Not 500 or 503: clients take those for passing faults and train again what could not be kept.
    return JSONResponse({"detail": str(error)}, 507)


def _respond_stopped(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The local engine is being stopped, and nothing was kept."}, 503)


def _respond_unknown_frequency(request: Request, error: Exception) -> JSONResponse:
    place = "query" if request.method == "GET" else "body"
    return _respond_refused(request, refused_value((place, "freq"), str(error), "unknown_freq"))


def _respond_too_long(request: Request, error: Exception) -> JSONResponse:
    return _respond_refused(request, refused_value(("body",), str(error), "too_long_answer"))


def _respond_failure(_request: Request, error: Exception) -> JSONResponse:
    detail = f"The local engine failed: {type(error).__name__}: {error}"
    return JSONResponse({"detail": detail}, 500, headers={"Connection": "close"})  # the server closes it


HANDLERS: Mapping[type[Exception], Callable[[Request, Any], JSONResponse]] = {
    RequestValidationError: _respond_refused,
    UnknownModelError: _respond_unknown_model,
    ModelIdTakenError: _respond_taken_id,
    ModelInTrainingError: _respond_in_training,
    BusyError: _respond_busy,
    DamagedModelError: _respond_damaged,
    StorageError: _respond_storage,
    StoppedError: _respond_stopped,
    UnknownFrequencyError: _respond_unknown_frequency,
    AnswerTooLongError: _respond_too_long,
    Exception: _respond_failure,
}
