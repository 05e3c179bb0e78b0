"""What the engine takes on: limits, and checks of a request against them before any work begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.api.schema import Series
from nixtla_accessor.local.service.errors import AnswerTooLongError, LimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that the engine takes on, so that no request keeps it busy for hours or takes all memory.

    A training at the limit takes about half an hour on one core, a forecast about five minutes.

    Attributes
    ----------
    body_bytes : int
        JSON of a request, after inflating.
    body_bytes_beside_values : int
        JSON of a request without the values of ``series.y``, ``X`` and ``X_future``, which are parsed piece by piece.
    body_bytes_in_all : int
        Bytes of all requests that are received or wait at one time.
    series : int
        Series of a request.
    value : float
        The largest value of a series, and the smallest with a minus: beyond, forecasts would leave the range of floats.
    horizon : int
        ``h``.
    windows : int
        ``n_windows``; and stretches of the forecaster's horizon to forecast, over all series and windows.
    step_size : int
        ``step_size``.
    points_to_fill : int
        Points of history to be read again for each window, which is needed for series with missing values.
    covariates : int
        Rows of ``X``.
    covariate_values : int
        Values of ``X``, for each time that effects are estimated from them.
    levels : int
        How many levels in ``level``.
    level : float
        The highest level, in percent; beyond, a quantile could not be told from that of 100.
    answer_numbers : int
        Numbers of an answer; they make some 200 MB of JSON, as large as the largest requests.
    steps : int
        ``finetune_steps``, times the windows that are fine-tuned for.
    refits : int
        Windows of a cross-validation that are fine-tuned for.
    trainings, forecasts : int
        Requests of this kind that are at work or wait.
    jobs : int
        Finished jobs that are kept.
    job_seconds : float
        How long a finished job is kept.
    job_bytes : int
        Bytes of the results that are kept.
    connections : int
        Open connections.
    seconds_without_key : float
        How long a connection stays open until a request with the key has come.
    seconds_without_data : float
        How long the server waits for more of a body, and for a client that reads nothing of its answer.
    """

    body_bytes: int = 2**30
    body_bytes_beside_values: int = 2**25
    body_bytes_in_all: int = 2**31
    series: int = 1_000_000
    value: float = 1e300
    horizon: int = 100_000
    windows: int = 1_000_000
    step_size: int = 1_000_000
    points_to_fill: int = 10**10
    covariates: int = 500
    covariate_values: int = 200_000_000
    levels: int = 100
    level: float = 99.9999
    answer_numbers: int = 10_000_000
    steps: int = 100_000
    refits: int = 1_000
    trainings: int = 16
    forecasts: int = 64
    jobs: int = 1_000
    job_seconds: float = 7 * 86_400.0
    job_bytes: int = 2**30
    connections: int = 512
    seconds_without_key: float = 10.0
    seconds_without_data: float = 60.0

    def check_series(self, series: Series) -> None:
        """Raise `LimitError` if a request has too many series, or too large values."""
        n_series, y = len(series.sizes), series.y
        if n_series > self.series:
            raise LimitError(
                ("body", "series", "sizes"), f"at most {self.series:,} series", f"{n_series:,}", "send fewer at a time"
            )
        if max(np.fmax.reduce(y), -float(np.fmin.reduce(y))) > self.value:
            first = int(np.flatnonzero(abs(y) > self.value)[0])
            raise LimitError(
                ("body", "series", "y", first),
                f"values from {-self.value} to {self.value}",
                f"{y[first]}",
                "rescale them",
            )

    def check_horizon(self, horizon: int) -> None:
        """Raise `LimitError` if ``h`` is too large."""
        _check_at_most(horizon, self.horizon, "h")

    def check_backtest(self, n_windows: int, step_size: int) -> None:
        """Raise `LimitError` if ``n_windows`` or ``step_size`` is too large."""
        _check_at_most(n_windows, self.windows, "n_windows")
        _check_at_most(step_size, self.step_size, "step_size")

    def check_covariates(self, n_covariates: int, n_values: int) -> None:
        """Raise `LimitError` if there are too many covariates, or their effects are too much work to estimate.

        Parameters
        ----------
        n_covariates : int
            Rows of ``X``.
        n_values : int
            Values in each, for each time that their effects are estimated.
        """
        location = ("body", "series", "X")
        if n_covariates > self.covariates:
            raise LimitError(location, f"at most {self.covariates:,} rows", f"{n_covariates:,}", "send fewer features")
        if n_covariates * n_values > self.covariate_values:
            raise LimitError(
                location,
                f"at most {self.covariate_values:,} values, for each time that their effects are estimated",
                f"{n_covariates * n_values:,}",
                "send fewer features or series at a time, or ask for fewer windows",
            )

    def check_levels(self, levels: Sequence[float] | None) -> None:
        """Raise `LimitError` if there are too many levels, or one is too close to 100."""
        if levels is not None and len(levels) > self.levels:
            raise LimitError(("body", "level"), f"at most {self.levels:,} levels", f"{len(levels):,}")
        for nth, level in enumerate(levels or ()):
            self.check_level(level, ("body", "level", nth))

    def check_level(self, level: float, location: tuple[str | int, ...] = ("body", "level")) -> None:
        """Raise `LimitError` if a level is too close to 100."""
        if level > self.level:
            raise LimitError(location, f"a level of at most {self.level}", f"{level}")

    def check_answer(self, n_quantiles: int, n_values: int) -> None:
        """Raise `AnswerTooLongError` if an answer has too many numbers.

        Parameters
        ----------
        n_quantiles : int
            Quantiles of each value.
        n_values : int
            Forecast values.
        """
        if n_quantiles * n_values > self.answer_numbers:
            raise AnswerTooLongError(n_quantiles * n_values, self.answer_numbers)

    def check_forecast(self, n_windows: int, horizon: int, stretch: int) -> None:
        """Raise `LimitError` if a forecast is too much work.

        Parameters
        ----------
        n_windows : int
            Windows to forecast, over all series.
        horizon : int
            Steps of each.
        stretch : int
            Steps that the forecaster forecasts at once.
        """
        n_stretches = n_windows * -(-horizon // stretch)
        if n_stretches > self.windows:
            raise LimitError(
                ("body",),
                f"at most {self.windows:,} stretches of {stretch} steps to forecast, over all series and windows",
                f"{n_stretches:,}",
                "ask for fewer series, windows or steps at a time",
            )

    def check_points_to_fill(self, n_points: int) -> None:
        """Raise `LimitError` if too many points of series with missing values are read again for each window."""
        if n_points > self.points_to_fill:
            raise LimitError(
                ("body", "series"),
                f"at most {self.points_to_fill:,} points before the windows of series with missing values",
                f"{n_points:,}",
                "ask for fewer windows, or fill the gaps",
            )

    def check_training(self, steps: int, n_refits: int = 1) -> None:
        """Raise `LimitError` if a training is too much work.

        Parameters
        ----------
        steps : int
            ``finetune_steps``.
        n_refits : int
            How often the model is trained.
        """
        _check_at_most(n_refits, self.refits, "n_windows", "windows to fine-tune for", "set refit to false")
        if steps * n_refits > self.steps:
            times = f" times {n_refits:,} windows" if n_refits > 1 else ""
            raise LimitError(("body", "finetune_steps"), f"at most {self.steps:,} steps", f"{steps:,}{times}")


LIMITS = Limits()
"""The limits of the engine, as its README lists them."""


def _check_at_most(value: int, limit: int, field: str, noun: str = "", advice: str = "") -> None:
    if value > limit:
        raise LimitError(("body", field), f"at most {limit:,} {noun}".rstrip(), f"{value:,}", advice)
