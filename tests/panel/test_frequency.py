"""Every frequency is inferred, named, verified stamp by stamp, and continued as pandas continues it."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.errors import (
    AmbiguousFrequencyWarning,
    DuplicateTimestampError,
    FrequencyError,
    InvalidArgumentError,
    OffGridTimestampError,
)
from nixtla_accessor.panel.frequency import Frequency, parse_frequency
from nixtla_accessor.panel.tidy import forecast_frame
from nixtla_accessor.panel.times import read_times

WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]

SHORT = ["ns", "us", "ms", "s", "min", "h"]
PLAIN = ["D", "B", "MS", "ME", "BMS", "BME"]
WEEKS = [f"W-{day}" for day in WEEKDAYS]
ANCHORED = [f"{family}-{month}" for family in ["QS", "QE", "BQS", "BQE", "YS", "YE", "BYS", "BYE"] for month in MONTHS]
SEMI_MONTHS = [f"SMS-{day}" for day in range(2, 28)] + [f"SME-{day}" for day in range(1, 28)]
WEEKS_OF_MONTH = [f"WOM-{week}{day}" for week in range(1, 5) for day in WEEKDAYS]
VOCABULARY = SHORT + PLAIN + WEEKS + ANCHORED + SEMI_MONTHS + WEEKS_OF_MONTH


def offset_of(name, multiple=1):
    if name.startswith("LWOM"):  # pandas before 3 writes this name, and cannot read it
        return multiple * pd.offsets.LastWeekOfMonth(weekday=WEEKDAYS.index(name[5:]))
    return multiple * pd.tseries.frequencies.to_offset(name)


def unit_of(name):
    return "ns" if name == "ns" else "us"


def future_stamps(frequency, last, steps):
    """Continue a series beyond its last stamp."""
    ticks, form = read_times(last, "ds")
    return form.restore(frequency.advance(ticks.repeat(steps), np.arange(1, steps + 1), form))


def series(stamps, name="a"):
    return pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.arange(len(stamps)) * 1.0})


def spelled(multiple, name):
    return name if multiple == 1 else f"{multiple}{name}"


offsets = st.tuples(st.sampled_from([*VOCABULARY, *(f"LWOM-{day}" for day in WEEKDAYS)]), st.integers(1, 7))
seconds = st.integers(0, 50 * 365 * 86_400)
starts = seconds.map(lambda count: pd.Timestamp("1990-01-01") + pd.Timedelta(count, "s"))


@settings(deadline=None, max_examples=150)
@given(offset=offsets, start=starts, shuffle=st.booleans())
def test_inference_continues_as_the_offset_does(pack, offset, start, shuffle):
    name, multiple = offset
    periods = 12 if name[:2] in {"YS", "YE", "BY"} else 28
    stamps = pd.date_range(start, periods=periods + 5, freq=offset_of(name, multiple), unit=unit_of(name))
    past, future = stamps[:periods], stamps[periods:]
    frame = series(past).sample(frac=1, random_state=0) if shuffle else series(past)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousFrequencyWarning)
        inferred = pack(frame)
    explicit = pack(frame, offset_of(name, multiple))
    assert explicit.frequency == parse_frequency(spelled(multiple, name))
    assert parse_frequency(inferred.freq) == inferred.frequency
    assert explicit.y.tolist() == inferred.y.tolist() == list(range(periods))
    assert future_stamps(explicit.frequency, past[-1:], 5).tolist() == future.tolist()
    if future_stamps(inferred.frequency, past[-1:], 5).tolist() != future.tolist():
        with pytest.warns(AmbiguousFrequencyWarning, match=repr(explicit.freq)):
            pack(frame)


@settings(deadline=None, max_examples=150)
@given(offset=offsets, start=starts, place=st.integers(0, 27), inferred=st.booleans(), data=st.data())
def test_one_irregular_stamp_is_always_found(pack, offset, start, place, inferred, data):
    name, multiple = offset
    periods = 12 if name[:2] in {"YS", "YE", "BY"} else 28
    place = place % periods
    stamps = pd.date_range(start, periods=periods, freq=offset_of(name, multiple), unit=unit_of(name))
    regular = series(pd.date_range(start, periods=periods, freq=offset_of(name, multiple), unit=stamps.unit), "b")
    kind = data.draw(st.sampled_from(["dropped", "duplicated", "moved"]))
    changed = stamps.tolist()
    if kind == "dropped":
        if place in {0, periods - 1}:
            place = periods // 2
        del changed[place]
    elif kind == "duplicated":
        changed.insert(place, changed[place])
    else:
        step = (stamps[1] - stamps[0]) / 3
        changed[place] += max(step.floor(stamps.unit), pd.Timedelta(1, unit_of(name)))
    frame = pd.concat([regular, series(pd.DatetimeIndex(changed), "a")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmbiguousFrequencyWarning)
        with pytest.raises((FrequencyError, DuplicateTimestampError), match="series 'a'") as caught:
            pack(frame, None if inferred else offset_of(name, multiple))
    if kind == "duplicated":
        assert type(caught.value) is DuplicateTimestampError


NAMES = {
    "D": ("D", "D"), "d": ("D", "D"), "h": ("h", "H"), "H": ("h", "H"), "60min": ("h", "H"), "1H": ("h", "H"),
    "3600s": ("h", "H"), "W": ("W-SUN", "W"), "W-SUN": ("W-SUN", "W"), "w": ("W-SUN", "W"),
    "W-MON": ("W-MON", "W-MON"), "M": ("ME", "M"), "ME": ("ME", "M"), "15min": ("15min", "15min"),
    "15T": ("15min", "15min"), "0.25h": ("15min", "15min"),
    "1h30min": ("90min", "90min"), "4h": ("4h", "4h"), "4H": ("4h", "4h"), "24h": ("24h", "D"), "48h": ("48h", "2D"),
    "2ME": ("2ME", "2ME"), "2M": ("2ME", "2ME"), "MS": ("MS", "MS"), "2MS": ("2MS", "2MS"), "QE": ("QE-DEC", "QE"),
    "Q": ("QE-DEC", "QE"), "Q-DEC": ("QE-DEC", "QE"), "QE-MAR": ("QE-DEC", "QE"), "Q-JAN": ("QE-OCT", "QE-OCT"),
    "QS": ("QS-JAN", "QS"), "QS-OCT": ("QS-JAN", "QS"), "QS-FEB": ("QS-FEB", "QS-FEB"), "QS-NOV": ("QS-FEB", "QS-FEB"),
    "2QS": ("2QS-JAN", "2QS"), "A": ("YE-DEC", "YE"), "Y": ("YE-DEC", "YE"), "YE": ("YE-DEC", "YE"),
    "A-MAR": ("YE-MAR", "YE-MAR"), "AS": ("YS-JAN", "YS"), "YS": ("YS-JAN", "YS"), "AS-JUL": ("YS-JUL", "YS-JUL"),
    "HYS": ("HYS-JAN", "HYS"), "HYE": ("HYE-DEC", "HYE"), "HYE-JUN": ("HYE-DEC", "HYE"), "BHYS": ("BHYS-JAN", "BHYS"),
    "B": ("B", "B"), "b": ("B", "B"), "2B": ("2B", "2B"), "BM": ("BME", "BME"), "BMS": ("BMS", "BMS"),
    "BQ": ("BQE-DEC", "BQE"), "BA": ("BYE-DEC", "BYE"), "BY": ("BYE-DEC", "BYE"), "BAS-FEB": ("BYS-FEB", "BYS-FEB"),
    "SM": ("SME-15", "SME"),
    "SMS": ("SMS-15", "SMS"), "SMS-10": ("SMS-10", "SMS-10"), "WOM-3FRI": ("WOM-3FRI", "WOM-3FRI"),
    "LWOM-MON": ("LWOM-MON", "LWOM-MON"), "T": ("min", "min"), "S": ("s", "s"), "L": ("ms", "ms"), "U": ("us", "us"),
    "N": ("ns", "ns"), "1000ms": ("s", "s"), " 2 D ": ("2D", "2D"), "1D12h": ("36h", "36h"), "0.5D": ("12h", "12h"),
}  # fmt: skip


@pytest.mark.parametrize("text", NAMES)
def test_names_old_and_new(text):
    frequency = parse_frequency(text)
    assert (frequency.name, frequency.api_name) == NAMES[text]
    assert parse_frequency(frequency.name) == frequency
    assert parse_frequency(frequency) is frequency


@pytest.mark.parametrize(
    ("freq", "name"),
    [
        (pd.Timedelta(hours=1), "h"),
        (dt.timedelta(minutes=15), "15min"),
        (np.timedelta64(30, "s"), "30s"),
        (pd.Timedelta(days=1), "D"),
        (dt.timedelta(days=7), "7D"),
        (pd.offsets.Hour(24), "24h"),
        (pd.offsets.Day(2), "2D"),
        (pd.offsets.Week(), "7D"),
        (pd.offsets.Week(weekday=0), "W-MON"),
        (pd.offsets.DateOffset(days=2), "2D"),
        (2 * pd.offsets.DateOffset(hours=3), "6h"),
        (pd.offsets.DateOffset(), "D"),
        (pd.offsets.QuarterBegin(), "QS-MAR"),
        (pd.offsets.LastWeekOfMonth(weekday=4), "LWOM-FRI"),
        (pd.offsets.CustomBusinessDay(holidays=["2024-01-01"]), "C"),
        (2 * pd.offsets.CustomBusinessMonthEnd(), "2CBME"),
        (1, 1),
        (np.int32(7), 7),
    ],
)
def test_frequencies_that_are_not_text(freq, name):
    assert parse_frequency(freq).name == name


@pytest.mark.parametrize("name", VOCABULARY)
def test_pandas_reads_the_name_in_the_api(name):
    for multiple in (1, 2, 5):
        frequency = parse_frequency(spelled(multiple, name))
        alias = {"H": "h", "M": "ME"}.get(frequency.api_name, frequency.api_name)
        if not alias.startswith("HY"):
            offset = pd.tseries.frequencies.to_offset(alias)
            assert parse_frequency(offset) == frequency
        assert Frequency(*(getattr(frequency, part) for part in ("multiple", "family", "anchor"))) == frequency


# Five weekdays: D or B?  Three month ends: ME or BME?  First Mondays four weeks apart: 4W-MON or WOM-1MON?
AMBIGUOUS = {
    "D": ("B", pd.date_range("2024-02-26", periods=5, freq="D")),
    "ME": ("BME", pd.date_range("2023-01-31", periods=3, freq="ME")),
    "4W-MON": ("WOM-1MON", pd.DatetimeIndex(["2024-01-01", "2024-01-29", "2024-02-26"])),
    "2D": ("2B", pd.DatetimeIndex(["2024-02-26", "2024-02-28", "2024-03-01"])),
}


@pytest.mark.parametrize("simplest", ["D", "ME", "2D"])
def test_ambiguous_stamps_are_read_as_the_simplest_frequency(pack, simplest):
    rival, stamps = AMBIGUOUS[simplest]
    with pytest.warns(AmbiguousFrequencyWarning, match=f"fit '{simplest}', and .*'{rival}'") as caught:
        packed = pack(series(stamps))
    assert packed.freq == simplest
    assert caught[0].filename == __file__.replace("test_frequency", "conftest")
    assert pack(series(stamps), simplest).freq == simplest
    assert pack(series(stamps), rival).freq == rival


@pytest.mark.parametrize("simplest", ["D", "ME"])
def test_other_series_settle_what_is_ambiguous(pack, simplest):
    rival, stamps = AMBIGUOUS[simplest]
    for name in (simplest, rival):
        longer = series(pd.date_range("2024-02-26", periods=30, freq=name), "b")
        assert pack(pd.concat([series(stamps), longer])).freq == name
        many = pd.concat([series(stamps)] * 5000).assign(unique_id=np.repeat(np.arange(5000), len(stamps)).astype(str))
        assert pack(pd.concat([many, longer])).freq == name


def test_one_irregular_series_does_not_hide_the_frequency(pack):
    days = pd.date_range("2024-01-01", periods=100)
    good = [series(days[:30], f"good {number}") for number in range(3)]
    with pytest.raises(FrequencyError, match=r"'D'; .* missing .*'longest' at 2024-01-06"):
        pack(pd.concat([*good, series(days.delete(5), "longest")]))


def test_short_series_join_where_others_settle_it(pack):
    days = pd.date_range("2024-01-31", periods=12, freq="ME")
    frame = pd.concat([series(days), series(days[3:5], "two"), series(days[7:8], "one")])
    packed = pack(frame)
    assert (packed.freq, packed.sizes.tolist()) == ("ME", [12, 1, 2])
    with pytest.raises(OffGridTimestampError, match="'irregular' at 2024-05-30"):
        pack(pd.concat([frame, series(pd.DatetimeIndex(["2024-05-30"]), "irregular")]))


def test_a_freq_is_verified_on_series_too_short_for_inference(pack):
    frame = series(pd.date_range("2024-01-01", periods=2, freq="MS"))
    assert pack(frame, "MS").freq == "MS"
    with pytest.raises(FrequencyError):
        pack(frame, "W-MON")


def test_custom_business_days_are_verified_when_given(pack):
    fridays_off = pd.offsets.CustomBusinessDay(weekmask="Mon Tue Wed Thu Sat", holidays=["2024-03-05"])
    stamps = pd.date_range("2024-02-26", periods=40, freq=fridays_off)
    packed = pack(series(stamps[:30]), fridays_off)
    assert (packed.freq, packed.frequency.api_name) == ("C", "C")
    assert forecast_frame(packed, 10, {})["ds"].tolist() == stamps[30:].tolist()
    with pytest.raises(FrequencyError, match="series 'a' at 2024-03-02"):
        pack(series(stamps[:30].delete(4)), fridays_off)
    with pytest.raises(OffGridTimestampError, match="2024-03-05"):
        pack(series(stamps[:30].insert(7, pd.Timestamp("2024-03-05"))), fridays_off)
    with pytest.raises(InvalidArgumentError, match="Give the offset itself"):
        pack(series(stamps), packed.freq)
    month_ends = pd.offsets.CustomBusinessMonthEnd(holidays=["2024-03-29", "2024-05-31"])
    stamps = pd.date_range("2024-01-01", periods=12, freq=month_ends)
    assert forecast_frame(pack(series(stamps[:8]), month_ends), 4, {})["ds"].tolist() == stamps[8:].tolist()


def test_offsets_without_a_rule_here(pack):
    fiscal = pd.offsets.FY5253Quarter(weekday=4, startingMonth=12, qtr_with_extra_week=1, variation="last")
    stamps = pd.date_range("2015-01-01", periods=24, freq=fiscal)
    assert forecast_frame(pack(series(stamps[:20]), fiscal), 4, {})["ds"].tolist() == stamps[20:].tolist()


ZONES = ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Asia/Tokyo",
         "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", ["h", "30min", "4h", "D", "2D", "W-SUN", "B", "MS", "ME", "QS"])
def test_steps_over_the_change_of_the_clock(pack, zone, freq):
    short = freq in {"h", "30min", "4h"}
    naive = pd.date_range("2010-01-01", periods=9000 if short else 400, freq=freq)
    if short:
        stamps = naive.tz_localize("UTC").tz_convert(zone)
    else:
        stamps = naive.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(len(naive), dtype=bool))
    packed = pack(series(stamps[:-60]))
    assert packed.frequency == parse_frequency(freq)
    assert pack(series(stamps[:-60]).sample(frac=1, random_state=0)).y.tolist() == packed.y.tolist()
    future = forecast_frame(packed, 60, {})["ds"]
    assert future.tolist() == stamps[-60:].tolist()
    assert future.dtype == packed.to_frame()["ds"].dtype == stamps.dtype
    assert packed.to_frame()["ds"].tolist() == stamps[:-60].tolist()


def test_days_of_24_hours_where_the_clock_changes(pack):
    stamps = pd.date_range("2024-01-01", periods=200, tz="UTC").tz_convert("Europe/Berlin")
    packed = pack(series(stamps[:190]))
    assert (packed.freq, packed.frequency.api_name) == ("24h", "D")
    assert forecast_frame(packed, 10, {})["ds"].tolist() == stamps[190:].tolist()


def test_steps_of_integer_time(pack):
    frame = pd.concat([series(np.arange(7, 37, 3)), series(np.arange(-5, 16, 3), "b")])
    packed = pack(frame.sample(frac=1, random_state=0))
    assert (packed.freq, packed.frequency.api_name, packed.sizes.tolist()) == (3, "MS", [10, 7])
    assert forecast_frame(packed, 2, {})["ds"].tolist() == [37, 40, 16, 19]
    assert pack(frame, 3).freq == 3
    with pytest.raises(FrequencyError, match="contradict the frequency 6"):
        pack(frame, 6)


def test_a_horizon_beyond_the_end_of_time(pack):
    stamps = pd.date_range("2250-01-01", periods=10, freq="YS", unit="ns")
    assert len(forecast_frame(pack(series(stamps)), 2, {})) == 2
    with pytest.raises(InvalidArgumentError, match="reach beyond"):
        forecast_frame(pack(series(stamps)), 10, {})
    assert len(forecast_frame(pack(series(stamps.as_unit("s"))), 10, {})) == 10
