"""Questions about the series of a frame: a forecast, a cross-validation, anomalies.

A query is a plain value that names the columns, the frequency and the model. It is answered for a pandas frame, or on
Dask for each partition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import SIDES, interval_key
from nixtla_accessor.errors import DataLeakageWarning, FrequencyError, InvalidArgumentError, NoModelError, warn_caller
from nixtla_accessor.panel.arrays import Values
from nixtla_accessor.panel.calendar_features import feature_names
from nixtla_accessor.panel.covariate_columns import CovariateChoice, find_covariates
from nixtla_accessor.panel.covariates import historic_rows, pack_with_covariates, without_future
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.messages import count
from nixtla_accessor.panel.misnamed import taken_name
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import PackedSeries, TooShort, keep_last, long_enough
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import (
    ANOMALY_COLUMN,
    BASE_COLUMN,
    CUTOFF_COLUMN,
    anomaly_frame,
    cross_validation_frame,
    forecast_columns,
    forecast_frame,
    join_history,
    past_frame,
)
from nixtla_accessor.record import Record, attach_record

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import AnomalyOptions, CrossValidationOptions, ForecastOptions


@dataclass(frozen=True, slots=True)
class Query(ABC):
    """A question about all series of a frame.

    Attributes
    ----------
    columns : Columns
        The columns of the frame.
    frequency : Frequency or None
        The frequency of the stamps; None infers it from them.
    frequency_is_recorded : bool
        Whether the frequency is that of the record, rather than one that the caller gave.
    allow_missing : bool
        Whether missing values are sent as such.
    record : Record or None
        The fine-tuned model that is asked; None for the base model.
    covariates : CovariateChoice
        What explains the series.
    """

    columns: Columns
    frequency: Frequency | None
    frequency_is_recorded: bool
    allow_missing: bool
    record: Record | None
    covariates: CovariateChoice

    def answer(self, frame: pd.DataFrame, client: Client) -> pd.DataFrame:
        """Pack a frame, ask the service, and return its answer as a tidy frame that carries the model's record.

        Raises
        ------
        InvalidFrameError
            If the frame cannot be packed.
        NoModelError
            If the model was tuned at another frequency.
        ConfigurationError, TransportError, ApiError, ResponseError
            If there is no answer.
        """
        packed = self._choose(self._pack(frame))
        refuse_other_frequency(self.record, packed.frequency, self.columns)
        answer = self._request(packed, client) if len(packed.sizes) else self.empty_answer(frame)
        if self.record is not None:
            attach_record(answer, self.record.for_frame(packed.columns, packed.freq))
        return answer

    def with_future(self, X_df: pd.DataFrame | None) -> Self:
        """Return the question with other rows of the future."""
        return replace(self, covariates=replace(self.covariates, X_df=X_df))

    def refuse_taken_names(self, schema: pd.DataFrame) -> None:
        """Refuse a frame of which a column has the name of one that the answer adds.

        Raises
        ------
        InvalidArgumentError
            If its ids, times or, where the answer has them too, values are called ``TimeGPT``, ``cutoff`` or the like.
        """
        columns = self.columns
        roles = {"id": columns.id, "time": columns.time}
        if self._answer_has_target:
            roles["target"] = columns.target
        for role, name in roles.items():
            if name in self._added_names:
                raise taken_name(schema, name, role, columns.frame)

    def empty_answer(self, schema: pd.DataFrame) -> pd.DataFrame:
        """Return an answer without rows, with the columns and dtypes of one that has some.

        Parameters
        ----------
        schema : DataFrame
            A frame with the columns and dtypes of those that are asked about.
        """
        times = get_column(schema, self.columns.time, "time")
        time_dtype = times.dtype.categories.dtype if isinstance(times.dtype, pd.CategoricalDtype) else times.dtype
        answer: dict[Any, pd.Series[Any]] = {}
        if self.columns.id is not None:
            ids = get_column(schema, self.columns.id, "id")
            answer[self.columns.id] = pd.Series(ids.array[:0], dtype=ids.dtype)
        answer[self.columns.time] = pd.Series([], dtype=time_dtype)
        target = pd.Series([], dtype=get_column(schema, self.columns.target, "target").dtype)
        return pd.DataFrame(answer | self._empty_columns(schema, pd.Series([], dtype=time_dtype), target))

    def _pack(self, frame: pd.DataFrame) -> PackedSeries:
        """Pack a frame; an error about a frequency says where the frequency comes from."""
        try:
            return pack_with_covariates(
                frame,
                self.columns,
                self.frequency,
                self.covariates,
                self._steps_ahead,
                allow_missing=self.allow_missing,
            )
        except FrequencyError as error:
            if self.record is not None and self.frequency_is_recorded:
                error.add_context(
                    f"The frequency {self.record.freq!r} comes from the frame's record: the model "
                    f"{self.record.finetuned_model_id!r} was tuned at it. For a frame at another frequency, fine-tune "
                    f"a model with {self.columns.frame.call('finetune')}, or ask the base model with zero_shot=True."
                )
            raise

    @property
    def _steps_ahead(self) -> int:
        """How many steps after the end of each series are forecast."""
        return 0

    def _choose(self, packed: PackedSeries) -> PackedSeries:
        """Return the series that are asked about: all, unless a question leaves some out."""
        return packed

    @abstractmethod
    def _request(self, packed: PackedSeries, client: Client) -> pd.DataFrame:
        """Ask the service about packed series."""

    @property
    @abstractmethod
    def _added_names(self) -> list[str]:
        """The columns of an answer that are not the frame's."""

    @property
    @abstractmethod
    def _answer_has_target(self) -> bool:
        """Whether an answer has the frame's values."""

    @abstractmethod
    def _empty_columns(
        self, schema: pd.DataFrame, times: pd.Series[Any], target: pd.Series[Any]
    ) -> dict[Any, pd.Series[Any]]:
        """Return the columns of an answer beyond id and time; times and target have no rows."""


@dataclass(frozen=True, slots=True)
class ForecastQuery(Query):
    """A forecast of every series.

    Attributes
    ----------
    add_history : bool
        Whether the answer begins with forecasts of the past.
    """

    options: ForecastOptions
    add_history: bool = False

    def refuse_taken_names(self, schema: pd.DataFrame) -> None:
        """Refuse a frame of which a column, or a covariate, has the name of another column of the answer."""
        super(ForecastQuery, self).refuse_taken_names(schema)
        if not self.options.feature_contributions:
            return
        names = self._names_of_covariates(schema)
        if not names and not self.covariates.has_calendar:
            raise InvalidArgumentError(
                "feature_contributions=True tells what each covariate contributes, and there is none. Name some: X_df, "
                "hist_exog_list, date_features or holidays."
            )
        taken = [name for name in names if name in {*self._added_names, *self.columns.keys}]
        if taken:
            raise InvalidArgumentError(
                f"With feature_contributions the answer has a column for each covariate, of its own name; {taken[0]!r} "
                "is the name of another of its columns. Rename one of them, in both frames."
            )

    def _request(self, packed: PackedSeries, client: Client) -> pd.DataFrame:
        from nixtla_accessor.packed_calls import ask

        result = ask(client, self.options, packed if packed.covariates else self._recent(packed, client))
        columns = self._name(packed, result.mean, result.intervals, result.feature_contributions)
        ahead = forecast_frame(packed, self.options.h, columns)
        if not self.add_history:
            return ahead
        past = ask(
            client, replace(self.options.over_history(), hist_exog=historic_rows(packed)), without_future(packed)
        )
        columns = self._name(packed, past.mean, past.intervals, past.feature_contributions)
        return join_history(packed, past.positions, past_frame(packed, past.positions, columns), ahead)

    def _recent(self, packed: PackedSeries, client: Client) -> PackedSeries:
        """Return as many of the last values of each series as the model reads."""
        options = self.options
        model_reads = client.model_parameters(options.model, packed.frequency.api_name)
        steps = model_reads.input_size
        if options.level is not None:  # the hosted service derives its intervals from windows further back
            steps = 3 * steps + max(model_reads.horizon, options.h)
        return keep_last(packed, steps)

    def _name(
        self,
        packed: PackedSeries,
        mean: Values,
        intervals: Mapping[str, Values],
        contributions: Values | None,
    ) -> dict[Any, Values]:
        """Return the numbers of an answer by the names of their columns."""
        columns: dict[Any, Values] = {**forecast_columns(mean, intervals, self._shown_levels, self.options.quantiles)}
        if contributions is not None:
            *rows, base = contributions
            by_name = dict(zip((covariate.name for covariate in packed.covariates), rows, strict=True))
            columns |= {name: by_name[name] for name in self._in_callers_order(by_name)}
            columns[BASE_COLUMN] = base
        return columns

    def _empty_columns(
        self,
        schema: pd.DataFrame,
        times: pd.Series[Any],  # noqa: ARG002
        target: pd.Series[Any],  # noqa: ARG002
    ) -> dict[Any, pd.Series[Any]]:
        nothing: dict[Any, pd.Series[Any]] = _empty_forecasts(
            self.options.level, self._shown_levels, self.options.quantiles
        )
        if self.options.feature_contributions:
            names = self._in_callers_order(self._names_of_covariates(schema))
            nothing |= {name: pd.Series([], dtype="float64") for name in (*names, BASE_COLUMN)}
        return nothing

    def _names_of_covariates(self, schema: pd.DataFrame) -> list[Hashable]:
        """Return the names of the covariates, as far as they are known before the stamps are."""
        named, _ = find_covariates(schema, self.columns, self.covariates)
        features = [] if self.frequency is None else feature_names(self.covariates.date_features, self.frequency)
        return [*named.known, *features, *named.historic]

    def _in_callers_order(self, names: Iterable[Hashable]) -> list[Hashable]:
        """Return the names of covariates in the order of ``X_df``, of the calendar and of ``hist_exog_list``."""
        chosen = self.covariates
        known = [] if chosen.X_df is None else list(chosen.X_df.columns)
        historic = list(chosen.hist_exog_list or ())

        def place(name: Hashable) -> tuple[bool, int]:
            of = historic if name in historic else known
            return name in historic, of.index(name) if name in of else len(of)

        return sorted(names, key=place)

    @property
    def _steps_ahead(self) -> int:
        return self.options.h

    @property
    def _added_names(self) -> list[str]:
        names = list(_empty_forecasts(self.options.level, self._shown_levels, self.options.quantiles))
        return [*names, BASE_COLUMN] if self.options.feature_contributions else names

    @property
    def _answer_has_target(self) -> bool:
        return False

    @property
    def _shown_levels(self) -> Sequence[float] | None:
        """The levels that the answer shows as intervals; those that quantiles need are not shown."""
        return self.options.level if self.options.quantiles is None else None


@dataclass(frozen=True, slots=True)
class CrossValidationQuery(Query):
    """Forecasts of windows at the end of every series.

    Attributes
    ----------
    too_short : {"raise", "drop"}
        Whether a frame with series that are too short for the windows is refused, or they are left out.
    """

    options: CrossValidationOptions
    too_short: TooShort = "raise"

    @property
    def _covered(self) -> int:
        """How many steps at the end of each series the windows cover."""
        return self.options.h + (self.options.n_windows - 1) * self.options.step_size

    def _choose(self, packed: PackedSeries) -> PackedSeries:
        options = self.options
        purpose = f"{count(options.n_windows, 'window')} of {count(options.h, 'step')}"
        return long_enough(packed, self._covered + 1, purpose, self.too_short)

    def _request(self, packed: PackedSeries, client: Client) -> pd.DataFrame:
        from nixtla_accessor.packed_calls import ask

        options = self.options
        if self.record is not None:
            _warn_about_leakage(self.record, packed, self._covered, options)
        result = ask(client, replace(options, hist_exog=historic_rows(packed)), packed)
        columns = forecast_columns(result.mean, result.intervals, options.level, None)
        return cross_validation_frame(packed, options.h, result.positions, columns)

    def _empty_columns(
        self,
        schema: pd.DataFrame,  # noqa: ARG002
        times: pd.Series[Any],
        target: pd.Series[Any],
    ) -> dict[Any, pd.Series[Any]]:
        forecasts = _empty_forecasts(self.options.level, self.options.level, None)
        return {CUTOFF_COLUMN: times, self.columns.target: target, **forecasts}

    @property
    def _added_names(self) -> list[str]:
        return [CUTOFF_COLUMN, *_empty_forecasts(self.options.level, self.options.level, None)]

    @property
    def _answer_has_target(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class AnomalyQuery(Query):
    """The values that lie outside the interval of their forecast."""

    options: AnomalyOptions

    def _request(self, packed: PackedSeries, client: Client) -> pd.DataFrame:
        from nixtla_accessor.packed_calls import ask

        result = ask(client, replace(self.options, hist_exog=historic_rows(packed)), packed)
        columns = forecast_columns(result.mean, result.intervals, [self.options.level], None)
        return anomaly_frame(packed, result.sizes, {**columns, ANOMALY_COLUMN: result.anomaly})

    def _empty_columns(
        self,
        schema: pd.DataFrame,  # noqa: ARG002
        times: pd.Series[Any],  # noqa: ARG002
        target: pd.Series[Any],
    ) -> dict[Any, pd.Series[Any]]:
        forecasts = _empty_forecasts([self.options.level], [self.options.level], None)
        return {self.columns.target: target, **forecasts, ANOMALY_COLUMN: pd.Series([], dtype=bool)}

    @property
    def _added_names(self) -> list[str]:
        return [*_empty_forecasts([self.options.level], [self.options.level], None), ANOMALY_COLUMN]

    @property
    def _answer_has_target(self) -> bool:
        return True


def last_stamp(packed: PackedSeries) -> str | int:
    """Return the last stamp of all series: ISO 8601, in UTC where the stamps have a zone; an int for integer time."""
    tick = int(packed.last_ticks.max())
    return (
        tick
        if packed.form.is_integer
        else str(np.datetime_as_string(np.array(tick).astype(f"M8[{packed.form.unit}]"), unit="auto"))
    )


def _warn_about_leakage(record: Record, packed: PackedSeries, covered: int, options: CrossValidationOptions) -> None:
    """Warn where a model was tuned on some of the last steps of a series, which it is to forecast.

    Parameters
    ----------
    record : Record
        The model.
    packed : PackedSeries
        The series.
    covered : int
        How many steps at the end of each series are forecast.
    options : CrossValidationOptions
        The windows.
    """
    seen = record.last_stamp
    if seen is None or isinstance(seen, int) != packed.form.is_integer:
        return
    seen_tick = seen if isinstance(seen, int) else _tick_of(seen, packed.form.unit)
    first_forecast = packed.frequency.advance(packed.start_ticks, packed.sizes - covered, packed.form)
    if not (first_forecast <= seen_tick).any():
        return
    n_windows = f"n_windows={options.n_windows}" if options.n_windows > 1 else ""
    held_out = packed.columns.frame.call("compare", str(options.h), n_windows)
    warn_caller(
        f"The model {record.finetuned_model_id!r} was tuned on rows up to {seen}, some of which are forecast here: the "
        f"errors look smaller than those of new data. Use {held_out}, which holds the windows out, or tune on rows "
        "before the windows.",
        DataLeakageWarning,
    )


def _tick_of(stamp: str, unit: str) -> int:
    """Return a stamp as an integer of the unit; the last or first integer for one that the unit does not reach."""
    day, at = np.datetime64(stamp, "D"), np.datetime64(stamp).astype(f"M8[{unit}]")
    if at.astype("M8[D]") == day:
        return int(at.astype(np.int64))
    limits = np.iinfo(np.int64)
    return limits.max if day.astype(np.int64) > 0 else limits.min


def refuse_other_frequency(record: Record | None, frequency: Frequency, columns: Columns) -> None:
    """Refuse to ask a fine-tuned model about series of another frequency.

    Raises
    ------
    NoModelError
        If the model was tuned at another frequency.
    """
    if record is None or record.freq is None:
        return
    if str(record.freq) != str(frequency.name) and _api_name(record.freq) != frequency.api_name:
        raise NoModelError(
            f"The model {record.finetuned_model_id!r} was tuned at the frequency {record.freq!r}, and the frame is "
            f"at {frequency.name!r}. Fine-tune a model to this frame: {columns.frame.call('finetune')}."
        )


def _api_name(freq: str | int) -> str | None:
    """Return a recorded frequency as the service names it; None for a name that only an offset explains."""
    try:
        return parse_frequency(freq).api_name
    except InvalidArgumentError:
        return None


def _empty_forecasts(
    answered: Sequence[float] | None, shown: Sequence[float] | None, quantiles: Sequence[float] | None
) -> dict[Any, pd.Series[Any]]:
    """Return the columns of forecasts without rows."""
    nothing: npt.NDArray[np.float64] = np.empty(0)
    intervals = {interval_key(side, level): nothing for level in answered or () for side in SIDES}
    columns = forecast_columns(nothing, intervals, shown, quantiles)
    return {name: pd.Series(values) for name, values in columns.items()}
