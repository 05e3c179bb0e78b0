"""The forecaster of each model name."""

from __future__ import annotations

from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.local.forecaster import Forecaster
from nixtla_accessor.local.network.forecaster import NetworkForecaster

_NETWORK = NetworkForecaster()


def base_model_names() -> list[str]:
    """Return the names of the base models, as ``GET /v2/models`` lists them."""
    return [DEFAULT_MODEL]


def choose_forecaster(model: str) -> Forecaster:  # noqa: ARG001 - every name means the network
    """Return the forecaster of a base model, by its name: the network, whatever the name."""
    return _NETWORK
