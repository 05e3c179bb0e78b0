"""The frequency of a panel: read it, name it, step along it."""

from __future__ import annotations

import datetime
import difflib
import re
import sys
import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.errors import AmbiguousFrequencyWarning, FrequencyError, InvalidArgumentError, OffGridTimestampError
from nixtla_accessor.panel.calendars import MONTHS, MONTHS_APART, WEEKDAYS, Calendar
from nixtla_accessor.panel.inference import Fits, Reading, Sample, closest_reading, elapsed_reading, find_readings
from nixtla_accessor.panel.times import TICKS_PER_SECOND, Ticks, TimeForm, read_times

NANOSECONDS = {"h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
DEFAULT_ANCHORS = {"W": "SUN", "SMS": "15", "SME": "15"} | {
    family: "JAN" if family.endswith("S") else "DEC" for family, months in MONTHS_APART.items() if months > 1
}
CONTRACT_NAMES = {"D": "D", "h": "H", "W": "W", "ME": "M"}


@dataclass(frozen=True, slots=True)
class Frequency:
    """Every ``count``-th day of a calendar, every ``count`` units of time, or every ``count`` integers.

    Days and longer steps follow the clock on the wall; shorter ones count the time that passes.

    Parameters
    ----------
    count : int
        The multiple, at least 1.
    family : str
        A pandas alias without multiple and anchor (``"h"``, ``"D"``, ``"W"``, ``"QS"``), or ``""`` for integer time.
    anchor : str, default ""
        What follows the alias's dash: ``"SUN"``, ``"JAN"``, ``"15"``.
    offset : pandas offset, optional
        The offset itself, where a name alone does not tell its days: custom business days.

    Examples
    --------
    >>> parse_frequency("W-SUN").wire
    'W'
    >>> parse_frequency("QS-OCT").name
    'QS-JAN'
    """

    count: int
    family: str
    anchor: str = ""
    offset: Any = None

    @property
    def name(self) -> str | int:
        """The spelling of pandas today, anchor included; an int for integer time."""
        return self._spell(self.anchor) if self.family else self.count

    @property
    def wire(self) -> str:
        """The name that the service is told: the contract's own where there is one, else pandas' without a default anchor."""
        if not self.family:
            return "MS"
        if self.count == 1 and self.family in CONTRACT_NAMES and self.anchor in {"", DEFAULT_ANCHORS.get(self.family)}:
            return CONTRACT_NAMES[self.family]
        if self.family == "h" and self.count % 24 == 0:
            return Frequency(self.count // 24, "D").wire
        return self._spell("" if self.anchor == DEFAULT_ANCHORS.get(self.family) else self.anchor)

    def __str__(self) -> str:
        return str(self.name)

    def _spell(self, anchor: str) -> str:
        return f"{self.count if self.count > 1 else ''}{self.family}{'-' if anchor else ''}{anchor}"
