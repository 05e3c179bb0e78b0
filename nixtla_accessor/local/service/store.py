"""The fine-tuned models on disk: one SQLite file, so that writes are atomic across threads, processes and kills.

Tensors of more than some megabytes lie in files beside it: see `weight_files`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import platformdirs
from pydantic import ValidationError

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.service.database import (
    COLUMNS,
    DETAILS,
    INSERT,
    INSERT_DETAILS,
    DamageError,
    Database,
    NotOursError,
    ReplacedError,
    is_damage,
    make_file,
    open_database,
    prepare,
    rebuild,
)
from nixtla_accessor.local.service.errors import (
    REPAIR_FOLDER,
    DamagedFileError,
    DamagedModelError,
    NotOursFileError,
    StorageError,
)
from nixtla_accessor.local.service.salvage import Row, is_intact
from nixtla_accessor.local.service.weight_files import MAX_REFERENCE_BYTES, Reference, WeightFiles

_LOG = logging.getLogger(__name__)
_METADATA = COLUMNS[:-2]
_REFERENCE = f"CASE WHEN length(tensors) <= {MAX_REFERENCE_BYTES} THEN tensors END"
_SELECT = (
    f"SELECT {', '.join((*_METADATA, *DETAILS))}, length(tensors), {_REFERENCE} "  # noqa: S608 - constants
    "FROM models NOT INDEXED LEFT JOIN details USING (id, created_at)"
)
_SELECT_REFERENCES = f"SELECT {_REFERENCE} FROM models NOT INDEXED"  # noqa: S608 - constants
_IS_INDEXED = "SELECT 1 FROM models INDEXED BY sqlite_autoindex_models_1 WHERE id = ?"
_WAIT_TO_READ = 1.5  # seconds to wait for those who write; look-ups are to be answered within two
_WAIT_TO_WRITE = 30.0
_LARGEST_IN_DATABASE = 2**25  # bytes of tensors; SQLite keeps larger ones slowly, and none above 10 ** 9
ResultT = TypeVar("ResultT")


def default_path() -> Path:
    """Return the file of this user's models: in ``NIXTLA_ACCESSOR_HOME``, else in the user's data folder."""
    home = os.environ.get("NIXTLA_ACCESSOR_HOME")
    folder = Path(home).expanduser() if home else platformdirs.user_data_path("nixtla_accessor", appauthor=False)
    return folder / "models.sqlite"


class ModelStore:
    """Fine-tuned models by id.

    Every call opens the file again, so one store serves many threads, a fork keeps nothing open, and the store works
    again as soon as a fault of the disk is repaired. All calls raise `StorageError` if the file cannot be used. A
    damaged file is rebuilt from all models that can be read, by whichever call notices. Reading writes nothing else.

    Models are read from the table itself, not through its index: a damaged index could lead to another model.

    Parameters
    ----------
    path : Path
        The SQLite file; it and its folder are made with the first model.
    largest_in_database : int
        Bytes of tensors; larger ones lie in files.

    Raises
    ------
    ConfigurationError
        If the file is not one of models, or damaged beyond repair.
    """

    def __init__(self, path: Path, largest_in_database: int = _LARGEST_IN_DATABASE) -> None:
        self.path = path
        self._largest_in_database = largest_in_database
        self._files = WeightFiles(path.parent / "finetuned_models")
        self._damaged: set[tuple[str, int]] = set()
        try:
            self.models()
            self._guard(lambda: prepare(path, _WAIT_TO_WRITE))
            self._guard(lambda: self._files.clear(self._references()))
        except (NotOursFileError, DamagedFileError) as error:
            raise ConfigurationError(str(error)) from error
        except StorageError as error:  # forecasts without a fine-tuned model need none of it
            _LOG.warning("%s", error)

    def check_writable(self) -> None:
        """Raise `StorageError` if a model could not be saved, so that none is trained in vain."""

        def check() -> None:
            make_file(self.path)
            with tempfile.TemporaryFile(dir=self.path.parent):
                pass

        self._guard(check)

    def save(self, model: FinetunedModel, tensors: bytes) -> bool:
        """Save a model, whole or not at all; return False if its id is taken."""
        if len(tensors) <= self._largest_in_database:
            return self._insert(model, tensors)
        reference = self._guard(lambda: self._files.write(tensors))
        saved = False
        try:
            saved = self._insert(model, reference.to_bytes())
        finally:
            if not saved:
                self._files.delete(reference)
        return saved

    def _insert(self, model: FinetunedModel, tensors: bytes) -> bool:
        fields = model.model_dump()
        values = (*(fields[name] for name in _METADATA), hashlib.sha256(tensors).hexdigest(), tensors)
        details = (model.id, model.created_at, *(fields[name] for name in DETAILS))

        def insert(database: Database) -> bool:
            database.begin_writing()
            inserted = database.connection.execute(INSERT, values).rowcount == 1
            if inserted:
                database.connection.execute(INSERT_DETAILS, details)
            return inserted

        return self._do(insert, write=True)

    def models(self) -> list[FinetunedModel]:
        """Return all models, the newest last; those whose description is damaged are left out, with a warning."""

        def read(database: Database) -> list[tuple[object, ...]]:
            database.begin_reading()
            rows = database.connection.execute(f"{_SELECT} ORDER BY created_at, id").fetchall()
            indexed = database.connection.execute("SELECT id FROM models INDEXED BY sqlite_autoindex_models_1")
            if sorted(map(repr, indexed.fetchall())) != sorted(repr((row[0],)) for row in rows):
                raise DamageError("its table and its index differ")
            return rows

        models = []
        for row in self._do(read):
            try:
                models.append(_model_from_row(row))
            except DamagedModelError as error:
                _LOG.warning("%s It is not listed.", error)
        return models

    def has(self, model_id: str) -> bool:
        """Return whether there is a model of this id, damaged or not."""
        return self._row(model_id) is not None

    def model(self, model_id: str) -> FinetunedModel | None:
        """Return how a model was made, or None if there is none of this id.

        Raises
        ------
        DamagedModelError
            If its description cannot be read.
        """
        row = self._row(model_id)
        return None if row is None else _model_from_row(row)

    def tensors(self, model_id: str) -> bytes | None:
        """Return the tensors of a model as they were saved, or None if there is none of this id.

        Raises
        ------
        DamagedModelError
            If they are not as they were saved.
        """
        row = self._do(lambda database: _tensors(database, model_id))
        if row is None:
            return None
        if not is_intact(*row) and self._may_be_read_otherwise(model_id):
            row = self._do(lambda database: _tensors(database, model_id)) or row
        checksum, tensors = row
        if not isinstance(tensors, bytes) or not is_intact(checksum, tensors):
            raise DamagedModelError(f"The saved model {model_id!r} is damaged: its checksum does not match.")
        reference = Reference.from_bytes(tensors)
        if reference is None:
            return tensors
        read = self._guard(lambda: self._files.read(reference), write=False)
        if read is None and self.has(model_id):  # else another process has just deleted it
            raise DamagedModelError(f"The saved model {model_id!r} is damaged: its file is not as it was saved.")
        return read

    def _references(self) -> list[Reference]:
        def read(database: Database) -> list[tuple[object]]:
            return database.connection.execute(_SELECT_REFERENCES).fetchall()

        return [reference for (saved,) in self._do(read) if (reference := _reference(saved)) is not None]

    def delete(self, model_id: str) -> bool:
        """Delete a model; return False if there is none of this id."""

        def delete(database: Database) -> tuple[bool, object]:
            database.begin_writing()
            row = _tensors(database, model_id)
            if row is not None and not is_intact(*row):
                raise DamagedModelError
            statement = "DELETE FROM models NOT INDEXED WHERE id = ?"
            deleted = database.connection.execute(statement, (model_id,)).rowcount == 1
            database.connection.execute("DELETE FROM details WHERE id = ?", (model_id,))
            return deleted, None if row is None else row[1]

        try:
            deleted, tensors = self._do(delete, write=True)
        except DamagedModelError:  # SQLite would free the pages that it names, which may be those of another model
            return self._guard(lambda: rebuild(self.path, _WAIT_TO_WRITE, lambda _: True, without=model_id))
        reference = _reference(tensors) if deleted else None
        if reference is not None:
            self._guard(lambda: self._files.delete(reference))
        return deleted

    def _row(self, model_id: str) -> tuple[object, ...] | None:
        def read(database: Database) -> tuple[object, ...] | None:
            row: tuple[object, ...] | None
            database.begin_reading()
            row = database.connection.execute(f"{_SELECT} WHERE id = ?", (model_id,)).fetchone()
            if row is None and database.connection.execute(_IS_INDEXED, (model_id,)).fetchone() is not None:
                raise DamageError("its index has a model that its table has not")
            return row

        return self._do(read)

    def _may_be_read_otherwise(self, model_id: str) -> bool:
        """Rebuild the file if that mends a damaged model; a file is asked once for each."""
        asked = (model_id, self.path.stat().st_mtime_ns)
        if asked in self._damaged:
            return False
        self._damaged.add(asked)
        mends = lambda rows: any(row[0] == model_id and is_intact(*row[-2:]) for row in rows)  # noqa: E731 - short
        return self._guard(lambda: rebuild(self.path, _WAIT_TO_WRITE, mends))

    def _do(self, work: Callable[[Database], ResultT], *, write: bool = False) -> ResultT:
        """Do work in a transaction; if the file proves damaged, rebuild it and do the work again."""
        wait = _WAIT_TO_WRITE if write else _WAIT_TO_READ

        def attempt() -> ResultT:
            with open_database(self.path, wait, write=write) as database:
                return work(database)

        accept: Callable[[Sequence[Row]], bool] | None
        try:
            return attempt()
        except ReplacedError:  # nothing was written; the file that is there now is sound
            return self._guard(attempt, write=write)
        except NotOursError:
            accept = bool  # it is ours only if it has rows of ours
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error, self.path):
                raise self._storage_error(error, write=write) from error
            accept = None
        except OSError as error:
            raise self._storage_error(error, write=write) from error
        self._guard(lambda: rebuild(self.path, _WAIT_TO_WRITE, accept))
        return self._guard(attempt, write=write)

    def _guard(self, work: Callable[[], ResultT], *, write: bool = True) -> ResultT:
        """Raise the errors of SQLite and of the system as `StorageError`."""
        try:
            return work()
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            raise self._storage_error(error, write=write) from error

    def _storage_error(self, error: Exception, *, write: bool) -> StorageError:
        if isinstance(error, NotOursError):
            return NotOursFileError(
                f"The file {self.path} is not one that this version of the local engine saves its models in ({error}). "
                "Move it away, and the engine starts again without models."
            )
        if is_damage(error, self.path):
            return DamagedFileError(
                f"The file {self.path}, where the local engine saves its models, is damaged ({error}). Restore a "
                "backup of it; or move it away, and the engine starts again without models."
            )
        return StorageError(
            f"The local engine saves its models in {self.path}, and cannot {'write' if write else 'read'} there "
            f"({error}). {REPAIR_FOLDER}"
        )


def _tensors(database: Database, model_id: str) -> tuple[object, object] | None:
    """Return the checksum and the tensors of a model as they are found."""
    statement = "SELECT sha256, tensors FROM models NOT INDEXED WHERE id = ?"
    row: tuple[object, object] | None = database.connection.execute(statement, (model_id,)).fetchone()
    return row


def _reference(tensors: object) -> Reference | None:
    return Reference.from_bytes(tensors) if isinstance(tensors, bytes) else None


def _model_from_row(row: tuple[object, ...]) -> FinetunedModel:
    *values, n_bytes, tensors = row
    reference = _reference(tensors)
    described = dict(zip((*_METADATA, *DETAILS), values, strict=True))
    described["n_bytes"] = n_bytes if reference is None else reference.n_bytes
    try:
        return FinetunedModel.model_validate(described)
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        message = f"The saved model {row[0]!r} is damaged: its description cannot be read ({fields})."
        raise DamagedModelError(message) from error
