"""Opens the connections to a service, and reads its answers from them: none of them longer than it may last."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_CONNECTIONS = 64  # kept open for as many threads


class Session(requests.Session):
    """A session that follows no redirect, keeps no cookie, and keeps the idle connections of long calls alive."""

    def __init__(self) -> None:
        super().__init__()
        adapter = _Adapter(pool_maxsize=_MAX_CONNECTIONS)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing, wherever an answer points to."""


class _UntilDeadline(io.RawIOBase):
    """The bytes that a socket receives until its time is over, however slowly they drip."""

    def __init__(self, source: io.RawIOBase, connected: socket.socket, seconds: float) -> None:
        self._source = source
        self._socket = connected
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Read some bytes; raise `TimeoutError` once the time is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


class _PunctualResponse(http.client.HTTPResponse):
    """An answer that must arrive, with its headers, within the socket's timeout from when it is waited for.

    The library's own applies the timeout to each packet, so that an answer may drip for ever. It also takes an interim
    answer, such as ``103 Early Hints``, for the answer itself.
    """

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        seconds = sock.gettimeout()
        if seconds is not None:
            source = self.fp.detach()
            self.fp = io.BufferedReader(_UntilDeadline(source, sock, seconds))

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of the answer, after interim answers; the base class only skips those of 100."""
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
        while 100 < status < 200:
            http.client.parse_headers(self.fp)
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
        return version, status, reason

    def begin(self) -> None:
        """Read the head; cookies, and lines that are no headers, which urllib3 would log, are dropped."""
        super().begin()
        self.msg.set_payload("")
        self.msg.defects.clear()
        del self.msg["Set-Cookie"]


class _PlainConnection(HTTPConnection):
    response_class = _PunctualResponse


class _EncryptedConnection(HTTPSConnection):
    response_class = _PunctualResponse


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _EncryptedConnection


_POOLS = {"http": _PlainPool, "https": _EncryptedPool}


class _Adapter(HTTPAdapter):
    """Reads answers punctually, and probes idle connections each minute, so that no router drops them meanwhile."""

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002 - as its base has it
        **options: Any,  # noqa: ANN401 - passed on
    ) -> None:
        """Set the sockets' options and the kind of connections."""
        each_minute = [name for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL") if hasattr(socket, name)]
        options["socket_options"] = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            *((socket.IPPROTO_TCP, getattr(socket, name), 60) for name in each_minute),
        ]
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401 - as its base has it
        """Return what connects by a proxy, with the same kind of connections."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
