"""Files that are whole or not there, whatever is killed."""

from __future__ import annotations

import os
from pathlib import Path


def write_to_disk(path: Path, data: bytes) -> None:
    """Write a new file, and return when it is on disk; its name is when `synchronise` has returned for its folder."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def synchronise(folder: Path) -> None:
    """Bring the names in a folder to disk, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
