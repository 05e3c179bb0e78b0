"""The tables of what follows an exchange, row by row."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.api.exchange import Answer, Failure, FailureKind
from nixtla_accessor.api.retry import (
    Decision,
    History,
    Pacing,
    Processing,
    decide_repeatable,
    decide_training,
    decide_tuning,
    lookup_pause,
    processing_of,
)

PACING = Pacing()
GIVE_UP = Decision()
NOT_SENT = Failure(FailureKind.NOT_SENT, "refused")
UNTRUSTED = Failure(FailureKind.NOT_SENT, "not trusted", permanent=True)
CUT_OFF = Failure(FailureKind.CUT_OFF, "cut off")
TIMED_OUT = Failure(FailureKind.TIMED_OUT, "late")
INCOMPLETE = Failure(FailureKind.INCOMPLETE, "a success, cut off")
UNREADABLE = Failure(FailureKind.UNREADABLE, "HTML")
NO_CREDIT = Answer(429, b'{"code":"A21","message":"no credit"}')
OUTCOMES = [NOT_SENT, UNTRUSTED, CUT_OFF, TIMED_OUT, INCOMPLETE, UNREADABLE, NO_CREDIT, *map(Answer, range(300, 600))]


WITHIN_A_SECOND, LATER = 0.9, 1.1
LOOK_UNTIL_THE_LIMIT = Decision(look_up_for=math.inf)
OWN_ERROR = b'{"detail":"no GPU is free"}'
GATEWAYS = set(range(500, 600)) - {500, 501, 502, 503, 505, 507, 511}


@pytest.mark.parametrize(
    ("outcome", "within_a_second", "later"),
    [
        (CUT_OFF, Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (TIMED_OUT, LOOK_UNTIL_THE_LIMIT, LOOK_UNTIL_THE_LIMIT),
        (INCOMPLETE, Decision(look_up_for=10), LOOK_UNTIL_THE_LIMIT),
        (UNREADABLE, Decision(look_up_for=10), LOOK_UNTIL_THE_LIMIT),
        (Answer(408), Decision(look_up_for=10, retry_in=0.5), Decision(look_up_for=10, retry_in=0.5)),
        (Answer(500), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (Answer(500, b"Internal Server Error"), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (Answer(500, b"{}"), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (Answer(500, b"[" * 10**6), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (Answer(500, OWN_ERROR), Decision(look_up_for=10), Decision(look_up_for=10)),
        (Answer(502), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (Answer(502, OWN_ERROR), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        (Answer(503), Decision(look_up_for=10, retry_in=0.5), LOOK_UNTIL_THE_LIMIT),
        *((Answer(status), LOOK_UNTIL_THE_LIMIT, LOOK_UNTIL_THE_LIMIT) for status in GATEWAYS),
    ],
)
def test_what_follows_a_finetune_request_that_may_be_processed(outcome, within_a_second, later):
    for seconds, decision in ((WITHIN_A_SECOND, within_a_second), (LATER, later)):
        history = History(attempts=1, answered_after=seconds, maybe_processed=True)
        assert decide_training(outcome, history, PACING, jitter=0.0) == decision
        assert processing_of(outcome, history, PACING) is not Processing.NONE


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (NOT_SENT, Decision(retry_in=0.5)),
        (UNTRUSTED, GIVE_UP),
        (Answer(429), Decision(retry_in=0.5)),
        (NO_CREDIT, GIVE_UP),
        (Answer(429, retry_after=0), Decision(retry_in=0)),
        (Answer(429, retry_after=60), Decision(retry_in=60)),
        (Answer(429, retry_after=60.5), GIVE_UP),
        *(
            (Answer(status), GIVE_UP)
            for status in (301, 302, 307, 400, 401, 402, 403, 404, 409, 413, 415, 418, 422, 501, 507)
        ),
    ],
)
@pytest.mark.parametrize("seconds", [WITHIN_A_SECOND, LATER])
def test_what_follows_a_finetune_request_that_is_not_processed(outcome, decision, seconds):
    history = History(attempts=1, answered_after=seconds)
    assert decide_training(outcome, history, PACING, jitter=0.0) == decision
    assert processing_of(outcome, history, PACING) is Processing.NONE
    if decision == GIVE_UP:  # after another that may be processed, the model is looked up once
        history = History(attempts=2, answered_after=seconds, maybe_processed=True)
        looked_up = LOOK_UNTIL_THE_LIMIT if outcome == Answer(409) else Decision(look_up_for=0.0)
        assert decide_training(outcome, history, PACING, jitter=0.0) == looked_up


@pytest.mark.parametrize("seconds", [WITHIN_A_SECOND, LATER])
def test_a_503_that_asks_to_wait_is_waited_for_or_looked_up_once(seconds):
    history = History(attempts=1, answered_after=seconds, maybe_processed=True)
    assert decide_training(Answer(503, retry_after=7), history, PACING, jitter=0.0) == Decision(retry_in=7)
    assert decide_training(Answer(503, retry_after=61), history, PACING, jitter=0.0) == Decision(look_up_for=0.0)


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (NOT_SENT, Decision(retry_in=0.5)),
        (UNTRUSTED, GIVE_UP),
        (CUT_OFF, Decision(retry_in=0.5)),
        (INCOMPLETE, Decision(retry_in=0.5)),
        (TIMED_OUT, GIVE_UP),
        (UNREADABLE, GIVE_UP),
        *((Answer(status), Decision(retry_in=0.5)) for status in (408, 429, 500, 502, 503, 504)),
        (Answer(429, retry_after=3), Decision(retry_in=3)),
        (Answer(429, retry_after=61), GIVE_UP),
        *((Answer(status), GIVE_UP) for status in (302, 400, 401, 403, 404, 409, 422)),
    ],
)
def test_what_follows_the_first_of_the_other_requests(outcome, decision):
    assert decide_repeatable(outcome, History(attempts=1), PACING, jitter=0.0) == decision


def test_a_conflict_after_a_lost_answer_is_the_model_of_this_call():
    history = History(attempts=2, maybe_processed=True)
    assert decide_training(Answer(409), history, PACING, jitter=0.0) == Decision(look_up_for=math.inf)


@pytest.mark.parametrize("decide", [decide_training, decide_repeatable])
@pytest.mark.parametrize(
    ("answer", "compressed", "decision"),
    [
        (Answer(415), True, Decision(retry_in=0.0, uncompressed=True)),
        (Answer(415), False, GIVE_UP),
        (Answer(400, b'{"detail":"Unsupported Content-Encoding"}'), True, Decision(retry_in=0.0, uncompressed=True)),
        (
            Answer(400, b'{"detail":"There was an error parsing the body"}'),
            True,
            Decision(retry_in=0.0, uncompressed=True),
        ),
        (Answer(400, b'{"detail":"Unsupported Content-Encoding"}'), False, GIVE_UP),
        (Answer(400, b'{"detail":"freq is wrong"}'), True, GIVE_UP),
    ],
)
def test_a_refused_encoding_is_retried_uncompressed(decide, answer, compressed, decision):
    assert decide(answer, History(attempts=1, compressed=compressed), PACING, jitter=0.0) == decision


def test_waits_double_up_to_a_limit_and_are_jittered_downwards():
    def wait(attempts, jitter):
        return decide_repeatable(NOT_SENT, History(attempts), Pacing(max_attempts=9), jitter).retry_in

    assert [wait(attempts, 0.0) for attempts in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert [wait(attempts, 1.0) for attempts in range(1, 4)] == [0.25, 0.5, 1]


def test_pauses_between_lookups_double_up_to_a_limit():
    assert [lookup_pause(lookups, PACING) for lookups in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_there_are_at_most_four_attempts():
    for outcome in OUTCOMES:
        for decide in (decide_training, decide_repeatable):
            assert decide(outcome, History(attempts=4, compressed=True), PACING, jitter=0.0).retry_in is None


@given(
    requested=st.none() | st.floats(0, 1e6),
    waited=st.floats(0, 60),
    attempts=st.integers(1, 3),
    jitter=st.floats(0, 1),
    status=st.sampled_from([408, 429, 500, 503]),
)
def test_waits_never_add_up_to_more_than_a_minute(requested, waited, attempts, jitter, status):
    for decide in (decide_training, decide_repeatable):
        retry_in = decide(Answer(status, retry_after=requested), History(attempts, waited), PACING, jitter).retry_in
        assert retry_in is None or (retry_in >= 0 and waited + retry_in <= 60)


@pytest.mark.parametrize("seconds", [WITHIN_A_SECOND, LATER])
def test_nothing_that_may_be_processed_is_retried_without_a_lookup(seconds):
    history = History(attempts=1, answered_after=seconds)
    for outcome in OUTCOMES:
        processing = processing_of(outcome, history, PACING)
        decision = decide_training(outcome, history, PACING, jitter=0.0)
        if processing is not Processing.NONE:
            assert decision.retry_in is None or decision.look_up_for == PACING.lookup_time
        if processing in (Processing.POSSIBLE, Processing.FAILED, Processing.FINISHED):
            assert decision.retry_in is None


@pytest.mark.parametrize("seconds", [WITHIN_A_SECOND, LATER])
def test_a_tuning_within_a_forecast_is_repeated_only_where_it_can_hardly_be_at_work(seconds):
    history = History(attempts=1, answered_after=seconds)
    for outcome in OUTCOMES:
        decision = decide_tuning(outcome, history, PACING, jitter=0.0)
        if processing_of(outcome, history, PACING) in (Processing.NONE, Processing.UNLIKELY):
            assert decision == decide_repeatable(outcome, history, PACING, jitter=0.0)
        else:
            assert decision == GIVE_UP
    late = History(attempts=1, answered_after=LATER)
    for outcome in (CUT_OFF, INCOMPLETE, Answer(500), Answer(502), Answer(504)):
        assert decide_tuning(outcome, late, PACING, jitter=0.0) == GIVE_UP
    assert decide_tuning(Answer(503, retry_after=7.0), late, PACING, jitter=0.0) == Decision(retry_in=7.0)
