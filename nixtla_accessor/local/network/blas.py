"""Matrix products on one thread.

The network's matrices are small: a second BLAS thread gains little on idle cores, and on busy ones the threads wait for
each other and take ten times as long. One thread also makes outcomes independent of the number of cores.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it comes without types


class _OneThread(ContextDecorator):
    """Limits BLAS to one thread while anyone is inside; when the last one leaves, what was before holds again.

    A thread of its own keeps the limit: BLAS belongs to the process, but obeys only the thread that set a limit first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                limited, self._left = threading.Event(), threading.Event()
                self._keeper = threading.Thread(target=_keep_limit, args=(limited, self._left), daemon=True)
                self._keeper.start()
                limited.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._left.set()
                self._keeper.join()


@cache
def _controller() -> ThreadpoolController:
    """Find the BLAS libraries of this process, once: it takes milliseconds."""
    return ThreadpoolController()


def _keep_limit(limited: threading.Event, left: threading.Event) -> None:
    """Set the limit, and restore what was before when all have left."""
    with _controller().limit(limits=1, user_api="blas"):
        limited.set()
        left.wait()


one_blas_thread = _OneThread()
