"""The contract over real HTTP: keys, encodings, responses and refusals of the local engine."""

import gzip
import hashlib
import io
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import requests
import zstandard
from safetensors.numpy import save

from nixtla_accessor.local.service.embedded import start_engine


@pytest.fixture(scope="module")
def engine():
    return start_engine()


@pytest.fixture(scope="module")
def http(engine):
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {engine.api_key}"
        yield session


@pytest.fixture
def call(engine, http):
    def call(method, path, body=None, **kwargs):
        return http.request(method, engine.base_url + path, json=body, timeout=60, **kwargs)

    return call


@pytest.fixture
def model(call):
    """A fine-tuned model, deleted afterwards."""
    model_id = "of-a-test"
    call("DELETE", f"/v2/finetuned_models/{model_id}")
    answer = call("POST", "/v2/finetune", body(output_model_id=model_id))
    assert answer.status_code == 200, answer.text
    yield model_id
    call("DELETE", f"/v2/finetuned_models/{model_id}")


def values(n_series=3, length=60):
    step = np.arange(length)
    rows = [10 + i + 3 * np.sin(2 * np.pi * step / 12 + i) + 0.05 * step for i in range(n_series)]
    return np.concatenate(rows).tolist(), [length] * n_series


def body(n_series=3, length=60, **fields):
    y, sizes = values(n_series, length)
    return {"series": {"y": y, "sizes": sizes}, "freq": "MS", "finetune_steps": 2, **fields}


def forecast_body(n_series=3, length=60, **fields):
    y, sizes = values(n_series, length)
    return {"series": {"y": y, "sizes": sizes}, "freq": "MS", "h": 12, **fields}


class TestKeys:
    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic {key}", "{key}"])
    def test_without_the_key_the_answer_is_401(self, engine, header):
        headers = {} if header is None else {"Authorization": header.format(key=engine.api_key)}
        with requests.Session() as session:
            session.trust_env = False
            for path in ("/v2/finetuned_models", "/validate_api_key", "/model_params?model=timegpt-1&freq=D"):
                answer = session.get(engine.base_url + path, headers=headers, timeout=10)
                assert answer.status_code == 401
                assert isinstance(answer.json()["detail"], str)

    def test_the_key_is_checked_before_the_body_is_read(self, engine):
        answer = requests.post(engine.base_url + "/v2/finetune", data=b"{broken", timeout=10)
        assert answer.status_code == 401

    def test_a_valid_key_is_confirmed(self, call):
        answer = call("GET", "/validate_api_key")
        assert answer.status_code == 200
        assert "detail" in answer.json()


def streamed_zstd(data):
    """Compress to one zstd stream without its size, as streaming compressors do."""
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        writer.write(data)
    return out.getvalue()


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "encode"),
        [
            ("identity", bytes),
            ("gzip", gzip.compress),
            ("zstd", lambda data: bytes(pa.Codec("zstd").compress(data))),
            ("zstd", streamed_zstd),
        ],
        ids=["identity", "gzip", "zstd", "zstd without its size"],
    )
    def test_bodies_may_be_compressed(self, call, encoding, encode):
        data = encode(json.dumps(forecast_body()).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = call("POST", "/v2/forecast", data=data, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json() == call("POST", "/v2/forecast", forecast_body()).json()

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    @pytest.mark.parametrize("cut", [0, 1, 20, -5])
    def test_a_broken_stream_is_a_400_or_422(self, call, encoding, cut):
        data = json.dumps(forecast_body()).encode()
        whole = gzip.compress(data) if encoding == "gzip" else bytes(pa.Codec("zstd").compress(data))
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = call("POST", "/v2/forecast", data=whole[:cut], headers=headers)
        assert answer.status_code in (400, 422), answer.text

    def test_other_encodings_are_a_415_that_names_the_known(self, call):
        headers = {"Content-Type": "application/json", "Content-Encoding": "br"}
        answer = call("POST", "/v2/forecast", data=b"xx", headers=headers)
        assert answer.status_code == 415
        assert "zstd" in answer.json()["detail"]


class TestFinetune:
    def test_the_response_is_the_contracts(self, call, model):
        answer = call("POST", "/v2/finetune", body())
        assert answer.status_code == 200
        assert set(answer.json()) == {"input_tokens", "output_tokens", "finetune_tokens", "finetuned_model_id"}
        assert answer.json()["input_tokens"] == 180
        assert answer.json()["finetune_tokens"] == 360
        call("DELETE", f"/v2/finetuned_models/{answer.json()['finetuned_model_id']}")

    def test_the_metadata_of_a_model(self, call, model):
        known = call("GET", f"/v2/finetuned_models/{model}").json()
        assert known["id"] == model
        assert (known["steps"], known["depth"], known["loss"], known["model"], known["freq"]) == (
            2,
            1,
            "default",
            "timegpt-1",
            "MS",
        )
        assert known["base_model_id"] == "None"
        assert known in call("GET", "/v2/finetuned_models").json()["finetuned_models"]

    def test_a_model_tuned_from_another_outlives_it(self, call, model):
        child = call("POST", "/v2/finetune", body(finetuned_model_id=model)).json()["finetuned_model_id"]
        assert call("GET", f"/v2/finetuned_models/{child}").json()["base_model_id"] == model
        assert call("DELETE", f"/v2/finetuned_models/{model}").status_code == 204
        assert call("POST", "/v2/forecast", forecast_body(finetuned_model_id=child)).status_code == 200
        call("DELETE", f"/v2/finetuned_models/{child}")

    def test_a_taken_id_is_refused(self, call, model):
        answer = call("POST", "/v2/finetune", body(output_model_id=model))
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "output_model_id"]

    def test_an_id_in_training_is_not_trained_twice(self, engine, call):
        sent = body(20, 200, finetune_steps=60, finetune_depth=5, output_model_id="at-once")
        with ThreadPoolExecutor(4) as pool:
            posts = [
                pool.submit(
                    requests.post,
                    engine.base_url + "/v2/finetune",
                    json=sent,
                    timeout=120,
                    headers={"Authorization": f"Bearer {engine.api_key}"},
                )
                for _ in range(4)
            ]
            statuses = sorted(post.result().status_code for post in posts)
        assert statuses[0] == 200
        assert set(statuses[1:]) <= {409, 422}
        call("DELETE", "/v2/finetuned_models/at-once")

    def test_too_many_trainings_are_told_to_come_back(self, engine, call):
        sent = body(1, 40, finetune_steps=300)
        with ThreadPoolExecutor(40) as pool:
            answers = [
                answer.result() for answer in [pool.submit(call, "POST", "/v2/finetune", sent) for _ in range(30)]
            ]
            assert {answer.status_code for answer in answers} == {200, 429}
        for answer in answers:
            if answer.status_code == 200:
                call("DELETE", f"/v2/finetuned_models/{answer.json()['finetuned_model_id']}")
            else:
                assert int(answer.headers["Retry-After"]) > 0

    def test_a_model_of_another_version_is_recognised(self, call, model, engine_home):
        tensors = save({"of": np.zeros(3), "another": np.ones(2)})
        with closing(sqlite3.connect(engine_home / "models.sqlite")) as database, database:
            statement = "UPDATE models SET tensors = ?, sha256 = ?, created_at = 'y' WHERE id = ?"
            database.execute(statement, (tensors, hashlib.sha256(tensors).hexdigest(), model))
        answer = call("POST", "/v2/forecast", forecast_body(finetuned_model_id=model))
        assert answer.status_code == 410
        assert "version" in answer.json()["detail"]

    def test_a_damaged_model_is_an_error_for_that_model_alone(self, call, model, engine_home):
        with closing(sqlite3.connect(engine_home / "models.sqlite")) as database, database:
            database.execute("UPDATE models SET tensors = ?, created_at = 'x' WHERE id = ?", (b"damaged", model))
        answer = call("POST", "/v2/forecast", forecast_body(finetuned_model_id=model))
        assert answer.status_code == 410
        assert repr(model) in answer.json()["detail"]
        assert call("POST", "/v2/forecast", forecast_body()).status_code == 200

    def test_a_deleted_model_is_gone(self, call, model):
        answer = call("DELETE", f"/v2/finetuned_models/{model}")
        assert (answer.status_code, answer.content) == (204, b"")
        for method, path, sent in (
            ("GET", f"/v2/finetuned_models/{model}", None),
            ("DELETE", f"/v2/finetuned_models/{model}", None),
            ("POST", "/v2/forecast", forecast_body(finetuned_model_id=model)),
            ("POST", "/v2/finetune", body(finetuned_model_id=model)),
        ):
            answer = call(method, path, sent)
            assert answer.status_code == 404
            assert "Finetuned model not found" in answer.json()["detail"]

    def test_fields_of_newer_clients_are_accepted(self, call):
        sent = body(hist_exog=None, multivariate=False, model_parameters=None, model="timegpt-2.1")
        sent["series"] |= {"X": None, "start_datetime": ["2024-01-01"] * 3}
        answer = call("POST", "/v2/finetune", sent)
        assert answer.status_code == 200, answer.text
        call("DELETE", f"/v2/finetuned_models/{answer.json()['finetuned_model_id']}")

    def test_missing_values_and_short_series_are_accepted(self, call):
        y = [1.0, None, 3.0, 5.0, None, *range(40)]
        answer = call("POST", "/v2/finetune", {"series": {"y": y, "sizes": [3, 1, 1, 40]}, "freq": "D"})
        assert answer.status_code == 200, answer.text
        call("DELETE", f"/v2/finetuned_models/{answer.json()['finetuned_model_id']}")
        answer = call("POST", "/v2/forecast", {"series": {"y": y, "sizes": [3, 1, 1, 40]}, "freq": "D", "h": 30})
        assert answer.status_code == 200, answer.text
        assert np.isfinite(answer.json()["mean"]).all()


class TestForecast:
    def test_it_is_deterministic_and_ordered(self, call):
        sent = forecast_body(level=[80, 95, 99.5, 0])
        answer = call("POST", "/v2/forecast", sent).json()
        assert answer == call("POST", "/v2/forecast", sent).json()
        assert len(answer["mean"]) == 36
        levels = ("80", "95", "99.5", "0")
        assert set(answer["intervals"]) == {f"{side}-{level}" for side in ("lo", "hi") for level in levels}
        at = {key: np.array(bound) for key, bound in answer["intervals"].items()}
        order = ["lo-99.5", "lo-95", "lo-80", "lo-0", "hi-0", "hi-80", "hi-95", "hi-99.5"]
        for lower, upper in pairwise(order):
            assert (at[lower] <= at[upper]).all()
        assert (at["lo-0"] == answer["mean"]).all()

    def test_each_series_is_forecast_on_its_own(self, call):
        together = np.reshape(call("POST", "/v2/forecast", forecast_body()).json()["mean"], (3, 12))
        y, sizes = values()
        for i in range(3):
            alone = {"y": y[60 * i : 60 * (i + 1)], "sizes": sizes[:1]}
            answer = call("POST", "/v2/forecast", {"series": alone, "freq": "MS", "h": 12}).json()
            np.testing.assert_allclose(answer["mean"], together[i], rtol=1e-4)

    def test_a_tuned_model_has_other_forecasts(self, call):
        call("DELETE", "/v2/finetuned_models/differs")
        call("POST", "/v2/finetune", body(finetune_steps=30, finetune_depth=5, output_model_id="differs"))
        tuned = call("POST", "/v2/forecast", forecast_body(finetuned_model_id="differs"))
        assert tuned.status_code == 200
        assert tuned.json()["mean"] != call("POST", "/v2/forecast", forecast_body()).json()["mean"]
        call("DELETE", "/v2/finetuned_models/differs")

    def test_a_forecast_can_tune_first(self, call):
        tuned = call("POST", "/v2/forecast", forecast_body(finetune_steps=30, finetune_depth=5))
        assert tuned.status_code == 200
        assert tuned.json()["finetune_tokens"] == 180 * 30
        assert tuned.json()["mean"] != call("POST", "/v2/forecast", forecast_body()).json()["mean"]

    def test_model_parameters(self, call):
        answer = call("GET", "/model_params?model=timegpt-1&freq=D").json()
        assert answer["detail"]["input_size"] > 0
        assert answer["detail"]["horizon"] > 0


class TestCrossValidation:
    def test_it_forecasts_each_window_from_what_came_before(self, call):
        y, _ = values()
        asked = {"h": 6, "n_windows": 3, "step_size": 4, "level": [80]}
        answer = call("POST", "/v2/cross_validation", forecast_body() | asked).json()
        assert answer["sizes"] == [18, 18, 18]
        starts = [60 * i + cutoff for i in range(3) for cutoff in (46, 50, 54)]
        assert answer["idxs"] == [start + step for start in starts for step in range(6)]
        for window, start in enumerate(starts):
            series = start // 60
            known = {"y": y[60 * series : start], "sizes": [start - 60 * series]}
            alone = call("POST", "/v2/forecast", {"series": known, "freq": "MS", "h": 6, "level": [80]}).json()
            np.testing.assert_allclose(alone["mean"], answer["mean"][6 * window : 6 * window + 6], rtol=1e-4)
            lowest = answer["intervals"]["lo-80"][6 * window : 6 * window + 6]
            np.testing.assert_allclose(alone["intervals"]["lo-80"], lowest, rtol=1e-4)

    @pytest.mark.parametrize("refit", [True, False])
    def test_it_does_not_tune_on_values_that_a_window_forecasts(self, call, refit):
        tuning = {"h": 6, "n_windows": 2, "finetune_steps": 20, "finetune_depth": 5, "refit": refit}
        before = call("POST", "/v2/cross_validation", forecast_body() | tuning).json()
        untuned = call("POST", "/v2/cross_validation", forecast_body() | {"h": 6, "n_windows": 2}).json()
        assert before["finetune_tokens"] == 180 * 20 * (2 if refit else 1)
        assert before["mean"] != untuned["mean"]
        otherwise = forecast_body() | tuning
        for last_window in (54, 114, 174):
            otherwise["series"]["y"][last_window] += 1000
        assert call("POST", "/v2/cross_validation", otherwise).json()["mean"] == before["mean"]

    def test_series_too_short_have_fewer_windows(self, call):
        sent = {"series": {"y": [1.0, 2, 3, 4, 5, 6, 7, 8], "sizes": [1, 2, 5]}, "freq": "D", "h": 2, "n_windows": 2}
        answer = call("POST", "/v2/cross_validation", sent).json()
        assert answer["sizes"] == [0, 0, 4]
        assert answer["idxs"] == [4, 5, 6, 7]

    def test_the_whole_history(self, call):
        answer = call("POST", "/v2/cross_validation", forecast_body(full_history=True)).json()
        assert answer["sizes"] == [36, 36, 36]
        assert answer["idxs"] == [60 * i + step for i in range(3) for step in range(24, 60)]


class TestAnomalies:
    def test_a_spike_is_found_and_usual_values_are_not(self, call):
        y, sizes = values()
        y[60 + 50] += 30
        answer = call("POST", "/v2/anomaly_detection", {"series": {"y": y, "sizes": sizes}, "freq": "MS"}).json()
        found = np.reshape(answer["anomaly"], (3, 36))
        assert found[1, 50 - 24]
        assert not found[[0, 2]].any()
        assert set(answer["intervals"]) == {"lo-99", "hi-99"}
        lowest, highest = (np.array(answer["intervals"][side]) for side in ("lo-99", "hi-99"))
        actual = np.reshape(y, (3, 60))[:, 24:].ravel()
        assert answer["anomaly"] == ((actual < lowest) | (actual > highest)).tolist()

    def test_a_missing_value_is_no_anomaly(self, call):
        y, sizes = values()
        y[50] = None
        answer = call("POST", "/v2/anomaly_detection", {"series": {"y": y, "sizes": sizes}, "freq": "MS"})
        assert not answer.json()["anomaly"][50 - 24]


def test_the_base_models(call):
    assert call("GET", "/v2/models").json() == {"models": [{"name": "timegpt-1"}]}


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "change", "location"),
        [
            ("/v2/finetune", {"finetune_steps": 0}, ["body", "finetune_steps"]),
            ("/v2/finetune", {"finetune_steps": "2"}, ["body", "finetune_steps"]),
            ("/v2/finetune", {"finetune_steps": True}, ["body", "finetune_steps"]),
            ("/v2/finetune", {"finetune_depth": 6}, ["body", "finetune_depth"]),
            ("/v2/finetune", {"finetune_depth": True}, ["body", "finetune_depth"]),
            ("/v2/finetune", {"finetune_loss": "huber"}, ["body", "finetune_loss"]),
            ("/v2/finetune", {"output_model_id": "no spaces"}, ["body", "output_model_id"]),
            ("/v2/finetune", {"output_model_id": ""}, ["body", "output_model_id"]),
            ("/v2/finetune", {"finetuned_model_id": "x" * 37}, ["body", "finetuned_model_id"]),
            ("/v2/finetune", {"freq": "fortnight"}, ["body", "freq"]),
            ("/v2/finetune", {"freq": 7}, ["body", "freq"]),
            ("/v2/finetune", {"hist_exog": [0]}, ["body", "hist_exog"]),
            ("/v2/finetune", {"multivariate": True}, ["body", "multivariate"]),
            ("/v2/finetune", {"series": {"y": [1, 2, 3], "sizes": [2]}}, ["body", "series"]),
            ("/v2/finetune", {"series": {"y": [1, "2", 3], "sizes": [3]}}, ["body", "series", "y", 1]),
            ("/v2/finetune", {"series": {"y": [1, True], "sizes": [2]}}, ["body", "series", "y", 1]),
            ("/v2/finetune", {"series": {"y": [1, 2], "sizes": [2, 0]}}, ["body", "series", "sizes", 1]),
            ("/v2/finetune", {"series": {"y": [], "sizes": []}}, ["body", "series"]),
            ("/v2/finetune", {"series": {"y": [1], "sizes": [1], "X": [[1]]}}, ["body", "series", "X"]),
            ("/v2/finetune", {"series": None}, ["body", "series"]),
            ("/v2/forecast", {"h": 0}, ["body", "h"]),
            ("/v2/forecast", {"level": []}, ["body", "level"]),
            ("/v2/forecast", {"level": [100]}, ["body", "level", 0]),
            ("/v2/forecast", {"hist_exog": [0]}, ["body", "hist_exog"]),
            ("/v2/forecast", {"multivariate": True}, ["body", "multivariate"]),
        ],
    )
    def test_a_wrong_field_is_a_422_at_its_place(self, call, path, change, location):
        sent = body() if path == "/v2/finetune" else forecast_body()
        answer = call("POST", path, sent | change)
        assert answer.status_code == 422, answer.text
        detail = answer.json()["detail"]
        assert location in [item["loc"] for item in detail]
        assert all(set(item) == {"loc", "msg", "type"} for item in detail)

    @pytest.mark.parametrize(
        "data",
        [b"", b"{", b"[]", b"null", b"3", b'{"series":', b"\xff\xfe", b'{"series":{"y":[NaN]}}', b"[" * 5000],
    )
    @pytest.mark.parametrize("path", ["/v2/finetune", "/v2/forecast"])
    def test_a_body_that_is_not_a_request_is_a_4xx(self, call, path, data):
        answer = call("POST", path, data=data, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["detail"]

    @pytest.mark.parametrize("path", ["/v2/finetune", "/v2/forecast/async"])
    def test_what_is_no_json_is_told_by_its_byte(self, call, path):
        data = b'{"series": {"y": [987654, 2], "sizes": [2]}, "freq": "D" "h": 3}'
        answer = call("POST", path, data=data, headers={"Content-Type": "application/json"})
        place = data.index(b'"h"')
        message = f"The body is not JSON at byte {place} of {len(data)}: unexpected character, expected ',' or '}}'."
        assert answer.json()["detail"] == [{"loc": ["body", place], "msg": message, "type": "json_invalid"}]

    @pytest.mark.parametrize(("data", "content_type"), [(b"[1]", "application/json"), (b'{"freq": "D"}', "text/plain")])
    def test_a_body_that_is_no_object_is_told_as_such(self, call, data, content_type):
        answer = call("POST", "/v2/finetune", data=data, headers={"Content-Type": content_type})
        assert "must be a JSON object, sent with Content-Type: application/json" in answer.json()["detail"][0]["msg"]

    def test_a_refusal_does_not_repeat_the_series(self, call):
        sent = body(finetune_depth=9)
        sent["series"]["y"][0] = 987654.25
        assert "987654" not in call("POST", "/v2/finetune", sent).text

    @pytest.mark.parametrize("path", ["/v2/finetuned_models/no%20spaces", "/v2/finetuned_models/" + "x" * 37])
    def test_an_invalid_id_is_a_422(self, call, path):
        assert call("GET", path).status_code == 422

    def test_an_unknown_frequency_is_a_422(self, call):
        answer = call("GET", "/model_params?model=timegpt-1&freq=fortnight")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["query", "freq"]
