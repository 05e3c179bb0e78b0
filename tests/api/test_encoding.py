"""Encoding and decoding, checked with another encoder and another decompressor."""

import json
import math

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nixtla_accessor.api.encoding import COMPRESS_ABOVE, decode, encode
from nixtla_accessor.api.exchange import Failure
from nixtla_accessor.api.schema import FinetunedModels, FinetuneInput, FinetuneOutput, Series
from nixtla_accessor.errors import InvalidArgumentError


def request_of(y, model="timegpt-1"):
    return FinetuneInput(series=Series(y=y, sizes=np.array([len(y)])), freq="D", model=model)


@given(npst.arrays(np.float64, st.integers(1, 50), elements=st.floats(allow_infinity=False)))
def test_floats_keep_every_bit_and_nan_is_null(y):
    sent = json.loads(encode(request_of(y)).data.tobytes())["series"]["y"]
    for value, written in zip(y, sent, strict=True):
        assert written is None if math.isnan(value) else float(written) == value
        assert written is None or math.copysign(1, written) == math.copysign(1, value)


@given(npst.arrays(np.int64, st.integers(1, 50)))
def test_integers_stay_integers(y):
    sent = json.loads(encode(request_of(y)).data.tobytes())["series"]["y"]
    assert sent == y.tolist()
    assert all(type(value) is int for value in sent)


def test_the_full_request():
    body = encode(request_of(np.array([1.0, 2.5])))
    assert json.loads(body.data.tobytes()) == {
        "series": {"y": [1.0, 2.5], "sizes": [2]},
        "freq": "D",
        "model": "timegpt-1",
        "finetune_steps": 10,
        "finetune_loss": "default",
        "finetune_depth": 1,
        "output_model_id": None,
        "finetuned_model_id": None,
    }
    assert body.headers == {"Content-Type": "application/json", "nixtla-model": "timegpt-1"}


def test_a_model_whose_name_fits_no_header():
    body = encode(request_of(np.array([1.0]), model="modèle"))
    assert "nixtla-model" not in body.headers
    assert json.loads(body.data.tobytes())["model"] == "modèle"


@pytest.mark.parametrize("values", [100_000, 1_000_000])
def test_a_large_body_is_a_single_frame_and_nothing_else(values):
    y = np.random.default_rng(0).normal(size=values)
    plain, compressed = encode(request_of(y), compress=False), encode(request_of(y))
    assert not plain.is_compressed
    assert compressed.is_compressed
    assert compressed.headers["Content-Encoding"] == "zstd"
    frame = compressed.data.tobytes()
    assert len(frame) == len(compressed.data) == compressed.data.nbytes
    assert zstandard.frame_content_size(frame) == len(plain.data)
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    assert decompressor.decompress(frame) == plain.data
    assert decompressor.eof
    assert decompressor.unused_data == b""


def test_only_bodies_above_a_mebibyte_are_compressed():
    ones = (COMPRESS_ABOVE - len(encode(request_of(np.zeros(100_000, np.int64))).data)) // 2 + 100_000
    assert (
        COMPRESS_ABOVE - 2 <= len(encode(request_of(np.zeros(ones, np.int64)), compress=False).data) <= COMPRESS_ABOVE
    )
    assert not encode(request_of(np.zeros(ones, np.int64))).is_compressed
    assert encode(request_of(np.zeros(ones + 1, np.int64))).is_compressed


def test_the_limit_is_on_the_json():
    y = np.zeros(1_000_000)  # next to nothing when compressed
    size = len(encode(request_of(y), compress=False).data)
    assert encode(request_of(y), max_bytes=size).is_compressed
    with pytest.raises(InvalidArgumentError, match=r"at most 3\.8 MiB of JSON; these series make 3\.8 MiB\. Keep"):
        encode(request_of(y), max_bytes=size - 1)


MODEL = {"input_tokens": 1, "output_tokens": 0, "finetune_tokens": 2, "finetuned_model_id": "a"}


@pytest.mark.parametrize("envelope", [lambda answer: answer, lambda answer: {"data": answer, "message": "ok"}])
def test_answers_with_and_without_an_envelope(envelope):
    assert decode(json.dumps(envelope(MODEL)).encode(), FinetuneOutput).finetune_tokens == 2


def test_a_whole_number_may_be_written_as_a_float():
    assert decode(json.dumps({**MODEL, "input_tokens": 4.0}).encode(), FinetuneOutput).input_tokens == 4
    assert isinstance(decode(json.dumps({**MODEL, "input_tokens": 4.5}).encode(), FinetuneOutput), Failure)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"data": None, "message": "No credit left", "code": "A21"}, "No credit left [A21]"),
        ({"detail": "Model training failed: y too short"}, "Model training failed: y too short"),
    ],
)
def test_a_success_that_is_none_keeps_the_words_of_the_service(body, words):
    found = decode(json.dumps(body).encode(), FinetuneOutput)
    assert found.reason == f"reported success, and yet says: {words}"


def test_unknown_fields_are_ignored():
    assert decode(json.dumps({**MODEL, "more": 1}).encode(), FinetuneOutput).finetuned_model_id == "a"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_failure(content):
    assert isinstance(decode(content, FinetuneOutput), FinetuneOutput | Failure)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"\n<html>", "an HTML page instead of JSON"),
        (b"oops!", "5 bytes that are not JSON"),
        (b"{" * 1000, "1,000 bytes that are not JSON"),
        (b"[1]", "JSON that is not a FinetunedModels (top level: "),
        (b'{"finetuned_models":[{}]}', "JSON that is not a FinetunedModels (finetuned_models.0.id: Field"),
    ],
)
def test_why_an_answer_cannot_be_read(content, reason):
    assert decode(content, FinetunedModels).reason.startswith(f"answered with {reason}")
