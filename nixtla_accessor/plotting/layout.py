"""The figure: a subplot for each series, their titles, one legend, and a note about what is left out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine

from nixtla_accessor.plotting.colors import quiet_color

AxesArray = npt.NDArray[np.object_]
_SINGLE_SIZE = (9.0, 4.0)  # inches
_SUBPLOT_SIZE, _SMALL_SIZE = (4.2, 2.6), (3.2, 2.0)
_MIN_WIDTH = 7.5
_LARGE_UP_TO = 9  # subplots; more are small ones
_LETTERS_PER_INCH = 10.5  # of a title, at its font size
_SHORTEST_LINE = 8  # letters of a title, however small its subplot
_TITLE_SIZE = 10  # points
_LEGEND_LETTERS_PER_INCH = 11


def columns_of_subplots(count: int) -> int:
    """Return how many subplots stand beside each other."""
    if count <= _LARGE_UP_TO:
        return 2 if count == 4 else min(count, 3)
    return 4 if count <= 16 else 5


def new_axes(count: int, *, with_scores: bool = False) -> tuple[AxesArray, AxesArray]:
    """Create a figure with a subplot for each series.

    Parameters
    ----------
    count : int
        How many series, at least 1.
    with_scores : bool, default False
        Whether each has a small second panel below it, with the same times.

    Returns
    -------
    axes, score_axes : ndarray of Axes, shape (count,)
        The second is empty unless ``with_scores``.
    """
    across = columns_of_subplots(count)
    down = -(-count // across)
    width, height = _SUBPLOT_SIZE if count <= _LARGE_UP_TO else _SMALL_SIZE
    size = _SINGLE_SIZE if count == 1 else (max(across * width, _MIN_WIDTH), down * height + 0.5)
    figure = plt.figure(figsize=(size[0], size[1] * (1.3 if with_scores else 1)), layout="constrained")
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(h_pad=0.1)  # inches, so that titles do not touch the dates above them
    cells = figure.add_gridspec(down, across)
    axes, score_axes = np.empty(count, dtype=object), np.empty(count if with_scores else 0, dtype=object)
    for position in range(count):
        cell = cells[position // across, position % across]
        if not with_scores:
            axes[position] = figure.add_subplot(cell)
            continue
        parts = cell.subgridspec(2, 1, height_ratios=(3, 1), hspace=0.05)
        axes[position] = figure.add_subplot(parts[0])
        score_axes[position] = figure.add_subplot(parts[1], sharex=axes[position])
        axes[position].tick_params(labelbottom=False)
    return axes, score_axes


def set_title(axes: Axes, title: str) -> None:
    """Set the title of a subplot, in two lines at most; what does not fit is left out before its end."""
    figure = axes.get_figure(root=True)
    width = _SUBPLOT_SIZE[0] if figure is None else axes.get_position().width * figure.get_figwidth()
    axes.set_title(
        fit_title(title, max(int(width * _LETTERS_PER_INCH), _SHORTEST_LINE)),
        loc="left",
        fontsize=_TITLE_SIZE,
        parse_math=False,  # a dollar in a name is no formula
    )


def fit_title(title: str, width: int) -> str:
    r"""Break or shorten a title to two lines of some width in letters.

    Examples
    --------
    >>> fit_title("California, San Francisco, store 17", 20)
    'California, San\nFrancisco, store 17'
    >>> fit_title("a" * 30 + "-001", 12)
    'aaaaaaaaaaaa\n…aaaaaaa-001'
    """
    lines = textwrap.wrap(title, width) or [title]
    return "\n".join(lines) if len(lines) <= 2 else f"{lines[0]}\n…{title[1 - width :].lstrip()}"


def tidy_frame(axes: Axes) -> None:
    """Give a subplot an unobtrusive frame and grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=quiet_color(), alpha=0.4, linewidth=0.7)
    axes.set_axisbelow(True)


def add_legend(axes: Sequence[Axes] | AxesArray) -> None:
    """Add one legend for all subplots of a figure, below them."""
    entries = {
        label: handle for subplot in axes for handle, label in zip(*subplot.get_legend_handles_labels(), strict=True)
    }
    figure = axes[0].get_figure(root=True)
    if not entries or figure is None:
        return
    longest = max(map(len, entries)) + 6  # the line beside each
    columns = max(1, min(len(entries), int(figure.get_figwidth() * _LEGEND_LETTERS_PER_INCH / longest)))
    legend = figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=columns, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def add_note(axes: Axes, note: str) -> None:
    """Add a small note at the top right of a figure."""
    figure = axes.get_figure(root=True)
    if figure is not None:
        figure.suptitle(note, x=0.99, ha="right", fontsize=8, color=quiet_color())
