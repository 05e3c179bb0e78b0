"""Engines that are killed at any moment, stopped while at work, and started again over the same folder.

`KILLS=300 python -m pytest tests/local/service/test_kills.py` kills more often than the suite does.
"""

import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import threading
import time

import pytest
import requests

from nixtla_accessor import Client
from nixtla_accessor.errors import OutcomeUnknownError, TransportError

KILLS = int(os.environ.get("KILLS", "4"))
VARIANTS = 3
LONG_TRAINING = {"finetune_steps": 100_000, "finetune_depth": 5}


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Clients:
    """Threads that train and delete models until the engine is gone, and remember what it acknowledged."""

    def __init__(self, serving, first):
        self.kept, self.deleted = set(), set()
        self._serving, self._numbers = serving, iter(range(first, 10**9))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(nth == 0,)) for nth in range(4)]
        for thread in self._threads:
            thread.start()

    def _work(self, deleting):
        with contextlib.suppress(requests.RequestException):
            while True:
                with self._lock:
                    number = next(self._numbers)
                model_id = f"{number % VARIANTS}-{number}"
                if self._serving.finetune(model_id, shift=number % VARIANTS).status_code == 200:
                    self.kept.add(model_id)
                if deleting:
                    self.kept.discard(model_id)  # from here on it may be there, or not
                    if self._serving.delete(model_id).status_code == 204:
                        self.deleted.add(model_id)

    @property
    def n_acknowledged(self):
        return len(self.kept) + len(self.deleted)

    def join(self):
        for thread in self._threads:
            thread.join()


def test_acknowledged_changes_survive_kills_and_nothing_half_done_is_listed(serve, tmp_path):
    rng = random.Random(KILLS)
    kept, deleted, changes = set(), set(), 0
    serving = serve()
    for variant in range(VARIANTS):
        started = time.monotonic()
        assert serving.finetune(f"{variant}-first", shift=variant).status_code == 200
        seconds_of_one = time.monotonic() - started
    expected = [serving.forecast(f"{variant}-first").json() for variant in range(VARIANTS)]
    assert len({str(answer) for answer in expected}) == VARIANTS
    for kill in range(KILLS):
        clients = Clients(serving, first=1000 * kill)
        enough = rng.randrange(4)
        wait_until(lambda: clients.n_acknowledged >= enough)  # noqa: B023 - at once
        time.sleep(rng.uniform(0, seconds_of_one))
        serving.kill()
        clients.join()
        kept |= clients.kept
        deleted |= clients.deleted
        changes += clients.n_acknowledged
        serving = serve()
        listed = serving.model_ids()
        assert kept <= listed
        assert not deleted & listed
        for model_id in listed:
            answer = serving.forecast(model_id)
            assert answer.status_code == 200, answer.text
            assert answer.json() == expected[int(model_id[0])]
        for model_id in [model_id for model_id in listed if not model_id.endswith("first")]:  # or the file would grow
            assert serving.delete(model_id).status_code == 204
        kept.clear()
        with contextlib.closing(sqlite3.connect(tmp_path / "home" / "models.sqlite")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    print(f"{KILLS} kills, {changes} acknowledged changes")
    assert changes > 0


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_told_while_at_work(serve, signal_):
    serving = serve()
    answers = []
    threads = [
        threading.Thread(target=lambda send=send: answers.append(send().status_code))
        for send in (
            lambda: serving.call(
                "POST", "/v2/forecast", serving.forecast_body(h=100_000, series=serving.series(n_series=50))
            ),
            lambda: serving.finetune("long", **LONG_TRAINING),
            lambda: serving.finetune("long", **LONG_TRAINING),
        )
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: answers == [409])  # the one training, since the other is at work
    started = time.monotonic()
    assert serving.stop(signal_) in (130, -signal.SIGTERM)
    assert time.monotonic() - started < 10
    for thread in threads:
        thread.join()
    assert answers == [409, 503, 503]
    with serve() as again:
        assert again.model_ids() == set()


def test_it_stops_when_told_while_a_client_is_still_sending(serve):
    serving = serve()
    with serving.sending(b'{"series": {"y": [1, 2', length=1000):
        started = time.monotonic()
        serving.stop(signal.SIGTERM)
        assert time.monotonic() - started < 10


def test_a_model_is_trained_after_its_client_has_hung_up(serve):
    with serve() as serving:
        with serving.sending(json.dumps(serving.finetune_body(output_model_id="left")).encode()):
            pass
        wait_until(lambda: "left" in serving.model_ids())
        assert serving.forecast("left").status_code == 200


def test_two_processes_overwrite_and_delete_one_model_under_kills(serve, tmp_path):
    rng = random.Random(KILLS)
    with serve() as other:
        for variant in range(VARIANTS):
            assert other.finetune(f"kept-{variant}", shift=variant).status_code == 200
        expected = [other.forecast(f"kept-{variant}").json() for variant in range(VARIANTS)]
        for _ in range(KILLS):
            killed, stopping = serve(), threading.Event()

            def overwrite(serving, shift, stopping=stopping):
                with contextlib.suppress(requests.RequestException):
                    while not stopping.is_set():
                        assert serving.delete("shared").status_code in (204, 404)
                        assert serving.finetune("shared", shift=shift).status_code in (200, 409, 422)

            threads = [
                threading.Thread(target=overwrite, args=(serving, shift))
                for serving, shift in ((killed, 0), (killed, 1), (other, 2))
            ]
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.2, 1.5))
            killed.kill()
            stopping.set()
            for thread in threads:
                thread.join()
            assert other.model_ids() >= {f"kept-{variant}" for variant in range(VARIANTS)}
            answer = other.forecast("shared")
            assert answer.status_code == 404 or answer.json() in expected
            for variant in range(VARIANTS):
                assert other.forecast(f"kept-{variant}").json() == expected[variant]
            with contextlib.closing(sqlite3.connect(tmp_path / "home" / "models.sqlite")) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not (tmp_path / "home" / "models.damaged").exists()


def test_a_client_does_not_wait_for_an_engine_that_was_killed(serve):
    def kill_at_work():
        models = []
        while "long" not in models:
            models = [job["finetuned_model_id"] for job in serving.call("GET", "/v2/async/jobs").json()["jobs"]]
        time.sleep(1.2)  # beyond the second after which a request that is cut off may be at work elsewhere
        serving.kill()

    serving = serve()
    series = serving.series()
    body = serving.finetune_body(output_model_id="job", **LONG_TRAINING)
    job = serving.call("POST", "/v2/finetune/async", body).json()
    with Client(api_key=serving.key, base_url=serving.url, progress=False) as client:
        killing = threading.Thread(target=kill_at_work)
        killing.start()
        began = time.monotonic()
        with pytest.raises(OutcomeUnknownError) as raised:
            client.finetune(series["y"], series["sizes"], "D", output_model_id="long", **LONG_TRAINING)
        killing.join()
        assert re.search(
            r"No engine \(or other server\) is running there any more: start it again\. Could not determine whether "
            r"model 'long' exists\. If it does, df\.timegpt\.use_model\('long'\) attaches it\.",
            str(raised.value),
        )
        with pytest.raises(TransportError, match=r"refused, since no engine \(or other server\) is running there"):
            client.wait_for_training("job", job["job_id"])
        assert time.monotonic() - began < 60  # they would have waited for five and ten minutes
