"""The service without a frame: the client, and the one that a process uses by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, overload
from uuid import uuid4

import numpy.typing as npt
from pydantic import SecretStr

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.adaptation import check_adaptation
from nixtla_accessor.api.asking import ask
from nixtla_accessor.api.checks import check_model_id, check_seconds, check_text, check_timeout
from nixtla_accessor.api.chunked_training import ChunkedTraining
from nixtla_accessor.api.default_client import DefaultClient
from nixtla_accessor.api.explain import interrupted_wait_text
from nixtla_accessor.api.features import check_features, check_positions
from nixtla_accessor.api.job_schema import Job
from nixtla_accessor.api.jobs import Progress, list_jobs, look_at_training, wait_for_training
from nixtla_accessor.api.online_anomalies import OnlineAnomalyOptions, check_online_anomaly_options
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.requests import (
    AnomalyOptions,
    CrossValidationOptions,
    FinetuneOptions,
    ForecastOptions,
    Timeout,
    check_anomaly_options,
    check_cross_validation_options,
    check_finetune_options,
    check_forecast_options,
    check_series,
)
from nixtla_accessor.api.results import AnomalyResult, CrossValidationResult, FinetuneResult, ForecastResult
from nixtla_accessor.api.retry import Pacing
from nixtla_accessor.api.schema import (
    FinetunedModel,
    ModelParameters,
    Series,
    SeriesWithFutureExogenous,
)
from nixtla_accessor.api.sending import RequestContext, send_quickly
from nixtla_accessor.api.settings import Settings, conceal, resolve_settings
from nixtla_accessor.api.simulation import SimulationOptions, SimulationResult, check_simulation_options
from nixtla_accessor.api.training import Training
from nixtla_accessor.api.transport import Transport
from nixtla_accessor.contract import (
    DEFAULT_FINETUNE_DEPTH,
    DEFAULT_FINETUNE_LOSS,
    DEFAULT_FINETUNE_STEPS,
    DEFAULT_LEVEL,
    DEFAULT_MODEL,
)
from nixtla_accessor.errors import (
    AuthenticationError,
    ConflictError,
    FinetuneInterrupted,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from nixtla_accessor.markup import describe
from nixtla_accessor.tracebacks import short_traceback, short_tracebacks

__all__ = [
    "AnomalyResult",
    "Client",
    "CrossValidationResult",
    "FinetuneResult",
    "FinetunedModel",
    "ForecastResult",
    "Job",
    "ModelParameters",
    "Progress",
    "SimulationResult",
    "chosen_client",
    "connect",
    "default_client",
]

ResultT = TypeVar("ResultT")


@short_tracebacks
class Client:
    """The service, for arrays.

    A client keeps its connections open; many threads and forked workers may use it. It opens the first at the first
    call, which also starts the local engine where that is the service. Its pickle holds the settings without the
    key, which is taken from the environment where the pickle is read.

    Parameters
    ----------
    api_key : str, optional
        The key; ``NIXTLA_API_KEY`` by default. An address, or ``"local"``, is refused.
    base_url : str, optional
        The service's address, or ``"local"`` for the local engine; ``NIXTLA_BASE_URL`` by default, then
        ``https://api.nixtla.io``.
    timeout : float or tuple of float
        Seconds to connect, and seconds to wait for an answer once the request is sent; one number is the latter.
    progress : bool, optional
        Whether to show a progress bar; by default in terminals and notebooks.
    max_request_bytes : int, optional
        The largest request, in bytes of JSON; by default 200 MiB, and no limit for the local engine. A larger one
        is refused before it is sent, unless `finetune` splits it (see its ``max_request``).

    Raises
    ------
    ConfigurationError
        There is no key, it is an address, the address cannot be used, or the local engine is not installed.
    InvalidArgumentError
        An argument has a wrong type or value.

    Examples
    --------
    >>> import numpy as np
    >>> with Client(base_url="local") as client:
    ...     tuned = client.finetune(np.arange(36), [36], "MS", output_model_id="trend", overwrite=True)
    ...     len(client.forecast(np.arange(36), [36], "MS", 12, finetuned_model_id="trend").mean)
    12
    """

    pacing: ClassVar[Pacing] = Pacing()
    """The limits on retries and look-ups."""

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        timeout: Timeout = (10, 600),
        progress: bool | None = None,
        max_request_bytes: int | None = None,
    ) -> None:
        api_key = conceal(api_key)  # so that no traceback that prints variables shows it
        self._use(
            resolve_settings(api_key, base_url, timeout=timeout, progress=progress, max_request_bytes=max_request_bytes)
        )

    def _use(self, settings: Settings) -> None:
        """Initialise the client with resolved settings; nothing is opened yet."""
        self._settings = settings
        self._transport = Transport(settings)
        self._model_parameters: dict[tuple[str, str], ModelParameters] = {}

    @property
    def settings(self) -> Settings:
        """Where the service is, the key for it, and the limits on a call."""
        return self._settings

    @property
    def origin(self) -> str:
        """The service's scheme and host; ``"local"`` for the local engine."""
        return self._settings.origin

    def finetune(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        *,
        model: str = DEFAULT_MODEL,
        finetune_steps: int = DEFAULT_FINETUNE_STEPS,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        output_model_id: str | None = None,
        finetuned_model_id: str | None = None,
        overwrite: bool = False,
        max_request: int | str | None = None,
        timeout: Timeout | None = None,
    ) -> FinetuneResult:
        """Fine-tune a model to the series, and save it for later use (``POST /v2/finetune``).

        One call makes one model, or raises an error that says exactly what is known of it. A request is sent again only
        where the first cannot be at work; otherwise the model is looked up, for as long as `timeout` allows and ten
        seconds more.

        Parameters
        ----------
        y : array of shape (n_obs,)
            The values of all series, one after the other, oldest first; NaN is a missing value.
        sizes : array of shape (n_series,)
            The number of values of each series.
        freq : str
            The frequency as the service names it: ``"D"``, ``"H"``, ``"MS"``…
        model : str
            The base model.
        finetune_steps : int
            Optimiser steps, above 0.
        finetune_loss : str
            ``"default"``, ``"mae"``, ``"mse"``, ``"rmse"``, ``"mape"``, ``"smape"`` or ``"poisson"``.
        finetune_depth : int
            From 1, a little of the model, to 5, all of it.
        output_model_id : str, optional
            The id that the model gets; a random one by default.
        finetuned_model_id : str, optional
            The fine-tuned model to start from; the base model by default.
        overwrite : bool
            Whether to replace an existing model of this id. It is deleted before the new one is trained, since the API
            cannot train under an id that is taken; if the training fails, there is no model of this id.
        max_request : int or str, optional
            The largest request: bytes of JSON, or text such as ``"200MiB"`` or ``"50 MB"``. Series that make a
            larger one are sent in several, one after the other. The client's ``max_request_bytes`` holds as well. By
            default, series that are too large are refused.
        timeout : float or tuple of float, optional
            Seconds to connect, and seconds to wait for the model once the series are sent; one number is the latter.
            They apply to each of several requests.

        Returns
        -------
        FinetuneResult

        Raises
        ------
        InvalidArgumentError
            An argument has a wrong type or value, the series are too large, or there are more requests than steps;
            nothing was sent.
        OversizedSeriesError
            A series alone is larger than ``max_request``; an `InvalidArgumentError` that has its position.
        ModelExistsError
            A model of this id exists already; nothing was trained.
        ApiError
            The service refused.
        TransportError, ResponseError
            The service could not be reached, or its answer cannot be read.
        OutcomeUnknownError
            The model may still be trained; the error has its id. Look for it, with `finetuned_model`, before you call
            again.
        FinetuneInterrupted
            Ctrl-C; a `KeyboardInterrupt` whose message says whether the model may still be trained, and how to attach
            it.

        Warns
        -----
        TimeGPTWarning
            The service has given the model another id than ``output_model_id``; or intermediate models of
            ``max_request`` could not be deleted.

        Notes
        -----
        With ``max_request``, the series are divided, in their order and none in two, among as few requests as possible
        of about equal size. Each starts from the model that the one before has made. That is not the same as one
        request with all series: the steps are divided by the number of values, at least one for each request; the
        optimiser's schedule starts anew with each request; a step sees only the series of its own request; and the
        last series weigh most, since they are learnt last. More steps, and fewer requests, make the difference smaller.

        The intermediate models have random ids. Each is deleted once the next exists, or when the call fails or is
        interrupted. Tokens are those of all requests. A model that is to be replaced is deleted before the last.

        Examples
        --------
        >>> import numpy as np
        >>> with Client(base_url="local", progress=False) as client:
        ...     tuned = client.finetune(np.arange(3000), [1000] * 3, "D", finetune_steps=9, max_request="8kB")
        ...     tuned.input_tokens
        3000
        """
        options = check_finetune_options(
            model=model,
            finetune_steps=finetune_steps,
            finetune_loss=finetune_loss,
            finetune_depth=finetune_depth,
            output_model_id=output_model_id,
            finetuned_model_id=finetuned_model_id,
            overwrite=overwrite,
            max_request=max_request,
        )
        return self.train(options, check_series(y, sizes), check_text("freq", freq), timeout=timeout)

    def forecast(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        h: int,
        *,
        X: Sequence[npt.ArrayLike] | None = None,
        X_future: Sequence[npt.ArrayLike] | None = None,
        categorical_exog: Sequence[int] | None = None,
        feature_contributions: bool = False,
        level: Sequence[float] | None = None,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        finetune_steps: int = 0,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
    ) -> ForecastResult:
        """Forecast every series (``POST /v2/forecast``).

        Parameters
        ----------
        y : array of shape (n_obs,)
            The values of all series, one after the other, oldest first; NaN is a missing value.
        sizes : array of shape (n_series,)
            The number of values of each series.
        freq : str
            The frequency as the service names it.
        h : int
            The horizon: steps into the future, above 0.
        X : list of arrays of shape (n_obs,), optional
            The features that explain the series, one array each, as long as ``y``; NaN is a missing value.
        X_future : list of arrays of shape (n_series * h,), optional
            The future of the first features of ``X``, series by series; the others are known of the past only.
        categorical_exog : list of int, optional
            The positions of the features of ``X`` that are categories, text or numbers; None is a missing one.
        feature_contributions : bool
            Whether to ask what each feature contributes to the forecast.
        level : list of float, optional
            Levels of prediction intervals, in percent, from 0 to below 100: ``[80]``. One between 0 and 1, such as
            ``[0.8]``, is refused.
        model : str
            The base model; with a fine-tuned model, the one that it was trained from.
        finetuned_model_id : str, optional
            The fine-tuned model; the base model by default.
        finetune_steps : int
            Steps to fine-tune that model for this call alone; it is not kept.
        finetune_loss, finetune_depth
            How, as of `finetune`.
        multivariate : bool
            Whether all series are forecast together, by models that can.
        model_parameters : dict, optional
            Parameters of the model itself, for models that have some.
        timeout : float or tuple of float, optional
            Seconds to connect, and seconds to wait for the answer once the series are sent; one number is the latter.

        Returns
        -------
        ForecastResult

        Raises
        ------
        InvalidArgumentError
            An argument has a wrong type or value, or the series are too large; nothing was sent.
        ApiError
            The service refused.
        TransportError, ResponseError
            The service could not be reached, or its answer cannot be read.
        """
        adaptation = check_adaptation(
            finetune_steps=finetune_steps,
            finetune_loss=finetune_loss,
            finetune_depth=finetune_depth,
            multivariate=multivariate,
            model_parameters=model_parameters,
        )
        options = check_forecast_options(
            h=h,
            level=level,
            model=model,
            finetuned_model_id=finetuned_model_id,
            feature_contributions=feature_contributions,
            adaptation=adaptation,
        )
        series = check_features(
            check_series(y, sizes), X=X, X_future=X_future, categorical_exog=categorical_exog, h=options.h
        )
        if options.feature_contributions and not series.X:
            raise InvalidArgumentError(
                "feature_contributions=True tells what each feature of X contributes; there is none. Give X, or leave "
                "feature_contributions out."
            )
        return self.ask(options, series, check_text("freq", freq), timeout=timeout)

    def cross_validation(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        h: int,
        *,
        n_windows: int = 1,
        step_size: int | None = None,
        X: Sequence[npt.ArrayLike] | None = None,
        hist_exog: Sequence[int] | None = None,
        categorical_exog: Sequence[int] | None = None,
        level: Sequence[float] | None = None,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        finetune_steps: int = 0,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        refit: bool = True,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
    ) -> CrossValidationResult:
        """Forecast windows at the end of every series, each from its past (``POST /v2/cross_validation``).

        Parameters
        ----------
        y, sizes, freq, X, categorical_exog, level, model, finetuned_model_id, timeout
            As of `forecast`.
        finetune_steps, finetune_loss, finetune_depth, multivariate, model_parameters
            As of `forecast`.
        hist_exog : list of int, optional
            The positions of the features of ``X`` that are known of the past only; the others are known ahead.
        h : int
            The horizon of a window, in steps.
        n_windows : int
            The number of windows of each series.
        step_size : int, optional
            Steps from one window to the next; by default the horizon.
        refit : bool
            Whether to fine-tune for each window, rather than for the first only.

        Returns
        -------
        CrossValidationResult

        Raises
        ------
        InvalidArgumentError, ApiError, TransportError, ResponseError
            As of `forecast`.
        """
        adaptation = check_adaptation(
            finetune_steps=finetune_steps,
            finetune_loss=finetune_loss,
            finetune_depth=finetune_depth,
            multivariate=multivariate,
            model_parameters=model_parameters,
        )
        options = check_cross_validation_options(
            h=h,
            n_windows=n_windows,
            step_size=step_size,
            level=level,
            model=model,
            finetuned_model_id=finetuned_model_id,
            refit=refit,
            adaptation=adaptation,
        )
        series = check_features(check_series(y, sizes), X=X, categorical_exog=categorical_exog)
        options = replace(options, hist_exog=check_positions("hist_exog", hist_exog, len(series.X or ())))
        return self.ask(options, series, check_text("freq", freq), timeout=timeout)

    def detect_anomalies(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        *,
        X: Sequence[npt.ArrayLike] | None = None,
        hist_exog: Sequence[int] | None = None,
        categorical_exog: Sequence[int] | None = None,
        level: float = DEFAULT_LEVEL,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
    ) -> AnomalyResult:
        """Find past values outside the interval of their forecast (``POST /v2/anomaly_detection``).

        Parameters
        ----------
        y, sizes, freq, X, hist_exog, categorical_exog, model, finetuned_model_id, timeout
            As of `cross_validation`.
        multivariate, model_parameters
            As of `forecast`.
        level : float
            The level of the interval that a normal value lies in, in percent, from 0 to below 100; one between 0 and 1
            is refused.

        Returns
        -------
        AnomalyResult

        Raises
        ------
        InvalidArgumentError, ApiError, TransportError, ResponseError
            As of `forecast`.
        """
        adaptation = check_adaptation(multivariate=multivariate, model_parameters=model_parameters)
        options = check_anomaly_options(
            level=level, model=model, finetuned_model_id=finetuned_model_id, adaptation=adaptation
        )
        series = check_features(check_series(y, sizes), X=X, categorical_exog=categorical_exog)
        options = replace(options, hist_exog=check_positions("hist_exog", hist_exog, len(series.X or ())))
        return self.ask(options, series, check_text("freq", freq), timeout=timeout)

    def detect_online_anomalies(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        h: int,
        detection_size: int,
        *,
        step_size: int | None = None,
        threshold_method: str = "univariate",
        X: Sequence[npt.ArrayLike] | None = None,
        hist_exog: Sequence[int] | None = None,
        categorical_exog: Sequence[int] | None = None,
        level: float = DEFAULT_LEVEL,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        finetune_steps: int = 0,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        refit: bool = False,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        timeout: Timeout | None = None,
    ) -> AnomalyResult:
        """Judge the last values of each series by the errors before them (``POST /v2/online_anomaly_detection``).

        Parameters
        ----------
        y, sizes, freq, X, hist_exog, categorical_exog, level, model, finetuned_model_id, timeout
            As of `detect_anomalies`.
        finetune_steps, finetune_loss, finetune_depth, multivariate, model_parameters
            As of `forecast`.
        h : int
            The steps of the windows that are forecast.
        detection_size : int
            How many values at the end of each series are examined.
        step_size : int, optional
            Steps from one window to the next; by default the horizon.
        refit : bool
            Whether to fine-tune for each window, rather than for the first only.
        threshold_method : {"univariate", "multivariate"}
            Whether each series is judged by itself, or all together, at each step.

        Returns
        -------
        AnomalyResult
            With the scores; the accumulated ones where all are judged together.

        Raises
        ------
        InvalidArgumentError, ApiError, TransportError, ResponseError
            As of `forecast`.
        """
        adaptation = check_adaptation(
            finetune_steps=finetune_steps,
            finetune_loss=finetune_loss,
            finetune_depth=finetune_depth,
            multivariate=multivariate,
            model_parameters=model_parameters,
        )
        options = check_online_anomaly_options(
            detection_size=detection_size,
            h=h,
            step_size=step_size,
            threshold_method=threshold_method,
            level=level,
            model=model,
            finetuned_model_id=finetuned_model_id,
            refit=refit,
            adaptation=adaptation,
        )
        series = check_features(check_series(y, sizes), X=X, categorical_exog=categorical_exog)
        options = replace(options, hist_exog=check_positions("hist_exog", hist_exog, len(series.X or ())))
        return self.ask(options, series, check_text("freq", freq), timeout=timeout)

    def simulate(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        h: int,
        *,
        n_paths: int = 100,
        seed: int | None = None,
        quantiles: Sequence[float] | None = None,
        X: Sequence[npt.ArrayLike] | None = None,
        X_future: Sequence[npt.ArrayLike] | None = None,
        categorical_exog: Sequence[int] | None = None,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        timeout: Timeout | None = None,
    ) -> SimulationResult:
        """Draw paths of every series (``POST /v2/simulate/async``, and polling).

        Parameters
        ----------
        y, sizes, freq, X, X_future, categorical_exog, model, finetuned_model_id
            As of `forecast`.
        h : int
            The steps of a path.
        n_paths : int
            The paths of each series, at most 10,000.
        seed : int, optional
            The same seed gives the same paths; by default they are others each time.
        quantiles : list of float, optional
            What the distribution at each step is refined by: 2 to 200 numbers between 0 and 1.
        timeout : float or tuple of float, optional
            Seconds to connect, and seconds to wait for the paths once the series are sent; one number is the latter.

        Returns
        -------
        SimulationResult

        Raises
        ------
        InvalidArgumentError, ApiError, TransportError, ResponseError
            As of `forecast`.
        """
        options = check_simulation_options(
            h=h, n_paths=n_paths, seed=seed, quantiles=quantiles, model=model, finetuned_model_id=finetuned_model_id
        )
        series = check_features(
            check_series(y, sizes), X=X, X_future=X_future, categorical_exog=categorical_exog, h=options.h
        )
        return self.ask(options, series, check_text("freq", freq), timeout=timeout)

    def train(
        self, options: FinetuneOptions, series: Series, freq: str, *, timeout: Timeout | None = None, wait: bool = True
    ) -> FinetuneResult:
        """Fine-tune with checked arguments and series; otherwise as `finetune`.

        Without ``wait`` a job trains the model (``POST /v2/finetune/async``), and the result has its id. It is
        submitted at most once, whatever the network does, and ``max_request`` must be None.
        """
        model_id = options.output_model_id or str(uuid4())
        request = options.make_request(series, freq, model_id)
        with self._open_context(timeout) as context:
            if options.max_request is None:
                return Training(context, request, model_id, as_job=not wait).run(options.if_exists)
            return ChunkedTraining(context, request, model_id, options.max_request).run(options.if_exists)

    @overload
    def ask(
        self, options: ForecastOptions, series: SeriesWithFutureExogenous, freq: str, *, timeout: Timeout | None = None
    ) -> ForecastResult: ...
    @overload
    def ask(
        self,
        options: CrossValidationOptions,
        series: SeriesWithFutureExogenous,
        freq: str,
        *,
        timeout: Timeout | None = None,
    ) -> CrossValidationResult: ...
    @overload
    def ask(
        self,
        options: AnomalyOptions | OnlineAnomalyOptions,
        series: SeriesWithFutureExogenous,
        freq: str,
        *,
        timeout: Timeout | None = None,
    ) -> AnomalyResult: ...
    @overload
    def ask(
        self,
        options: SimulationOptions,
        series: SeriesWithFutureExogenous,
        freq: str,
        *,
        timeout: Timeout | None = None,
    ) -> SimulationResult: ...
    def ask(
        self,
        options: ForecastOptions | CrossValidationOptions | AnomalyOptions | OnlineAnomalyOptions | SimulationOptions,
        series: SeriesWithFutureExogenous,
        freq: str,
        *,
        timeout: Timeout | None = None,
    ) -> ForecastResult | CrossValidationResult | AnomalyResult | SimulationResult:
        """Ask about checked series with checked arguments, in several requests where they are many."""
        request = options.make_request(series, freq)
        with self._open_context(timeout) as context:
            return ask(context, request)

    def finetuned_models(self) -> list[FinetunedModel]:
        """List the fine-tuned models of the account (``GET /v2/finetuned_models``)."""
        return self._send(endpoints.finetuned_models()).finetuned_models

    def finetuned_model(self, finetuned_model_id: str) -> FinetunedModel:
        """Return how and when a fine-tuned model was made (``GET /v2/finetuned_models/{id}``).

        Raises
        ------
        NotFoundError
            No model has this id.
        """
        model_id = check_model_id("finetuned_model_id", finetuned_model_id)
        return self._send(endpoints.finetuned_model(model_id))

    def delete_finetuned_model(self, finetuned_model_id: str) -> None:
        """Delete a fine-tuned model for good (``DELETE /v2/finetuned_models/{id}``).

        Raises
        ------
        NotFoundError
            No model has this id.
        """
        model_id = check_model_id("finetuned_model_id", finetuned_model_id)
        self._send(endpoints.delete_finetuned_model(model_id))

    def training_progress(self, finetuned_model_id: str, job_id: str | None) -> Progress:
        """Return how the training of a model stands (``GET /v2/finetune/jobs/{id}``).

        Parameters
        ----------
        finetuned_model_id : str
            The model's id.
        job_id : str or None
            The job that trains it; where there is none, or none any more, the model itself is looked up.
        """
        with self._open_context() as context:
            return look_at_training(context, finetuned_model_id, job_id)

    def wait_for_training(self, finetuned_model_id: str, job_id: str | None, timeout: float | None = None) -> Progress:
        """Wait until the training of a model has ended, or so many seconds are over; return how it stands then.

        Parameters
        ----------
        finetuned_model_id, job_id
            As of `training_progress`.
        timeout : float, optional
            Seconds; by default until the end. It is borne for some minutes that the service cannot be asked.

        Raises
        ------
        FinetuneInterrupted
            Ctrl-C; the training goes on.
        """
        seconds = math.inf if timeout is None else check_seconds("timeout", timeout)
        try:
            with self._open_context() as context:
                return wait_for_training(context, finetuned_model_id, job_id, seconds)
        except KeyboardInterrupt:
            raise FinetuneInterrupted(interrupted_wait_text(finetuned_model_id)) from None

    def cancel_job(self, job_id: str) -> bool:
        """Ask the service to cancel a job (``POST /v2/async/jobs/{id}/cancel``).

        Returns
        -------
        bool
            False where there is nothing to cancel: the job has ended, or there is none. That it is accepted is no
            promise: the job may still succeed.
        """
        try:
            self._send(endpoints.cancel_job(job_id))
        except (NotFoundError, ConflictError):
            return False
        return True

    def jobs(self) -> list[Job]:
        """List the jobs of the account, those that have ended included (``GET /v2/async/jobs``)."""
        with self._open_context() as context:
            return list(list_jobs(context))

    def models(self) -> list[str]:
        """List the names of the base models that the account may use (``GET /v2/models``)."""
        return [model.name for model in self._send(endpoints.models()).models]

    def usage(self) -> dict[str, dict[str, Any]]:
        """Return what the account has used in this minute and month, by the service's names (``GET /usage``)."""
        return self._send(endpoints.usage()).model_dump()

    def model_parameters(self, model: str, freq: str) -> ModelParameters:
        """Return how many steps a model reads and forecasts at a frequency (``GET /model_params``, once for each)."""
        known = self._model_parameters.get((model, freq))
        if known is None:
            call = endpoints.model_parameters(check_text("model", model), check_text("freq", freq))
            known = self._send(call).detail
            self._model_parameters[model, freq] = known
        return known

    def validate_api_key(self) -> bool:
        """Return whether the service accepts the key (``GET /validate_api_key``)."""
        try:
            self._send(endpoints.validate_api_key())
        except (AuthenticationError, PermissionDeniedError):
            return False
        return True

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._transport.is_closed

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._transport.close()

    def __enter__(self) -> Self:
        _DEFAULT.hold(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        _DEFAULT.leave(self)

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # in a traceback that prints variables
            return f"{type(self).__name__}(…)"
        return f"{type(self).__name__}({self.origin!r}{', closed' if self.is_closed else ''})"

    def _repr_html_(self) -> str:
        timeout = "connect {:g} s, answer {:g} s".format(*self._settings.timeout)
        facts = {"service": self.origin, "timeout": timeout, "state": "closed" if self.is_closed else "open"}
        return describe(
            "Client", facts, "Methods of df.timegpt use it as client=…; finetuned_models() lists the models."
        )

    def __reduce__(self) -> tuple[Callable[..., Client], tuple[object, ...]]:
        return _client_from_settings, (type(self), self._settings)

    @contextmanager
    def _open_context(self, timeout: Timeout | None = None) -> Iterator[RequestContext]:
        """Open the context that the requests of one call share."""
        seconds = check_timeout(timeout, self._settings.timeout)
        with ProgressDisplay(shown=self._settings.progress) as display:
            yield RequestContext(self._transport, self.pacing, seconds, self._settings.max_request_bytes, display)

    def _send(self, call: endpoints.Call[ResultT]) -> ResultT:
        """Send a call that needs no work of the service."""
        with self._open_context() as context:
            return send_quickly(context, call)


_DEFAULT: DefaultClient[Client] = DefaultClient()


@short_traceback
def connect(
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    timeout: Timeout = (10, 600),
    progress: bool | None = None,
    max_request_bytes: int | None = None,
) -> Client:
    """Set the service that this process uses by default; in a ``with`` statement, until it ends.

    Parameters
    ----------
    api_key, base_url, timeout, progress, max_request_bytes
        As of `Client`.

    Returns
    -------
    Client
        As a context manager, it closes at the end and restores the previous default.

    Raises
    ------
    ConfigurationError
        There is no key, it is an address, the address cannot be used, or the local engine is not installed.
    InvalidArgumentError
        An argument has a wrong type or value.

    Examples
    --------
    >>> with connect(base_url="local") as client:
    ...     client.origin
    'local'
    """
    api_key = conceal(api_key)
    client = Client(
        api_key=api_key,
        base_url=base_url,
        timeout=timeout,
        progress=progress,
        max_request_bytes=max_request_bytes,
    )
    _DEFAULT.connect(client)
    return client


def default_client() -> Client:
    """Return the connected client, or else one made from the environment, which is kept.

    Raises
    ------
    ConfigurationError
        No client is connected, and the environment has no key.
    """
    return _DEFAULT.get(Client)


def _client_from_settings(kind: type[Client], settings: Settings) -> Client:
    """Rebuild a client from its settings, which have the key of this environment."""
    client = kind.__new__(kind)
    client._use(settings)
    return client


def chosen_client(client: Client | None) -> Client:
    """Return the client that a caller gave, by default the connected one.

    Raises
    ------
    InvalidArgumentError
        The caller gave something else.
    ConfigurationError
        As of `default_client`.
    """
    if client is None:
        return default_client()
    if isinstance(client, Client):
        return client
    raise InvalidArgumentError(
        "client must be a client, such as client=nixtla_accessor.Client(base_url='local'), or None for the connected "
        f"one; got a {type(client).__name__}."
    )
