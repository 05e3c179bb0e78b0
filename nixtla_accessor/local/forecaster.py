"""The protocol between the engine and a forecaster: a pretrained model that can be fine-tuned on a panel.

`local.network.forecaster` implements it; `local.service` uses forecasters through this protocol only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.seasons import Season

Tensors = Mapping[str, NDArray[Any]]
"""A fine-tuned model, in the form of the forecaster that tuned it; opaque to the engine."""


@dataclass(frozen=True, slots=True, eq=False)
class TunedModel:
    """The outcome of fine-tuning.

    Attributes
    ----------
    tensors : mapping of str to ndarray
        The model; that to start from where alpha is 0.
    alpha : float
        How far it is from the model to start from (0) toward the trained one (1), as far as a validation set shows a
        gain.
    steps : int
        Optimiser steps taken; 0 where no series is long enough to train on.
    """

    tensors: Tensors
    alpha: float
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class Covariate:
    """One feature that may explain the series.

    Attributes
    ----------
    past : sequence of ndarray of float64, each of shape (points,)
        The feature beside the values of each series; NaN where a value is missing.
    future : ndarray of float64, shape (series, horizon), or None
        What it will be in the steps to forecast, NaN where that is missing; None if it is known of the past only.
    categories : tuple of str, or None
        For a feature that names categories: the names. Its values are then positions in this tuple. None for a number.
    """

    past: Sequence[Floats]
    future: Floats | None
    categories: tuple[str, ...] | None = None


Covariates = Sequence[Covariate]
"""The features of a panel, in the order of the request."""


@runtime_checkable
class CovariateForecaster(Protocol):
    """A forecaster that reads covariates itself; for any other the engine takes their effects out of the series."""

    def forecast_with_covariates(
        self,
        tensors: Tensors | None,
        series: Sequence[Floats],
        season: Season,
        horizon: int,
        quantiles: Sequence[float],
        *,
        covariates: Covariates,
        progress: Callable[[int], None],
    ) -> NDArray[np.float64]:
        """Forecast quantiles of the next steps of each series, and of what is known of its covariates.

        The arguments and the result are those of `Forecaster.forecast`; there is at least one covariate.
        """
        ...


class UnavailableError(Exception):
    """A model cannot be run here; the message says what lacks, and what to do."""


class Forecaster(Protocol):
    """A pretrained model, safe to call from many threads.

    In all methods `series` are the values of each series, oldest first, at least one each; NaN is a missing value. All
    have the same season. None instead of tensors means the pretrained model.

    Results depend on the arguments alone. An exception that `progress` raises ends the call and reaches the caller;
    this is how the engine stops running work. Where memory does not suffice, `MemoryError` is raised; where something
    is not installed, `UnavailableError`.
    """

    @property
    def losses(self) -> Collection[str]:
        """Those of `contract.FINETUNE_LOSSES` that it can be fine-tuned by; none if it cannot be fine-tuned."""
        ...

    @property
    def horizon(self) -> int:
        """Steps that it forecasts at once; longer horizons are forecast in stretches."""
        ...

    def input_size(self, season: Season) -> int:
        """Return how many values of history it reads at most."""
        ...

    def tune(
        self,
        series: Sequence[Floats],
        season: Season,
        *,
        steps: int,
        depth: int,
        loss: str,
        seed: int,
        base: Tensors | None,
        progress: Callable[[int], None],
    ) -> TunedModel:
        """Fine-tune a model.

        Parameters
        ----------
        series : sequence of ndarray, each of shape (points,)
        season : Season
        steps : int
            Optimiser steps.
        depth : int
            1 to 5: how much of the model is trained, 5 all of it.
        loss : str
            One of `losses`.
        seed : int
        base : mapping of str to ndarray, optional
            The model to start from.
        progress : callable
            Called with the number of steps done, after each.

        Returns
        -------
        TunedModel
        """
        ...

    def forecast(
        self,
        tensors: Tensors | None,
        series: Sequence[Floats],
        season: Season,
        horizon: int,
        quantiles: Sequence[float],
        *,
        progress: Callable[[int], None],
    ) -> NDArray[np.float64]:
        """Forecast quantiles of the next steps of each series.

        Parameters
        ----------
        tensors : mapping of str to ndarray, optional
            The model.
        series : sequence of ndarray, each of shape (points,)
        season : Season
        horizon : int
            Steps ahead.
        quantiles : sequence of float
            Levels of the quantiles, strictly between 0 and 1.
        progress : callable
            Called repeatedly while the work goes on, from any thread, with a number of series that are done.

        Returns
        -------
        ndarray of float64, shape (quantiles, series, horizon)
            In the units of the series, finite; a higher level has no lower value.
        """
        ...

    def dump(self, tensors: Tensors) -> bytes:
        """Return a model as bytes, for the store."""
        ...

    def load(self, data: bytes) -> Tensors:
        """Return a model from its bytes.

        Raises
        ------
        ValueError
            The bytes are not a model of this version of the forecaster.
        """
        ...
