"""How many partitions ask the service at once: so many in a cluster, or in a process without one."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

MOST_AT_ONCE = 8

_of_process = threading.BoundedSemaphore(MOST_AT_ONCE)
_of_workers: WeakKeyDictionary[Any, AbstractContextManager[Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def turn() -> AbstractContextManager[Any]:
    """Wait for a turn to ask, and give it back in the end; on a worker the cluster's scheduler counts them."""
    try:
        from distributed import Semaphore, get_worker

        worker = get_worker()
    except (ImportError, ValueError):  # no cluster here
        return _of_process
    with _lock:
        if worker not in _of_workers:
            _of_workers[worker] = Semaphore(MOST_AT_ONCE, name="nixtla-accessor")
        return _of_workers[worker]
