"""A panel in several requests: one model under the requested id, and no other left, whatever happens."""

import contextlib
import pickle
import re
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor import errors
from nixtla_accessor.api.client import Client
from nixtla_accessor.api.requests import check_finetune_options

SIZES = np.array([30, 20, 40, 10, 30, 20])
Y = 100.0 + np.arange(SIZES.sum())
LIMIT = 700  # bytes; makes three requests of them
PARTS = 3
UUID = "[0-9a-f-]{36}"


def finetune(client, **arguments):
    return client.finetune(Y, SIZES, "D", **{"max_request": LIMIT, **arguments})


def failure(client, kind, **arguments):
    """Return the error of a call, which must be of exactly that class, and pickle with its context."""
    with pytest.raises(errors.TimeGPTError) as caught:
        finetune(client, **arguments)
    error = caught.value
    assert type(error) is kind
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    return error


def fail_deletes(service, *faults):
    """Let the next requests to delete a model fail in these ways; None for those that succeed."""
    faults, handle = list(faults), service._handle

    def handle_with_faults(connection, request):
        fault = faults.pop(0) if request.method == "DELETE" and faults else None
        return handle(connection, request) if fault is None else fault(connection, request)

    service._handle = handle_with_faults


def deletes(service):
    return [request for request in service.requests if request.method == "DELETE"]


def hang(service):
    """Return the fault of a request that is read and never answered."""

    def fault(connection, request):
        connection.read_body(request)
        service.stopped.wait(30)

    return fault


# success


def test_each_request_starts_from_the_model_of_the_one_before(service, client):
    result = finetune(client, output_model_id="mine", finetune_steps=8, finetune_depth=2, finetune_loss="mae")
    sent = [request.json for request in service.posts]
    assert len(sent) == PARTS
    assert [value for part in sent for value in part["series"]["y"]] == list(Y)
    assert [size for part in sent for size in part["series"]["sizes"]] == list(SIZES)
    assert all(len(request.body) <= LIMIT for request in service.posts)
    assert sum(part["finetune_steps"] for part in sent) == 8
    assert [part["finetuned_model_id"] for part in sent] == [None, *(part["output_model_id"] for part in sent[:-1])]
    assert [re.fullmatch(UUID, part["output_model_id"]) is not None for part in sent] == [True, True, False]
    assert {(part["freq"], part["model"], part["finetune_depth"], part["finetune_loss"]) for part in sent} == {
        ("D", "timegpt-1", 2, "mae")
    }
    assert set(service.models) == {"mine"}
    assert result.finetuned_model_id == "mine"
    assert (result.input_tokens, result.output_tokens, result.finetune_tokens) == (len(Y), 0, 10 * PARTS)


def test_the_first_request_starts_from_the_given_model(service, client):
    client.finetune(Y, SIZES, "D", output_model_id="former")
    result = finetune(client, finetuned_model_id="former")
    assert service.posts[1].json["finetuned_model_id"] == "former"
    assert set(service.models) == {"former", result.finetuned_model_id}


def test_at_most_two_models_exist_at_a_time(service, client):
    """The number of models of an account is limited."""
    counts = []

    def fault(connection, request):
        connection.answer(200, service.train(connection, request))
        counts.append(len(service.models))
        return True

    service.faults = [fault] * 6
    client.finetune(np.tile(Y, 2), np.tile(SIZES, 2), "D", max_request=LIMIT)
    assert len(service.posts) > PARTS
    assert counts == [1] + [2] * (len(service.posts) - 1)


@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=6).map(lambda halves: halves + halves),
    spare=st.integers(0, 500),
)
@settings(max_examples=20, deadline=None)
def test_the_steps_are_divided_by_the_values(service_class, client_class, key, lengths, spare):
    with contextlib.closing(service_class()) as service, client_class(api_key=key, base_url=service.url) as client:
        y = np.full(sum(lengths), 7)
        client.finetune(y, lengths, "D", finetune_steps=len(lengths) + spare, max_request=320 + 2 * max(lengths))
        steps = np.array([request.json["finetune_steps"] for request in service.posts])
        values = np.array([len(request.json["series"]["y"]) for request in service.posts])
    assert steps.sum() == len(lengths) + spare
    assert steps.min() >= 1
    expected = 1 + (steps.sum() - len(steps)) * values / values.sum()
    assert np.abs(steps - expected).max() <= 1


@pytest.mark.parametrize("max_request", [10**6, "1GiB"])
def test_a_panel_that_fits_goes_as_without_a_limit(service, client, max_request):
    arguments = {"output_model_id": "mine", "overwrite": True}
    finetune(client, max_request=None, **arguments)
    plain, service.requests = service.requests, []
    service.models.clear()
    finetune(client, max_request=max_request, **arguments)
    assert service.requests == plain


def test_an_unknown_outcome_is_looked_up(service, client):
    service.faults = [None, service.drop_trained, service.drop_untrained]
    result = finetune(client, output_model_id="mine")
    assert len(service.posts) == PARTS + 1
    assert len(service.trainings) == PARTS
    assert set(service.models) == {"mine"}
    assert (result.input_tokens, result.output_tokens, result.finetune_tokens) == (None, None, None)


def test_the_display_names_the_part(service, client_class, key, capsys):
    with client_class(api_key=key, base_url=service.url, progress=True) as client:
        finetune(client, output_model_id="mine")
    shown = capsys.readouterr().err
    for number in (1, 2, 3):
        assert f"part {number} of 3: sending the series" in shown
    assert "part 3 of 3: training mine" in shown


def test_memory_stays_near_one_request(service, client):
    rng = np.random.default_rng(0)
    y, sizes, limit = rng.normal(size=1_000_000), np.full(500, 2_000), 10**6  # 20 MB of JSON

    def fault(connection, request):
        model_id = f"model-{len(service.posts)}"
        left = int(request.headers["content-length"])
        while left:
            left -= len(connection.reader.read(min(left, 2**14)))
        tokens = {"input_tokens": 1, "output_tokens": 1, "finetune_tokens": 1}
        connection.answer(200, {"finetuned_model_id": model_id, **tokens})
        return True

    service.faults = [fault] * 50
    tracemalloc.start()
    try:
        with pytest.warns(errors.TimeGPTWarning, match="named it 'model-"):
            client.finetune(y, sizes, "D", finetune_steps=50, max_request=limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(service.posts) >= 20
    assert peak < 7 * limit


# what is refused before anything is sent


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (1, 1),
        (np.int32(700), 700),
        ("200MiB", 200 * 2**20),
        ("50 MB", 50_000_000),
        (" 1.5 GiB ", 3 * 2**29),
        ("0.5kb", 500),
        ("64KiB", 65536),
        ("2GB", 2 * 10**9),
        ("700B", 700),
    ],
)
def test_sizes(text, count):
    assert check_finetune_options(max_request=text).max_request == count


@pytest.mark.parametrize(
    "wrong", [0, -5, 1e6, True, "", "200", "MiB", "200 MiBs", "-1MB", "1e3MB", "0.1B", "0MB", "١MB", b"1MB", [1]]
)
def test_refused_sizes(service, client, wrong):
    error = failure(client, errors.InvalidArgumentError, max_request=wrong)
    assert str(error) == (
        "max_request must be a whole number of bytes above 0, or text with a unit (B, kB, MB, GB, KiB, MiB, GiB), such "
        f"as '200MiB'; got {wrong!r}."
    )
    assert service.requests == []


def test_without_it_a_request_that_is_too_large_is_refused_and_max_request_named(service, client_class, key):
    with client_class(api_key=key, base_url=service.url, max_request_bytes=LIMIT) as client:
        error = failure(client, errors.InvalidArgumentError, max_request=None)
        assert "at most 700 bytes of JSON; these series make " in str(error)
        assert 'in several requests, one after the other: finetune(…, max_request="200MiB")' in str(error)
        with pytest.raises(errors.InvalidArgumentError) as caught:
            client.forecast(Y, SIZES, "D", 1)
        assert "max_request=" not in str(caught.value)
    assert service.requests == []


def test_no_request_is_larger_than_the_client_allows(service, client_class, key):
    with client_class(api_key=key, base_url=service.url, max_request_bytes=LIMIT) as client:
        finetune(client, max_request="200MiB")
    assert len(service.posts) == PARTS


def test_a_refusal_for_size_names_max_request(service, client):
    service.faults = [service.says(413)]
    said = str(failure(client, errors.PayloadTooLargeError, max_request=None))
    n_sent = len(service.posts[0].body)
    assert f"It has {n_sent:,} bytes of JSON." in said
    finetune(client, max_request=int(re.search(r"finetune\(…, max_request=(\d+)\)", said)[1]))
    assert all(len(request.body) <= n_sent / 2 for request in service.posts[1:])


def test_more_requests_than_steps(service, client):
    error = failure(client, errors.InvalidArgumentError, finetune_steps=2)
    assert str(error) == (
        "finetune_steps must be at least 3, one for each request, since the series make 3 requests of at most 700 "
        "bytes of JSON; got 2. Raise finetune_steps, or max_request (and connect(max_request_bytes=…), where that is "
        "less)."
    )
    assert service.requests == []
    finetune(client, finetune_steps=3)
    assert [request.json["finetune_steps"] for request in service.posts] == [1, 1, 1]


def test_a_series_larger_than_a_request(service, client):
    with pytest.raises(
        errors.InvalidArgumentError, match=r"1 of 6 do not \(counted from 0\): series 2 makes"
    ) as caught:
        finetune(client, max_request=480)
    assert caught.value.positions == (2,)
    assert service.requests == []


# the caller's id


def test_an_id_that_exists_is_refused_before_the_first_request(service, client):
    finetune(client, output_model_id="mine", max_request=None)
    error = failure(client, errors.ModelExistsError, output_model_id="mine")
    assert str(error).startswith("Model 'mine' exists already, and nothing was trained. ")
    assert len(service.posts) == 1


def test_the_previous_model_is_deleted_just_before_the_last_request(service, client):
    finetune(client, output_model_id="mine", max_request=None)
    service.requests.clear()
    finetune(client, output_model_id="mine", overwrite=True)
    mine = "/v2/finetuned_models/mine"
    seen = [
        (request.method, request.path if request.path in ("/v2/finetune", mine) else "another")
        for request in service.requests
    ]
    post, delete_another = ("POST", "/v2/finetune"), ("DELETE", "another")
    assert seen == [post, post, delete_another, ("GET", mine), ("DELETE", mine), post, delete_another]
    assert set(service.models) == {"mine"}


@pytest.mark.parametrize("at", range(PARTS))
def test_a_failure_keeps_the_previous_model_as_long_as_possible(service, client, at):
    finetune(client, output_model_id="mine", max_request=None)
    service.faults = [None] * at + [service.says(422, {"detail": "no"})]
    error = failure(client, errors.UnprocessableError, output_model_id="mine", overwrite=True)
    is_last = at == PARTS - 1
    assert set(service.models) == (set() if is_last else {"mine"})
    assert ("The previous model 'mine' was deleted first, as overwrite=True asks." in error.context) == is_last


def test_an_id_taken_meanwhile_is_not_overwritten(service, client):
    def fault(connection, request):
        connection.answer(200, service.train(connection, request))
        service.models["mine"] = {**service.models[request.json["output_model_id"]], "id": "mine"}
        return True

    service.faults = [None, fault]
    error = failure(client, errors.ModelExistsError, output_model_id="mine")
    assert error.context == ("This was part 3 of 3.",)
    assert set(service.models) == {"mine"}
    assert "mine" not in service.trainings


# failures in between


def deletes_later(model_id, at):
    """Return the sentence about an intermediate model that may still appear; nothing for the last model."""
    if at == PARTS - 1:
        return ""
    return f"\nIf model {model_id!r} appears later, delete_finetuned_model({model_id!r}) deletes it."


def kept_for_the_last(service, at):
    """Return the sentence about the model that the last one may still be trained from; nothing for other parts."""
    if at < PARTS - 1:
        return ""
    return (
        f"\nIntermediate models are kept, since model 'mine' may still be trained from them: {service.trainings[1]!r}; "
        "delete_finetuned_model(id) deletes them."
    )


def part_of_request(service, at):
    return service.posts[at].json["series"]


@pytest.mark.parametrize("at", range(PARTS))
def test_a_refused_position_is_that_in_the_whole(service, client, at):
    detail = [
        {"loc": ["body", "series", "y", 7], "msg": "too wild", "type": "value_error"},
        {"loc": ["body", "series", "sizes", 1], "msg": "too short", "type": "value_error"},
        {"loc": ["body", "freq"], "msg": "unheard of", "type": "value_error"},
    ]
    service.faults = [None] * at + [service.says(422, {"detail": detail})]
    error = failure(client, errors.UnprocessableError, output_model_id="mine")
    values = sum(len(part_of_request(service, before)["y"]) for before in range(at))
    series = sum(len(part_of_request(service, before)["sizes"]) for before in range(at))
    assert [problem["loc"] for problem in error.detail] == [
        ["body", "series", "y", 7 + values],
        ["body", "series", "sizes", 1 + series],
        ["body", "freq"],
    ]
    assert Y[7 + values] == part_of_request(service, at)["y"][7]
    meaning = ", so that model 'mine' is not trained." if at < PARTS - 1 else "."
    assert str(error) == (
        f"The service refused the request (422): body → series → y → {7 + values}: too wild; body → series → sizes → "
        f"{1 + series}: too short; body → freq: unheard of.\nThis was part {at + 1} of 3{meaning}"
    )
    assert service.models == {}


@pytest.mark.parametrize("at", range(PARTS))
def test_a_service_that_fails_for_good(service, client, at):
    service.faults = [None] * at + [service.says(500, b"oops")] * 9
    error = failure(client, errors.ServerError, output_model_id="mine")
    model_id = service.posts[at].json["output_model_id"]
    assert error.finetuned_model_id == model_id
    assert f"Model {model_id!r} does not exist yet. If it appears later, " in str(error)
    if at == PARTS - 1:
        assert error.context == ("This was part 3 of 3.",)
    else:
        assert error.context == (
            f"If model {model_id!r} appears later, delete_finetuned_model({model_id!r}) deletes it.",
            f"This was part {at + 1} of 3, so that model 'mine' is not trained.",
        )
    assert service.models == {}


@pytest.mark.parametrize("at", range(PARTS))
def test_no_answer_and_no_model(service, client, at):
    service.faults = [None] * at + [hang(service)]
    error = failure(client, errors.OutcomeUnknownError, output_model_id="mine", timeout=(5, 0.3))
    model_id = service.posts[at].json["output_model_id"]
    assert error.finetuned_model_id == model_id
    meaning = ", so that model 'mine' is not trained." if at < PARTS - 1 else "."
    assert str(error) == (
        f"{service.url} gave no answer within 0.3 s. Model {model_id!r} may still be trained; "
        f"df.timegpt.use_model({model_id!r}) attaches it once it exists.{deletes_later(model_id, at)}\nThis was part "
        f"{at + 1} of 3{meaning}{kept_for_the_last(service, at)}"
    )
    assert len(service.posts) == at + 1
    assert set(service.models) == (set(service.trainings[1:]) if at == PARTS - 1 else set())


def test_the_model_to_start_from_is_gone(service, client):
    service.faults = [None, service.says(404, {"detail": "nope"})]
    error = failure(client, errors.NotFoundError)
    first = service.posts[0].json["output_model_id"]
    assert str(error).startswith(f"Fine-tuned model {first!r} does not exist (404): nope.")


# deleting intermediate models


def test_a_model_that_cannot_be_deleted_at_once_is_deleted_later(service, client):
    fail_deletes(service, service.says(403, {"detail": "no"}))
    result = finetune(client)
    assert set(service.models) == {result.finetuned_model_id}


@pytest.mark.parametrize(("fault", "tries"), [("refused", 3), ("cut", 8)])
def test_a_warning_names_what_cannot_be_deleted(service, client, fault, tries):
    fault = service.says(403, {"detail": "no"}) if fault == "refused" else service.drop_before_reading
    fail_deletes(service, *[fault] * 99)
    with pytest.warns(errors.TimeGPTWarning) as caught:
        result = finetune(client, output_model_id="mine")
    assert result.finetuned_model_id == "mine"
    between = [request.json["output_model_id"] for request in service.posts[:-1]]
    [warning] = caught
    assert str(warning.message) == (
        f"Model 'mine' is trained. Intermediate models could not be deleted: {between[0]!r}, {between[1]!r}; "
        "delete_finetuned_model(id) deletes them."
    )
    assert warning.filename == __file__
    assert len(deletes(service)) == tries  # the second is not tried where the service is gone
    assert set(service.models) == {"mine", *between}


def test_an_error_names_what_cannot_be_deleted(service, client):
    service.faults = [None, None, service.says(422, {"detail": "no"})]
    fail_deletes(service, *[service.says(403)] * 99)
    error = failure(client, errors.UnprocessableError)
    first, second = service.trainings
    assert error.context[1:] == (
        f"Intermediate models could not be deleted: {first!r}, {second!r}; delete_finetuned_model(id) deletes them.",
    )


# Ctrl-C


@pytest.mark.parametrize("at", range(PARTS))
def test_interrupted_while_training(service, client, at, interrupted_when):
    service.faults = [None] * at + [hang(service)]
    with interrupted_when(lambda: len(service.posts) == at + 1 and service.posts[at].body, within=10) as caught:
        finetune(client, output_model_id="mine")
    model_id = service.posts[at].json["output_model_id"]
    meaning = ", so that model 'mine' is not trained." if at < PARTS - 1 else "."
    assert str(caught.value) == (
        f"Interrupted, and model {model_id!r} may still be trained; df.timegpt.use_model({model_id!r}) attaches it "
        f"once it exists.{deletes_later(model_id, at)}\nThis was part {at + 1} of 3{meaning}"
        f"{kept_for_the_last(service, at)}"
    )
    kept = set(service.trainings[1:]) if at == PARTS - 1 else set()
    assert set(service.models) == kept
    finetune(client, output_model_id="mine")  # the client goes on
    assert set(service.models) == {"mine", *kept}


def test_interrupted_when_the_intermediate_model_is_trained_already(service, client, interrupted_when):
    service.faults = [None, service.late(30)]
    with interrupted_when(lambda: len(service.trainings) == 2, within=10):
        finetune(client, output_model_id="mine")
    assert service.models == {}


def test_interrupted_while_the_id_is_looked_up(service, client, interrupted_when):
    service.lookup_faults = [hang(service)]
    with interrupted_when(lambda: service.lookups, within=10) as caught:
        finetune(client, output_model_id="mine")
    assert str(caught.value) == "Interrupted before anything was sent, so that model 'mine' is not trained."
    assert service.posts == []


def test_interrupted_between_two_parts(service, client, interrupted_when):
    fail_deletes(service, hang(service))
    with interrupted_when(lambda: deletes(service), within=10) as caught:
        finetune(client)
    said = str(caught.value)
    assert re.fullmatch(f"Interrupted. This was part 3 of 3, so that model '{UUID}' is not trained.", said)
    assert service.models == {}


def test_interrupted_when_all_is_trained(service, client, interrupted_when):
    fail_deletes(service, None, hang(service))
    with interrupted_when(lambda: len(deletes(service)) == 2, within=10) as caught:
        finetune(client, output_model_id="mine")
    assert str(caught.value) == "Interrupted. Model 'mine' is trained; df.timegpt.use_model('mine') attaches it."
    assert set(service.models) == {"mine"}


def test_interrupted_again_during_the_clean_up(service, client, interrupted_when):
    service.faults = [None, hang(service)]
    fail_deletes(service, *[hang(service)] * 9)
    with interrupted_when(lambda: len(service.posts) == 2, lambda: deletes(service), within=10) as caught:
        finetune(client)
    assert "may still be trained" in str(caught.value)
    assert f"Intermediate models could not be deleted: {service.trainings[0]!r}, " in str(caught.value)


# whatever goes wrong, in any order

FAULTS = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from(["drop_before_reading", "drop_untrained", "drop_trained", "drop_within_answer", "garbage"]),
        st.tuples(st.sampled_from([302, 400, 404, 409, 422, 500, 503, 504]), st.booleans()),
    ),
    max_size=8,
)


def fault_of(service, description):
    match description:
        case None:
            return None
        case (status, trained):
            return service.says(status, b"", trained=trained)
        case name:
            return getattr(service, name)


@settings(max_examples=60, deadline=None)
@given(
    faults=FAULTS,
    delete_faults=st.lists(st.sampled_from([None, 403, 500]), max_size=6),
    finetune_steps=st.integers(3, 9),
)
def test_one_model_and_no_other_unless_it_is_named(
    service_class, client_class, key, faults, delete_faults, finetune_steps
):
    with (
        contextlib.closing(service_class()) as service,
        client_class(api_key=key, base_url=service.url, timeout=1) as client,
    ):
        service.faults = [fault_of(service, description) for description in faults]
        fail_deletes(service, *(status and service.says(status) for status in delete_faults))
        said = ""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = finetune(client, finetune_steps=finetune_steps)
            except errors.TimeGPTError as error:
                result, said = None, f"{error} {getattr(error, 'finetuned_model_id', None)!r}"
        said += " ".join(str(warning.message) for warning in caught)
        left = set(service.models)
        if result is not None:
            assert result.finetuned_model_id in left
            left.remove(result.finetuned_model_id)
            assert len(service.trainings) == PARTS
        assert len(service.trainings) == len(set(service.trainings)) <= PARTS
        assert all(repr(model_id) in said for model_id in left)


# the engine


def test_the_engine_trains_on_all_parts():
    rng = np.random.default_rng(1)
    sizes = np.full(12, 60)
    y = np.concatenate([10 * place + np.sin(np.arange(60) / 3) + rng.normal(0, 0.1, 60) for place in range(12)])
    with Client(base_url="local", progress=False) as client:
        before = {model.id for model in client.finetuned_models()}
        result = client.finetune(y, sizes, "D", finetune_steps=30, finetune_depth=3, max_request="5kB")
        made = [model for model in client.finetuned_models() if model.id not in before]
        whole = client.finetune(y, sizes, "D", finetune_steps=30, finetune_depth=3)
        forecast = client.forecast(y, sizes, "D", 7, finetuned_model_id=result.finetuned_model_id)
        for model_id in (result.finetuned_model_id, whole.finetuned_model_id):
            client.delete_finetuned_model(model_id)
    [model] = made
    assert model.id == result.finetuned_model_id
    assert model.base_model_id != "None"  # it started from the part before
    assert model.steps == 10
    assert forecast.mean.shape == (12 * 7,)
    assert np.isfinite(forecast.mean).all()
    assert result.input_tokens == whole.input_tokens == len(y)
    assert (result.finetune_tokens, whole.finetune_tokens) == (3 * 240 * 10, 720 * 30)  # a step costs what it sees
