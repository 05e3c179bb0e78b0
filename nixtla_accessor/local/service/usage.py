"""What an engine has answered since it was started, for ``GET /usage``."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime


class UsageCounts:
    """Counts what was answered in this minute, and in this month; safe to use from many threads.

    Parameters
    ----------
    clock : callable
        Returns the seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._periods = {"minute": "", "month": ""}
        self._counts: dict[str, Counter[str]] = {period: Counter() for period in self._periods}

    def add(self, name: str) -> None:
        """Count one of something."""
        with self._lock:
            self._begin_periods()
            for counts in self._counts.values():
                counts[name] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts of both periods by name; ``requests`` is always among them."""
        with self._lock:
            self._begin_periods()
            return {period: {"requests": 0, **counts} for period, counts in self._counts.items()}

    def _begin_periods(self) -> None:
        """Begin to count anew where another minute, or month, has begun."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        for period, began in {"minute": f"{now:%Y-%m-%d %H:%M}", "month": f"{now:%Y-%m}"}.items():
            if began != self._periods[period]:
                self._periods[period] = began
                self._counts[period].clear()
