"""Ctrl-C in a process with the embedded engine: what nobody waits for ends, and the message says what there is."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
import requests

from nixtla_accessor import connect, errors
from nixtla_accessor.datasets import load_unemployment
from nixtla_accessor.local.service import embedded

AT_WORK = ("pending", "running")
Y, SIZES = [float(i % 7) for i in range(100)], [50, 50]


@pytest.fixture(scope="module")
def client():
    with connect(base_url="local", progress=False) as client:
        client.finetuned_models()
        yield client


def call(method, path):
    engine = embedded.start_engine()
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {engine.api_key}"}
        return session.request(method, engine.base_url + path, headers=headers, timeout=10)


def jobs():
    return {job["job_id"]: job for job in call("GET", "/v2/async/jobs").json()["jobs"] if job["status"] in AT_WORK}


@contextmanager
def interrupted_when(*conditions):
    """Send the signal of Ctrl-C once a condition holds; then again once the next does."""

    def wait():
        for condition in conditions:
            while not condition():
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        yield caught
    thread.join()


def steps_done(model_id):
    return jobs().get(model_id, {"steps_done": 0})["steps_done"]


def test_the_training_itself_ends(client):
    with interrupted_when(lambda: steps_done("mine") > 3) as caught:
        client.finetune(Y, SIZES, "D", finetune_steps=100_000, finetune_depth=5, output_model_id="mine")
    assert isinstance(caught.value, errors.FinetuneInterrupted)
    assert str(caught.value) == "Interrupted, and the training was ended, so that model 'mine' is not trained."
    assert jobs() == {}
    time.sleep(0.5)
    assert "mine" not in [model.id for model in client.finetuned_models()]
    assert client.finetune(Y, SIZES, "D", finetune_steps=1, output_model_id="mine").finetuned_model_id == "mine"
    client.delete_finetuned_model("mine")


def test_one_that_waits_for_its_turn_ends_too(client):
    def train(model_id):
        with pytest.raises(errors.ApiError, match="was cancelled"):
            client.finetune(Y, SIZES, "D", finetune_steps=100_000, finetune_depth=5, output_model_id=model_id)

    others = [threading.Thread(target=train, args=(f"other-{nth}",)) for nth in range(os.cpu_count())]
    for other in others:
        other.start()
    while [job["status"] for job in jobs().values()] != ["running"] * len(others):
        time.sleep(0.01)
    with interrupted_when(lambda: "mine" in jobs()) as caught:
        client.finetune(Y, SIZES, "D", finetune_steps=100_000, output_model_id="mine")
    assert "the training was ended" in str(caught.value)
    assert set(jobs()) == {f"other-{nth}" for nth in range(len(others))}
    for model_id in jobs():
        assert call("POST", f"/v2/async/jobs/{model_id}/cancel").status_code == 202
    for other in others:
        other.join()


# Where it comes while a connection is being opened, before the pool knows of the socket, the collector closes that.
@pytest.mark.filterwarnings("ignore:.*unclosed <socket")
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
def test_whenever_it_comes_the_message_is_true(client, delay):
    begun = threading.Event()
    with interrupted_when(lambda: begun.is_set() and not time.sleep(delay)) as caught:
        begun.set()
        client.finetune(Y, SIZES, "D", finetune_steps=2, output_model_id="soon")
        time.sleep(10)  # where it is trained already
    assert jobs() == {}
    time.sleep(0.5)
    exists = "soon" in [model.id for model in client.finetuned_models()]
    if isinstance(caught.value, errors.FinetuneInterrupted):
        assert ("is not trained" not in str(caught.value)) is exists
    if exists:
        client.delete_finetuned_model("soon")


def test_a_training_in_parts_leaves_nothing(client):
    before = [*client.finetuned_models()]
    y = [round(i * 0.37 % 11, 4) for i in range(2_000)]
    with interrupted_when(lambda: any(job["steps_done"] > 3 for job in jobs().values())) as caught:
        client.finetune(y, [100] * 20, "D", finetune_steps=100_000, finetune_depth=5, max_request=5_000)
    assert "is not trained" in str(caught.value)
    assert "appears later" not in str(caught.value)
    assert jobs() == {}
    time.sleep(0.5)
    assert [*client.finetuned_models()] == before


def test_a_forecast_ends(client):
    began = time.monotonic()
    with interrupted_when(lambda: time.monotonic() - began > 0.5):
        client.forecast(Y, SIZES, "D", 100_000)
    began = time.monotonic()
    client.forecast(Y, SIZES, "D", 3)
    assert time.monotonic() - began < 2


@pytest.mark.usefixtures("client")
def test_a_wait_for_a_job_says_how_to_come_back_to_it():
    frame = load_unemployment().timegpt.finetune(wait=False, finetune_steps=100_000, finetune_depth=5)
    model_id = frame.timegpt.model_id
    with interrupted_when(lambda: frame.timegpt.status == "running") as caught:
        frame.timegpt.wait()
    assert type(caught.value) is errors.FinetuneInterrupted
    assert str(caught.value) == (
        f"Interrupted, and model {model_id!r} may still be trained by its job: df.timegpt.wait() waits on, "
        "df.timegpt.status says how it stands, and df.timegpt.cancel() ends it. For a frame without the record, "
        f"df.timegpt.use_model({model_id!r}) attaches the model once it exists."
    )
    assert frame.timegpt.status == "running"
    assert frame.timegpt.cancel() == "cancelled"
