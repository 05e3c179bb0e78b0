"""Jobs over a service with faults: a training is submitted once, and its outcome known or its id in the error."""

import time
from dataclasses import replace

import numpy as np
import pytest

from nixtla_accessor import Client, errors
from nixtla_accessor.api.exchange import Answer, Failure, FailureKind
from nixtla_accessor.api.requests import check_finetune_options, check_series
from nixtla_accessor.api.retry import Decision, History, Pacing, decide_submission

Y, SIZES = np.arange(36.0), [36]
PACING = Pacing()
JOBS = "/v2/async/jobs"


class WithJobs:
    """What a service has with jobs, which train when they are polled for the second time."""

    has_jobs = True
    names_models = True

    def __init__(self):
        self.jobs = {}
        self.submit_faults = []
        self.poll_faults = []
        super().__init__()

    @property
    def submissions(self):
        return [request for request in self.requests if request.path.endswith("/async")]

    def submit(self, connection, request):
        connection.read_body(request)
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = {
            "request": replace(request),
            "polls": 0,
            "status": "pending",
            "result": None,
            "error": None,
        }
        return {"job_id": job_id}

    def submit_and(self, fault):
        def faulty(connection, request):
            self.submit(connection, request)
            request.headers["content-length"] = "0"  # for a fault that reads it too
            return fault(connection, request)

        return faulty

    def _handle(self, connection, request):
        path, _, query = request.path.partition("?")
        is_job = path.startswith((JOBS, "/v2/finetune/"))
        if not is_job:
            return super()._handle(connection, request)
        if not self.has_jobs:
            connection.read_body(request)
            connection.answer(404, {"detail": "Not Found"})
            return True
        faults = self.submit_faults if request.method == "POST" else self.poll_faults
        fault = faults.pop(0) if faults else None
        if fault is not None:
            return fault(connection, request)
        if path == "/v2/finetune/async":
            connection.answer(202, self.submit(connection, request))
        elif path == JOBS:
            connection.answer(200, self.page(query))
        elif path.endswith("/cancel"):
            connection.read_body(request)
            self.jobs[path.split("/")[-2]]["status"] = "cancelled"
            connection.answer(202, {})
        else:
            self.poll(connection, path.split("/")[-1])
        return True

    def page(self, query):
        """List one job on each page."""
        ids = sorted(self.jobs)
        place = int(query.partition("page_token=")[2] or 0)
        listed = [
            {"job_id": job_id, "status": self.jobs[job_id]["status"], "task": "finetune"}
            | ({"finetuned_model_id": self.model_of(job_id)} if self.names_models else {})
            for job_id in ids[place : place + 1]
        ]
        return {"jobs": listed, "next_page_token": str(place + 1) if place + 1 < len(ids) else None}

    def model_of(self, job_id):
        return self.jobs[job_id]["request"].json["output_model_id"]

    def poll(self, connection, job_id):
        job = self.jobs.get(job_id)
        if job is None:
            connection.answer(404, {"detail": "Job not found"})
            return
        job["polls"] += 1
        if job["polls"] == 2 and job["status"] == "pending":
            job |= {"status": "succeeded", "result": self.train(connection, job["request"])}
        connection.answer(200, {name: job[name] for name in ("status", "result", "error")} | {"job_id": job_id})


@pytest.fixture
def service(service_class):
    service = type("Service", (WithJobs, service_class), {})()
    yield service
    service.close()


@pytest.fixture
def client(service, client_class, key):
    with client_class(api_key=key, base_url=service.url, timeout=(2, 1)) as client:
        yield client


@pytest.fixture
def submit(client):
    def submit(**fields):
        defaults = {
            "model": "timegpt-1",
            "finetune_steps": 10,
            "finetune_loss": "default",
            "finetune_depth": 1,
            "output_model_id": None,
            "finetuned_model_id": None,
            "overwrite": False,
            "max_request": None,
        }
        return client.train(check_finetune_options(**defaults | fields), check_series(Y, SIZES), "MS", wait=False)

    return submit


def test_a_submission_is_the_synchronous_body_and_names_the_model(service, submit, client):
    submitted = submit()
    assert submitted.job_id == "job-0"
    (request,) = service.submissions
    assert request.json["output_model_id"] == submitted.finetuned_model_id
    assert request.json["series"]["sizes"] == [36]
    assert service.trainings == []
    progress = client.wait_for_training(submitted.finetuned_model_id, submitted.job_id)
    assert (progress.state, progress.result.input_tokens) == ("ready", 36)
    assert service.trainings == [submitted.finetuned_model_id]


LOST = ["drop_untrained", "late", "502", "503", "504", "500", "garbage", "cut"]


@pytest.mark.parametrize("fault", LOST)
def test_an_answer_that_is_lost_leaves_one_job_which_the_list_names(service, submit, fault):
    others = [submit() for _ in range(3)]
    service.submit_faults = [service.submit_and(_fault(service, fault))]
    submitted = submit()
    assert submitted.job_id == "job-3"
    assert service.model_of("job-3") == submitted.finetuned_model_id
    assert len(service.submissions) == len(others) + 1


@pytest.mark.parametrize("fault", LOST)
def test_what_is_unknown_is_never_submitted_again(service, submit, fault):
    service.submit_faults = [_fault(service, fault)]
    with pytest.raises(errors.TimeGPTError) as raised:
        submit(output_model_id="mine")
    assert len(service.submissions) == 1
    assert "use_model('mine') attaches it" in str(raised.value)


def test_a_list_that_names_no_models_cannot_tell(service, submit):
    service.names_models = False
    service.submit_faults = [service.submit_and(service.drop_untrained)]
    with pytest.raises(errors.OutcomeUnknownError, match="Could not determine whether model 'mine' exists"):
        submit(output_model_id="mine")
    assert len(service.submissions) == 1


def test_a_job_that_has_ended_meanwhile_is_found_by_its_model(service, submit):
    def train_and_drop(connection, request):
        service.train(connection, request)
        connection.reset()

    service.submit_faults = [train_and_drop]
    submitted = submit(output_model_id="mine", overwrite=True)
    assert (submitted.finetuned_model_id, submitted.job_id) == ("mine", None)


def test_a_submission_that_is_refused_for_now_is_repeated(service, submit):
    service.submit_faults = [service.says(429, headers={"Retry-After": "0"}), service.says(429)]
    assert submit().job_id == "job-0"
    assert len(service.jobs) == 1


def test_a_service_without_jobs_is_told_in_one_sentence(service, submit):
    service.has_jobs = False
    with pytest.raises(errors.NotFoundError) as raised:
        submit()
    assert str(raised.value) == (
        "The service has no jobs, and nothing was submitted: leave out wait=False, and finetune() waits for the model "
        "(404)."
    )
    service.models["mine"] = {"id": "mine", "created_at": "2026"}
    with pytest.raises(errors.NotFoundError, match="leave out wait=False"):
        submit(output_model_id="mine", overwrite=True)
    assert "mine" in service.models


def test_a_model_to_start_from_that_is_not_there_is_another_refusal(service, submit):
    service.submit_faults = [service.says(404, {"detail": "Finetuned model not found"})]
    with pytest.raises(errors.NotFoundError, match="Fine-tuned model 'base' does not exist"):
        submit(finetuned_model_id="base")


def test_waiting_bears_failures_that_say_nothing_of_the_job(service, submit, client):
    submitted = submit()
    service.poll_faults = [service.says(status) for status in (409, 502, 503, 504, 408)] + [service.drop_untrained]
    assert client.wait_for_training(submitted.finetuned_model_id, submitted.job_id).state == "ready"


@pytest.mark.parametrize("status", [401, 422])
def test_waiting_ends_with_a_failure_that_says_so(service, submit, client, status):
    submitted = submit()
    service.poll_faults = [service.says(status)]
    with pytest.raises(errors.ApiError) as raised:
        client.wait_for_training(submitted.finetuned_model_id, submitted.job_id)
    assert raised.value.status_code == status


def test_a_service_that_stays_out_of_reach_is_not_waited_for_for_ever(service, submit, client):
    submitted = submit()
    service.poll_faults = [service.says(502)] * 1000
    with pytest.raises(errors.ServerError):
        client.wait_for_training(submitted.finetuned_model_id, submitted.job_id)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("it broke", "it broke"),
        ({"detail": "it broke"}, "it broke"),
        (None, ""),
        ([{"msg": "bad", "loc": ["h"]}], "h: bad"),
    ],
)
def test_a_job_that_has_failed_says_why(service, submit, client, error, shown):
    submitted = submit()
    service.jobs["job-0"] |= {"status": "failed", "error": error}
    progress = client.wait_for_training(submitted.finetuned_model_id, submitted.job_id)
    assert (progress.state, progress.error) == ("failed", shown)


def test_why_a_job_has_failed_never_shows_the_key(service, client_class):
    with client_class(api_key="nixak-12345678", base_url=service.url) as client:
        service.jobs["job-0"] = {"status": "failed", "polls": 0, "result": None, "error": "bad key nixak-12345678"}
        service.names_models = False
        assert client.wait_for_training("a", "job-0").error == "bad key *****"
        assert [job.error for job in client.jobs()] == [None]
        service.page = lambda query: {"jobs": [{"job_id": "b", "status": "failed", "error": ["no nixak-12345678"]}]}
        assert [job.error for job in client.jobs()] == [["no *****"]]


@pytest.mark.parametrize(
    "fault",
    [
        lambda service: service.says(503, headers={"Retry-After": "20"}),
        lambda service: lambda *_: service.stopped.wait(30),
    ],
    ids=["asks to wait", "is silent"],
)
def test_waiting_ends_with_its_time_whatever_the_service_asks_for(service, key, fault):
    service.poll_faults = [fault(service)] * 20
    began = time.monotonic()
    with Client(api_key=key, base_url=service.url) as client, pytest.raises(errors.TimeGPTError):  # its usual waits
        client.wait_for_training("a", "job-0", 1)
    assert time.monotonic() - began < 10


def test_a_job_that_is_not_found_once_is_looked_for_again(service, submit, client):
    submitted = submit()
    service.poll_faults = [service.says(404), None, service.says(404), service.says(404)]
    assert client.wait_for_training(submitted.finetuned_model_id, submitted.job_id).state == "ready"
    submitted = submit()
    service.poll_faults = [service.says(404)] * 10
    progress = client.wait_for_training(submitted.finetuned_model_id, submitted.job_id)
    assert (progress.state, progress.error) == ("failed", "the service knows neither its job nor the model")
    assert len(service.poll_faults) == 7


def test_an_answer_about_another_job_says_nothing(service, submit, client):
    submitted = submit()
    service.poll_faults = [service.says(200, {"job_id": "another", "status": "succeeded"})]
    with pytest.raises(errors.ResponseError, match="about job 'another' instead of 'job-0'"):
        client.wait_for_training(submitted.finetuned_model_id, submitted.job_id)


def test_jobs_are_listed_page_by_page_and_cancelled(service, submit, client):
    submitted = [submit() for _ in range(3)]
    assert [job.job_id for job in client.jobs()] == ["job-0", "job-1", "job-2"]
    queries = [request.path.partition("?")[2] for request in service.lookups if request.path.startswith(JOBS)]
    assert all(f"status={state}" in queries[-1] for state in ("pending", "running", "succeeded", "failed", "cancelled"))
    assert client.cancel_job("job-1")
    assert client.training_progress(submitted[1].finetuned_model_id, "job-1").state == "cancelled"
    service.submit_faults = [service.says(409)]
    assert not client.cancel_job("job-1")


@pytest.mark.parametrize("job_id", ["", "../x", "a/b", "x" * 300, 7, None])
def test_an_id_that_is_none_is_refused(service, submit, job_id):
    service.submit_faults = [service.says(202, {"job_id": job_id})]
    with pytest.raises(errors.ResponseError):
        submit()
    assert len(service.submissions) == 1


# ---------------------------------------------------------------- the decision


LOOK = Decision(look_up_for=PACING.lookup_time)


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (Failure(FailureKind.NOT_SENT, ""), Decision(retry_in=0.5)),
        (Failure(FailureKind.NOT_SENT, "", permanent=True), Decision()),
        (Failure(FailureKind.CUT_OFF, ""), LOOK),
        (Failure(FailureKind.TIMED_OUT, ""), LOOK),
        (Failure(FailureKind.INCOMPLETE, ""), LOOK),
        (Failure(FailureKind.UNREADABLE, ""), LOOK),
        (Answer(429), Decision(retry_in=0.5)),
        (Answer(429, retry_after=7.0), Decision(retry_in=7.0)),
        (Answer(429, retry_after=100.0), Decision()),
        (Answer(503, retry_after=7.0), LOOK),
        (Answer(500), LOOK),
        (Answer(500, b'{"detail": "failed"}'), LOOK),
        (Answer(502), LOOK),
        (Answer(408), LOOK),
        (Answer(409), Decision()),
        (Answer(422), Decision()),
    ],
)
def test_only_what_was_never_taken_is_submitted_again(outcome, decision):
    assert decide_submission(outcome, History(attempts=1), PACING, 0.0) == decision


# ---------------------------------------------------------------- helpers


def _fault(service, name):
    """Return a fault that reads the body, and gives no answer that can be read."""
    if name.startswith("drop"):
        return getattr(service, name)
    if name.isdecimal():
        return service.says(int(name))

    def fault(connection, request):
        connection.read_body(request)
        if name == "late":
            service.stopped.wait(5)
        elif name == "garbage":
            connection.socket.sendall(b"\x00\x01 what is this\r\n\r\n")
        else:
            connection.answer(202, {"job_id": "job-3"}, fraction=0.5)
        connection.close()

    return fault
