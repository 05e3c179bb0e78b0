"""``ddf.timegpt``: importing this package registers the accessor on Dask DataFrames.

Needs the extra ``dask``. The key, where one is needed, is taken by each worker from its own environment.
"""

from __future__ import annotations

from nixtla_accessor.errors import ConfigurationError

try:
    import dask.dataframe as dd
except ImportError as error:
    raise ConfigurationError(
        f'nixtla_accessor.dask needs dask: pip install "nixtla-accessor[dask]" ({error}).'
    ) from error

from nixtla_accessor.dask.accessor import DaskTimeGPTAccessor

__all__ = ["DaskTimeGPTAccessor"]


def _register() -> None:
    """Register the accessor, once also where the package is imported again."""
    registered = getattr(dd.DataFrame, "timegpt", None)
    if getattr(registered, "__module__", None) == DaskTimeGPTAccessor.__module__:
        delattr(dd.DataFrame, "timegpt")  # registering over an accessor would warn
    dd.extensions.register_dataframe_accessor("timegpt")(DaskTimeGPTAccessor)


_register()
