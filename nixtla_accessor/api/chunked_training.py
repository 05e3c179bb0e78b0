"""Trains on a panel too large for one request: several finetune calls, each starting from the model before."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from uuid import uuid4

from nixtla_accessor.api.encoding import format_bytes
from nixtla_accessor.api.requests import IfExists
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.saved_models import delete_model, refuse_taken_id
from nixtla_accessor.api.schema import FinetuneInput, Series
from nixtla_accessor.api.sending import RequestContext
from nixtla_accessor.api.splitting import LIMIT_SETTINGS, split_series
from nixtla_accessor.api.training import Training
from nixtla_accessor.errors import (
    FinetuneInterrupted,
    InvalidArgumentError,
    OutcomeUnknownError,
    TimeGPTError,
    TimeGPTWarning,
    TransportError,
    warn_caller,
)


class ChunkedTraining:
    """One model from as many requests as its series need.

    The steps are divided among the requests. All but the last train an intermediate model, under a random id; it is
    deleted as soon as the next one exists, or none can be trained from it any more.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    request : FinetuneInput
        What to train, with all series.
    model_id : str
        The id that the last model gets, as in the request.
    max_bytes : int
        The most bytes of JSON in each request; the context's limit holds as well.
    """

    def __init__(self, context: RequestContext, request: FinetuneInput, model_id: str, max_bytes: int) -> None:
        self._context = context
        self._request = request
        self._model_id = model_id
        self._max_bytes = max_bytes if context.max_bytes is None else min(max_bytes, context.max_bytes)
        self._parts: list[Series] = []
        self._results: list[FinetuneResult] = []
        self._intermediate: list[str] = []  # the ids of intermediate models that may exist
        self._may_be_at_work = False  # whether the last model may still be trained from them

    def run(self, if_exists: IfExists) -> FinetuneResult:
        """Train part by part, and return the last model, with the tokens of all parts.

        Parameters
        ----------
        if_exists : {"refuse", "replace"} or None
            What to do with an existing model of the id: raise at once, or delete it before the last part.

        Raises
        ------
        OversizedSeriesError
            A series does not fit in a request of its own; nothing was sent.
        InvalidArgumentError
            There are more parts than steps; nothing was sent.
        ModelExistsError, ApiError, TransportError, ResponseError, OutcomeUnknownError, FinetuneInterrupted
            As of `Training.run`, for the part that the message names.

        Warns
        -----
        TimeGPTWarning
            The model is trained, and intermediate models could not be deleted.
        """
        self._parts = split_series(self._request, self._max_bytes)
        if len(self._parts) == 1:
            return Training(self._context, self._request, self._model_id).run(if_exists)
        steps_of_parts = self._divide_steps()
        if if_exists == "refuse":
            self._refuse_taken_id()
        try:
            for part, steps in zip(self._parts, steps_of_parts, strict=True):
                previous = list(self._intermediate)
                self._train(part, steps, if_exists)
                self._delete(previous)
        except (TimeGPTError, FinetuneInterrupted) as error:
            error.add_context(self._position())
            self._clean_up(error)
            raise
        except KeyboardInterrupt:
            interrupted = FinetuneInterrupted(f"Interrupted. {self._position(between_parts=True)}")
            self._clean_up(interrupted)
            raise interrupted from None
        model_id = self._results[-1].finetuned_model_id
        if self._intermediate:
            warn_caller(f"Model {model_id!r} is trained. {self._not_deleted()}", TimeGPTWarning)
        return FinetuneResult(
            model_id,
            input_tokens=_total([result.input_tokens for result in self._results]),
            output_tokens=_total([result.output_tokens for result in self._results]),
            finetune_tokens=_total([result.finetune_tokens for result in self._results]),
        )

    def _divide_steps(self) -> list[int]:
        """Return the steps of each part: one, and of the others in proportion to its values."""
        spare = self._request.finetune_steps - len(self._parts)
        if spare < 0:
            raise InvalidArgumentError(
                f"finetune_steps must be at least {len(self._parts):,}, one for each request, since the series make "
                f"{len(self._parts):,} requests of at most {format_bytes(self._max_bytes)} of JSON; got "
                f"{self._request.finetune_steps:,}. Raise finetune_steps, or {LIMIT_SETTINGS}."
            )
        n_values = list(accumulate(len(part.y) for part in self._parts))
        steps_up_to = [0, *(spare * values // n_values[-1] for values in n_values)]
        return [1 + after - before for before, after in pairwise(steps_up_to)]

    def _refuse_taken_id(self) -> None:
        """Refuse an id that a model has already, before anything is trained."""
        try:
            refuse_taken_id(self._context, self._model_id)
        except KeyboardInterrupt:
            raise FinetuneInterrupted(
                f"Interrupted before anything was sent, so that model {self._model_id!r} is not trained."
            ) from None

    def _train(self, series: Series, steps: int, if_exists: IfExists) -> None:
        """Train on one part, starting from the model of the part before."""
        number = len(self._results) + 1
        is_last = number == len(self._parts)
        model_id = self._model_id if is_last else str(uuid4())
        start = self._results[-1].finetuned_model_id if self._results else self._request.finetuned_model_id
        request = self._request.model_copy(
            update={
                "series": series,
                "finetune_steps": steps,
                "output_model_id": model_id,
                "finetuned_model_id": start,
            }
        )
        self._context.display.start_part(number, len(self._parts))
        training = Training(self._context_of(number), request, model_id)
        try:
            result = training.run(if_exists if is_last else None)
        except (TimeGPTError, FinetuneInterrupted) as error:
            if is_last:
                is_unknown = isinstance(error, OutcomeUnknownError | FinetuneInterrupted)
                self._may_be_at_work = is_unknown and training.may_be_trained
            elif training.may_be_trained:
                self._intermediate.append(model_id)
                error.add_context(
                    f"If model {model_id!r} appears later, delete_finetuned_model({model_id!r}) deletes it."
                )
            raise
        self._results.append(result)
        if not is_last:
            self._intermediate.append(model_id)

    def _context_of(self, number: int) -> RequestContext:
        """Return the context of one part, which knows what comes before it."""
        before = self._parts[: number - 1]
        offsets = {"y": sum(len(part.y) for part in before), "sizes": sum(len(part.sizes) for part in before)}
        return replace(self._context, offsets=offsets)

    def _delete(self, model_ids: Sequence[str]) -> None:
        """Delete intermediate models, as far as the service allows it."""
        for model_id in model_ids:
            try:
                delete_model(self._context, model_id)
            except TransportError:
                return  # the others could not be deleted either
            except TimeGPTError:
                continue
            self._intermediate.remove(model_id)

    def _clean_up(self, error: TimeGPTError | FinetuneInterrupted) -> None:
        """Delete the intermediate models, unless they may be needed, and add to the error which are left."""
        if self._may_be_at_work:
            error.add_context(
                f"Intermediate models are kept, since model {self._model_id!r} may still be trained from them: "
                f"{self._named()}; delete_finetuned_model(id) deletes them."
            )
            return
        with contextlib.suppress(KeyboardInterrupt):  # another Ctrl-C ends the clean-up
            self._delete(list(self._intermediate))
        if self._intermediate:
            error.add_context(self._not_deleted())

    def _position(self, *, between_parts: bool = False) -> str:
        """Return which part this was, and what that means for the model."""
        n_done, n_parts = len(self._results), len(self._parts)
        if n_done == n_parts:
            model_id = self._results[-1].finetuned_model_id
            return f"Model {model_id!r} is trained; df.timegpt.use_model({model_id!r}) attaches it."
        part = f"This was part {n_done + 1} of {n_parts}"
        if n_done == n_parts - 1 and not between_parts:
            return f"{part}."  # the error is about the model itself
        return f"{part}, so that model {self._model_id!r} is not trained."

    def _not_deleted(self) -> str:
        """Return which intermediate models could not be deleted, and how to delete them."""
        return f"Intermediate models could not be deleted: {self._named()}; delete_finetuned_model(id) deletes them."

    def _named(self) -> str:
        return ", ".join(map(repr, self._intermediate))


def _total(tokens: Sequence[int | None]) -> int | None:
    """Return the sum of the tokens of all parts; None where those of one are unknown."""
    known = [count for count in tokens if count is not None]
    return sum(known) if len(known) == len(tokens) else None
