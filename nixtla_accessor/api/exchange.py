"""The outcome of one HTTP exchange, as a plain value: an answer or a failure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Answer:
    """The service answered, with success or a refusal.

    Attributes
    ----------
    status : int
        The HTTP status.
    content : bytes
        The body, decompressed.
    retry_after : float or None
        Seconds after which the service asks to try again.
    request_id : str or None
        The service's id of the request.
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
        """Whether the service did what was asked."""
        return 200 <= self.status < 300

    @property
    def summary(self) -> str:
        """The status, for a log."""
        return str(self.status)


class FailureKind(Enum):
    """How far an exchange came that brought no readable answer."""

    NOT_SENT = "not sent"
    """The service did not receive the complete request."""
    CUT_OFF = "cut off"
    """The request was sent; the connection ended before the complete answer arrived."""
    INCOMPLETE = "incomplete"
    """The service reported success; the connection ended before the complete answer arrived."""
    TIMED_OUT = "timed out"
    """The request was sent; no answer came in time, and the service may still be processing it."""
    UNREADABLE = "unreadable"
    """The service reported success, in an answer that does not follow the contract."""


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """There is no readable answer.

    Attributes
    ----------
    kind : FailureKind
        How far the exchange came.
    reason : str
        What the service did instead, such as "could not be reached: the connection was refused"; it follows the
        service's name in a message.
    cause : BaseException or None
        The library's exception, without its frames.
    permanent : bool
        Whether a retry must fail in the same way, such as where a certificate is not trusted.
    nothing_listens : bool
        Whether no server runs at the address, which is on this machine.
    """

    kind: FailureKind
    reason: str
    cause: BaseException | None = None
    permanent: bool = False
    nothing_listens: bool = False

    @property
    def summary(self) -> str:
        """The reason, for a log."""
        return self.reason


Outcome = Answer | Failure
