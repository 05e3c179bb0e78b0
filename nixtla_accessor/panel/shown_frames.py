"""Frames that show themselves in words: an audit with whole remedies, in a terminal of 80 columns and in notebooks."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Any

import pandas as pd

from nixtla_accessor.panel.messages import SHOWN, and_more

WIDTH = 80  # letters of a line
MAX_PROBLEMS = 30  # shown
_INDENT = "    "


class ShownFrame(pd.DataFrame):
    """A DataFrame with a text and an HTML of its own; what is selected from it is a plain DataFrame."""

    def __repr__(self) -> str:
        """Return the text, or that of any DataFrame where it was changed in place so that columns are missing."""
        text = self._to_text()
        return super().__repr__() if text is None else text

    def _repr_html_(self) -> str | None:
        """Return the HTML; None, as pandas does, where the display options want text."""
        html = self._to_html() if pd.get_option("display.notebook_repr_html") else None
        if html is not None:
            return html
        frame: Any = super()  # whose method the stubs leave out
        plain: str | None = frame._repr_html_()
        return plain

    def _to_text(self) -> str | None:
        """Return the text, or None if columns are missing."""
        raise NotImplementedError

    def _to_html(self) -> str | None:
        """Return the HTML, or None if columns are missing."""
        raise NotImplementedError


class AuditReport(ShownFrame):
    """The problems of a frame, as `TimeGPTAccessor.audit` returns them: a DataFrame that shows each remedy whole."""

    NEEDED = ("series", "column", "kind", "first", "count", "refused", "remedy")

    def _to_text(self) -> str | None:
        if not set(self.NEEDED).issubset(self.columns):
            return None
        problems = _together(self)
        lines = [_headline(self)]
        for _, problem in problems.head(MAX_PROBLEMS).iterrows():
            lines.append(textwrap.fill(_describe(problem), WIDTH, initial_indent="- ", subsequent_indent="  "))
            # Code may be copied from here: lines break at spaces only.
            lines.append(
                textwrap.fill(
                    problem["remedy"],
                    WIDTH,
                    initial_indent=_INDENT,
                    subsequent_indent=_INDENT,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
        return "\n".join([*lines, *_more(problems)])

    def _to_html(self) -> str | None:
        if not set(self.NEEDED).issubset(self.columns):
            return None
        problems = _together(self)
        shown = problems.head(MAX_PROBLEMS).drop(columns="n_series")
        shown = shown.assign(
            **{name: shown[name].astype(object).where(shown[name].notna(), "") for name in map(str, shown)}
        )
        with pd.option_context("display.max_colwidth", None):
            table = shown.to_html(index=False, justify="left", border=0)
        more = "".join(f"<p>{line}</p>" for line in _more(problems))
        return f"<div><strong>{escape(_headline(self))}</strong>{table if len(self) else ''}{more}</div>"


def _together(report: pd.DataFrame) -> pd.DataFrame:
    """Return the problems to show, in one row those that more than a few series share, remedy and all.

    ``series`` has their ids and ``count`` the numbers as text; ``n_series`` says how many series they are.
    """
    rows = []
    for _, alike in report.groupby(["column", "kind", "refused", "remedy"], sort=False, dropna=False):
        size = len(alike) if len(alike) > SHOWN else 1
        rows += [_merge(alike.iloc[start : start + size]) for start in range(0, len(alike), size)]
    return pd.DataFrame(rows, columns=[*AuditReport.NEEDED, "n_series"], dtype=object)


def _merge(alike: pd.DataFrame) -> dict[Any, Any]:
    """Return one row for problems that differ in their series, first stamps and counts only."""
    ids = alike["series"].tolist()
    least, most = alike["count"].min(), alike["count"].max()
    each = f" ({least:,} to {most:,} each)" if least < most else ""
    row: dict[Any, Any] = alike.iloc[0].to_dict()
    return row | {
        "series": None if ids[0] is None else ", ".join(map(repr, ids[:SHOWN])) + and_more(len(ids)),
        "first": min(alike["first"].dropna(), default=None),
        "count": f"{alike['count'].sum():,}{each}",
        "n_series": len(ids),
    }


def _more(problems: pd.DataFrame) -> list[str]:
    """Return the line about what is not shown; none where all is."""
    return [f"… and {len(problems) - MAX_PROBLEMS:,} more rows."] if len(problems) > MAX_PROBLEMS else []


def _headline(report: pd.DataFrame) -> str:
    if not len(report):
        return "No problems found."
    n_refused = int(report["refused"].sum())
    refused = f"{n_refused:,} that finetune() refuses" if n_refused else "none that finetune() refuses"
    return f"{len(report):,} problem{'s' if len(report) > 1 else ''}, {refused}:"


def _describe(problem: pd.Series[Any]) -> str:
    """Return in words where a problem is."""
    number, names = problem["n_series"], problem["series"]
    where = "" if names is None else f"series {names}: " if number == 1 else f"{number:,} series ({names}): "
    column = "" if problem["column"] is None else f" in {problem['column']!r}"
    first = "" if problem["first"] is None else f", first {problem['first']}"
    refused = ", refused" if problem["refused"] else ""
    return f"{where}{problem['kind']}{column}, count {problem['count']}{first}{refused}"
