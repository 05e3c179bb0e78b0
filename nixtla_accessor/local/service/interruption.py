"""How work is ended from outside, at its next step."""

from __future__ import annotations


class Interruption:
    """A flag that ends the work of one request at its next step, whoever sets it."""

    __slots__ = ("_error",)

    def __init__(self) -> None:
        self._error: Exception | None = None

    def interrupt(self, error: Exception) -> None:
        """Make the work end with this error."""
        self._error = error

    def check(self, _done: int = 0) -> None:
        """Raise the error, if the work is to end; the work calls this at every step."""
        if self._error is not None:
            raise self._error

    def begin_saving(self) -> None:
        """Raise the error, if the work is to end; the work calls this once, before it saves what it has made."""
        self.check()
