"""The server's end of each connection: who has no key is let go, and nobody fills the log."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from nixtla_accessor.local.service.limits import LIMITS, Limits

_LOG = logging.getLogger(__name__)
_LINES = 10  # that the log takes in so many seconds:
_SECONDS = 60.0


class FewLines(logging.Filter):
    """Let a few lines into the log, and leave out the rest for a while: clients without a key decide how many."""

    def __init__(self) -> None:
        super().__init__()
        self._began = -_SECONDS
        self._lines = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is among the first few of its minute."""
        now = time.monotonic()
        if now - self._began >= _SECONDS:
            self._began, self._lines = now, 0
        self._lines += 1
        if self._lines == _LINES:
            record.msg = f"{record.getMessage()} (Further lines are left out for {_SECONDS:.0f} seconds.)"
            record.args = ()
        return self._lines <= _LINES


_LOG.addFilter(FewLines())


class Connection(H11Protocol):
    """A connection that is closed unless a request with the key comes in time, and that makes room for others.

    Requests find it as ``request.state.connection``.
    """

    limits: ClassVar[Limits] = LIMITS

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of uvicorn
        super().__init__(*arguments, **options)
        self.logger = _LOG
        self.app_state = {**self.app_state, "connection": self}
        self._made_at = self.loop.time()
        self._has_key = False
        self._closing: asyncio.TimerHandle | None = None

    def accept_key(self) -> None:
        """Keep the connection: a request has brought the key."""
        self._has_key = True
        if self._closing is not None:
            self._closing.cancel()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the key; if there are too many connections, close one that does nothing."""
        super().connection_made(transport)
        self._closing = self.loop.call_later(self.limits.seconds_without_key, transport.abort)
        opened = [each for each in self.connections if isinstance(each, Connection) and not each.transport.is_closing()]
        if len(opened) > self.limits.connections:
            self._most_idle(opened).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        if self._closing is not None:
            self._closing.cancel()

    def on_response_complete(self) -> None:
        """Begin to wait for the client to read its answer."""
        super().on_response_complete()
        self._await_reading(self.transport.get_write_buffer_size())

    def _await_reading(self, unsent: int) -> None:
        if unsent:
            self.loop.call_later(self.limits.seconds_without_data, self._check_reading, unsent)

    def _check_reading(self, unsent_before: int) -> None:
        """Close the connection if the client has read nothing for a while."""
        unsent = self.transport.get_write_buffer_size()
        if unsent >= unsent_before:
            self.transport.abort()
        else:
            self._await_reading(unsent)

    def _most_idle(self, opened: list[Connection]) -> Connection:
        """Return the oldest connection without a key, or else with nothing to do; this one if there is none."""
        idle = [each for each in opened if each is not self and (each._is_idle or not each._has_key)]
        return min(idle, key=lambda each: (each._has_key, each._made_at), default=self)

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


def log_few_errors(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error of the event loop in a line: without descriptors left, there is one for each that would connect."""
    error = context.get("exception")
    _LOG.error("%s (%s)", context["message"], error)
