"""A process as the owner of jobs: other processes can tell whether it still runs, whatever has ended it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import uuid
from contextlib import closing
from pathlib import Path


class JobOwner:
    """Shows others that this process runs, by a file that it keeps locked until the system ends it.

    Parameters
    ----------
    folder : Path
        Where the owners of jobs have their files; it is made with the first.

    Attributes
    ----------
    name : str
        What others know the process by.
    """

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._lock = threading.Lock()
        self._held: sqlite3.Connection | None = None

    def hold(self) -> None:
        """Lock the file, so that others can tell that this process runs.

        Raises
        ------
        sqlite3.Error, OSError
            If the file cannot be made.
        """
        with self._lock:
            if self._held is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                held = sqlite3.connect(self._folder / self.name, isolation_level=None, check_same_thread=False)
                _lock(held)
                self._held = held

    def is_running(self, name: str) -> bool:
        """Return whether another owner still runs; the file of one that does not is deleted."""
        path = self._folder / name
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
                _lock(connection)
        except sqlite3.OperationalError as error:
            # Where its file is read-only it cannot be told, and nothing can be changed of its jobs either.
            return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)
        with contextlib.suppress(OSError):  # in a folder that is read-only
            path.unlink(missing_ok=True)
        return False


def _lock(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = OFF")  # nothing is written, and no other file is wanted
    connection.execute("BEGIN EXCLUSIVE")
