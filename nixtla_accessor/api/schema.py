"""The contract: requests to the service and its answers, as pydantic models that client and local engine share.

Names, bounds, defaults and descriptions of ``FinetuneInput`` and ``FinetuneOutput`` are those of
``POST /v2/finetune`` (Nixtla Forecast API 2025.8.3); the other models mirror version 0.3.1, without the fields that
neither side here uses. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from nixtla_accessor.contract import (
    DEFAULT_FINETUNE_DEPTH,
    DEFAULT_FINETUNE_LOSS,
    DEFAULT_FINETUNE_STEPS,
    DEFAULT_LEVEL,
    DEFAULT_MODEL,
    MAX_FINETUNE_DEPTH,
    MAX_LEVEL,
    MIN_FINETUNE_DEPTH,
    MIN_FINETUNE_STEPS,
    MIN_LEVEL,
    MODEL_ID_PATTERN,
    FinetuneLoss,
)


def _values_from_json(value: object, check_items: ValidatorFunctionWrapHandler) -> npt.NDArray[Any]:
    """Turn a JSON array of numbers and nulls into float64; items are checked one by one only where one is wrong."""
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, list) or not set(map(type, value)) <= {float, int, type(None)}:
        value = check_items(value)
    return np.array(value, dtype=np.float64)


def _row_from_json(value: object, check_items: ValidatorFunctionWrapHandler) -> npt.NDArray[Any] | list[Any]:
    """Turn a JSON array of numbers and nulls into float64; leave one with text as it is."""
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, list) or not set(map(type, value)) <= {float, int, str, type(None)}:
        value = check_items(value)
    row: list[Any] = value  # type: ignore[assignment]  # check_items refuses all else
    return row if str in map(type, row) else np.array(row, dtype=np.float64)


def _sizes_from_json(value: object, check_items: ValidatorFunctionWrapHandler) -> npt.NDArray[np.int64]:
    """Turn a JSON array of counts into int64."""
    if isinstance(value, np.ndarray):
        return value
    return np.array(check_items(value), dtype=np.int64)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> object:
    """Return a float that is a whole number as an int."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _count_or_none(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _share_or_none(value: object) -> float | None:
    return value if isinstance(value, float) and 0 <= value <= 1 else None


_NUMBER = core_schema.nullable_schema(core_schema.float_schema(strict=True, allow_inf_nan=False))
_NUMBER_OR_TEXT = core_schema.nullable_schema(
    core_schema.union_schema(
        [core_schema.float_schema(strict=True, allow_inf_nan=False), core_schema.str_schema(strict=True)]
    )
)
_COUNT = core_schema.int_schema(strict=True, gt=0, lt=2**53)

Values = Annotated[
    npt.NDArray[Any],
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_wrap_validator_function(
            _values_from_json, core_schema.list_schema(_NUMBER, strict=True, fail_fast=True)
        )
    ),
    WithJsonSchema({"type": "array", "items": {"type": "number"}}),
]
FeatureRow = Annotated[
    npt.NDArray[Any] | list[str | float | None],
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_wrap_validator_function(
            _row_from_json, core_schema.list_schema(_NUMBER_OR_TEXT, strict=True, fail_fast=True)
        )
    ),
    WithJsonSchema({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}}),
]
"""The values of one feature: an array of numbers, NaN where one is missing; or a list with text, None where missing."""
FeatureRows = Annotated[list[FeatureRow], Field(fail_fast=True)]
Positions = Annotated[list[Annotated[StrictInt, Field(ge=0)]], Field(fail_fast=True)]
FeatureContributionsType = Literal["shapley", "intervention", "granger", "transfer_entropy"]
Sizes = Annotated[
    npt.NDArray[np.int64],
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_wrap_validator_function(
            _sizes_from_json, core_schema.list_schema(_COUNT, strict=True, fail_fast=True)
        )
    ),
    WithJsonSchema({"type": "array", "items": {"type": "integer"}}),
]
Tokens = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
"""A count of an answer, also written as ``4.0``."""
Count = Annotated[int | None, BeforeValidator(_count_or_none)]
"""A count that a service may leave out; None for anything else."""
Share = Annotated[float | None, BeforeValidator(_share_or_none)]
"""A number from 0 to 1 that a service may leave out; None for anything else."""
ModelId = Annotated[str, StringConstraints(strict=True, pattern=MODEL_ID_PATTERN)]
ModelName = Annotated[StrictStr, WithJsonSchema({})]
FinetuneDepth = Annotated[
    int,
    Field(strict=True, ge=MIN_FINETUNE_DEPTH, le=MAX_FINETUNE_DEPTH),
    WithJsonSchema({"type": "integer", "enum": list(range(MIN_FINETUNE_DEPTH, MAX_FINETUNE_DEPTH + 1))}),
]
Numbers = Annotated[list[float], Field(fail_fast=True)]
"""Of an answer; reading one stops at the first that is none."""
Counts = Annotated[list[int], Field(fail_fast=True)]
Level = Annotated[StrictInt | StrictFloat, Field(ge=MIN_LEVEL, lt=MAX_LEVEL)]

_FREQ = (
    "The frequency of the data represented as a string. 'D' for daily, 'M' for monthly, 'H' for hourly, and 'W' for "
    "weekly frequencies are available."
)
_MODEL = (
    "Model to use as a string. Common options are (but not restricted to) `timegpt-1` and `timegpt-1-long-horizon.` "
    "Full options vary by different users. Contact support@nixtla.io for more information. We recommend using "
    "`timegpt-1-long-horizon` for forecasting if you want to predict more than one seasonal period given the "
    "frequency of your data."
)
_STEPS = (
    "The number of tuning steps used to train the large time model on the data. Set this value to 0 for zero-shot "
    "inference, i.e., to make predictions without any further model tuning."
)
_LOSS = (
    "The loss used to train the large time model on the data. Select from ['default', 'mae', 'mse', 'rmse', 'mape', "
    "'smape']. It will only be used if finetune_steps larger than 0. Default is a robust loss function that is less "
    "sensitive to outliers."
)
_DEPTH = (
    "The depth of the finetuning. Uses a scale from 1 to 5, where 1 means little finetuning, and 5 means that the "
    "entire model is finetuned. By default, the value is set to 1."
)
_CLEAN_EX_FIRST = (
    "A boolean flag that indicates whether the API should preprocess (clean) the exogenous signal before applying the "
    "large time model. If True, the exogenous signal is cleaned; if False, the exogenous variables are applied after "
    "the large time model."
)
_HIST_EXOG = "Zero-based indices of the exogenous features to treat as historical."
_CONTRIBUTIONS = "Compute the exogenous features contributions to the forecast."
_CONTRIBUTIONS_TYPE = (
    "Method used to compute feature contributions. Options are: 'shapley' (default), 'intervention', 'granger', "
    "'transfer_entropy'."
)


def _drop_description(schema: dict[str, Any]) -> None:
    """Keep our docstrings out of the JSON schema: the contract's objects have no descriptions."""
    schema.pop("description", None)


class ContractModel(BaseModel):
    """Base of the contract's models; frozen."""

    model_config = ConfigDict(
        frozen=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        json_schema_extra=_drop_description,
    )


class Series(ContractModel):
    """All series, one after the other.

    Attributes
    ----------
    y : ndarray of shape (n_obs,), float64 or int64
        Historic values of the target; NaN is a missing value (``null`` in JSON).
    sizes : ndarray of shape (n_series,), int64
        The number of values of each series; they add up to ``n_obs``.
    """

    y: Values = Field(description="Historic values of the target.")
    sizes: Sizes = Field(description="Sizes of the individual series.")

    @model_validator(mode="after")
    def _sizes_add_up(self) -> Self:
        total = int(self.sizes.sum(dtype=np.float64))  # exact for as many values as y can have; int64 would overflow
        if total != len(self.y) or total == 0:
            raise PydanticCustomError(
                "sizes_mismatch",
                "sizes should add up to the values in y, at least one: they add up to {total}, y has {length}",
                {"total": total, "length": len(self.y)},
            )
        return self


class SeriesWithFutureExogenous(Series):
    """All series, and the features that explain them.

    Attributes
    ----------
    X : list of rows
        A row is one feature over all series, as long as ``y``. Those that are known ahead come first.
    X_future : list of rows
        Row i continues row i of ``X``: series by series, the horizon's values each. The rows of ``X`` beyond it are
        known of the past only.
    categorical_exog : list of int
        Positions of the rows of ``X`` whose values are names of categories; only these may hold text.
    """

    X: FeatureRows | None = Field(
        default=None,
        description=(
            "Historic values of the exogenous features. Each feature must be a list of the same size as the target (y)."
        ),
    )
    X_future: FeatureRows | None = Field(
        default=None,
        description=(
            "Future values of the exogenous features. Each feature must be a list of size number of series times the "
            "forecast horizon (h)."
        ),
    )
    categorical_exog: Positions | None = Field(
        default=None, description="Zero-based indices of the columns in X that are categorical features."
    )


class ModelSettings(ContractModel):
    """What only some models of the hosted service know."""

    multivariate: StrictBool = Field(default=False, description="Forecast all series together.")
    model_parameters: dict[str, Any] | None = Field(default=None, description="Parameters of the model itself.")


class FinetuneInput(ContractModel):
    """The request of ``POST /v2/finetune``."""

    series: Series
    freq: StrictStr = Field(description=_FREQ)
    model: ModelName = Field(default=DEFAULT_MODEL, description=_MODEL)
    finetune_steps: StrictInt = Field(
        default=DEFAULT_FINETUNE_STEPS,
        gt=MIN_FINETUNE_STEPS - 1,  # as the contract writes it
        description=_STEPS,
    )
    finetune_loss: FinetuneLoss = Field(default=DEFAULT_FINETUNE_LOSS, description=_LOSS)
    finetune_depth: FinetuneDepth = Field(default=DEFAULT_FINETUNE_DEPTH, description=_DEPTH)
    output_model_id: ModelId | None = Field(default=None, description="ID to assign to the finetuned model")
    finetuned_model_id: ModelId | None = Field(default=None, description="ID of previously finetuned model")


class FinetuneOutput(ContractModel):
    """The answer of ``POST /v2/finetune``."""

    input_tokens: Tokens
    output_tokens: Tokens
    finetune_tokens: Tokens
    finetuned_model_id: ModelId


class ForecastInput(ModelSettings):
    """The request of ``POST /v2/forecast``."""

    series: SeriesWithFutureExogenous
    freq: StrictStr = Field(description=_FREQ)
    h: StrictInt = Field(gt=0, description="The forecasting horizon: the number of time steps into the future.")
    model: ModelName = Field(default=DEFAULT_MODEL, description=_MODEL)
    clean_ex_first: StrictBool = Field(default=True, description=_CLEAN_EX_FIRST)
    level: list[Level] | None = Field(
        default=None, min_length=1, description="The levels of the prediction intervals, in percent."
    )
    finetune_steps: StrictInt = Field(default=0, ge=0, description=_STEPS)
    finetune_loss: FinetuneLoss = Field(default=DEFAULT_FINETUNE_LOSS, description=_LOSS)
    finetune_depth: FinetuneDepth = Field(default=DEFAULT_FINETUNE_DEPTH, description=_DEPTH)
    finetuned_model_id: ModelId | None = Field(default=None, description="ID of previously finetuned model")
    feature_contributions: StrictBool = Field(default=False, description=_CONTRIBUTIONS)
    feature_contributions_type: FeatureContributionsType = Field(default="shapley", description=_CONTRIBUTIONS_TYPE)


class ForecastOutput(ContractModel):
    """The answer of ``POST /v2/forecast``: each list holds the first series' horizon, then the second's."""

    input_tokens: Tokens
    output_tokens: Tokens
    finetune_tokens: Tokens
    mean: Numbers
    intervals: dict[str, Numbers] | None = None
    weights_x: Numbers | None = None
    feature_contributions: list[Numbers] | None = None


class CrossValidationInput(ModelSettings):
    """The request of ``POST /v2/cross_validation``."""

    series: SeriesWithFutureExogenous
    freq: StrictStr = Field(description=_FREQ)
    h: StrictInt = Field(gt=0, description="The forecasting horizon: the number of time steps into the future.")
    n_windows: StrictInt = Field(default=1, gt=0, description="Number of windows to evaluate.")
    step_size: StrictInt | None = Field(
        default=None, gt=0, description="Steps from one window to the next; the horizon where it is null."
    )
    full_history: StrictBool = Field(
        default=False, description="Forecast across the whole history; the horizon and the windows are the service's."
    )
    model: ModelName = Field(default=DEFAULT_MODEL, description=_MODEL)
    clean_ex_first: StrictBool = Field(default=True, description=_CLEAN_EX_FIRST)
    level: list[Level] | None = Field(
        default=None, min_length=1, description="The levels of the prediction intervals, in percent."
    )
    finetune_steps: StrictInt = Field(default=0, ge=0, description=_STEPS)
    finetune_loss: FinetuneLoss = Field(default=DEFAULT_FINETUNE_LOSS, description=_LOSS)
    finetune_depth: FinetuneDepth = Field(default=DEFAULT_FINETUNE_DEPTH, description=_DEPTH)
    finetuned_model_id: ModelId | None = Field(default=None, description="ID of previously finetuned model")
    hist_exog: Positions | None = Field(default=None, description=_HIST_EXOG)
    feature_contributions: StrictBool = Field(default=False, description=_CONTRIBUTIONS)
    feature_contributions_type: FeatureContributionsType = Field(default="shapley", description=_CONTRIBUTIONS_TYPE)
    refit: StrictBool = Field(
        default=True, description="Fine-tune in each window, rather than in the first only; where steps are above 0."
    )


class CrossValidationOutput(ContractModel):
    """The answer of ``POST /v2/cross_validation``: series by series, window by window, step by step.

    Attributes
    ----------
    sizes : list of int
        The number of forecast values of each series.
    idxs : list of int
        The position of each forecast value in the ``y`` that was sent.
    """

    input_tokens: Tokens
    output_tokens: Tokens
    finetune_tokens: Tokens
    mean: Numbers
    sizes: Counts
    idxs: Counts
    intervals: dict[str, Numbers] | None = None
    feature_contributions: list[Numbers] | None = None


class AnomalyDetectionInput(ModelSettings):
    """The request of ``POST /v2/anomaly_detection``."""

    series: SeriesWithFutureExogenous
    freq: StrictStr = Field(description=_FREQ)
    model: ModelName = Field(default=DEFAULT_MODEL, description=_MODEL)
    clean_ex_first: StrictBool = Field(default=True, description=_CLEAN_EX_FIRST)
    level: Level = Field(
        default=DEFAULT_LEVEL, description="The level of the interval that a usual value lies in, in percent."
    )
    finetuned_model_id: ModelId | None = Field(default=None, description="ID of previously finetuned model")
    hist_exog: Positions | None = Field(default=None, description=_HIST_EXOG)


class AnomalyDetectionOutput(ContractModel):
    """The answer of ``POST /v2/anomaly_detection``: the last ``sizes`` values of each series."""

    input_tokens: Tokens
    output_tokens: Tokens
    finetune_tokens: Tokens
    mean: Numbers
    sizes: Counts
    anomaly: Annotated[list[bool], Field(fail_fast=True)]
    intervals: dict[str, Numbers] | None = None
    weights_x: Numbers | None = None


class FinetunedModel(ContractModel):
    """A fine-tuned model of the account.

    Attributes
    ----------
    id : str
        Its id.
    created_at : str
        When it was made, ISO 8601.
    created_by : str
        Who made it.
    base_model_id : str
        The fine-tuned model that it was trained from; the text ``None`` for one trained from the base model (see
        `contract.parse_base_model_id`).
    steps, depth, loss
        How it was tuned.
    model, freq : str
        The base model's name and the frequency of the series.
    n_series, n_obs : int or None
        The series and the values that it was tuned on; None where the service does not say, as below.
    n_bytes : int or None
        Its size on disk.
    alpha : float or None
        How far tuning went from the model that it started from (0) toward the trained one (1).
    """

    id: str
    created_at: str
    created_by: str = "user"
    base_model_id: str
    steps: int = Field(lt=2**53)
    depth: int = Field(lt=2**53)
    loss: str
    model: str
    freq: str
    n_series: Count = None
    n_obs: Count = None
    n_bytes: Count = None
    alpha: Share = None


class ExistingModel(ContractModel):
    """What a look-up needs of a fine-tuned model; all else is ignored.

    Attributes
    ----------
    id : str
        Its id.
    created_at : str or None
        When it was made, in the service's words; None where the service does not say.
    """

    id: ModelId
    created_at: Annotated[str | None, BeforeValidator(_text_or_none)] = None


class FinetunedModels(ContractModel):
    """The answer of ``GET /v2/finetuned_models``."""

    finetuned_models: Annotated[list[FinetunedModel], Field(fail_fast=True)]


class ModelParameters(ContractModel):
    """What a model reads and forecasts at a frequency, as ``GET /model_params`` returns it.

    Attributes
    ----------
    input_size : int
        Steps of history that the model reads.
    horizon : int
        Steps that it forecasts at once.
    """

    input_size: int = Field(gt=0, lt=2**53)
    horizon: int = Field(gt=0, lt=2**53)


class ModelParametersOutput(ContractModel):
    """The answer of ``GET /model_params``."""

    detail: ModelParameters


class BaseModelEntry(ContractModel):
    """A base model that the account may use."""

    name: str


class BaseModels(ContractModel):
    """The answer of ``GET /v2/models``."""

    models: Annotated[list[BaseModelEntry], Field(fail_fast=True)]


class ValidationError(ContractModel):
    """One refused value, as in an answer with the status 422."""

    loc: list[str | int] = Field(title="Location")
    msg: str = Field(title="Message")
    type: str = Field(title="Error Type")


class HTTPValidationError(ContractModel):
    """The answer with the status 422."""

    detail: list[ValidationError] = Field(default_factory=list)
