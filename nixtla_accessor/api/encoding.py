"""Requests to bytes, and bytes to answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    CrossValidationInput,
    FinetuneInput,
    ForecastInput,
    WireModel,
)
from nixtla_accessor.errors import InvalidArgumentError

COMPRESS_ABOVE = 2**20
"""Bytes of JSON above which a body travels compressed."""

_MIB = 2**20
_SPLIT = '; or train on all in several requests, one after the other, with finetune(…, max_request="200MiB")'
_ZSTD = pa.Codec("zstd", compression_level=1)

Request = FinetuneInput | ForecastInput | CrossValidationInput | AnomalyDetectionInput
AnswerT = TypeVar("AnswerT", bound=WireModel)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The bytes of a request.

    Attributes
    ----------
    data : memoryview
        What travels.
    headers : dict
        What says how to read it.
    """

    data: memoryview
    headers: dict[str, str]

    @property
    def is_compressed(self) -> bool:
        """Whether it travels compressed."""
        return "Content-Encoding" in self.headers


def encode(request: Request, *, largest: int | None = None, compress: bool = True) -> Body:
    """Write a request as JSON, above 1 MiB as one zstd frame that says its content's size.

    Numbers keep every digit, and NaN becomes ``null``.

    Parameters
    ----------
    request : FinetuneInput, ForecastInput, CrossValidationInput or AnomalyDetectionInput
        Its arrays are written as they are, without a Python object for each value.
    largest : int, optional
        The most bytes of JSON that may be sent.
    compress : bool
        Whether a large body may be compressed.

    Raises
    ------
    InvalidArgumentError
        The request is larger than ``largest``.
    """
    json = orjson.dumps(request, default=_fields, option=orjson.OPT_SERIALIZE_NUMPY)
    if largest is not None and len(json) > largest:
        raise InvalidArgumentError(
            f"The request must be at most {in_bytes(largest)} of JSON; these series make {in_bytes(len(json))}. "
            f"Keep the recent part of each, such as df.groupby('unique_id').tail(1000), or fewer of them"
            f"{_SPLIT if isinstance(request, FinetuneInput) else ''}; for a service that takes more, raise the limit "
            "with connect(max_request_bytes=…)."
        )
    headers = {"Content-Type": "application/json"}
    if request.model.isascii():
        headers["nixtla-model"] = request.model
    if compress and len(json) > COMPRESS_ABOVE:
        # as bytes: the memoryview of a pyarrow buffer that was shrunk is longer than what is in it
        return Body(memoryview(_ZSTD.compress(json, asbytes=True)), {**headers, "Content-Encoding": "zstd"})
    return Body(memoryview(json), headers)


def decode(content: bytes, expected: type[AnswerT]) -> AnswerT | Failure:
    """Read an answer of the contract, with or without an envelope named ``data``.

    Returns
    -------
    WireModel or Failure
        The answer, or an unreadable one's failure.
    """
    try:
        answer = orjson.loads(content)
        if isinstance(answer, dict) and "data" in answer:
            answer = answer["data"]
        return expected.model_validate(answer)
    except orjson.JSONDecodeError:
        reason = _describe(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        reason = f"JSON that is not the contract's {expected.__name__} ({place}: {first['msg']})"
    return Failure(FailureKind.UNREADABLE, f"answered with {reason}")


def in_bytes(count: int) -> str:
    """Write a number of bytes for a person."""
    return f"{count:,} bytes" if count < _MIB else f"{count / _MIB:,.1f} MiB"


def _fields(value: object) -> dict[str, Any]:
    """Return a model's fields, one level deep; orjson asks again for what is nested."""
    if isinstance(value, BaseModel):
        return dict(value)
    raise TypeError


def _describe(content: bytes) -> str:
    """Say in a few words what a text is that is not JSON."""
    if not content.strip():
        return "an empty body"
    if content.lstrip()[:1] == b"<":
        return "an HTML page instead of JSON"
    return f"{len(content):,} bytes that are not JSON"
