"""Typed code as a user writes it who has set up the plugin for mypy; pyright has no plugins, and does not read it."""

from typing import assert_type

import pandas as pd

import nixtla_accessor  # noqa: F401 - registers the accessor
from nixtla_accessor import TimeGPTAccessor


def forecasting(df: pd.DataFrame) -> pd.DataFrame:
    assert_type(df.timegpt, TimeGPTAccessor)
    tuned = df.timegpt.finetune(finetune_steps=50)
    assert_type(tuned, pd.DataFrame)
    assert_type(tuned.timegpt.model_id, str | None)
    tuned.timegpt.forecast(12, levels=[80])  # type: ignore[call-arg]
    tuned.timegpt.forecat(12)  # type: ignore[attr-defined]
    return tuned.query("y > 0").timegpt.forecast(12, level=[80])
