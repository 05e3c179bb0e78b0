"""Makes one HTTP exchange: sends a request, and returns an answer or a failure as a value."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
import requests
from pydantic import SecretStr
from requests.auth import AuthBase

from nixtla_accessor.api.connections import Session
from nixtla_accessor.api.encoding import Body
from nixtla_accessor.api.exchange import Answer, Failure, FailureKind, Outcome
from nixtla_accessor.api.failures import EXCEPTIONS, failure_of
from nixtla_accessor.api.http_dates import parse_http_date, parse_retry_after
from nixtla_accessor.api.local_engine import start_engine
from nixtla_accessor.api.redaction import Redactor, printable
from nixtla_accessor.api.settings import Settings, is_loopback, url_origin
from nixtla_accessor.errors import ConfigurationError

MAX_ANSWER_BYTES = 256 * 2**20
"""The most bytes of an answer, decompressed, that are read."""

_CHUNK = 2**16  # bytes; each must be sent within the time to connect
_MAX_REFUSAL_BYTES = 2**23  # of a refusal that are read
_MAX_SUCCESS_SEARCHED = 2**16  # bytes of a success in which other spellings of the key are looked for
_MAX_REQUEST_ID = 100  # characters
_SHORT_KEY = 16  # characters; real keys are longer
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid")

ErrorT = TypeVar("ErrorT", bound=BaseException)


def _ignore(*_: object) -> None:
    """Do nothing."""


class Upload:
    """The body of one request while it is sent.

    Parameters
    ----------
    body : Body
        The bytes; each request needs an upload of its own.
    on_sent : callable, optional
        Called with the number of bytes after each chunk.
    on_finished : callable, optional
        Called after the last.

    Attributes
    ----------
    body : Body
        The bytes.
    maybe_sent : bool
        Whether the last byte may have been sent.
    finished_at : float or None
        When the last byte was sent, on the monotonic clock; None before.
    """

    def __init__(
        self, body: Body, on_sent: Callable[[int], None] = _ignore, on_finished: Callable[[], None] = _ignore
    ) -> None:
        self.body = body
        self.maybe_sent = False
        self.finished_at: float | None = None
        self._on_sent = on_sent
        self._on_finished = on_finished

    def __len__(self) -> int:
        return self.body.data.nbytes

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self), _CHUNK):
            chunk = self.body.data[start : start + _CHUNK]
            self.maybe_sent = start + _CHUNK >= len(self)
            yield chunk
            if self.maybe_sent:
                self.finished_at = time.monotonic()
            self._on_sent(len(chunk))
        self._on_finished()


class BearerAuth(AuthBase):
    """Adds the key to requests to one origin, and to no others; its presence keeps ``.netrc`` out."""

    def __init__(self, base_url: str, api_key: SecretStr) -> None:
        self._api_key = api_key
        self._origin = url_origin(base_url)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the key."""
        if request.url is not None and url_origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        return request


class _Server:
    """The server behind the settings: where it is, and its key."""

    def __init__(self, base_url: str, api_key: SecretStr) -> None:
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self.auth = BearerAuth(base_url, api_key)
        self.redactor = Redactor(api_key.get_secret_value())
        self.host = urlsplit(base_url).hostname or ""
        self.is_loopback = is_loopback(base_url)


class Transport:
    """Exchanges requests for answers with one service, over kept connections; for many threads and after forks.

    Nothing is opened before the first exchange, which also starts the local engine where that is the service.

    Parameters
    ----------
    settings : Settings
        Where the service is, and the key.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"nixtla-accessor/{version('nixtla-accessor')}",
        }
        self._session: Session | None = Session()
        self._process = os.getpid()
        self._inherited: list[Session] = []

    @property
    def is_local(self) -> bool:
        """Whether the service is the engine in this process."""
        return self._settings.is_local

    @property
    def is_loopback(self) -> bool:
        """Whether the service is on this machine."""
        return self._server.is_loopback

    @property
    def service_name(self) -> str:
        """The service's name in a message."""
        return "the local engine" if self._settings.is_local else self._settings.origin

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
        parameters: Mapping[str, str | Sequence[str]] | None = None,
    ) -> Outcome:
        """Send a request and read the answer.

        Parameters
        ----------
        method, path : str
            Such as ``"GET"`` and ``"/v2/finetuned_models"``.
        timeout : tuple of float
            Seconds to connect, and seconds to wait for the answer once the request is sent.
        upload : Upload, optional
            The body.
        parameters : mapping, optional
            The query string.

        Returns
        -------
        Answer or Failure

        Raises
        ------
        ConfigurationError
            The client is closed, or the certificates or the proxy of the environment cannot be used.
        """
        session = self._session_of_process()
        server = self._server
        outer = sys.exception()
        request = requests.Request(
            method,
            server.base_url + path,
            headers={**self._headers, **({} if upload is None else upload.body.headers)},
            params=parameters,
            data=upload,
            auth=server.auth,
        ).prepare()
        try:
            environment = session.merge_environment_settings(str(request.url), {}, True, None, None)  # noqa: FBT003
            if server.is_loopback:
                environment["proxies"] = {}
            with session.send(request, timeout=timeout, allow_redirects=False, **environment) as response:
                sent_at = time.monotonic() if upload is None or upload.finished_at is None else upload.finished_at
                return self._read(response, timeout, sent_at + timeout[1])
        except EXCEPTIONS as error:
            body_is_sent = None if upload is None else upload.finished_at is not None
            return self._failure(error, timeout, outer, body_is_sent=body_is_sent)
        except OSError as error:  # raised by requests where a certificate file does not exist
            raise ConfigurationError(
                f"The certificates cannot be used: {error}. Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."
            ) from _without_frames(error, outer)
        except KeyboardInterrupt as interrupt:
            raise _without_frames(interrupt, outer)  # noqa: B904 - the same one

    @cached_property
    def _server(self) -> _Server:
        """The server of the settings; the local engine is started for it."""
        if self._settings.is_local:
            engine = start_engine()
            return _Server(engine.base_url, SecretStr(engine.api_key))
        return _Server(self._settings.base_url, self._settings.api_key)

    @property
    def _key(self) -> str:
        return self._server.api_key.get_secret_value()

    def redact_failure(self, failure: Failure) -> Failure:
        """Return a failure with nothing of the service in it that must not be shown; for one from an answer's body."""
        return replace(failure, reason=printable(self._server.redactor.redact(failure.reason)))

    def redact_value(self, value: object) -> Any:  # noqa: ANN401 - any JSON
        """Return a value of an answer without the key, for one that is shown."""
        return orjson.loads(self._server.redactor.redact_bytes(orjson.dumps(value)))

    def _session_of_process(self) -> Session:
        """Return the session; after a fork a new one, since the sockets belong to the parent."""
        if self._session is None:
            raise ConfigurationError("This client is closed; make another with connect() or Client().")
        if self._process != os.getpid():
            self._inherited.append(self._session)  # never closed here: another thread may have held its locks
            self._session = Session()
            self._process = os.getpid()
        return self._session

    def _read(self, response: requests.Response, timeout: tuple[float, float], deadline: float) -> Outcome:
        """Read an answer, within limits; of a refusal, the readable part is enough."""
        is_success = 200 <= response.status_code < 300
        limit = MAX_ANSWER_BYTES if is_success else _MAX_REFUSAL_BYTES
        content = bytearray()
        failure: Failure | None = None
        try:
            for chunk in response.iter_content(_CHUNK):
                content += chunk
                if len(content) > limit:
                    failure = Failure(FailureKind.UNREADABLE, f"answered with more than {limit / 2**20:,.0f} MiB")
                    break
                if time.monotonic() > deadline:
                    failure = Failure(FailureKind.TIMED_OUT, f"gave no complete answer within {timeout[1]:g} s")
                    break
        except EXCEPTIONS as error:
            failure = self._failure(error, timeout, None, body_is_sent=True)
            if failure.kind is FailureKind.CUT_OFF:
                reason = "reported success: the connection ended before the complete answer arrived"
                failure = replace(failure, kind=FailureKind.INCOMPLETE, reason=reason)
        if is_success and failure is not None:
            return failure
        return self._answer(response, bytes(content))

    def _answer(self, response: requests.Response, content: bytes) -> Outcome:
        """Return what the client needs of a response, without the key."""
        redactor = self._server.redactor
        names = ("date", "retry-after", "location", *_REQUEST_ID_HEADERS)
        headers = {name: redactor.redact(response.headers[name]) for name in names if name in response.headers}
        now = parse_http_date(headers.get("date")) or datetime.now(UTC)
        answer = Answer(
            status=response.status_code,
            content=content,
            retry_after=parse_retry_after(headers.get("retry-after"), now),
            request_id=next(
                (printable(headers[name], _MAX_REQUEST_ID) for name in _REQUEST_ID_HEADERS if name in headers), None
            ),
            location=headers.get("location"),
        )
        if not answer.is_success:
            return replace(answer, content=redactor.redact_bytes(content))
        if len(self._key) < _SHORT_KEY:  # such a key could be a word of the answer
            return answer
        masked = redactor.mask_bytes(content)
        if len(masked) <= _MAX_SUCCESS_SEARCHED and redactor.shows_key(masked):
            return Failure(FailureKind.UNREADABLE, "answered with text that shows the API key")
        return replace(answer, content=masked)

    def _failure(
        self,
        error: Exception,
        timeout: tuple[float, float],
        outer: BaseException | None,
        *,
        body_is_sent: bool | None,
    ) -> Failure:
        """Classify an exception; a cause that shows the key, or what a terminal obeys, is left out."""
        failure = failure_of(
            error,
            host=self._server.host,
            is_loopback=self._server.is_loopback,
            timeout=timeout,
            body_is_sent=body_is_sent,
            outer=outer,
        )
        said = f"{failure.cause} {failure.cause!r}"
        is_harmless = said == printable(said) and not self._server.redactor.shows_key(said) and self._key not in said
        return self.redact_failure(replace(failure, cause=failure.cause if is_harmless else None))


def _without_frames(error: ErrorT, outer: BaseException | None) -> ErrorT:
    """Return an exception without its traceback: the libraries' frames hold the headers, and so the key."""
    error.__context__ = outer
    return error.with_traceback(None)
