"""The routes of jobs: submit the work of a synchronous call, ask how it stands, cancel it, list all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Annotated, get_args

import orjson
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from nixtla_accessor.api.job_schema import (
    AnomalyDetectionJobInput,
    CrossValidationJobInput,
    FinetuneJobInput,
    ForecastJobInput,
    Job,
    JobAnswer,
    JobOptions,
    Jobs,
    JobStatus,
    SimulationJobInput,
    SubmittedJob,
)
from nixtla_accessor.contract import JOB_ID_PATTERN
from nixtla_accessor.local.service.arrivals import Arrivals
from nixtla_accessor.local.service.bodies import InflatedRequest
from nixtla_accessor.local.service.documentation import WRONG_VALUE, CancelledJob, errors
from nixtla_accessor.local.service.error_responses import explain_error, refused_value
from nixtla_accessor.local.service.errors import UnknownJobError
from nixtla_accessor.local.service.job_store import StoredJob
from nixtla_accessor.local.service.jobs import JobAtWork, JobInterruption
from nixtla_accessor.local.service.online_anomalies import detect_online_anomalies
from nixtla_accessor.local.service.server import (
    JOB_ERRORS,
    JOBS,
    EngineOfApp,
    EngineRoute,
    WorkersOfApp,
    encode_answer,
    refuse_unsupported,
)
from nixtla_accessor.local.service.simulating import simulate
from nixtla_accessor.local.service.trainings import Training
from nixtla_accessor.local.service.workers import WorkerPools, Workers

_TASKS = ("finetune", "forecast", "cross_validation", "anomaly_detection", "simulate")
_PAGE = 100  # jobs of a list, unless another number is asked for
_LARGEST_PAGE = 1_000

JobIdInPath = Annotated[str, Path(title="Job Id", pattern=JOB_ID_PATTERN)]

router = APIRouter(
    route_class=EngineRoute,
    dependencies=[Depends(HTTPBearer(auto_error=False, description="HTTPBearer"))],
    responses=WRONG_VALUE,
)
_submission = partial(
    router.post, status_code=202, dependencies=[Depends(refuse_unsupported)], responses=errors(*JOB_ERRORS)
)
_watching: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks weakly


@_submission(f"/v2/finetune{JOBS}")
async def submit_finetune(
    request: InflatedRequest, body: FinetuneJobInput, engine: EngineOfApp, workers: WorkersOfApp
) -> SubmittedJob:
    """Fine-tune the network to the series as a job; the model has the id that was asked for."""
    interruption = _make_interruption(engine, body.job_options)
    plan = await workers.lookups.run(partial(engine.plan_training, body, interruption))
    request.state.begun.set_result(None)
    job = JobAtWork(
        "finetune",
        interruption,
        compute=lambda: encode_answer(engine.train(plan)),
        release=partial(engine.drop, plan),
        finetuned_model_id=plan.training.model_id,
        finetune_steps=body.finetune_steps,
        result=encode_answer(plan.output),
    )
    return await _submit(request, job, engine, workers, workers.trainings)


@_submission(f"/v2/forecast{JOBS}")
async def submit_forecast(
    request: InflatedRequest, body: ForecastJobInput, engine: EngineOfApp, workers: WorkersOfApp
) -> SubmittedJob:
    """Forecast every series as a job."""
    job = _job("forecast", partial(engine.forecast, body), engine, body.job_options)
    pool = workers.trainings if body.finetune_steps else workers.forecasts
    return await _submit(request, job, engine, workers, pool)


@_submission(f"/v2/cross_validation{JOBS}")
async def submit_cross_validation(
    request: InflatedRequest, body: CrossValidationJobInput, engine: EngineOfApp, workers: WorkersOfApp
) -> SubmittedJob:
    """Forecast windows of the past as a job."""
    job = _job("cross_validation", partial(engine.cross_validation, body), engine, body.job_options)
    pool = workers.trainings if body.finetune_steps else workers.forecasts
    return await _submit(request, job, engine, workers, pool)


@_submission(f"/v2/anomaly_detection{JOBS}")
async def submit_anomaly_detection(
    request: InflatedRequest, body: AnomalyDetectionJobInput, engine: EngineOfApp, workers: WorkersOfApp
) -> SubmittedJob:
    """Mark unusual values among the last of each series as a job, as the online route does."""
    job = _job("anomaly_detection", partial(detect_online_anomalies, engine, body), engine, body.job_options)
    pool = workers.trainings if body.finetune_steps else workers.forecasts
    return await _submit(request, job, engine, workers, pool)


@_submission(f"/v2/simulate{JOBS}")
async def submit_simulate(
    request: InflatedRequest, body: SimulationJobInput, engine: EngineOfApp, workers: WorkersOfApp
) -> SubmittedJob:
    """Draw paths of each series as a job."""
    job = _job("simulate", partial(simulate, engine, body), engine, body.job_options)
    return await _submit(request, job, engine, workers, workers.forecasts)


@router.post(f"/v2/{{task}}{JOBS}", responses=errors(404), include_in_schema=False)
async def refuse_other_task(task: str) -> None:
    """Say that there are no such jobs."""
    raise HTTPException(404, f"The local engine has no jobs of the task {task!r}; it has {', '.join(_TASKS)}.")


@router.get("/v2/async/jobs", responses=errors(507))
async def list_jobs(
    engine: EngineOfApp,
    workers: WorkersOfApp,
    status: Annotated[list[JobStatus] | None, Query(description="The jobs of these statuses only.")] = None,
    page_size: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = _PAGE,
    page_token: Annotated[str | None, Query(description="The next_page_token of the page before.")] = None,
) -> Jobs:
    """List the jobs, the newest first; among them trainings at work that were asked for without a job."""
    jobs = await workers.lookups.run(partial(_all_jobs, engine))
    begin = 0
    if page_token is not None:
        places = [place for place, job in enumerate(jobs) if job.job_id == page_token]
        if not places:
            raise refused_value(("query", "page_token"), "There is no such page any more: list anew.", "no_page")
        begin = places[0] + 1
    asked = [job for job in jobs[begin:] if status is None or job.status in status]
    page = asked[:page_size]
    return Jobs(jobs=page, next_page_token=page[-1].job_id if len(asked) > page_size else None)


@router.get("/v2/async/jobs/status", responses=errors(507))
async def count_jobs(engine: EngineOfApp, workers: WorkersOfApp) -> dict[JobStatus, int]:
    """Count the jobs of each status."""
    counts = Counter(job.status for job in await workers.lookups.run(partial(_all_jobs, engine)))
    return {status: counts[status] for status in get_args(JobStatus)}


@router.get("/v2/{task}/jobs/{job_id}", response_model=JobAnswer, responses=errors(404, 507))
async def job(task: str, job_id: JobIdInPath, engine: EngineOfApp, workers: WorkersOfApp) -> Response:
    """Return how a job stands, and its result once it has succeeded: that of the synchronous call."""

    def look() -> bytes:
        stored = engine.jobs.job(job_id)
        if stored.task != task:
            raise UnknownJobError(job_id)
        result = engine.jobs.result(job_id) if stored.stage == "succeeded" else None
        described = orjson.dumps(_describe(stored, engine).model_dump())
        return described[:-1] + b',"result":' + (result or b"null") + b"}"

    return Response(await workers.lookups.run(look), media_type="application/json")


@router.post("/v2/async/jobs/{job_id}/cancel", status_code=202, responses=errors(404, 409, 507))
async def cancel_job(
    request: InflatedRequest, job_id: JobIdInPath, engine: EngineOfApp, workers: WorkersOfApp
) -> CancelledJob:
    """Cancel a job, or a training by the id of its model: it ends at its next step, and its model never appears.

    A synchronous call for the model is answered with 409. A request for it that has arrived before, and is still being
    read, is waited for.
    """
    arrivals: Arrivals = request.app.state.arrivals
    await arrivals.wait()

    def cancel() -> None:
        try:
            engine.jobs.cancel(job_id)
        except UnknownJobError:
            engine.trainings.cancel(job_id)

    await workers.changes.run(cancel)
    return CancelledJob(job_id=job_id)


def _make_interruption(engine: EngineOfApp, options: JobOptions | None) -> JobInterruption:
    return engine.jobs.make_interruption(None if options is None else options.timeout_seconds)


def _job(
    task: str, compute: Callable[[JobInterruption], BaseModel], engine: EngineOfApp, options: JobOptions | None
) -> JobAtWork:
    """Return a job whose answer is not known before."""
    interruption = _make_interruption(engine, options)
    return JobAtWork(task, interruption, lambda: encode_answer(compute(interruption)))


async def _submit(
    request: InflatedRequest, job: JobAtWork, engine: EngineOfApp, workers: WorkerPools, pool: Workers
) -> SubmittedJob:
    """Enter a job, and have it carried out; its body counts among those that are held until it has ended."""
    try:
        await workers.changes.run(partial(engine.jobs.enter, job))
        try:
            outcome = pool.begin(partial(engine.jobs.carry_out, job), job.interruption)
        except BaseException:
            await workers.changes.run(partial(engine.jobs.forget, job))
            raise
    except BaseException:
        job.release()
        raise
    request.keep()
    watching = asyncio.ensure_future(_watch(request, job, engine, workers, asyncio.wrap_future(outcome)))
    _watching.add(watching)
    watching.add_done_callback(_watching.discard)
    return SubmittedJob(job_id=job.job_id)


async def _watch(
    request: InflatedRequest, job: JobAtWork, engine: EngineOfApp, workers: WorkerPools, outcome: asyncio.Future[None]
) -> None:
    """Wait for the end of a job, and keep what has ended it."""
    error, explanation = None, ""
    try:
        await outcome
    except Exception as raised:  # noqa: BLE001 - kept with the job
        error, explanation = raised, await explain_error(request, raised)
    request.release()
    await workers.changes.run(partial(engine.jobs.end, job, error, explanation))


def _all_jobs(engine: EngineOfApp) -> list[Job]:
    """Return the jobs, and the trainings that were asked for without one, the newest first."""
    jobs = [_describe(stored, engine) for stored in engine.jobs.jobs()]
    models = {job.finetuned_model_id for job in jobs if job.status in ("pending", "running")}
    trainings = [
        Job(
            job_id=training.model_id,
            task="finetune",
            status="pending" if training.steps_done is None else "running",
            created_at=training.created_at.isoformat(),
            finetuned_model_id=training.model_id,
            finetune_steps=training.steps,
            steps_done=training.steps_done or 0,
        )
        for training in engine.trainings.current()
        if training.model_id not in models
    ]
    return sorted([*jobs, *trainings], key=lambda job: job.created_at or "", reverse=True)


def _describe(stored: StoredJob, engine: EngineOfApp) -> Job:
    """Return a job as the service shows it, with the steps done by now where it is of this process."""
    trains = stored.finetuned_model_id is not None
    at_work: Training | None = None
    if stored.stage == "running":
        at_work = next(
            (each for each in engine.trainings.current() if each.model_id == stored.finetuned_model_id), None
        )
    steps_done = stored.steps_done if at_work is None else max(at_work.steps_done or 0, stored.steps_done)
    return Job(
        job_id=stored.job_id,
        task=stored.task,
        status="running" if stored.stage == "saving" else stored.stage,
        created_at=stored.created_at,
        finetuned_model_id=stored.finetuned_model_id,
        finetune_steps=stored.finetune_steps if trains else None,
        steps_done=steps_done if trains else None,
        error=stored.error,
    )
