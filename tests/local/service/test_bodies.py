"""Parsing of bodies piece by piece: the same as orjson parses from the whole, whatever the text is."""

import json

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.local.service import bodies
from nixtla_accessor.local.service.bodies import parse

PIECE = 7  # bytes, so that even short arrays are cut

numbers = st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    numbers | st.booleans() | st.sampled_from(["", "y", 'y"', '"y":[1,2]', "]", "[", "\\", ","]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["y", "series", 'y"']), inner),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {"series": st.fixed_dictionaries({"y": st.lists(numbers)}, optional={"sizes": anything, "X": anything})},
    optional={"freq": anything, "before": anything, "y": anything},
)


@pytest.fixture(autouse=True, scope="module")
def small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_CHUNK_BYTES", PIECE)
        yield


def parse_whole(text):
    """Parse the text at once; None if it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def parse_pieces(text):
    """Parse the text piece by piece; return also whether the values came as an array."""
    try:
        document = parse(bytearray(text))
    except orjson.JSONDecodeError:
        return None, False
    y = document["series"].get("y") if isinstance(document, dict) and isinstance(document.get("series"), dict) else None
    if not isinstance(y, np.ndarray):
        return document, False
    assert y.dtype == np.float64
    document["series"]["y"] = [None if np.isnan(value) else value for value in y.tolist()]
    return document, True


@given(requests, st.sampled_from([None, 1]))
def test_a_request_means_the_same_in_pieces(request, indent):
    text = json.dumps(request, indent=indent).encode()
    assert parse_pieces(text)[0] == parse_whole(text)


@given(anything)
def test_anything_else_means_the_same_too(document):
    text = json.dumps(document).encode()
    assert parse_pieces(text)[0] == parse_whole(text)


@given(requests, st.data())
def test_a_broken_text_is_broken_in_pieces(request, data):
    text = json.dumps(request).encode()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(begin + 4, len(text))))
    text = text[:begin] + data.draw(st.sampled_from([b"", b",", b"]", b"[", b'"', b" ", b"nan"])) + text[end:]
    assert parse_pieces(text)[0] == parse_whole(text)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 100])
def test_values_come_as_an_array(length):
    text = json.dumps({"series": {"y": list(range(length)), "sizes": [length]}, "freq": "D"}).encode()
    assert parse_pieces(text) == (orjson.loads(text), True)


@pytest.mark.parametrize(
    "text",
    [
        b'{"other": {"y": [1, 2]}, "series": {"sizes": [1]}}',
        b'{"other": {"y": [1, 2]}, "series": {"y": [3]}}',
        b'{"series": {"y": [1, 2], "y": [3]}}',
        b'{"series": {"y": [1, true]}}',
        b'{"series": {"y": [1, "2"]}}',
        b'{"series": {"y": [1, [2]]}}',
        b'{"series": {"y": []}}',
        b'{"y": "\\"y\\":[1,2]"}',
        b'{"series": {"y": 1, "sizes": [1, 2]}}',
        b'{"series": [{"y": [1, 2]}]}',
        b'[{"y": [1, 2]}]',
    ],
)
def test_anything_that_is_not_clearly_the_values_is_left_as_it_is(text):
    assert parse_pieces(text) == (orjson.loads(text), False)
