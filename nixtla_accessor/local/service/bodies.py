"""Bodies of requests: received and inflated up to a limit, and parsed in a thread, so that others need not wait.

A body may hold tens of millions of values. As Python numbers they would take several times the memory of the text, so
those of ``series.y`` are parsed piece by piece into an array.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool

MAX_BODY_BYTES = 2**30  # of JSON, after inflating
_CHUNK_BYTES = 2**20
_CODECS = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_MARK_BITS = 63  # cannot be guessed, and is an integer of JSON
_NUMBER_TYPES = {float, int, type(None)}


class InflatedRequest(Request):
    """A request whose body may be compressed, has a size limit, and is held as text only until it is parsed."""

    async def body(self) -> bytes:
        """Receive the body; return a placeholder that says only whether there is one."""
        if not hasattr(self, "_sent"):
            self._sent = bytearray()
            async for chunk in self.stream():
                self._sent += chunk
                if len(self._sent) > MAX_BODY_BYTES:
                    raise _too_large()
        return b"..." if self._sent else b""

    async def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Inflate and parse the body."""
        if not hasattr(self, "_parsed"):
            await self.body()
            self._parsed = await run_in_threadpool(self._inflate_and_parse)
        return self._parsed

    def _inflate_and_parse(self) -> Any:  # noqa: ANN401 - any JSON
        sent, self._sent = self._sent, bytearray(b"...")
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            sent = _inflate(sent, encoding)
        return parse(sent)


def parse(text: bytearray) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON, with ``series.y``, if it holds numbers and nulls only, as an array.

    Parameters
    ----------
    text : bytearray
        Emptied while it is parsed, to save memory.

    Returns
    -------
    object
        As from orjson, except for ``["series"]["y"]``: an ndarray of float64, with NaN for null.

    Raises
    ------
    orjson.JSONDecodeError
        The text is not JSON.

    Examples
    --------
    >>> parse(bytearray(b'{"series": {"y": [1, null], "sizes": [2]}}'))
    {'series': {'y': array([ 1., nan]), 'sizes': [2]}}
    """
    begin = text.find(b"[", text.find(b'"y"')) + 1
    end = text.find(b"]", begin)
    numbers = _parse_numbers(text, begin, end) if 0 < begin <= end else None
    if numbers is None:
        return orjson.loads(text)
    # Put a random number in place of the array: if it turns up as series.y, the array was indeed that of series.y.
    mark = secrets.randbits(_MARK_BITS)
    document = orjson.loads(text[:begin] + str(mark).encode() + text[end:])
    series = document.get("series") if isinstance(document, dict) else None
    if not (isinstance(series, dict) and series.get("y") == [mark]):
        return orjson.loads(text)
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


def _too_large() -> HTTPException:
    return HTTPException(
        413, f"The local engine accepts at most {MAX_BODY_BYTES:,} bytes of JSON: send fewer series at a time."
    )


def _inflate(sent: bytearray, encoding: str) -> bytearray:
    """Inflate a body, but never beyond the limit."""
    if encoding not in _CODECS:
        raise HTTPException(415, f"Content-Encoding {encoding!r} is not supported: send zstd, gzip or identity.")
    inflated = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(sent), _CODECS[encoding]) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                inflated += chunk
                if len(inflated) > MAX_BODY_BYTES:
                    raise _too_large()
    except OSError as error:
        raise HTTPException(400, f"The body is not a complete {encoding} stream.") from error
    return inflated
