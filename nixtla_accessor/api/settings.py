"""Resolves where the service is and the key for it: from arguments, the environment, or the defaults."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from nixtla_accessor.api.checks import Timeout, check_timeout, check_whole_number
from nixtla_accessor.api.local_engine import check_engine_is_installed
from nixtla_accessor.contract import DEFAULT_BASE_URL, MAX_REQUEST_BYTES
from nixtla_accessor.errors import ConfigurationError, InvalidArgumentError

LOCAL = "local"
"""The address and the origin of the local engine."""

_DEFAULT_PORTS = {"https": 443, "http": 80}
_KEY = re.compile(r"[\x21-\x7e]+")
_NO_KEY = re.compile(r"local$|localhost\b|[a-z]{1,20}://", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9.])?|[0-9a-f:.]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service is, the key for it, and the limits on a call.

    Attributes
    ----------
    base_url : str
        The address that paths are appended to, without a slash at its end; ``"local"`` for the local engine, whose
        address is known once it runs.
    api_key : SecretStr
        The key; shown as asterisks, and left out of a pickle. Empty for the local engine, which has its own.
    timeout : tuple of float
        Seconds to connect, and seconds to wait for an answer once the request is sent.
    progress : bool or None
        Whether to show a progress bar; ``None``: only in terminals and notebooks.
    origin : str
        Scheme, host and, where it is not the scheme's default, port; ``"local"`` for the local engine.
    max_request_bytes : int or None
        The largest request, in bytes of JSON; a larger one is not sent. ``None`` for no limit.
    """

    base_url: str
    api_key: SecretStr
    timeout: tuple[float, float]
    progress: bool | None
    origin: str
    max_request_bytes: int | None

    @property
    def is_local(self) -> bool:
        """Whether the service is the local engine."""
        return self.origin == LOCAL

    def __reduce__(self) -> tuple[Callable[..., Settings], tuple[object, ...]]:
        """Pickle without the key; it is taken from the environment where the pickle is read."""
        return _settings_from_pickle, (self.base_url, self.timeout, self.progress, self.max_request_bytes)


def resolve_settings(
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    *,
    timeout: Timeout = (10, 600),
    progress: bool | None = None,
    max_request_bytes: int | None = None,
) -> Settings:
    """Resolve the service and the key: from the arguments, else the environment, else the defaults.

    Nothing is opened or started.

    Parameters
    ----------
    api_key : str, optional
        The key; ``NIXTLA_API_KEY`` by default.
    base_url : str, optional
        The service's address, or ``"local"`` for the local engine; ``NIXTLA_BASE_URL`` by default, then
        ``https://api.nixtla.io``. Any address but loopback must be https.
    timeout : float or tuple of float
        Seconds to connect, and seconds to wait for an answer once the request is sent; one number is the latter.
    progress : bool, optional
        Whether to show a progress bar; by default in terminals and notebooks.
    max_request_bytes : int, optional
        The largest request, in bytes of JSON; by default 200 MiB, and no limit for the local engine. A larger one
        is refused before it is sent.

    Returns
    -------
    Settings

    Raises
    ------
    ConfigurationError
        There is no key, the address cannot be used, or the local engine is not installed.
    InvalidArgumentError
        An argument has a wrong type or value.

    Examples
    --------
    >>> resolve_settings("my-key", "http://localhost:8000/").origin
    'http://localhost:8000'
    """
    secret = conceal(api_key)
    del api_key  # so that no traceback that prints variables shows it
    if not isinstance(progress, bool | None):
        raise InvalidArgumentError(f"progress must be True, False or None; got {progress!r}.")
    if max_request_bytes is not None:
        max_request_bytes = check_whole_number("max_request_bytes", max_request_bytes, lowest=1)
    seconds = check_timeout(timeout)
    address = base_url or os.environ.get("NIXTLA_BASE_URL") or DEFAULT_BASE_URL
    if address == LOCAL:
        check_engine_is_installed()
        return Settings(LOCAL, SecretStr(""), seconds, progress, LOCAL, max_request_bytes)
    address, origin = _check_address(address, "base_url" if base_url else "NIXTLA_BASE_URL")
    if secret is None:
        secret = conceal(os.environ.get("NIXTLA_API_KEY"))
    if secret is None:
        raise ConfigurationError(
            f"There is no API key for {origin}: set the environment variable NIXTLA_API_KEY, pass connect(api_key=…), "
            'or use the local engine, which needs none, with connect(base_url="local").'
        )
    return Settings(address, check_key(secret), seconds, progress, origin, max_request_bytes or MAX_REQUEST_BYTES)


def conceal(api_key: str | SecretStr | None) -> SecretStr | None:
    """Wrap a key so that nothing shows it; return None for an empty one."""
    if api_key is None or isinstance(api_key, SecretStr):
        return api_key
    if not isinstance(api_key, str):
        raise InvalidArgumentError(f"api_key must be text; got a value of type {type(api_key).__name__}.")
    return SecretStr(api_key.strip()) if api_key.strip() else None


def url_origin(url: str) -> str:
    """Return scheme, host and, where it is not the scheme's default, port of an address."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_address(base_url: str, name: str) -> tuple[str, str]:
    """Return the address without its last slash, and its origin; refuse one that the key must not be sent to."""
    expected = f"{name} must be an address such as {DEFAULT_BASE_URL!r}, or 'local'"
    if not isinstance(base_url, str):
        raise InvalidArgumentError(f"{expected}; got a value of type {type(base_url).__name__}.")
    parts = _split(base_url)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(parts.hostname or ""):
        # not echoed where it might hold a password
        found = "one that cannot be read" if "@" in base_url else repr(base_url)
        raise ConfigurationError(f"{expected}; got {found}.")
    origin = url_origin(base_url)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{name} for {origin} must not contain a user name, password, query or fragment; pass the key as api_key."
        )
    if parts.scheme == "http" and not is_loopback(base_url):
        raise ConfigurationError(
            f"{name} must be https, since http would send the key unencrypted; got {origin!r}. "
            "Plain http is allowed for this machine only (localhost)."
        )
    return origin + parts.path.rstrip("/"), origin


def _split(url: str) -> SplitResult | None:
    """Split an address into its parts; return None for text that is not one."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a port
    except ValueError:
        return None
    return parts


def check_key(secret: SecretStr) -> SecretStr:
    """Refuse a key that cannot be sent in a header, or that is meant as an address."""
    if not _KEY.fullmatch(secret.get_secret_value()):  # kept in no variable, which a traceback might show
        raise ConfigurationError(
            "The API key must be printable ASCII without spaces; the one given (api_key or NIXTLA_API_KEY) is not. "
            "Copy it again."
        )
    if _NO_KEY.match(secret.get_secret_value()):
        raise ConfigurationError(
            "The API key (api_key or NIXTLA_API_KEY) is an address and no key. Pass an address as base_url; the local "
            'engine is connect(base_url="local").'
        )
    return secret


def _settings_from_pickle(
    base_url: str,
    timeout: tuple[float, float],
    progress: bool | None,  # noqa: FBT001 - arguments of a pickle are positional
    max_request_bytes: int | None,
) -> Settings:
    """Rebuild settings from a pickle, with the key from this environment."""
    return resolve_settings(None, base_url, timeout=timeout, progress=progress, max_request_bytes=max_request_bytes)
