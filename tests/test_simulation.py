"""Paths from the frame: tidy, repeatable, of the attached model, and of a service's jobs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import connect, errors
from nixtla_accessor.api import asking
from nixtla_accessor.api.client import Client
from nixtla_accessor.api.retry import Pacing
from nixtla_accessor.datasets import load_unemployment


@pytest.fixture(scope="module")
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


def frame(n_series=3, length=90):
    y = 50 + np.random.default_rng(0).normal(size=(n_series, length)).cumsum(1)
    stamps = np.tile(pd.date_range("2024-01-01", periods=length, freq="D"), n_series)
    return pd.DataFrame(
        {"unique_id": np.repeat([f"s{i}" for i in range(n_series)], length), "ds": stamps, "y": y.ravel()}
    )


class TestFrames:
    def test_a_row_for_each_step_of_each_path(self, local):
        df = frame()
        paths = df.sample(frac=1, random_state=0).timegpt.simulate(4, 30, seed=1, zero_shot=True)
        assert list(paths.columns) == ["unique_id", "ds", "sample_id", "TimeGPT"]
        assert paths[["unique_id", "ds"]].dtypes.equals(df[["unique_id", "ds"]].dtypes)
        assert paths[["sample_id", "TimeGPT"]].dtypes.astype(str).tolist() == ["int64", "float64"]
        assert len(paths) == 3 * 30 * 4
        assert paths.equals(paths.sort_values(["unique_id", "sample_id", "ds"]))
        ahead = df.timegpt.forecast(4, zero_shot=True)
        for _, path in paths.groupby("sample_id"):
            pd.testing.assert_frame_equal(path[["unique_id", "ds"]].reset_index(drop=True), ahead[["unique_id", "ds"]])

    def test_they_agree_with_the_quantiles_of_the_forecast(self, local):
        df = load_unemployment()
        paths = df.timegpt.simulate(12, 1000, seed=3, zero_shot=True)
        ahead = df.timegpt.forecast(12, quantiles=[0.1, 0.5, 0.9], zero_shot=True)
        found = paths.groupby(["unique_id", "ds"])["TimeGPT"].quantile([0.1, 0.5, 0.9]).unstack()
        expected = ahead.set_index(["unique_id", "ds"])[["TimeGPT-q-10", "TimeGPT-q-50", "TimeGPT-q-90"]]
        spread = (expected["TimeGPT-q-90"] - expected["TimeGPT-q-10"]).to_numpy()[:, None]
        assert (np.abs(found.to_numpy() - expected.to_numpy()) / spread).max() < 0.02

    def test_the_seed_decides(self, local):
        df = frame(1)
        first, second, other = (df.timegpt.simulate(3, 5, seed=seed, zero_shot=True) for seed in (7, 7, 8))
        pd.testing.assert_frame_equal(first, second)
        assert not first.equals(other)
        assert not df.timegpt.simulate(3, 5, zero_shot=True).equals(df.timegpt.simulate(3, 5, zero_shot=True))

    def test_names_dtypes_and_the_model_are_the_frames(self, local):
        df = frame().rename(columns={"unique_id": "shop", "ds": "day", "y": "sales"}).astype({"shop": "category"})
        df["day"] = df["day"].dt.tz_localize("Europe/Berlin")
        df.timegpt.finetune(finetune_steps=2, id_col="shop", time_col="day", target_col="sales")
        paths = df.timegpt.simulate(2, 3, seed=1)
        assert list(paths.columns) == ["shop", "day", "sample_id", "TimeGPT"]
        assert paths["day"].dtype == df["day"].dtype
        assert isinstance(paths["shop"].dtype, pd.CategoricalDtype)
        assert paths.timegpt.model_id == df.timegpt.model_id

    def test_one_series_without_an_id(self, local):
        paths = frame(1).drop(columns="unique_id").timegpt.simulate(2, 3, seed=1, zero_shot=True)
        assert list(paths.columns) == ["ds", "sample_id", "TimeGPT"]

    def test_without_a_model_it_is_refused(self, local):
        with pytest.raises(errors.NoModelError):
            frame().timegpt.simulate(3)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"n_paths": 0}, "n_paths must be a whole number from 1 to 10000; got 0"),
            ({"n_paths": 10_001}, "from 1 to 10000"),
            ({"seed": 1.5}, "seed must be a whole number"),
            ({"seed": 2**64}, "seed must be a whole number from"),
            ({"quantiles": [0.5]}, "2 to 200 different numbers"),
            ({"quantiles": [0.5, 0.5]}, "2 to 200 different numbers"),
            ({"quantiles": [0.5, 1.0]}, "above 0 and below 1"),
        ],
    )
    def test_wrong_arguments_are_refused(self, local, arguments, said):
        with pytest.raises(errors.InvalidArgumentError, match=said):
            frame().timegpt.simulate(3, **arguments, zero_shot=True)

    def test_names_of_the_answer_are_not_the_frames(self, local):
        df = frame().rename(columns={"unique_id": "sample_id"})
        with pytest.raises(errors.InvalidArgumentError, match="sample_id"):
            df.timegpt.simulate(3, id_col="sample_id", zero_shot=True)

    def test_the_engine_draws_series_independently_and_says_so(self, local):
        with pytest.raises(errors.UnprocessableError, match="does not support multivariate models"):
            frame().timegpt.simulate(3, multivariate=True, zero_shot=True)

    def test_many_series_are_asked_in_parts(self, local, monkeypatch):
        df = frame(8)
        whole = df.timegpt.simulate(3, 50, seed=1, zero_shot=True)
        monkeypatch.setattr(asking, "MAX_PATH_VALUES", 400)
        parts = df.timegpt.simulate(3, 50, seed=1, zero_shot=True)
        pd.testing.assert_frame_equal(parts.drop(columns="TimeGPT"), whole.drop(columns="TimeGPT"))
        by_series = parts.pivot(index="unique_id", columns=["sample_id", "ds"], values="TimeGPT")
        centred = by_series.sub(by_series.mean(axis=1), axis=0)
        assert np.abs(np.corrcoef(centred) - np.eye(8)).max() < 0.9  # no two series share their draws
        pd.testing.assert_frame_equal(parts, df.timegpt.simulate(3, 50, seed=1, zero_shot=True))


class Jobs(BaseHTTPRequestHandler):
    """A service with jobs, whose paths repeat the last value; `server.answers` are the statuses of the next polls."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(f"POST {self.path}")
        if self.path.endswith("/cancel"):
            return self.answer(202, {})
        if self.path == "/v2/simulate/async" and self.server.submission is not None:
            return self.server.submission(self)
        self.server.result = self.paths(json.loads(body))
        if self.path == "/v2/simulate":
            return self.answer(200, self.server.result)
        return self.answer(202, {"job_id": "job-1"})

    def do_GET(self):
        self.server.requests.append(f"GET {self.path}")
        if self.path.startswith("/model_params"):
            return self.answer(200, {"detail": {"input_size": 10, "horizon": 5}})
        status = self.server.statuses.pop(0) if self.server.statuses else "succeeded"
        if isinstance(status, int):
            return self.answer(status, {"detail": "for a moment"})
        result = self.server.result if status == "succeeded" else None
        error = {"detail": "no memory left"} if status == "failed" else None
        return self.answer(200, {"job_id": "job-1", "status": status, "result": result, "error": error})

    @staticmethod
    def paths(body):
        y, sizes, h, n_paths = body["series"]["y"], body["series"]["sizes"], body["h"], body["n_paths"]
        of_path = [y[end - 1] for end in np.cumsum(sizes) for _ in range(h)]
        shape = {"sizes": [h] * len(sizes), "n_paths": n_paths, "h": h}
        return {"samples": of_path * n_paths, "coupled": body["multivariate"] and len(sizes) > 1, **shape}

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    with ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as server:
        server.requests, server.statuses, server.submission = [], [], None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Quick(Client):
    pacing = Pacing(first_wait=0.01, max_wait=0.02, first_poll_pause=0.01, max_poll_pause=0.02, max_silence=0.5)


@pytest.fixture
def client(service):
    with Quick(api_key="key", base_url=f"http://127.0.0.1:{service.server_port}", progress=False) as client:
        yield client


def simulate(client, **arguments):
    return frame().timegpt.simulate(2, 3, zero_shot=True, client=client, **arguments)


class TestJobs:
    def test_it_is_submitted_once_and_polled_until_it_has_ended(self, service, client):
        service.statuses = ["pending", 503, "running", 429]
        paths = simulate(client)
        last = frame().groupby("unique_id")["y"].last()
        np.testing.assert_array_equal(paths["TimeGPT"], paths["unique_id"].map(last))
        assert service.requests == ["POST /v2/simulate/async", *["GET /v2/simulate/jobs/job-1"] * 5]

    def test_a_failed_job_says_why(self, service, client):
        service.statuses = ["failed"]
        with pytest.raises(errors.ServerError, match="no memory left"):
            simulate(client)

    @pytest.mark.parametrize("status", [404, 401])
    def test_a_job_that_cannot_be_asked_for_ends_the_call(self, service, client, status):
        service.statuses = [status]
        with pytest.raises(errors.ApiError):
            simulate(client)
        assert service.requests[-1] == "POST /v2/async/jobs/job-1/cancel"

    def test_a_job_that_takes_too_long_is_cancelled(self, service):
        service.statuses = ["running"] * 1000
        url = f"http://127.0.0.1:{service.server_port}"
        with Quick(api_key="key", base_url=url, timeout=(1, 0.2), progress=False) as client:
            start = time.monotonic()
            with pytest.raises(errors.TransportError, match=r"job-1 within 0\.2 seconds, and was asked to cancel it"):
                simulate(client)
        assert time.monotonic() - start < 2
        assert service.requests[-1] == "POST /v2/async/jobs/job-1/cancel"

    def test_a_service_without_jobs_is_asked_directly(self, service, client):
        service.submission = lambda handler: handler.answer(404, {"detail": "Not Found"})
        assert len(simulate(client)) == 18
        assert service.requests == ["POST /v2/simulate/async", "POST /v2/simulate"]

    @pytest.mark.parametrize("status", [500, 502, 504, 409])
    def test_an_unclear_submission_is_not_repeated(self, service, client, status):
        service.submission = lambda handler: handler.answer(status, {})
        with pytest.raises(errors.ApiError):
            simulate(client)
        assert service.requests == ["POST /v2/simulate/async"]

    def test_a_submission_that_comes_too_early_is_repeated(self, service, client):
        def too_early(handler):
            handler.server.submission = None
            handler.answer(429, {})

        service.submission = too_early
        assert len(simulate(client)) == 18

    def test_paths_that_were_drawn_independently_are_told(self, service, client):
        simulate(client, multivariate=True)
        with pytest.warns(errors.TimeGPTWarning, match="independently"):
            frame(1).timegpt.simulate(2, 3, zero_shot=True, client=client, multivariate=True)

    def test_other_paths_than_asked_for_are_refused(self, service, client):
        service.submission = lambda handler: handler.answer(404, {})
        original = Jobs.paths
        for change in ({"n_paths": 4}, {"samples": [1.0]}, {"sizes": [1]}):
            Jobs.paths = staticmethod(lambda body, change=change: original(body) | change)
            try:
                with pytest.raises(errors.ResponseError, match="paths"):
                    simulate(client)
            finally:
                Jobs.paths = staticmethod(original)
