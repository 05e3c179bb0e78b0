"""Simulations: their checked arguments, how they are asked for, and their answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nixtla_accessor.api.adaptation import AS_IT_IS, Adaptation
from nixtla_accessor.api.checks import check_model_id, check_quantiles, check_text, check_whole_number
from nixtla_accessor.api.encoding import decode
from nixtla_accessor.api.endpoints import Call
from nixtla_accessor.api.exchange import Failure
from nixtla_accessor.api.job_results import result_of_job, submit_job
from nixtla_accessor.api.results import unreadable
from nixtla_accessor.api.schema import SeriesWithFutureExogenous
from nixtla_accessor.api.sending import RequestContext, send
from nixtla_accessor.api.simulation_schema import (
    MAX_PATHS,
    MAX_QUANTILES,
    MAX_SEED,
    MIN_SEED,
    SimulationInput,
    SimulationOutput,
)
from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.errors import InvalidArgumentError, NotFoundError

_TASK = "simulate"


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """The checked arguments of a simulation, in plain Python types.

    Attributes
    ----------
    h, n_paths : int
        The steps of a path, and the paths of each series.
    seed : int
        Of the random numbers.
    quantiles : tuple of float or None
        What the distribution at each step is refined by, ascending.
    model, finetuned_model_id : str
        The base model, and the fine-tuned one or None.
    adaptation : Adaptation
        How the model is adapted for this call; it cannot be fine-tuned.
    """

    h: int
    n_paths: int
    seed: int
    quantiles: tuple[float, ...] | None
    model: str
    finetuned_model_id: str | None
    adaptation: Adaptation = AS_IT_IS

    def make_request(self, series: SeriesWithFutureExogenous, freq: str) -> SimulationInput:
        """Return the request that asks for paths of the series."""
        return SimulationInput.model_construct(
            series=series,
            freq=freq,
            h=self.h,
            n_paths=self.n_paths,
            seed=self.seed,
            quantiles=None if self.quantiles is None else list(self.quantiles),
            model=self.model,
            finetuned_model_id=self.finetuned_model_id,
            multivariate=self.adaptation.multivariate,
        )


@dataclass(frozen=True, slots=True, eq=False)
class SimulationResult:
    """Paths of every series.

    Attributes
    ----------
    paths : ndarray of shape (n_paths, n_series, h), float64
        The values of each path.
    is_coupled : bool
        Whether the paths of a number belong together over the series.
    """

    paths: npt.NDArray[np.float64]
    is_coupled: bool


def check_simulation_options(
    *,
    h: object,
    n_paths: object = 100,
    seed: object = None,
    quantiles: object = None,
    model: object = DEFAULT_MODEL,
    finetuned_model_id: object = None,
    adaptation: Adaptation = AS_IT_IS,
) -> SimulationOptions:
    """Check the arguments of a simulation, except the series; without a seed, one is drawn.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value; the message says what it may be.
    """
    return SimulationOptions(
        h=check_whole_number("h", h, lowest=1),
        n_paths=check_whole_number("n_paths", n_paths, lowest=1, highest=MAX_PATHS),
        seed=secrets.randbits(63)
        if seed is None
        else check_whole_number("seed", seed, lowest=MIN_SEED, highest=MAX_SEED),
        quantiles=None if quantiles is None else _check_refinement(quantiles),
        model=check_text("model", model),
        finetuned_model_id=check_model_id("finetuned_model_id", finetuned_model_id, optional=True),
        adaptation=adaptation,
    )


def simulate(context: RequestContext, request: SimulationInput) -> SimulationResult:
    """Draw paths of every series: by a job of the service, or from a service without such jobs directly.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    ApiError, TransportError, ResponseError
        There are no paths.
    """
    read, model_id = partial(read_simulation, request=request), request.finetuned_model_id
    directly = Call("POST", f"/v2/{_TASK}", read, request=request, activity="simulating", model_id=model_id)
    if context.transport.is_local:
        return send(context, directly)
    try:
        job_id = submit_job(context, _TASK, request, model_id)
    except NotFoundError as error:
        try:
            return send(context, directly)
        except NotFoundError:
            raise error from None
    return result_of_job(context, _TASK, job_id, read)


def read_simulation(content: bytes, request: SimulationInput) -> SimulationResult | Failure:
    """Read the paths; they must be as many, and as long, as were asked for."""
    output = decode(content, SimulationOutput)
    if isinstance(output, Failure):
        return output
    shape = (request.n_paths, len(request.series.sizes), request.h)
    if (output.n_paths, output.h) != (request.n_paths, request.h) or output.sizes != [request.h] * shape[1]:
        return unreadable("other paths than were asked for")
    if len(output.samples) != np.prod(shape):
        return unreadable(f"{len(output.samples):,} values of paths instead of {np.prod(shape):,}")
    return SimulationResult(np.array(output.samples, dtype=np.float64).reshape(shape), output.coupled)


def _check_refinement(value: object) -> tuple[float, ...]:
    """Check for ascending quantiles, as many as the service takes."""
    quantiles = check_quantiles("quantiles", value)
    if not 2 <= len(set(quantiles)) == len(quantiles) <= MAX_QUANTILES:
        raise InvalidArgumentError(
            f"quantiles must be 2 to {MAX_QUANTILES} different numbers above 0 and below 1; got {len(quantiles)}, of "
            f"which {len(set(quantiles))} are different."
        )
    return tuple(sorted(quantiles))
