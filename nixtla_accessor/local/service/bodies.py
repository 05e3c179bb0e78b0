"""Bodies of requests: received and inflated up to a limit, and parsed in a thread, so that others need not wait.

A body may hold tens of millions of values. As Python numbers they would take several times the memory of the text, so
those of ``series.y`` are parsed piece by piece into an array.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from fastapi import HTTPException, Request

from nixtla_accessor.local.service.error_responses import RETRY_AFTER
from nixtla_accessor.local.service.limits import LIMITS, Limits
from nixtla_accessor.local.service.workers import Workers

_CHUNK_BYTES = 2**20
_CODECS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_MARK_BITS = 63  # cannot be guessed, and is an integer of JSON
_NUMBER_TYPES = {float, int, type(None)}


class BodyReader:
    """Reads the bodies of requests, within the limits on each and on all together.

    Parameters
    ----------
    limits : Limits
    workers : Workers
        Threads to inflate and parse in.
    """

    def __init__(self, limits: Limits, workers: Workers) -> None:
        self.limits = limits
        self.workers = workers
        self.held_bytes = 0


class InflatedRequest(Request):
    """A request whose body may be compressed, has a size limit, and is held as text only until it is parsed."""

    @property
    def _reader(self) -> BodyReader:
        reader: BodyReader = self.app.state.bodies
        return reader

    async def body(self) -> bytes:
        """Receive the body; return a placeholder that says only whether there is one."""
        if not hasattr(self, "_sent"):
            limits = self._reader.limits
            self._sent = bytearray()
            declared = self.headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limits.body_bytes:
                raise _too_large(limits.body_bytes)
            async for chunk in _in_time(self.stream(), limits.seconds_without_data):
                self._hold(len(chunk))
                self._sent += chunk
                if len(self._sent) > limits.body_bytes:
                    raise _too_large(limits.body_bytes)
        return b"..." if self._sent else b""

    async def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Inflate and parse the body."""
        if not hasattr(self, "_parsed"):
            await self.body()
            self._parsed = await self._reader.workers.run(self._inflate_and_parse)
        return self._parsed

    def release(self) -> None:
        """Note that the request is done with, so that others may send as much."""
        self._reader.held_bytes -= self._held
        self._held = 0

    _held = 0

    def _hold(self, n_bytes: int) -> None:
        self._held += n_bytes
        self._reader.held_bytes += n_bytes
        if self._reader.held_bytes > self._reader.limits.body_bytes_in_all:
            detail = "The local engine has as many requests as it can hold: try again in a while."
            raise HTTPException(429, detail, headers={"Retry-After": str(RETRY_AFTER)})

    def _inflate_and_parse(self) -> Any:  # noqa: ANN401 - any JSON
        sent, self._sent = self._sent, bytearray(b"...")
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            sent = _inflate(sent, encoding, self._reader.limits.body_bytes)
        return parse(sent, self._reader.limits.body_bytes_beside_y)


async def _in_time(stream: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """Yield what comes, and raise a 408 if nothing comes for so many seconds."""
    try:
        while True:
            async with asyncio.timeout(seconds):
                chunk = await anext(stream)
            yield chunk
    except StopAsyncIteration:
        return
    except TimeoutError:
        detail = f"Nothing more of the body came within {seconds:g} seconds."
        raise HTTPException(408, detail, headers={"Connection": "close"}) from None


def parse(text: bytearray, max_bytes: int = LIMITS.body_bytes_beside_y) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON, with ``series.y``, if it holds numbers and nulls only, as an array.

    Parameters
    ----------
    text : bytearray
        Emptied while it is parsed, to save memory.
    max_bytes : int
        How much there may be beside that array: no other thread runs while it is parsed.

    Returns
    -------
    object
        As from orjson, except for ``["series"]["y"]``: an ndarray of float64, with NaN for null.

    Raises
    ------
    orjson.JSONDecodeError
        The text is not JSON.
    HTTPException
        There is too much beside the array.

    Examples
    --------
    >>> parse(bytearray(b'{"series": {"y": [1, null], "sizes": [2]}}'))
    {'series': {'y': array([ 1., nan]), 'sizes': [2]}}
    """
    begin = text.find(b"[", text.find(b'"y"')) + 1
    end = text.find(b"]", begin)
    numbers = _parse_numbers(text, begin, end) if 0 < begin <= end else None
    if numbers is None:
        return _parse_at_once(text, max_bytes)
    # Put a random number in place of the array: if it turns up as series.y, the array was indeed that of series.y.
    mark = secrets.randbits(_MARK_BITS)
    document = _parse_at_once(text[:begin] + str(mark).encode() + text[end:], max_bytes)
    series = document.get("series") if isinstance(document, dict) else None
    if not (isinstance(series, dict) and series.get("y") == [mark]):
        return _parse_at_once(text, max_bytes)
    text.clear()
    series["y"] = numbers
    return document


def _parse_numbers(text: bytearray, begin: int, end: int) -> npt.NDArray[np.float64] | None:
    """Parse a stretch of numbers and nulls between commas; return None if it holds anything else."""
    numbers = np.empty(text.count(b",", begin, end) + 1)
    done = 0
    while begin < end:
        comma = text.find(b",", min(begin + _CHUNK_BYTES, end), end)
        stop = end if comma < 0 else comma
        try:
            piece = orjson.loads(b"[" + text[begin:stop] + b"]")
        except orjson.JSONDecodeError:
            return None
        if not _NUMBER_TYPES.issuperset(map(type, piece)):
            return None
        numbers[done : done + len(piece)] = np.array(piece, np.float64)
        done += len(piece)
        begin = stop + 1
    return numbers if done == len(numbers) else None


def _parse_at_once(text: bytearray, max_bytes: int) -> Any:  # noqa: ANN401 - any JSON
    if len(text) > max_bytes:
        raise HTTPException(
            413,
            f"The local engine accepts at most {max_bytes:,} bytes of JSON beside the numbers and nulls of series.y, "
            f"found {len(text):,}: send fewer series at a time, and numbers only in series.y.",
        )
    return orjson.loads(text)


def _too_large(max_bytes: int) -> HTTPException:
    detail = f"The local engine accepts at most {max_bytes:,} bytes of JSON: send fewer series at a time."
    return HTTPException(413, detail)


def _inflate(sent: bytearray, encoding: str, max_bytes: int) -> bytearray:
    """Inflate a body, but never beyond the limit."""
    if encoding not in _CODECS:
        raise HTTPException(415, f"Content-Encoding {encoding!r} is not supported: send zstd, gzip or identity.")
    inflated = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(sent), _CODECS[encoding]) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                inflated += chunk
                if len(inflated) > max_bytes:
                    raise _too_large(max_bytes)
    except OSError as error:
        raise HTTPException(400, f"The body is not a complete {encoding} stream.") from error
    return inflated
