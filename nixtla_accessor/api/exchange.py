"""What can become of one HTTP exchange, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Answer:
    """The service answered, whatever it said.

    Attributes
    ----------
    status : int
        The HTTP status.
    content : bytes
        The body, inflated.
    retry_after : float or None
        Seconds after which the service asks to try again.
    request_id : str or None
        The service's name of the request.
    location : str or None
        Where a redirect points.
    """

    status: int
    content: bytes = b""
    retry_after: float | None = None
    request_id: str | None = None
    location: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the service did what it was asked."""
        return 200 <= self.status < 300

    @property
    def summary(self) -> str:
        """The status, for a log."""
        return str(self.status)


class FailureKind(Enum):
    """How far an exchange came that brought no readable answer."""

    NOT_SENT = "not sent"
    """The service has not got the whole request."""
    CUT = "cut"
    """The request was out; the connection ended before the whole answer was in."""
    TIMED_OUT = "timed out"
    """The request was out; no answer came in time, and the service may still be at work."""
    UNREADABLE = "unreadable"
    """The service said that it succeeded, in an answer that is not the contract's."""


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """There is no readable answer.

    Attributes
    ----------
    kind : FailureKind
        How far the exchange came.
    reason : str
        What the service did instead of answering, such as "could not be reached: the connection was refused".
    cause : BaseException or None
        The library's exception, without its frames.
    permanent : bool
        Whether the same must happen again, such as with a certificate that is not trusted.
    """

    kind: FailureKind
    reason: str
    cause: BaseException | None = None
    permanent: bool = False

    @property
    def summary(self) -> str:
        """The reason, for a log."""
        return self.reason


Outcome = Answer | Failure
