"""The service without a frame: one object for all that it does, and the one that a process uses by default."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import ClassVar, Self, TypeVar, overload
from uuid import uuid4

import numpy.typing as npt
from pydantic import SecretStr

from nixtla_accessor.api.asking import Call, ask, read
from nixtla_accessor.api.backtesting import AnomalyResult, CrossValidationResult, cross_validate, detect_anomalies
from nixtla_accessor.api.chunked_training import Chain
from nixtla_accessor.api.default import DefaultClient
from nixtla_accessor.api.exchange import Answer
from nixtla_accessor.api.forecasting import ForecastResult, forecast_in_parts
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
    check_model_id,
    check_series,
    check_text,
    check_timeout,
)
from nixtla_accessor.api.retry import Pacing
from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    CrossValidationInput,
    FinetunedModel,
    FinetunedModels,
    FinetuneInput,
    ForecastInput,
    ModelParameters,
    ModelParametersOutput,
    Series,
    WireModel,
)
from nixtla_accessor.api.settings import Settings, conceal, resolve_settings
from nixtla_accessor.api.training import FinetuneResult, Training, model_path
from nixtla_accessor.api.transport import Transport
from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.errors import AuthenticationError, PermissionDeniedError

__all__ = [
    "Client",
    "FinetuneResult",
    "FinetunedModel",
    "ForecastResult",
    "ModelParameters",
    "connect",
    "default_client",
]

AnswerT = TypeVar("AnswerT", bound=WireModel)


class Client:
    """The service, for arrays.

    One client keeps its connections open; it may be used from many threads and in forked workers. Its pickle holds
    the settings without the key, which is taken from the environment where the pickle is read.

    Parameters
    ----------
    api_key : str, optional
        The key; ``NIXTLA_API_KEY`` by default.
    base_url : str, optional
        The service's address, or ``"local"`` for the embedded engine; ``NIXTLA_BASE_URL`` by default, then
        ``https://api.nixtla.io``.
    timeout : float or tuple of float
        Seconds to connect, and seconds to wait for an answer once the request is out; one number is the latter.
    progress : bool, optional
        Whether to show a progress bar; by default in terminals and notebooks.
    max_request_bytes : int, optional
        The largest request, in bytes of JSON; by default 200 MiB, and no limit for the embedded engine. A larger one
        is refused before it is sent; `finetune` splits one that it is given a ``max_request`` for.

    Raises
    ------
    ConfigurationError
        There is no key, the address cannot be used, or the local engine is not installed.
    InvalidArgumentError
        An argument has a wrong type or value.

    Examples
    --------
    >>> with Client(base_url="local") as client:
    ...     tuned = client.finetune(np.arange(36), [36], "MS", output_model_id="trend", overwrite=True)
    ...     len(client.forecast(np.arange(36), [36], "MS", 12, finetuned_model_id="trend").mean)
    12
    """

    pacing: ClassVar[Pacing] = Pacing()
    """How often and how fast requests are tried again."""

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        *,
        timeout: Timeout = (10, 600),
        progress: bool | None = None,
        max_request_bytes: int | None = None,
    ) -> None:
        api_key = conceal(api_key)  # so that no traceback that prints variables shows it
        self._use(
            resolve_settings(api_key, base_url, timeout=timeout, progress=progress, max_request_bytes=max_request_bytes)
        )

    def _use(self, settings: Settings) -> None:
        """Start with settings that are resolved."""
        self._settings = settings
        self._transport = Transport(settings)
        self._model_parameters: dict[tuple[str, str], ModelParameters] = {}

    @property
    def settings(self) -> Settings:
        """Where the service is, and what it is asked with."""
        return self._settings

    @property
    def origin(self) -> str:
        """The service's scheme and host; ``"local"`` for the embedded engine."""
        return self._settings.origin

    def finetune(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        *,
        model: str = DEFAULT_MODEL,
        finetune_steps: int = 10,
        finetune_loss: str = "default",
        finetune_depth: int = 1,
        output_model_id: str | None = None,
        finetuned_model_id: str | None = None,
        overwrite: bool = False,
        max_request: int | str | None = None,
        timeout: Timeout | None = None,
    ) -> FinetuneResult:
        """Fine-tune a model to the series, and save it for later use (``POST /v2/finetune``).

        One call makes one model, or says exactly what is known of it.

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
            The fine-tuned model to go on from; the base model by default.
        overwrite : bool
            Whether a model that has the id already is replaced; it is deleted first.
        max_request : int or str, optional
            Send series that make a larger request in several, one after the other: bytes of JSON, or text such as
            ``"200MiB"`` or ``"50 MB"``. No request is larger than the client's ``max_request_bytes`` either. By
            default, series that are too large are refused.
        timeout : float or tuple of float, optional
            Seconds to connect, and seconds to wait for the model once the series are sent; one number is the latter.
            Of several requests, each has them.

        Returns
        -------
        FinetuneResult

        Raises
        ------
        InvalidArgumentError
            An argument has a wrong type or value, the series are too large, or make more requests than there are
            steps; nothing was sent.
        OversizedSeriesError
            A series alone is larger than ``max_request``; an `InvalidArgumentError` that has its position.
        ModelExistsError
            There is a model with this id already; nothing was trained.
        ApiError
            The service refused.
        TransportError, ResponseError
            The service could not be reached, or gave no answer that can be read.
        OutcomeUnknownError
            The model may still be trained; the error has its id.
        KeyboardInterrupt
            Its message says whether the model may still be trained, and how to attach it.

        Warns
        -----
        TimeGPTWarning
            The model is trained, and models of ``max_request`` that only led to it could not be deleted.

        Notes
        -----
        With ``max_request``, the series are cut, in their order and none in two, into as few requests as possible of
        about equal size. Each trains the model that the one before has made. That is not the same as one request with
        all series: the steps are shared out by the number of values, at least one to each; an optimiser's schedule
        starts anew with each request; a step sees the series of its own request only; and what came last weighs
        most, since it is learnt last. More steps, and fewer requests, make the difference smaller.

        The models in between have random ids, and each is deleted once the next is there, or when the call fails or
        is interrupted. Tokens are those of all requests. A model that is to be replaced is deleted before the last.

        Examples
        --------
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
        level: Sequence[float] | None = None,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
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
        level : list of float, optional
            Levels of prediction intervals, in percent, from 0 to below 100.
        model : str
            The base model; with a fine-tuned one, that which it was made from.
        finetuned_model_id : str, optional
            The fine-tuned model; the base model by default.
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
            The service could not be reached, or gave no answer that can be read.
        """
        options = check_forecast_options(h=h, level=level, model=model, finetuned_model_id=finetuned_model_id)
        return self.ask(options, check_series(y, sizes), check_text("freq", freq), timeout=timeout)

    def cross_validation(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        h: int,
        *,
        n_windows: int = 1,
        step_size: int | None = None,
        level: Sequence[float] | None = None,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        timeout: Timeout | None = None,
    ) -> CrossValidationResult:
        """Forecast windows at the end of every series, each from what came before it (``POST /v2/cross_validation``).

        Parameters
        ----------
        y, sizes, freq, level, model, finetuned_model_id, timeout
            As of `forecast`.
        h : int
            The steps of a window.
        n_windows : int
            How many windows of each series.
        step_size : int, optional
            Steps from one window to the next; by default the horizon.

        Returns
        -------
        CrossValidationResult

        Raises
        ------
        InvalidArgumentError, ApiError, TransportError, ResponseError
            As of `forecast`.
        """
        options = check_cross_validation_options(
            h=h,
            n_windows=n_windows,
            step_size=step_size,
            level=level,
            model=model,
            finetuned_model_id=finetuned_model_id,
        )
        return self.ask(options, check_series(y, sizes), check_text("freq", freq), timeout=timeout)

    def detect_anomalies(
        self,
        y: npt.ArrayLike,
        sizes: npt.ArrayLike,
        freq: str,
        *,
        level: float = 99,
        model: str = DEFAULT_MODEL,
        finetuned_model_id: str | None = None,
        timeout: Timeout | None = None,
    ) -> AnomalyResult:
        """Find the values of the past that lie outside the interval of their forecast (``POST /v2/anomaly_detection``).

        Parameters
        ----------
        y, sizes, freq, model, finetuned_model_id, timeout
            As of `forecast`.
        level : float
            The level of the interval that a usual value lies in, in percent, from 0 to below 100.

        Returns
        -------
        AnomalyResult

        Raises
        ------
        InvalidArgumentError, ApiError, TransportError, ResponseError
            As of `forecast`.
        """
        options = check_anomaly_options(level=level, model=model, finetuned_model_id=finetuned_model_id)
        return self.ask(options, check_series(y, sizes), check_text("freq", freq), timeout=timeout)

    def train(
        self, options: FinetuneOptions, series: Series, freq: str, *, timeout: Timeout | None = None
    ) -> FinetuneResult:
        """Fine-tune with arguments and series that are checked already; else as `finetune`."""
        model_id = options.output_model_id or str(uuid4())
        request = FinetuneInput(
            series=series,
            freq=freq,
            model=options.model,
            finetune_steps=options.finetune_steps,
            finetune_loss=options.finetune_loss,
            finetune_depth=options.finetune_depth,
            output_model_id=model_id,
            finetuned_model_id=options.finetuned_model_id,
        )
        with self._call(timeout) as call:
            if options.max_request is None:
                training: Training | Chain = Training(call, request, model_id)
            else:
                training = Chain(call, request, model_id, options.max_request)
            return training.run(make_way=options.output_model_id is not None, overwrite=options.overwrite)

    @overload
    def ask(
        self, options: ForecastOptions, series: Series, freq: str, *, timeout: Timeout | None = None
    ) -> ForecastResult: ...
    @overload
    def ask(
        self, options: CrossValidationOptions, series: Series, freq: str, *, timeout: Timeout | None = None
    ) -> CrossValidationResult: ...
    @overload
    def ask(
        self, options: AnomalyOptions, series: Series, freq: str, *, timeout: Timeout | None = None
    ) -> AnomalyResult: ...
    def ask(
        self,
        options: ForecastOptions | CrossValidationOptions | AnomalyOptions,
        series: Series,
        freq: str,
        *,
        timeout: Timeout | None = None,
    ) -> ForecastResult | CrossValidationResult | AnomalyResult:
        """Forecast, cross-validate or detect anomalies with arguments and series that are checked already."""
        with self._call(timeout) as call:
            match options:
                case ForecastOptions():
                    return forecast_in_parts(
                        call,
                        ForecastInput(
                            series=series,
                            freq=freq,
                            h=options.h,
                            model=options.model,
                            level=None if options.level is None else list(options.level),
                            finetuned_model_id=options.finetuned_model_id,
                        ),
                    )
                case CrossValidationOptions():
                    return cross_validate(
                        call,
                        CrossValidationInput(
                            series=series,
                            freq=freq,
                            h=options.h,
                            n_windows=options.n_windows,
                            step_size=options.step_size,
                            model=options.model,
                            level=None if options.level is None else list(options.level),
                            finetuned_model_id=options.finetuned_model_id,
                        ),
                    )
                case AnomalyOptions():
                    return detect_anomalies(
                        call,
                        AnomalyDetectionInput(
                            series=series,
                            freq=freq,
                            level=float(options.level),
                            model=options.model,
                            finetuned_model_id=options.finetuned_model_id,
                        ),
                    )

    def finetuned_models(self) -> list[FinetunedModel]:
        """List the fine-tuned models of the account (``GET /v2/finetuned_models``)."""
        return self._get("/v2/finetuned_models", FinetunedModels).finetuned_models

    def finetuned_model(self, finetuned_model_id: str) -> FinetunedModel:
        """Tell what is known of a fine-tuned model (``GET /v2/finetuned_models/{id}``).

        Raises
        ------
        NotFoundError
            There is none of this id.
        """
        check_model_id("finetuned_model_id", finetuned_model_id)
        return self._get(model_path(finetuned_model_id), FinetunedModel, about=finetuned_model_id)

    def delete_finetuned_model(self, finetuned_model_id: str) -> None:
        """Delete a fine-tuned model for good (``DELETE /v2/finetuned_models/{id}``).

        Raises
        ------
        NotFoundError
            There is none of this id.
        """
        check_model_id("finetuned_model_id", finetuned_model_id)
        self._ask("DELETE", model_path(finetuned_model_id), about=finetuned_model_id)

    def model_parameters(self, model: str, freq: str) -> ModelParameters:
        """Tell how many steps a model reads and forecasts at a frequency (``GET /model_params``, once for each)."""
        known = self._model_parameters.get((model, freq))
        if known is None:
            parameters = {"model": check_text("model", model), "freq": check_text("freq", freq)}
            known = self._get("/model_params", ModelParametersOutput, parameters=parameters).detail
            self._model_parameters[model, freq] = known
        return known

    def validate_api_key(self) -> bool:
        """Tell whether the service accepts the key (``GET /validate_api_key``)."""
        try:
            self._ask("GET", "/validate_api_key")
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
        if not hasattr(self, "_transport"):  # as in a traceback that prints variables
            return f"{type(self).__name__}(…)"
        return f"{type(self).__name__}({self.origin!r}{', closed' if self.is_closed else ''})"

    def __reduce__(self) -> tuple[Callable[..., Client], tuple[object, ...]]:
        return _client_from_settings, (type(self), self._settings)

    @contextmanager
    def _call(self, timeout: Timeout | None = None) -> Iterator[Call]:
        """Give a call what it goes by."""
        seconds = check_timeout(timeout, self._settings.timeout)
        with ProgressDisplay(shown=self._settings.progress) as display:
            yield Call(self._transport, self.pacing, seconds, self._settings.max_request_bytes, display)

    def _ask(
        self, method: str, path: str, *, parameters: Mapping[str, str] | None = None, about: str | None = None
    ) -> Answer:
        """Ask for what the service need not work on."""
        with self._call() as call:
            return ask(call.prompt(), method, path, parameters=parameters, about=about)

    def _get(
        self,
        path: str,
        expected: type[AnswerT],
        *,
        parameters: Mapping[str, str] | None = None,
        about: str | None = None,
    ) -> AnswerT:
        """Get what a path names."""
        answer = self._ask("GET", path, parameters=parameters, about=about)
        return read(answer, expected, self._transport.where)


_DEFAULT: DefaultClient[Client] = DefaultClient()


def connect(
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    *,
    timeout: Timeout = (10, 600),
    progress: bool | None = None,
    max_request_bytes: int | None = None,
) -> Client:
    """Choose the service that this process uses by default; in a ``with`` statement, for as long as that lasts.

    Parameters
    ----------
    api_key, base_url, timeout, progress, max_request_bytes
        As of `Client`.

    Returns
    -------
    Client
        Left as a context manager, it closes and puts the former default back.

    Raises
    ------
    ConfigurationError
        There is no key, the address cannot be used, or the local engine is not installed.
    InvalidArgumentError
        An argument has a wrong type or value.

    Examples
    --------
    >>> with connect(base_url="local") as client:
    ...     client.origin
    'local'
    """
    api_key = conceal(api_key)
    client = Client(api_key, base_url, timeout=timeout, progress=progress, max_request_bytes=max_request_bytes)
    _DEFAULT.connect(client)
    return client


def default_client() -> Client:
    """Return the connected client, else one made from the environment, which is kept.

    Raises
    ------
    ConfigurationError
        None is connected, and the environment has no key.
    """
    return _DEFAULT.get(Client)


def _client_from_settings(kind: type[Client], settings: Settings) -> Client:
    """Rebuild a client from its settings, which have found the key of this process."""
    client = kind.__new__(kind)
    client._use(settings)
    return client
