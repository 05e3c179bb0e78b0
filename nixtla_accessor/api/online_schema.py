"""The request and the answer of ``POST /v2/online_anomaly_detection``, as of version 0.3.1 of the API."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictBool, StrictInt

from nixtla_accessor.api.schema import (
    AnomalyDetectionInput,
    AnomalyDetectionOutput,
    Counts,
    FinetuneDepth,
    Numbers,
)
from nixtla_accessor.contract import DEFAULT_FINETUNE_DEPTH, DEFAULT_FINETUNE_LOSS, FinetuneLoss

ThresholdMethod = Literal["univariate", "multivariate"]


class OnlineAnomalyInput(AnomalyDetectionInput):
    """The request of ``POST /v2/online_anomaly_detection``: that of a batch, and the windows that are forecast."""

    h: StrictInt = Field(gt=0, description="The forecasting horizon: the number of time steps of a window.")
    detection_size: StrictInt = Field(gt=0, description="Values at the end of each series to examine.")
    threshold_method: ThresholdMethod = Field(
        default="univariate", description="Judge each series by itself, or all together at each time step."
    )
    step_size: StrictInt | None = Field(
        default=None, gt=0, description="Steps from one window to the next; the horizon where it is null."
    )
    finetune_steps: StrictInt = Field(default=0, ge=0, description="Tuning steps; 0 for zero-shot inference.")
    finetune_loss: FinetuneLoss = Field(default=DEFAULT_FINETUNE_LOSS, description="The loss to fine-tune with.")
    finetune_depth: FinetuneDepth = Field(default=DEFAULT_FINETUNE_DEPTH, description="1 a little, 5 all of the model.")
    refit: StrictBool = Field(
        default=True, description="Fine-tune in each window, rather than in the first only; where steps are above 0."
    )


class OnlineAnomalyOutput(AnomalyDetectionOutput):
    """The answer of ``POST /v2/online_anomaly_detection``: the last ``sizes`` values of each series.

    Attributes
    ----------
    idxs : list of int
        The position of each value in the ``y`` that was sent.
    anomaly_score : list of float
        How many standard deviations each value is from its forecast.
    accumulated_anomaly_score : list of float or None
        The same of all series together at that step, where they are judged together.
    """

    idxs: Counts
    anomaly_score: Numbers
    accumulated_anomaly_score: Numbers | None = None
