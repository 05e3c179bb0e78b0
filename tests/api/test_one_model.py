"""Whatever goes wrong, in any order: one call makes at most one model, and its id is never lost."""

import contextlib
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor import errors

STATUSES = [200, 302, 400, 401, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504]
BODIES = [b"", b"<html>", b"{}", b'{"detail": "no"}', b'{"data": null}']
HEADERS = [{}, {"Retry-After": "0"}, {"Retry-After": "1000"}, {"Retry-After": "soon"}]

ANSWERS = st.tuples(
    st.just("says"), st.sampled_from(STATUSES), st.sampled_from(BODIES), st.sampled_from(HEADERS), st.booleans()
).filter(lambda answer: answer[1] != 429 or not answer[4])  # a service that asks for a retry has not trained
DROPS = st.sampled_from(
    [("drop_before_reading",), ("drop_untrained",), ("drop_trained",), ("drop_within_answer",), ("garbage",)]
)
GATEWAYS = st.tuples(st.just("gives_up"), st.sampled_from([None, 500, 502, 503, 504, 520, 599]))
LOOKUPS = st.one_of(
    st.none(),
    st.just(("drop_before_reading",)),
    st.tuples(st.just("says"), st.sampled_from(STATUSES), st.sampled_from(BODIES), st.just({}), st.just(False)),
)
FAULTS = st.lists(st.one_of(st.none(), DROPS, ANSWERS, GATEWAYS), max_size=5)


def fault_of(service, description):
    """Return the fault that a description names."""
    match description:
        case None:
            return None
        case ("says", status, body, headers, trained):
            return service.says(status, body, headers, trained=trained)
        case ("gives_up", status):
            return service.gives_up(0.15, 0.3, status)
        case (name,):
            return getattr(service, name)


@settings(max_examples=60, deadline=None)
@given(faults=FAULTS, lookups=st.lists(LOOKUPS, max_size=4), own_id=st.booleans())
def test_one_call_makes_one_model(service_class, client_class, key, faults, lookups, own_id):
    with contextlib.ExitStack() as stack:
        service = service_class()
        stack.callback(service.close)
        client = stack.enter_context(client_class(api_key=key, base_url=service.url, timeout=1))
        client.pacing = replace(client.pacing, at_work_after=0.1)
        service.faults = [fault_of(service, description) for description in faults]
        service.lookup_faults = [fault_of(service, description) for description in lookups]
        model_id, error = None, None
        try:
            model_id = client.finetune(
                np.arange(9.0), [9], "D", output_model_id="mine" if own_id else None
            ).finetuned_model_id
        except errors.TimeGPTError as caught:
            error = caught

        assert len(service.posts) <= 4
        assert len({request.json["output_model_id"] for request in service.posts if request.body}) <= 1
        assert len(service.models) <= 1
        if error is None:
            assert service.trainings
            assert set(service.trainings) == {model_id}
        elif service.trainings:
            assert repr(service.trainings[0]) in str(error) or error.finetuned_model_id == service.trainings[0]
        if not any(lookups):  # an honest registry
            assert len(service.trainings) <= 1
