"""The fine-tuned models on disk: one SQLite file, so that writes are atomic across threads, processes and kills."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import platformdirs

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.service.errors import DamagedFileError, DamagedModelError, StorageError

_SCHEMA = """
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
)
"""
_METADATA = "id, created_at, created_by, base_model_id, steps, depth, loss, model, freq"
_WAIT_FOR_WRITERS = 30.0  # seconds


def default_path() -> Path:
    """Return the file of this user's models: in ``NIXTLA_ACCESSOR_HOME``, else in the user's data folder."""
    home = os.environ.get("NIXTLA_ACCESSOR_HOME")
    folder = Path(home) if home else platformdirs.user_data_path("nixtla_accessor", appauthor=False)
    return folder / "models.sqlite"


class ModelStore:
    """Fine-tuned models by id.

    Every call opens the file again, so one store serves many threads, a fork keeps nothing open, and the store works
    again as soon as a fault of the disk is repaired. All calls raise `StorageError` if the file cannot be used.

    Parameters
    ----------
    path : Path
        The SQLite file; it and its folder are created if they are missing.

    Raises
    ------
    ConfigurationError
        If models cannot be saved there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.models()
        except DamagedFileError as error:
            raise ConfigurationError(str(error)) from error
        except StorageError as error:
            raise ConfigurationError(f"{error} NIXTLA_ACCESSOR_HOME chooses another folder.") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)  # it may have been deleted since
            with closing(sqlite3.connect(self.path, timeout=_WAIT_FOR_WRITERS)) as database, database:
                database.execute(_SCHEMA)
                yield database
        except (OSError, sqlite3.OperationalError) as error:
            message = (
                f"The local engine saves its models in {self.path}, and cannot read or write there ({error}). "
                "Make room, or check the permissions of the folder."
            )
            raise StorageError(message) from error
        except sqlite3.DatabaseError as error:
            message = (
                f"The file {self.path}, where the local engine saves its models, is damaged ({error}). Restore a "
                "backup of it; or move it away, and the engine starts again without models."
            )
            raise DamagedFileError(message) from error

    def save(self, model: FinetunedModel, tensors: bytes) -> bool:
        """Save a model, whole or not at all; return False if its id is taken."""
        values = (*model.model_dump().values(), hashlib.sha256(tensors).hexdigest(), tensors)
        with self._transaction() as database:
            statement = f"INSERT OR IGNORE INTO models ({_METADATA}, sha256, tensors) VALUES ({', '.join('?' * 11)})"  # noqa: S608 - constants only
            return database.execute(statement, values).rowcount == 1

    def models(self) -> list[FinetunedModel]:
        """Return all models, the newest last."""
        with self._transaction() as database:
            rows = database.execute(f"SELECT {_METADATA} FROM models ORDER BY created_at, id").fetchall()  # noqa: S608 - constants
        return [_model_from_row(row) for row in rows]

    def model(self, model_id: str) -> FinetunedModel | None:
        """Return how a model was made, or None if there is none of this id."""
        with self._transaction() as database:
            row = database.execute(f"SELECT {_METADATA} FROM models WHERE id = ?", (model_id,)).fetchone()  # noqa: S608 - constants
        return None if row is None else _model_from_row(row)

    def tensors(self, model_id: str) -> bytes | None:
        """Return the tensors of a model as they were saved, or None if there is none of this id."""
        try:
            with self._transaction() as database:
                row = database.execute("SELECT sha256, tensors FROM models WHERE id = ?", (model_id,)).fetchone()
        except DamagedFileError as error:  # in the pages of this model, since the file could be opened
            raise DamagedModelError(f"The saved model {model_id!r} is damaged: it cannot be read.") from error
        if row is None:
            return None
        checksum, tensors = row
        if hashlib.sha256(tensors).hexdigest() != checksum:
            raise DamagedModelError(f"The saved model {model_id!r} is damaged: its checksum does not match.")
        return bytes(tensors)

    def delete(self, model_id: str) -> bool:
        """Delete a model; return False if there is none of this id."""
        with self._transaction() as database:
            return database.execute("DELETE FROM models WHERE id = ?", (model_id,)).rowcount == 1


def _model_from_row(row: tuple[str | int, ...]) -> FinetunedModel:
    return FinetunedModel.model_validate(dict(zip(_METADATA.split(", "), row, strict=True)))
