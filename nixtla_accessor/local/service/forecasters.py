"""The forecaster of each model name: those in the package, and those of the base models that were pulled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.local.base_models.names import NETWORK_PREFIXES, resolve
from nixtla_accessor.local.base_models.storage import BaseModelFolder, InstalledModel
from nixtla_accessor.local.chronos.config import CHRONOS_2, CHRONOS_BOLT
from nixtla_accessor.local.chronos.forecaster import Chronos2Forecaster, ChronosBoltForecaster
from nixtla_accessor.local.forecaster import Forecaster, UnavailableError
from nixtla_accessor.local.network.forecaster import NetworkForecaster

BUILT_IN: dict[str, Callable[[], Forecaster]] = {
    DEFAULT_MODEL: NetworkForecaster,
}
"""Makes the forecaster of each name that needs no weights to be pulled."""

ARCHITECTURES: Mapping[str, Callable[[Path, str], Forecaster]] = {
    CHRONOS_2: Chronos2Forecaster,
    CHRONOS_BOLT: ChronosBoltForecaster,
}
"""Makes the forecaster of a pulled model, by its architecture, from its folder and the checksum of its weights."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model that can be asked.

    Attributes
    ----------
    name : str
        Its full name; of the network, as it was asked for.
    forecaster : Forecaster
    """

    name: str
    forecaster: Forecaster


class BaseModels:
    """The base models of an engine.

    Parameters
    ----------
    pulled : BaseModelFolder
        It is read again each time: another process may pull or remove a model.
    """

    def __init__(self, pulled: BaseModelFolder) -> None:
        self._pulled = pulled
        self._built_in = {name: make() for name, make in BUILT_IN.items()}

    def names(self) -> list[str]:
        """Return their names, as ``GET /v2/models`` lists them."""
        return [*self._built_in, *(model.name for model in self._pulled.models())]

    def find(self, name: str) -> BaseModel:
        """Return the base model of a name; nothing is fetched or loaded.

        Raises
        ------
        UnknownBaseModelError
        UnavailableError
            Its files are damaged.
        """
        if name.startswith(NETWORK_PREFIXES):
            return BaseModel(name, self._built_in[DEFAULT_MODEL])
        pulled = {model.name: model for model in self._pulled.models() if model.architecture in ARCHITECTURES}
        full_name = resolve(name, [*self._built_in, *pulled])
        if full_name in self._built_in:
            return BaseModel(full_name, self._built_in[full_name])
        return BaseModel(full_name, _make(pulled[full_name]))


def _make(model: InstalledModel) -> Forecaster:
    try:
        return ARCHITECTURES[model.architecture](model.folder, model.sha256)
    except (OSError, ValueError) as error:
        raise UnavailableError(f"its files are damaged ({error}): pull it again") from error
