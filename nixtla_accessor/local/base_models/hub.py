"""Files of a model on the hub, downloaded by the hub's own library: its cache, mirrors, offline mode and bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nixtla_accessor.errors import ConfigurationError

_FROM_A_FOLDER = "python -m nixtla_accessor pull FOLDER --name"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A model in the cache of the hub's library."""

    folder: Path
    revision: str


def download(name: str, revision: str | None, files: list[str]) -> Downloaded:
    """Download a model, or find it in the cache.

    Parameters
    ----------
    name : str
        Such as ``amazon/chronos-2``.
    revision : str, optional
        A branch, a tag or a commit; the newest commit by default.
    files : list of str
        Those that are wanted, where they are there.

    Raises
    ------
    ConfigurationError
        The hub cannot be reached, or does not have it.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'Pulling models needs {error.name}, which is not installed: pip install "nixtla-accessor[chronos]"'
        ) from error
    at = "" if revision is None else f" at the revision {revision!r}"
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=files))
    except GatedRepoError as error:
        raise ConfigurationError(
            f"The hub gives {name!r} only to those who have accepted its terms: do so on its page, and log in with "
            "hf auth login."
        ) from error
    except (RevisionNotFoundError, RepositoryNotFoundError) as error:
        raise ConfigurationError(f"The hub has no model {name!r}{at}, or does not show it to you.") from error
    except (LocalEntryNotFoundError, EntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise ConfigurationError(
            f"The hub cannot be reached for {name!r}{at} ({reason[:200]}). A copy of the model in a folder can be "
            f"pulled without it: {_FROM_A_FOLDER} {name}"
        ) from error
    return Downloaded(folder, folder.name)
