"""Forecasts of windows at the end of every series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from nixtla_accessor.panel.covariates import historic_rows
from nixtla_accessor.panel.messages import count
from nixtla_accessor.panel.packing import PackedSeries, TooShort, long_enough
from nixtla_accessor.panel.tidy import (
    CUTOFF_COLUMN,
    cross_validation_frame,
    forecast_columns,
)
from nixtla_accessor.queries.leakage import warn_about_leakage
from nixtla_accessor.queries.query import Query, empty_forecasts

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import CrossValidationOptions


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
            warn_about_leakage(self.record, packed, self._covered, options)
        result = ask(client, replace(options, hist_exog=historic_rows(packed)), packed)
        columns = forecast_columns(result.mean, result.intervals, self._shown_levels, options.quantiles)
        return cross_validation_frame(packed, options.h, result.positions, columns)

    def _empty_columns(
        self,
        schema: pd.DataFrame,  # noqa: ARG002
        times: pd.Series[Any],
        target: pd.Series[Any],
    ) -> dict[Any, pd.Series[Any]]:
        forecasts = empty_forecasts(self.options.level, self._shown_levels, self.options.quantiles)
        return {CUTOFF_COLUMN: times, self.columns.target: target, **forecasts}

    @property
    def _added_names(self) -> list[str]:
        return [CUTOFF_COLUMN, *empty_forecasts(self.options.level, self._shown_levels, self.options.quantiles)]

    @property
    def _answer_has_target(self) -> bool:
        return True

    @property
    def _shown_levels(self) -> Sequence[float] | None:
        """The levels that the answer shows as intervals; those that quantiles need are not shown."""
        return self.options.level if self.options.quantiles is None else None
