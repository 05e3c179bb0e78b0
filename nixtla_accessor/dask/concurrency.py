"""Limit on concurrent requests: one for a cluster, or for a process without one."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

MAX_CONCURRENT_REQUESTS = 8

_of_process = threading.BoundedSemaphore(MAX_CONCURRENT_REQUESTS)
_of_workers: WeakKeyDictionary[Any, AbstractContextManager[Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def request_slot() -> AbstractContextManager[Any]:
    """Return a semaphore to hold during a request; on a worker it is the cluster's, which the scheduler counts."""
    try:
        from distributed import Semaphore, get_worker

        worker = get_worker()
    except (ImportError, ValueError):  # no cluster here
        return _of_process
    with _lock:
        if worker not in _of_workers:
            _of_workers[worker] = Semaphore(MAX_CONCURRENT_REQUESTS, name="nixtla-accessor")
        return _of_workers[worker]
