"""What the OpenAPI description says beside the contract's models: texts and errors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from nixtla_accessor.api.schema import HTTPValidationError
from nixtla_accessor.contract import DEFAULT_MODEL

FINETUNE_SUMMARY = "Foundational Time Series Model Multi Series Finetuning"
FINETUNE_DESCRIPTION = (
    "Fine-tune the large time model to your data and save it for later use. It takes a JSON as an input containing "
    "information like the series frequency and historical data. (See below for a full description of the parameters.) "
    "The response contains the ID of the finetuned model, which you can provide in other endpoints to use that model "
    "to make the forecasts. Get your token for private beta at "
    "https://nixtla.io/free-trial?utm_source=nixtla.io&utm_campaign=/docs/api-reference."
)
FINETUNE_EXAMPLE = {
    "series": {"y": list(range(36)), "sizes": [36]},
    "finetune_steps": 10,
    "freq": "MS",
    "model": DEFAULT_MODEL,
}


class ErrorMessage(BaseModel):
    """The body of a refusal or a failure."""

    detail: str = Field(description="What happened, and what to do.")


class CancelledJob(BaseModel):
    """The answer of ``POST /v2/async/jobs/{job_id}/cancel``."""

    job_id: str
    status: Literal["cancelled"] = "cancelled"


Responses = dict[int | str, dict[str, Any]]
WRONG_VALUE: Responses = {422: {"model": HTTPValidationError, "description": "Validation Error"}}


def errors(*statuses: int) -> Responses:
    """Describe the errors of a route whose body is an `ErrorMessage`, those of every route included."""
    return {status: {"model": ErrorMessage, "description": _DESCRIPTIONS[status]} for status in (401, 405, *statuses)}


_DESCRIPTIONS = {
    400: "The body cannot be read",
    401: "No valid key",
    404: "No such fine-tuned model, or no such job at work",
    405: "Another method; Allow names those that there are",
    408: "The body stopped coming",
    409: "The training is done, and its model is being saved",
    410: "The model is damaged, or of another version",
    413: "The body is too large",
    415: "The Content-Encoding is not supported",
    429: "As many requests as the engine takes are waiting; see Retry-After",
    503: "The engine is being stopped",
    507: "The file of models cannot be read or written",
}
