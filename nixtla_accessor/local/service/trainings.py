"""The models in training: which they are, how far each is, and how one is cancelled."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from nixtla_accessor.local.service.errors import (
    ModelInTrainingError,
    TrainingCancelledError,
    UnknownTrainingError,
)
from nixtla_accessor.local.service.interruption import Interruption


class Training:
    """A model in training.

    Attributes
    ----------
    model_id : str
    steps : int
        How many steps it takes.
    steps_done : int or None
        How many are done; None while it waits for its turn.
    created_at : datetime
    interruption : Interruption
        Ends it.
    """

    def __init__(self, model_id: str, steps: int, interruption: Interruption | None = None) -> None:
        self.model_id = model_id
        self.steps = steps
        self.steps_done: int | None = None
        self.created_at = datetime.now(UTC)
        self.interruption = interruption or Interruption()
        self.is_saving = False

    def report(self, steps_done: int) -> None:
        """Note how many steps are done, and end the training if it is to end."""
        self.steps_done = steps_done
        self.interruption.check(steps_done)


class Trainings:
    """The trainings that wait or are at work, one for each model id; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Training] = {}

    def begin(self, model_id: str, steps: int, interruption: Interruption | None = None) -> Training:
        """Hold an id while its model is trained, so that it is not trained twice at once.

        Raises
        ------
        ModelInTrainingError
        """
        with self._lock:
            if model_id in self._by_id:
                raise ModelInTrainingError(model_id)
            training = self._by_id[model_id] = Training(model_id, steps, interruption)
        return training

    def begin_saving(self, training: Training) -> None:
        """Note that the model is about to be saved: from now on its training cannot be cancelled.

        Raises
        ------
        TrainingCancelledError
        """
        with self._lock:
            training.interruption.check()
            training.is_saving = True
        training.interruption.begin_saving()

    def end(self, training: Training) -> None:
        """Let the id go; nothing happens if it was let go before."""
        with self._lock:
            if self._by_id.get(training.model_id) is training:
                del self._by_id[training.model_id]

    def cancel(self, model_id: str) -> None:
        """End the training of a model, and let its id go at once; the model will never be saved.

        Raises
        ------
        UnknownTrainingError
            If there is none.
        ModelInTrainingError
            If it is done, and its model is being saved.
        """
        with self._lock:
            training = self._by_id.get(model_id)
            if training is None:
                raise UnknownTrainingError(model_id)
            if training.is_saving:
                raise ModelInTrainingError(model_id)
            del self._by_id[model_id]
            training.interruption.interrupt(TrainingCancelledError(model_id))

    def current(self) -> list[Training]:
        """Return the trainings, the newest first."""
        with self._lock:
            return list(reversed(self._by_id.values()))
