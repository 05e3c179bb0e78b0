"""Says in one line what came of fine-tuning, as far as the answer tells."""

from __future__ import annotations

from nixtla_accessor.api.requests import FinetuneOptions
from nixtla_accessor.api.results import FinetuneResult


def outcome_text(options: FinetuneOptions, result: FinetuneResult) -> str:
    """Return what came of fine-tuning.

    Examples
    --------
    >>> from nixtla_accessor.api.requests import check_finetune_options
    >>> options = check_finetune_options(finetune_steps=50)
    >>> outcome_text(options, FinetuneResult("sales", 100, 0, 5000, alpha=0.25, steps_taken=50))
    "Model 'sales' is fine-tuned: 50 steps, and 25% of their change kept, for its gain on the validation set."
    """
    model = f"Model {result.finetuned_model_id!r}"
    steps = f"{options.finetune_steps:,} step{'s' if options.finetune_steps > 1 else ''}"
    if result.alpha == 0:
        start = "the base model" if options.finetuned_model_id is None else repr(options.finetuned_model_id)
        reason = f"{steps} brought no clear gain on the validation set"
        if result.steps_taken == 0:
            reason = "no series is long enough to train on"
        return f"{model} forecasts as {start} does: {reason}."
    if result.alpha is not None:
        return (
            f"{model} is fine-tuned: {steps}, and {result.alpha:.0%} of their change kept, for its gain on the "
            "validation set."
        )
    if result.input_tokens is None:
        return f"{model} is fine-tuned: {steps}; the answer was lost, and the model was found by its id."
    return f"{model} is fine-tuned: {steps}."
