"""Splits series into parts that each fit in a request of their own."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from nixtla_accessor.api.encoding import encode, format_bytes
from nixtla_accessor.api.schema import FinetuneInput, Series
from nixtla_accessor.contract import MAX_MODEL_ID_LENGTH
from nixtla_accessor.errors import OversizedSeriesError

_BLOCK = 2**16  # numbers whose bytes are counted at a time
_SHOWN = 3
_LONGEST_ID = "x" * MAX_MODEL_ID_LENGTH

LIMIT_SETTINGS = "max_request (and connect(max_request_bytes=…), where that is less)"
"""The settings that raise the limit of a request."""


def split_series(request: FinetuneInput, max_bytes: int) -> list[Series]:
    """Split the series of a request into as few parts as can be sent, about equal in bytes.

    No series is split, and their order stays. The bytes are counted exactly, block by block.

    Parameters
    ----------
    request : FinetuneInput
        With all series.
    max_bytes : int
        The most bytes of JSON that a request may have.

    Returns
    -------
    list of Series
        Views into the request's arrays; one part where the request is not too large.

    Raises
    ------
    OversizedSeriesError
        A series does not fit in a request of its own.

    Examples
    --------
    >>> import numpy as np
    >>> series = Series(y=np.arange(100, 160), sizes=np.array([20, 20, 20]))
    >>> [part.sizes.tolist() for part in split_series(FinetuneInput(series=series, freq="D"), 415)]
    [[20, 20], [20]]
    """
    series = request.series
    ends = np.cumsum(series.sizes)
    bytes_up_to = _json_lengths(series.y, ends) + _json_lengths(series.sizes, np.arange(1, len(ends) + 1))
    if bytes_up_to[-1] <= _room(request, max_bytes):
        return [series]
    chained = request.model_copy(update={"output_model_id": _LONGEST_ID, "finetuned_model_id": _LONGEST_ID})
    room = _room(chained, max_bytes)
    bytes_of_each = np.diff(bytes_up_to, prepend=0)
    if (bytes_of_each > room).any():
        raise _oversized(series, bytes_of_each, room, max_bytes)
    boundaries = [0, *_fill_evenly(bytes_up_to, room)]
    rows = [0, *ends[np.array(boundaries[1:]) - 1].tolist()]
    return [
        Series(y=series.y[first_row:end_row], sizes=series.sizes[first:end])
        for (first, end), (first_row, end_row) in zip(pairwise(boundaries), pairwise(rows), strict=True)
    ]


def _json_lengths(numbers: npt.NDArray[Any], positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count the bytes of JSON of the numbers before each position, with a comma after each number."""
    lengths = np.empty(len(positions), dtype=np.int64)
    before = 0
    for start in range(0, len(numbers), _BLOCK):
        json = orjson.dumps(numbers[start : start + _BLOCK], option=orjson.OPT_SERIALIZE_NUMPY)
        commas = np.flatnonzero(np.frombuffer(json, dtype=np.uint8) == ord(","))
        lengths_here = before + np.append(commas, len(json) - 1)  # a bracket follows the last number
        here = slice(*np.searchsorted(positions, (start, start + len(lengths_here)), side="right"))
        lengths[here] = lengths_here[positions[here] - start - 1]
        before = int(lengths_here[-1])
    return lengths


def _room(request: FinetuneInput, max_bytes: int) -> int:
    """Return how many bytes a request leaves for its numbers, with a comma after each."""
    no_series = Series.model_construct(y=np.empty(0), sizes=np.empty(0, dtype=np.int64))
    overhead = len(encode(request.model_copy(update={"series": no_series}), compress=False).data)
    return max_bytes - overhead + 2  # the last value and the last size have no comma


def _fill_evenly(bytes_up_to: npt.NDArray[np.int64], room: int) -> list[int]:
    """Return the end of each part: as few parts as possible, the largest of them as small as possible."""
    fewest = len(_fill(bytes_up_to, room))
    rooms = range(int(np.diff(bytes_up_to, prepend=0).max()), room + 1)
    smallest = bisect_left(rooms, -fewest, key=lambda room: -len(_fill(bytes_up_to, room)))
    return _fill(bytes_up_to, rooms[smallest])


def _fill(bytes_up_to: npt.NDArray[np.int64], room: int) -> list[int]:
    """Return the end of each part, where each holds as many series as there is room for."""
    ends: list[int] = []
    filled = 0
    while filled < bytes_up_to[-1]:
        ends.append(int(np.searchsorted(bytes_up_to, filled + room, side="right")))
        filled = int(bytes_up_to[ends[-1] - 1])
    return ends


def _oversized(series: Series, bytes_of_each: npt.NDArray[np.int64], room: int, max_bytes: int) -> OversizedSeriesError:
    """Return the error that names the series too large for a request of their own."""
    lengths = bytes_of_each + (max_bytes - room)
    positions = np.flatnonzero(bytes_of_each > room).tolist()
    ends = np.cumsum(series.sizes)
    n_recent = min(_n_fitting(series.y[: ends[position]][-series.sizes[position] :], room) for position in positions)
    shown = "; ".join(
        f"series {position:,} makes {format_bytes(int(lengths[position]))}" for position in positions[:_SHOWN]
    )
    more = f"; and {len(positions) - _SHOWN:,} more" if len(positions) > _SHOWN else ""
    return OversizedSeriesError(
        f"Each series must fit in a request of {format_bytes(max_bytes)} of JSON, since none is split; "
        f"{len(positions):,} of {len(lengths):,} do not (counted from 0): {shown}{more}. Keep the recent part of each, "
        f"or raise {LIMIT_SETTINGS}.",
        positions=tuple(positions),
        n_recent=n_recent,
    )


def _n_fitting(values: npt.NDArray[Any], room: int) -> int:
    """Return how many of the last values of a series fit, with their number, into so many bytes of JSON."""
    n_values = len(values)
    lengths = _json_lengths(np.ascontiguousarray(values[::-1]), np.arange(1, n_values + 1))
    return int(np.searchsorted(lengths, room - len(f"{n_values},"), side="right"))
