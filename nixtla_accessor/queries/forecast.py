"""A forecast of every series."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.arrays import Values
from nixtla_accessor.panel.calendar_features import feature_names
from nixtla_accessor.panel.covariate_columns import find_covariates
from nixtla_accessor.panel.covariates import historic_rows, without_future
from nixtla_accessor.panel.packing import PackedSeries, keep_last
from nixtla_accessor.panel.tidy import (
    BASE_COLUMN,
    forecast_columns,
    forecast_frame,
    join_history,
    past_frame,
)
from nixtla_accessor.queries.query import Query, empty_forecasts

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import ForecastOptions


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

        needs_all = packed.covariates or self.options.adaptation.finetune_steps
        result = ask(client, self.options, packed if needs_all else self._recent(packed, client))
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
        elif self.options.feature_contributions:  # a calendar without a holiday in this time has no covariates
            columns[BASE_COLUMN] = mean
        return columns

    def _empty_columns(
        self,
        schema: pd.DataFrame,
        times: pd.Series[Any],  # noqa: ARG002
        target: pd.Series[Any],  # noqa: ARG002
    ) -> dict[Any, pd.Series[Any]]:
        nothing: dict[Any, pd.Series[Any]] = empty_forecasts(
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
        names = list(empty_forecasts(self.options.level, self._shown_levels, self.options.quantiles))
        return [*names, BASE_COLUMN] if self.options.feature_contributions else names

    @property
    def _answer_has_target(self) -> bool:
        return False

    @property
    def _shown_levels(self) -> Sequence[float] | None:
        """The levels that the answer shows as intervals; those that quantiles need are not shown."""
        return self.options.level if self.options.quantiles is None else None
