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

BUILT_IN: Mapping[str, Callable[[], Forecaster]] = {
    DEFAULT_MODEL: NetworkForecaster,
}
"""Makes the forecaster of each name that needs no weights to be pulled."""

ARCHITECTURES: Mapping[str, Callable[[str, Path, str], Forecaster]] = {
    CHRONOS_2: Chronos2Forecaster,
    CHRONOS_BOLT: ChronosBoltForecaster,
}
"""Makes the forecaster of a pulled model, by its architecture: of its name, its folder, and its weights' checksum."""


@dataclass(frozen=True, slots=True)
class NamedForecaster:
    """A base model that can be asked.

    Attributes
    ----------
    name : str
        Its full name; of the network, as it was asked for.
    forecaster : Forecaster
    weights : str
        What tells its weights from others of the same name; empty for those in the package.
    """

    name: str
    forecaster: Forecaster
    weights: str = ""


class Forecasters:
    """The forecasters of an engine, by the names of their base models.

    Parameters
    ----------
    pulled : BaseModelFolder
        It is read again each time: another process may pull or remove a model.
    built_in : mapping of str to callable
        Makes those that need no weights to be pulled; the default model's name must be there.
    """

    def __init__(self, pulled: BaseModelFolder, built_in: Mapping[str, Callable[[], Forecaster]] = BUILT_IN) -> None:
        self._pulled = pulled
        self._built_in = {name: make() for name, make in built_in.items()}

    def names(self) -> list[str]:
        """Return their names, as ``GET /v2/models`` lists them."""
        return [*self._built_in, *(model.name for model in self._pulled.models())]

    def full_name(self, name: str) -> str:
        """Return the full name of the base model that a name means; the default one for all that mean the network.

        Raises
        ------
        UnknownBaseModelError
        """
        return DEFAULT_MODEL if name.startswith(NETWORK_PREFIXES) else resolve(name, self.names())

    def choose(self, name: str) -> NamedForecaster:
        """Return the forecaster of a base model's name; nothing is fetched or loaded.

        Raises
        ------
        UnknownBaseModelError
        UnavailableError
            Its files are damaged, or this version has no forecaster for it.
        """
        full_name = self.full_name(name)
        if full_name in self._built_in:
            return NamedForecaster(name if full_name == DEFAULT_MODEL else full_name, self._built_in[full_name])
        model = self._pulled.find(full_name)
        return NamedForecaster(full_name, _make(model), model.sha256)


def _make(model: InstalledModel) -> Forecaster:
    try:
        return ARCHITECTURES[model.architecture](model.name, model.folder, model.sha256)
    except (KeyError, OSError, ValueError) as error:
        raise UnavailableError(
            f"The base model {model.name!r} cannot be used ({error}): pull it again where the engine runs."
        ) from error
