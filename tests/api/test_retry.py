"""The table of what follows an exchange, row by row."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.api.exchange import Answer, Failure, FailureKind
from nixtla_accessor.api.retry import (
    Decision,
    History,
    Pacing,
    decide_reading,
    decide_training,
    look_pause,
    may_be_done,
    requested_wait,
)

PACING = Pacing()
GIVE_UP = Decision()
NOT_SENT = Failure(FailureKind.NOT_SENT, "refused")
UNTRUSTED = Failure(FailureKind.NOT_SENT, "not trusted", permanent=True)
CUT = Failure(FailureKind.CUT, "cut")
TIMED_OUT = Failure(FailureKind.TIMED_OUT, "late")
UNREADABLE = Failure(FailureKind.UNREADABLE, "HTML")
NO_CREDIT = Answer(429, b'{"code":"A21","message":"no credit"}')
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
OUTCOMES = [NOT_SENT, UNTRUSTED, CUT, TIMED_OUT, UNREADABLE, NO_CREDIT, *map(Answer, range(300, 600))]


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (NOT_SENT, Decision(again=0.5)),
        (UNTRUSTED, GIVE_UP),
        (CUT, Decision(look_up=10, again=0.5)),
        (TIMED_OUT, Decision(look_up=math.inf)),
        (UNREADABLE, Decision(look_up=10)),
        (Answer(408), Decision(look_up=10, again=0.5)),
        (Answer(500), Decision(look_up=10, again=0.5)),
        (Answer(502), Decision(look_up=10, again=0.5)),
        (Answer(503), Decision(look_up=10, again=0.5)),
        (Answer(504), Decision(look_up=math.inf)),
        (Answer(524), Decision(look_up=math.inf)),
        (Answer(429), Decision(again=0.5)),
        (NO_CREDIT, GIVE_UP),
        (Answer(429, retry_after=0), Decision(again=0)),
        (Answer(429, retry_after=60), Decision(again=60)),
        (Answer(429, retry_after=60.5), GIVE_UP),
        (Answer(503, retry_after=7), Decision(again=7)),
        (Answer(503, retry_after=61), GIVE_UP),
        (Answer(500, retry_after=7), Decision(look_up=10, again=0.5)),
        *(
            (Answer(status), GIVE_UP)
            for status in (301, 302, 307, 400, 401, 402, 403, 404, 409, 413, 415, 418, 422, 501)
        ),
    ],
)
def test_what_follows_the_first_finetune_request(outcome, decision):
    assert decide_training(outcome, History(attempts=1), PACING, jitter=0.0) == decision


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (NOT_SENT, Decision(again=0.5)),
        (UNTRUSTED, GIVE_UP),
        (CUT, Decision(again=0.5)),
        (TIMED_OUT, GIVE_UP),
        (UNREADABLE, GIVE_UP),
        *((Answer(status), Decision(again=0.5)) for status in (408, 429, 500, 502, 503, 504)),
        (Answer(429, retry_after=3), Decision(again=3)),
        (Answer(429, retry_after=61), GIVE_UP),
        *((Answer(status), GIVE_UP) for status in (302, 400, 401, 403, 404, 409, 422)),
    ],
)
def test_what_follows_the_first_of_the_other_requests(outcome, decision):
    assert decide_reading(outcome, History(attempts=1), PACING, jitter=0.0) == decision


def test_a_clash_after_a_lost_answer_is_the_model_of_this_call():
    history = History(attempts=2, maybe_done=True)
    assert decide_training(Answer(409), history, PACING, jitter=0.0) == Decision(look_up=math.inf)


@pytest.mark.parametrize("decide", [decide_training, decide_reading])
@pytest.mark.parametrize(
    ("answer", "compressed", "decision"),
    [
        (Answer(415), True, Decision(again=0.0, plain=True)),
        (Answer(415), False, GIVE_UP),
        (Answer(400, b'{"detail":"Unsupported Content-Encoding"}'), True, Decision(again=0.0, plain=True)),
        (Answer(400, b'{"detail":"There was an error parsing the body"}'), True, Decision(again=0.0, plain=True)),
        (Answer(400, b'{"detail":"Unsupported Content-Encoding"}'), False, GIVE_UP),
        (Answer(400, b'{"detail":"freq is wrong"}'), True, GIVE_UP),
    ],
)
def test_a_refused_encoding_is_sent_plain(decide, answer, compressed, decision):
    assert decide(answer, History(attempts=1, compressed=compressed), PACING, jitter=0.0) == decision


def test_waits_double_up_to_a_limit_and_are_jittered_downwards():
    def wait(attempts, jitter):
        return decide_reading(NOT_SENT, History(attempts), Pacing(most_attempts=9), jitter).again

    assert [wait(attempts, 0.0) for attempts in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert [wait(attempts, 1.0) for attempts in range(1, 4)] == [0.25, 0.5, 1]


def test_pauses_between_looks_double_up_to_a_limit():
    assert [look_pause(looks, PACING) for looks in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_there_are_at_most_four_requests():
    for outcome in OUTCOMES:
        for decide in (decide_training, decide_reading):
            assert decide(outcome, History(attempts=4, compressed=True), PACING, jitter=0.0).again is None


@given(
    asked=st.none() | st.floats(0, 1e6),
    waited=st.floats(0, 60),
    attempts=st.integers(1, 3),
    jitter=st.floats(0, 1),
    status=st.sampled_from([408, 429, 500, 503]),
)
def test_waits_never_add_up_to_more_than_a_minute(asked, waited, attempts, jitter, status):
    for decide in (decide_training, decide_reading):
        again = decide(Answer(status, retry_after=asked), History(attempts, waited), PACING, jitter).again
        assert again is None or (again >= 0 and waited + again <= 60)


def test_nothing_that_may_be_done_is_sent_again_without_a_look():
    for outcome in filter(may_be_done, OUTCOMES):
        decision = decide_training(outcome, History(attempts=1), PACING, jitter=0.0)
        assert decision.again is None or decision.look_up is not None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("17", 17),
        (" 17 ", 17),
        ("1.5", 1.5),
        ("999999999", 999999999),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        *((nonsense, None) for nonsense in ("", "soon", "-1", "+1", "1e3", "inf", "nan", "0x10", "１７", "1,5")),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        ("Sun, 01 Mar 100000 12:00:30 GMT", None),
        ("9" * 400, None),
    ],
)
def test_retry_after(header, seconds):
    assert requested_wait(header, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_read_or_ignored(header):
    wait = requested_wait(header, NOW)
    assert wait is None or wait >= 0
