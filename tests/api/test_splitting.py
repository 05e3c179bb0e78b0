"""Series split into requests: nothing lost, no series divided, no request too large, and no more than needed."""

import contextlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nixtla_accessor.api import splitting
from nixtla_accessor.api.encoding import encode
from nixtla_accessor.api.schema import FinetuneInput, Series
from nixtla_accessor.api.splitting import split_series
from nixtla_accessor.errors import InvalidArgumentError, OversizedSeriesError

ID = "0123456789abcdef0123456789abcdef0123"
VALUES = st.one_of(
    npst.arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_infinity=False)),
    npst.arrays(np.int64, st.integers(1, 60)),
)


@st.composite
def panels(draw):
    """Values of any digits, and where one series ends and the next begins."""
    y = draw(VALUES)
    ends = draw(st.sets(st.integers(1, len(y)), max_size=12)) | {len(y)}
    return Series(y=y, sizes=np.diff([0, *sorted(ends)]))


def request_of(series, **more):
    return FinetuneInput(series=series, freq="D", **more)


def length_of(series):
    """Count the bytes of a part's request by writing it, with ids of full length."""
    return len(encode(request_of(series, output_model_id=ID, finetuned_model_id=ID), compress=False).data)


def alone(series):
    """Return each series on its own."""
    return [Series(y=y, sizes=np.array([len(y)])) for y in np.split(series.y, np.cumsum(series.sizes)[:-1])]


def together(parts):
    return Series(y=np.concatenate([part.y for part in parts]), sizes=np.concatenate([part.sizes for part in parts]))


def best_split(singles, largest):
    """Return the fewest runs that fit, and the least length of the longest of them, by trying every way to split."""
    best = {0: (0, 0)}  # of the first so many series
    for end in range(1, len(singles) + 1):
        ways = []
        for start in range(end):
            length = length_of(together(singles[start:end]))
            if length <= largest:
                runs, longest = best[start]
                ways.append((runs + 1, max(longest, length)))
        best[end] = min(ways)
    return best[len(singles)]


@given(series=panels(), spare=st.integers(0, 400), at_once=st.sampled_from([1, 2, 7, 2**16]))
def test_every_value_is_in_one_part_and_every_part_fits(series, spare, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "_BLOCK", at_once)
        largest = max(map(length_of, alone(series))) + spare
        parts = split_series(request_of(series), largest)
    assert all(length_of(part) <= largest for part in parts) or len(parts) == 1
    whole = together(parts)
    assert whole.y.dtype == series.y.dtype
    np.testing.assert_array_equal(whole.y, series.y)
    np.testing.assert_array_equal(whole.sizes, series.sizes)


@given(series=panels(), spare=st.integers(0, 400))
def test_the_split_is_the_best_there_is(series, spare):
    singles = alone(series)
    largest = max(map(length_of, singles)) + spare
    parts = split_series(request_of(series), largest)
    if len(parts) > 1:
        assert (len(parts), max(map(length_of, parts))) == best_split(singles, largest)


@given(series=panels())
def test_a_request_that_fits_to_the_byte_is_one(series):
    request = request_of(series, output_model_id="a")
    length = len(encode(request, compress=False).data)
    assert split_series(request, length) == [series]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "_BLOCK", 5)
        with contextlib.suppress(OversizedSeriesError):
            assert len(split_series(request, length - 1)) > 1


def test_the_parts_are_views():
    series = Series(y=np.arange(1000.0), sizes=np.array([500, 500]))
    for part in split_series(request_of(series), length_of(series) - 1):
        assert np.shares_memory(part.y, series.y)


def test_series_that_fit_in_no_request():
    sizes = np.array([10, 5000, 10, 200_000, 5001, 10, 5000, 10])
    series = Series(y=np.zeros(sizes.sum(), np.int64), sizes=sizes)
    with pytest.raises(OversizedSeriesError) as caught:
        split_series(request_of(series), 8000)
    error = caught.value
    assert isinstance(error, InvalidArgumentError)
    assert error.positions == (1, 3, 4, 6)
    assert [length_of(alone(series)[place]) for place in (1, 3)] == [10_246, 400_248]
    assert str(error) == (
        "Each series must fit in a request of 8,000 bytes of JSON, since none is split; 4 of 8 do not (counted from "
        "0): series 1 makes 10,246 bytes; series 3 makes 400,248 bytes; series 4 makes 10,248 bytes; and 1 more. "
        "Keep the recent part of each, or raise max_request (and "
        "connect(max_request_bytes=…), where that is less)."
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@pytest.mark.parametrize("cast", [np.asarray, lambda values: np.where(values % 3 == 0, np.nan, values / 7)])
def test_as_many_of_the_last_values_as_fit(cast):
    sizes = np.array([3, 4000, 2000])
    values = cast(np.arange(6003) * 10**6 // 7)
    with pytest.raises(OversizedSeriesError) as caught:
        split_series(request_of(Series(y=values, sizes=sizes)), 8000)
    n_recent = caught.value.n_recent

    def last(n):
        kept = np.concatenate([part[-n:] for part in np.split(values, np.cumsum(sizes)[:-1])])
        return request_of(Series(y=kept, sizes=np.minimum(sizes, n)))

    split_series(last(n_recent), 8000)
    with pytest.raises(OversizedSeriesError):
        split_series(last(n_recent + 2), 8000)


def test_a_limit_below_the_request_itself():
    series = Series(y=np.arange(4), sizes=np.array([2, 2]))
    with pytest.raises(
        OversizedSeriesError, match="in a request of 3 bytes of JSON, since none is split; 2 of 2 do not"
    ):
        split_series(request_of(series), 3)
