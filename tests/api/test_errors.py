"""Errors: rendered from their fields, pickled and copied whole, and added to by callers."""

import copy
import pickle

import pytest

from nixtla_accessor import errors
from nixtla_accessor.errors import ApiError, FinetuneInterrupted, RateLimitError, TimeGPTError

CLASSES = [getattr(errors, name) for name in errors.__all__ if not name.endswith("Warning")]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_pickles_and_copies_with_its_context(kind):
    error = kind("Too much.")
    error.add_context("This was part 1 of 2.")
    error.add_context("The rows are: 5.")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(same) is kind
        assert vars(same) == vars(error)
        assert str(same) == "Too much.\nThis was part 1 of 2.\nThe rows are: 5."
        assert repr(same) == f"{kind.__name__}({str(error)!r})"


def test_the_message_of_a_refusal_is_rendered_from_its_fields():
    error = RateLimitError(
        "The service accepts no more requests now",
        status_code=429,
        detail={"message": "busy"},
        explanation="busy",
        advice="Try later.",
        attempts=4,
        model_state="Model 'a' does not exist yet.",
        request_id="r-1",
        retry_after=9.0,
    )
    assert str(error) == (
        "The service accepts no more requests now (429): busy. Try later. Tried 4 times. Model 'a' does not exist yet. "
        "Request id: r-1."
    )
    error.explanation, error.attempts, error.request_id = "", 1, None
    assert str(error) == "The service accepts no more requests now (429). Try later. Model 'a' does not exist yet."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_a_caller_can_catch():
    assert issubclass(ApiError, TimeGPTError)
    assert issubclass(FinetuneInterrupted, KeyboardInterrupt)
    assert not issubclass(FinetuneInterrupted, Exception)
