"""Jobs of the engine: submitted, asked for, cancelled and listed; whole or failed, whatever kills the process."""

import contextlib
import json
import os
import random
import sqlite3
import threading
import time

import pytest
import requests

from nixtla_accessor.local.service.errors import UnknownJobError
from nixtla_accessor.local.service.job_owner import JobOwner
from nixtla_accessor.local.service.job_store import JobStore, StoredJob
from nixtla_accessor.local.service.jobs import JobAtWork, Jobs
from nixtla_accessor.local.service.limits import LIMITS, Limits
from nixtla_accessor.local.service.store import ModelStore

KILLS = int(os.environ.get("KILLS", "2"))
LONG = {"finetune_steps": 100_000, "finetune_depth": 5}
SYNCHRONOUS = {
    "finetune": "finetune",
    "forecast": "forecast",
    "cross_validation": "cross_validation",
    "anomaly_detection": "online_anomaly_detection",
    "simulate": "simulate",
}
ENDED = {"succeeded", "failed", "cancelled"}


def body_of(serving, task, **fields):
    if task == "finetune":
        return serving.finetune_body(**fields)
    more = {"anomaly_detection": {"detection_size": 7}, "simulate": {"seed": 1}}
    return serving.forecast_body(**more.get(task, {}), **fields)


def submit(serving, task, **fields):
    answer = serving.call("POST", f"/v2/{task}/async", body_of(serving, task, **fields))
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def poll(serving, task, job_id):
    answer = serving.call("GET", f"/v2/{task}/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_for(serving, task, job_id, statuses=ENDED, seconds=20):
    until = time.monotonic() + seconds
    while (job := poll(serving, task, job_id))["status"] not in statuses:
        assert time.monotonic() < until, job
        time.sleep(0.02)
    return job


def listed(serving, **parameters):
    return serving.call("GET", "/v2/async/jobs", params=parameters).json()


@pytest.fixture(scope="module")
def serving(serve_module):
    return serve_module()


@pytest.mark.parametrize("task", SYNCHRONOUS)
def test_the_result_is_that_of_the_synchronous_call(serving, task):
    names = {"output_model_id": "as-a-job"} if task == "finetune" else {}
    job = wait_for(serving, task, submit(serving, task, **names))
    assert job["status"] == "succeeded"
    assert job["error"] is None
    if task == "finetune":
        assert serving.delete("as-a-job").status_code == 204
    assert job["result"] == serving.call("POST", f"/v2/{SYNCHRONOUS[task]}", body_of(serving, task, **names)).json()


def test_a_job_says_how_far_it_is_and_is_known_of_its_own_task_only(serving):
    job_id = submit(serving, "finetune", output_model_id="long", **LONG)
    wait_for(serving, "finetune", job_id, {"running"})
    while not (job := poll(serving, "finetune", job_id))["steps_done"]:
        pass
    assert job["finetune_steps"] == 100_000
    assert job["finetuned_model_id"] == "long"
    assert job["result"] is None
    assert serving.call("GET", f"/v2/forecast/jobs/{job_id}").status_code == 404
    assert serving.call("GET", "/v2/finetune/jobs/absent").status_code == 404
    assert [each["status"] for each in listed(serving)["jobs"] if each["job_id"] == job_id] == ["running"]
    assert job_id in [each["job_id"] for each in listed(serving, status="running")["jobs"]]
    assert serving.call("GET", "/v2/async/jobs/status").json()["running"] == 1
    assert serving.call("POST", f"/v2/async/jobs/{job_id}/cancel").status_code == 202
    assert poll(serving, "finetune", job_id)["status"] == "cancelled"
    assert serving.finetune("long").status_code == 200  # its id is free at once
    assert serving.delete("long").status_code == 204
    for absent in (job_id, "absent", "long"):
        assert serving.call("POST", f"/v2/async/jobs/{absent}/cancel").status_code == 404
    time.sleep(0.5)
    assert "long" not in serving.model_ids()
    assert serving.call("GET", "/v2/async/jobs/status").json()["running"] == 0


def test_a_job_that_waits_for_its_turn_can_be_cancelled(serving):
    at_work = [submit(serving, "finetune", **LONG) for _ in range(os.cpu_count())]
    for job_id in at_work:
        wait_for(serving, "finetune", job_id, {"running"})
    waiting = submit(serving, "finetune", output_model_id="waiting", **LONG)
    assert poll(serving, "finetune", waiting)["status"] == "pending"
    assert serving.call("POST", f"/v2/async/jobs/{waiting}/cancel").status_code == 202
    again = submit(serving, "finetune", output_model_id="waiting")
    for job_id in at_work:
        assert serving.call("POST", f"/v2/async/jobs/{job_id}/cancel").status_code == 202
    assert wait_for(serving, "finetune", again)["status"] == "succeeded"
    assert poll(serving, "finetune", waiting)["status"] == "cancelled"
    assert serving.delete("waiting").status_code == 204


def test_what_cannot_be_done_is_refused_at_once_or_told_by_the_job(serving):
    refused = [
        ("finetune", {"finetune_steps": 0}, 422),
        ("finetune", {"finetuned_model_id": "absent"}, 404),
        ("finetune", {"freq": "no frequency"}, 422),
        ("finetune", {"job_options": {"timeout_seconds": 0}}, 422),
        ("forecast", {"h": 0}, 422),
        ("forecast", {"multivariate": True}, 422),
        ("forecast", {"hist_exog": [0]}, 422),
    ]
    before = listed(serving)["jobs"]
    for task, fields, status in refused:
        assert serving.call("POST", f"/v2/{task}/async", body_of(serving, task, **fields)).status_code == status
    assert serving.call("POST", "/v2/explain/async", {}).json()["detail"].startswith("The local engine has no jobs of")
    assert listed(serving)["jobs"] == before
    job = wait_for(serving, "forecast", submit(serving, "forecast", finetuned_model_id="absent"))
    assert (job["status"], job["result"]) == ("failed", None)
    assert "'absent'" in job["error"]


def test_a_job_has_no_more_time_than_it_is_given(serving):
    job = wait_for(serving, "finetune", submit(serving, "finetune", job_options={"timeout_seconds": 1}, **LONG))
    assert job["status"] == "failed"
    assert "timeout_seconds" in job["error"]


def test_an_id_is_held_by_the_job_that_trains_it(serving):
    job_id = submit(serving, "finetune", output_model_id="held", **LONG)
    wait_for(serving, "finetune", job_id, {"running"})
    again = serving.finetune_body(output_model_id="held")
    assert serving.call("POST", "/v2/finetune/async", again).status_code == 409
    assert serving.finetune("held").status_code == 409
    assert serving.call("POST", "/v2/async/jobs/held/cancel").status_code == 202  # by the model, as without a job
    assert wait_for(serving, "finetune", job_id)["status"] == "cancelled"


def test_a_list_has_pages(serving):
    ids = [submit(serving, "forecast") for _ in range(5)]
    found, token = [], None
    while True:
        page = listed(serving, page_size=2, **({"page_token": token} if token else {}))
        assert len(page["jobs"]) <= 2
        found += [job["job_id"] for job in page["jobs"]]
        if (token := page["next_page_token"]) is None:
            break
    assert found[:5] == ids[::-1]
    assert len(found) == len(set(found))
    assert serving.call("GET", "/v2/async/jobs?page_token=absent").status_code == 422


def test_no_more_jobs_wait_than_the_engine_takes(serve):
    with serve(limits={"trainings": 2}) as serving:
        ids = [submit(serving, "finetune", **LONG) for _ in range(2)]
        answer = serving.call("POST", "/v2/finetune/async", serving.finetune_body(output_model_id="more"))
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert {job["job_id"] for job in listed(serving)["jobs"]} == set(ids)
        assert serving.call("POST", f"/v2/async/jobs/{ids[0]}/cancel").status_code == 202


def test_bodies_of_jobs_count_until_the_job_has_ended(serving, serve):
    n_bytes = len(json.dumps(body_of(serving, "finetune", **LONG)))
    with serve(limits={"body_bytes_in_all": int(2.3 * n_bytes)}) as serving:  # two jobs, and no forecast beside them
        ids = [submit(serving, "finetune", **LONG) for _ in range(2)]
        assert serving.forecast().status_code == 429
        for job_id in ids:
            serving.call("POST", f"/v2/async/jobs/{job_id}/cancel")
        until = time.monotonic() + 10
        while serving.forecast().status_code != 200:
            assert time.monotonic() < until


def test_other_engines_of_the_folder_see_and_cancel_a_job(serve):
    with serve() as one, serve() as other:
        job_id = submit(one, "finetune", output_model_id="shared", **LONG)
        wait_for(one, "finetune", job_id, {"running"})
        until = time.monotonic() + 10
        while not poll(other, "finetune", job_id)["steps_done"]:
            assert time.monotonic() < until
        assert other.call("POST", f"/v2/async/jobs/{job_id}/cancel").status_code == 202
        assert poll(one, "finetune", job_id)["status"] == "cancelled"
        while one.finetune("shared").status_code == 409:
            assert time.monotonic() < until
        assert one.model_ids() == {"shared"}


def test_a_job_whose_engine_was_killed_is_whole_or_says_failed(serve):
    rng = random.Random(KILLS)
    with serve() as observer:
        for kill in range(KILLS):
            killed = serve()
            ids = []

            def work(killed=killed, ids=ids, kill=kill):
                with contextlib.suppress(requests.RequestException):
                    for number in range(LIMITS.trainings):  # more would be refused, where answers come fast
                        model_id = f"killed-{kill}-{number}"
                        ids.append((submit(killed, "finetune", output_model_id=model_id), model_id))

            thread = threading.Thread(target=work)
            thread.start()
            while not ids:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
            killed.kill()
            thread.join()
            for job_id, model_id in ids:
                job = poll(observer, "finetune", job_id)
                assert job["status"] == ("succeeded" if model_id in observer.model_ids() else "failed"), job
                if job["status"] == "succeeded":
                    assert job["result"]["finetuned_model_id"] == model_id
                    assert observer.forecast(model_id).status_code == 200
                else:
                    assert "has ended before it was done" in job["error"]
        assert not listed(observer, status="running")["jobs"]
        assert not listed(observer, status="pending")["jobs"]


def test_a_stopped_engine_leaves_failed_jobs(serve):
    serving = serve()
    job_id = submit(serving, "finetune", output_model_id="stopped", **LONG)
    wait_for(serving, "finetune", job_id, {"running"})
    serving.stop()
    with serve() as again:
        assert poll(again, "finetune", job_id)["status"] == "failed"
        assert again.finetune("stopped").status_code == 200


# ---------------------------------------------------------------- without a server


@pytest.fixture
def models(tmp_path):
    return ModelStore(tmp_path / "models.sqlite")


def entered(jobs, **fields):
    job = JobAtWork("forecast", jobs.make_interruption(None), compute=lambda: b"{}", **fields)
    jobs.enter(job)
    return job


def test_an_owner_runs_as_long_as_its_process(tmp_path):
    folder = tmp_path / "owners"
    mine, other = JobOwner(folder), JobOwner(folder)
    mine.hold()
    mine.hold()
    assert other.is_running(mine.name)
    assert not other.is_running("absent")
    process = os.fork()
    if process == 0:
        owner = JobOwner(folder)
        owner.hold()
        (folder / "child").write_text(owner.name)
        os._exit(0)
    os.waitpid(process, 0)
    assert not mine.is_running((folder / "child").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted([mine.name, "child"])


def test_a_model_that_was_saved_before_the_kill_is_the_result(models, monkeypatch):
    before = Jobs(models, LIMITS)
    job = JobAtWork(
        "finetune",
        before.make_interruption(None),
        compute=lambda: b"",
        finetuned_model_id="m",
        result=b'{"finetuned_model_id":"m"}',
    )
    before.enter(job)
    stored = JobStore(models.path.parent / "jobs.sqlite", LIMITS)
    assert stored.begin(job.job_id)
    job.interruption.begin_saving()
    with pytest.raises(UnknownJobError):
        before.cancel("absent")
    monkeypatch.setattr(ModelStore, "has", lambda _, model_id: model_id == "m")
    monkeypatch.setattr(JobOwner, "is_running", lambda *_: False)
    after = Jobs(models, LIMITS)
    assert after.job(job.job_id).stage == "succeeded"
    assert json.loads(after.result(job.job_id)) == {"finetuned_model_id": "m"}


@pytest.mark.parametrize(
    ("limits", "kept"),
    [({"jobs": 3}, 3), ({"job_bytes": 25}, 2), ({"job_seconds": -1.0}, 0)],
    ids=["their number", "their results", "their age"],
)
def test_finished_jobs_beyond_the_limits_are_forgotten(models, limits, kept):
    jobs = Jobs(models, Limits(**limits))
    finished = []
    for _ in range(6):
        job = entered(jobs)
        jobs._store.succeed(job.job_id, b"x" * 10)
        jobs.end(job, None, "")
        finished.append(job.job_id)
    last = entered(jobs)
    assert [job.job_id for job in jobs.jobs()] == [last.job_id, *finished[::-1][:kept]]


def test_a_damaged_file_begins_anew(models, caplog):
    jobs = Jobs(models, LIMITS)
    entered(jobs)
    path = models.path.parent / "jobs.sqlite"
    path.write_bytes(b"damaged" * 1000)
    assert jobs.jobs() == []
    assert "was damaged" in caplog.text
    job = entered(jobs)
    assert [each.job_id for each in jobs.jobs()] == [job.job_id]


def test_a_job_moves_one_way_only(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite", LIMITS)
    store.add(StoredJob("a", "finetune", "pending", "2026", "owner"), None)
    assert not store.report("a", 1)
    assert store.begin("a")
    assert not store.begin("a")
    assert store.report("a", 1)
    assert store.begin_saving("a")
    assert not store.cancel("a")
    assert store.succeed("a", b"{}")
    assert not store.fail("a", "late")
    assert not store.cancel("a")
    assert store.result("a") == b"{}"
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
