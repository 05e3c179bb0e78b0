"""Paths of every series into the future."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from nixtla_accessor.errors import TimeGPTWarning, warn_caller
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.tidy import MODEL_COLUMN, SAMPLE_COLUMN, paths_frame
from nixtla_accessor.queries.query import Query

if TYPE_CHECKING:  # what speaks HTTP is imported when it is first used
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.simulation import SimulationOptions

_SEEDS = 2**64
_SEEDS_OF_A_PART = 2**20  # more than there are requests about a part, each of which has the next seed


@dataclass(frozen=True, slots=True)
class SimulationQuery(Query):
    """Paths of every series into the future."""

    options: SimulationOptions

    def of_part(self, number: int) -> SimulationQuery:
        """Return the question about one of several parts of a frame, with random numbers of its own."""
        seed = (self.options.seed + number * _SEEDS_OF_A_PART) % _SEEDS
        return replace(self, options=replace(self.options, seed=seed))

    def _request(self, packed: PackedSeries, client: Client) -> pd.DataFrame:
        from nixtla_accessor.packed_calls import ask

        result = ask(client, self.options, packed)
        if self.options.adaptation.multivariate and not result.is_coupled:
            warn_caller(
                "The service has drawn the paths of each series independently: those of one sample_id do not belong "
                "together, although multivariate=True was asked for.",
                TimeGPTWarning,
            )
        return paths_frame(packed, result.paths)

    def _empty_columns(
        self,
        schema: pd.DataFrame,  # noqa: ARG002
        times: pd.Series[Any],  # noqa: ARG002
        target: pd.Series[Any],  # noqa: ARG002
    ) -> dict[Any, pd.Series[Any]]:
        return {SAMPLE_COLUMN: pd.Series([], dtype="int64"), MODEL_COLUMN: pd.Series([], dtype="float64")}

    @property
    def _steps_ahead(self) -> int:
        return self.options.h

    @property
    def _added_names(self) -> list[str]:
        return [SAMPLE_COLUMN, MODEL_COLUMN]

    @property
    def _answer_has_target(self) -> bool:
        return False
