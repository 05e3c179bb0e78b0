"""What all questions about the series of a frame have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import SIDES, interval_key
from nixtla_accessor.errors import FrequencyError, InvalidArgumentError, NoModelError
from nixtla_accessor.panel.covariate_columns import CovariateChoice
from nixtla_accessor.panel.covariates import pack_with_covariates
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.misnamed import taken_name
from nixtla_accessor.panel.names import get_column
from nixtla_accessor.panel.packing import PackedSeries, warn_about_missing_ends
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import (
    forecast_columns,
)
from nixtla_accessor.record import Record, attach_record

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client


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

    def of_part(self, number: int) -> Query:  # noqa: ARG002
        """Return the question about one of several parts of a frame: the same, unless it is left to chance."""
        return self

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
            packed = pack_with_covariates(
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
        if self.allow_missing and self._steps_ahead:
            warn_about_missing_ends(packed)
        return packed

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
            f"The model {record.finetuned_model_id!r} was tuned at the frequency {record.freq!r}, and cannot "
            f"forecast at {frequency.name!r}. Fine-tune a model to this frame: {columns.frame.call('finetune')}."
        )


def _api_name(freq: str | int) -> str | None:
    """Return a recorded frequency as the service names it; None for a name that only an offset explains."""
    try:
        return parse_frequency(freq).api_name
    except InvalidArgumentError:
        return None


def empty_forecasts(
    answered: Sequence[float] | None, shown: Sequence[float] | None, quantiles: Sequence[float] | None
) -> dict[Any, pd.Series[Any]]:
    """Return the columns of forecasts without rows."""
    nothing: npt.NDArray[np.float64] = np.empty(0)
    intervals = {interval_key(side, level): nothing for level in answered or () for side in SIDES}
    columns = forecast_columns(nothing, intervals, shown, quantiles)
    return {name: pd.Series(values) for name, values in columns.items()}
