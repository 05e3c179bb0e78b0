"""Shows the progress of a call: bytes sent, then the time spent waiting; and at its end a line. It only listens."""

from __future__ import annotations

import sys
import threading
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from tqdm import tqdm

_TICK = 1.0  # seconds
_SILENT_FOR = 0.5  # seconds; a quick call shows nothing


def is_interactive() -> bool:
    """Return whether this runs in a terminal or a notebook."""
    return _is_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def is_shown(*, wanted: bool | None) -> bool:
    """Return whether progress is shown; None: only in terminals and notebooks."""
    return is_interactive() if wanted is None else wanted


def announce(text: str) -> None:
    """Write a line: in a notebook as plain output, elsewhere beside the bars."""
    stream = sys.stdout if _is_notebook() else sys.stderr
    if stream is not None:
        stream.write(f"{text}\n")


def _is_notebook() -> bool:
    return "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel")


class ProgressDisplay:
    """A progress bar for one call, removed when the call ends; a context manager.

    Parameters
    ----------
    shown : bool or None
        ``None``: only in terminals and notebooks.
    """

    def __init__(self, *, shown: bool | None) -> None:
        self._shown = is_interactive() if shown is None else shown
        self._delay = _SILENT_FOR if shown is None else 0.0
        self._prefix = ""
        self._bar: tqdm[Any] | None = None
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def start_part(self, number: int, total: int) -> None:
        """Mark everything that follows as one part of several."""
        self._prefix = f"part {number} of {total}: "

    def start_sending(self, n_bytes: int) -> None:
        """Show a bar for a body of so many bytes."""
        self._open(total=n_bytes, desc="sending the series", unit="B", unit_scale=True, unit_divisor=1024)

    def start_waiting(self, activity: str) -> None:
        """Show what the call waits for, and how long it has waited."""
        self._open(desc=activity, bar_format="{desc} {elapsed}")
        if self._bar is not None:
            self._stop.clear()
            self._ticker = threading.Thread(target=self._tick, args=(self._bar,), daemon=True)
            self._ticker.start()

    def start_counting(self, total: int, activity: str, unit: str = "request") -> None:
        """Show how many of several requests are answered, or how many steps are done."""
        self._open(total=total, desc=activity, unit=unit)

    def advance(self, count: int = 1) -> None:
        """Show that so many more bytes are sent, requests answered, or steps done."""
        if self._bar is not None:
            self._bar.update(count)

    def _open(self, *, desc: str, **options: Any) -> None:  # noqa: ANN401 - passed on
        """Replace the bar with another."""
        self._close()
        if self._shown:
            with warnings.catch_warnings(action="ignore"):  # a notebook without widgets shows its bars as text
                from tqdm.auto import tqdm as automatic_tqdm

            self._bar = automatic_tqdm(desc=self._prefix + desc, leave=False, delay=self._delay, **options)

    def _tick(self, bar: tqdm[Any]) -> None:
        """Refresh the clock."""
        while not self._stop.wait(_TICK):
            bar.update(0)

    def _close(self) -> None:
        if self._ticker is not None:
            self._stop.set()
            self._ticker.join()
            self._ticker = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
