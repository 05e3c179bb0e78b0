"""The tensors of large models, each in a file beside the SQLite file, whose row holds a reference to it.

A file is on disk before its row is written, and its row is deleted before it is. So a row that can be read has its
file; a file without a row was left by a process that was killed, and is deleted later.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nixtla_accessor.local.files import synchronise, write_to_disk

_MARK = b"nixtla_accessor file of tensors: "
MAX_REFERENCE_BYTES = 300
_ABANDONED_AFTER = 3600.0  # seconds; a row is written long before


@dataclass(frozen=True, slots=True)
class Reference:
    """What a row holds in place of its tensors.

    Attributes
    ----------
    file : str
        The name of the file.
    n_bytes : int
    sha256 : str
    """

    file: str
    n_bytes: int
    sha256: str

    def to_bytes(self) -> bytes:
        """Return the reference as it is saved."""
        return _MARK + json.dumps([self.file, self.n_bytes, self.sha256]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """Read a reference; return None of what is none, such as tensors."""
        return cls(*json.loads(data[len(_MARK) :])) if data.startswith(_MARK) else None


class WeightFiles:
    """A folder of files of tensors.

    Parameters
    ----------
    folder : Path
        Made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, tensors: bytes) -> Reference:
        """Write tensors into a new file, and return when it is on disk."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        path = self._folder / name
        try:
            write_to_disk(path, tensors)
            synchronise(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Reference(name, len(tensors), hashlib.sha256(tensors).hexdigest())

    def read(self, reference: Reference) -> bytes | None:
        """Return the tensors of a file; None if it is missing or damaged."""
        try:
            tensors = (self._folder / reference.file).read_bytes()
        except FileNotFoundError:
            return None
        return tensors if hashlib.sha256(tensors).hexdigest() == reference.sha256 else None

    def delete(self, reference: Reference) -> None:
        """Delete a file, if it is there."""
        (self._folder / reference.file).unlink(missing_ok=True)

    def clear(self, kept: Collection[Reference]) -> None:
        """Delete the files that nothing refers to, and that nobody can be about to refer to."""
        names = {reference.file for reference in kept}
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in names and time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                path.unlink(missing_ok=True)
