"""Time-series fine-tuning where the data already is: importing this package registers ``df.timegpt``."""

import typing as _typing

from nixtla_accessor import errors
from nixtla_accessor.accessor import TimeGPTAccessor

if _typing.TYPE_CHECKING:
    from nixtla_accessor.account import jobs, models, usage, validate_api_key
    from nixtla_accessor.api.client import Client, connect
    from nixtla_accessor.api.schema import FinetunedModel
    from nixtla_accessor.registry import delete_finetuned_model, finetuned_model, finetuned_models

__all__ = [
    "Client",
    "FinetunedModel",
    "TimeGPTAccessor",
    "connect",
    "delete_finetuned_model",
    "errors",
    "finetuned_model",
    "finetuned_models",
    "jobs",
    "models",
    "usage",
    "validate_api_key",
]

# What speaks HTTP is imported when it is first asked for, so that importing the package costs little beyond pandas.
# Completion in notebooks shows the names of this module, so that those which are not public have an underscore.
_IMPORTED_LATER = {
    "Client": "nixtla_accessor.api.client",
    "FinetunedModel": "nixtla_accessor.api.schema",
    "connect": "nixtla_accessor.api.client",
    "delete_finetuned_model": "nixtla_accessor.registry",
    "finetuned_model": "nixtla_accessor.registry",
    "finetuned_models": "nixtla_accessor.registry",
    "jobs": "nixtla_accessor.account",
    "models": "nixtla_accessor.account",
    "usage": "nixtla_accessor.account",
    "validate_api_key": "nixtla_accessor.account",
}


def __getattr__(name: str) -> object:
    if name not in _IMPORTED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_IMPORTED_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def _register() -> None:
    """Register the accessor, once also where the package is imported again."""
    import pandas as pd

    registered = getattr(pd.DataFrame, "timegpt", None)
    if getattr(registered, "__module__", None) == TimeGPTAccessor.__module__:
        delattr(pd.DataFrame, "timegpt")  # registering over an accessor would warn
    pd.api.extensions.register_dataframe_accessor("timegpt")(TimeGPTAccessor)


_register()
