"""How many steps of a frequency make a season."""

from __future__ import annotations

from math import gcd

from nixtla_accessor.panel.calendars import MONTHS_APART
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.vocabulary import NANOSECONDS

_MONTHS = 12
_DAYS = {"D": 7, "B": 5, "C": 5, "W": 52, "SMS": 24, "SME": 24, "WOM": 12, "LWOM": 12, "bh": 8, "cbh": 8}
_SECOND, _MINUTE, _HOUR, _DAY = (seconds * NANOSECONDS["s"] for seconds in (1, 60, 3600, 86_400))
_LONGEST = 288  # steps; of a longer cycle, a shorter one is taken


def season_length(frequency: Frequency) -> int:
    """Return the steps of the season that is usual for a frequency.

    Parameters
    ----------
    frequency : Frequency
        The step.

    Returns
    -------
    int
        The year for weeks, months and quarters, the week for days, the day for hours and minutes; 1 for years and
        integer time.

    Examples
    --------
    >>> from nixtla_accessor.panel.frequency import parse_frequency
    >>> [season_length(parse_frequency(freq)) for freq in ("MS", "2QS", "D", "15min", "YE")]
    [12, 2, 7, 96, 1]
    """
    if not frequency.family:
        return 1
    if frequency.family in NANOSECONDS:
        return _of_duration(frequency.count * NANOSECONDS[frequency.family])
    if frequency.family in MONTHS_APART:
        cycle = _MONTHS // MONTHS_APART[frequency.family]
    else:
        cycle = _DAYS.get(frequency.family, 1)
    return cycle // gcd(cycle, frequency.count)


def _of_duration(step: int) -> int:
    """Return the steps of so many nanoseconds in the longest of day, hour, minute and second that has not too many."""
    for cycle in (_DAY, _HOUR, _MINUTE, _SECOND):
        if cycle % step == 0 and 1 < cycle // step <= _LONGEST:
            return cycle // step
    return 1
