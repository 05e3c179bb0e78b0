import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.local.chronos.units import Unit, choose_unit


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=30))
def test_usual_series_are_left_as_they_are_bit_for_bit(values):
    values = np.array([*values, 0.0])  # so that they spread
    unit = choose_unit(values)
    if np.abs(values).max() > 1e-3:
        assert unit == Unit()
        assert np.array_equal(unit.convert(values), values.astype(np.float32))


@pytest.mark.parametrize("level", [1e9, -1e9, 1e12, 123456789.0])
def test_small_moves_of_large_values_survive_32_bits(level):
    moves = np.sin(np.arange(50))
    unit = choose_unit(level + moves)
    assert unit.centre == pytest.approx(level, abs=1)
    kept = unit.convert(level + moves)
    assert kept.dtype == np.float32
    assert np.allclose(np.diff(kept), np.diff(level + moves), atol=1e-6)
    assert np.allclose(unit.restore(kept), level + moves, atol=1e-3)
    assert np.ptp((level + moves).astype(np.float32)) != pytest.approx(np.ptp(moves), rel=1e-3)  # what it is for


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20),
    st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=5),
)
def test_any_values_become_finite_numbers_or_missing_ones_and_forecasts_are_finite(values, forecasts):
    values = np.array(values)
    unit = choose_unit(values)
    converted = unit.convert(values)
    assert np.array_equal(np.isnan(converted), ~np.isfinite(values))
    assert not np.isinf(converted).any()
    assert np.isfinite(unit.restore(np.array(forecasts))).all()


@given(st.floats(1e-300, 1e300), st.lists(st.integers(-1000, 1000), min_size=3, max_size=20))
def test_a_series_comes_back_whatever_its_size(size, values):
    values = size * np.array(values, float)
    unit = choose_unit(values)
    assert np.allclose(unit.restore(unit.convert(values)), values, rtol=1e-6, atol=2e-7 * np.abs(values).max())


def test_without_values_there_is_no_unit():
    assert choose_unit(np.array([np.nan, np.inf])) == Unit()
    assert choose_unit(np.zeros(3)) == Unit()
