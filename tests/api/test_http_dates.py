"""Headers that are about time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.api.http_dates import parse_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("17", 17),
        (" 17 ", 17),
        ("1.5", 1.5),
        ("999999999", 999999999),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        *((nonsense, None) for nonsense in ("", "soon", "-1", "+1", "1e3", "inf", "nan", "0x10", "１７", "1,5")),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        ("Sun, 01 Mar 100000 12:00:30 GMT", None),
        ("9999999999", 1e9),
        ("9" * 400, 1e9),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9),
    ],
)
def test_retry_after(header, seconds):
    assert parse_retry_after(header, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_read_or_ignored(header):
    wait = parse_retry_after(header, NOW)
    assert wait is None or wait >= 0


@given(st.floats(0, 1e30), st.integers(0, 20))
def test_any_number_of_seconds_is_bounded(seconds, digits):
    text = f"{seconds:.{digits}f}"
    assert parse_retry_after(text, NOW) == min(float(text), 1e9)
