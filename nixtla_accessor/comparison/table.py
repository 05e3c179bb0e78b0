"""The table of a comparison, which shows its verdict."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from nixtla_accessor.panel.scores import BIAS, COVERAGE, MODEL_LEVEL
from nixtla_accessor.panel.shown_frames import ShownFrame

_MAX_ROWS = 60  # shown
_MAX_DECIMALS = 6


class ComparisonTable(ShownFrame):
    """The accuracy of forecasts, as `TimeGPTAccessor.compare` returns it: a DataFrame that shows its verdict.

    Shown, the best value of each column is marked, and columns have as many digits as tell their values apart.
    """

    def _to_text(self) -> str | None:
        if "comparison" not in self.attrs or self.index.names[-1] != MODEL_LEVEL:
            return None
        marked = self._format("{} *", "{}  ")
        verdicts = "\n".join(self._verdicts())
        return f"{verdicts}\n{marked.to_string(max_rows=_MAX_ROWS)}\n* the best"

    def _to_html(self) -> str | None:
        if "comparison" not in self.attrs or self.index.names[-1] != MODEL_LEVEL:
            return None
        marked = self._format("<strong>{}</strong>", "{}").rename(lambda name: escape(str(name)))
        table = marked.to_html(escape=False, border=0, max_rows=_MAX_ROWS)
        verdicts = escape("\n".join(self._verdicts())).replace("\n", "<br>")
        return f"<div><strong>{verdicts}</strong>{table}</div>"

    def _verdicts(self) -> list[str]:
        """Return the verdict on tuning, and that on covariates where there are some."""
        comparison = self.attrs["comparison"]
        return [one["verdict"] for one in (comparison, comparison.get("covariates")) if one is not None]

    def _format(self, best: str, other: str) -> pd.DataFrame:
        """Return the table as text, in templates for the best values and for others."""
        shown = pd.DataFrame(index=self.index)
        for name in self.columns:
            values = self[name]
            level = str(name).partition(COVERAGE)[2]
            distance = (values - float(level or 0)).abs() if level or name == BIAS else values
            groups = [self.index.get_level_values(n) for n in range(self.index.nlevels - 1)]
            least = distance.groupby(groups).transform("min") if groups else distance.min()
            texts = values.map(_format_digits(values))
            is_best = (distance == least) & values.notna()
            shown[name] = [(best if mark else other).format(text) for mark, text in zip(is_best, texts, strict=True)]
        return shown


def _format_digits(values: pd.Series[Any]) -> Callable[[float], str]:
    """Return a function that writes values with the fewest decimals that tell them apart, but three digits at least."""
    known = values.dropna().unique()
    largest = float(np.abs(known).max(initial=0.0))
    digits = 0 if largest >= 100 else 1 if largest >= 10 else 2
    while digits < _MAX_DECIMALS and len({f"{value:.{digits}f}" for value in known}) < min(len(known), _MAX_ROWS):
        digits += 1
    return lambda value: "" if np.isnan(value) else f"{value:,.{digits}f}"
