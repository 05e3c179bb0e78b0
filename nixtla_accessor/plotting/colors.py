"""Colours: those of the user's style, and where the style says nothing, ones that the colour-blind tell apart."""

from __future__ import annotations

from matplotlib import rcParams, rcParamsDefault

# Okabe and Ito, "Color Universal Design" (2008), without black, which is for history, and yellow, too light for lines.
_TOLD_APART = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_ANOMALY = "#d55e00"


def history_color() -> str:
    """Return the colour of actual values: that of text, so that it stands out from any background."""
    color: str = rcParams["text.color"]
    return color


def quiet_color() -> str:
    """Return the colour of what is beside the matter: edges, notes and grids."""
    color: str = rcParams["grid.color"] if rcParams["grid.color"] != rcParamsDefault["grid.color"] else "#9aa5b1"
    return color


def forecast_color(position: int) -> str:
    """Return the colour of one of several forecasts drawn together, counted from 0."""
    cycle = rcParams["axes.prop_cycle"]
    colors = _TOLD_APART if cycle == rcParamsDefault["axes.prop_cycle"] else cycle.by_key().get("color", _TOLD_APART)
    color: str = colors[position % len(colors)]
    return color


def anomaly_color() -> str:
    """Return the colour of anomalies."""
    return _ANOMALY
