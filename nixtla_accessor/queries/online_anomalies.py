"""The unusual ones among the last values of each series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nixtla_accessor.contract import SIDES, interval_key
from nixtla_accessor.errors import InvalidFrameError
from nixtla_accessor.panel.covariates import historic_rows
from nixtla_accessor.panel.messages import count
from nixtla_accessor.panel.packing import PackedSeries, TooShort, long_enough
from nixtla_accessor.panel.panel import name_id
from nixtla_accessor.panel.tidy import (
    ACCUMULATED_COLUMN,
    ANOMALY_COLUMN,
    SCORE_COLUMN,
    anomaly_frame,
    forecast_columns,
)
from nixtla_accessor.queries.query import Query, empty_forecasts
from nixtla_accessor.seasons import season_of

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.online_anomalies import OnlineAnomalyOptions


@dataclass(frozen=True, slots=True)
class OnlineAnomalyQuery(Query):
    """The unusual ones among the last values of each series.

    Attributes
    ----------
    too_short : {"raise", "drop"}
        Whether a frame with series that have nothing before the values to examine is refused, or they are left out.
    """

    options: OnlineAnomalyOptions
    too_short: TooShort = "raise"

    def _choose(self, packed: PackedSeries) -> PackedSeries:
        size = self.options.detection_size
        purpose = f"The last {count(size, 'value')} are examined"
        packed = long_enough(packed, size + 1, purpose, self.too_short, "Give a smaller detection_size")
        if self.options.threshold_method == "multivariate" and len(np.unique(packed.sizes)) > 1:
            shortest, longest = int(packed.sizes.argmin()), int(packed.sizes.argmax())
            lengths = " and ".join(
                f"{name_id(packed.columns, packed.ids, series)} has {packed.sizes[series]:,}"
                for series in (shortest, longest)
            )
            raise InvalidFrameError(
                f"Series that are judged together must have the same number of values; {lengths}. Keep the time that "
                "all of them have, or judge each by itself with threshold_method='univariate'."
            )
        return packed

    def _request(self, packed: PackedSeries, client: Client) -> pd.DataFrame:
        from nixtla_accessor.packed_calls import ask

        options = replace(self.options, h=self._horizon(packed), hist_exog=historic_rows(packed))
        result = ask(client, options, packed)
        nothing = np.full(len(result.mean), np.nan)  # a service need not answer with intervals
        intervals = {interval_key(side, options.level): nothing for side in SIDES} | dict(result.intervals)
        columns: dict[str, Any] = forecast_columns(result.mean, intervals, [options.level], None)
        columns |= {ANOMALY_COLUMN: result.anomaly, SCORE_COLUMN: result.anomaly_score}
        if self._is_accumulated:
            columns[ACCUMULATED_COLUMN] = result.accumulated_anomaly_score
        return anomaly_frame(packed, result.sizes, columns)

    def _horizon(self, packed: PackedSeries) -> int:
        """Return the steps of a window: a season, if the caller has not said, as far as there are values to examine."""
        options = self.options
        return options.h or min(season_of(packed.frequency.api_name).length, options.detection_size)

    def _empty_columns(
        self,
        schema: pd.DataFrame,  # noqa: ARG002
        times: pd.Series[Any],  # noqa: ARG002
        target: pd.Series[Any],
    ) -> dict[Any, pd.Series[Any]]:
        columns = empty_forecasts([self.options.level], [self.options.level], None)
        columns |= {ANOMALY_COLUMN: pd.Series([], dtype=bool), SCORE_COLUMN: pd.Series([], dtype="float64")}
        if self._is_accumulated:
            columns[ACCUMULATED_COLUMN] = pd.Series([], dtype="float64")
        return {self.columns.target: target, **columns}

    @property
    def _is_accumulated(self) -> bool:
        """Whether the answer has the scores of all series together."""
        return self.options.threshold_method == "multivariate"

    @property
    def _added_names(self) -> list[str]:
        names = [*empty_forecasts([self.options.level], [self.options.level], None), ANOMALY_COLUMN, SCORE_COLUMN]
        return [*names, ACCUMULATED_COLUMN] if self._is_accumulated else names

    @property
    def _answer_has_target(self) -> bool:
        return True
