"""Which season a frequency implies."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.seasons import Season, season_of


@pytest.mark.parametrize(
    ("freq", "length", "second"),
    [
        *[(freq, 1, 0) for freq in ("Y", "YE", "YS", "A-DEC", "AS-APR", "BYE-JUN", "12ME", "4QE", "52W")],
        *[(freq, 4, 0) for freq in ("Q", "QE", "QS-FEB", "QE-DEC", "BQS-OCT", "3ME", "5QE")],
        *[(freq, 12, 0) for freq in ("M", "ME", "MS", "BME", "CBMS", "WOM-2TUE", "5ME")],
        *[(freq, 24, 0) for freq in ("SMS", "SME-15")],
        *[(freq, 52, 0) for freq in ("W", "W-MON", "7D", "168h")],
        *[(freq, 26, 0) for freq in ("2W", "14D")],
        *[(freq, 7, 364) for freq in ("D", "24h", "1D", "1440min")],
        *[(freq, 5, 0) for freq in ("B", "C")],
        *[(freq, 24, 168) for freq in ("H", "h", "60min", "60T", "3600s")],
        *[(freq, 48, 336) for freq in ("30min", "30T")],
        *[(freq, 96, 672) for freq in ("15min", "15T", "900s")],
        ("2ME", 6, 0),
        ("2D", 7, 0),
        ("30D", 1, 0),
        ("BH", 8, 40),
        ("4h", 6, 42),
        ("12h", 2, 14),
        ("5h", 24, 0),
        ("1h30min", 16, 112),
        ("10min", 144, 1008),
        ("5min", 288, 0),
        ("min", 60, 0),
        ("7min", 1, 0),
        ("s", 60, 0),
        ("10s", 6, 360),
        ("100ms", 10, 600),
        ("ns", 1, 0),
    ],
)
def test_season_of_a_frequency(freq, length, second):
    assert season_of(freq) == Season(length, second)


@pytest.mark.parametrize("freq", ["", "x", "-1D", "0D", "D-", "5", "MD", "m", "W-", "1h1ME", "D ", "hourly"])
def test_an_unknown_frequency_is_refused_with_examples(freq):
    with pytest.raises(ValueError, match=r"such as 'D', 'W-MON'.*found") as caught:
        season_of(freq)
    assert repr(freq) in str(caught.value)


@given(st.integers(1, 10_000), st.sampled_from(["s", "min", "h", "D", "W", "ME", "QE", "YE", "B", "ms"]))
def test_every_multiple_has_a_season_that_is_not_too_long(multiple, unit):
    season = season_of(f"{multiple}{unit}")
    assert 1 <= season.length <= 288
    assert season.second == 0 or season.length < season.second <= 1008


@pytest.mark.parametrize(
    "freq",
    [
        "a" * 40 + "!",
        "1a" * 40 + "!",
        "D" * 100_000 + "!",
        "1" * 100_000,
        "1" * 100_000 + "D",
        "D-" + "A" * 100_000 + "!",
    ],
    ids=["letters", "parts", "many letters", "digits", "a long multiple", "a long anchor"],
)
def test_hostile_text_is_refused_at_once(freq):
    began = time.perf_counter()
    with pytest.raises(ValueError, match="such as 'D'"):
        season_of(freq)
    assert time.perf_counter() - began < 1
