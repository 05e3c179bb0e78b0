"""What a caller names to be compared: base models, models to tune, models that exist, and columns of forecasts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from pandas.api.types import is_hashable

from nixtla_accessor.api.checks import check_model_id, check_text
from nixtla_accessor.api.requests import FinetuneOptions, check_finetune_options
from nixtla_accessor.arguments import Candidates, Tuning
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.flags import check_flag
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.panel import Columns

SEASONAL_NAIVE, ZERO_SHOT, FINE_TUNED = "seasonal naive", "zero-shot", "fine-tuned"
WITH_COVARIATES = " + covariates"  # after the name of a model that has them


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The last season again."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model as it is."""

    model: str


@dataclass(frozen=True, slots=True)
class ToTune:
    """A model that is fine-tuned to the rows before the windows."""

    options: FinetuneOptions


@dataclass(frozen=True, slots=True)
class Existing:
    """A fine-tuned model that exists."""

    finetuned_model_id: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the frame with the forecasts of others."""

    name: Hashable


Candidate: TypeAlias = SeasonalNaive | BaseModel | ToTune | Existing | Column
_BASE_MODEL = ("model",)
_TUNING = ("model", "finetune_steps", "finetune_loss", "finetune_depth", "finetuned_model_id")


def read_candidates(
    given: Candidates | None, tuning: Tuning, names: Sequence[Hashable], columns: Columns
) -> dict[str, Candidate]:
    """Read the candidates that a caller names.

    Parameters
    ----------
    given : list or dict, optional
        See `TimeGPTAccessor.compare`; by default zero-shot and fine-tuned.
    tuning : Tuning
        The arguments of candidates that do not say otherwise.
    names : sequence of hashable
        The columns of the frame.
    columns : Columns
        Those of them that are ids, times and the target.

    Returns
    -------
    dict of str to Candidate
        By name, the seasonal naive forecast first unless it is named elsewhere.

    Raises
    ------
    InvalidArgumentError
        If something is no candidate, two have the same name, or one has that of the seasonal naive forecast.
    """
    if given is None:
        given = [ZERO_SHOT, FINE_TUNED]
    if isinstance(given, str) or not isinstance(given, Sequence | Mapping) or not given:
        raise InvalidArgumentError(
            "candidates must be a list such as ['zero-shot', 'fine-tuned', {'finetune_steps': 50}], or a dict of these "
            f"by names of your own; got {given!r}."
        )
    named = list(given.items()) if isinstance(given, Mapping) else [(_name(one), one) for one in given]
    candidates = {name: _read(name, one, tuning, names, columns) for name, one in named}
    if len(candidates) < len(named):
        twice = sorted({name for name, _ in named if [other for other, _ in named].count(name) > 1})
        raise InvalidArgumentError(
            f"Each candidate needs a name of its own; twice: {', '.join(map(repr, twice[:SHOWN]))}"
            f"{and_more(len(twice))}. Name them in a dict: candidates={{'name': …}}."
        )
    if candidates.get(SEASONAL_NAIVE, SeasonalNaive()) != SeasonalNaive():
        raise InvalidArgumentError(
            f"The name {SEASONAL_NAIVE!r} is that of the seasonal naive forecast, which every comparison has; got it "
            f"for {dict(named)[SEASONAL_NAIVE]!r}. Give this candidate another name."
        )
    if SeasonalNaive() not in candidates.values():
        candidates = {SEASONAL_NAIVE: SeasonalNaive(), **candidates}
    return candidates


def _name(given: object) -> str:
    """Return the name of a candidate that has none."""
    return ", ".join(f"{key}={value}" for key, value in given.items()) if isinstance(given, Mapping) else str(given)


def _read(name: object, given: object, tuning: Tuning, names: Sequence[Hashable], columns: Columns) -> Candidate:
    if not isinstance(name, str):
        raise InvalidArgumentError(f"The names of candidates must be text; got {name!r}.")
    if isinstance(given, Mapping):
        return _read_arguments(name, given, tuning)
    if given == SEASONAL_NAIVE:
        return SeasonalNaive()
    if given == ZERO_SHOT:
        return BaseModel(check_text("model", tuning.model))
    if given == FINE_TUNED:
        return ToTune(check_finetune_options(**asdict(tuning)))
    if is_hashable(given) and given in names:
        if given in {*columns.keys, columns.target}:
            raise InvalidArgumentError(f"The candidate {given!r} is the id, the time or the target, not a forecast.")
        return Column(given)
    try:
        return Existing(check_model_id("candidates", given))
    except InvalidArgumentError:
        raise InvalidArgumentError(
            f"A candidate must be {ZERO_SHOT!r}, {FINE_TUNED!r}, {SEASONAL_NAIVE!r}, a dict of arguments, a column of "
            f"the frame, or the id of a fine-tuned model; got {given!r}."
        ) from None


def _read_arguments(name: str, given: Mapping[str, Any], tuning: Tuning) -> BaseModel | ToTune:
    """Read the arguments of a model: to be tuned, or to be asked as it is where they say ``zero_shot``."""
    arguments = dict(given)
    zero_shot = check_flag("zero_shot", arguments.pop("zero_shot", False))
    allowed = _BASE_MODEL if zero_shot else _TUNING
    unknown = [key for key in arguments if key not in allowed]
    if unknown:
        raise InvalidArgumentError(
            f"The candidate {name!r} must name how to fine-tune: {', '.join(_TUNING)}; or, with zero_shot, the model "
            f"alone. Found {', '.join(map(repr, unknown[:SHOWN]))}{and_more(len(unknown))}."
        )
    if zero_shot:
        return BaseModel(check_text("model", arguments.get("model", tuning.model)))
    return ToTune(check_finetune_options(**{**asdict(tuning), **arguments}))
