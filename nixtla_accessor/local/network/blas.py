"""Matrix products on one thread.

The network's matrices are small: a second BLAS thread gains little on idle cores, and on busy ones the threads wait for
each other, which takes ten times as long. With one thread, results do not depend on the number of cores either.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it has no types


class _OneThread(ContextDecorator):
    """A context that limits BLAS to one thread; when the last thread leaves it, the former limit is restored.

    A thread of its own holds the limit: it applies to the whole process, but only the thread that set it can lift it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                limited, self._left = threading.Event(), threading.Event()
                self._holder = threading.Thread(target=_hold_limit, args=(limited, self._left), daemon=True)
                self._holder.start()
                limited.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._left.set()
                self._holder.join()


@cache
def _controller() -> ThreadpoolController:
    """Find the BLAS libraries of this process; once, since it takes milliseconds."""
    return ThreadpoolController()


def _hold_limit(limited: threading.Event, left: threading.Event) -> None:
    """Set the limit, wait until all threads have left, and restore the former limit."""
    with _controller().limit(limits=1, user_api="blas"):
        limited.set()
        left.wait()


one_blas_thread = _OneThread()
