"""Phrases that messages share."""

from __future__ import annotations

SHOWN = 3  # offenders that a message names


def and_more(total: int) -> str:
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
