"""The request and the answer of a simulation, as the official client 0.9.0 sends and reads them."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator
from pydantic_core import PydanticCustomError

from nixtla_accessor.api.schema import (
    ContractModel,
    Counts,
    ModelId,
    ModelName,
    ModelSettings,
    Numbers,
    SeriesWithFutureExogenous,
    Tokens,
)
from nixtla_accessor.contract import DEFAULT_MODEL

MAX_PATHS = 10_000
MAX_QUANTILES = 200
MAX_VALUES = 10_000_000
"""The most of series times horizon times paths, with the quantiles counted among the paths."""
MIN_SEED, MAX_SEED = -(2**63), 2**64 - 1


class SimulationInput(ModelSettings):
    """The request of ``POST /v2/simulate/async``.

    Attributes
    ----------
    quantiles : list of float or None
        Ascending; they refine the distribution that is drawn from at each step.
    seed : int or None
        The same seed gives the same paths; others each time where it is None.
    """

    series: SeriesWithFutureExogenous
    freq: StrictStr = Field(description="The frequency of the data.")
    h: StrictInt = Field(gt=0, description="The forecasting horizon: the number of time steps of a path.")
    model: ModelName = Field(default=DEFAULT_MODEL, description="The base model.")
    n_paths: StrictInt = Field(default=100, gt=0, le=MAX_PATHS, description="The number of paths of each series.")
    quantiles: Annotated[list[float], Field(min_length=2, max_length=MAX_QUANTILES)] | None = Field(
        default=None, description="Quantiles that the distribution at each step is refined by, ascending."
    )
    seed: StrictInt | None = Field(default=None, ge=MIN_SEED, le=MAX_SEED, description="Of the random numbers.")
    finetuned_model_id: ModelId | None = Field(default=None, description="ID of previously finetuned model")
    clean_ex_first: StrictBool = Field(default=True, description="Clean the exogenous signal before the forecast.")

    @field_validator("quantiles")
    @classmethod
    def _quantiles_ascend(cls, quantiles: list[float] | None) -> list[float] | None:
        bounded = [0.0, *(quantiles or ()), 1.0]
        if any(lower >= upper for lower, upper in pairwise(bounded)):
            raise PydanticCustomError("quantiles", "quantiles should ascend, strictly between 0 and 1")
        return quantiles


class SimulationOutput(ContractModel):
    """The answer of a simulation.

    Attributes
    ----------
    samples : list of float
        Path by path, series by series, step by step.
    sizes : list of int
        The horizon of each series.
    n_paths, h : int
        As asked for.
    coupled : bool
        Whether the paths of a number belong together over the series.
    """

    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    finetune_tokens: Tokens = 0
    samples: Numbers
    sizes: Counts
    n_paths: int
    h: int
    coupled: bool = False
