"""How a partition reaches the service: through its own process's connection, with the key of its own environment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias
from uuid import uuid4

from nixtla_accessor.api.client import Client

Where: TypeAlias = tuple[str, tuple[float, float], int | None]


class Service:
    """A service to ask, as part of a graph.

    In the process that made it, it is the caller's client. Elsewhere it is one client for each process and service,
    which is kept; it is made when it is first used, so that the scheduler, which reads graphs too, makes none. The key
    is no part of a pickle: workers take it from ``NIXTLA_API_KEY`` in their environment. Where the service is the
    embedded engine, each worker process starts its own, on the models that all of one machine share.

    Parameters
    ----------
    client : Client
        The caller's.
    """

    def __init__(self, client: Client) -> None:
        settings = client.settings
        address = "local" if client.origin == "local" else settings.base_url
        self._where: Where = (address, settings.timeout, settings.max_request_bytes)
        self._callers: Client | None = client
        self._name = uuid4().hex  # so that Dask takes no two questions for one, as a model may change between them

    def client(self) -> Client:
        """Return the client of this process.

        Raises
        ------
        ConfigurationError
            The process has no key in its environment.
        """
        if self._callers is not None:
            return self._callers
        with _ONE_AT_A_TIME:
            return _client_of_process(self._where)

    def __repr__(self) -> str:
        return f"Service({self._where[0]!r})"

    def __dask_tokenize__(self) -> tuple[str, Where, str]:
        return "nixtla_accessor.Service", self._where, self._name

    def __reduce__(self) -> tuple[Callable[..., Service], tuple[Where, str]]:
        return _elsewhere, (self._where, self._name)


_ONE_AT_A_TIME = threading.Lock()  # two threads would each make a client


@lru_cache(maxsize=8)
def _client_of_process(where: Where) -> Client:
    address, timeout, max_request_bytes = where
    return Client(base_url=address, timeout=timeout, progress=False, max_request_bytes=max_request_bytes)


def _elsewhere(where: Where, name: str) -> Service:
    """Rebuild a service from a pickle."""
    service = Service.__new__(Service)
    service._where, service._callers, service._name = where, None, name
    return service
