"""The jobs of an engine: work that goes on when its request is answered, and that all engines of a folder know of."""

from __future__ import annotations

import math
import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nixtla_accessor.local.service.errors import (
    REPAIR_FOLDER,
    JobCancelledError,
    JobTimeoutError,
    ModelInTrainingError,
    StorageError,
    TrainingCancelledError,
    UnknownJobError,
)
from nixtla_accessor.local.service.interruption import Interruption
from nixtla_accessor.local.service.job_owner import JobOwner
from nixtla_accessor.local.service.job_store import UNFINISHED, JobStore, StoredJob
from nixtla_accessor.local.service.limits import Limits
from nixtla_accessor.local.service.store import ModelStore

_REPORT_EVERY = 1.0  # seconds between two looks into the file, which other processes may have changed
_ENGINE_ENDED = "The engine that worked on it has ended before it was done: submit it again."


class JobInterruption(Interruption):
    """Ends a job when it is cancelled, in this process or another, or out of time; reports its steps meanwhile.

    Attributes
    ----------
    job_id : str
    """

    __slots__ = ("_deadline", "_report_at", "_store", "_timeout", "job_id")

    def __init__(self, store: JobStore, job_id: str, timeout: int | None) -> None:
        super().__init__()
        self.job_id = job_id
        self._store = store
        self._timeout = timeout
        self._deadline = math.inf
        self._report_at = math.inf  # not before the job is at work

    def begin(self) -> None:
        """Begin to count the time of the job, and to report its steps."""
        self._report_at = time.monotonic()
        if self._timeout is not None:
            self._deadline = self._report_at + self._timeout

    def check(self, done: int = 0) -> None:
        """Raise the error that is to end the job, if there is one."""
        super().check(done)
        now = time.monotonic()
        if now > self._deadline:
            raise JobTimeoutError(self._timeout)
        if now < self._report_at:
            return
        self._report_at = now + _REPORT_EVERY
        with suppress(StorageError):  # the work matters more than what is known of it meanwhile
            if not self._store.report(self.job_id, done):
                raise JobCancelledError(self.job_id)

    def begin_saving(self) -> None:
        """Raise the error of a job that was cancelled; from now on it cannot be."""
        super().begin_saving()
        if not self._store.begin_saving(self.job_id):
            raise JobCancelledError(self.job_id)


@dataclass(frozen=True, slots=True)
class JobAtWork:
    """A job of this process.

    Attributes
    ----------
    task : str
        Such as ``"finetune"``.
    interruption : JobInterruption
        Ends it.
    compute : callable
        Does the work, and returns the answer of the synchronous call as JSON.
    release : callable
        Lets go of what the job holds: the id of its model. Called once it is cancelled, and once it has ended.
    finetuned_model_id : str or None
        The model that it trains.
    finetune_steps : int
    result : bytes or None
        The answer that it will have, where that is known before.
    """

    task: str
    interruption: JobInterruption
    compute: Callable[[], bytes]
    release: Callable[[], None] = lambda: None
    finetuned_model_id: str | None = None
    finetune_steps: int = 0
    result: bytes | None = None

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self.interruption.job_id


class Jobs:
    """The jobs in an engine's folder; safe to use from many threads. All calls raise `StorageError` if they must.

    A job whose process has ended before it is told as failed, unless its model is there.

    Parameters
    ----------
    models : ModelStore
        Where the models that jobs train are saved; the file of jobs lies beside it.
    limits : Limits
    """

    def __init__(self, models: ModelStore, limits: Limits) -> None:
        folder = models.path.parent
        self._models = models
        self._store = JobStore(folder / "jobs.sqlite", limits)
        self._owner = JobOwner(folder / "job_owners")
        self._at_work: dict[str, JobAtWork] = {}

    def make_interruption(self, timeout: int | None) -> JobInterruption:
        """Return what will end a job, and has its new id; nothing else is known of it yet."""
        return JobInterruption(self._store, str(uuid.uuid4()), timeout)

    def enter(self, job: JobAtWork) -> None:
        """Enter a job among those that wait."""
        try:
            self._owner.hold()
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"The local engine cannot keep jobs in its folder ({error}). {REPAIR_FOLDER}") from error
        created_at = datetime.now(UTC).isoformat()
        stored = StoredJob(
            job.job_id, job.task, "pending", created_at, self._owner.name, job.finetuned_model_id, job.finetune_steps
        )
        self._at_work[job.job_id] = job
        try:
            self._store.add(stored, job.result)
        except BaseException:
            del self._at_work[job.job_id]
            raise

    def forget(self, job: JobAtWork) -> None:
        """Forget a job that was entered, and that nobody carries out."""
        del self._at_work[job.job_id]
        self._store.forget(job.job_id)

    def carry_out(self, job: JobAtWork) -> None:
        """Do the work of a job, and keep its result.

        Raises
        ------
        JobCancelledError, JobTimeoutError
            If it was ended before; also any error of the work. They are for `end`.
        """
        if not self._store.begin(job.job_id):
            raise JobCancelledError(job.job_id)
        job.interruption.begin()
        self._store.succeed(job.job_id, job.compute())

    def end(self, job: JobAtWork, error: Exception | None, explanation: str) -> None:
        """Let go of a job, and keep what has ended it: an error and its explanation, or nothing."""
        try:
            if isinstance(error, JobCancelledError | TrainingCancelledError):
                self._store.cancel(job.job_id)
            elif error is not None:
                self._settle(self.job(job.job_id), explanation)
        finally:
            del self._at_work[job.job_id]
            job.release()

    def job(self, job_id: str) -> StoredJob:
        """Return a job as it stands.

        Raises
        ------
        UnknownJobError
        """
        stored = self._store.job(job_id)
        if stored is None:
            raise UnknownJobError(job_id)
        if stored.stage not in UNFINISHED or self._is_at_work(stored):
            return stored
        try:
            self._settle(stored, _ENGINE_ENDED)
        except StorageError:  # its end cannot be kept in a folder that is read-only
            return replace(stored, stage="failed", error=_ENGINE_ENDED)
        return self._store.job(job_id) or stored

    def jobs(self) -> list[StoredJob]:
        """Return all jobs as they stand, the newest first."""
        return [self.job(stored.job_id) if stored.stage in UNFINISHED else stored for stored in self._store.jobs()]

    def result(self, job_id: str) -> bytes | None:
        """Return the answer of a job that has succeeded."""
        return self._store.result(job_id)

    def cancel(self, job_id: str) -> None:
        """Cancel a job: it ends at its next step, and what it holds is free at once.

        Raises
        ------
        UnknownJobError
            If there is none, or it has ended.
        ModelInTrainingError
            If it is done, and its model is being saved.
        """
        stored = self.job(job_id)
        if not self._store.cancel(job_id):
            if stored.stage == "saving":
                raise ModelInTrainingError(stored.finetuned_model_id)
            raise UnknownJobError(job_id)
        at_work = self._at_work.get(job_id)
        if at_work is not None:
            at_work.interruption.interrupt(JobCancelledError(job_id))
            at_work.release()

    def _is_at_work(self, stored: StoredJob) -> bool:
        if stored.owner == self._owner.name:
            return stored.job_id in self._at_work
        return self._owner.is_running(stored.owner)

    def _settle(self, stored: StoredJob, explanation: str) -> None:
        """Keep the end of a job that nobody works on: it has succeeded if its model was saved."""
        model_id = stored.finetuned_model_id
        if stored.stage == "saving" and model_id is not None and self._models.has(model_id):
            self._store.succeed(stored.job_id)
        else:
            self._store.fail(stored.job_id, explanation)
