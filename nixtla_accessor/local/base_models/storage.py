"""The folder of base models: each in a folder of its own, with a description and the checksums of its files.

A model is copied into a folder whose name begins with a dot, described there, and put in its place by one rename: what
is listed is whole, whatever was killed. The names of the folders are random, and models are found by reading their
descriptions, so that no name that somebody asks for becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from nixtla_accessor.local.base_models.names import resolve
from nixtla_accessor.local.files import synchronise, write_to_disk

_LOG = logging.getLogger(__name__)
BASE_MODELS = "base_models"
"""The name of the folder, in the engine's home."""
_DESCRIPTION = "description.json"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
_UNFINISHED = ".unfinished-"
_ABANDONED_AFTER = 3600.0  # seconds; nobody copies a model for longer
_CHUNK_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from.

    Attributes
    ----------
    name : str
        Its full name.
    config, weights : Path
        Its files.
    revision : str or None
        On the hub.
    licence : str or None
        As its model card names it.
    """

    name: str
    config: Path
    weights: Path
    revision: str | None
    licence: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found in a model's files."""

    architecture: str
    n_parameters: int


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A base model on disk.

    Attributes
    ----------
    name : str
        Its full name, such as ``amazon/chronos-2``.
    architecture : str
        As its ``config.json`` names it.
    n_parameters, n_bytes : int
    sha256 : str
        The checksum of its weights.
    revision, licence : str or None
        Where the hub and the model card name them.
    pulled_at : str
        ISO 8601.
    folder : Path
    """

    name: str
    architecture: str
    n_parameters: int
    n_bytes: int
    sha256: str
    revision: str | None
    licence: str | None
    pulled_at: str
    folder: Path


class BaseModelFolder:
    """The base models of a user.

    Parameters
    ----------
    path : Path
        Made when the first model is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def models(self) -> list[InstalledModel]:
        """Return the models by name; those whose description cannot be read are left out, with a warning."""
        newest: dict[str, InstalledModel] = {}
        for folder in self._folders():
            try:
                description = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
                model = InstalledModel(**description, folder=folder)
            except FileNotFoundError:
                continue  # just removed
            except (OSError, ValueError, TypeError) as error:
                _LOG.warning("The base model in %s is damaged, and is not listed: %s", folder, error)
                continue
            if model.name not in newest or newest[model.name].pulled_at < model.pulled_at:
                newest[model.name] = model
        return sorted(newest.values(), key=lambda model: model.name)

    def find(self, name: str) -> InstalledModel:
        """Return the model of a full name, or of its last part where that is unique.

        Raises
        ------
        UnknownBaseModelError
        """
        models = {model.name: model for model in self.models()}
        return models[resolve(name, models)]

    def add(self, origin: Origin, checked: Checked) -> InstalledModel:
        """Copy a model, and list it; it replaces one of the same name.

        Parameters
        ----------
        origin : Origin
        checked : Checked
            What the check of its files found.

        Raises
        ------
        OSError
            It cannot be copied.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._clear()
        unfinished = self.path / f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            unfinished.mkdir()
            n_bytes, _ = _copy(origin.config, unfinished / CONFIG)
            n_weight_bytes, sha256 = _copy(origin.weights, unfinished / WEIGHTS)
            model = InstalledModel(
                name=origin.name,
                architecture=checked.architecture,
                n_parameters=checked.n_parameters,
                n_bytes=n_bytes + n_weight_bytes,
                sha256=sha256,
                revision=origin.revision,
                licence=origin.licence,
                pulled_at=datetime.now(UTC).isoformat(),
                folder=self.path / uuid.uuid4().hex,
            )
            description = {name: value for name, value in asdict(model).items() if name != "folder"}
            write_to_disk(unfinished / _DESCRIPTION, json.dumps(description, indent=1).encode())
            synchronise(unfinished)
            unfinished.rename(model.folder)
            synchronise(self.path)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        self._delete(lambda other: other.name == model.name and other.folder != model.folder)
        return model

    def remove(self, name: str) -> InstalledModel:
        """Delete a model, and return what it was.

        Raises
        ------
        UnknownBaseModelError
        OSError
            It cannot be deleted.
        """
        model = self.find(name)
        self._clear()
        self._delete(lambda other: other.name == model.name)
        return model

    def _folders(self) -> list[Path]:
        try:
            return sorted(path for path in self.path.iterdir() if path.is_dir() and not path.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError as error:
            _LOG.warning("The base models in %s cannot be listed: %s", self.path, error)
            return []

    def _delete(self, is_meant: Callable[[InstalledModel], bool]) -> None:
        """Delete models, those of a name that a newer one has included; each is no longer listed from one moment on."""
        for folder in self._folders():
            try:
                description = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
                meant = is_meant(InstalledModel(**description, folder=folder))
            except (OSError, ValueError, TypeError):
                continue
            if meant:
                abandoned = folder.rename(self.path / f"{_UNFINISHED}{uuid.uuid4().hex}")
                shutil.rmtree(abandoned)

    def _clear(self) -> None:
        """Delete what was left by processes that were killed."""
        for path in self.path.glob(f"{_UNFINISHED}*"):
            ages = [time.time() - each.stat().st_mtime for each in (path, *path.iterdir())]
            if min(ages) > _ABANDONED_AFTER:
                shutil.rmtree(path, ignore_errors=True)


def _copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file to disk; return its size and its checksum."""
    digest, n_bytes = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            writing.write(chunk)
            digest.update(chunk)
            n_bytes += len(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return n_bytes, digest.hexdigest()
