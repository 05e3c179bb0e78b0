"""Lists, describes and deletes the fine-tuned models of the connected account."""

from __future__ import annotations

import pandas as pd

from nixtla_accessor.api.client import default_client
from nixtla_accessor.api.redaction import printable
from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.contract import parse_base_model_id
from nixtla_accessor.tracebacks import short_traceback


@short_traceback
def finetuned_models() -> pd.DataFrame:
    """List the fine-tuned models of the connected account.

    Returns
    -------
    DataFrame
        One row for each model, the newest last: ``id``, ``created_at`` (datetime64, UTC), ``age`` (timedelta64, to the
        second), ``created_by``, ``base_model_id`` (missing for models that started from the base model), ``steps``,
        ``depth``, ``loss``, ``model``, ``freq``. The hosted service keeps at most 50 models for an account. Without
        models, the frame has no rows.

    Raises
    ------
    ConfigurationError, TransportError, ApiError, ResponseError
        There is no connection, or the service does not answer as it should.

    Examples
    --------
    >>> import nixtla_accessor
    >>> with nixtla_accessor.connect(base_url="local"):
    ...     models = nixtla_accessor.finetuned_models()
    >>> list(models.columns)[:3]
    ['id', 'created_at', 'age']
    """
    rows = [
        {name: printable(value) if isinstance(value, str) else value for name, value in model}
        for model in default_client().finetuned_models()
    ]
    models = pd.DataFrame(rows, columns=list(FinetunedModel.model_fields))
    created_at = pd.to_datetime(models["created_at"], utc=True, format="ISO8601", errors="coerce")
    has_base_model_id = models["base_model_id"].map(parse_base_model_id).notna()
    base_model_id = models["base_model_id"].where(has_base_model_id)
    models = models.assign(created_at=created_at, base_model_id=base_model_id)
    models = models.astype({"steps": "int64", "depth": "int64"})
    models.insert(2, "age", (pd.Timestamp.now("UTC") - created_at).dt.floor("s"))
    return models.sort_values("created_at", ignore_index=True)


@short_traceback
def finetuned_model(finetuned_model_id: str) -> FinetunedModel:
    """Return how and when a fine-tuned model was made.

    Parameters
    ----------
    finetuned_model_id : str
        The model's id.

    Returns
    -------
    FinetunedModel
        Its id, its date, the model that it started from, and its fine-tuning arguments.

    Raises
    ------
    NotFoundError
        No model has this id.
    InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
        The id is not valid, there is no connection, or the service does not answer as it should.
    """
    return default_client().finetuned_model(finetuned_model_id)


@short_traceback
def delete_finetuned_model(finetuned_model_id: str) -> None:
    """Delete a fine-tuned model for good.

    Parameters
    ----------
    finetuned_model_id : str
        The model's id.

    Raises
    ------
    NotFoundError
        No model has this id.
    InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
        The id is not valid, there is no connection, or the service does not answer as it should.
    """
    default_client().delete_finetuned_model(finetuned_model_id)
