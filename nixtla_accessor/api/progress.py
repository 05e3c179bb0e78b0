"""Shows how far a call is: bytes up, then the time waited."""

from __future__ import annotations

import sys
import threading
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nixtla_accessor.api.encoding import Body
from nixtla_accessor.api.transport import Upload

if TYPE_CHECKING:
    from tqdm import tqdm

_TICK = 1.0  # seconds
_SILENT_FOR = 0.5  # seconds; a quick call shows nothing


def someone_watches() -> bool:
    """Whether this runs in a terminal or a notebook."""
    if "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel"):
        return True
    return sys.stderr is not None and sys.stderr.isatty()


class ProgressDisplay:
    """One bar at a time, gone when the call is over; a context manager.

    Parameters
    ----------
    shown : bool or None
        ``None`` for only where a person watches.
    """

    def __init__(self, *, shown: bool | None) -> None:
        self._shown = someone_watches() if shown is None else shown
        self._delay = _SILENT_FOR if shown is None else 0.0
        self._part = ""
        self._bar: tqdm[Any] | None = None
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def follow(self, body: Body, waiting_for: str) -> Upload:
        """Return a body's upload that is shown, and after it the time waited for what is named."""
        upload = Upload(body, lambda upload, count: self._sent(upload, count, waiting_for))
        self._open(total=len(upload), desc="sending the series", unit="B", unit_scale=True, unit_divisor=1024)
        return upload

    def waiting(self, waiting_for: str) -> None:
        """Show what is waited for, and for how long already."""
        self._open(desc=waiting_for, bar_format="{desc} {elapsed}")
        if self._bar is not None:
            self._stop.clear()
            self._ticker = threading.Thread(target=self._tick, args=(self._bar,), daemon=True)
            self._ticker.start()

    def part(self, number: int, total: int) -> None:
        """Say of all that follows that it is one part of so many."""
        self._part = f"part {number} of {total}: "

    def counting(self, total: int, desc: str) -> None:
        """Show how many of so many requests are answered."""
        self._open(total=total, desc=desc, unit="request")

    def advance(self) -> None:
        """Show that one more is answered."""
        if self._bar is not None:
            self._bar.update()

    def _sent(self, upload: Upload, count: int, waiting_for: str) -> None:
        """Show that so many more bytes are up."""
        if self._bar is not None:
            self._bar.update(count)
        if upload.finished_at is not None:
            self.waiting(waiting_for)

    def _open(self, *, desc: str, **options: Any) -> None:  # noqa: ANN401 - passed on
        """Put another bar in place of the last."""
        self._close()
        if self._shown:
            with warnings.catch_warnings(action="ignore"):  # a notebook without widgets gets its bars as text
                from tqdm.auto import tqdm as automatic_tqdm

            self._bar = automatic_tqdm(desc=self._part + desc, leave=False, delay=self._delay, **options)

    def _tick(self, bar: tqdm[Any]) -> None:
        """Move the clock on."""
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
