"""The engine: carries out the contract's requests with a forecaster and a store of models."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    AnomalyDetectionOutput,
    CrossValidationInput,
    CrossValidationOutput,
    FinetunedModel,
    FinetuneInput,
    FinetuneOutput,
    ForecastInput,
    ForecastOutput,
    ModelParameters,
    Series,
)
from nixtla_accessor.contract import format_base_model_id
from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.forecaster import Forecaster, Tensors
from nixtla_accessor.local.service.backtest import BacktestWindows, all_windows, last_windows
from nixtla_accessor.local.service.errors import (
    BusyError,
    DamagedModelError,
    ModelIdTakenError,
    ModelInTrainingError,
    StoppedError,
    UnknownFrequencyError,
    UnknownModelError,
)
from nixtla_accessor.local.service.forecasters import choose_forecaster
from nixtla_accessor.local.service.intervals import Quantiles, check_answer_size, interval_lists, probabilities
from nixtla_accessor.local.service.store import ModelStore
from nixtla_accessor.seasons import Season, season_of

MAX_TRAININGS = 16  # at work and waiting; fewer than the server has threads, so that look-ups are always answered
_MODELS_IN_MEMORY = 8
_SEED_BYTES = 8
_MIN_HISTORY = 4  # steps before the first window of the past


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready for use: its forecaster, and the tensors of a fine-tuned one."""

    forecaster: Forecaster
    tensors: Tensors | None


class Engine:
    """Fine-tunes and forecasts; safe to call from many threads.

    Parameters
    ----------
    store : ModelStore
        Where fine-tuned models are saved.
    choose_forecaster : callable
        Returns the forecaster of a base model's name.
    """

    def __init__(self, store: ModelStore, choose_forecaster: Callable[[str], Forecaster] = choose_forecaster) -> None:
        self.store = store
        self._choose_forecaster = choose_forecaster
        self._lock = threading.Lock()
        self._in_training: set[str] = set()
        self._accepted = threading.BoundedSemaphore(MAX_TRAININGS)
        self._at_work = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._stopping = threading.Event()
        self._load_saved = lru_cache(_MODELS_IN_MEMORY)(self._load)

    def stop(self) -> None:
        """End all work at its next step with `StoppedError`; nothing half done is saved."""
        self._stopping.set()

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
            If the frequency, the model to start from, or the new model's id cannot be used.
        BusyError
            If too many trainings are waiting already.
        StorageError
            If the model cannot be saved.
        StoppedError
            If the engine is stopped before the end.
        """
        season = _season(request.freq)
        model = self._model(request.model, request.finetuned_model_id)
        model_id = request.output_model_id or str(uuid.uuid4())
        with self._reserved(model_id):
            tensors = self._tune(model, _split(request.series), season, request)
            saved = FinetunedModel(
                id=model_id,
                created_at=datetime.now(UTC).isoformat(),
                base_model_id=format_base_model_id(request.finetuned_model_id),
                steps=request.finetune_steps,
                depth=request.finetune_depth,
                loss=request.finetune_loss,
                model=request.model,
                freq=request.freq,
            )
            if not self.store.save(saved, model.forecaster.dump(tensors)):
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
            never cross. Tokens are counted as in `finetune`; ``output_tokens`` counts the values returned.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        AnswerTooLongError
            If the answer would have too many numbers.
        StoppedError
            If the engine is stopped before the end.
        """
        season = _season(request.freq)
        model = self._model(request.model, request.finetuned_model_id)
        series = _split(request.series)
        if request.finetune_steps:
            model = replace(model, tensors=self._tune(model, series, season, request))
        quantiles = self._quantiles(model, series, season, request.h, request.level)
        quantiles = quantiles.reshape(len(quantiles), -1)
        values = len(request.series.y)
        return ForecastOutput(
            input_tokens=values,
            output_tokens=quantiles.shape[1],
            finetune_tokens=values * request.finetune_steps,
            mean=quantiles[0].tolist(),
            intervals=interval_lists(quantiles, request.level),
        )

    def cross_validation(self, request: CrossValidationInput) -> CrossValidationOutput:
        """Forecast windows of the past, each from what came before it.

        Parameters
        ----------
        request : CrossValidationInput
            The series, the windows and the model.

        Returns
        -------
        CrossValidationOutput
            Series too short for all windows have fewer; those of one value have none. With ``full_history`` the
            windows are a season long, and cover each series except its beginning.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        AnswerTooLongError
            If the answer would have too many numbers.
        StoppedError
            If the engine is stopped before the end.
        """
        season = _season(request.freq)
        model = self._model(request.model, request.finetuned_model_id)
        series = _split(request.series)
        if request.full_history:
            windows = _windows_of_all_history(request.series.sizes, season, model.forecaster)
        else:
            step = request.step_size or request.h
            windows = last_windows(request.series.sizes, request.h, request.n_windows, step)
        values = len(request.series.y)
        rounds = windows.rounds() if request.finetune_steps and request.refit else [np.arange(len(windows.start))]
        check_answer_size(request.level, len(windows.start), windows.horizon)
        quantiles = np.empty((len(probabilities(request.level)), len(windows.start), windows.horizon))
        for chosen in rounds:
            tuned = model
            if request.finetune_steps:
                known = _histories(series, windows.rows(chosen).earliest())
                tuned = replace(model, tensors=self._tune(model, known, season, request))
            histories = _histories(series, windows.rows(chosen))
            quantiles[:, chosen] = self._quantiles(tuned, histories, season, windows.horizon, request.level)
        inside, positions, counts = windows.known_steps(request.series.sizes)
        quantiles_inside = quantiles[:, inside]
        return CrossValidationOutput(
            input_tokens=values,
            output_tokens=len(positions),
            finetune_tokens=values * request.finetune_steps * len(rounds),
            mean=quantiles_inside[0].tolist(),
            sizes=counts.tolist(),
            idxs=positions.tolist(),
            intervals=interval_lists(quantiles_inside, request.level),
        )

    def detect_anomalies(self, request: AnomalyDetectionInput) -> AnomalyDetectionOutput:
        """Mark the past values outside the interval of their forecast, which is made a season at a time.

        Parameters
        ----------
        request : AnomalyDetectionInput
            The series, the level of the interval and the model.

        Returns
        -------
        AnomalyDetectionOutput
            Each series except its beginning. A missing value is no anomaly.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        AnswerTooLongError
            If the answer would have too many numbers.
        StoppedError
            If the engine is stopped before the end.
        """
        season = _season(request.freq)
        model = self._model(request.model, request.finetuned_model_id)
        series = _split(request.series)
        windows = _windows_of_all_history(request.series.sizes, season, model.forecaster)
        inside, positions, counts = windows.known_steps(request.series.sizes)
        histories = _histories(series, windows)
        quantiles = self._quantiles(model, histories, season, windows.horizon, [request.level])[:, inside]
        actual = np.asarray(request.series.y, np.float64)[positions]
        _, lowest, highest = quantiles
        return AnomalyDetectionOutput(
            input_tokens=len(request.series.y),
            output_tokens=len(positions),
            finetune_tokens=0,
            mean=quantiles[0].tolist(),
            sizes=counts.tolist(),
            anomaly=((actual < lowest) | (actual > highest)).tolist(),
            intervals=interval_lists(quantiles, [request.level]),
        )

    def model_parameters(self, model: str, freq: str) -> ModelParameters:
        """Return how many steps a base model reads, and how many it forecasts at once."""
        forecaster = self._choose_forecaster(model)
        return ModelParameters(input_size=forecaster.input_size(_season(freq)), horizon=forecaster.horizon)

    def _model(self, base_model: str, finetuned_model_id: str | None) -> Model:
        if finetuned_model_id is None:
            return Model(self._choose_forecaster(base_model), None)
        # The store is asked each time: another process may delete a model, and use its id again.
        saved = self.store.model(finetuned_model_id)
        if saved is None:
            raise UnknownModelError(finetuned_model_id)
        return self._load_saved(finetuned_model_id, saved.model, saved.created_at)

    def _load(self, model_id: str, base_model: str, created_at: str) -> Model:  # noqa: ARG002 - part of the cache's key
        data = self.store.tensors(model_id)
        if data is None:
            raise UnknownModelError(model_id)
        forecaster = self._choose_forecaster(base_model)
        try:
            return Model(forecaster, forecaster.load(data))
        except ValueError as error:
            message = f"The saved model {model_id!r} does not fit this version of the engine."
            raise DamagedModelError(message) from error

    def _tune(
        self,
        model: Model,
        series: Sequence[Floats],
        season: Season,
        request: FinetuneInput | ForecastInput | CrossValidationInput,
    ) -> Tensors:
        """Wait for a free core, and fine-tune; raise if too many are waiting already."""
        if not self._accepted.acquire(blocking=False):
            raise BusyError
        try:
            with self._at_work:
                self._raise_if_stopped()
                return model.forecaster.tune(
                    series,
                    season,
                    steps=request.finetune_steps,
                    depth=request.finetune_depth,
                    loss=request.finetune_loss,
                    seed=_seed(series),
                    base=model.tensors,
                    progress=self._raise_if_stopped,
                )
        finally:
            self._accepted.release()

    def _quantiles(
        self,
        model: Model,
        series: Sequence[Floats],
        season: Season,
        horizon: int,
        levels: Sequence[float] | None,
    ) -> Quantiles:
        """Forecast the median and the bounds of the intervals."""
        check_answer_size(levels, len(series), horizon)
        return model.forecaster.forecast(
            model.tensors, series, season, horizon, probabilities(levels), progress=self._raise_if_stopped
        )

    def _raise_if_stopped(self, _done: int = 0) -> None:
        if self._stopping.is_set():
            raise StoppedError

    @contextmanager
    def _reserved(self, model_id: str) -> Iterator[None]:
        """Hold an id while its model is trained, so that it is not trained twice at once."""
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


def _split(series: Series) -> list[Floats]:
    """Split the packed values into one array for each series."""
    return np.split(np.asarray(series.y, dtype=np.float64), np.cumsum(series.sizes)[:-1])


def _windows_of_all_history(sizes: Integers, season: Season, forecaster: Forecaster) -> BacktestWindows:
    """Place windows of a season, or of the forecaster's horizon if that is shorter, after two seasons of history."""
    return all_windows(sizes, min(season.length, forecaster.horizon), max(2 * season.length, _MIN_HISTORY))


def _histories(series: list[Floats], windows: BacktestWindows) -> list[Floats]:
    """Return what comes before each window in its series."""
    return [series[i][:start] for i, start in zip(windows.series, windows.start, strict=True)]


def _seed(series: Sequence[Floats]) -> int:
    """Derive a seed from the series, so that the same request trains the same model."""
    digest = hashlib.sha256(np.array([len(values) for values in series]).tobytes())
    for values in series:
        digest.update(values.tobytes())
    return int.from_bytes(digest.digest()[:_SEED_BYTES], "big")
