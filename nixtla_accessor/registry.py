"""The account's fine-tuned models, as a pandas user wants to see them."""

from __future__ import annotations

import pandas as pd

from nixtla_accessor.api.client import default_client
from nixtla_accessor.api.schema import FinetunedModel


def finetuned_models() -> pd.DataFrame:
    """List the fine-tuned models of the connected account.

    Returns
    -------
    DataFrame
        One row for each model, the newest last: ``id``, ``created_at`` (datetime64, UTC), ``age`` (timedelta64, to the
        second), ``created_by``, ``base_model_id`` (missing for what started from the base model), ``steps``,
        ``depth``, ``loss``, ``model``, ``freq``. Its length is how many models the account keeps, of the 50 that the
        hosted service allows. Without models it has no rows.

    Raises
    ------
    ConfigurationError, TransportError, ApiError, ResponseError
        If there is no connection, or the service does not answer as it should.

    Examples
    --------
    >>> import nixtla_accessor
    >>> with nixtla_accessor.connect(base_url="local"):
    ...     models = nixtla_accessor.finetuned_models()
    >>> list(models.columns)[:3]
    ['id', 'created_at', 'age']
    """
    rows = [model.model_dump() for model in default_client().finetuned_models()]
    models = pd.DataFrame(rows, columns=list(FinetunedModel.model_fields))
    created_at = pd.to_datetime(models["created_at"], utc=True, format="ISO8601", errors="coerce")
    started_from_base = models["base_model_id"] == "None"  # as the service writes it
    base_model_id = models["base_model_id"].mask(started_from_base)
    models = models.assign(created_at=created_at, base_model_id=base_model_id)
    models = models.astype({"steps": "int64", "depth": "int64"})
    models.insert(2, "age", (pd.Timestamp.now("UTC") - created_at).dt.floor("s"))
    return models.sort_values("created_at", ignore_index=True)


def finetuned_model(finetuned_model_id: str) -> FinetunedModel:
    """Tell what is known of a fine-tuned model.

    Parameters
    ----------
    finetuned_model_id : str
        The model's id.

    Returns
    -------
    FinetunedModel
        How and when it was made.

    Raises
    ------
    NotFoundError
        If there is no such model.
    InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
        If the id cannot be one, there is no connection, or the service does not answer as it should.
    """
    return default_client().finetuned_model(finetuned_model_id)


def delete_finetuned_model(finetuned_model_id: str) -> None:
    """Delete a fine-tuned model for good.

    Parameters
    ----------
    finetuned_model_id : str
        The model's id.

    Raises
    ------
    NotFoundError
        If there is no such model.
    InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
        If the id cannot be one, there is no connection, or the service does not answer as it should.
    """
    default_client().delete_finetuned_model(finetuned_model_id)
