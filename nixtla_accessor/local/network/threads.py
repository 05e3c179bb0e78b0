"""Work on all cores, in threads that never keep the interpreter from ending."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")


def map_in_threads(function: Callable[[ArgumentT], ResultT], arguments: Sequence[ArgumentT]) -> list[ResultT]:
    """Call a function with each argument, in this thread and in one more for each other core.

    The threads are daemons. `concurrent.futures` is not used: the interpreter waits for its threads when it ends, and
    from then on it starts none, so that nothing could be forecast in an exit handler.

    Parameters
    ----------
    function : callable
        It should release the interpreter's lock, as numpy does while it computes.
    arguments : sequence

    Returns
    -------
    list
        The results, in the order of the arguments.

    Raises
    ------
    BaseException
        The first error of the function, as soon as the calls at work have returned.

    Examples
    --------
    >>> map_in_threads(len, ["a", "bcd"])
    [1, 3]
    """
    results: dict[int, ResultT] = {}
    errors: list[BaseException] = []
    waiting = iter(enumerate(arguments))
    lock = threading.Lock()

    def work() -> None:
        while not errors:
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            position, argument = task
            try:
                results[position] = function(argument)
            except BaseException as error:  # noqa: BLE001 - raised below
                errors.append(error)

    helpers = _start(work, min(os.cpu_count() or 1, len(arguments)) - 1)
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return [results[position] for position in range(len(arguments))]


def _start(work: Callable[[], None], count: int) -> list[threading.Thread]:
    """Start so many threads, or fewer where the interpreter is ending and starts no more."""
    started: list[threading.Thread] = []
    for _ in range(count):
        thread = threading.Thread(target=work, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            break
        started.append(thread)
    return started
