"""Greedy, idle and vanished clients: everybody else is answered within two seconds, and what nobody waits for ends."""

import contextlib
import json
import os
import resource
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests

AT_WORK = ("pending", "running")
SOON = 2  # seconds
LONG_TRAINING = {"finetune_steps": 100_000, "finetune_depth": 5}
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def long_forecast(serving, **fields):
    return serving.forecast_body(h=100_000, series=serving.series(n_series=50), **fields)


def jobs(serving):
    listed = serving.call("GET", "/v2/async/jobs").json()["jobs"]
    return {job["job_id"]: job for job in listed if job["status"] in AT_WORK}


def check_quick_answers(serving, times=3):
    """Look-ups, lists, key checks and refusals are answered soon."""
    calls = [
        ("GET", "/v2/finetuned_models", None, 200),
        ("GET", "/v2/finetuned_models/absent", None, 404),
        ("GET", "/validate_api_key", None, 200),
        ("GET", "/v2/models", None, 200),
        ("GET", "/v2/async/jobs", None, 200),
        ("GET", "/model_params?model=timegpt-1&freq=D", None, 200),
        ("DELETE", "/v2/finetuned_models/absent", None, 404),
        ("POST", "/v2/async/jobs/absent/cancel", None, 404),
        ("POST", "/v2/finetune", serving.finetune_body(finetuned_model_id="absent"), 404),
        ("POST", "/v2/finetune", serving.finetune_body(finetune_steps=10**9), 422),
    ]
    for _ in range(times):
        for method, path, body, status in calls:
            began = time.monotonic()
            assert serving.call(method, path, body).status_code == status, path
            assert time.monotonic() - began < SOON, path


@contextlib.contextmanager
def clients_at_work(serving, path, bodies):
    """Hold a connection for each body, over which it was sent."""
    with contextlib.ExitStack() as held:
        for body in bodies:
            held.enter_context(serving.sending(json.dumps(body).encode(), path=path))
        yield


class TestLongWork:
    def test_forecasts_end_soon_after_their_clients_are_gone(self, serve):
        with serve() as serving:
            serving.forecast()
            with clients_at_work(serving, "/v2/forecast", [long_forecast(serving)] * 40):
                time.sleep(0.5)
                check_quick_answers(serving)
            began = time.monotonic()
            assert serving.forecast().status_code == 200
            assert time.monotonic() - began < 5

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/v2/cross_validation", {"h": 20_000, "n_windows": 2, "series": {"y": [1.0] * 50_000, "sizes": [50_000]}}),
            ("/v2/forecast", {"finetune_steps": 100_000, "finetune_depth": 5}),
            ("/v2/cross_validation", {"n_windows": 2, "refit": True, "finetune_steps": 50_000, "finetune_depth": 5}),
        ],
        ids=["cross-validation", "tuning for a forecast", "tuning for a cross-validation"],
    )
    def test_other_work_of_clients_that_are_gone_ends_too(self, serve, path, fields):
        n_clients = 2 * os.cpu_count()
        with serve() as serving:
            with clients_at_work(serving, path, [serving.forecast_body(**fields)] * n_clients):
                time.sleep(0.5)
            began = time.monotonic()
            assert serving.forecast().status_code == 200
            assert serving.forecast(finetune_steps=1).status_code == 200
            assert time.monotonic() - began < 10

    def test_more_forecasts_than_it_takes_are_told_to_come_back(self, serve):
        with serve(limits={"forecasts": 3}) as serving:
            with clients_at_work(serving, "/v2/forecast", [long_forecast(serving)] * 3):
                time.sleep(1)  # or the next comes before them, and waits behind them
                wait_until(lambda: serving.forecast().status_code == 429)
                assert int(serving.forecast().headers["Retry-After"]) > 0
            wait_until(lambda: serving.forecast().status_code == 200)

    def test_trainings_keep_nobody_waiting_and_can_be_cancelled(self, serve):
        with serve() as serving:
            ids = [f"long-{nth}" for nth in range(os.cpu_count() + 2)]
            with ThreadPoolExecutor(len(ids)) as pool:
                answers = [pool.submit(serving.finetune, model_id, **LONG_TRAINING) for model_id in ids]
                wait_until(lambda: set(jobs(serving)) == set(ids))
                wait_until(
                    lambda: (
                        sorted(job["status"] for job in jobs(serving).values())
                        == ["pending"] * 2 + ["running"] * os.cpu_count()
                    )
                )
                check_quick_answers(serving)
                assert serving.forecast().status_code == 200
                for model_id in ids:
                    answer = serving.call("POST", f"/v2/async/jobs/{model_id}/cancel")
                    assert answer.status_code == 202
                    assert answer.json() == {"job_id": model_id, "status": "cancelled"}
                for model_id, answer in zip(ids, answers, strict=True):
                    assert answer.result().status_code == 409
                    assert f"'{model_id}' was cancelled" in answer.result().json()["detail"]
            assert jobs(serving) == {}
            assert serving.model_ids() == set()
            assert serving.finetune(ids[0]).status_code == 200
            assert serving.call("POST", f"/v2/async/jobs/{ids[0]}/cancel").status_code == 404

    def test_a_training_whose_client_is_gone_goes_on_is_listed_and_can_be_cancelled(self, serve):
        with serve() as serving:
            body = serving.finetune_body(output_model_id="left", **LONG_TRAINING)
            with clients_at_work(serving, "/v2/finetune", [body]):
                wait_until(lambda: "left" in jobs(serving))
            wait_until(lambda: jobs(serving)["left"]["steps_done"] > 1)
            steps_done = jobs(serving)["left"]["steps_done"]
            wait_until(lambda: jobs(serving)["left"]["steps_done"] > steps_done)
            assert jobs(serving)["left"]["finetune_steps"] == 100_000
            assert serving.finetune("left").status_code == 409
            assert serving.call("POST", "/v2/async/jobs/left/cancel").status_code == 202
            assert serving.finetune("left").status_code == 200  # the id is free at once
            assert serving.model_ids() == {"left"}

    def test_to_cancel_waits_for_a_request_that_has_arrived(self, serve):
        body = json.dumps(serve().finetune_body(output_model_id="sent", **LONG_TRAINING)).encode()
        with serve() as serving:
            for cut in (10, len(body) // 2, len(body) - 1):
                with serving.sending(body[:cut], length=len(body)) as connection:
                    time.sleep(0.1)
                    cancelling = threading.Timer(0.3, connection.sendall, [body[cut:]])
                    cancelling.start()
                    assert serving.call("POST", "/v2/async/jobs/sent/cancel").status_code == 202
                    assert connection.recv(2**16).startswith(b"HTTP/1.1 409")
            with serving.sending(body[:10], length=len(body)):
                time.sleep(0.1)
                began = time.monotonic()
                assert serving.call("POST", "/v2/async/jobs/sent/cancel").status_code == 404
                assert time.monotonic() - began < SOON
            assert serving.model_ids() == set()


class TestConnections:
    @needs_proc
    def test_without_the_key_they_are_closed(self, serve):
        with serve(limits={"seconds_without_key": 0.5}) as serving, contextlib.ExitStack() as held:
            texts = [
                b"",
                b"GET /v2/models HTTP/1.1\r\nHost:",
                b"GET /v2/models HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /v2/finetune HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
                b"POST /v2/finetune HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 9\r\n\r\n",
            ]
            idle = []
            for text in texts * 10:
                connection = held.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
                connection.sendall(text)
                idle.append(connection)
            kept = held.enter_context(serving.sending(b'{"series"', length=1000))
            for connection in idle:
                connection.settimeout(10)
                with contextlib.suppress(ConnectionResetError):
                    while connection.recv(2**16):
                        pass
            kept.settimeout(1)
            with pytest.raises(TimeoutError):
                kept.recv(1)
            assert serving.call("GET", "/v2/models").status_code == 200

    @needs_proc
    def test_more_than_there_may_be_make_room_for_each_other(self, serve):
        with serve(limits={"connections": 20}) as serving, contextlib.ExitStack() as held:
            assert serving.call("GET", "/v2/models").status_code == 200  # over the connection that is kept
            for _ in range(200):
                held.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
            assert serving.call("GET", "/v2/models").status_code == 200
            with requests.Session() as another:
                another.trust_env = False
                another.headers["Authorization"] = f"Bearer {serving.key}"
                assert another.get(f"{serving.url}/v2/models", timeout=SOON).status_code == 200
            assert len([*Path(f"/proc/{serving.process.pid}/fd").iterdir()]) < 60

    def test_a_flood_at_the_limit_of_descriptors_fills_no_log(self, serve):
        with serve() as serving, contextlib.ExitStack() as held:
            resource.prlimit(serving.process.pid, resource.RLIMIT_NOFILE, (60, 60))
            for _ in range(150):
                held.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
            time.sleep(2)
            held.close()
            wait_until(lambda: serving.call("GET", "/v2/models").status_code == 200)
        assert 0 < serving.stderr.count("\n") < 20
        assert "system resource" in serving.stderr

    def test_what_is_no_request_fills_no_log(self, serve):
        with serve() as serving:
            for text in (b"\x00\xff" * 100, b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nHost: x\r\n\r\n"):
                for _ in range(50):
                    with socket.create_connection(("127.0.0.1", serving.port)) as connection:
                        connection.sendall(text)
                        connection.settimeout(10)
                        connection.recv(1)
        assert 0 < serving.stderr.count("\n") <= 10
        assert "left out" in serving.stderr

    def test_a_body_that_stops_coming_is_a_408(self, serve):
        serving = serve(limits={"seconds_without_data": 0.3})
        with serving.sending(b'{"series"', length=1000) as connection:
            connection.settimeout(10)
            assert connection.recv(2**16).startswith(b"HTTP/1.1 408")

    def test_an_answer_that_nobody_reads_is_dropped(self, serve):
        with serve(limits={"seconds_without_data": 0.3}) as serving:
            fields = {"h": 2_000, "level": [80, 90], "series": serving.series(n_series=200)}
            body = json.dumps(serving.forecast_body(**fields)).encode()
            with serving.sending(body, path="/v2/forecast") as connection:
                connection.settimeout(60)
                received = connection.recv(1)
                time.sleep(3)
                with contextlib.suppress(ConnectionResetError):
                    while piece := connection.recv(2**20):
                        received += piece
            whole = serving.call("POST", "/v2/forecast", json.loads(body)).content
            assert len(received) < len(whole)


@needs_proc
def test_long_answers_and_large_bodies_keep_nobody_waiting(serve):
    values = np.round(np.random.default_rng(0).normal(20, 5, 2_000_000), 6).tolist()
    with serve() as serving, ThreadPoolExecutor(3) as pool:
        large = serving.forecast_body(h=1, series={"y": values, "sizes": [20_000] * 100})
        long = serving.forecast_body(h=100, series=serving.series(n_series=2_000), level=[50, 60, 70, 80, 90])
        slow = [pool.submit(serving.call, "POST", "/v2/forecast", body) for body in (large, long, large)]
        while not all(each.done() for each in slow):
            check_quick_answers(serving, times=1)
        assert [each.result().status_code for each in slow] == [200] * 3
