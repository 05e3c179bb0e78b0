from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.local.chronos.quantiles import quantiles_at

DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=9, max_size=9),
    st.lists(st.floats(1e-6, 1 - 1e-6), min_size=2, max_size=12),
)
def test_a_higher_level_has_no_lower_value(values, levels):
    levels = sorted({*levels, *DECILES})
    result = quantiles_at(levels, DECILES, np.array(values))
    assert (np.diff(result) >= 0).all()
    assert [result[levels.index(level)] for level in DECILES] == sorted(values)


def test_between_the_levels_it_is_linear():
    values = np.array([[0.0, 10.0, 30.0]])
    found = quantiles_at([0.1, 0.3, 0.5, 0.6, 0.9], [0.1, 0.5, 0.9], values)
    assert np.allclose(found.ravel(), [0, 5, 10, 15, 30])


@pytest.mark.parametrize("levels", [DECILES, [0.01, 0.1, 0.5, 0.9, 0.99], [0.2, 0.5, 0.6]])
def test_beyond_the_levels_a_normal_distribution_goes_on_exactly(levels):
    normal = NormalDist(7, 3)
    asked = [1e-6, 0.001, 0.05, 0.95, 0.999, 1 - 1e-6]
    beyond = [level for level in asked if not levels[0] <= level <= levels[-1]]
    result = quantiles_at(beyond, levels, np.array([normal.inv_cdf(level) for level in levels]))
    assert np.allclose(result, [normal.inv_cdf(level) for level in beyond])


def test_a_model_of_the_median_alone_has_no_spread():
    assert quantiles_at([0.1, 0.5, 0.9], [0.5], np.array([[4.0]])).ravel().tolist() == [4, 4, 4]
