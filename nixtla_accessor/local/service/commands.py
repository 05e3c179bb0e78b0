"""What the command line does with the models on this machine: pull base models, list all, and remove them."""

from __future__ import annotations

from pathlib import Path

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.base_models.names import UnknownBaseModelError
from nixtla_accessor.local.base_models.pull import pull_from_folder, pull_from_hub
from nixtla_accessor.local.base_models.storage import BASE_MODELS, BaseModelFolder, InstalledModel
from nixtla_accessor.local.chronos.checking import check_folder
from nixtla_accessor.local.forecaster import UnavailableError
from nixtla_accessor.local.service.errors import StorageError
from nixtla_accessor.local.service.store import ModelStore, default_path


def base_models() -> list[InstalledModel]:
    """Return the base models that were pulled, by name."""
    return _folder().models()


def finetuned_models() -> list[FinetunedModel]:
    """Return the fine-tuned models of the engine, the newest last."""
    return ModelStore(default_path()).models() if default_path().exists() else []


def pull(model: str, name: str | None, revision: str | None) -> InstalledModel:
    """Install a base model.

    Parameters
    ----------
    model : str
        Its name on the hub, or a folder.
    name : str, optional
        The name that a model from a folder gets.
    revision : str, optional
        Of the model on the hub.

    Raises
    ------
    ConfigurationError
        It cannot be had, or it is not a model that can be used.
    """
    try:
        if name is None and not Path(model).is_dir():
            return pull_from_hub(_folder(), model, revision, check_folder)
        if name is None:
            raise ConfigurationError(
                f"A model from a folder needs a name: python -m nixtla_accessor pull {model} --name NAME"
            )
        if revision is not None:
            raise ConfigurationError("--revision is of models on the hub, and --name of those from a folder: give one.")
        return pull_from_folder(_folder(), Path(model), name, check_folder)
    except UnavailableError as error:
        raise ConfigurationError(f"The model {model!r} cannot be checked: {error}.") from error


def remove(name: str) -> str:
    """Delete a base model or a fine-tuned one; return what there is to say about it.

    Raises
    ------
    ConfigurationError
        There is none of this name, or it cannot be deleted.
    """
    try:
        store = ModelStore(default_path())
        if store.has(name):
            store.delete(name)
            return f"The fine-tuned model {name!r} is deleted."
        removed = _folder().remove(name)
        left = [model.id for model in store.models() if model.model == removed.name]
    except UnknownBaseModelError as error:
        raise ConfigurationError(f"There is no model {name!r} to remove: python -m nixtla_accessor models") from error
    except (OSError, StorageError) as error:
        raise ConfigurationError(f"The model {name!r} cannot be deleted ({error}).") from error
    said = f"The base model {removed.name!r} is deleted."
    if left:
        named = f"{', '.join(map(repr, left[:3]))}{', …' if left[3:] else ''}"
        said += f" Fine-tuned models that need it ({len(left)}: {named}) can be used again once it is pulled again."
    return said


def _folder() -> BaseModelFolder:
    return BaseModelFolder(default_path().parent / BASE_MODELS)
