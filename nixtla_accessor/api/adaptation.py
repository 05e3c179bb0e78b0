"""How a model is adapted for one call: fine-tuned without being kept, and by settings that only some models know."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from nixtla_accessor.api.checks import check_loss, check_whole_number
from nixtla_accessor.contract import (
    DEFAULT_FINETUNE_DEPTH,
    DEFAULT_FINETUNE_LOSS,
    MAX_FINETUNE_DEPTH,
    MIN_FINETUNE_DEPTH,
    FinetuneLoss,
)
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.flags import check_flag


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The checked arguments that adapt a model for one call.

    Attributes
    ----------
    finetune_steps : int
        Steps to fine-tune the model for this call; 0 for none.
    finetune_loss, finetune_depth : str, int
        How.
    multivariate : bool
        Whether all series are forecast together.
    model_parameters : dict or None
        Parameters of the model itself.
    """

    finetune_steps: int = 0
    finetune_loss: FinetuneLoss = DEFAULT_FINETUNE_LOSS
    finetune_depth: int = DEFAULT_FINETUNE_DEPTH
    multivariate: bool = False
    model_parameters: Mapping[str, Any] | None = None

    @property
    def concerns_all_series(self) -> bool:
        """Whether the forecast of a series depends on the others of its request, which cannot be split then."""
        return self.finetune_steps > 0 or self.multivariate

    def tuning(self) -> dict[str, Any]:
        """Return the fields of a request that say how to fine-tune."""
        return {
            "finetune_steps": self.finetune_steps,
            "finetune_loss": self.finetune_loss,
            "finetune_depth": self.finetune_depth,
        }

    def settings(self) -> dict[str, Any]:
        """Return the fields of a request that only some models know."""
        parameters = self.model_parameters
        return {
            "multivariate": self.multivariate,
            "model_parameters": None if parameters is None else dict(parameters),
        }


AS_IT_IS = Adaptation()
"""A model that is asked as it is."""


def check_adaptation(
    *,
    finetune_steps: object = 0,
    finetune_loss: object = DEFAULT_FINETUNE_LOSS,
    finetune_depth: object = DEFAULT_FINETUNE_DEPTH,
    multivariate: object = False,
    model_parameters: object = None,
) -> Adaptation:
    """Check the arguments that adapt a model for one call.

    Raises
    ------
    InvalidArgumentError
        An argument has a wrong type or value, or says how to fine-tune where nothing is fine-tuned.

    Examples
    --------
    >>> check_adaptation(finetune_steps=10).concerns_all_series
    True
    """
    checked = Adaptation(
        finetune_steps=check_whole_number("finetune_steps", finetune_steps, lowest=0),
        finetune_loss=check_loss("finetune_loss", finetune_loss),
        finetune_depth=check_whole_number(
            "finetune_depth", finetune_depth, lowest=MIN_FINETUNE_DEPTH, highest=MAX_FINETUNE_DEPTH
        ),
        multivariate=check_flag("multivariate", multivariate),
        model_parameters=_check_parameters(model_parameters),
    )
    if checked.finetune_steps == 0:
        for name, default in (
            ("finetune_loss", DEFAULT_FINETUNE_LOSS),
            ("finetune_depth", DEFAULT_FINETUNE_DEPTH),
        ):
            if getattr(checked, name) != default:
                raise InvalidArgumentError(
                    f"{name} says how to fine-tune for this call, and without finetune_steps nothing is fine-tuned: "
                    f"give finetune_steps as well, such as finetune_steps=10, or leave {name} out."
                )
    return checked


def _check_parameters(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        try:
            orjson.dumps(dict(value))
        except TypeError:
            pass
        else:
            return dict(value)
    raise InvalidArgumentError(
        f"model_parameters must be a dict of names and values that JSON has; got {reprlib.repr(value)}."
    )
