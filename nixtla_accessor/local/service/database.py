"""The SQLite file of models: made, opened, checked, and rebuilt from what can be read of it where it is damaged."""

from __future__ import annotations

import contextlib
import errno
import logging
import mmap
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from nixtla_accessor.local.service.salvage import PAGE_SIZE, Row, salvage_rows

_LOG = logging.getLogger(__name__)
COLUMNS = (
    "id",
    "created_at",
    "created_by",
    "base_model_id",
    "steps",
    "depth",
    "loss",
    "model",
    "freq",
    "sha256",
    "tensors",
)
DETAILS = ("n_series", "n_obs", "alpha")
"""What a model was tuned on, in a table of its own, which a damaged file is rebuilt without."""
INSERT = f"INSERT OR IGNORE INTO models ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants
INSERT_DETAILS = "INSERT OR REPLACE INTO details (id, created_at, n_series, n_obs, alpha) VALUES (?, ?, ?, ?, ?)"
_VERSION = 1
_CREATE_DETAILS = """
CREATE TABLE IF NOT EXISTS details (
    id TEXT,
    created_at TEXT,
    n_series INTEGER,
    n_obs INTEGER,
    alpha REAL,
    PRIMARY KEY (id, created_at)
) WITHOUT ROWID
"""
_CREATE = f"""
PRAGMA page_size = {PAGE_SIZE};
PRAGMA auto_vacuum = FULL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS models (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    base_model_id TEXT NOT NULL,
    steps INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    loss TEXT NOT NULL,
    model TEXT NOT NULL,
    freq TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    tensors BLOB NOT NULL
);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_MAGIC = b"SQLite format 3\0"
_LARGEST_TO_VACUUM = 2**31  # bytes; beyond, it would take minutes at the start
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


class NotOursError(sqlite3.Error):
    """The file has no table of models as this version of the engine writes it."""


class DamageError(sqlite3.Error):
    """The file is damaged, as its contents show."""


class ReplacedError(sqlite3.Error):
    """Another thread or process has put a rebuilt file in the place of the one that was opened."""


class Database:
    """An open file of models.

    Attributes
    ----------
    connection : sqlite3.Connection
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, identity: tuple[int, int] | None) -> None:
        self.connection = connection
        self._path = path
        self._identity = identity

    def begin_reading(self) -> None:
        """Let all that is read until the transaction ends be of one moment, whatever others write."""
        self.connection.execute("BEGIN")

    def begin_writing(self) -> None:
        """Keep others from writing until the transaction ends.

        Raises
        ------
        ReplacedError
            If another has put a rebuilt file in the place of this one meanwhile.
        """
        self.connection.execute("BEGIN IMMEDIATE")
        if _identity(self._path) != self._identity:
            raise ReplacedError("it was replaced")


@contextmanager
def open_database(path: Path, wait: float, *, write: bool) -> Iterator[Database]:
    """Open the file of models; what is done within is one transaction.

    Parameters
    ----------
    path : Path
    wait : float
        Seconds to wait for others who write.
    write : bool
        Whether to make the file and its folder if they are missing. Otherwise a file without models is read in their
        place, and nothing is written, so that a folder may be read-only.

    Raises
    ------
    sqlite3.Error, OSError
        `is_damage` tells whether the file is damaged.
    """
    place = file_or_memory(path, write=write)
    identity = _identity(path)
    with closing(sqlite3.connect(place, timeout=wait)) as connection, connection:
        connection.text_factory = _text
        connection.execute("PRAGMA secure_delete = ON")  # or a deleted model could be taken for one of a damaged file
        _check(connection)
        yield Database(path, connection, identity)


def file_or_memory(path: Path, *, write: bool) -> Path | str:
    """Return what SQLite is to open: the file, made if it is to be written; to read one that is not there, its memory.

    Raises
    ------
    OSError
        As `make_file`.
    """
    if write:
        make_file(path)
        return path
    return path if _identity(path) is not None and path.stat().st_size else ":memory:"


def make_file(path: Path) -> None:
    """Make the file and its folder, if they are missing: they may have been deleted since.

    Raises
    ------
    OSError
        If it cannot be made, or others beside it: SQLite would change the file, and not get rid of its journal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))
    path.touch()


def is_damage(error: Exception, path: Path) -> bool:
    """Return whether an error shows that the file is damaged, rather than locked, full or out of reach."""
    if isinstance(error, DamageError | UnicodeDecodeError):  # the latter where SQLite's own message shows what it read
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    if code & 0xFF == sqlite3.SQLITE_READONLY:  # a byte of the file may say so as well
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ or "unsupported file format" in str(error)


def prepare(path: Path, wait: float) -> None:
    """Bring a file of an older version up to date, so that deleting models gives disk space back."""
    if not path.exists() or path.stat().st_size > _LARGEST_TO_VACUUM:
        return
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=wait)) as database:
        if database.execute("PRAGMA auto_vacuum").fetchone() == (0,) and _columns(database):
            _check(database)
            database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            database.execute("PRAGMA auto_vacuum = FULL")
            database.execute("VACUUM")
            database.execute(f"PRAGMA user_version = {_VERSION}")


def rebuild(
    path: Path,
    wait: float,
    accept: Callable[[Sequence[Row]], bool] | None = None,
    *,
    without: str | None = None,
) -> bool:
    """Put a new file with all rows that can be read in the place of a damaged one, which is kept beside it.

    Parameters
    ----------
    path : Path
    wait : float
        Seconds to wait for others.
    accept : callable, optional
        Whether to rebuild, of the rows that can be read; by default, if there are any, or if it looks like a database.
    without : str, optional
        The id of a model to leave out.

    Returns
    -------
    bool
        Whether it is rebuilt; else it is not recognised as a file of models, and left as it is.

    Raises
    ------
    sqlite3.Error, OSError
        If the new file cannot be written.
    """
    before = _identity(path)
    with contextlib.ExitStack() as held:
        lock = held.enter_context(closing(sqlite3.connect(path.with_suffix(".lock"), timeout=wait)))
        lock.execute("BEGIN EXCLUSIVE")  # one process at a time
        if _identity(path) != before or before is None:
            return True  # another process has rebuilt it meanwhile
        damaged = held.enter_context(closing(sqlite3.connect(path, timeout=wait)))
        with contextlib.suppress(sqlite3.DatabaseError):  # where this fails, nobody else can write either
            damaged.execute("BEGIN EXCLUSIVE")
        # Both stay open until the end: POSIX lifts a lock of SQLite's as soon as the file is closed once.
        file = held.enter_context(path.open("rb"))
        if path.stat().st_size == 0:
            return False
        data = held.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        rows = salvage_rows(data)
        if not (accept(rows) if accept else rows or _looks_like_a_database(data)):
            return False
        _write(path, [row for row in rows if row[0] != without])
    _LOG.warning(
        "%s was damaged, and is rebuilt with the %d models that could be read. The damaged file is kept as %s.",
        path,
        len(rows),
        path.with_suffix(".damaged"),
    )
    return True


def _looks_like_a_database(data: mmap.mmap) -> bool:
    """Return whether a file begins as SQLite's do, but for a byte."""
    return sum(expected != found for expected, found in zip(_MAGIC, data[: len(_MAGIC)], strict=False)) <= 1


def _write(path: Path, rows: Sequence[Row]) -> None:
    """Write a new file, and put it in the place of the damaged one."""
    new, kept = path.with_suffix(".rebuilt"), path.with_suffix(".damaged")
    for former in (new, kept):
        former.unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as database:
        database.executescript(_CREATE)
        with database:
            database.executemany(INSERT, rows)
    with contextlib.suppress(OSError):  # not every file system has links
        os.link(path, kept)
    with contextlib.suppress(FileNotFoundError):  # of a transaction that was not finished: it would damage the new file
        Path(f"{path}-journal").unlink()
    new.replace(path)


def _check(database: sqlite3.Connection) -> None:
    """Check that the file has the table of models; make it in a new file."""
    columns = _columns(database)
    if not columns:
        (n_pages,) = database.execute("PRAGMA page_count").fetchone()
        (n_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        is_new = n_pages <= 1 and not n_tables
        if not is_new and not _columns(database):  # which another process may have made meanwhile
            raise NotOursError("it has no table of models")
        database.executescript(_CREATE)
        columns = _columns(database)
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise NotOursError(f"its models have no {missing[0]}")
    unknown = [name for name, may_be_left_out in columns.items() if name not in COLUMNS and not may_be_left_out]
    if unknown:
        raise NotOursError(f"its models have a {unknown[0]}, which this version does not know")
    _make_details(database)
    if list(_columns(database, "details")) != ["id", "created_at", *DETAILS]:
        raise DamageError("its table of details has other columns")


def _make_details(database: sqlite3.Connection) -> None:
    """Make the table of details, which an older version did not; in memory, if the file cannot be written to."""
    try:
        database.execute(_CREATE_DETAILS)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute(_CREATE_DETAILS.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))


def _columns(database: sqlite3.Connection, table: str = "models") -> dict[str, bool]:
    """Return the columns of a table, and whether each may be left out of a new row."""
    statement = 'SELECT name, "notnull", dflt_value FROM pragma_table_info(?)'
    rows = database.execute(statement, (table,)).fetchall()
    return {str(name): not notnull or default is not None for name, notnull, default in rows}


def _text(data: bytes) -> str | bytes:
    """Return text, or the bytes if they are none."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another at the same place."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
