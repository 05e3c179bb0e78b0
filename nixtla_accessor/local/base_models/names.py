"""Names of base models: which are allowed, and which model a name from a request means."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
NETWORK_PREFIXES = ("timegpt", "azureai")
"""Names that begin so mean the network in the package."""
PUBLISHED = (
    "amazon/chronos-2",
    "autogluon/chronos-2-small",
    "amazon/chronos-bolt-tiny",
    "amazon/chronos-bolt-mini",
    "amazon/chronos-bolt-small",
    "amazon/chronos-bolt-base",
)
"""Models on the hub that the engine runs; the table in ``local/chronos/README.md`` says more of them."""


class UnknownBaseModelError(Exception):
    """No base model has this name, or several have; the message says which there are, and how to pull one."""


def check_name(name: str) -> str:
    """Return a name that a model may be stored under.

    Raises
    ------
    ValueError
    """
    if not _PATTERN.fullmatch(name) or ".." in name:
        raise ValueError(
            f"expected a name such as 'owner/model' of letters, digits, '.', '_' and '-', found {shown(name)}"
        )
    if name.lower().startswith(NETWORK_PREFIXES):
        raise ValueError(
            f"names that begin with {' or '.join(map(repr, NETWORK_PREFIXES))} mean the network in the package; "
            f"found {shown(name)}"
        )
    return name


def resolve(name: str, there: Iterable[str]) -> str:
    """Return the full name of the model that is meant.

    Parameters
    ----------
    name : str
        A full name; or its last part, where only one model has it.
    there : iterable of str
        The full names of the models that there are.

    Raises
    ------
    UnknownBaseModelError

    Examples
    --------
    >>> resolve("chronos-2", ["amazon/chronos-2", "timegpt-1"])
    'amazon/chronos-2'
    """
    names = sorted(set(there))
    if name in names:
        return name
    same_end = [full for full in names if full.rpartition("/")[2] == name]
    if len(same_end) == 1:
        return same_end[0]
    if same_end:
        raise UnknownBaseModelError(
            f"Several base models are called {shown(name)}: {', '.join(map(repr, same_end))}. Use the whole name."
        )
    raise UnknownBaseModelError(
        f"The base model {shown(name)} is not installed. {_how_to_pull(name)} "
        f"Installed are {', '.join(map(repr, names))}."
    )


def shown(name: str) -> str:
    """Return a name as messages show it."""
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}…"


def _how_to_pull(name: str) -> str:
    """Return the line that pulls a model, where its name can be one on the hub."""
    published = [full for full in PUBLISHED if name in (full, full.rpartition("/")[2])]
    if published:
        return f"Pull it where the engine runs: python -m nixtla_accessor pull {published[0]}."
    if "/" in name and _PATTERN.fullmatch(name) and ".." not in name:
        return f"If it is on the hub, pull it where the engine runs: python -m nixtla_accessor pull {name}."
    return (
        "A model of your own is installed where the engine runs by python -m nixtla_accessor pull FOLDER --name NAME, "
        f"one from the hub by python -m nixtla_accessor pull {PUBLISHED[0]}."
    )
