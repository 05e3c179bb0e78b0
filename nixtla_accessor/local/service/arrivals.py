"""The requests for a training that have arrived and not begun: whoever cancels waits for these."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_TIMEOUT = 1.5  # seconds to wait for a body that is still being sent


class Arrivals:
    """Requests that are being received, inflated, parsed or checked; for the event loop's thread only."""

    def __init__(self) -> None:
        self._pending: set[asyncio.Future[None]] = set()

    @contextmanager
    def arriving(self) -> Iterator[asyncio.Future[None]]:
        """Count a request among those that have not begun, until the future is done or the block ends."""
        begun = asyncio.get_running_loop().create_future()
        self._pending.add(begun)
        begun.add_done_callback(self._pending.discard)
        try:
            yield begun
        finally:
            if not begun.done():
                begun.set_result(None)

    async def wait(self) -> None:
        """Wait until all that have arrived by now have begun, or were refused."""
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=_TIMEOUT)
