"""The fine-tuned models of the connected account: listed, described and deleted."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from nixtla_accessor.api.client import default_client
from nixtla_accessor.api.encoding import format_bytes
from nixtla_accessor.api.redaction import printable
from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.contract import parse_base_model_id
from nixtla_accessor.panel.shown_frames import WIDTH, ShownFrame
from nixtla_accessor.tracebacks import short_traceback

_MAX_MODELS = 50  # shown; the hosted service keeps no more


class ModelList(ShownFrame):
    """Fine-tuned models, as `finetuned_models` returns them: a DataFrame that shows where each model comes from."""

    def _to_text(self) -> str | None:
        if not _NEEDED.issubset(self.columns):
            return None
        lines = [self._headline()]
        for _, model in self.tail(_MAX_MODELS).iterrows():
            lines.append(f"- {model['id']}, {_age(model['age'])}")
            told = f"from {_parent(model, self)}; {'; '.join(_facts(model).values())}"
            lines.append(textwrap.fill(told, WIDTH, initial_indent="    ", subsequent_indent="    "))
        return "\n".join(lines)

    def _to_html(self) -> str | None:
        if not _NEEDED.issubset(self.columns):
            return None
        rows = [
            {"id": model["id"], "made": _age(model["age"]), "tuned from": _parent(model, self), **_facts(model)}
            for _, model in self.tail(_MAX_MODELS).iterrows()
        ]
        with pd.option_context("display.max_colwidth", None):
            table = pd.DataFrame(rows).fillna("").to_html(index=False, justify="left", border=0) if rows else ""
        return f"<div><strong>{escape(self._headline())}</strong>{table}</div>"

    def _headline(self) -> str:
        if not len(self):
            return "There are no fine-tuned models."
        shown = f", the newest {_MAX_MODELS} of them" if len(self) > _MAX_MODELS else ""
        return f"{len(self):,} fine-tuned model{'s' if len(self) > 1 else ''}{shown}, the newest last:"


_NEEDED = frozenset({"age", *FinetunedModel.model_fields})


def _age(age: object) -> str:
    """Return how long ago a model was made, in its largest unit."""
    if not isinstance(age, pd.Timedelta):
        return "of unknown age"
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(age.total_seconds()) // seconds
        if count > 0:
            return f"{count:,} {unit}{'s' if count > 1 else ''} old"
    return "just made"


def _parent(model: pd.Series[Any], models: pd.DataFrame) -> str:
    """Return what a model was tuned from."""
    parent = model["base_model_id"]
    if pd.isna(parent):
        return str(model["model"])
    return f"{parent}{'' if (models['id'] == parent).any() else ' (deleted)'}"


def _facts(model: pd.Series[Any]) -> dict[str, str]:
    """Return how a model was tuned, and on what where the service says so."""
    steps = f"{model['steps']:,} step{'s' if model['steps'] > 1 else ''}"
    facts = {"training": f"{steps}, depth {model['depth']}, loss {model['loss']}, frequency {model['freq']}"}
    if pd.notna(model["n_series"]) and pd.notna(model["n_obs"]):
        facts["tuned on"] = f"{model['n_series']:,} series, {model['n_obs']:,} rows"
    if pd.notna(model["n_bytes"]):
        facts["size"] = format_bytes(model["n_bytes"])
    if pd.notna(model["alpha"]):
        kept = f"{model['alpha']:.0%} of the change kept" if model["alpha"] else "no clear gain, nothing changed"
        facts["outcome"] = kept
    return facts


@short_traceback
def finetuned_models() -> pd.DataFrame:
    """List the fine-tuned models of the connected account.

    Returns
    -------
    DataFrame
        One row for each model, the newest last: ``id``, ``created_at`` (datetime64, UTC), ``age`` (timedelta64, to the
        second), ``created_by``, ``base_model_id`` (missing for models that started from the base model), ``steps``,
        ``depth``, ``loss``, ``model``, ``freq``; and where the service says so, as the local engine does, what it was
        tuned on and became: ``n_series`` and ``n_obs`` (Int64), ``n_bytes`` on disk (Int64) and ``alpha`` (float64, how
        far tuning went from the model that it started from, 0, toward the trained one, 1). The hosted service keeps
        at most 50 models for an account. Without models, the frame has no rows. Printed, and in notebooks, it shows
        each model in words.

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
    return list_models(default_client().finetuned_models())


def list_models(described: Sequence[FinetunedModel]) -> ModelList:
    """Return models as `finetuned_models` does."""
    rows = [
        {name: printable(value) if isinstance(value, str) else value for name, value in model} for model in described
    ]
    models = pd.DataFrame(rows, columns=list(FinetunedModel.model_fields))
    created_at = pd.to_datetime(models["created_at"], utc=True, format="ISO8601", errors="coerce")
    has_base_model_id = models["base_model_id"].map(parse_base_model_id).notna()
    base_model_id = models["base_model_id"].where(has_base_model_id)
    models = models.assign(created_at=created_at, base_model_id=base_model_id)
    counts = dict.fromkeys(("n_series", "n_obs", "n_bytes"), "Int64")
    models = models.astype({"steps": "int64", "depth": "int64", "alpha": "float64", **counts})
    models.insert(2, "age", (pd.Timestamp.now("UTC") - created_at).dt.floor("s"))
    return ModelList(models.sort_values("created_at", ignore_index=True))


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
