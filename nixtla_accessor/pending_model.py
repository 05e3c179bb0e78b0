"""A model that a job is training: how far it is, and what a record says once it has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nixtla_accessor.errors import ModelPendingError, TrainingFailedError
from nixtla_accessor.panel.frame_code import FrameCode
from nixtla_accessor.record import PENDING, READY, Record

if TYPE_CHECKING:
    from nixtla_accessor.api.client import Client, Progress


def finish_record(record: Record, client: Client, code: FrameCode) -> Record:
    """Return the record of a model that is trained; of a pending one, the service is asked whether it is.

    Raises
    ------
    ModelPendingError
        If it is still being trained.
    TrainingFailedError
        If there will be no such model.
    """
    if record.state != PENDING:
        return record
    return record_after(record, client.training_progress(record.finetuned_model_id, record.job_id), code)


def record_after(record: Record, progress: Progress, code: FrameCode) -> Record:
    """Return the record of a model whose training stands so.

    Raises
    ------
    ModelPendingError, TrainingFailedError
        As of `finish_record`.
    """
    model_id = record.finetuned_model_id
    if progress.is_unfinished:
        raise ModelPendingError(
            f"The frame's model {model_id!r} is still being trained ({_how_far(progress)}). df.timegpt.wait() "
            "waits for it.",
            finetuned_model_id=model_id,
            state=progress.state,
            steps_done=progress.steps_done,
            steps=progress.steps,
        )
    if progress.state != "ready":
        ended = (
            "was cancelled" if progress.state == "cancelled" else f"failed: {progress.error or 'no reason was given'}"
        )
        raise TrainingFailedError(
            f"The training of the frame's model {model_id!r} {ended.rstrip('.')}. There is no such model; "
            f"{code.call('finetune')} trains one.",
            finetuned_model_id=model_id,
            state=progress.state,
        )
    result = progress.result
    return replace(
        record,
        state=READY,
        finetuned_model_id=result.finetuned_model_id,
        input_tokens=result.input_tokens,
        output_tokens=result.output_tokens,
        finetune_tokens=result.finetune_tokens,
    )


def _how_far(progress: Progress) -> str:
    """Return how far a training is, in words."""
    if progress.state == "pending":
        return "it waits for its turn"
    if progress.steps and progress.steps_done is not None:
        return f"{progress.steps_done:,} of {progress.steps:,} steps"
    return "it is at work"
