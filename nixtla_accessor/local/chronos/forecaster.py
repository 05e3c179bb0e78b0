"""Chronos-2 and Chronos-Bolt as forecasters of the engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.contract import DEFAULT_FINETUNE_LOSS
from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.chronos.adaptation import apply, dump, load_for
from nixtla_accessor.local.chronos.config import read_config
from nixtla_accessor.local.chronos.quantiles import quantiles_at
from nixtla_accessor.local.chronos.units import choose_unit
from nixtla_accessor.local.forecaster import Covariate, Covariates, Tensors, TunedModel, UnavailableError
from nixtla_accessor.seasons import Season

if TYPE_CHECKING:
    from types import ModuleType

    from nixtla_accessor.local.chronos.pipelines import TorchModel


class _ChronosForecaster:
    """What both have in common: a folder with a model, which is loaded when it is first used.

    Parameters
    ----------
    name : str
        For messages.
    folder : Path
        With ``config.json`` and ``model.safetensors``.
    sha256 : str
        The checksum of the weights.
    """

    def __init__(self, name: str, folder: Path, sha256: str) -> None:
        self._name = name
        self._folder = folder
        self._sha256 = sha256
        self._config = read_config(folder)
        self.horizon = self._config.horizon

    def input_size(self, season: Season) -> int:  # noqa: ARG002 - the same for all
        """Return how many values of history the model reads at most."""
        return self._config.context_length

    def _load(self) -> TorchModel:
        try:
            return import_pipelines().load(self._folder, self._config.architecture, self._sha256)
        except UnavailableError as error:
            raise UnavailableError(f"The base model {self._name!r} cannot be run: {error}.") from error

    def _quantiles_in_units(
        self, forecasts: NDArray[np.float32], series: Sequence[Floats], quantiles: Sequence[float]
    ) -> NDArray[np.float64]:
        """Return the quantiles that are asked for, in the units of the series."""
        if np.isnan(forecasts).any():
            raise FloatingPointError("the model forecasts values that are not numbers")
        finite = np.nan_to_num(forecasts)  # the largest in place of infinite ones
        result = quantiles_at(quantiles, self._config.quantiles, finite)
        for nth, values in enumerate(series):
            result[:, nth] = choose_unit(values).restore(result[:, nth])
        return result


class ChronosBoltForecaster(_ChronosForecaster):
    """A Chronos-Bolt model; a `Forecaster` that cannot be fine-tuned, since the library cannot."""

    losses: Collection[str] = ()

    def tune(self, *_arguments: object, **_options: object) -> TunedModel:
        """Raise: the engine refuses what has no loss to be tuned by."""
        raise NotImplementedError

    def forecast(
        self,
        tensors: Tensors | None,  # noqa: ARG002 - there are none
        series: Sequence[Floats],
        season: Season,  # noqa: ARG002 - the model finds it
        horizon: int,
        quantiles: Sequence[float],
        *,
        progress: Callable[[int], None],
    ) -> NDArray[np.float64]:
        """Forecast with the library's `predict`."""
        histories = [_history(values) for values in series]
        model = self._load()
        forecasts = import_pipelines().predict_bolt(model, histories, horizon, progress)
        return self._quantiles_in_units(forecasts, series, quantiles)

    def dump(self, tensors: Tensors) -> bytes:
        """Raise, as `tune` does."""
        raise NotImplementedError

    def load(self, data: bytes) -> Tensors:  # noqa: ARG002 - of a forecaster
        """Raise: no bytes are those of a fine-tuned model."""
        raise ValueError("Chronos-Bolt has no fine-tuned models")


class Chronos2Forecaster(_ChronosForecaster):
    """A Chronos-2 model; a `Forecaster` and a `CovariateForecaster`.

    Its tensors are what fine-tuning adds to the model on disk: see `adaptation`.
    """

    losses: Collection[str] = (DEFAULT_FINETUNE_LOSS,)

    def tune(
        self,
        series: Sequence[Floats],
        season: Season,
        *,
        steps: int,
        depth: int,
        loss: str,  # noqa: ARG002 - there is one
        seed: int,
        base: Tensors | None,
        progress: Callable[[int], None],
    ) -> TunedModel:
        """Fine-tune with the library's `fit`; see `training.tune`."""
        model = self._load()
        from nixtla_accessor.local.chronos.training import tune

        return tune(model, base or {}, series, season, steps=steps, depth=depth, seed=seed, progress=progress)

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
        """Forecast with the library's `predict`."""
        return self.forecast_with_covariates(
            tensors, series, season, horizon, quantiles, covariates=(), progress=progress
        )

    def forecast_with_covariates(
        self,
        tensors: Tensors | None,
        series: Sequence[Floats],
        season: Season,  # noqa: ARG002 - the model finds it
        horizon: int,
        quantiles: Sequence[float],
        *,
        covariates: Covariates,
        progress: Callable[[int], None],
    ) -> NDArray[np.float64]:
        """Forecast with the library's `predict`, which reads covariates too."""
        model = self._load()
        pipelines = import_pipelines()
        if tensors:

            def parameter(name: str) -> NDArray[np.float32]:
                array: NDArray[np.float32] = model.get_parameter(name).cpu().float().numpy()
                return array

            model = pipelines.with_tensors(model, apply(tensors, parameter))
        inputs: list[dict[str, Any]] = [{"target": _history(values)} for values in series]
        for position, covariate in enumerate(covariates):
            _add_covariate(inputs, f"{position:06d}", covariate)
        forecasts = pipelines.predict_chronos_2(model, inputs, horizon, progress)
        return self._quantiles_in_units(forecasts, series, quantiles)

    def dump(self, tensors: Tensors) -> bytes:
        """Return what was added as a safetensors file."""
        return dump(tensors, self._sha256)

    def load(self, data: bytes) -> Tensors:
        """Read what was added from a safetensors file."""
        return load_for(data, self._sha256)


def _history(values: Floats) -> NDArray[np.float32]:
    """Return a series in its unit; zeros in place of one without values, of which a model says nothing."""
    history = choose_unit(values).convert(values)
    return history if np.isfinite(history).any() else np.zeros(len(history), np.float32)


def _add_covariate(inputs: list[dict[str, Any]], name: str, covariate: Covariate) -> None:
    """Add a covariate to the inputs of all series."""
    for nth, each in enumerate(inputs):
        past = covariate.past[nth]
        future = None if covariate.future is None else covariate.future[nth]
        if covariate.categories is not None:
            names = np.array([*covariate.categories, None], object)  # the last for what is missing
            values = [names[np.where(np.isfinite(part), part, -1).astype(int)] for part in _parts(past, future)]
        else:
            unit = choose_unit(np.concatenate(_parts(past, future)))
            values = [unit.convert(part) for part in _parts(past, future)]
        each.setdefault("past_covariates", {})[name] = values[0]
        if future is not None:
            each.setdefault("future_covariates", {})[name] = values[1]


def _parts(past: Floats, future: Floats | None) -> list[Floats]:
    return [past] if future is None else [past, future]


def import_pipelines() -> ModuleType:
    """Import what needs torch."""
    try:
        from nixtla_accessor.local.chronos import pipelines
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "nixtla_accessor":
            raise
        raise UnavailableError(
            f'it needs {error.name}, which is not installed: pip install "nixtla-accessor[chronos]"'
        ) from error
    return pipelines
