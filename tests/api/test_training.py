"""One call, one model: the state of the service and the message to the caller, for every way to fail."""

import pickle
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest

from nixtla_accessor import errors

Y, SIZES = np.arange(36.0), np.array([12, 24])

OVERFLOWING = np.random.default_rng(0).normal(size=800_000)  # more than the sockets' buffers hold


def finetune(client, **arguments):
    return client.finetune(Y, SIZES, "MS", **arguments)


def failure(client, kind, **arguments):
    """Return the error of a call, which must be of exactly that class, with a message of one line, and pickle."""
    with pytest.raises(errors.TimeGPTError) as caught:
        finetune(client, **arguments)
    error = caught.value
    assert type(error) is kind
    assert str(error).count("\n") == len(error.context)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
    return error


# what goes well


def test_a_call_makes_one_model_in_one_request(service, client):
    result = finetune(client, finetune_steps=np.int64(5), finetune_depth=2, finetune_loss="mae")
    assert service.trainings == [result.finetuned_model_id]
    assert (result.input_tokens, result.output_tokens, result.finetune_tokens) == (36, 0, 10)
    [request] = service.requests
    assert request.json == {
        "series": {"y": list(Y), "sizes": [12, 24]},
        "freq": "MS",
        "model": "timegpt-1",
        "finetune_steps": 5,
        "finetune_loss": "mae",
        "finetune_depth": 2,
        "output_model_id": result.finetuned_model_id,
        "finetuned_model_id": None,
    }


def test_a_very_long_timeout_is_waited_for_in_one_request(service, client):
    result = finetune(client, timeout=sys.maxsize)
    assert service.trainings == [result.finetuned_model_id]
    assert service.lookups == []


def test_every_call_has_an_id_of_its_own(service, client):
    assert finetune(client) != finetune(client)
    assert len(service.models) == 2


def test_an_id_of_the_services_own_choice_is_taken_with_a_warning(service, client):
    answer = {"input_tokens": 1, "output_tokens": 2, "finetune_tokens": 3, "finetuned_model_id": "theirs"}
    service.faults = [service.says(200, answer)]
    with pytest.warns(errors.TimeGPTWarning) as caught:
        assert finetune(client, output_model_id="mine").finetuned_model_id == "theirs"
    [warning] = caught
    assert str(warning.message) == (
        "The service was asked to name the model 'mine', and named it 'theirs', which is the id that is used from here "
        "on."
    )
    assert warning.filename == __file__


def test_an_enveloped_answer_is_unwrapped(service, client):
    answer = {"input_tokens": 1, "output_tokens": 2, "finetune_tokens": 3, "finetuned_model_id": "x", "more": []}
    service.faults = [service.says(200, {"data": answer, "message": "ok"})]
    assert finetune(client, output_model_id="x").finetune_tokens == 3


# never sent: retried


@pytest.mark.parametrize("times", [1, 3])
def test_cut_off_within_the_body_is_retried_without_a_lookup(service, client, times):
    service.faults = [service.drop_within_body] * times
    result = client.finetune(OVERFLOWING, [OVERFLOWING.size], "D")
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == times + 1
    assert service.lookups == []


def test_nothing_listens(service, client):
    service.close()
    error = failure(client, errors.TransportError)
    assert str(error) == (
        f"{service.url} could not be reached: the connection was refused, since no engine (or other server) is running "
        "there. Tried 4 times."
    )
    assert isinstance(error.__cause__, ConnectionRefusedError)


def test_always_cut_off_within_the_body(service, client):
    service.faults = [service.drop_within_body] * 9
    with pytest.raises(
        errors.TransportError, match=r"did not receive the request: .* while it was being sent\. Tried 4 times"
    ) as caught:
        client.finetune(OVERFLOWING, [OVERFLOWING.size], "D")
    assert type(caught.value) is errors.TransportError
    assert len(service.posts) == 4
    assert service.trainings == []


# unknown outcomes: looked up


@pytest.mark.parametrize("fault", ["drop_trained", "drop_within_answer", "garbage"])
def test_trained_but_the_answer_is_lost(service, client, fault):
    service.faults = [getattr(service, fault)]
    result = finetune(client)
    assert service.trainings == [result.finetuned_model_id]
    assert result.finetune_tokens is None
    assert len(service.posts) == 1


@pytest.mark.parametrize("status", [408, 500, 502, 503])
@pytest.mark.parametrize("trained", [True, False])
def test_a_failure_of_the_service_is_looked_up(service, client, status, trained):
    service.faults = [service.says(status, b"oops", trained=trained)]
    result = finetune(client)
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == (1 if trained else 2)


@pytest.mark.parametrize("fault", ["drop_before_reading", "drop_untrained"])
def test_untrained_and_cut_off_is_retried_with_the_same_id(service, client, fault):
    service.faults = [getattr(service, fault)]
    result = finetune(client)
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 2
    assert len({request.path for request in service.lookups}) <= 1


def test_a_model_that_appears_while_it_is_looked_for(service, client):
    service.faults = [service.drop_and_train_later(0.03)]
    result = finetune(client)
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "Finetuned model not found"},
        {"detail": [{"loc": ["path"], "msg": "no", "type": "missing"}]},
        {"message": "nothing", "data": None},
        b"<html><title>404 Not Found</title></html>",
        b"",
        "not there",
    ],
)
def test_any_404_means_absent(service, client, body):
    service.faults = [service.drop_untrained]
    service.lookup_faults = [service.says(404, body)] * 99
    finetune(client)
    assert len(service.posts) == 2


def test_always_cut_off_ends_as_unknown(service, client):
    service.faults = [service.drop_untrained] * 9
    error = failure(client, errors.OutcomeUnknownError)
    assert len(service.posts) == 4
    assert len({request.json["output_model_id"] for request in service.posts}) == 1
    model_id = error.finetuned_model_id
    assert model_id == service.posts[0].json["output_model_id"]
    assert str(error) == (
        f"{service.url} gave no answer: the connection ended before it arrived. Tried 4 times. Model {model_id!r} "
        f"does not exist yet. If it appears later, df.timegpt.use_model({model_id!r}) attaches it."
    )


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failure_that_persists_is_raised_as_its_own(service, client, status):
    service.faults = [service.says(status, b"<html><h1>Bad  <b>Gateway</b></h1></html>")] * 9
    error = failure(client, errors.ServerError)
    assert (error.status_code, len(service.posts), service.trainings) == (status, 4, [])
    assert error.finetuned_model_id == service.posts[0].json["output_model_id"]
    assert f"The service failed ({status}): an HTML page, 'Bad Gateway'. Tried 4 times. Model '" in str(error)
    assert "' does not exist yet. If it appears later, " in str(error)


@pytest.mark.parametrize("lookup", [(500, b""), (503, b""), (401, {"detail": "no"}), (200, b"<html>"), (200, b"")])
def test_no_second_request_unless_the_model_is_known_to_be_absent(service, client, lookup):
    service.faults = [service.drop_untrained]
    service.lookup_faults = [service.says(*lookup)] * 999
    error = failure(client, errors.OutcomeUnknownError)
    assert len(service.posts) == 1
    model_id = error.finetuned_model_id
    assert (
        f"Could not determine whether model {model_id!r} exists. If it does, df.timegpt.use_model({model_id!r})"
        in str(error)
    )


def test_a_service_that_is_down_altogether(service, client):
    service.faults = [service.says(503)]
    service.lookup_faults = [service.says(503)] * 999
    error = failure(client, errors.ServerError)
    assert len(service.posts) == 1
    assert "Could not determine whether model '" in str(error)
    assert error.finetuned_model_id


def test_a_refused_lookup_is_not_repeated(service, client):
    service.faults = [service.drop_untrained]
    service.lookup_faults = [service.says(403)] * 999
    failure(client, errors.OutcomeUnknownError)
    assert len(service.lookups) == 1


def test_a_conflict_after_a_lost_answer_is_the_model_of_this_call(service, client):
    service.faults = [service.drop_untrained, service.says(409, {"detail": "exists"}, trained=True)]
    result = finetune(client)
    assert service.trainings == [result.finetuned_model_id]


def test_a_last_lookup_before_each_retry(service, client):
    """The model appears after the look-ups have ended, during the wait that the service asked for."""
    service.faults = [service.says(503, headers={"Retry-After": "1"})]

    def appear():
        time.sleep(0.5)
        service.train(None, service.posts[0])

    thread = threading.Thread(target=appear)
    thread.start()
    result = finetune(client)
    thread.join()
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


# no answer in time: never retried


def test_late_answers_are_looked_up(service, client):
    service.faults = [service.late(30)]
    result = finetune(client, timeout=0.3)
    assert result.finetune_tokens is None  # not of the answer
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


def test_a_head_without_a_body_is_no_answer(service, client):
    def fault(connection, request):
        connection.answer(200, service.train(connection, request), fraction=0)
        service.stopped.wait(30)

    service.faults = [fault]
    result = finetune(client, timeout=0.3)
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


def test_no_answer_and_no_model(service, client):
    service.faults = [lambda *_: service.stopped.wait(30)]
    error = failure(client, errors.OutcomeUnknownError, timeout=(5, 0.3), output_model_id="mine")
    assert error.finetuned_model_id == "mine"
    assert len(service.lookups) >= 3  # before, at the time limit, and after a pause
    assert str(error) == (
        f"{service.url} gave no answer within 0.3 s. Model 'mine' may still be trained; "
        "df.timegpt.use_model('mine') attaches it once it exists."
    )
    assert len(service.posts) == 1


@pytest.mark.parametrize("status", [504, 524])
def test_a_gateways_timeout_waits_for_the_model(service, client, status):
    def fault(connection, request):
        connection.read_body(request)
        connection.answer(status, b"<html>")
        service.stopped.wait(0.5)  # longer than any other look-up lasts
        service.train(connection, request)

    service.faults = [fault]
    result = finetune(client, timeout=5)
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


def test_a_gateways_timeout_ends_at_the_time_limit(service, client):
    service.faults = [service.says(504, b"<html><title>504 Gateway Time-out</title></html>")]
    error = failure(client, errors.OutcomeUnknownError, timeout=0.5)
    model_id = error.finetuned_model_id
    assert str(error) == (
        "A gateway gave up waiting for the service (504): an HTML page, '504 Gateway Time-out'. Model "
        f"{model_id!r} may still be trained; df.timegpt.use_model({model_id!r}) attaches it once it exists."
    )
    assert len(service.posts) == 1


# behind a gateway: what fails late is never sent again


@pytest.fixture
def hasty(service, client_class, key):
    """A client that takes a tenth of a second for what another takes a second for."""

    class HastyClient(client_class):
        pacing = replace(client_class.pacing, at_work_after=0.1)

    with HastyClient(api_key=key, base_url=service.url, timeout=5) as client:
        yield client


GATEWAYS = [None, 500, 502, 503, 504, 520, 522, 524, 599]


@pytest.mark.parametrize("status", GATEWAYS)
def test_a_gateway_that_gives_up_waits_for_the_model(service, hasty, status):
    service.faults = [service.gives_up(0.2, 0.5, status)]  # trains longer than look-ups take for what fails at once
    result = finetune(hasty)
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


@pytest.mark.parametrize("status", GATEWAYS)
def test_a_gateway_that_gives_up_and_no_model_ends_at_the_time_limit(service, hasty, status):
    service.faults = [service.gives_up(0.2, 60, status)]
    began = time.monotonic()
    error = failure(hasty, errors.OutcomeUnknownError, timeout=0.8)
    assert 0.8 <= time.monotonic() - began < 2.5
    model_id = error.finetuned_model_id
    assert str(error).endswith(
        f" Model {model_id!r} may still be trained; df.timegpt.use_model({model_id!r}) attaches it once it exists."
    )
    assert len(service.posts) == 1
    assert len(service.lookups) > 3


@pytest.mark.parametrize("after", [0, 0.3])
def test_an_error_of_the_services_own_is_looked_up_and_raised(service, hasty, after):
    service.faults = [service.gives_up(after, 60, 500, b'{"detail": "no GPU is free"}')]
    began = time.monotonic()
    error = failure(hasty, errors.ServerError)
    assert time.monotonic() - began < 2
    model_id = service.posts[0].json["output_model_id"]
    assert error.finetuned_model_id == model_id
    assert str(error) == (
        f"The service failed (500): no GPU is free. Model {model_id!r} does not exist yet. If it appears later, "
        f"df.timegpt.use_model({model_id!r}) attaches it."
    )
    assert len(service.posts) == 1
    assert len(service.lookups) > 1


def test_an_error_of_the_services_own_about_a_model_that_exists(service, hasty):
    service.faults = [service.says(500, {"detail": "late"}, trained=True)]
    assert finetune(hasty).finetuned_model_id == service.trainings[0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_asks_for_too_long_a_wait_has_perhaps_made_the_model(service, hasty, status):
    service.faults = [service.says(status, headers={"Retry-After": "3600"}, trained=True)]
    if status == 503:
        assert finetune(hasty).finetuned_model_id == service.trainings[0]
    else:
        failure(hasty, errors.RateLimitError)
    assert len(service.lookups) == (1 if status == 503 else 0)


def test_a_refusal_of_the_second_request_looks_for_the_model_of_the_first(service, client):
    def fault(connection, request):
        service.train(connection, request)
        connection.answer(422, {"detail": "exists"})
        return True

    service.faults = [service.drop_untrained, fault]
    assert finetune(client).finetuned_model_id == service.trainings[0]
    assert len(service.posts) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", id="chunk"),
        pytest.param(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 999\r\n\r\n", id="body of a refusal"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nX: ", id="interim answer"),
    ],
)
def test_nothing_drips_past_the_deadline(service, hasty, text):
    service.faults = [service.drips(text, 0.005)]
    began = time.monotonic()
    result = finetune(hasty, timeout=0.7)
    assert 0.7 <= time.monotonic() - began < 1.8
    assert service.trainings == [result.finetuned_model_id]
    assert len(service.posts) == 1


def test_lookups_do_not_drip_past_the_deadline_either(service, hasty):
    service.faults = [service.gives_up(0.2, 60, 502)]
    service.lookup_faults = [service.drips(b"HTTP/1.1 200 OK\r\nX: ", 0.005)] * 99
    service.train = lambda *_: None
    began = time.monotonic()
    failure(hasty, errors.OutcomeUnknownError, timeout=0.5)
    assert time.monotonic() - began < 0.5 + 0.1 + 2.5  # the time for look-ups, and that of the last


def test_a_pause_that_the_service_asks_for_does_not_count(service, hasty):
    service.faults = [service.says(429, headers={"Retry-After": "1"}), service.gives_up(0.2, 0.5, 502)]
    result = finetune(hasty, timeout=0.8)
    assert service.trainings == [result.finetuned_model_id]


# interim answers are none


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Whatever"])
@pytest.mark.parametrize("times", [1, 3])
def test_an_interim_answer_is_no_answer(service, client, interim, times):
    def fault(connection, request):
        connection.read_body(request)
        connection.socket.sendall((b"HTTP/1.1 " + interim + b"\r\nLink: </a>; rel=preload\r\n\r\n") * times)
        connection.answer(200, service.train(connection, request))
        return True

    service.faults = [fault]
    assert finetune(client).finetune_tokens == 10
    assert finetune(client).finetune_tokens == 10
    assert service.connections == 1


# an answer that cannot be read


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty body"),
        (b"  <!doctype html><p>Welcome", "an HTML page instead of JSON"),
        (b"\xff\xfe\x00", "3 bytes that are not JSON"),
        (b"[]", "JSON that is not a FinetuneOutput"),
        (b'{"data": null}', "JSON that is not a FinetuneOutput"),
        (b'{"job_id": "1"}', "(input_tokens: Field required)"),
    ],
)
@pytest.mark.parametrize("trained", [True, False])
def test_a_success_that_cannot_be_read(service, client, body, words, trained):
    service.faults = [service.says(200, body, trained=trained)]
    if trained:
        assert finetune(client).finetuned_model_id == service.trainings[0]
    else:
        error = failure(client, errors.ResponseError)
        assert str(error).startswith(f"{service.url} answered with {words}" if words[0] != "(" else service.url)
        assert words in str(error)
        assert "' does not exist yet. If it appears later, " in str(error)
    assert len(service.posts) == 1


# refusals


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (402, errors.PaymentRequiredError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (413, errors.PayloadTooLargeError),
        (415, errors.UnsupportedEncodingError),
        (422, errors.UnprocessableError),
        (418, errors.ApiError),
        (501, errors.ServerError),
    ],
)
def test_refusals_are_raised_at_once(service, client, status, kind):
    service.faults = [service.says(status, {"detail": "because"}, {"X-Request-Id": "r-1"})]
    error = failure(client, kind)
    assert (error.status_code, error.detail, error.request_id) == (status, "because", "r-1")
    assert f"({status}): because. " in str(error)
    assert str(error).endswith("Request id: r-1.")
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(service, client, status):
    service.faults = [service.says(status, b"<html>", {"Location": f"{service.url}/elsewhere"})]
    error = failure(client, errors.ApiError)
    assert error.status_code == status
    assert str(error) == (
        f"The service redirects to '{service.url}/elsewhere'; this is not followed, since the key would be sent there "
        f"({status}): an HTML page. Check base_url."
    )
    assert len(service.requests) == 1


# too many requests


def test_a_requested_wait_is_kept_exactly(service, client):
    service.faults = [service.says(429, headers={"Retry-After": "1"})]
    began = time.monotonic()
    finetune(client)
    assert time.monotonic() - began >= 1
    assert (len(service.posts), len(service.lookups)) == (2, 0)


def test_a_date_is_read_by_the_clock_of_the_service(service, client):
    now = datetime(2020, 1, 1, tzinfo=UTC)
    headers = {"Date": format_datetime(now), "Retry-After": format_datetime(now + timedelta(seconds=1))}
    service.faults = [service.says(429, headers=headers)]
    began = time.monotonic()
    finetune(client)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": "-5"}])
def test_without_a_readable_wait_the_default_pacing_holds(service, client, headers):
    service.faults = [service.says(429, headers=headers)] * 9
    error = failure(client, errors.RateLimitError)
    assert error.retry_after is None
    assert len(service.posts) == 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_wait_is_left_to_the_caller(service, client, status):
    service.faults = [service.says(status, {"message": "busy"}, {"Retry-After": "3600"})]
    error = failure(client, errors.RateLimitError if status == 429 else errors.ServerError)
    assert error.retry_after == 3600
    assert "The service asks to wait 3600 s before the next attempt." in str(error)
    assert len(service.posts) == 1


def test_no_credit_is_not_waited_for(service, client):
    service.faults = [service.says(429, {"code": "A21", "message": "No credit", "requestID": "r-2", "data": None})]
    error = failure(client, errors.RateLimitError)
    assert "No credit [A21]" in str(error)
    assert error.request_id == "r-2"
    assert len(service.posts) == 1


@pytest.mark.parametrize(
    ("words", "full"),
    [
        ("Maximum of 50 finetuned models reached", True),
        ("You have too many saved models.", True),
        ("Quota: at most 50 Fine-Tuned Models", True),
        ("Finetuned model not found", False),
        ("The limit of calls to model timegpt-1 is reached", False),
    ],
)
def test_a_full_account_is_explained(service, client, words, full):
    service.faults = [service.says(400, {"detail": words})]
    assert ("delete_finetuned_model(id) makes room" in str(failure(client, errors.BadRequestError))) == full


# the caller's own id


def test_an_own_id_is_looked_up_before(service, client):
    assert finetune(client, output_model_id="mine").finetuned_model_id == "mine"
    assert [(request.method, request.path) for request in service.requests] == [
        ("GET", "/v2/finetuned_models/mine"),
        ("POST", "/v2/finetune"),
    ]


def test_an_id_that_exists_is_refused_before_training(service, client):
    finetune(client, output_model_id="mine")
    error = failure(client, errors.ModelExistsError, output_model_id="mine")
    assert str(error) == (
        "Model 'mine' exists already, and nothing was trained. Attach it with df.timegpt.use_model('mine'), "
        "replace it with overwrite=True, or choose another output_model_id."
    )
    assert service.trainings == ["mine"]


@pytest.mark.parametrize("arguments", [{}, {"overwrite": True}])
@pytest.mark.parametrize("status", [409, 422])
def test_an_id_that_another_call_takes_meanwhile_is_refused_as_one_that_exists(service, client, status, arguments):
    service.faults = [service.says(status, {"detail": "A model 'mine' exists already"}, trained=True)]  # by another
    error = failure(client, errors.ModelExistsError, output_model_id="mine", **arguments)
    assert str(error) == (
        "Model 'mine' was made by another call meanwhile, and this one made none. Attach it with "
        "df.timegpt.use_model('mine'), replace it with overwrite=True, or choose another output_model_id."
    )
    assert len(service.posts) == 1


def test_the_model_that_was_replaced_is_not_one_that_another_call_made(service, client):
    finetune(client, output_model_id="mine")
    former = dict(service.models["mine"])

    def fault(connection, request):
        service.models["mine"] = former  # the service has deleted it, and still shows it
        return service.says(422, {"detail": "no"})(connection, request)

    service.faults = [fault]
    failure(client, errors.UnprocessableError, output_model_id="mine", overwrite=True)


def test_overwrite_replaces_the_model(service, client):
    finetune(client, output_model_id="mine", finetune_steps=1)
    finetune(client, output_model_id="mine", finetune_steps=2, overwrite=True)
    assert service.models["mine"]["steps"] == 2
    assert service.trainings == ["mine", "mine"]


def test_overwrite_needs_nothing_to_replace(service, client):
    assert finetune(client, output_model_id="mine", overwrite=True).finetuned_model_id == "mine"


def test_overwriting_looks_for_the_new_model_and_not_for_the_old(service, client):
    finetune(client, output_model_id="mine", finetune_steps=1)
    service.faults = [service.drop_untrained]
    finetune(client, output_model_id="mine", finetune_steps=2, overwrite=True)
    assert service.models["mine"]["steps"] == 2


def test_a_refusal_after_overwriting_says_that_the_previous_model_is_deleted(service, client):
    finetune(client, output_model_id="mine")
    service.faults = [service.says(422, {"detail": "no"})]
    error = failure(client, errors.UnprocessableError, output_model_id="mine", overwrite=True)
    assert error.context == ("The previous model 'mine' was deleted first, as overwrite=True asks.",)


def test_the_previous_model_does_not_count_as_the_new_one(service, hasty):
    """The service says that it has deleted the model, and still shows it."""
    finetune(hasty, output_model_id="mine", finetune_steps=1)
    former = dict(service.models["mine"])

    def fault(connection, request):
        connection.read_body(request)
        service.models["mine"] = former
        connection.reset()

    service.faults = [fault]
    error = failure(hasty, errors.OutcomeUnknownError, output_model_id="mine", overwrite=True)
    assert len(service.posts) == 2
    assert "Could not determine whether model 'mine' exists." in str(error)
    assert error.context == (
        "The previous model 'mine' was deleted first, as overwrite=True asks.",
        "The service still shows it: only a model with another created_at is the new one, see finetuned_model('mine').",
    )


def test_the_new_model_is_known_by_its_date(service, hasty):
    finetune(hasty, output_model_id="mine", finetune_steps=1)
    service.faults = [service.drop_trained]
    assert finetune(hasty, output_model_id="mine", finetune_steps=2, overwrite=True).finetune_tokens is None
    assert service.models["mine"]["steps"] == 2


@pytest.mark.parametrize("created_at", [None, 5, ["a"], "absent"])
def test_a_model_without_a_date_may_be_the_previous_one(service, hasty, created_at):
    finetune(hasty, output_model_id="mine")

    def fault(connection, request):
        service.train(connection, request)
        service.models["mine"]["created_at"] = created_at
        if created_at == "absent":
            del service.models["mine"]["created_at"]
        connection.reset()

    service.faults = [fault]
    failure(hasty, errors.OutcomeUnknownError, output_model_id="mine", overwrite=True)


def test_a_deletion_that_may_have_succeeded_is_told(service, hasty):
    finetune(hasty, output_model_id="mine")

    def fault(connection, request):
        del service.models["mine"]
        connection.answer(502, b"<html>")
        return True

    service.lookup_faults = [None, fault, *[service.says(502)] * 3]
    error = failure(hasty, errors.ServerError, output_model_id="mine", overwrite=True)
    assert error.context == (
        "The previous model 'mine' may be deleted already, as overwrite=True asks; nothing was trained in its place.",
    )
    assert len(service.posts) == 1


def test_a_deletion_that_is_refused_changes_nothing(service, hasty):
    finetune(hasty, output_model_id="mine")
    service.lookup_faults = [None, service.says(403)]
    assert failure(hasty, errors.PermissionDeniedError, output_model_id="mine", overwrite=True).context == ()
    assert (set(service.models), len(service.posts)) == ({"mine"}, 1)


# another model than the one asked for


def test_a_lookup_counts_only_if_it_is_about_the_very_model(service, client):
    finetune(client, output_model_id="other")
    service.faults = [service.drop_untrained]
    service.lookup_faults = [service.says(200, service.models["other"])] * 999
    error = failure(client, errors.OutcomeUnknownError)
    assert "Could not determine whether model" in str(error)
    assert len(service.posts) == 2


def test_an_answer_about_another_model_is_refused(service, client):
    finetune(client, output_model_id="other")
    service.lookup_faults = [service.says(200, service.models["other"])] * 2
    with pytest.raises(errors.ResponseError, match="answered about model 'other' instead of 'mine'"):
        client.finetuned_model("mine")
    with pytest.raises(errors.ResponseError, match="answered about model 'other' instead of 'mine'"):
        finetune(client, output_model_id="mine")
    assert len(service.posts) == 1


@pytest.mark.parametrize(
    ("lookup", "kind"),
    [((403, {"detail": "no"}), errors.PermissionDeniedError), ((200, b"<html>Log in"), errors.ResponseError)],
)
def test_nothing_is_trained_where_the_own_id_cannot_be_looked_up(service, client, lookup, kind):
    service.lookup_faults = [service.says(*lookup)]
    failure(client, kind, output_model_id="mine")
    assert service.posts == []


# large bodies


@pytest.fixture
def large():
    return np.random.default_rng(0).normal(size=100_000)


def test_a_large_body_is_one_zstd_frame_that_states_its_size(service, client, large):
    client.finetune(large, [large.size], "h")
    [request] = service.posts
    assert request.headers["content-encoding"] == "zstd"
    assert request.json["series"]["y"] == list(large)
    magic, descriptor = request.body[:4], request.body[4]
    assert magic == b"\x28\xb5\x2f\xfd"
    assert descriptor >> 6 or descriptor & 0b100000  # RFC 8878 §3.1.1.1.1: the frame's content size is there


@pytest.mark.parametrize(
    "refusal", [(415, {"detail": "no zstd"}), (400, {"detail": "Unsupported Content-Encoding: zstd"})]
)
def test_a_refused_encoding_is_retried_uncompressed_once(service, client, large, refusal):
    service.faults = [service.says(*refusal)]
    result = client.finetune(large, [large.size], "h")
    assert service.trainings == [result.finetuned_model_id]
    assert "content-encoding" not in service.posts[1].headers
    service.faults = [service.says(*refusal)] * 2
    with pytest.raises(errors.ApiError):
        client.finetune(large, [large.size], "h")
    assert len(service.posts) == 4


def test_a_request_that_is_too_large_is_not_sent(service, client_class, key, large):
    with client_class(api_key=key, base_url=service.url, max_request_bytes=2**20) as client:
        with pytest.raises(errors.InvalidArgumentError, match=r"at most 1.0 MiB of JSON; these series make 1.\d MiB"):
            client.finetune(large, [large.size], "h", output_model_id="mine")
        assert service.requests == []


# Ctrl-C


MAY_BE_TRAINED = (
    "Interrupted, and model 'mine' may still be trained; df.timegpt.use_model('mine') attaches it once it exists."
)
IS_NOT_TRAINED = "Interrupted before the service had all series, so that model 'mine' is not trained."


def test_interrupted_while_training(service, client, interrupted_when):
    service.faults = [service.late(30)]
    with interrupted_when(lambda: service.trainings) as caught:
        finetune(client, output_model_id="mine")
    assert str(caught.value) == MAY_BE_TRAINED
    assert finetune(client).finetune_tokens == 10  # the client goes on


def test_interrupted_while_sending(service, client, interrupted_when):
    service.faults = [lambda *_: service.stopped.wait(30)]
    with interrupted_when(lambda: service.posts) as caught:
        client.finetune(OVERFLOWING, [OVERFLOWING.size], "D", output_model_id="mine")
    assert str(caught.value) == IS_NOT_TRAINED


def test_interrupted_while_backing_off(service, client, interrupted_when):
    service.faults = [service.says(429, headers={"Retry-After": "6"})]
    with interrupted_when(lambda: service.posts and service.posts[0].body) as caught:
        finetune(client, output_model_id="mine")
    assert str(caught.value) == IS_NOT_TRAINED


def test_interrupted_while_looking(service, client, interrupted_when):
    service.faults = [service.says(504)]
    with interrupted_when(lambda: len(service.lookups) > 2) as caught:
        finetune(client, output_model_id="mine")
    assert str(caught.value) == MAY_BE_TRAINED


def test_interrupted_before_anything_is_sent(service, client, interrupted_when):
    service.lookup_faults = [lambda *_: service.stopped.wait(30)]
    with interrupted_when(lambda: service.lookups) as caught:
        finetune(client, output_model_id="mine")
    assert str(caught.value) == IS_NOT_TRAINED
