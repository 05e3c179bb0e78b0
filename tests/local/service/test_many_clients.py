"""Many clients at once: whole models only, two engines over one folder, idle connections, and no leaks."""

import contextlib
import itertools
import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import orjson
import pytest

from nixtla_accessor import Client
from nixtla_accessor.errors import ModelExistsError

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
VARIANTS = 3
MAX_SECONDS = 60  # until each model was seen; it takes a few
MAX_GROWTH = 50  # MiB; fifty models held by mistake are 130


def test_a_forecast_never_sees_half_a_model(serve):
    with serve() as serving:
        known = []
        for variant in range(VARIANTS):
            assert serving.finetune(f"known-{variant}", shift=variant).status_code == 200
            known.append(serving.forecast(f"known-{variant}").json())
        assert len({str(answer) for answer in known}) == VARIANTS
        seen, statuses, done = set(), set(), threading.Event()

        def replace(first):
            for nth in itertools.count(first):
                if done.is_set():
                    return
                statuses.add(serving.delete("changing").status_code)
                statuses.add(serving.finetune("changing", shift=nth % VARIANTS).status_code)

        def forecast():
            while not done.is_set():
                answer = serving.forecast("changing")
                assert answer.status_code in (200, 404), answer.text
                if answer.status_code == 200:
                    seen.add(known.index(answer.json()))

        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(work) for work in (forecast, forecast, lambda: replace(0), lambda: replace(1))]
            until = time.monotonic() + MAX_SECONDS
            while len(seen) < VARIANTS and time.monotonic() < until and not any(work.done() for work in working):
                time.sleep(0.1)
            done.set()
            for work in working:
                work.result()
        assert seen == set(range(VARIANTS))
        assert statuses <= {200, 204, 404, 409, 422}


def test_two_engines_over_one_folder_see_the_same_models(serve):
    with serve() as one, serve() as other:
        assert one.finetune("shared").status_code == 200
        assert other.model_ids() == {"shared"}
        assert other.forecast("shared").json() == one.forecast("shared").json()
        assert other.finetune("shared").status_code == 422
        assert other.delete("shared").status_code == 204
        assert one.forecast("shared").status_code == 404
        assert other.finetune("shared", shift=1).status_code == 200
        assert one.forecast("shared").json() == other.forecast("shared").json()
        with ThreadPoolExecutor(8) as pool:
            trained = [pool.submit([one, other][nth % 2].finetune, f"m{nth // 2}") for nth in range(8)]
            assert sorted(post.result().status_code for post in trained) == [200] * 4 + [422] * 4
        assert one.model_ids() == other.model_ids() == {"shared", "m0", "m1", "m2", "m3"}


def test_idle_and_slow_connections_keep_nobody_waiting(serve):
    with serve() as serving, contextlib.ExitStack() as held:
        for nth in range(100):
            if nth % 2:
                held.enter_context(serving.sending(b'{"series": {"y": [1, 2', length=10_000_000))
            else:
                slow = held.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
                slow.sendall(b"GET /v2/models HTTP/1.1\r\nHost:" * (nth % 4 // 2))
        assert serving.forecast().elapsed.total_seconds() < 5
        assert serving.finetune("meanwhile").status_code == 200


def test_it_listens_on_loopback_unless_told_and_warns_elsewhere(serve):
    with serve() as serving, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", serving.port))  # this machine too, at another address
    assert serving.stderr == ""
    with serve("--host", "0.0.0.0") as serving:
        socket.create_connection(("127.0.0.2", serving.port)).close()
    assert serving.stderr == "Listening on 0.0.0.0: the key and the series travel there unencrypted.\n"


class Resources:
    """What a process holds: memory in MiB, file descriptors and threads."""

    def __init__(self, process):
        proc = Path(f"/proc/{process.pid}")
        self.memory = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        self.peak_memory = int(re.search(r"VmHWM:\s+(\d+)", (proc / "status").read_text())[1]) / 2**10
        self.descriptors = len([*(proc / "fd").iterdir()])
        self.threads = len([*(proc / "task").iterdir()])

    def __str__(self):
        return f"{self.memory:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads"


@needs_proc
def test_a_large_body_takes_a_few_times_its_own_memory(serve):
    rng = np.random.default_rng(0)
    series = {"y": np.round(rng.normal(20, 5, 3_000_000), 6), "sizes": np.full(15_000, 200)}
    sent = {"series": series, "freq": "D", "finetune_steps": 1}
    body = orjson.dumps(sent, option=orjson.OPT_SERIALIZE_NUMPY)
    with serve() as serving:
        assert serving.finetune("first").status_code == 200
        before = Resources(serving.process)
        with serving.sending(body) as connection:
            assert connection.recv(2**16).startswith(b"HTTP/1.1 200")
        assert Resources(serving.process).peak_memory - before.memory < 5 * len(body) / 2**20


@needs_proc
def test_nothing_leaks(serve):
    """By hand: ``REQUESTS=3000 python -m pytest tests/local/service/test_many_clients.py -k leaks -s``."""
    requests = int(os.environ.get("REQUESTS", "496"))
    with serve() as serving, ThreadPoolExecutor(4) as pool:

        def mixed(nth):
            """A model trained, used and deleted; and some requests that fail."""
            model_id = f"model-{nth}"
            answers = [
                serving.finetune(model_id, shift=nth % 7),
                serving.forecast(model_id, level=[80, 95]),
                serving.call("POST", "/v2/cross_validation", serving.forecast_body(n_windows=2)),
                serving.call("POST", "/v2/anomaly_detection", serving.forecast_body()),
                serving.call("GET", "/v2/finetuned_models"),
                serving.forecast("no-such-model"),
                serving.forecast(h=0),
                serving.delete(model_id),
            ]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 404, 422, 204]
            return len(answers)

        done = sum(pool.map(mixed, range(12)))  # to fill the caches
        before = now = Resources(serving.process)
        print(f"\nafter {done} requests: {before}")
        while done < requests:
            done += sum(pool.map(mixed, range(50)))
            now = Resources(serving.process)
            print(f"after {done} requests: {now}")
    assert now.memory < before.memory + MAX_GROWTH
    assert now.descriptors <= before.descriptors + 4
    assert now.threads <= before.threads + 4


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_two_engines_that_train_one_id_at_a_time_one_says_that_it_exists(serve, overwrite):
    def train(serving):
        series = serving.series()
        with Client(api_key=serving.key, base_url=serving.url, progress=False) as client:
            try:
                client.finetune(
                    series["y"], series["sizes"], "D", output_model_id="one", overwrite=overwrite, finetune_steps=200
                )
            except ModelExistsError as error:
                return str(error)
        return "made"

    with serve() as first, serve() as second, ThreadPoolExecutor(2) as pool:
        made, refused = sorted(pool.map(train, (first, second)), key=lambda said: said != "made")
        assert made == "made"
        assert refused.startswith("Model 'one' was made by another call meanwhile, and this one made none.")
        assert first.model_ids() == {"one"}
