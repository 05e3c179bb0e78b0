"""How messages name series, rows and stamps."""

from __future__ import annotations

import sys
from pathlib import Path

SHOWN = 3  # offenders that a message names


def rest(total: int) -> str:
    """Say how many offenders were not shown."""
    return f" and {total - SHOWN} more" if total > SHOWN else ""


def count(number: int, noun: str) -> str:
    """Put a number before a noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def callers_level() -> int:
    """Count the frames up to the first outside this package, so that a warning points at the user's line."""
    package = str(Path(__file__).parent.parent)
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    return level
