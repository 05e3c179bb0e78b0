"""Facts of the Nixtla Forecast API that several parts of the package need, each written down once.

The source is the contract of ``POST /v2/finetune`` (Nixtla Forecast API 2025.8.3) and, for the other endpoints, its
OpenAPI description 0.3.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeVar, get_args

DEFAULT_MODEL = "timegpt-1"
DEFAULT_BASE_URL = "https://api.nixtla.io"
MAX_MODEL_ID_LENGTH = 36
MODEL_ID_PATTERN = rf"^[a-zA-Z0-9\-_]{{1,{MAX_MODEL_ID_LENGTH}}}$"
JOB_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:~-]{0,199}$"
"""What the id of a job looks like, so that it can be a part of a path."""

FinetuneLoss = Literal["default", "mae", "mse", "rmse", "mape", "smape", "poisson"]
FINETUNE_LOSSES: tuple[FinetuneLoss, ...] = get_args(FinetuneLoss)
DEFAULT_FINETUNE_LOSS: FinetuneLoss = "default"
MIN_FINETUNE_DEPTH, MAX_FINETUNE_DEPTH, DEFAULT_FINETUNE_DEPTH = 1, 5, 1
MIN_FINETUNE_STEPS, DEFAULT_FINETUNE_STEPS = 1, 10
MIN_LEVEL, MAX_LEVEL = 0, 100
"""Levels of prediction intervals, in percent: from the first to below the second."""
DEFAULT_LEVEL = 99
"""The level of the interval whose outside is an anomaly, in percent."""

MAX_REQUEST_BYTES = 200 * 2**20
"""The most bytes of JSON that the hosted service accepts in a request; the official client has the same limit."""

API_FREQUENCY_NAMES = {"D": "D", "h": "H", "W": "W", "ME": "M"}
"""The contract's own names of frequencies, by their pandas names; all others are sent under their pandas names."""
INTEGER_TIME_FREQUENCY = "MS"
"""Sent for integer time, which the contract does not know; the official client sends the same."""

Side = Literal["lo", "hi"]
SIDES: tuple[Side, ...] = get_args(Side)
ValuesT = TypeVar("ValuesT")

_NO_BASE_MODEL = "None"


class Bound(NamedTuple):
    """One side of a prediction interval.

    Attributes
    ----------
    side : {"lo", "hi"}
        The lower or the upper bound.
    level : float
        The level of the interval, in percent.
    """

    side: Side
    level: float


def exact_decimal(number: float) -> Decimal:
    """Return a number as it was meant, without binary rounding: 0.29, not 0.28999…; and 3 * 0.1 is 0.3."""
    return Decimal(f"{number:.12g}")


def interval_key(side: Side, level: float) -> str:
    """Return the key of a bound among the ``intervals`` of an answer.

    Examples
    --------
    >>> interval_key("lo", 80.0), interval_key("hi", 99.5)
    ('lo-80', 'hi-99.5')
    """
    return f"{side}-{level:.12g}"


def parse_intervals(intervals: Mapping[str, ValuesT]) -> dict[Bound, ValuesT]:
    """Return the bounds in an answer by side and level; services write levels differently (``lo-80``, ``lo-80.0``).

    Keys without a level are left out.

    Examples
    --------
    >>> parse_intervals({"lo-80.0": [1.0], "median": [2.0]})
    {Bound(side='lo', level=80.0): [1.0]}
    """
    bounds: dict[Bound, ValuesT] = {}
    for key, values in intervals.items():
        name, _, level = key.partition("-")
        for side in SIDES:
            if name == side and _is_decimal(level):
                bounds[Bound(side, float(level))] = values
    return bounds


def level_of_quantile(quantile: float) -> float:
    """Return the level, in percent, of the interval that has a quantile as its bound; 0 for the median.

    Examples
    --------
    >>> level_of_quantile(0.1), level_of_quantile(0.9), level_of_quantile(0.5)
    (80.0, 80.0, 0.0)
    """
    return float(abs(100 - 200 * exact_decimal(quantile)))


def parse_base_model_id(base_model_id: str) -> str | None:
    """Return the model that a fine-tuned one was trained from; the API writes ``None``, as text, for the base model."""
    return None if base_model_id == _NO_BASE_MODEL else base_model_id


def format_base_model_id(finetuned_model_id: str | None) -> str:
    """Return the id of the model that a model was trained from, as the API writes it."""
    return finetuned_model_id or _NO_BASE_MODEL


class RefusedValue(NamedTuple):
    """A value that a service refused.

    Attributes
    ----------
    array : {"y", "X", "X_future", "sizes"}
        The array that has it; ``"sizes"`` where a whole series is meant.
    row : int or None
        The row, of an array of several.
    position : int
        Its position in the array, or in the row.
    """

    array: str
    row: int | None
    position: int


def refused_values(detail: object) -> Iterator[RefusedValue]:
    """Yield the values of series that the detail of a 422 names; ``detail`` may have any shape.

    Examples
    --------
    >>> list(refused_values([{"loc": ["body", "series", "X", 1, 30], "msg": "is text"}]))
    [RefusedValue(array='X', row=1, position=30)]
    """
    for problem in detail if isinstance(detail, list) else ():
        match problem:
            case {"loc": ["body", "series", "y" | "sizes" as array, int(position), *_]} if _is_position(position):
                yield RefusedValue(array, None, position)
            case {"loc": ["body", "series", "X" | "X_future" as array, int(row), int(position), *_]} if _is_position(
                row
            ) and _is_position(position):
                yield RefusedValue(array, row, position)


def shift_refused_positions(detail: object, offsets: Mapping[str, int]) -> object:
    """Return the detail of a 422 about a part of the series, with positions in the whole.

    Parameters
    ----------
    detail : object
        The detail of the answer, of any shape.
    offsets : mapping of str to int
        The number of items of each array (``"y"``, ``"sizes"``, and of each row of ``"X"`` and ``"X_future"``) before
        the part.

    Examples
    --------
    >>> shift_refused_positions([{"loc": ["body", "series", "y", 3], "msg": "is missing"}], {"y": 100})
    [{'msg': 'is missing', 'loc': ['body', 'series', 'y', 103]}]
    """
    return [_shifted(problem, offsets) for problem in detail] if isinstance(detail, list) else detail


def _shifted(problem: object, offsets: Mapping[str, int]) -> Any:  # noqa: ANN401 - any JSON
    match problem:
        case {"loc": ["body", "series", "X" | "X_future" as array, row, int(position), *rest], **others} if (
            array in offsets and type(position) is int
        ):
            return {**others, "loc": ["body", "series", array, row, position + offsets[array], *rest]}
        case {"loc": ["body", "series", "y" | "sizes" as array, int(position), *rest], **others} if (
            array in offsets and type(position) is int
        ):
            return {**others, "loc": ["body", "series", array, position + offsets[array], *rest]}
        case _:
            return problem


def _is_position(number: int) -> bool:
    return type(number) is int and number >= 0


def _is_decimal(text: str) -> bool:
    whole, _, fraction = text.partition(".")
    return text.isascii() and whole.isdigit() and len(text) <= 32 and (not fraction or fraction.isdigit())
