"""``max_request`` on frames: the record is that of the whole, and refusals name ids, stamps and values."""

import re

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor import errors
from nixtla_accessor.datasets import load_unemployment

LIMIT = "3kB"


@pytest.fixture
def df():
    return load_unemployment()


def test_a_split_frame_has_one_model_and_one_record(df):
    attrs, before = dict(df.attrs), df.copy(deep=True)
    with nixtla_accessor.connect(base_url="local", progress=False) as client:
        known = {model.id for model in client.finetuned_models()}
        tuned = df.timegpt.finetune(finetune_steps=7, max_request=LIMIT, output_model_id="split", overwrite=True)
        forecast = tuned.timegpt.forecast(12)
        made = {model.id for model in client.finetuned_models()} - known
        client.delete_finetuned_model("split")
    assert tuned is df
    pd.testing.assert_frame_equal(df, before)
    assert made == {"split"}
    record = df.timegpt.record
    assert (record["finetune_steps"], record["base_model_id"], record["finetuned_model_id"]) == (7, None, "split")
    assert (record["n_series"], record["n_obs"], record["input_tokens"]) == (14, len(df), len(df))
    assert np.isfinite(forecast["TimeGPT"]).all()
    assert attrs == {}


def test_the_series_are_sent_in_the_order_of_their_ids(service, client, df):
    packed = df.timegpt.pack()
    df.sample(frac=1, random_state=0).timegpt.finetune(max_request=LIMIT, client=client)
    sent = [request.json["series"] for request in service.posts]
    assert len(sent) > 2
    assert [value for part in sent for value in part["y"]] == packed.y.tolist()
    assert [size for part in sent for size in part["sizes"]] == packed.sizes.tolist()


def test_a_refused_value_is_named_by_its_row(service, client, df):
    problem = {"loc": ["body", "series", "y", 130], "msg": "too wild", "type": "value_error"}
    service.faults = [None, None, service.says(422, {"detail": [problem]})]
    with pytest.raises(errors.UnprocessableError) as caught:
        df.timegpt.finetune(max_request=LIMIT, client=client)
    before = sum(len(request.json["series"]["sizes"]) for request in service.posts[:2])
    row = df.sort_values(["unique_id", "ds"]).reset_index(drop=True).loc[before * 122 + 130]
    assert f"In the frame, the refused values are: series {row['unique_id']!r} at {row['ds']}: {row['y']}." in str(
        caught.value
    )
    assert "This was part 3 of " in str(caught.value)
    assert df.attrs == {}
    assert service.models == {}


def test_a_series_that_is_too_large_is_named(service, client, df):
    short = df["unique_id"].isin(["Agriculture", "Finance"])
    mixed = pd.concat([df[short], df[~short].groupby("unique_id").tail(9)])
    with pytest.raises(
        errors.InvalidArgumentError, match=r"2 of 14 do not \(counted from 0\): series 0 makes"
    ) as caught:
        mixed.timegpt.finetune(max_request=600, client=client)
    advised = re.search(
        r"\nThese series are too large: 'Agriculture', 'Finance'\.\nThe last (\d+) values of each fit, and are in "
        r"df\.sort_values\('ds'\)\.groupby\('unique_id'\)\.tail\((\d+)\)\.$",
        str(caught.value),
    )
    assert advised[1] == advised[2]
    recent = mixed.sort_values("ds").groupby("unique_id").tail(int(advised[1]))
    assert len(recent) < len(mixed)
    recent.timegpt.finetune(max_request=600, finetune_steps=14, client=client)
    assert max(len(request.body) for request in service.posts) <= 600
    service.requests.clear()
    with pytest.raises(errors.InvalidArgumentError) as caught:
        df.timegpt.finetune(max_request=600, client=client)
    assert re.search(
        r"\nThese series are too large: 'Agriculture', 'Business services', '.*' and 11 more\.\n", str(caught.value)
    )
    assert service.requests == []


def test_a_single_series_without_an_id(service, client, df):
    one = df[df["unique_id"] == "Finance"].drop(columns="unique_id")
    with pytest.raises(
        errors.InvalidArgumentError, match=r"where that is less\)\.\nThe last \d+ values .* df\.sort_values"
    ):
        one.timegpt.finetune(max_request=600, client=client)


def test_a_wrong_size_is_refused_before_the_frame_is_read(client):
    with pytest.raises(errors.InvalidArgumentError, match="max_request must be"):
        pd.DataFrame().timegpt.finetune(max_request="much", client=client)
