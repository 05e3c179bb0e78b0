"""One finetune call, one model: asks again only where nothing can have been trained, and else looks the model up."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, replace
from typing import Never
from uuid import uuid4

from nixtla_accessor.api.encoding import Body, decode, encode
from nixtla_accessor.api.explain import api_error
from nixtla_accessor.api.outcome import Answer, Failure, FailureKind, Outcome
from nixtla_accessor.api.progress import ProgressDisplay
from nixtla_accessor.api.retry import Decision, Pacing, Progress, decide_training, look_pause, may_be_done
from nixtla_accessor.api.schema import FinetunedModel, FinetuneInput, FinetuneOutput
from nixtla_accessor.api.transport import Transport, Upload
from nixtla_accessor.errors import OutcomeUnknownError, ResponseError, TransportError

_LOG = logging.getLogger(__name__)
_LOOK_UP_TIMEOUT = 10.0  # seconds that one look-up waits for its answer, at most
