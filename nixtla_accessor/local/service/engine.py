"""What the contract's requests mean for the network: tune, save, load, forecast."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

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
from nixtla_accessor.local.network.features import input_size
from nixtla_accessor.local.network.forecasting import BATCH, forecast, quantile_at
from nixtla_accessor.local.network.history import HORIZON
from nixtla_accessor.local.network.model import Weights, dump_weights, load_weights, pretrained_weights
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.service.answers import Quantiles, intervals, probabilities, room_for
from nixtla_accessor.local.service.backtest import Windows, all_windows, last_windows
from nixtla_accessor.local.service.store import DamagedModelError, ModelStore
from nixtla_accessor.seasons import Season, season_of

_NO_BASE = "None"  # what the hosted service writes for a model that started from the base model
_MODELS_IN_MEMORY = 8
_SEED_BYTES = 8
MOST_TRAININGS = 16  # at work and waiting; fewer than the server has threads, so that look-ups are always answered
_LEAST_HISTORY = 4  # steps before the first window of the past
_AT_ONCE = 2 * BATCH  # series that a thread forecasts before it reads off what is answered


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


class BusyError(Exception):
    """As many models are being trained, or wait for it, as the engine takes."""


class StoppedError(Exception):
    """The engine was stopped before the answer was there."""


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
        self._accepted = threading.BoundedSemaphore(MOST_TRAININGS)
        self._at_work = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._stopping = threading.Event()
        self._saved_weights = lru_cache(_MODELS_IN_MEMORY)(self._load_saved_weights)

    def stop(self) -> None:
        """Let all that is at work end at its next step, in `StoppedError`; nothing half done is kept."""
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
            If the frequency, the model to go on from, or the new model's id cannot be used.
        BusyError
            If too many trainings wait already.
        StorageError
            If the model cannot be kept.
        StoppedError
            If the engine is stopped meanwhile.
        """
        season = _season(request.freq)
        weights = self._weights(request.finetuned_model_id)
        model_id = request.output_model_id or str(uuid.uuid4())
        with self._reserved(model_id):
            tuned = self._tune(weights, _split(request.series), season, request)
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
            if not self.store.save(model, dump_weights(tuned, dtype=np.float32)):
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
        TooLongAnswerError
            If more numbers are asked for than are answered at once.
        StoppedError
            If the engine is stopped meanwhile.
        """
        season = _season(request.freq)
        weights = self._weights(request.finetuned_model_id)
        series = _split(request.series)
        if request.finetune_steps:
            weights = self._tune(weights, series, season, request)
        quantiles = self._quantiles(weights, series, season, request.h, request.level)
        quantiles = quantiles.reshape(len(quantiles), -1)
        values = len(request.series.y)
        return ForecastOutput(
            input_tokens=values,
            output_tokens=quantiles.shape[1],
            finetune_tokens=values * request.finetune_steps,
            mean=quantiles[0].tolist(),
            intervals=intervals(quantiles, request.level),
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
            windows are a season long, and cover all but the beginning of each series.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        TooLongAnswerError
            If more numbers are asked for than are answered at once.
        StoppedError
            If the engine is stopped meanwhile.
        """
        season = _season(request.freq)
        weights = self._weights(request.finetuned_model_id)
        series = _split(request.series)
        if request.full_history:
            windows = _windows_of_all_history(request.series.sizes, season)
        else:
            step = request.step_size or request.h
            windows = last_windows(request.series.sizes, request.h, request.n_windows, step)
        values = len(request.series.y)
        rounds = windows.rounds() if request.finetune_steps and request.refit else [np.arange(len(windows.start))]
        quantiles = room_for(request.level, len(windows.start), windows.horizon)
        for chosen in rounds:
            if request.finetune_steps:
                known = _histories(series, windows.rows(chosen).earliest())
                tuned = self._tune(weights, known, season, request)
            else:
                tuned = weights
            histories = _histories(series, windows.rows(chosen))
            quantiles[:, chosen] = self._quantiles(tuned, histories, season, windows.horizon, request.level)
        inside, positions, counts = windows.answered(request.series.sizes)
        answered = quantiles[:, inside]
        return CrossValidationOutput(
            input_tokens=values,
            output_tokens=len(positions),
            finetune_tokens=values * request.finetune_steps * len(rounds),
            mean=answered[0].tolist(),
            sizes=counts.tolist(),
            idxs=positions.tolist(),
            intervals=intervals(answered, request.level),
        )

    def detect_anomalies(self, request: AnomalyDetectionInput) -> AnomalyDetectionOutput:
        """Mark the values of the past that lie outside the interval of their forecast, a season at a time.

        Parameters
        ----------
        request : AnomalyDetectionInput
            The series, the level of the interval and the model.

        Returns
        -------
        AnomalyDetectionOutput
            All but the beginning of each series. A missing value is no anomaly.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        TooLongAnswerError
            If more numbers are asked for than are answered at once.
        StoppedError
            If the engine is stopped meanwhile.
        """
        season = _season(request.freq)
        weights = self._weights(request.finetuned_model_id)
        series = _split(request.series)
        windows = _windows_of_all_history(request.series.sizes, season)
        inside, positions, counts = windows.answered(request.series.sizes)
        histories = _histories(series, windows)
        quantiles = self._quantiles(weights, histories, season, windows.horizon, [request.level])[:, inside]
        actual = np.asarray(request.series.y, np.float64)[positions]
        _, lowest, highest = quantiles
        return AnomalyDetectionOutput(
            input_tokens=len(request.series.y),
            output_tokens=len(positions),
            finetune_tokens=0,
            mean=quantiles[0].tolist(),
            sizes=counts.tolist(),
            anomaly=((actual < lowest) | (actual > highest)).tolist(),
            intervals=intervals(quantiles, [request.level]),
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
        try:
            return load_weights(tensors)
        except ValueError as error:
            message = f"The saved model {model_id!r} does not fit this version of the engine."
            raise DamagedModelError(message) from error

    def _tune(
        self,
        weights: Weights,
        series: list[npt.NDArray[np.float64]],
        season: Season,
        request: FinetuneInput | ForecastInput | CrossValidationInput,
    ) -> Weights:
        """Fine-tune when it is its turn; refuse where too many wait already."""
        if not self._accepted.acquire(blocking=False):
            raise BusyError
        try:
            with self._at_work:
                self._go_on()
                tuned = tune(
                    weights,
                    series,
                    season,
                    steps=request.finetune_steps,
                    depth=request.finetune_depth,
                    loss=request.finetune_loss,
                    seed=_seed(series),
                    progress=self._go_on,
                )
        finally:
            self._accepted.release()
        return tuned.weights

    def _quantiles(
        self,
        weights: Weights,
        series: Sequence[npt.NDArray[np.float64]],
        season: Season,
        horizon: int,
        levels: Sequence[float] | None,
    ) -> Quantiles:
        """Forecast, and keep of the network's quantiles the median and the bounds of the intervals; see `room_for`."""
        answer = room_for(levels, len(series), horizon)

        def fill(start: int) -> None:
            some = series[start : start + _AT_ONCE]
            quantiles = forecast(weights, some, season, horizon, progress=self._go_on)
            for nth, probability in enumerate(probabilities(levels)):
                answer[nth, start : start + _AT_ONCE] = quantile_at(quantiles, probability)

        starts = range(0, len(series), _AT_ONCE)
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy lets go of the interpreter where it computes
            for _ in threads.map(fill, starts):
                pass
        return answer

    def _go_on(self, _done: int = 0) -> None:
        """Go on, unless the engine is being stopped."""
        if self._stopping.is_set():
            raise StoppedError

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


def _windows_of_all_history(sizes: npt.NDArray[np.int64], season: Season) -> Windows:
    """Place windows a season long, as far as the network forecasts at once, after two seasons of history."""
    return all_windows(sizes, min(season.length, HORIZON), max(2 * season.length, _LEAST_HISTORY))


def _histories(series: list[npt.NDArray[np.float64]], windows: Windows) -> list[npt.NDArray[np.float64]]:
    """Cut from its series what comes before each window."""
    return [series[i][:start] for i, start in zip(windows.series, windows.start, strict=True)]


def _seed(series: list[npt.NDArray[np.float64]]) -> int:
    """Derive the seed from the series, so that the same request trains the same model."""
    digest = hashlib.sha256(np.array([len(values) for values in series]).tobytes())
    for values in series:
        digest.update(values.tobytes())
    return int.from_bytes(digest.digest()[:_SEED_BYTES], "big")
