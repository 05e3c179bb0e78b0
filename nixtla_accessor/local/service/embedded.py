"""The engine as a server: in a thread of this process, on loopback, or as a process of its own."""

from __future__ import annotations

import asyncio
import atexit
import ipaddress
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import uvicorn

from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.service.application import create_app
from nixtla_accessor.local.service.connections import Connection, log_few_errors
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.limits import LIMITS, Limits
from nixtla_accessor.local.service.store import ModelStore, default_path
from nixtla_accessor.local.service.workers import WorkerPools

_LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
_KEEP_ALIVE = 75  # seconds; longer than the pauses of a notebook's loop
_START_TIMEOUT = 30.0  # seconds
_STOP_TIMEOUT = 3  # seconds for requests that are not finished when the server is stopped
_END_TIMEOUT = 1.0  # seconds for work to end when the process ends
_BACKLOG = 128  # connections that the system holds until they are accepted


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """Where an engine listens, and the key that requests must carry."""

    base_url: str
    api_key: str = field(repr=False)


class _EngineServer(uvicorn.Server):
    """A server of an engine: announces when it is ready, and stops the engine's work when it ends."""

    def __init__(self, api_key: str, announce: Callable[[], None], limits: Limits) -> None:
        self._engine = Engine(ModelStore(default_path()), limits=limits)
        self._announce = announce
        self._app = create_app(self._engine, api_key)
        config = uvicorn.Config(
            self._app,
            http=type("Connection", (Connection,), {"limits": replace(limits, connections=_max_connections(limits))}),
            log_config=None,
            access_log=False,
            lifespan="off",
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_STOP_TIMEOUT,
            ws="none",
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(log_few_errors)
        await super().startup(sockets=sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._engine.stop()
        await super().shutdown(sockets=sockets)

    def end_work(self) -> None:
        """End what is at work, and wait a moment for it; what comes later is done as ever."""
        workers: WorkerPools = self._app.state.workers
        workers.interrupt(_END_TIMEOUT)


def _max_connections(limits: Limits) -> int:
    """Return how many connections there may be, so that the process has descriptors left for other files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return limits.connections
    return min(limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


_lock = threading.Lock()
_running: RunningEngine | None = None


def start_engine() -> RunningEngine:
    """Start the local engine in a thread, once in a process.

    Returns
    -------
    RunningEngine
        Its address on loopback (a free port) and its random key.

    Raises
    ------
    ConfigurationError
        If it cannot listen, or cannot use its file of models.
    """
    global _running  # noqa: PLW0603 - one engine for a process
    with _lock:
        if _running is None:
            _running = _start_in_thread()
        return _running


def _start_in_thread() -> RunningEngine:
    api_key = secrets.token_urlsafe()
    ready = threading.Event()
    server = _EngineServer(api_key, ready.set, LIMITS)
    listener = _listen(LOOPBACK, 0)
    engine = RunningEngine(_url(listener), api_key)
    thread = threading.Thread(target=server.run, args=([listener],), name="nixtla-accessor-engine", daemon=True)
    thread.start()
    if not ready.wait(_START_TIMEOUT):
        raise ConfigurationError(f"The local engine did not start within {_START_TIMEOUT:.0f} seconds.")
    # The server itself goes on until the process is gone, since other exit handlers may still ask it.
    atexit.register(server.end_work)
    return engine


def serve(
    host: str,
    port: int,
    api_key: str | None,
    announce: Callable[[RunningEngine], None],
    limits: Limits = LIMITS,
) -> None:
    """Serve the engine until it is interrupted.

    Parameters
    ----------
    host : str
        The address to listen on.
    port : int
        The port; 0 takes a free one.
    api_key : str or None
        The key that clients must send; None makes a random one.
    announce : callable
        Called with the running engine when it is ready.
    limits : Limits
        What it takes on.

    Raises
    ------
    ConfigurationError
        If it cannot listen at the address, or cannot use its file of models.
    """
    with _listen(host, port) as listener:
        engine = RunningEngine(_url(listener), api_key or secrets.token_urlsafe())
        server = _EngineServer(engine.api_key, lambda: announce(engine), limits)
        if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            _LOG.warning("Listening on %s: the key and the series travel there unencrypted.", host)
        server.run([listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off, which would cost 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except socket.gaierror as error:
        listener.close()
        raise ConfigurationError(
            f"Cannot listen on {host!r} ({error}). Give the name or the address of this machine: 127.0.0.1 for its own "
            "processes, 0.0.0.0 for other machines."
        ) from error
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigurationError(
            f"Cannot listen on {host}:{port} ({error}). Choose another port, or 0 for any free one."
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
