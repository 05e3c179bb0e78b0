"""HTML of values that notebooks show: a title, facts in a small table, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_LEFT = "text-align:left"


def describe(title: str, facts: Mapping[str, object], next_step: str = "") -> str:
    """Return a title, facts and a sentence as HTML; all text is escaped.

    Examples
    --------
    >>> describe("Client", {"origin": "local"})
    '<div><strong>Client</strong><table><tr><th style="text-align:left">origin</th><td style="text-align:left">local</td></tr></table></div>'
    """  # noqa: E501
    rows = "".join(
        f'<tr><th style="{_LEFT}">{escape(str(name))}</th><td style="{_LEFT}">{escape(str(value))}</td></tr>'
        for name, value in facts.items()
    )
    table = f"<table>{rows}</table>" if rows else ""
    sentence = f"<p>{escape(next_step)}</p>" if next_step else ""
    return f"<div><strong>{escape(title)}</strong>{table}{sentence}</div>"
