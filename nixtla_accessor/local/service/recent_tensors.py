"""The tensors of the models that were asked last, kept in memory up to a number of bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from nixtla_accessor.local.forecaster import Tensors


class RecentTensors:
    """A cache of tensors; safe to use from many threads.

    Parameters
    ----------
    max_bytes : int
        What it keeps at most, beside the model that was asked last.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tensors: dict[Hashable, Tensors] = {}  # the longest not asked for comes first
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], Tensors]) -> Tensors:
        """Return the tensors of a key, loaded if they are not kept."""
        with self._lock:
            kept = self._tensors.pop(key, None)
        tensors = load() if kept is None else kept
        with self._lock:
            self._tensors[key] = tensors
            while len(self._tensors) > 1 and sum(map(_n_bytes, self._tensors.values())) > self._max_bytes:
                del self._tensors[next(iter(self._tensors))]
        return tensors


def _n_bytes(tensors: Tensors) -> int:
    return sum(array.nbytes for array in tensors.values())
