"""Classifies the exceptions of the HTTP libraries as failures: how far a request came, and why no further."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from nixtla_accessor.api.exchange import Failure, FailureKind

EXCEPTIONS = (requests.RequestException, HTTPError, ValueError, OverflowError)
"""What the libraries raise: requests its own, and, for some answers that are no HTTP, what urllib3 and Python raise."""


def failure_of(
    error: Exception,
    *,
    host: str,
    is_loopback: bool,
    timeout: tuple[float, float],
    body_is_sent: bool | None,
    outer: BaseException | None,
) -> Failure:
    """Classify an exception of an exchange.

    Parameters
    ----------
    error : Exception
        One of `EXCEPTIONS`.
    host : str
        The host that the request was for.
    is_loopback : bool
        Whether it is this machine.
    timeout : tuple of float
        The request's seconds to connect, and to wait for the answer.
    body_is_sent : bool or None
        Whether the last byte of the body was handed to the system; None for a request without a body.
    outer : BaseException or None
        The exception that the caller was handling; it is not a cause of this one.

    Returns
    -------
    Failure
        Its cause is the innermost exception, without frames: the frames, and the libraries' own exceptions, hold the
        headers of the request, and so the key.
    """
    chain = list(_chain(error, outer))
    root = chain[-1]
    root.__traceback__ = root.__context__ = root.__cause__ = None
    connecting = any(isinstance(link, NewConnectionError | ConnectTimeoutError | ProxyError) for link in chain)
    securing = isinstance(error, requests.exceptions.SSLError) and not body_is_sent
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return Failure(FailureKind.UNREADABLE, "answered with a body that cannot be decompressed", root)
    if body_is_sent is not False and _is_about_answer(error):
        return Failure(FailureKind.CUT_OFF, "gave no answer that can be read", root)
    if not isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError):
        return Failure(FailureKind.NOT_SENT, f"could not be called: {root}", root, permanent=True)
    if connecting or securing:
        reason = f"could not be reached: {_why_not_reached(error, root, host, timeout)}"
        untrusted = isinstance(root, ssl.SSLCertVerificationError)
        nothing_listens = is_loopback and isinstance(root, ConnectionRefusedError)
        if nothing_listens:
            reason += ", since no engine (or other server) is running there"
        return Failure(FailureKind.NOT_SENT, reason, root, permanent=untrusted, nothing_listens=nothing_listens)
    if body_is_sent is False:
        reason = "did not receive the request: the connection ended while it was being sent"
        return Failure(FailureKind.NOT_SENT, reason, root)
    if any(isinstance(link, ReadTimeoutError) for link in chain):
        return Failure(FailureKind.TIMED_OUT, f"gave no answer within {timeout[1]:g} s", root)
    return Failure(FailureKind.CUT_OFF, "gave no answer: the connection ended before it arrived", root)


def _is_about_answer(error: Exception) -> bool:
    """Return whether an exception is about an answer that is no HTTP, rather than about the address or the way."""
    if isinstance(error, requests.RequestException):
        return isinstance(error, requests.exceptions.InvalidHeader)
    return not isinstance(error, LocationValueError)


def _chain(error: BaseException, outer: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, down to the one that the caller was handling."""
    link: BaseException | None = error
    while link is not None and link is not outer:
        yield link
        link = link.__cause__ or link.__context__


def _why_not_reached(error: BaseException, root: BaseException, host: str, timeout: tuple[float, float]) -> str:
    """Return why there is no connection."""
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy that the environment names did not connect ({root})"
    if isinstance(root, socket.gaierror):
        return f"the name {host!r} cannot be resolved"
    if isinstance(root, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {timeout[0]:g} s"
    if isinstance(root, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({root.verify_message}); where a network has a certificate authority of "
            "its own, set REQUESTS_CA_BUNDLE to the file with its certificates"
        )
    if isinstance(error, requests.exceptions.SSLError):
        return f"the encrypted connection failed ({root})"
    return str(root)
