"""Phrases that messages share."""

from __future__ import annotations

SHOWN = 3  # offenders that a message names
_LONGEST = 100  # characters of one of them


def and_more(total: int) -> str:
    """Return how many offenders are not shown, as the end of a list; empty where all are."""
    return f" and {total - SHOWN} more" if total > SHOWN else ""


def quoted(value: object) -> str:
    """Return a value as a message names it, with the middle of a very long one left out.

    Examples
    --------
    >>> quoted("a"), len(quoted("a" * 10_000))
    ("'a'", 100)
    """
    text = repr(value)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[1 - half :]}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    Examples
    --------
    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
