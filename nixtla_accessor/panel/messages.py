"""Phrases that messages share."""

from __future__ import annotations

import sys
from pathlib import Path

SHOWN = 3  # offenders that a message names


def rest(total: int) -> str:
    """Return how many offenders are not shown, as the end of a list; empty where all are."""
    return f" and {total - SHOWN} more" if total > SHOWN else ""


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    Examples
    --------
    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def callers_level() -> int:
    """Return the stack level of the first caller outside this package, for warnings to point at the user's line."""
    package = str(Path(__file__).parent.parent)
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level
