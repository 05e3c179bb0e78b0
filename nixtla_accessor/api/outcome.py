"""Says in one line what came of fine-tuning, as far as the service tells."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nixtla_accessor.api.progress import announce, is_shown
from nixtla_accessor.api.requests import FinetuneOptions
from nixtla_accessor.api.results import FinetuneResult
from nixtla_accessor.errors import TimeGPTError

if TYPE_CHECKING:
    from nixtla_accessor.api.client import Client


def announce_outcome(client: Client, options: FinetuneOptions, result: FinetuneResult) -> None:
    """Write what came of fine-tuning, where the client shows its progress.

    How far the model was tuned is looked up: the answer of the contract does not say it.
    """
    if not is_shown(wanted=client.settings.progress):
        return
    alpha = None
    if options.max_request is None:  # of several requests, the model knows the last one alone
        with suppress(TimeGPTError):  # the model is trained, whatever becomes of this line
            alpha = client.finetuned_model(result.finetuned_model_id).alpha
    announce(outcome_text(options, result, alpha))


def outcome_text(options: FinetuneOptions, result: FinetuneResult, alpha: float | None) -> str:
    """Return what came of fine-tuning.

    Parameters
    ----------
    options : FinetuneOptions
    result : FinetuneResult
    alpha : float, optional
        How far tuning went from the model to start from (0) toward the trained one (1), as far as a validation set
        showed a gain; None where the service does not say.

    Examples
    --------
    >>> from nixtla_accessor.api.requests import check_finetune_options
    >>> options = check_finetune_options(finetune_steps=50)
    >>> outcome_text(options, FinetuneResult("sales", 100, 0, 5000), alpha=0.25)
    "Model 'sales' is fine-tuned: 50 steps, and 25% of their change kept, for its gain on the validation set."
    """
    model = f"Model {result.finetuned_model_id!r}"
    steps = f"{options.finetune_steps:,} step{'s' if options.finetune_steps > 1 else ''}"
    if alpha == 0:
        start = "the base model" if options.finetuned_model_id is None else repr(options.finetuned_model_id)
        return (
            f"{model} forecasts as {start} does: {steps} brought no clear gain on the validation set, or no series is "
            "long enough for one."
        )
    if alpha is not None:
        return (
            f"{model} is fine-tuned: {steps}, and {alpha:.0%} of their change kept, for its gain on the validation set."
        )
    if result.input_tokens is None:
        return f"{model} is fine-tuned: {steps}; the answer was lost, and the model was found by its id."
    return f"{model} is fine-tuned: {steps}."
