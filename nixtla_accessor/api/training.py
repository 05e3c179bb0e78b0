"""One finetune call: at most one model, and its outcome known or its id in the error."""

from __future__ import annotations

from nixtla_accessor.api import endpoints
from nixtla_accessor.api.explain import interrupted_text
from nixtla_accessor.api.requests import IfExists
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.api.saved_models import ModelLookup, delete_model, model_exists, refuse_taken_id
from nixtla_accessor.api.schema import FinetuneInput
from nixtla_accessor.api.sending import Attempts, RequestContext
from nixtla_accessor.errors import FinetuneInterrupted, TimeGPTError


class Training:
    """One finetune call.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits; the time limit, which is for the model, starts when the series are sent.
    request : FinetuneInput
        What to train.
    model_id : str
        The id that the model gets, as in the request, so that it can be looked up.

    Raises
    ------
    InvalidArgumentError
        The request is too large.
    """

    def __init__(self, context: RequestContext, request: FinetuneInput, model_id: str) -> None:
        self._context = context
        self._model_id = model_id
        self._attempts = Attempts(context, endpoints.finetune(request), ModelLookup(context, model_id))
        self._has_replaced = False

    @property
    def may_be_trained(self) -> bool:
        """Whether the service may have trained the model, or may be training it."""
        return self._attempts.maybe_processed

    def run(self, if_exists: IfExists) -> FinetuneResult:
        """Train, and return the model.

        Parameters
        ----------
        if_exists : {"refuse", "replace"} or None
            What to do with an existing model of this id: raise, or delete it first. None where there is none.

        Raises
        ------
        ModelExistsError
            A model of this id exists; nothing was trained.
        ApiError, TransportError, ResponseError
            There is no model, as far as the service tells.
        OutcomeUnknownError
            The model may still be trained.
        FinetuneInterrupted
            Ctrl-C; the message says whether the model may still be trained.
        """
        try:
            self._free_id(if_exists)
            return self._attempts.run()
        except TimeGPTError as error:
            if self._has_replaced:
                error.add_context(self._replaced_text())
            raise
        except KeyboardInterrupt:
            interrupted = FinetuneInterrupted(
                interrupted_text(self._model_id, maybe_processed=self._attempts.maybe_processed)
            )
            if self._has_replaced:
                interrupted.add_context(self._replaced_text())
            raise interrupted from None

    def _free_id(self, if_exists: IfExists) -> None:
        """Refuse an id that is taken, or delete the model that has it."""
        if if_exists == "refuse":
            refuse_taken_id(self._context, self._model_id)
        elif if_exists == "replace" and model_exists(self._context, self._model_id):
            delete_model(self._context, self._model_id)
            self._has_replaced = True

    def _replaced_text(self) -> str:
        return f"The previous model {self._model_id!r} was deleted first, as overwrite=True asks."
