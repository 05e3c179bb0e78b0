"""Cuts series into parts that each fit in a request of their own."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from nixtla_accessor.api.encoding import encode, in_bytes
from nixtla_accessor.api.schema import FinetuneInput, Series
from nixtla_accessor.errors import OversizedSeriesError

_AT_ONCE = 2**16  # numbers
_SHOWN = 3
_LONGEST_ID = "x" * 36

THE_LIMIT = "max_request (and connect(max_request_bytes=…), where that is less)"
"""What a person raises who wants larger requests."""


def split_series(request: FinetuneInput, largest: int) -> list[Series]:
    """Cut the series of a request into as few parts as can be sent, about equal in bytes.

    No series is cut, and their order stays. The bytes are counted exactly, a little of the series at a time.

    Parameters
    ----------
    request : FinetuneInput
        With all series.
    largest : int
        The most bytes of JSON that a request may have.

    Returns
    -------
    list of Series
        Views into the request's arrays; a single one where the request is not too large.

    Raises
    ------
    OversizedSeriesError
        A series does not fit in a request of its own.

    Examples
    --------
    >>> series = Series(y=np.arange(100, 160), sizes=np.array([20, 20, 20]))
    >>> [part.sizes.tolist() for part in split_series(FinetuneInput(series=series, freq="D"), 415)]
    [[20, 20], [20]]
    """
    series = request.series
    ends = np.cumsum(series.sizes)
    written = _json_lengths(series.y, ends) + _json_lengths(series.sizes, np.arange(1, len(ends) + 1))
    if written[-1] <= _room(request, largest):
        return [series]
    linked = request.model_copy(update={"output_model_id": _LONGEST_ID, "finetuned_model_id": _LONGEST_ID})
    borders = [0, *_fill_evenly(written, _room(linked, largest), largest)]
    rows = [0, *ends[np.array(borders[1:]) - 1].tolist()]
    return [
        Series(y=series.y[first_row:end_row], sizes=series.sizes[first:end])
        for (first, end), (first_row, end_row) in zip(pairwise(borders), pairwise(rows), strict=True)
    ]


def _json_lengths(numbers: npt.NDArray[Any], places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count the bytes of JSON that the numbers before each place take, with a comma after each number."""
    lengths = np.empty(len(places), dtype=np.int64)
    before = 0
    for start in range(0, len(numbers), _AT_ONCE):
        json = orjson.dumps(numbers[start : start + _AT_ONCE], option=orjson.OPT_SERIALIZE_NUMPY)
        commas = np.flatnonzero(np.frombuffer(json, dtype=np.uint8) == ord(","))
        up_to = before + np.append(commas, len(json) - 1)  # after the last number is a bracket
        here = slice(*np.searchsorted(places, (start, start + len(up_to)), side="right"))
        lengths[here] = up_to[places[here] - start - 1]
        before = int(up_to[-1])
    return lengths


def _room(request: FinetuneInput, largest: int) -> int:
    """Return how many bytes a request leaves to its numbers, with a comma after each."""
    nothing = Series.model_construct(y=np.empty(0), sizes=np.empty(0, dtype=np.int64))
    frame = len(encode(request.model_copy(update={"series": nothing}), compress=False).data)
    return largest - frame + 2  # the last value and the last size have no comma


def _fill_evenly(written: npt.NDArray[np.int64], room: int, largest: int) -> list[int]:
    """Return the end of each part: as few as possible, the largest of them as small as possible."""
    sizes = np.diff(written, prepend=0)
    if (sizes > room).any():
        raise _oversized(sizes + (largest - room), largest)
    fewest = len(_fill(written, room))
    rooms = range(int(sizes.max()), room + 1)
    least = bisect_left(rooms, True, key=lambda less: len(_fill(written, less)) <= fewest)  # noqa: FBT003 - sought
    return _fill(written, rooms[least])


def _fill(written: npt.NDArray[np.int64], room: int) -> list[int]:
    """Return the end of each part, where each takes as many series as there is room for."""
    ends: list[int] = []
    filled = 0
    while filled < written[-1]:
        ends.append(int(np.searchsorted(written, filled + room, side="right")))
        filled = int(written[ends[-1] - 1])
    return ends


def _oversized(lengths: npt.NDArray[np.int64], largest: int) -> OversizedSeriesError:
    """Make the error that says which series make too large a request alone."""
    positions = np.flatnonzero(lengths > largest).tolist()
    shown = "; ".join(f"series {place:,} makes {in_bytes(int(lengths[place]))}" for place in positions[:_SHOWN])
    more = f"; and {len(positions) - _SHOWN:,} more" if len(positions) > _SHOWN else ""
    return OversizedSeriesError(
        f"Each series must fit in a request of {in_bytes(largest)} of JSON, since none is cut; {len(positions):,} of "
        f"{len(lengths):,} do not (counted from 0): {shown}{more}. Keep the recent part of each, such as "
        f"df.groupby('unique_id').tail(1000), or raise {THE_LIMIT}.",
        positions=tuple(positions),
    )
