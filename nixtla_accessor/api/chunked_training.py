"""A panel too large for one request: a chain of finetune calls, each going on from the model of the one before."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from itertools import accumulate, pairwise
from uuid import uuid4

from nixtla_accessor.api.asking import Call
from nixtla_accessor.api.encoding import in_bytes
from nixtla_accessor.api.explain import shift_positions
from nixtla_accessor.api.schema import FinetuneInput, Series
from nixtla_accessor.api.splitting import THE_LIMIT, split_series
from nixtla_accessor.api.training import FinetuneResult, Training, delete_model, refuse_taken
from nixtla_accessor.errors import (
    InvalidArgumentError,
    TimeGPTError,
    TimeGPTWarning,
    TransportError,
    UnprocessableError,
)


class Chain:
    """One model from as many requests as its series need.

    The steps are shared out over the requests. All but the last train a model that only leads to the next, under a
    fresh id; it is deleted as soon as the next is there.

    Parameters
    ----------
    call : Call
        What each request goes by.
    request : FinetuneInput
        What to train, with all series.
    model_id : str
        The id that the last model gets, as in the request.
    largest : int
        The most bytes of JSON of each request; never more than the call allows.
    """

    def __init__(self, call: Call, request: FinetuneInput, model_id: str, largest: int) -> None:
        self._call = call
        self._request = request
        self._model_id = model_id
        self._largest = largest if call.largest is None else min(largest, call.largest)
        self._parts: list[Series] = []
        self._results: list[FinetuneResult] = []
        self._between: list[str] = []  # the fresh ids of models that only lead to the last and may be there

    def run(self, *, make_way: bool, overwrite: bool) -> FinetuneResult:
        """Train part by part, and return the last model, with what all of them cost.

        Parameters
        ----------
        make_way : bool
            Whether a model of this id may exist already, which is then refused, or deleted before the last part.
        overwrite : bool
            Whether it is deleted.

        Raises
        ------
        OversizedSeriesError
            A series does not fit in a request of its own; nothing was sent.
        InvalidArgumentError
            There are more parts than steps; nothing was sent.
        ModelExistsError, ApiError, TransportError, ResponseError, OutcomeUnknownError, KeyboardInterrupt
            As of `Training.run`, for the part that the message names.

        Warns
        -----
        TimeGPTWarning
            The model is trained, and models that led to it could not be deleted.
        """
        self._parts = split_series(self._request, self._largest)
        if len(self._parts) == 1:
            return Training(self._call, self._request, self._model_id).run(make_way=make_way, overwrite=overwrite)
        shares = self._share_steps()
        if make_way and not overwrite:
            self._refuse_taken()
        try:
            for part, steps in zip(self._parts, shares, strict=True):
                former = list(self._between)
                self._train(part, steps, make_way=make_way, overwrite=overwrite)
                self._delete(former)
        except BaseException as error:
            self._give_up(error)
            raise
        model_id = self._results[-1].finetuned_model_id
        if self._between:
            warnings.warn(f"Model {model_id!r} is trained. {self._left_over()}", TimeGPTWarning, stacklevel=3)
        return FinetuneResult(
            model_id,
            input_tokens=_total([result.input_tokens for result in self._results]),
            output_tokens=_total([result.output_tokens for result in self._results]),
            finetune_tokens=_total([result.finetune_tokens for result in self._results]),
        )

    def _share_steps(self) -> list[int]:
        """Give each part one step, and of the others as many as its values are due."""
        spare = self._request.finetune_steps - len(self._parts)
        if spare < 0:
            raise InvalidArgumentError(
                f"finetune_steps must be at least {len(self._parts):,}, one for each request, since the series make "
                f"{len(self._parts):,} requests of at most {in_bytes(self._largest)} of JSON; got "
                f"{self._request.finetune_steps:,}. Raise finetune_steps, or {THE_LIMIT}."
            )
        n_values = list(accumulate(len(part.y) for part in self._parts))
        given = [0, *(spare * reached // n_values[-1] for reached in n_values)]
        return [1 + after - before for before, after in pairwise(given)]

    def _refuse_taken(self) -> None:
        """Refuse an id that a model has already, before anything is trained."""
        try:
            refuse_taken(self._call, self._model_id)
        except KeyboardInterrupt as error:
            error.args = (f"Interrupted before anything was sent, so that no model {self._model_id!r} is trained.",)
            raise

    def _train(self, part: Series, steps: int, *, make_way: bool, overwrite: bool) -> None:
        """Train one part, going on from the model of the one before."""
        number = len(self._results) + 1
        is_last = number == len(self._parts)
        model_id = self._model_id if is_last else str(uuid4())
        start = self._results[-1].finetuned_model_id if self._results else self._request.finetuned_model_id
        own = {"series": part, "finetune_steps": steps, "output_model_id": model_id, "finetuned_model_id": start}
        self._call.display.part(number, len(self._parts))
        training = Training(self._call, self._request.model_copy(update=own), model_id)
        try:
            result = training.run(make_way=make_way and is_last, overwrite=overwrite)
        except BaseException as error:
            if training.may_be_trained and not is_last:
                self._between.append(model_id)
                error.add_note(
                    f"Should model {model_id!r} still appear, delete_finetuned_model({model_id!r}) deletes it."
                )
            raise
        self._results.append(result)
        if not is_last:
            self._between.append(model_id)

    def _delete(self, model_ids: Sequence[str]) -> None:
        """Delete models that only led to the next, as far as the service lets it."""
        for model_id in model_ids:
            try:
                delete_model(self._call, model_id)
            except TransportError:
                return  # nor would it take the others
            except TimeGPTError:
                continue
            self._between.remove(model_id)

    def _give_up(self, error: BaseException) -> None:
        """Delete what only led to the model, and add to the error what is known of the whole."""
        if isinstance(error, UnprocessableError):
            done = self._parts[: len(self._results)]
            shift_positions(error, y=sum(len(part.y) for part in done), sizes=sum(len(part.sizes) for part in done))
        if isinstance(error, TimeGPTError | KeyboardInterrupt):
            error.args = (f"{error} {self._state()}" if str(error) else f"Interrupted. {self._state(between=True)}",)
        with contextlib.suppress(KeyboardInterrupt):  # another Ctrl-C ends the tidying up
            self._delete(list(self._between))
        if self._between:
            error.add_note(self._left_over())

    def _state(self, *, between: bool = False) -> str:
        """Say how far the chain is, and what that means for the model."""
        n_done, n_parts = len(self._results), len(self._parts)
        if n_done == n_parts:
            model_id = self._results[-1].finetuned_model_id
            return f"Model {model_id!r} is trained; df.timegpt.use_model({model_id!r}) attaches it."
        where = f"This was at part {n_done + 1} of {n_parts}"
        if n_done == n_parts - 1 and not between:
            return f"{where}."  # the error is about the model itself
        return f"{where}, so that no model {self._model_id!r} is trained."

    def _left_over(self) -> str:
        """Say which models could not be deleted, and how to."""
        names = ", ".join(map(repr, self._between))
        return f"Models that only led to it could not be deleted: {names}; delete_finetuned_model(id) deletes them."


def _total(tokens: Sequence[int | None]) -> int | None:
    """Add up what the parts cost; None where that of one is not known."""
    known = [count for count in tokens if count is not None]
    return sum(known) if len(known) == len(tokens) else None
