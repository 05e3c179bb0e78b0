"""Time-series fine-tuning where the data already is: importing this package registers ``df.timegpt``."""

from __future__ import annotations

import pandas as pd

from nixtla_accessor import errors
from nixtla_accessor.accessor import TimeGPTAccessor
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
]


def _register() -> None:
    """Register the accessor, once also where the package is imported again."""
    registered = getattr(pd.DataFrame, "timegpt", None)
    if getattr(registered, "__module__", None) == TimeGPTAccessor.__module__:
        delattr(pd.DataFrame, "timegpt")  # registering over an accessor would warn
    pd.api.extensions.register_dataframe_accessor("timegpt")(TimeGPTAccessor)


_register()
