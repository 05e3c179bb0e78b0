"""The season length that a frequency implies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Season:
    """Season lengths in steps.

    Attributes
    ----------
    length : int
        Steps in a season; 1 where there is none.
    second : int
        Steps in a second, longer season; 0 where there is none.
    """

    length: int
    second: int
