"""The season lengths that a frequency implies, once for the whole package."""

from __future__ import annotations

import math
import re
import reprlib
from dataclasses import dataclass
from itertools import pairwise

MAX_SEASON = 288  # steps; of a longer season, the history that the local network reads holds too few
MAX_SECOND_SEASON = 1008

# steps in a year, for frequencies that follow the calendar
_PER_YEAR = {
    **dict.fromkeys(("Y", "YE", "YS", "A", "AS", "BY", "BYE", "BYS", "BA", "BAS", "RE"), 1),
    **dict.fromkeys(("HYE", "HYS", "BHYE", "BHYS"), 2),
    **dict.fromkeys(("Q", "QE", "QS", "BQ", "BQE", "BQS", "REQ"), 4),
    **dict.fromkeys(("M", "ME", "MS", "BM", "BME", "BMS", "CBM", "CBME", "CBMS", "WOM", "LWOM"), 12),
    **dict.fromkeys(("SM", "SME", "SMS"), 24),
    **dict.fromkeys(("W", "w"), 52),
}
# season and second season, for frequencies of business days and hours
_BUSINESS = {
    **dict.fromkeys(("B", "b", "C", "c"), (5, 0)),
    **dict.fromkeys(("BH", "bh", "CBH", "cbh"), (8, 40)),
}
# nanoseconds in a step, for frequencies of fixed length
_SECOND = 10**9
_NANOSECONDS = {
    **dict.fromkeys(("D", "d"), 86_400 * _SECOND),
    **dict.fromkeys(("H", "h"), 3_600 * _SECOND),
    **dict.fromkeys(("T", "min"), 60 * _SECOND),
    **dict.fromkeys(("S", "s"), _SECOND),
    **dict.fromkeys(("L", "ms"), 10**6),
    **dict.fromkeys(("U", "us"), 10**3),
    **dict.fromkeys(("N", "ns"), 1),
}
_CYCLES = (_SECOND, 60 * _SECOND, 3_600 * _SECOND, 86_400 * _SECOND, 7 * 86_400 * _SECOND)
# one letter in a repetition: text matches in one way at most, so that also hostile text takes linear time
_NAME = re.compile(r"((?:\d{0,4300}[A-Za-z])+)(?:-[A-Z0-9-]+)?")  # Python converts no more than 4300 digits
_PART = re.compile(r"(\d*)([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Season:
    """Season lengths in steps.

    Attributes
    ----------
    length : int
        Steps in a season; 1 if there is none.
    second : int
        Steps in a second, longer season; 0 if there is none.
    """

    length: int
    second: int


def season_of(freq: str) -> Season:
    """Return the season that a frequency implies: the year for months, the week for days, day and week for hours.

    Parameters
    ----------
    freq : str
        A frequency as pandas or the API spells it, of any pandas version, with or without a multiple and an anchor.

    Raises
    ------
    ValueError
        The frequency is not known.

    Examples
    --------
    >>> season_of("ME"), season_of("2ME"), season_of("15min")
    (Season(length=12, second=0), Season(length=6, second=0), Season(length=96, second=672))
    """
    parts = _parse(freq)
    if parts and all(multiple > 0 for multiple, _ in parts):
        if all(unit in _NANOSECONDS for _, unit in parts):
            return _season_of_time(sum(multiple * _NANOSECONDS[unit] for multiple, unit in parts))
        multiple, unit = parts[0]
        if len(parts) == 1 and unit in _PER_YEAR:
            return Season(_steps(_PER_YEAR[unit], multiple), 0)
        if len(parts) == 1 and unit in _BUSINESS:
            length, second = _BUSINESS[unit]
            return Season(_steps(length, multiple), _steps(second, multiple) if second else 0)
    raise ValueError(
        "expected a frequency such as 'D', 'W-MON', 'ME', 'QS-FEB', 'YE', 'B', 'h', '15min' or '2ME', "
        f"found {reprlib.repr(freq)}"
    )


def _parse(freq: str) -> list[tuple[int, str]]:
    """Return multiple and unit of each part of a name such as ``1h30min``; nothing if it is not a name."""
    name = _NAME.fullmatch(freq)
    return [(int(multiple or 1), unit) for multiple, unit in _PART.findall(name[1])] if name else []


def _season_of_time(step: int) -> Season:
    """Return the longest of second, minute, hour and day that is short enough, for a step of so many nanoseconds."""
    *_, day, week = _CYCLES
    if step % week == 0:
        return Season(_steps(52, step // week), 0)
    if step % day == 0:
        days = step // day
        return Season(_steps(7, days) if days < 7 else 1, 364 if days == 1 else 0)
    for cycle, longer in reversed([*pairwise(_CYCLES)]):
        if cycle % step == 0 and 1 < cycle // step <= MAX_SEASON:
            second = longer // step
            return Season(cycle // step, second if second <= MAX_SECOND_SEASON else 0)
    steps_until_same_time = math.lcm(day, step) // step
    return Season(steps_until_same_time if steps_until_same_time <= MAX_SEASON else 1, 0)


def _steps(season: int, multiple: int) -> int:
    """Return the steps, each a multiple of units, until a season of units begins together with a step."""
    return math.lcm(season, multiple) // multiple
