"""The client that a partition uses: one for each process, with the key of that process's environment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias
from uuid import uuid4

from nixtla_accessor.api.client import Client

Address: TypeAlias = tuple[str, tuple[float, float], int | None]  # base_url, timeout, max_request_bytes


class PortableClient:
    """A client as part of a Dask graph.

    In the process that made it, it is the caller's client. In another process it is one client for each service, made
    when it is first used and then kept; the scheduler, which reads graphs too, makes none. A pickle does not contain
    the key: workers read it from ``NIXTLA_API_KEY`` in their environment. If the service is the local engine, each
    worker process starts its own, over the models that all processes of one machine share.

    Parameters
    ----------
    client : Client
        The caller's client.
    """

    def __init__(self, client: Client) -> None:
        settings = client.settings
        base_url = "local" if client.origin == "local" else settings.base_url
        self._address: Address = (base_url, settings.timeout, settings.max_request_bytes)
        self._client: Client | None = client
        self._token = uuid4().hex  # two equal questions differ for Dask, because a model may change between them

    def get(self) -> Client:
        """Return the client of this process.

        Raises
        ------
        ConfigurationError
            If the environment of the process has no key.
        """
        if self._client is not None:
            return self._client
        with _LOCK:
            return _client_of_process(self._address)

    def __repr__(self) -> str:
        return f"PortableClient({self._address[0]!r})"

    def __dask_tokenize__(self) -> tuple[str, Address, str]:
        return "nixtla_accessor.PortableClient", self._address, self._token

    def __reduce__(self) -> tuple[Callable[..., PortableClient], tuple[Address, str]]:
        return _from_pickle, (self._address, self._token)


_LOCK = threading.Lock()  # otherwise two threads would each make a client


@lru_cache(maxsize=8)
def _client_of_process(address: Address) -> Client:
    base_url, timeout, max_request_bytes = address
    return Client(base_url=base_url, timeout=timeout, progress=False, max_request_bytes=max_request_bytes)


def _from_pickle(address: Address, token: str) -> PortableClient:
    portable = PortableClient.__new__(PortableClient)
    portable._address, portable._client, portable._token = address, None, token
    return portable
