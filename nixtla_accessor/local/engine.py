"""What the contract's requests mean for the network: tune, save, load, forecast."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.schema import (
    FinetunedModel,
    FinetuneInput,
    FinetuneOutput,
    ForecastInput,
    ForecastOutput,
    ModelParameters,
    Series,
)
from nixtla_accessor.local.features import HORIZON
from nixtla_accessor.local.forecasting import forecast, input_size, quantile_at
from nixtla_accessor.local.network import Weights, dump_weights, load_weights, pretrained_weights
from nixtla_accessor.local.seasons import Season, season_of
from nixtla_accessor.local.store import ModelStore
from nixtla_accessor.local.tuning import Tuned, tune

_NO_BASE = "None"  # what the hosted service writes for a model that started from the base model
_MODELS_IN_MEMORY = 8
_SEED_BYTES = 8


class ModelIdError(Exception):
    """The id of a fine-tuned model cannot be used."""

    def __str__(self) -> str:
        return repr(self.args[0])


class UnknownModelError(ModelIdError):
    """There is no fine-tuned model of this id."""


class ModelIdTakenError(ModelIdError):
    """There is a fine-tuned model of this id already."""


class ModelInTrainingError(ModelIdError):
    """A model of this id is being trained."""


class UnknownFrequencyError(Exception):
    """The name of the frequency means nothing to the engine."""


class Engine:
    """Fine-tunes and forecasts; safe to call from many threads.

    Parameters
    ----------
    store : ModelStore
        Where fine-tuned models are kept.
    """

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._in_training: set[str] = set()
        self._saved_weights = lru_cache(_MODELS_IN_MEMORY)(self._load_saved_weights)

    def finetune(self, request: FinetuneInput) -> FinetuneOutput:
        """Fine-tune on the series of a request and save the model.

        Parameters
        ----------
        request : FinetuneInput
            The series, and how to tune.

        Returns
        -------
        FinetuneOutput
            The model's id. ``input_tokens`` counts the values sent, ``output_tokens`` is 0, and ``finetune_tokens``
            counts the values sent once for each step.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError, ModelIdTakenError, ModelInTrainingError
            If the frequency, the model to go on from, or the new model's id cannot be used.
        """
        season = _season(request.freq)
        weights = self._weights(request.finetuned_model_id)
        model_id = request.output_model_id or str(uuid.uuid4())
        with self._reserved(model_id):
            tuned = _tune(weights, season, request)
            model = FinetunedModel(
                id=model_id,
                created_at=datetime.now(UTC).isoformat(),
                base_model_id=request.finetuned_model_id or _NO_BASE,
                steps=request.finetune_steps,
                depth=request.finetune_depth,
                loss=request.finetune_loss,
                model=request.model,
                freq=request.freq,
            )
            if not self.store.save(model, dump_weights(tuned.weights, dtype=np.float32)):
                raise ModelIdTakenError(model_id)
        values = len(request.series.y)
        return FinetuneOutput(
            input_tokens=values,
            output_tokens=0,
            finetune_tokens=values * request.finetune_steps,
            finetuned_model_id=model_id,
        )

    def forecast(self, request: ForecastInput) -> ForecastOutput:
        """Forecast every series of a request.

        Parameters
        ----------
        request : ForecastInput
            The series, the horizon, the levels and the model.

        Returns
        -------
        ForecastOutput
            ``mean`` is the median of the forecast distribution, and the intervals are its quantiles, so that they
            never cross. Tokens are counted as in `finetune`; ``output_tokens`` counts the values answered.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        """
        season = _season(request.freq)
        weights = self._weights(request.finetuned_model_id)
        if request.finetune_steps:
            weights = _tune(weights, season, request).weights
        quantiles = forecast(weights, _split(request.series), season, request.h)
        mean = quantile_at(quantiles, 0.5).ravel().tolist()
        intervals = None
        if request.level is not None:
            intervals = {
                f"{side}-{level:.12g}": quantile_at(quantiles, 0.5 + sign * level / 200).ravel().tolist()
                for level in request.level
                for side, sign in (("lo", -1), ("hi", 1))
            }
        values = len(request.series.y)
        return ForecastOutput(
            input_tokens=values,
            output_tokens=len(mean),
            finetune_tokens=values * request.finetune_steps,
            mean=mean,
            intervals=intervals,
        )

    def model_parameters(self, model: str, freq: str) -> ModelParameters:  # noqa: ARG002 - all names mean one network
        """Tell how many steps the network reads and forecasts at once."""
        return ModelParameters(input_size=input_size(_season(freq)), horizon=HORIZON)

    def _weights(self, model_id: str | None) -> Weights:
        if model_id is None:
            return pretrained_weights()
        # The metadata is asked each time: a model may be deleted, and its id used again, by another process.
        model = self.store.model(model_id)
        if model is None:
            raise UnknownModelError(model_id)
        return self._saved_weights(model_id, model.created_at)

    def _load_saved_weights(self, model_id: str, created_at: str) -> Weights:  # noqa: ARG002 - part of the cache's key
        tensors = self.store.tensors(model_id)
        if tensors is None:
            raise UnknownModelError(model_id)
        return load_weights(tensors)

    @contextmanager
    def _reserved(self, model_id: str) -> Iterator[None]:
        """Keep an id from being trained twice at once."""
        with self._lock:
            if model_id in self._in_training:
                raise ModelInTrainingError(model_id)
            if self.store.model(model_id) is not None:
                raise ModelIdTakenError(model_id)
            self._in_training.add(model_id)
        try:
            yield
        finally:
            with self._lock:
                self._in_training.discard(model_id)


def _season(freq: str) -> Season:
    try:
        return season_of(freq)
    except ValueError as error:
        raise UnknownFrequencyError(str(error)) from error


def _split(series: Series) -> list[npt.NDArray[np.float64]]:
    """Cut the packed values into one array for each series."""
    return np.split(np.asarray(series.y, dtype=np.float64), np.cumsum(series.sizes)[:-1])


def _tune(weights: Weights, season: Season, request: FinetuneInput | ForecastInput) -> Tuned:
    return tune(
        weights,
        _split(request.series),
        season,
        steps=request.finetune_steps,
        depth=request.finetune_depth,
        loss=request.finetune_loss,
        seed=_seed(request.series),
    )


def _seed(series: Series) -> int:
    """Derive the seed from the series, so that the same request trains the same model."""
    digest = hashlib.sha256(series.y.astype(np.float64).tobytes())
    digest.update(series.sizes.astype(np.int64).tobytes())
    return int.from_bytes(digest.digest()[:_SEED_BYTES], "big")
