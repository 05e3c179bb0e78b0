"""Keeps the client that a process uses by default."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """A client that can be closed."""

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used."""


ClientT = TypeVar("ClientT", bound=Closable)


@dataclass(slots=True)
class _Connected(Generic[ClientT]):
    """A connected client, and whether a ``with`` statement holds it."""

    client: ClientT
    is_held: bool = False


class DefaultClient(Generic[ClientT]):
    """The last client connected, and the ones to restore when it is left; for many threads.

    A client that no ``with`` statement holds is restored after the one that replaced it, but not after the next, so
    that connecting again and again keeps none alive.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connected: list[_Connected[ClientT]] = []

    def connect(self, client: ClientT) -> None:
        """Make a client the default."""
        with self._lock:
            held = [connected for connected in self._connected[:-1] if connected.is_held]
            self._connected = [*held, *self._connected[-1:], _Connected(client)]

    def hold(self, client: ClientT) -> None:
        """Keep a client that a ``with`` statement has entered."""
        with self._lock:
            for connected in self._connected:
                connected.is_held |= connected.client is client

    def leave(self, client: ClientT) -> None:
        """Restore the previous default, if the client is the default."""
        with self._lock:
            self._connected = [connected for connected in self._connected if connected.client is not client]

    def get(self, make: Callable[[], ClientT]) -> ClientT:
        """Return the default; where there is none, or it is closed, make one and keep it."""
        with self._lock:
            if not self._connected or self._connected[-1].client.is_closed:
                self._connected.append(_Connected(make()))
            return self._connected[-1].client
