"""Reads the headers of an answer that are about time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_LONGEST_WAIT = 10.0**9  # seconds
_LONGEST_DATE = 100  # characters


def parse_retry_after(retry_after: str | None, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date (RFC 9110 §10.2.3).

    Parameters
    ----------
    retry_after : str or None
        The header.
    now : datetime
        The service's clock, with its time zone.

    Returns
    -------
    float or None
        Seconds, from 0 to 30 years; None without a header, and for one that cannot be read.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_WAIT)
    date = parse_http_date(text)
    return None if date is None else min(max(0.0, (date - now).total_seconds()), _LONGEST_WAIT)


def parse_http_date(text: str | None) -> datetime | None:
    """Read a date as HTTP headers write it; return None where there is none."""
    try:
        date = parsedate_to_datetime((text or "")[:_LONGEST_DATE])
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
