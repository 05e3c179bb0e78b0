"""Pictures of frames, their forecasts, anomalies and errors; the modules need matplotlib, which is checked for here."""

from __future__ import annotations

from importlib.util import find_spec

from nixtla_accessor.errors import ConfigurationError


def check_matplotlib_is_installed() -> None:
    """Raise `ConfigurationError` if there is no matplotlib."""
    if find_spec("matplotlib") is None:
        message = 'Pictures need matplotlib, which is not installed: pip install "nixtla-accessor[plot]"'
        raise ConfigurationError(message)
