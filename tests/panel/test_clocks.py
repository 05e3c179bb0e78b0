"""The changes of a zone's clocks, compared with how pandas reads times of that zone."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor.panel.clocks import USUAL_ZONES, Clocks
from nixtla_accessor.panel.times import TimeForm


def read_in_zone(stamps, zone, is_first):
    # a ZoneInfo, since the pytz of pandas 2.2 knows no changes after 2037
    return stamps.tz_localize(ZoneInfo(zone), ambiguous=np.full(len(stamps), is_first), nonexistent="NaT")


@settings(max_examples=50, deadline=None)
@given(
    zone=st.sampled_from(USUAL_ZONES),
    year=st.integers(1925, 2090),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    minutes=st.integers(1, 24 * 60),
)
def test_stamps_are_skipped_and_shown_twice_as_in_pandas(zone, year, unit, minutes):
    before = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="47min").as_unit(unit)
    after = (before + pd.Timedelta(minutes=minutes)).as_unit(unit)
    clocks = Clocks.of(zone, [year], TimeForm("stamp", None, unit))
    first, second = (read_in_zone(before, zone, is_first) for is_first in (True, False))
    np.testing.assert_array_equal(clocks.skip(before.asi8), first.isna())
    np.testing.assert_array_equal(clocks.show_twice(before.asi8), first.asi8 != second.asi8)
    elapsed = read_in_zone(after, zone, is_first=True) - first
    expected = np.where(elapsed.isna(), 0, elapsed.as_unit(unit).asi8)
    np.testing.assert_array_equal(clocks.elapsed(before.asi8, after.asi8), expected)


@pytest.mark.parametrize("year", [2, 9998])
def test_years_at_the_ends_of_the_calendar(year):
    stamps = np.array([f"{year:04}-01-01T00", f"{year:04}-12-31T23"], "M8[s]").view(np.int64)
    assert not Clocks.of("Europe/Berlin", [year], TimeForm("stamp", None, "s")).skip(stamps).any()
