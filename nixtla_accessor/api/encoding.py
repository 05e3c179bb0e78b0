"""Encodes requests as bytes, and decodes answers from bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from nixtla_accessor.api.exchange import Failure, FailureKind
from nixtla_accessor.api.explain import describe_detail
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    ContractModel,
    CrossValidationInput,
    FinetuneInput,
    ForecastInput,
)
from nixtla_accessor.api.simulation_schema import SimulationInput
from nixtla_accessor.errors import InvalidArgumentError

COMPRESS_ABOVE = 2**20
"""Bytes of JSON above which a body is compressed."""

_MIB = 2**20
_SPLIT = '; or train on all of them in several requests, one after the other: finetune(…, max_request="200MiB")'
_ZSTD = pa.Codec("zstd", compression_level=1)

RequestModel = FinetuneInput | ForecastInput | CrossValidationInput | AnomalyDetectionInput | SimulationInput
AnswerT = TypeVar("AnswerT", bound=ContractModel)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The bytes of a request.

    Attributes
    ----------
    data : memoryview
        The bytes.
    headers : dict
        The headers that describe them.
    n_json : int
        The bytes of JSON, before compression.
    """

    data: memoryview
    headers: dict[str, str]
    n_json: int

    @property
    def is_compressed(self) -> bool:
        """Whether the bytes are compressed."""
        return "Content-Encoding" in self.headers


def encode(request: RequestModel, *, max_bytes: int | None = None, compress: bool = True) -> Body:
    """Write a request as JSON; above 1 MiB, as one zstd frame that states the size of its content.

    Numbers keep every digit, and NaN becomes ``null``.

    Parameters
    ----------
    request : FinetuneInput, ForecastInput, CrossValidationInput or AnomalyDetectionInput
        Its arrays are written directly, without a Python object for each value.
    max_bytes : int, optional
        The most bytes of JSON that may be sent.
    compress : bool
        Whether a large body may be compressed.

    Raises
    ------
    InvalidArgumentError
        The request is larger than ``max_bytes``.
    """
    json = orjson.dumps(request, default=_fields, option=orjson.OPT_SERIALIZE_NUMPY)
    if max_bytes is not None and len(json) > max_bytes:
        raise InvalidArgumentError(
            f"A request may have at most {format_bytes(max_bytes)} of JSON; these series make "
            f"{format_bytes(len(json))}. Keep the recent part of each, or fewer of "
            f"them{_SPLIT if isinstance(request, FinetuneInput) else ''}. For a service that accepts more, "
            "raise the limit with connect(max_request_bytes=…)."
        )
    headers = {"Content-Type": "application/json"}
    if request.model.isascii():
        headers["nixtla-model"] = request.model
    if compress and len(json) > COMPRESS_ABOVE:
        # as bytes: the memoryview of a pyarrow buffer that was shrunk is longer than what is in it
        compressed = memoryview(_ZSTD.compress(json, asbytes=True))
        return Body(compressed, {**headers, "Content-Encoding": "zstd"}, len(json))
    return Body(memoryview(json), headers, len(json))


def decode(content: bytes, expected: type[AnswerT]) -> AnswerT | Failure:
    """Read an answer, with or without an envelope named ``data``; text is no number, nor is true or false.

    Parameters
    ----------
    content : bytes
        The body of the answer.
    expected : type
        The contract's model of the answer.

    Returns
    -------
    ContractModel or Failure
        The answer; an unreadable `Failure` where it does not follow the contract.
    """
    try:
        answer = body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Failure(FailureKind.UNREADABLE, f"answered with {_describe(content)}")
    if isinstance(body, dict) and "data" in body:
        answer = body["data"]
    result = decode_value(answer, expected)
    words = describe_detail(body) if isinstance(result, Failure) and isinstance(body, dict) else ""
    return Failure(FailureKind.UNREADABLE, f"reported success, and yet says: {words}") if words else result


def decode_value(value: object, expected: type[AnswerT]) -> AnswerT | Failure:
    """Read a value of parsed JSON, as `decode` does the whole."""
    try:
        return expected.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "top level"
        reason = f"JSON that is not a {expected.__name__} ({place}: {first['msg']})"
        return Failure(FailureKind.UNREADABLE, f"answered with {reason}")


def format_bytes(count: int) -> str:
    """Write a number of bytes for a message."""
    return f"{count:,} bytes" if count < _MIB else f"{count / _MIB:,.1f} MiB"


def _fields(value: object) -> dict[str, Any]:
    """Return a model's fields, one level deep; orjson calls this again for nested models."""
    if isinstance(value, BaseModel):
        return dict(value)
    raise TypeError


def _describe(content: bytes) -> str:
    """Describe a body that is not JSON in a few words."""
    if not content.strip():
        return "an empty body"
    if content.lstrip()[:1] == b"<":
        return "an HTML page instead of JSON"
    return f"{len(content):,} bytes that are not JSON"
