"""The values that lie outside the interval of their forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from nixtla_accessor.panel.covariates import historic_rows
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.tidy import (
    ANOMALY_COLUMN,
    anomaly_frame,
    forecast_columns,
)
from nixtla_accessor.queries.query import Query, empty_forecasts

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import AnomalyOptions


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
        forecasts = empty_forecasts([self.options.level], [self.options.level], None)
        return {self.columns.target: target, **forecasts, ANOMALY_COLUMN: pd.Series([], dtype=bool)}

    @property
    def _added_names(self) -> list[str]:
        return [*empty_forecasts([self.options.level], [self.options.level], None), ANOMALY_COLUMN]

    @property
    def _answer_has_target(self) -> bool:
        return True
