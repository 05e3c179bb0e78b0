"""Pulling a base model: from the hub or from a folder, checked, into the folder of base models."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.base_models.hub import download
from nixtla_accessor.local.base_models.names import check_name
from nixtla_accessor.local.base_models.storage import (
    CONFIG,
    WEIGHTS,
    BaseModelFolder,
    Checked,
    InstalledModel,
    Origin,
)

_CARD = "README.md"
_CARD_BYTES = 2**16  # of the card's beginning, where its licence is
_LICENCE = re.compile(r"^license(?:_name)?:[ \t]*[\"']?([^\"'\n]{1,80}?)[\"']?[ \t]*$", re.MULTILINE)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

Check = Callable[[Path], Checked]
"""Checks a folder with a config and weights; raises ValueError where they make no model that can be used."""


def pull_from_hub(installed: BaseModelFolder, name: str, revision: str | None, check: Check) -> InstalledModel:
    """Download a model from the hub, check it, and install it.

    Parameters
    ----------
    installed : BaseModelFolder
    name : str
        Such as ``amazon/chronos-2``.
    revision : str, optional
    check : callable

    Raises
    ------
    ConfigurationError
        It cannot be had, or it is not a model that can be used.
    """
    if "/" not in _valid(name):
        raise ConfigurationError(
            f"expected the whole name of a model on the hub, such as amazon/chronos-2, or a folder; found {name!r}, "
            "which is neither."
        )
    downloaded = download(name, revision, [CONFIG, WEIGHTS, _CARD])
    return _install(installed, name, downloaded.folder, downloaded.revision, check)


def pull_from_folder(installed: BaseModelFolder, folder: Path, name: str, check: Check) -> InstalledModel:
    """Check a model in a folder, and install a copy of it.

    Parameters
    ----------
    installed : BaseModelFolder
    folder : Path
        With ``config.json`` and ``model.safetensors``.
    name : str
        The name that it gets.
    check : callable

    Raises
    ------
    ConfigurationError
        It is not a model that can be used.
    """
    return _install(installed, _valid(name), folder, None, check)


def _valid(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise ConfigurationError(f"The model cannot have that name: {error}.") from error


def _install(installed: BaseModelFolder, name: str, folder: Path, revision: str | None, check: Check) -> InstalledModel:
    try:
        for file in (CONFIG, WEIGHTS):
            _check_is_file(folder, file)
        checked = check(folder)
        origin = Origin(name, folder / CONFIG, folder / WEIGHTS, revision, _licence(folder))
        return installed.add(origin, checked)
    except ValueError as error:
        raise ConfigurationError(f"The folder {str(folder)!r} cannot be pulled: {error}.") from error
    except OSError as error:
        raise ConfigurationError(
            f"The model {name!r} cannot be copied into {installed.path} ({error}). Make room, or check the permissions "
            "of the folder; NIXTLA_ACCESSOR_HOME chooses another."
        ) from error


def _check_is_file(folder: Path, file: str) -> None:
    """Check that a file is there, and is one: reading a pipe or a device might never end."""
    if not folder.is_dir():
        raise ValueError("there is no such folder")
    if not (folder / file).exists():
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLES)
        if file == WEIGHTS and pickles:
            raise ValueError(
                f"it has no {WEIGHTS}, and {pickles[0]!r} is a pickle, which can run code when it is read: save the "
                "weights as safetensors"
            )
        raise ValueError(f"it has no {file}")
    if not (folder / file).is_file():
        raise ValueError(f"its {file} is not a file")


def _licence(folder: Path) -> str | None:
    """Return the licence that the model's card names."""
    card = folder / _CARD
    if not card.is_file():
        return None
    with card.open("rb") as file:
        text = file.read(_CARD_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    head = text.removeprefix("---\n").partition("\n---")[0] if text.startswith("---\n") else ""
    found = _LICENCE.search(head)
    return found[1].strip() if found else None
