"""What a caller asks of an operation, beside columns and covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from nixtla_accessor.contract import DEFAULT_FINETUNE_DEPTH, DEFAULT_FINETUNE_LOSS
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.flags import check_flag
from nixtla_accessor.panel.packing import TooShort

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import Timeout

CandidateLike: TypeAlias = str | Mapping[str, Any]
Candidates: TypeAlias = Sequence[CandidateLike] | Mapping[str, CandidateLike]
Keep: TypeAlias = bool | Literal["best"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """How to fine-tune: the base model, and the steps, the loss and the depth of the training."""

    model: str
    finetune_steps: int
    finetune_loss: str
    finetune_depth: int


@dataclass(frozen=True, slots=True)
class ModelNaming:
    """The id that the new model gets, the model that it continues from, and whether it may replace another."""

    output_model_id: str | None
    finetuned_model_id: str | None
    overwrite: bool


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model to ask; None for what the caller left open.

    Attributes
    ----------
    model : str, optional
        A base model, which without ``finetuned_model_id`` forecasts as it is (zero-shot).
    finetuned_model_id : str, optional
        A fine-tuned model, in place of the one that is attached to the frame.
    zero_shot : bool
        Whether the base model is asked, named or default.
    is_tuned_here : bool
        Whether the model is fine-tuned for this call: the base model then, unless ``finetuned_model_id`` is given.
    """

    model: str | None
    finetuned_model_id: str | None
    zero_shot: bool = False
    is_tuned_here: bool = False

    def __post_init__(self) -> None:
        check_flag("zero_shot", self.zero_shot)


@dataclass(frozen=True, slots=True)
class Adapting:
    """How the model that is asked is adapted for one call: fine-tuned without being kept, and its own settings."""

    finetune_steps: int = 0
    finetune_loss: str = DEFAULT_FINETUNE_LOSS
    finetune_depth: int = DEFAULT_FINETUNE_DEPTH
    multivariate: bool = False
    model_parameters: Mapping[str, Any] | None = None

    def as_options(self) -> dict[str, Any]:
        """Return the arguments of an adaptation."""
        return {
            "finetune_steps": self.finetune_steps,
            "finetune_loss": self.finetune_loss,
            "finetune_depth": self.finetune_depth,
            "multivariate": self.multivariate,
            "model_parameters": self.model_parameters,
        }


@dataclass(frozen=True, slots=True)
class Detection:
    """Which values are examined for anomalies, and how they are judged.

    The batch method takes nothing but the level; the rest is for the online method.
    """

    level: float
    method: str = "batch"
    detection_size: int | None = None
    h: int | None = None
    step_size: int | None = None
    threshold_method: str = "univariate"
    too_short: TooShort = "raise"
    refit: bool = False

    def __post_init__(self) -> None:
        if self.method not in {"batch", "online"}:
            raise InvalidArgumentError(f"method must be 'batch' or 'online'; got {self.method!r}.")
        check_flag("refit", self.refit)
        _check_too_short(self.too_short)
        given = [one.name for one in fields(self)[2:] if getattr(self, one.name) != one.default]
        if self.method == "batch" and given:
            raise InvalidArgumentError(
                f"{given[0]} is for the online method: ask with method='online' as well, or leave {given[0]} out."
            )

    def as_online_options(self) -> dict[str, Any]:
        """Return the arguments of the options of the online method."""
        return {
            "detection_size": self.detection_size,
            "h": self.h,
            "step_size": self.step_size,
            "threshold_method": self.threshold_method,
            "level": self.level,
            "refit": self.refit,
        }


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps after the end of each series, and what is to be said of them.

    Attributes
    ----------
    h : int
        How many.
    level, quantiles : sequence of float, optional
        The intervals, or the quantiles.
    feature_contributions : bool
        Whether to say what each covariate contributes.
    add_history : bool
        Whether to begin with forecasts of the past.
    """

    h: int
    level: Sequence[float] | None = None
    quantiles: Sequence[float] | None = None
    feature_contributions: bool = False
    add_history: bool = False

    def __post_init__(self) -> None:
        check_flag("feature_contributions", self.feature_contributions)
        check_flag("add_history", self.add_history)

    def as_options(self) -> dict[str, Any]:
        """Return the arguments of a forecast's options."""
        return {
            "h": self.h,
            "level": self.level,
            "quantiles": self.quantiles,
            "feature_contributions": self.feature_contributions,
        }


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths that are drawn: their steps and number, the seed, and the quantiles that refine their distribution."""

    h: int
    n_paths: int = 100
    seed: int | None = None
    quantiles: Sequence[float] | None = None

    def as_options(self) -> dict[str, Any]:
        """Return the arguments of a simulation's options."""
        return {"h": self.h, "n_paths": self.n_paths, "seed": self.seed, "quantiles": self.quantiles}


@dataclass(frozen=True, slots=True)
class Windows:
    """The last windows of each series, which are forecast from the values before them.

    Series that are too short for them are refused, or left out (``too_short="drop"``).
    """

    h: int
    n_windows: int
    step_size: int | None = None
    level: Sequence[float] | None = None
    too_short: TooShort = "raise"
    quantiles: Sequence[float] | None = None
    refit: bool = True

    def __post_init__(self) -> None:
        _check_too_short(self.too_short)

    def as_options(self) -> dict[str, Any]:
        """Return the arguments of a cross-validation's options."""
        return {
            "h": self.h,
            "n_windows": self.n_windows,
            "step_size": self.step_size,
            "level": self.level,
            "quantiles": self.quantiles,
            "refit": self.refit,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared and shown, and which of the tuned models are kept.

    Attributes
    ----------
    candidates : list or dict, optional
        The forecasts; None compares zero-shot and fine-tuned.
    by_series : bool
        Whether to show each series.
    keep : bool or "best"
        Whether to keep all tuned models, or the best alone.
    """

    candidates: Candidates | None
    by_series: bool
    keep: Keep

    def __post_init__(self) -> None:
        check_flag("by_series", self.by_series)
        if not (isinstance(self.keep, bool | np.bool_) or (isinstance(self.keep, str) and self.keep == "best")):
            raise InvalidArgumentError(f"keep must be True, False or 'best'; got {self.keep!r}.")


@dataclass(frozen=True, slots=True)
class Sending:
    """How the series are sent: to which client, within which limits, whether with missing values, and as a job."""

    client: Client | None
    timeout: Timeout | None = None
    max_request: int | str | None = None
    allow_missing: bool = False
    wait: bool = True

    def __post_init__(self) -> None:
        check_flag("allow_missing", self.allow_missing)
        check_flag("wait", self.wait)


def _check_too_short(value: object) -> None:
    if value not in {"raise", "drop"}:
        raise InvalidArgumentError(f"too_short must be 'raise' or 'drop'; got {value!r}.")
