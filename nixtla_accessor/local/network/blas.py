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

    _left: threading.Event
    _holder: threading.Thread | None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit()
            self._inside += 1

    def _limit(self) -> None:
        limited, self._left = threading.Event(), threading.Event()
        self._holder = threading.Thread(target=_hold_limit, args=(limited, self._left), daemon=True)
        try:
            self._holder.start()
        except RuntimeError:  # the interpreter is ending and starts no more threads: nobody needs the former limit
            self._holder = None
            _controller().limit(limits=1, user_api="blas")
        else:
            limited.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._left.set()
                if self._holder is not None:
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
