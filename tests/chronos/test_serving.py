"""A server of Chronos models: kills, restarts, stops, many requests, and too little memory."""

import os
import resource
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor.local.service import commands


def series(n_series=4, length=80):
    values = [10.0 + i % 7 + 0.1 * (i % 3) for i in range(length)]
    return {"y": values * n_series, "sizes": [length] * n_series}


def tuning(model_id, **fields):
    usual = {"series": series(), "freq": "D", "model": "chronos-2", "finetune_steps": 5}
    return {**usual, "output_model_id": model_id, **fields}


def asking(**fields):
    return {"series": series(), "freq": "D", "h": 7, "level": [80], **fields}


@pytest.fixture
def own_home(home, tmp_path):
    """A copy of the home, without the models of other tests."""
    shutil.copytree(home / "base_models", tmp_path / "home" / "base_models")
    return tmp_path / "home"


def test_models_survive_kills_restarts_and_the_base_models_return(serve, own_home, chronos_2_folder, monkeypatch):
    with serve(own_home) as serving:
        for depth in (1, 5):
            answer = serving.call("POST", "/v2/finetune", tuning(f"kept-{depth}", finetune_depth=depth))
            assert answer.status_code == 200, answer.text
        ask = asking(finetuned_model_id="kept-5")
        before = serving.call("POST", "/v2/forecast", ask).json()

        def train_in_vain():
            with pytest.raises(OSError, match=r"Connection|closed"):
                serving.call("POST", "/v2/finetune", tuning("half", finetune_steps=10**5))

        unfinished = threading.Thread(target=train_in_vain)
        unfinished.start()
        while not any(job["steps_done"] for job in serving.call("GET", "/v2/async/jobs").json()["jobs"]):
            time.sleep(0.05)
        serving.end(signal.SIGKILL)
        unfinished.join()
    monkeypatch.setenv("NIXTLA_ACCESSOR_HOME", str(own_home))
    with serve(own_home) as serving:
        kept = serving.call("GET", "/v2/finetuned_models").json()["finetuned_models"]
        assert {each["id"]: each["model"] for each in kept} == {"kept-1": "tiny/chronos-2", "kept-5": "tiny/chronos-2"}
        assert serving.call("POST", "/v2/forecast", ask).json() == before
        assert "Fine-tuned models that need it (2: 'kept-1', 'kept-5')" in commands.remove("chronos-2")
        gone = serving.call("POST", "/v2/forecast", ask)
        assert gone.status_code == 404
        assert "'tiny/chronos-2' is not installed" in gone.json()["detail"]
        assert "python -m nixtla_accessor pull tiny/chronos-2" in gone.json()["detail"]
        commands.pull(str(chronos_2_folder), "tiny/chronos-2", None)
        assert serving.call("POST", "/v2/forecast", ask).json() == before
        other = asking(finetuned_model_id="kept-1", model="bolt")
        refused = serving.call("POST", "/v2/forecast", other)
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["body", "model"]
        assert serving.call("DELETE", "/v2/finetuned_models/kept-1").status_code == 204
        listed = [each["name"] for each in serving.call("GET", "/v2/models").json()["models"]]
        assert listed == ["timegpt-1", "tiny/bolt", "tiny/chronos-2"]
        assert serving.call("GET", "/model_params?model=bolt&freq=D").json()["detail"]["horizon"] == 16
    assert serving.stdout == ""
    assert "runs on cpu" in serving.stderr


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_at_its_next_step(serve, signal_):
    with serve() as serving:
        answers = []
        body = tuning("half", finetune_steps=10**5, finetune_depth=5)
        asked = threading.Thread(target=lambda: answers.append(serving.call("POST", "/v2/finetune", body).status_code))
        asked.start()
        while not any(job["steps_done"] for job in serving.call("GET", "/v2/async/jobs").json()["jobs"]):
            time.sleep(0.05)
        began = time.monotonic()
        serving.end(signal_)
        asked.join()
        assert time.monotonic() - began < 10
    assert answers == [503]
    assert "Traceback" not in serving.stderr


def test_many_at_once_are_answered_as_each_alone(serve):
    with serve() as serving:
        bodies = [
            asking(model=model, series=series(n_series=1, length=length))
            for length in range(20, 60, 4)
            for model in ("chronos-2", "bolt")
        ]
        alone = [serving.call("POST", "/v2/forecast", body).json()["mean"] for body in bodies]
        with ThreadPoolExecutor(10) as threads:
            together = list(threads.map(lambda body: serving.call("POST", "/v2/forecast", body).json()["mean"], bodies))
    assert together == alone


def test_too_little_memory_is_a_507_and_the_server_lives(serve):
    with serve() as serving:
        assert serving.call("POST", "/v2/forecast", asking(model="chronos-2")).status_code == 200
        pages = Path(f"/proc/{serving.process.pid}/statm").read_text().split()[0]
        used = int(pages) * os.sysconf("SC_PAGESIZE")
        unlimited = resource.prlimit(serving.process.pid, resource.RLIMIT_AS)
        resource.prlimit(serving.process.pid, resource.RLIMIT_AS, (used + 30 * 2**20, unlimited[1]))
        many = series(n_series=2_000, length=120)
        answer = serving.call("POST", "/v2/forecast", asking(model="chronos-2", series=many, h=600, level=[80, 90]))
        assert answer.status_code == 507, answer.text
        assert "memory does not suffice" in answer.json()["detail"]
        resource.prlimit(serving.process.pid, resource.RLIMIT_AS, unlimited)
        assert serving.call("POST", "/v2/forecast", asking(model="chronos-2")).status_code == 200


def test_the_accessor_uses_a_model_by_its_name(serve):
    stamps = pd.date_range("2026-01-01", periods=80)
    df = pd.concat(
        [pd.DataFrame({"unique_id": name, "ds": stamps, "y": series(1)["y"]}) for name in "abcd"], ignore_index=True
    )
    with serve() as serving, nixtla_accessor.connect(api_key=serving.key, base_url=serving.url):
        tuned = df.timegpt.finetune(model="chronos-2", finetune_steps=5, output_model_id="mine")
        forecast = tuned.timegpt.forecast(h=7, level=[80])
        assert len(forecast) == 28
        assert (forecast["TimeGPT-lo-80"] <= forecast["TimeGPT-hi-80"]).all()
        assert len(df.timegpt.forecast(h=7, model="tiny/bolt")) == 28
        with pytest.raises(nixtla_accessor.errors.NotFoundError, match="pull amazon/chronos-2"):
            df.timegpt.forecast(h=7, model="amazon/chronos-2")
        with pytest.raises(nixtla_accessor.errors.UnprocessableError, match="'tiny/bolt' forecasts as it is"):
            df.timegpt.finetune(model="bolt")
        nixtla_accessor.delete_finetuned_model("mine")
