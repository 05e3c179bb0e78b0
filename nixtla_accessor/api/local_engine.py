"""The way to the local engine: the only place where client code touches ``nixtla_accessor.local``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nixtla_accessor.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nixtla_accessor.local.service.embedded import RunningEngine


def check_engine_is_installed() -> None:
    """Raise `ConfigurationError` where the extra ``local`` is not installed; start nothing."""
    _import_engine()


def start_engine() -> RunningEngine:
    """Start the local engine, unless this process runs it already.

    Returns
    -------
    RunningEngine
        Its address and its key.

    Raises
    ------
    ConfigurationError
        The extra ``local`` is not installed, or the engine cannot start.
    """
    return _import_engine()()


def _import_engine() -> Callable[[], RunningEngine]:
    """Import what starts the engine."""
    try:
        from nixtla_accessor.local.service.embedded import start_engine as start
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "nixtla_accessor":
            raise
        raise ConfigurationError(
            f'The local engine needs {error.name}, which is not installed: pip install "nixtla-accessor[local]"'
        ) from error
    return start
