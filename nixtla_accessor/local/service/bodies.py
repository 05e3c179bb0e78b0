"""Bodies of requests: received and inflated up to a limit, and parsed in a thread, so that others need not wait.

A body may hold tens of millions of values. As Python objects they would take several times the memory of the text.
Those of ``series.y``, ``series.X`` and ``series.X_future`` are therefore parsed piece by piece: numbers into arrays,
and text into lists that hold equal texts once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
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
_ITEM_TYPES = {float, int, str, type(None)}
_ROWS = ("X", "X_future")
_MAX_ROWS = 1_000  # to parse apart; fewer than that are allowed
_FIELDS = {name: re.compile(rb'"%b"[ \t\r\n]*:[ \t\r\n]*\[' % name.encode()) for name in ("y", *_ROWS)}
_ROW_BEGINS = re.compile(rb"[ \t\r\n]*\[")
_NO_NUMBER = re.compile(rb"[-+]?(nan|inf)", re.IGNORECASE)
_NEXT_ROW_BEGINS = re.compile(rb"\][ \t\r\n]*,[ \t\r\n]*\[")
_QUOTE, _BACKSLASH, _CLOSES, _COMMA = b'"\\],'


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

    def keep(self) -> None:
        """Count the body until `release`, also when the request is answered."""
        self.is_kept = True

    def release(self) -> None:
        """Note that the body is done with, so that others may send as much."""
        self._reader.held_bytes -= self._held
        self._held = 0

    is_kept = False
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
        return parse(sent, self._reader.limits.body_bytes_beside_values)


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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """An array of numbers or texts, parsed apart from the rest.

    Attributes
    ----------
    begin, end : int
        Where its items are in the text.
    values : ndarray of float64, or list
    mark : int
        Put in place of its items. It is random: if it turns up in the right field, the array was indeed that field's.
    """

    begin: int
    end: int
    values: npt.NDArray[np.float64] | list[str | float | None]
    mark: int


def parse(text: bytearray, max_bytes: int = LIMITS.body_bytes_beside_values) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON, with the values of ``series.y``, ``series.X`` and ``series.X_future`` apart from the rest.

    Parameters
    ----------
    text : bytearray
        Emptied while it is parsed, to save memory.
    max_bytes : int
        How much there may be beside these values: no other thread runs while it is parsed.

    Returns
    -------
    object
        As from orjson, except for ``["series"]["y"]`` and the rows of ``["series"]["X"]`` and ``["X_future"]``: where
        they hold numbers and nulls only, they are ndarrays of float64, with NaN for null.

    Raises
    ------
    orjson.JSONDecodeError
        The text is not JSON; its message says at which byte, and why.
    HTTPException
        There is too much beside the values.

    Examples
    --------
    >>> parse(bytearray(b'{"series": {"y": [1, null], "sizes": [2]}}'))
    {'series': {'y': array([ 1., nan]), 'sizes': [2]}}
    """
    fields = {name: _find_rows(text, name) for name in _ROWS}
    fields["y"] = _find_values(text)
    stretches = sorted((each for rows in fields.values() for each in rows), key=lambda stretch: stretch.begin)
    if not fields["y"] or any(one.end > other.begin for one, other in pairwise(stretches)):
        return _parse_at_once(text, max_bytes)
    try:
        document = _load(_with_marks(text, stretches), max_bytes)
    except orjson.JSONDecodeError as error:
        raise _explained(error, text, stretches) from None
    series = document.get("series") if isinstance(document, dict) else None
    if not isinstance(series, dict) or any(
        series.get(name) != _marks(name, found) for name, found in fields.items() if found
    ):
        return _parse_at_once(text, max_bytes)
    text.clear()
    series["y"] = fields.pop("y")[0].values
    series |= {name: [row.values for row in rows] for name, rows in fields.items() if rows}
    return document


def _marks(name: str, stretches: list[_Stretch]) -> list[Any]:
    """Return what the document holds in place of a field's values."""
    marks = [[stretch.mark] for stretch in stretches]
    return marks if name in _ROWS else marks[0]


def _with_marks(text: bytearray, stretches: list[_Stretch]) -> bytearray:
    """Return the text with marks in place of the values."""
    rest, done = bytearray(), 0
    for stretch in stretches:
        rest += text[done : stretch.begin] + str(stretch.mark).encode()
        done = stretch.end
    return rest + text[done:]


def _find_values(text: bytearray) -> list[_Stretch]:
    """Parse the array of numbers that is named ``y``; return nothing if there is none."""
    found = _FIELDS["y"].search(text)
    stretch = _parse_stretch(text, found.end()) if found else None
    return [stretch] if stretch and isinstance(stretch.values, np.ndarray) else []


def _find_rows(text: bytearray, name: str) -> list[_Stretch]:
    """Parse the rows of the array of arrays of this name; return nothing if one is anything else."""
    found = _FIELDS[name].search(text)
    rows: list[_Stretch] = []
    begin = _ROW_BEGINS.match(text, found.end()) if found else None
    while begin:
        row = _parse_stretch(text, begin.end())
        if row is None or len(rows) == _MAX_ROWS:
            return []
        rows.append(row)
        begin = _NEXT_ROW_BEGINS.match(text, row.end)
    return rows


def _parse_stretch(text: bytearray, begin: int) -> _Stretch | None:
    """Parse the items of an array up to its end; return None if there is none, or anything but numbers and text."""
    values = _Values()
    at, closes = begin, False
    while not closes:
        length, closes = _cut(memoryview(text)[at : at + _CHUNK_BYTES])
        try:
            piece = orjson.loads(b"[" + text[at : at + length] + b"]")
        except orjson.JSONDecodeError:
            return None
        if not piece or not values.add(piece):
            return None
        at += length + 1
    return _Stretch(begin, at - 1, values.join(), secrets.randbits(_MARK_BITS))


class _Values:
    """Collects the items of an array: numbers and nulls in 8 bytes each, as long as there is no text."""

    def __init__(self) -> None:
        self._numbers = bytearray()
        self._items: list[str | float | None] | None = None
        self._texts: dict[str, str] = {}

    def add(self, piece: list[Any]) -> bool:
        """Add items; return whether all of them are numbers, nulls or text."""
        types = set(map(type, piece))
        if not types <= _ITEM_TYPES:
            return False
        if self._items is None:
            if str not in types:
                self._numbers += np.array(piece, np.float64).tobytes()
                return True
            self._items = [None if np.isnan(number) else number for number in self._array().tolist()]
        self._items += [self._texts.setdefault(item, item) if isinstance(item, str) else item for item in piece]
        return True

    def join(self) -> npt.NDArray[np.float64] | list[str | float | None]:
        """Return all items."""
        return self._array() if self._items is None else self._items

    def _array(self) -> npt.NDArray[np.float64]:
        return np.frombuffer(self._numbers, np.float64)


def _cut(chunk: memoryview) -> tuple[int, bool]:
    """Return how many bytes lie before the end of the array or else before the last comma, and which of both it is.

    It is 0 where there is neither, or where text with escaped characters hides what is text and what is not.
    """
    codes = np.frombuffer(chunk, np.uint8)
    outside = np.ones(len(codes), bool)
    if (codes == _QUOTE).any():
        if (codes == _BACKSLASH).any():
            return 0, False
        outside = np.logical_xor.accumulate(codes == _QUOTE) ^ True
    ends = np.flatnonzero(outside & (codes == _CLOSES))
    if len(ends):
        return int(ends[0]), True
    commas = np.flatnonzero(outside & (codes == _COMMA))
    return (int(commas[-1]) if len(commas) else 0), False


def _parse_at_once(text: bytearray, max_bytes: int) -> Any:  # noqa: ANN401 - any JSON
    try:
        return _load(text, max_bytes)
    except orjson.JSONDecodeError as error:
        raise _explained(error, text, []) from None


def _explained(error: orjson.JSONDecodeError, text: bytearray, stretches: list[_Stretch]) -> orjson.JSONDecodeError:
    """Return the error with the byte of the whole text that it is about, and nothing of the text itself."""
    reason = error.msg
    at = len(error.doc[: error.pos].encode())
    for stretch in stretches:  # each was replaced by its mark
        end_of_mark = stretch.begin + len(str(stretch.mark))
        if at < end_of_mark:
            break
        at += stretch.end - end_of_mark
    try:
        text.decode()
    except UnicodeDecodeError as undecodable:
        at, reason = undecodable.start, "the text is not UTF-8"
    if _NO_NUMBER.match(text, at):
        reason += "; JSON has no NaN and no infinity: write null for a missing value"
    return orjson.JSONDecodeError(f"The body is not JSON at byte {at:,} of {len(text):,}: {reason}.", "", at)


def _load(text: bytearray, max_bytes: int) -> Any:  # noqa: ANN401 - any JSON
    if len(text) > max_bytes:
        raise HTTPException(
            413,
            f"The local engine accepts at most {max_bytes:,} bytes of JSON beside the values of series.y, "
            f"series.X and series.X_future, found {len(text):,}: send fewer series at a time, and numbers only, or in "
            "rows of categories text without escaped characters.",
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
