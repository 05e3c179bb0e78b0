"""The network as a forecaster of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.contract import FINETUNE_LOSSES
from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.forecaster import Tensors, TunedModel
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.forecasting import forecast_parts, panel_change
from nixtla_accessor.local.network.threads import map_in_threads
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.network.weights import Weights, dump_weights, load_weights, pretrained_weights
from nixtla_accessor.seasons import Season

_SERIES_OF_A_THREAD = 2 * NETWORK.batch  # forecast before their quantiles are interpolated


class NetworkForecaster:
    """The network in the box; a `Forecaster`."""

    horizon = NETWORK.max_lead
    losses = FINETUNE_LOSSES

    def input_size(self, season: Season) -> int:  # noqa: ARG002 - other forecasters read no more than they need
        """Return how many values of history the network reads at most: with any season, there may be one to detect."""
        return NETWORK.max_input

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
        """Fine-tune the network; see `tuning.tune`."""
        tuned = tune(_weights(base), series, season, steps=steps, depth=depth, loss=loss, seed=seed, progress=progress)
        return TunedModel(tuned.weights, tuned.alpha, tuned.steps)

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
        """Forecast on all cores, and interpolate the quantiles that are asked for; see `forecasting.forecast_parts`."""
        weights = _weights(tensors)
        usual_change = panel_change(series)
        result = np.empty((len(quantiles), len(series), horizon))

        def forecast_some(start: int) -> None:
            some = slice(start, start + _SERIES_OF_A_THREAD)
            for part in forecast_parts(
                weights, series[some], season, horizon, progress=progress, usual_change=usual_change
            ):
                for nth, level in enumerate(quantiles):
                    result[nth, some][part.series, part.steps] = part.at_level(level)

        map_in_threads(forecast_some, range(0, len(series), _SERIES_OF_A_THREAD))
        return result

    def dump(self, tensors: Tensors) -> bytes:
        """Return weights as a safetensors file, in float32."""
        return dump_weights(dict(tensors))

    def load(self, data: bytes) -> Tensors:
        """Read weights from a safetensors file."""
        try:
            return load_weights(data)
        except Exception as error:  # bytes of any kind make safetensors raise errors of any kind
            raise ValueError(f"the bytes are not the weights of this network: {error}") from error


def _weights(tensors: Tensors | None) -> Weights:
    return pretrained_weights() if tensors is None else dict(tensors)
