"""One HTTP exchange: a request goes out, and an answer or a failure comes back as a value."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from nixtla_accessor.api.encoding import Body
from nixtla_accessor.api.exchange import Answer, Failure, FailureKind, Outcome
from nixtla_accessor.api.failures import failure_of
from nixtla_accessor.api.retry import parse_http_date, requested_wait
from nixtla_accessor.api.settings import Settings, is_loopback, url_origin
from nixtla_accessor.errors import ConfigurationError

LARGEST_ANSWER = 256 * 2**20
"""Bytes of an answer, inflated, that are read at most."""

_PIECE = 2**16  # bytes; each must be up within the time to connect
_MOST_CONNECTIONS = 64  # kept open for as many threads
_MASK = "*****"
_SHORT_KEY = 16  # characters; real ones are longer
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid")

ErrorT = TypeVar("ErrorT", bound=BaseException)


class Upload:
    """A request's body on its way up.

    Attributes
    ----------
    body : Body
        What is sent; a new upload of it is needed for each request.
    may_be_out : bool
        Whether the last byte may have left.
    finished_at : float or None
        When the last byte had left, on the monotonic clock; None before.
    """

    def __init__(self, body: Body, on_sent: Callable[[Upload, int], None] = lambda *_: None) -> None:
        self.body = body
        self.may_be_out = False
        self.finished_at: float | None = None
        self._on_sent = on_sent

    def __len__(self) -> int:
        return self.body.data.nbytes

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self), _PIECE):
            piece = self.body.data[start : start + _PIECE]
            self.may_be_out = start + _PIECE >= len(self)
            yield piece
            if self.may_be_out:
                self.finished_at = time.monotonic()
            self._on_sent(self, len(piece))


class BearerAuth(AuthBase):
    """Adds the key to requests to one origin, and to no others; being there, it keeps ``.netrc`` out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._origin = url_origin(settings.base_url)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the key."""
        if request.url is not None and url_origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._settings.api_key.get_secret_value()}"
        return request


class _Session(requests.Session):
    """A session that follows no redirect and keeps idle connections of long calls alive."""

    def __init__(self) -> None:
        super().__init__()
        adapter = _KeepAliveAdapter(pool_maxsize=_MOST_CONNECTIONS)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


class _KeepAliveAdapter(HTTPAdapter):
    """Probes silent connections each minute, so that no router on the way forgets them while a model is trained."""

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002 - as its base has it
        **options: Any,  # noqa: ANN401 - passed on
    ) -> None:
        """Set the sockets' options."""
        each_minute = [name for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL") if hasattr(socket, name)]
        options["socket_options"] = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            *((socket.IPPROTO_TCP, getattr(socket, name), 60) for name in each_minute),
        ]
        super().init_poolmanager(connections, maxsize, block, **options)


class Transport:
    """Exchanges requests for answers with one service, over kept connections; for many threads and after forks.

    Parameters
    ----------
    settings : Settings
        Where the service is, and the key.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._auth = BearerAuth(settings)
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"nixtla-accessor/{version('nixtla-accessor')}",
        }
        self._host = urlsplit(settings.base_url).hostname or ""
        self._is_loopback = is_loopback(settings.base_url)
        self._session: _Session | None = _Session()
        self._process = os.getpid()
        self._inherited: list[_Session] = []

    @property
    def where(self) -> str:
        """What to call the service in a message."""
        return "the local engine" if self._settings.origin == "local" else self._settings.origin

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._session is None

    def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None and self._process == os.getpid():
            session.close()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        timeout: tuple[float, float],
        upload: Upload | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Send a request and read the answer.

        Parameters
        ----------
        method, path : str
            Such as ``"GET"`` and ``"/v2/finetuned_models"``.
        timeout : tuple of float
            Seconds to connect, and seconds to wait for the answer once the request is out.
        upload : Upload, optional
            The body.
        parameters : mapping, optional
            Of the query.

        Returns
        -------
        Answer or Failure

        Raises
        ------
        ConfigurationError
            The client is closed, or the certificates or the proxy of the environment cannot be used.
        """
        session = self._session_of_process()
        outer = sys.exception()
        request = requests.Request(
            method,
            self._settings.base_url + path,
            headers={**self._headers, **({} if upload is None else upload.body.headers)},
            params=parameters,
            data=upload,
            auth=self._auth,
        ).prepare()
        try:
            environment = session.merge_environment_settings(str(request.url), {}, True, None, None)  # noqa: FBT003
            if self._is_loopback:
                environment["proxies"] = {}
            with session.send(request, timeout=timeout, allow_redirects=False, **environment) as response:
                sent_at = time.monotonic() if upload is None or upload.finished_at is None else upload.finished_at
                return self._read(response, timeout, sent_at + timeout[1])
        except requests.RequestException as error:
            body_is_out = None if upload is None else upload.finished_at is not None
            return self._failure(error, timeout, outer, body_is_out=body_is_out)
        except OSError as error:  # so says requests of files that are not there
            raise ConfigurationError(
                f"The certificates cannot be used: {error}. Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."
            ) from _without_frames(error, outer)
        except KeyboardInterrupt as interrupt:
            raise _without_frames(interrupt, outer)  # noqa: B904 - the same one

    @property
    def _key(self) -> str:
        return self._settings.api_key.get_secret_value()

    def _mask(self, text: str) -> str:
        """Blot out the key, should the service have echoed it."""
        return text.replace(self._key, _MASK)

    def _session_of_process(self) -> _Session:
        """Return the session; after a fork a new one, as the parent's sockets are the parent's."""
        if self._session is None:
            raise ConfigurationError("This client is closed; make another with connect() or Client().")
        if self._process != os.getpid():
            self._inherited.append(self._session)  # never closed here: another thread may have held its locks
            self._session = _Session()
            self._process = os.getpid()
        return self._session

    def _read(self, response: requests.Response, timeout: tuple[float, float], deadline: float) -> Outcome:
        """Read an answer, but not without end; of a refusal, what can be read will do."""
        content = bytearray()
        failure: Failure | None = None
        try:
            for piece in response.iter_content(_PIECE):
                content += piece
                if len(content) > LARGEST_ANSWER:
                    failure = Failure(
                        FailureKind.UNREADABLE, f"answered with more than {LARGEST_ANSWER / 2**20:,.0f} MiB"
                    )
                    break
                if time.monotonic() > deadline:
                    failure = Failure(FailureKind.TIMED_OUT, f"gave no whole answer within {timeout[1]:g} s")
                    break
        except requests.RequestException as error:
            failure = self._failure(error, timeout, None, body_is_out=True)
        answer = self._answer(response, bytes(content))
        return failure if failure is not None and answer.is_success else answer

    def _answer(self, response: requests.Response, content: bytes) -> Answer:
        """Take from a response what is looked at, with the key blotted out should the service have echoed it."""
        headers = {name.lower(): self._mask(value) for name, value in response.headers.items()}
        now = parse_http_date(headers.get("date")) or datetime.now(UTC)
        answer = Answer(
            status=response.status_code,
            content=content,
            retry_after=requested_wait(headers.get("retry-after"), now),
            request_id=next((headers[name] for name in _REQUEST_IDS if name in headers), None),
            location=headers.get("location"),
        )
        if answer.is_success and len(self._key) < _SHORT_KEY:  # such a key could be a word of the answer itself
            return answer
        for form in (self._key, self._key.replace("/", "\\/")):  # as it is, and as some write it in JSON
            content = content.replace(form.encode(), _MASK.encode())
        return replace(answer, content=content)

    def _failure(
        self,
        error: requests.RequestException,
        timeout: tuple[float, float],
        outer: BaseException | None,
        *,
        body_is_out: bool | None,
    ) -> Failure:
        """Classify an exception; a cause that quotes the key is left out."""
        failure = failure_of(error, host=self._host, timeout=timeout, body_is_out=body_is_out, outer=outer)
        cause = None if self._key in f"{failure.cause} {failure.cause!r}" else failure.cause
        return replace(failure, reason=self._mask(failure.reason), cause=cause)


def _without_frames(error: ErrorT, outer: BaseException | None) -> ErrorT:
    """Forget where an exception was raised: the frames of the libraries hold the request's headers."""
    error.__context__ = outer
    return error.with_traceback(None)
