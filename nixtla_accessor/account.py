"""What the connected account has beside fine-tuned models: base models, jobs, usage, and a key that is accepted."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nixtla_accessor.api.client import default_client
from nixtla_accessor.api.explain import describe_detail
from nixtla_accessor.api.redaction import printable
from nixtla_accessor.tracebacks import short_traceback


@short_traceback
def jobs() -> pd.DataFrame:
    """List the jobs of the connected account, those that have ended included.

    Returns
    -------
    DataFrame
        One row for each job, the newest first: ``job_id``, ``task`` (such as ``"finetune"``), ``status``
        (``"pending"``, ``"running"``, ``"succeeded"``, ``"failed"`` or ``"cancelled"``), ``created_at`` (datetime64,
        UTC), ``finetuned_model_id``, ``finetune_steps`` and ``steps_done`` (Int64), and ``error``; missing where the
        service does not say. Without jobs, the frame has no rows.

    Raises
    ------
    NotFoundError
        The service has no jobs.
    ConfigurationError, TransportError, ApiError, ResponseError
        There is no connection, or the service does not answer as it should.

    Notes
    -----
    ``GET /v2/async/jobs``.

    Examples
    --------
    >>> import nixtla_accessor
    >>> with nixtla_accessor.connect(base_url="local"):
    ...     jobs = nixtla_accessor.jobs()
    >>> list(jobs.columns)[:3]
    ['job_id', 'task', 'status']
    """
    texts = ("job_id", "task", "status", "created_at", "finetuned_model_id")
    rows = [
        {name: None if value is None else printable(str(value)) for name in texts for value in [getattr(job, name)]}
        | {"finetune_steps": job.finetune_steps, "steps_done": job.steps_done}
        | {"error": None if job.error is None else describe_detail(job.error)}
        for job in default_client().jobs()
    ]
    table = pd.DataFrame(rows, columns=[*texts, "finetune_steps", "steps_done", "error"], dtype=object)
    created_at = pd.to_datetime(table["created_at"], utc=True, format="ISO8601", errors="coerce")
    table = table.assign(created_at=created_at).astype({"finetune_steps": "Int64", "steps_done": "Int64"})
    return table.sort_values("created_at", ascending=False, kind="stable", ignore_index=True)


@short_traceback
def models() -> list[str]:
    """List the base models that the connected account may use, by the names that ``model=`` takes.

    Raises
    ------
    ConfigurationError, TransportError, ApiError, ResponseError
        There is no connection, or the service does not answer as it should.

    Notes
    -----
    ``GET /v2/models``. For fine-tuned models see `finetuned_models`.

    Examples
    --------
    >>> import nixtla_accessor
    >>> with nixtla_accessor.connect(base_url="local"):
    ...     "timegpt-1" in nixtla_accessor.models()
    True
    """
    return [printable(name) for name in default_client().models()]


@short_traceback
def usage() -> pd.DataFrame:
    """Return what the connected account has used.

    Returns
    -------
    DataFrame
        One row for each thing that the service counts, by its name in the index, such as ``requests``, and a column for
        each period, ``minute`` and ``month``.

    Raises
    ------
    ConfigurationError, TransportError, ApiError, ResponseError
        There is no connection, or the service does not answer as it should.

    Notes
    -----
    ``GET /usage``. The local engine counts what it has answered since it was started.

    Examples
    --------
    >>> import nixtla_accessor
    >>> with nixtla_accessor.connect(base_url="local"):
    ...     list(nixtla_accessor.usage().columns)
    ['minute', 'month']
    """
    periods: dict[str, dict[str, Any]] = default_client().usage()
    return pd.DataFrame({period: pd.Series(counts, dtype=object) for period, counts in periods.items()}).infer_objects()


@short_traceback
def validate_api_key() -> bool:
    """Return whether the service accepts the key of the connection.

    Raises
    ------
    ConfigurationError, TransportError, ApiError, ResponseError
        There is no connection, or the service does not answer as it should.

    Notes
    -----
    ``GET /validate_api_key``.

    Examples
    --------
    >>> import nixtla_accessor
    >>> with nixtla_accessor.connect(base_url="local"):
    ...     nixtla_accessor.validate_api_key()
    True
    """
    return default_client().validate_api_key()
