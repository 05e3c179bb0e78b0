"""The errors and warnings of this package: every failure has a class.

TimeGPTError
├── ConfigurationError                  no key, an unusable base_url, an extra that is not installed
├── InvalidArgumentError (ValueError)   an argument has a wrong type or value
│   ├── ModelExistsError                the output_model_id is taken
│   └── OversizedSeriesError            a series alone is larger than a request may be
├── InvalidFrameError (ValueError)      the frame cannot be packed as it is
│   ├── MissingColumnError              a column is not there
│   ├── DuplicateColumnError            a column name is there more than once
│   ├── MissingValueError               NaN in the target, NaT in the time, null ids
│   ├── NonFiniteValueError             inf in the target
│   ├── UnsupportedDtypeError           values that are not ids, times or numbers
│   ├── CovariateError                  columns that are to explain the target, or X_df, cannot be used
│   ├── DuplicateTimestampError         a series has a stamp twice
│   └── FrequencyError                  the stamps have no frequency, or contradict the one given
│       ├── MissingTimestampError       a series has gaps
│       └── OffGridTimestampError       a stamp lies between two steps of the frequency
├── NoModelError                        the frame has no usable fine-tuned model attached
│   └── ModelPendingError               the model is still being trained
├── TrainingFailedError                 a job has ended without the model that it was to train
├── TransportError                      the service could not be reached
├── OutcomeUnknownError                 a request was sent, and its outcome is unknown
├── ResponseError                       the service's answer does not follow the contract
└── ApiError                            the service refused; one class for each status
    ├── BadRequestError           400
    ├── AuthenticationError       401
    ├── PaymentRequiredError      402
    ├── PermissionDeniedError     403
    ├── NotFoundError             404
    ├── RequestTimeoutError       408
    ├── ConflictError             409
    ├── PayloadTooLargeError      413
    ├── UnsupportedEncodingError  415
    ├── UnprocessableError        422
    ├── RateLimitError            429
    └── ServerError               5xx

UserWarning
└── TimeGPTWarning
    ├── AmbiguousFrequencyWarning       the stamps fit more than one frequency; the plainer one was used
    ├── DataLeakageWarning              a model forecasts windows that it was tuned on
    ├── MissingEndsWarning              series end with missing values, after which they are forecast
    ├── OtherSeriesWarning              a model is asked about series that it may not have been tuned on
    ├── ProblemsLeftWarning             cleaning a frame left what has no one remedy
    ├── ShortSeriesWarning              series that are too short are left out
    ├── UnseenCategoryWarning           a covariate has categories in the future that it never had in the past
    └── ValuesLeftMissingWarning        filling gaps left values missing at the start or the end of series

KeyboardInterrupt
└── FinetuneInterrupted                 Ctrl-C while a model is trained or awaited; says whether it may still be trained

Errors carry plain values, never a frame, a session or a key, so all of them pickle and copy.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path

__all__ = [
    "AmbiguousFrequencyWarning",
    "ApiError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "CovariateError",
    "DataLeakageWarning",
    "DuplicateColumnError",
    "DuplicateTimestampError",
    "FinetuneInterrupted",
    "FrequencyError",
    "InvalidArgumentError",
    "InvalidFrameError",
    "MissingColumnError",
    "MissingEndsWarning",
    "MissingTimestampError",
    "MissingValueError",
    "ModelExistsError",
    "ModelPendingError",
    "NoModelError",
    "NonFiniteValueError",
    "NotFoundError",
    "OffGridTimestampError",
    "OtherSeriesWarning",
    "OutcomeUnknownError",
    "OversizedSeriesError",
    "PayloadTooLargeError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "ProblemsLeftWarning",
    "RateLimitError",
    "RequestTimeoutError",
    "ResponseError",
    "ServerError",
    "ShortSeriesWarning",
    "TimeGPTError",
    "TimeGPTWarning",
    "TrainingFailedError",
    "TransportError",
    "UnprocessableError",
    "UnseenCategoryWarning",
    "UnsupportedDtypeError",
    "UnsupportedEncodingError",
    "ValuesLeftMissingWarning",
]


class _Contextual(BaseException):
    """An exception whose message callers can add to.

    Attributes
    ----------
    context : tuple of str
        Sentences that callers have added; ``str()`` shows the message and then each sentence on a line of its own.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.context: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self._message(), *self.context])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def add_context(self, sentence: str) -> None:
        """Add what a caller knows beyond the message, such as which rows of a frame are meant."""
        self.context = (*self.context, sentence)

    def _message(self) -> str:
        """Return the message without its context."""
        return super().__str__()


class TimeGPTError(_Contextual, Exception):
    """Base of every error of this package.

    Attributes
    ----------
    context : tuple of str
        Sentences that callers have added; ``str()`` shows the message and then each sentence on a line of its own.
    """


class FinetuneInterrupted(_Contextual, KeyboardInterrupt):
    """Ctrl-C while a model is trained or waited for; the message says whether it may still be trained."""


class ConfigurationError(TimeGPTError):
    """No key, an unusable ``base_url``, or an extra that is not installed."""


class InvalidArgumentError(TimeGPTError, ValueError):
    """An argument has a wrong type or value; nothing was sent."""


class ModelExistsError(InvalidArgumentError):
    """The ``output_model_id`` is taken; nothing was trained, or what was trained was not kept."""


class OversizedSeriesError(InvalidArgumentError):
    """A series alone is larger than a request may be; nothing was sent.

    Attributes
    ----------
    positions : tuple of int
        Which series, counted from 0.
    n_recent : int
        How many of the last values of each of them fit.
    """

    def __init__(self, message: str = "", *, positions: tuple[int, ...] = (), n_recent: int = 0) -> None:
        super().__init__(message)
        self.positions = positions
        self.n_recent = n_recent


class InvalidFrameError(TimeGPTError, ValueError):
    """The frame cannot be packed as it is; nothing was sent."""


class MissingColumnError(InvalidFrameError):
    """A column is not in the frame."""


class DuplicateColumnError(InvalidFrameError):
    """A column name is in the frame more than once."""


class MissingValueError(InvalidFrameError):
    """NaN in the target, NaT in the time or null ids."""


class NonFiniteValueError(InvalidFrameError):
    """Infinite values in the target."""


class UnsupportedDtypeError(InvalidFrameError):
    """A column holds values that are not ids, times or numbers."""


class CovariateError(InvalidFrameError):
    """Columns that are to explain the target, or ``X_df``, cannot be used; the message lists all that is wrong."""


class DuplicateTimestampError(InvalidFrameError):
    """A series has a stamp more than once."""


class FrequencyError(InvalidFrameError):
    """The stamps have no frequency, or contradict the one given."""


class MissingTimestampError(FrequencyError):
    """A series has gaps."""


class OffGridTimestampError(FrequencyError):
    """A stamp lies between two steps of the frequency."""


class NoModelError(TimeGPTError):
    """The frame has no fine-tuned model attached that can be used here."""


class ModelPendingError(NoModelError):
    """The frame's model is still being trained.

    Attributes
    ----------
    finetuned_model_id : str
        The id that the model will have.
    state : str
        ``"pending"``, while the training waits for its turn, or ``"running"``.
    steps_done, steps : int or None
        The steps that are done, and all of them, where the service says.
    """

    def __init__(
        self,
        message: str = "",
        *,
        finetuned_model_id: str = "",
        state: str = "pending",
        steps_done: int | None = None,
        steps: int | None = None,
    ) -> None:
        super().__init__(message)
        self.finetuned_model_id = finetuned_model_id
        self.state = state
        self.steps_done = steps_done
        self.steps = steps


class TrainingFailedError(TimeGPTError):
    """A job has failed, or was cancelled, so that the model does not exist.

    Attributes
    ----------
    finetuned_model_id : str
        The id that the model was to have.
    state : str
        ``"failed"`` or ``"cancelled"``.
    """

    def __init__(self, message: str = "", *, finetuned_model_id: str = "", state: str = "failed") -> None:
        super().__init__(message)
        self.finetuned_model_id = finetuned_model_id
        self.state = state


class TransportError(TimeGPTError):
    """The service could not be reached."""


class OutcomeUnknownError(TimeGPTError):
    """A request was sent, and its outcome is unknown.

    Attributes
    ----------
    finetuned_model_id : str or None
        The id of the model, if it was trained.
    """

    def __init__(self, message: str = "", *, finetuned_model_id: str | None = None) -> None:
        super().__init__(message)
        self.finetuned_model_id = finetuned_model_id


class ResponseError(TimeGPTError):
    """The service's answer does not follow the contract."""


class ApiError(TimeGPTError):
    """The service refused a request; ``str()`` renders the message from the attributes.

    Attributes
    ----------
    headline : str
        What happened, such as "The service refused the request".
    status_code : int
        The HTTP status.
    detail : object
        The service's explanation, as parsed from JSON, or its text.
    explanation : str
        The same in words, shortened.
    advice : str
        What to do about it, in sentences.
    attempts : int
        How many requests were sent.
    model_state : str
        What is known of the model that the request was to make, in sentences.
    request_id : str or None
        The service's id of the request, to quote to its support.
    retry_after : float or None
        Seconds after which the service asks to try again.
    finetuned_model_id : str or None
        The model that the request was about, if any.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int = 0,
        detail: object = None,
        explanation: str = "",
        advice: str = "",
        attempts: int = 1,
        model_state: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        finetuned_model_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.headline = message
        self.status_code = status_code
        self.detail = detail
        self.explanation = explanation
        self.advice = advice
        self.attempts = attempts
        self.model_state = model_state
        self.request_id = request_id
        self.retry_after = retry_after
        self.finetuned_model_id = finetuned_model_id

    def _message(self) -> str:
        status = f" ({self.status_code})" if self.status_code else ""
        explanation = f": {self.explanation}" if self.explanation else ""
        sentences = [
            f"{self.headline}{status}{explanation}".rstrip(".") + ".",
            self.advice,
            f"Tried {self.attempts} times." if self.attempts > 1 else "",
            self.model_state,
            f"Request id: {self.request_id}." if self.request_id else "",
        ]
        return " ".join(filter(None, sentences))


class BadRequestError(ApiError):
    """400: the service could not read the request."""


class AuthenticationError(ApiError):
    """401: the key is missing or not valid."""


class PaymentRequiredError(ApiError):
    """402: the account has no credit."""


class PermissionDeniedError(ApiError):
    """403: the key may not use this model or endpoint."""


class NotFoundError(ApiError):
    """404: the model or endpoint does not exist."""


class RequestTimeoutError(ApiError):
    """408: the service gave up waiting for the request."""


class ConflictError(ApiError):
    """409: the request conflicts with what the service already has."""


class PayloadTooLargeError(ApiError):
    """413: the request is larger than the service accepts."""


class UnsupportedEncodingError(ApiError):
    """415: the service does not accept the encoding of the body."""


class UnprocessableError(ApiError):
    """422: the service read the request and refused a value in it."""


class RateLimitError(ApiError):
    """429: too many requests, or no credit left."""


class ServerError(ApiError):
    """5xx: the service failed."""


class TimeGPTWarning(UserWarning):
    """Base of every warning of this package."""


class AmbiguousFrequencyWarning(TimeGPTWarning):
    """The stamps fit more than one frequency; the plainer one was used."""


class DataLeakageWarning(TimeGPTWarning):
    """A fine-tuned model forecasts windows that it was tuned on, so that the errors look smaller than they are."""


class MissingEndsWarning(TimeGPTWarning):
    """Series end with missing values, perhaps rows of the future; a forecast begins after them."""


class OtherSeriesWarning(TimeGPTWarning):
    """A fine-tuned model is asked about series that other ids tell apart than those that it was tuned on."""


class ShortSeriesWarning(TimeGPTWarning):
    """Series are left out, because they are too short for what is asked."""


class UnseenCategoryWarning(TimeGPTWarning):
    """A covariate has categories in the future that it never had in the past, of which nothing can be known."""


class ProblemsLeftWarning(TimeGPTWarning):
    """Cleaning a frame left problems that have no one remedy; the message names them."""


class ValuesLeftMissingWarning(TimeGPTWarning):
    """Filling gaps left values missing, at the start or the end of series."""


def warn_caller(message: str, category: type[TimeGPTWarning]) -> None:
    """Issue a warning that points at the first line outside this package, which is the caller's."""
    ours = (str(Path(__file__).parent), contextlib.__file__)  # the latter calls context managers of this package
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_code.co_filename.startswith(ours):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
