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
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from([",", "]", '",', "[1,2]", "\\"])
rows = st.lists(st.lists(numbers) | st.lists(numbers | texts), max_size=3)
requests = st.fixed_dictionaries(
    {
        "series": st.fixed_dictionaries(
            {"y": st.lists(numbers)}, optional={"sizes": anything, "X": rows | anything, "X_future": rows | anything}
        )
    },
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


def as_list(values):
    """Return the list that an array of numbers was parsed from; anything else as it is."""
    if not isinstance(values, np.ndarray):
        return values
    assert values.dtype == np.float64
    return [None if np.isnan(value) else value for value in values.tolist()]


def parse_pieces(text):
    """Parse the text piece by piece; return also whether the values came as an array."""
    try:
        document = parse(bytearray(text))
    except orjson.JSONDecodeError:
        return None, False
    series = document.get("series") if isinstance(document, dict) else None
    if not isinstance(series, dict):
        return document, False
    came_as_array = isinstance(series.get("y"), np.ndarray)
    for name, values in series.items():
        is_rows = name in ("X", "X_future") and isinstance(values, list)
        series[name] = [as_list(row) for row in values] if is_rows else as_list(values)
    return document, came_as_array


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


@pytest.mark.parametrize("separators", [(",", ":"), (", ", " : ")])
def test_rows_come_as_arrays_and_equal_texts_as_one(separators):
    series = {"X": [[1, None], ["a", "a,]"], [2.5, 3]], "X_future": [[None], ["a"]], "sizes": [2], "y": [1, 2]}
    parsed = parse(bytearray(json.dumps({"series": series}, separators=separators).encode()))["series"]
    assert [type(row) for row in parsed["X"]] == [np.ndarray, list, np.ndarray]
    assert [as_list(row) for row in parsed["X"]] == series["X"]
    assert [as_list(row) for row in parsed["X_future"]] == series["X_future"]
    many = parse(bytearray(json.dumps({"series": {"y": [1], "X": [["ab", 1, "ab"]]}}).encode()))["series"]["X"][0]
    assert many[0] is many[2]


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


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ('{"series": {"y": [1, 2,], "sizes": [2]}}', ",]", "trailing comma is not allowed"),
        ('{"series": {"y": [1, NaN], "sizes": [2]}}', "NaN", "JSON has no NaN and no infinity: write null"),
        ('{"series": {"y": [1, -Infinity], "sizes": [2]}}', "Inf", "JSON has no NaN and no infinity: write null"),
        ('{"freq": "日", "series": {"y": [1, 2], "sizes": [2]}, "h" 3}', "3", "expected ':' after key"),
        ('{"series": {"X": [[1, 2], [3, 4]], "y": [1, 2], "sizes": [2]} "h": 3}', '"h"', "expected ',' or '}'"),
        ('{"sizes" [2], "series": {"X": [[1, 2], [3, 4]], "y": [1, 2]}', "[2]", "expected ':' after key"),
        ('{"series": {"y": [1, 2], "sizes": [2]}, "freq": "\udcff"}', "\udcff", "the text is not UTF-8"),
        ('{"series": {"y": [' + "1," * 1_000 + '1], "sizes": [2]}, "h": }', "}", "expected a JSON value"),
        ('{"series"', "", "unexpected end of data"),
        ("nonsense", "nonsense", "invalid literal"),
    ],
)
def test_what_is_no_json_is_told_by_its_byte_in_the_whole_text(text, at, reason):
    data = text.encode(errors="surrogateescape")
    place = data.rindex(at.encode(errors="surrogateescape")) if at else len(data)
    with pytest.raises(orjson.JSONDecodeError) as caught:
        parse(bytearray(data))
    assert caught.value.pos == place
    assert caught.value.msg.startswith(f"The body is not JSON at byte {place:,} of {len(data):,}: ")
    assert reason in caught.value.msg
