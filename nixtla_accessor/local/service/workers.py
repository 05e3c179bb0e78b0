"""Threads for each kind of work, so that long work of one kind keeps no other waiting."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nixtla_accessor.local.service.errors import BusyError, StoppedError
from nixtla_accessor.local.service.interruption import Interruption
from nixtla_accessor.local.service.limits import Limits

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[ResultT]):
    """Work to do, and its outcome."""

    work: Callable[[], ResultT]
    interruption: Interruption
    outcome: Future[ResultT] = field(default_factory=Future)

    def run(self) -> None:
        if not self.outcome.set_running_or_notify_cancel():
            return
        try:
            self.interruption.check()
            result = self.work()
        except BaseException as error:  # noqa: BLE001 - raised where the outcome is awaited
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)


class Workers:
    """A fixed number of threads that do one kind of work, in the order in which it came.

    All are started at once, since an interpreter that is ending starts none; and they are daemons, so that it ends
    whatever they do.

    Parameters
    ----------
    name : str
        Of the threads.
    n_threads : int
    max_jobs : int, optional
        The most that are at work or wait.
    """

    def __init__(self, name: str, n_threads: int, max_jobs: int | None = None) -> None:
        self._max_jobs = max_jobs
        self._jobs: set[_Job[Any]] = set()
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[_Job[Any]] = queue.SimpleQueue()
        for nth in range(n_threads):
            threading.Thread(target=self._work, name=f"nixtla-accessor-{name}-{nth}", daemon=True).start()

    async def run(self, work: Callable[[], ResultT], interruption: Interruption | None = None) -> ResultT:
        """Do work in one of the threads, and wait for it.

        If the waiting task is cancelled, work that has not begun is dropped; else the interruption ends it.

        Raises
        ------
        BusyError
            If too much is waiting already.
        """
        return await asyncio.wrap_future(self.begin(work, interruption))

    def begin(self, work: Callable[[], ResultT], interruption: Interruption | None = None) -> Future[ResultT]:
        """Have work done in one of the threads; return its outcome at once, as something to wait for.

        Raises
        ------
        BusyError
            If too much is waiting already.
        """
        job = _Job(work, interruption or Interruption())
        with self._lock:
            if self._max_jobs is not None and len(self._jobs) >= self._max_jobs:
                raise BusyError
            self._jobs.add(job)
        job.outcome.add_done_callback(lambda _: self._drop(job))
        self._waiting.put(job)
        return job.outcome

    def interrupt(self, error: Exception) -> None:
        """End all that is at work or waits, each at its next step."""
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.interruption.interrupt(error)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing at work and nothing that waits."""
        return not self._jobs

    def _drop(self, job: _Job[Any]) -> None:
        with self._lock:
            self._jobs.discard(job)

    def _work(self) -> None:
        while True:
            self._waiting.get().run()


class WorkerPools:
    """The threads of a server, by kind of work.

    Attributes
    ----------
    lookups : Workers
        What only reads the store, and is done in milliseconds.
    changes : Workers
        Deleting, which may have to wait for other processes.
    bodies : Workers
        Inflating and parsing.
    forecasts, trainings : Workers
        What takes long: as many threads as there are cores, each.
    """

    def __init__(self, limits: Limits) -> None:
        n_cores = os.cpu_count() or 1
        self.lookups = Workers("look-ups", 4)
        self.changes = Workers("changes", 2)
        self.bodies = Workers("bodies", 2)
        self.forecasts = Workers("forecasts", n_cores, limits.forecasts)
        self.trainings = Workers("trainings", n_cores, limits.trainings)

    def interrupt(self, seconds: float) -> None:
        """End all forecasts and trainings, and wait for so many seconds at most until they have ended."""
        until = time.monotonic() + seconds
        for workers in (self.forecasts, self.trainings):
            workers.interrupt(StoppedError())
        while not (self.forecasts.is_idle and self.trainings.is_idle) and time.monotonic() < until:
            time.sleep(0.01)
