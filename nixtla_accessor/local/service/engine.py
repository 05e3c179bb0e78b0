"""The engine: carries out the contract's requests with a forecaster and a store of models."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

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
from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.base_models.storage import BASE_MODELS, BaseModelFolder
from nixtla_accessor.local.forecaster import TunedModel
from nixtla_accessor.local.service.backtest import BacktestWindows
from nixtla_accessor.local.service.covariates import RequestedPanel, read_covariates
from nixtla_accessor.local.service.errors import (
    ModelIdTakenError,
    StoppedError,
    UnknownFrequencyError,
)
from nixtla_accessor.local.service.explaining import (
    contribution_lists,
    empty_forecast,
    explain,
    forecast_past_windows,
    forecast_windows,
    join,
    values_to_tune_on,
)
from nixtla_accessor.local.service.forecasters import Forecasters
from nixtla_accessor.local.service.interruption import Interruption
from nixtla_accessor.local.service.intervals import interval_lists, probabilities
from nixtla_accessor.local.service.jobs import Jobs
from nixtla_accessor.local.service.limits import LIMITS, Limits
from nixtla_accessor.local.service.models import Model, Models
from nixtla_accessor.local.service.planning import (
    MAX_ESTIMATES,
    check_forecast,
    plan_anomaly_detection,
    plan_cross_validation,
)
from nixtla_accessor.local.service.store import ModelStore
from nixtla_accessor.local.service.trainings import Training, Trainings
from nixtla_accessor.seasons import Season, season_of

_SEED_BYTES = 8


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A fine-tuning that was found possible, and holds the id of its model.

    Attributes
    ----------
    training : Training
        Entered among the engine's trainings.
    request : FinetuneInput
    season : Season
    model : Model
        To start from.
    """

    training: Training
    request: FinetuneInput
    season: Season
    model: Model

    @property
    def output(self) -> FinetuneOutput:
        """The answer, once the model is trained."""
        values = len(self.request.series.y)
        return FinetuneOutput(
            input_tokens=values,
            output_tokens=0,
            finetune_tokens=values * self.request.finetune_steps,
            finetuned_model_id=self.training.model_id,
        )


class Engine:
    """Fine-tunes and forecasts; safe to call from many threads.

    Parameters
    ----------
    store : ModelStore
        Where fine-tuned models are saved.
    forecasters : Forecasters, optional
        Of the base models; by default those in the package, and those in the folder beside the store.
    limits : Limits
        What it takes on.
    """

    def __init__(
        self,
        store: ModelStore,
        forecasters: Forecasters | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.store = store
        self.limits = limits
        self.trainings = Trainings()
        self.jobs = Jobs(store, limits)
        self.models = Models(store, forecasters or Forecasters(BaseModelFolder(store.path.parent / BASE_MODELS)))
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End all work at its next step with `StoppedError`; nothing half done is saved."""
        self._stopping.set()

    def finetune(self, request: FinetuneInput) -> FinetuneOutput:
        """Fine-tune on the series of a request and save the model: `plan_training`, then `train`."""
        return self.train(self.plan_training(request))

    def plan_training(self, request: FinetuneInput, interruption: Interruption | None = None) -> TrainingPlan:
        """Check that a model can be trained and saved, and hold its id; nothing is trained.

        Parameters
        ----------
        request : FinetuneInput
            The series, and how to tune.
        interruption : Interruption, optional
            Ends the training.

        Returns
        -------
        TrainingPlan
            For `train`, or for `drop`.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError, ModelIdTakenError, ModelInTrainingError
            If the frequency, the model to start from, or the new model's id cannot be used.
        LimitError
            If it is more work than the engine takes on.
        StorageError
            If models cannot be saved.
        """
        self.limits.check_series(request.series)
        self.limits.check_training(request.finetune_steps)
        season = _season(request.freq)
        model = self.models.find(request.model, request.finetuned_model_id)
        model.check_tuning(request.finetune_steps, request.finetune_loss)
        model_id = request.output_model_id or str(uuid.uuid4())
        training = self.trainings.begin(model_id, request.finetune_steps, interruption)
        plan = TrainingPlan(training, request, season, model)
        try:
            self._refuse_taken_id(model_id)
            self.store.check_writable()
        except BaseException:
            self.drop(plan)
            raise
        return plan

    def drop(self, plan: TrainingPlan) -> None:
        """Let the id of a planned training go; nothing happens if it was trained."""
        self.trainings.end(plan.training)

    def train(self, plan: TrainingPlan) -> FinetuneOutput:
        """Carry out a planned training, and save the model.

        Returns
        -------
        FinetuneOutput
            The model's id. ``input_tokens`` counts the values sent, ``output_tokens`` is 0, and ``finetune_tokens``
            counts the values sent once for each step.

        Raises
        ------
        ModelIdTakenError
            If another process has saved a model of this id meanwhile.
        StorageError
            If the model cannot be saved.
        TrainingCancelledError, StoppedError
            If the training is cancelled, or the engine stopped, before the end.
        """
        training, request = plan.training, plan.request
        try:
            tuned = self._tune(plan.model, _split(request.series), plan.season, request, training.report)
            saved = FinetunedModel(
                id=training.model_id,
                created_at=datetime.now(UTC).isoformat(),
                base_model_id=format_base_model_id(request.finetuned_model_id),
                steps=request.finetune_steps,
                depth=request.finetune_depth,
                loss=request.finetune_loss,
                model=plan.model.base_model,
                freq=request.freq,
                n_series=len(request.series.sizes),
                n_obs=len(request.series.y),
                alpha=tuned.alpha,
            )
            data = plan.model.forecaster.dump(tuned.tensors)
            self.trainings.begin_saving(training)
            if not self.store.save(saved, data):
                raise ModelIdTakenError(training.model_id)
        finally:
            self.trainings.end(training)
        return plan.output

    def forecast(self, request: ForecastInput, interruption: Interruption | None = None) -> ForecastOutput:
        """Forecast every series of a request.

        Parameters
        ----------
        request : ForecastInput
            The series, the horizon, the levels and the model.
        interruption : Interruption, optional
            Ends the work.

        Returns
        -------
        ForecastOutput
            ``mean`` is the median of the forecast distribution, and the intervals are its quantiles, so that they
            never cross. Tokens are counted as in `finetune`; ``output_tokens`` counts the values returned.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        WrongCovariatesError
            If the covariates contradict the series, or each other.
        LimitError, AnswerTooLongError
            If it is more work than the engine takes on, or the answer would have too many numbers.
        StoppedError
            If the engine is stopped before the end.
        """
        progress = self._progress(interruption)
        season = _season(request.freq)
        model = self.models.find(request.model, request.finetuned_model_id)
        model.check_tuning(request.finetune_steps, request.finetune_loss)
        model.check_covariates(clean_first=request.clean_ex_first, contributions=request.feature_contributions)
        check_forecast(request, model.forecaster.horizon, self.limits)
        sizes = request.series.sizes
        panel = RequestedPanel(_split(request.series), read_covariates(request.series, request.h, None))
        windows = BacktestWindows(np.arange(len(sizes)), sizes, request.h)
        explained = explain(model.forecaster, panel, season, sizes, progress)
        if request.finetune_steps:
            cleaned = panel.series if explained is None else explained.histories(windows.series, sizes)
            model = replace(model, tensors=self._tune(model, cleaned, season, request, progress).tensors)
        answer = forecast_windows(
            model.forecaster,
            model.tensors,
            panel,
            explained,
            windows,
            season,
            probabilities(request.level),
            clean_first=request.clean_ex_first,
            progress=progress,
        )
        quantiles = answer.quantiles.reshape(len(answer.quantiles), -1)
        values = len(request.series.y)
        return ForecastOutput(
            input_tokens=values,
            output_tokens=quantiles.shape[1],
            finetune_tokens=values * request.finetune_steps,
            mean=quantiles[0].tolist(),
            intervals=interval_lists(quantiles, request.level),
            weights_x=None if explained is None else explained.weights().tolist(),
            feature_contributions=contribution_lists(request, answer),
        )

    def cross_validation(
        self, request: CrossValidationInput, interruption: Interruption | None = None
    ) -> CrossValidationOutput:
        """Forecast windows of the past, each from what came before it.

        Parameters
        ----------
        request : CrossValidationInput
            The series, the windows and the model.
        interruption : Interruption, optional
            Ends the work.

        Returns
        -------
        CrossValidationOutput
            Series too short for all windows have fewer; those of one value have none. With ``full_history`` the
            windows are a season long, and cover each series except its beginning.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        WrongCovariatesError
            If the covariates contradict the series, or each other.
        LimitError, AnswerTooLongError
            If it is more work than the engine takes on, or the answer would have too many numbers.
        StoppedError
            If the engine is stopped before the end.
        """
        progress = self._progress(interruption)
        season = _season(request.freq)
        model = self.models.find(request.model, request.finetuned_model_id)
        model.check_tuning(request.finetune_steps, request.finetune_loss)
        model.check_covariates(clean_first=request.clean_ex_first, contributions=request.feature_contributions)
        windows, n_rounds = plan_cross_validation(request, season, model.forecaster.horizon, self.limits)
        panel = RequestedPanel(_split(request.series), read_covariates(request.series, 0, request.hist_exog))
        values = len(request.series.y)
        quantiles = probabilities(request.level)
        rounds = windows.rounds() if n_rounds != 1 else [np.arange(len(windows.start))]
        parts = []
        for chosen in rounds:
            tuned = model
            if request.finetune_steps:
                known = values_to_tune_on(model.forecaster, panel, windows.rows(chosen), season, progress)
                tuned = replace(model, tensors=self._tune(model, known, season, request, progress).tensors)
            for some in windows.shared_rounds(chosen, MAX_ESTIMATES) if panel.covariates else [chosen]:
                part = forecast_past_windows(
                    tuned.forecaster,
                    tuned.tensors,
                    panel,
                    windows.rows(some),
                    season,
                    quantiles,
                    clean_first=request.clean_ex_first,
                    progress=progress,
                )
                parts.append((some, part))
        answer = join(parts) if parts else empty_forecast(len(quantiles), len(panel.covariates), windows.horizon)
        inside, positions, counts = windows.known_steps(request.series.sizes)
        quantiles_inside = answer.quantiles[:, inside]
        return CrossValidationOutput(
            input_tokens=values,
            output_tokens=len(positions),
            finetune_tokens=values * request.finetune_steps * len(rounds),
            mean=quantiles_inside[0].tolist(),
            sizes=counts.tolist(),
            idxs=positions.tolist(),
            intervals=interval_lists(quantiles_inside, request.level),
            feature_contributions=contribution_lists(request, answer, inside),
        )

    def detect_anomalies(
        self, request: AnomalyDetectionInput, interruption: Interruption | None = None
    ) -> AnomalyDetectionOutput:
        """Mark the past values outside the interval of their forecast, which is made a season at a time.

        Parameters
        ----------
        request : AnomalyDetectionInput
            The series, the level of the interval and the model.
        interruption : Interruption, optional
            Ends the work.

        Returns
        -------
        AnomalyDetectionOutput
            Each series except its beginning. A missing value is no anomaly.

        Raises
        ------
        UnknownFrequencyError, UnknownModelError
            If the frequency or the model cannot be used.
        WrongCovariatesError
            If the covariates contradict the series, or each other.
        LimitError, AnswerTooLongError
            If it is more work than the engine takes on, or the answer would have too many numbers.
        StoppedError
            If the engine is stopped before the end.
        """
        progress = self._progress(interruption)
        season = _season(request.freq)
        model = self.models.find(request.model, request.finetuned_model_id)
        model.check_covariates(clean_first=request.clean_ex_first, contributions=False)
        windows = plan_anomaly_detection(request, season, model.forecaster.horizon, self.limits)
        panel = RequestedPanel(_split(request.series), read_covariates(request.series, 0, request.hist_exog))
        explained = explain(model.forecaster, panel, season, request.series.sizes, progress)
        answer = forecast_windows(
            model.forecaster,
            model.tensors,
            panel,
            explained,
            windows,
            season,
            probabilities([request.level]),
            clean_first=request.clean_ex_first,
            progress=progress,
        )
        inside, positions, counts = windows.known_steps(request.series.sizes)
        quantiles = answer.quantiles[:, inside]
        actual = np.asarray(request.series.y, np.float64)[positions]
        _, lowest, highest = quantiles
        return AnomalyDetectionOutput(
            input_tokens=len(request.series.y),
            output_tokens=len(positions),
            finetune_tokens=0,
            mean=quantiles[0].tolist(),
            sizes=counts.tolist(),
            weights_x=None if explained is None else explained.weights().tolist(),
            anomaly=((actual < lowest) | (actual > highest)).tolist(),
            intervals=interval_lists(quantiles, [request.level]),
        )

    def model_parameters(self, model: str, freq: str) -> ModelParameters:
        """Return how many steps a base model reads, and how many it forecasts at once."""
        season = _season(freq)
        forecaster = self.models.forecasters.choose(model).forecaster
        return ModelParameters(input_size=forecaster.input_size(season), horizon=forecaster.horizon)

    def _refuse_taken_id(self, model_id: str) -> None:
        if self.store.has(model_id):
            raise ModelIdTakenError(model_id)

    def _tune(
        self,
        model: Model,
        series: Sequence[Floats],
        season: Season,
        request: FinetuneInput | ForecastInput | CrossValidationInput,
        progress: Callable[[int], None],
    ) -> TunedModel:
        """Fine-tune; `progress` is called at every step, and may end it."""

        def report(steps_done: int) -> None:
            self._raise_if_stopped()
            progress(steps_done)

        report(0)
        return model.forecaster.tune(
            series,
            season,
            steps=request.finetune_steps,
            depth=request.finetune_depth,
            loss=request.finetune_loss,
            seed=_seed(series),
            base=model.tensors,
            progress=report,
        )

    def _progress(self, interruption: Interruption | None) -> Callable[[int], None]:
        """Return what work is to call at every step: it raises as soon as the work is to end."""

        def progress(done: int) -> None:
            self._raise_if_stopped()
            if interruption is not None:
                interruption.check(done)

        return progress

    def _raise_if_stopped(self) -> None:
        if self._stopping.is_set():
            raise StoppedError


def _season(freq: str) -> Season:
    try:
        return season_of(freq)
    except ValueError as error:
        raise UnknownFrequencyError(str(error)) from error


def _split(series: Series) -> list[Floats]:
    """Split the packed values into one array for each series."""
    return np.split(np.asarray(series.y, dtype=np.float64), np.cumsum(series.sizes)[:-1])


def _seed(series: Sequence[Floats]) -> int:
    """Derive a seed from the series, so that the same request trains the same model."""
    digest = hashlib.sha256(np.array([len(values) for values in series]).tobytes())
    for values in series:
        digest.update(values.tobytes())
    return int.from_bytes(digest.digest()[:_SEED_BYTES], "big")
