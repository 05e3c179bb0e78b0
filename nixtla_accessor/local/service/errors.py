"""The errors of the engine; `error_responses` has the HTTP status of each."""

from __future__ import annotations

REPAIR_FOLDER = (
    "Make room, or check the permissions of the folder; or set NIXTLA_ACCESSOR_HOME to a folder that can be written "
    "to, and start the engine again."
)


class ModelIdError(Exception):
    """The id of a fine-tuned model cannot be used."""

    def __str__(self) -> str:
        return repr(self.args[0])


class UnknownModelError(ModelIdError):
    """No fine-tuned model has this id."""


class ModelIdTakenError(ModelIdError):
    """A fine-tuned model has this id already."""


class ModelInTrainingError(ModelIdError):
    """A model of this id is being trained."""


class BusyError(Exception):
    """The engine is training as many models as it can, and its queue is full."""


class StoppedError(Exception):
    """The engine was stopped before the work was done."""


class UnknownTrainingError(ModelIdError):
    """No model of this id is in training."""


class TrainingCancelledError(ModelIdError):
    """The training of this model was cancelled."""


class UnknownJobError(ModelIdError):
    """No job has this id, or none that has not ended."""


class JobCancelledError(Exception):
    """The job of this id was cancelled."""


class JobTimeoutError(Exception):
    """The job was at work for longer than it may be.

    Parameters
    ----------
    seconds : int
        How long it may be at work.
    """

    def __str__(self) -> str:
        return f"The job was not done within {self.args[0]:,} seconds, its timeout_seconds: raise them, or send less."


class ClientGoneError(Exception):
    """The client has closed the connection: nobody waits for the answer."""


class UnknownFrequencyError(Exception):
    """The engine does not know the name of the frequency."""


class UnsupportedError(Exception):
    """The model cannot do what a request asks for.

    Parameters
    ----------
    location : tuple of str or int
        Where it is asked for, such as ``("body", "finetune_loss")``.
    message : str
        Which model it is, and what it can do.
    """

    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(location, message)
        self.location = location

    def __str__(self) -> str:
        return str(self.args[1])


class AnswerTooLongError(Exception):
    """The answer would have too many numbers.

    Parameters
    ----------
    n_numbers, max_numbers : int
        How many it would have, and how many it may have.
    """

    def __str__(self) -> str:
        n_numbers, max_numbers = self.args
        return (
            f"expected an answer of at most {max_numbers:,} numbers, found {n_numbers:,}: "
            "ask for fewer series, steps, windows or levels at a time"
        )


class LimitError(Exception):
    """A request asks for more than the engine takes on.

    Parameters
    ----------
    location : tuple of str or int
        Where the value is, such as ``("body", "h")``.
    expected, found, advice : str
        The limit, the value, and what to do.
    """

    def __init__(self, location: tuple[str | int, ...], expected: str, found: str, advice: str = "") -> None:
        super().__init__(location, expected, found, advice)
        self.location = location

    def __str__(self) -> str:
        _, expected, found, advice = self.args
        return f"expected {expected}, found {found}" + (f": {advice}" if advice else "")


class WrongCovariatesError(Exception):
    """The covariates of a request contradict its series, or each other.

    Parameters
    ----------
    location : tuple of str or int
        Where the value is, such as ``("body", "series", "X", 0)``.
    message : str
    """

    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(location, message)
        self.location = location

    def __str__(self) -> str:
        return str(self.args[1])


class DamagedModelError(Exception):
    """The saved tensors of a model cannot be used."""


class StorageError(Exception):
    """The file of models cannot be read or written now."""


class NotOursFileError(StorageError):
    """The file in the place of the file of models is another one."""


class DamagedFileError(StorageError):
    """SQLite cannot make sense of the file of models."""
