"""Which model a request means: a base model, or a fine-tuned one with the base model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.local.forecaster import CovariateForecaster, Forecaster, Tensors
from nixtla_accessor.local.service.errors import DamagedModelError, UnknownModelError, UnsupportedError
from nixtla_accessor.local.service.forecasters import Forecasters, NamedForecaster
from nixtla_accessor.local.service.recent_tensors import RecentTensors
from nixtla_accessor.local.service.store import ModelStore

_RECENT_BYTES = 2**24  # of fine-tuned models in memory: seven of the network, or several adapters of Chronos-2


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready for use: its base model's name and forecaster, and the tensors of a fine-tuned one."""

    base_model: str
    forecaster: Forecaster
    tensors: Tensors | None

    def check_tuning(self, steps: int, loss: str) -> None:
        """Check that the model can be fine-tuned by a loss; with 0 steps there is nothing to check.

        Raises
        ------
        UnsupportedError
        """
        losses = self.forecaster.losses
        if not steps or loss in losses:
            return
        if not losses:
            message = (
                f"The base model {self.base_model!r} forecasts as it is, and cannot be fine-tuned: choose another."
            )
            raise UnsupportedError(("body", "model"), message)
        raise UnsupportedError(
            ("body", "finetune_loss"),
            f"The base model {self.base_model!r} can be fine-tuned by the loss {' or '.join(map(repr, losses))} only, "
            f"found {loss!r}.",
        )

    def check_covariates(self, *, clean_first: bool, contributions: bool) -> None:
        """Check that the model can do with covariates what a request asks for.

        Raises
        ------
        UnsupportedError
        """
        if not isinstance(self.forecaster, CovariateForecaster):
            return  # the engine does it
        reads = f"The base model {self.base_model!r} reads covariates itself"
        if contributions:
            raise UnsupportedError(
                ("body", "feature_contributions"),
                f"{reads}, and does not say what each contributes: leave feature_contributions out, or ask "
                f"{DEFAULT_MODEL!r}.",
            )
        if not clean_first:
            raise UnsupportedError(
                ("body", "clean_ex_first"),
                f"{reads}, and cannot apply them afterwards: leave clean_ex_first out, or ask {DEFAULT_MODEL!r}.",
            )


class Models:
    """The models of an engine, fine-tuned ones included.

    Parameters
    ----------
    store : ModelStore
        Where fine-tuned models are saved.
    forecasters : Forecasters
        Of the base models.
    """

    def __init__(self, store: ModelStore, forecasters: Forecasters) -> None:
        self.forecasters = forecasters
        self._store = store
        self._recent = RecentTensors(_RECENT_BYTES)

    def find(self, base_model: str, finetuned_model_id: str | None) -> Model:
        """Return the model that a request names.

        Raises
        ------
        UnknownBaseModelError, UnknownModelError
            There is no such model.
        UnsupportedError
            The fine-tuned model was made from another base model than the one named.
        DamagedModelError, UnavailableError
            It cannot be used.
        """
        if finetuned_model_id is None:
            chosen = self.forecasters.choose(base_model)
            return Model(chosen.name, chosen.forecaster, None)
        # The store is asked each time: another process may delete a model, and use its id again.
        saved = self._store.model(finetuned_model_id)
        if saved is None:
            raise UnknownModelError(finetuned_model_id)
        self._check_base_model(base_model, saved)
        chosen = self.forecasters.choose(saved.model)
        key = (saved.id, saved.created_at, chosen.name, chosen.weights)
        return Model(saved.model, chosen.forecaster, self._recent.get(key, lambda: self._load(saved.id, chosen)))

    def _check_base_model(self, base_model: str, saved: FinetunedModel) -> None:
        """Check that a request names the base model that a fine-tuned one was made from, if it names one.

        A name of the network is not taken for one: clients send that of their default whenever their caller names none.
        """
        asked = self.forecasters.full_name(base_model)
        if asked not in (DEFAULT_MODEL, self.forecasters.full_name(saved.model)):
            raise UnsupportedError(
                ("body", "model"),
                f"The model {saved.id!r} was fine-tuned from the base model {saved.model!r}, not from {base_model!r}: "
                "leave model out.",
            )

    def _load(self, model_id: str, chosen: NamedForecaster) -> Tensors:
        data = self._store.tensors(model_id)
        if data is None:
            raise UnknownModelError(model_id)
        try:
            return chosen.forecaster.load(data)
        except ValueError as error:
            message = f"The saved model {model_id!r} does not fit this version of the engine: {error}."
            raise DamagedModelError(message) from error
