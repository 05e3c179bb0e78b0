"""Checks the arguments of a call before anything is sent, and makes the request of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.adaptation import AS_IT_IS, Adaptation
from nixtla_accessor.api.checks import (
    Timeout,
    check_bytes,
    check_level,
    check_levels,
    check_loss,
    check_model_id,
    check_percentages,
    check_quantiles,
    check_text,
    check_whole_number,
)
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    CrossValidationInput,
    FinetuneInput,
    ForecastInput,
    Series,
    SeriesWithFutureExogenous,
)
from nixtla_accessor.contract import (
    DEFAULT_FINETUNE_DEPTH,
    DEFAULT_FINETUNE_LOSS,
    DEFAULT_FINETUNE_STEPS,
    DEFAULT_LEVEL,
    DEFAULT_MODEL,
    MAX_FINETUNE_DEPTH,
    MIN_FINETUNE_DEPTH,
    MIN_FINETUNE_STEPS,
    FinetuneLoss,
    level_of_quantile,
)
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.flags import check_flag

__all__ = [
    "AnomalyOptions",
    "CrossValidationOptions",
    "FinetuneOptions",
    "ForecastOptions",
    "IfExists",
    "Timeout",
    "check_anomaly_options",
    "check_cross_validation_options",
    "check_finetune_options",
    "check_forecast_options",
    "check_series",
    "levels_for_quantiles",
]

IfExists = Literal["refuse", "replace"] | None
"""What to do with an existing model that has the id of a new one; None where the id is random, so that none has it."""

# The requests are made with model_construct: what the options and the series hold was checked when they were made.


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """The checked arguments of a finetune call, in plain Python types."""

    model: str
    finetune_steps: int
    finetune_loss: FinetuneLoss
    finetune_depth: int
    output_model_id: str | None
    finetuned_model_id: str | None
    overwrite: bool
    max_request: int | None

    @property
    def if_exists(self) -> IfExists:
        """What to do with an existing model that has the ``output_model_id``."""
        if self.output_model_id is None:
            return None
        return "replace" if self.overwrite else "refuse"

    def make_request(self, series: Series, freq: str, model_id: str) -> FinetuneInput:
        """Return the request that trains a model under an id."""
        return FinetuneInput.model_construct(
            series=series,
            freq=freq,
            model=self.model,
            finetune_steps=self.finetune_steps,
            finetune_loss=self.finetune_loss,
            finetune_depth=self.finetune_depth,
            output_model_id=model_id,
            finetuned_model_id=self.finetuned_model_id,
        )


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """The checked arguments of a forecast call, in plain Python types.

    Attributes
    ----------
    h : int
        The horizon, in steps.
    level : tuple of float or None
        The levels of the prediction intervals to ask for, in percent.
    quantiles : tuple of float or None
        The quantiles that the caller wants; the levels are then those that have them as bounds.
    model, finetuned_model_id : str
        The base model, and the fine-tuned one or None.
    feature_contributions : bool
        Whether to ask what each covariate contributes, where there are some.
    adaptation : Adaptation
        How the model is adapted for this call.
    """

    h: int
    level: tuple[int | float, ...] | None
    quantiles: tuple[float, ...] | None
    model: str
    finetuned_model_id: str | None
    feature_contributions: bool = False
    adaptation: Adaptation = AS_IT_IS

    def make_request(self, series: SeriesWithFutureExogenous, freq: str) -> ForecastInput:
        """Return the request that asks for the forecast of the series."""
        return ForecastInput.model_construct(
            series=series,
            freq=freq,
            h=self.h,
            model=self.model,
            level=None if self.level is None else list(self.level),
            finetuned_model_id=self.finetuned_model_id,
            feature_contributions=self.feature_contributions and bool(series.X),
            **self.adaptation.tuning(),
            **self.adaptation.settings(),
        )

    def over_history(self) -> CrossValidationOptions:
        """Return the options that ask for forecasts of the past, over the whole of it."""
        return CrossValidationOptions(
            h=self.h,
            n_windows=1,
            step_size=self.h,
            level=self.level,
            model=self.model,
            finetuned_model_id=self.finetuned_model_id,
            full_history=True,
            feature_contributions=self.feature_contributions,
            refit=False,
            adaptation=self.adaptation,
        )


@dataclass(frozen=True, slots=True)
class CrossValidationOptions:
    """The checked arguments of a cross-validation call, in plain Python types.

    Attributes
    ----------
    h, n_windows, step_size : int
        The windows: their steps, their number, and the steps from one to the next.
    level : tuple of float or None
        The levels of the prediction intervals to ask for, in percent.
    model, finetuned_model_id : str
        The base model, and the fine-tuned one or None.
    hist_exog : tuple of int
        The rows of ``X`` that are known of the past only.
    full_history : bool
        Whether to forecast the whole past, in windows that the service chooses.
    feature_contributions : bool
        Whether to ask what each covariate contributes, where there are some.
    quantiles : tuple of float or None
        The quantiles that the caller wants; the levels are then those that have them as bounds.
    refit : bool
        Whether to fine-tune for each window, rather than for the first only.
    adaptation : Adaptation
        How the model is adapted for this call.
    """

    h: int
    n_windows: int
    step_size: int
    level: tuple[int | float, ...] | None
    model: str
    finetuned_model_id: str | None
    hist_exog: tuple[int, ...] = ()
    full_history: bool = False
    feature_contributions: bool = False
    quantiles: tuple[float, ...] | None = None
    refit: bool = True
    adaptation: Adaptation = AS_IT_IS

    def make_request(self, series: SeriesWithFutureExogenous, freq: str) -> CrossValidationInput:
        """Return the request that asks for forecasts of windows of the series."""
        return CrossValidationInput.model_construct(
            series=series,
            freq=freq,
            h=self.h,
            n_windows=self.n_windows,
            step_size=self.step_size,
            model=self.model,
            level=None if self.level is None else list(self.level),
            finetuned_model_id=self.finetuned_model_id,
            hist_exog=list(self.hist_exog) or None,
            full_history=self.full_history,
            feature_contributions=self.feature_contributions and bool(series.X),
            refit=self.refit,
            **self.adaptation.tuning(),
            **self.adaptation.settings(),
        )


@dataclass(frozen=True, slots=True)
class AnomalyOptions:
    """The checked arguments of an anomaly detection call, in plain Python types.

    Attributes
    ----------
    level : float
        The level of the interval that a usual value lies in, in percent.
    model, finetuned_model_id : str
        The base model, and the fine-tuned one or None.
    hist_exog : tuple of int
        The rows of ``X`` that are known of the past only.
    adaptation : Adaptation
        How the model is adapted for this call; a batch cannot be fine-tuned for.
    """

    level: int | float
    model: str
    finetuned_model_id: str | None
    hist_exog: tuple[int, ...] = ()
    adaptation: Adaptation = AS_IT_IS

    def make_request(self, series: SeriesWithFutureExogenous, freq: str) -> AnomalyDetectionInput:
        """Return the request that asks which values of the series are anomalies."""
        return AnomalyDetectionInput.model_construct(
            series=series,
            freq=freq,
            model=self.model,
            level=float(self.level),
            finetuned_model_id=self.finetuned_model_id,
            hist_exog=list(self.hist_exog) or None,
            **self.adaptation.settings(),
        )


def check_finetune_options(
    *,
    model: object = DEFAULT_MODEL,
    finetune_steps: object = DEFAULT_FINETUNE_STEPS,
    finetune_loss: object = DEFAULT_FINETUNE_LOSS,
    finetune_depth: object = DEFAULT_FINETUNE_DEPTH,
    output_model_id: object = None,
    finetuned_model_id: object = None,
    overwrite: object = False,
    max_request: object = None,
) -> FinetuneOptions:
    """Check the arguments of a finetune call, except the series.

    Returns
    -------
    FinetuneOptions
        The same values; NumPy integers, and sizes given as text, have become ``int``.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value; the message says what it may be.

    Examples
    --------
    >>> check_finetune_options(finetune_steps=50).finetune_steps
    50
    >>> check_finetune_options(finetune_depth=9)
    Traceback (most recent call last):
    nixtla_accessor.errors.InvalidArgumentError: finetune_depth must be a whole number from 1 to 5; got 9.
    """
    checked = FinetuneOptions(
        model=check_text("model", model),
        finetune_steps=check_whole_number("finetune_steps", finetune_steps, lowest=MIN_FINETUNE_STEPS),
        finetune_loss=check_loss("finetune_loss", finetune_loss),
        finetune_depth=check_whole_number(
            "finetune_depth", finetune_depth, lowest=MIN_FINETUNE_DEPTH, highest=MAX_FINETUNE_DEPTH
        ),
        output_model_id=check_model_id("output_model_id", output_model_id, optional=True),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
        overwrite=check_flag("overwrite", overwrite),
        max_request=None if max_request is None else check_bytes("max_request", max_request),
    )
    if checked.output_model_id is not None and checked.output_model_id == checked.finetuned_model_id:
        raise InvalidArgumentError(
            "output_model_id and finetuned_model_id must differ, since a model cannot replace the one that it starts "
            f"from; both are {checked.output_model_id!r}."
        )
    return checked


def check_forecast_options(
    *,
    h: object,
    level: object = None,
    quantiles: object = None,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
    feature_contributions: object = False,
    adaptation: Adaptation = AS_IT_IS,
) -> ForecastOptions:
    """Check the arguments of a forecast call, except the series.

    Returns
    -------
    ForecastOptions
        The same values; NumPy numbers have become Python's, and ``80.0`` has become ``80``.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value; the message says what it may be.
    """
    if level is not None and quantiles is not None:
        raise InvalidArgumentError("Pass level or quantiles, not both: level=[80] asks for the quantiles 0.1 and 0.9.")
    checked_quantiles = None if quantiles is None else check_quantiles("quantiles", quantiles)
    if checked_quantiles is None:
        levels = None if level is None else check_levels("level", level)
    else:
        needed = levels_for_quantiles(checked_quantiles)
        levels = None if needed is None else check_percentages("level", needed)
    return ForecastOptions(
        h=check_whole_number("h", h, lowest=1),
        level=levels,
        quantiles=checked_quantiles,
        model=check_text("model", model),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
        feature_contributions=check_flag("feature_contributions", feature_contributions),
        adaptation=adaptation,
    )


def check_cross_validation_options(
    *,
    h: object,
    n_windows: object = 1,
    step_size: object = None,
    level: object = None,
    quantiles: object = None,
    refit: object = True,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
    adaptation: Adaptation = AS_IT_IS,
) -> CrossValidationOptions:
    """Check the arguments of a cross-validation call, except the series.

    Returns
    -------
    CrossValidationOptions
        The same values in plain Python types; a step size of None has become the horizon.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value; the message says what it may be.
    """
    forecast = check_forecast_options(
        h=h, level=level, quantiles=quantiles, model=model, finetuned_model_id=finetuned_model_id
    )
    return CrossValidationOptions(
        h=forecast.h,
        n_windows=check_whole_number("n_windows", n_windows, lowest=1),
        step_size=forecast.h if step_size is None else check_whole_number("step_size", step_size, lowest=1),
        level=forecast.level,
        model=forecast.model,
        finetuned_model_id=forecast.finetuned_model_id,
        quantiles=forecast.quantiles,
        refit=check_flag("refit", refit),
        adaptation=adaptation,
    )


def check_anomaly_options(
    *,
    level: object = DEFAULT_LEVEL,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
    adaptation: Adaptation = AS_IT_IS,
) -> AnomalyOptions:
    """Check the arguments of an anomaly detection call, except the series.

    Returns
    -------
    AnomalyOptions
        The same values in plain Python types.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value; the message says what it may be.
    """
    if adaptation.finetune_steps:
        raise InvalidArgumentError(
            "finetune_steps is for method='online': the batch method cannot fine-tune. Leave finetune_steps out, or "
            "fine-tune a model first."
        )
    return AnomalyOptions(
        level=check_level("level", level),
        model=check_text("model", model),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
        adaptation=adaptation,
    )


def levels_for_quantiles(quantiles: Sequence[float]) -> list[float] | None:
    """Return the levels of the intervals that have these quantiles as bounds, ascending.

    Parameters
    ----------
    quantiles : sequence of float
        Each in (0, 1).

    Returns
    -------
    list of float or None
        In percent; None where no interval is needed, since the quantile 0.5 is the forecast itself.

    Examples
    --------
    >>> levels_for_quantiles([0.1, 0.5, 0.9])
    [80.0]
    """
    return sorted({level_of_quantile(quantile) for quantile in quantiles} - {0.0}) or None


def check_series(y: npt.ArrayLike, sizes: npt.ArrayLike) -> Series:
    """Check values and sizes, and return them as series; only other dtypes are copied.

    Parameters
    ----------
    y : array of shape (n_obs,)
        The values of all series, one after the other; NaN is a missing value.
    sizes : array of shape (n_series,)
        The number of values of each series, all above 0, with ``n_obs`` as their sum.

    Returns
    -------
    Series
        With ``y`` as float64 or int64 and ``sizes`` as int64, both contiguous.

    Raises
    ------
    InvalidArgumentError
        Dtypes or shapes are wrong, values are infinite, or the sizes do not add up.
    """
    values, counts = np.asarray(y), np.asarray(sizes)
    for name, array, kinds, allowed in (
        ("y", values, "iuf", "numbers"),
        ("sizes", counts, "iu", "whole numbers"),
    ):
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in kinds:
            raise InvalidArgumentError(
                f"{name} must be a one-dimensional array of {allowed}, with at least one; "
                f"got {array.dtype} of shape {array.shape}."
            )
    values = np.ascontiguousarray(values, dtype=np.float64 if values.dtype.kind == "f" else np.int64)
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    if values.dtype == np.float64 and np.isinf(values).any():
        raise InvalidArgumentError(
            f"y must be finite, or NaN where a value is missing; {int(np.isinf(values).sum()):,} values are infinite, "
            f"the first at position {int(np.isinf(values).argmax()):,}."
        )
    if counts.min() < 1 or counts.sum() != len(values):
        raise InvalidArgumentError(
            f"sizes must be above 0 and add up to the number of values in y, {len(values):,}; "
            f"the least is {counts.min():,} and they add up to {counts.sum():,}."
        )
    return Series.model_construct(y=values, sizes=counts)
