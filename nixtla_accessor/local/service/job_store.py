"""The jobs on disk: one SQLite file beside the models, which all engines that share the folder read and write."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from nixtla_accessor.local.service.database import file_or_memory
from nixtla_accessor.local.service.errors import REPAIR_FOLDER, StorageError
from nixtla_accessor.local.service.limits import Limits

_LOG = logging.getLogger(__name__)
_WAIT_TO_READ = 1.5  # seconds to wait for those who write; look-ups are to be answered within two
_WAIT_TO_WRITE = 10.0
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
ResultT = TypeVar("ResultT")

Stage: TypeAlias = Literal["pending", "running", "saving", "succeeded", "failed", "cancelled"]
UNFINISHED: tuple[Stage, ...] = ("pending", "running", "saving")


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it stands.

    Attributes
    ----------
    job_id, task : str
        Its id, and what it does, such as ``"finetune"``.
    stage : str
        While its model is being saved, which can no longer be cancelled, it is ``"saving"``.
    created_at : str
        ISO 8601 in UTC.
    owner : str
        The process that carries it out.
    finetuned_model_id : str or None
        The model that it trains.
    finetune_steps, steps_done : int
    error : str or None
        Why it failed.
    """

    job_id: str
    task: str
    stage: Stage
    created_at: str
    owner: str
    finetuned_model_id: str | None = None
    finetune_steps: int = 0
    steps_done: int = 0
    error: str | None = None


_COLUMNS = ", ".join(field.name for field in fields(StoredJob))
_CREATE = f"""
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    {_COLUMNS.replace("job_id", "job_id TEXT UNIQUE")},
    finished_at REAL,
    result BLOB
)
"""
_INSERT = f"INSERT INTO jobs ({_COLUMNS}, result) VALUES ({', '.join('?' * (len(fields(StoredJob)) + 1))})"  # noqa: S608 - constants
_SELECT = f"SELECT {_COLUMNS} FROM jobs"  # noqa: S608 - constants


class JobStore:
    """Jobs by id. Every call opens the file again, as `ModelStore` does, or raises `StorageError` if it cannot.

    Jobs are passing: a damaged file is replaced by an empty one.

    Parameters
    ----------
    path : Path
        The SQLite file; it is made with the first job.
    limits : Limits
        How many finished jobs are kept, how long, and how much of their results.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits

    def add(self, job: StoredJob, result: bytes | None) -> None:
        """Add a job with the result that it will have if it succeeds, as far as that is known; forget expired ones."""

        def add(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM jobs WHERE number = ?", self._expired(connection))
            connection.execute(_INSERT, (*astuple(job), result))

        self._do(add, write=True)

    def job(self, job_id: str) -> StoredJob | None:
        """Return a job; None if there is none of this id."""
        row = self._do(lambda connection: connection.execute(f"{_SELECT} WHERE job_id = ?", (job_id,)).fetchone())
        return None if row is None else StoredJob(*row)

    def jobs(self) -> list[StoredJob]:
        """Return all jobs, the newest first."""
        rows = self._do(lambda connection: connection.execute(f"{_SELECT} ORDER BY number DESC").fetchall())
        return [StoredJob(*row) for row in rows]

    def result(self, job_id: str) -> bytes | None:
        """Return the result of a job; None if it has none."""
        statement = "SELECT result FROM jobs WHERE job_id = ?"
        row = self._do(lambda connection: connection.execute(statement, (job_id,)).fetchone())
        return None if row is None else row[0]

    def forget(self, job_id: str) -> None:
        """Forget a job that was never begun."""
        self._do(lambda connection: connection.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,)), write=True)

    def begin(self, job_id: str) -> bool:
        """Note that a job is at work; return False if it was ended meanwhile, as do the functions below."""
        return self._move(job_id, ("pending",), "stage = 'running'")

    def report(self, job_id: str, steps_done: int) -> bool:
        """Note how many steps are done."""
        return self._move(job_id, ("running",), "steps_done = ?", steps_done)

    def begin_saving(self, job_id: str) -> bool:
        """Note that the model of a job is about to be saved: from now on it cannot be cancelled."""
        return self._move(job_id, ("running",), "stage = 'saving', steps_done = finetune_steps")

    def succeed(self, job_id: str, result: bytes | None = None) -> bool:
        """Note that a job has succeeded, with a result or that which was known before."""
        values = "stage = 'succeeded', finished_at = ?, result = coalesce(?, result)"
        return self._move(job_id, UNFINISHED, values, time.time(), result)

    def fail(self, job_id: str, error: str) -> bool:
        """Note that a job has failed, and why."""
        values = "stage = 'failed', finished_at = ?, error = ?, result = NULL"
        return self._move(job_id, UNFINISHED, values, time.time(), error)

    def cancel(self, job_id: str) -> bool:
        """Note that a job is cancelled."""
        values = "stage = 'cancelled', finished_at = ?, result = NULL"
        return self._move(job_id, ("pending", "running"), values, time.time())

    def _move(self, job_id: str, stages: tuple[Stage, ...], values: str, *given: object) -> bool:
        """Change a job that is at one of some stages; return whether it was."""
        among = ", ".join(map(repr, stages))
        statement = f"UPDATE jobs SET {values} WHERE job_id = ? AND stage IN ({among})"  # noqa: S608 - constants
        return self._do(lambda connection: connection.execute(statement, (*given, job_id)).rowcount == 1, write=True)

    def _expired(self, connection: sqlite3.Connection) -> Iterable[tuple[int]]:
        """Return the numbers of finished jobs beyond the limits, the oldest."""
        finished = connection.execute(
            "SELECT number, ? - finished_at, coalesce(length(result), 0) FROM jobs "
            "WHERE finished_at IS NOT NULL ORDER BY finished_at DESC",
            (time.time(),),
        ).fetchall()
        n_bytes = 0
        for nth, (number, age, length) in enumerate(finished):
            n_bytes += length
            limits = self._limits
            if nth >= limits.jobs or age > limits.job_seconds or n_bytes > limits.job_bytes:
                yield (number,)

    def _do(self, work: Callable[[sqlite3.Connection], ResultT], *, write: bool = False) -> ResultT:
        """Do work in a transaction; a damaged file is replaced first."""
        try:
            try:
                return self._attempt(work, write=write)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                    raise
                _LOG.warning("%s was damaged (%s), and begins anew; its jobs are lost.", self._path, error)
                self._path.unlink(missing_ok=True)
                return self._attempt(work, write=write)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"The local engine keeps its jobs in {self._path}, and cannot {'write' if write else 'read'} there "
                f"({error}). {REPAIR_FOLDER}"
            ) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], ResultT], *, write: bool) -> ResultT:
        """Do work in a transaction; without a file there are no jobs to read."""
        place = file_or_memory(self._path, write=write)
        wait = _WAIT_TO_WRITE if write else _WAIT_TO_READ
        with closing(sqlite3.connect(place, timeout=wait)) as connection, connection:
            connection.execute(_CREATE)
            return work(connection)
