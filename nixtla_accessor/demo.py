"""The demo: a real panel, fine-tuned and forecast by the local engine, and its errors on held-out days."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from tqdm import tqdm

from nixtla_accessor.accessor import TimeGPTAccessor
from nixtla_accessor.api.client import connect
from nixtla_accessor.contract import DEFAULT_MODEL
from nixtla_accessor.datasets import load_weather
from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.panel.scores import Scales, WindowForecasts, mase_scale, rmsse_scale, score_frame
from nixtla_accessor.panel.tidy import MODEL_COLUMN
from nixtla_accessor.plotting import check_matplotlib_is_installed

SEASON_LENGTH = 7  # days
STEPS = 50
DEPTH = 5
LEVELS = [80, 95]
MODEL_ID = "demo"
SHOWN_DAYS = 42


class _Stages:
    """A progress bar that names the stage of the demo."""

    names = ("starting the engine", "fine-tuning", "forecasting", "drawing", "done")

    def __enter__(self) -> Self:
        self._bar = tqdm(total=len(self.names) - 1, bar_format="{percentage:3.0f}% |{bar:24}| {desc}")
        self.enter(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def enter(self, stage: int) -> None:
        """Show that a stage begins."""
        self._bar.set_description_str(self.names[stage], refresh=False)
        self._bar.n = stage
        self._bar.refresh()


def run_demo(picture: Path) -> None:
    """Fine-tune, forecast the last season, which is held out, print the errors, and draw the forecast.

    Parameters
    ----------
    picture : Path
        The file that the picture goes into; its ending tells the format, such as ``.png``.

    Raises
    ------
    ConfigurationError
        If the extras ``local`` or ``plot`` are not installed, or the picture cannot be written there.
    """
    if not picture.parent.is_dir():
        raise ConfigurationError(f"The picture cannot be written: there is no folder {str(picture.parent)!r}.")
    panel = load_weather()
    cutoff = panel["ds"].max() - pd.Timedelta(days=SEASON_LENGTH)
    history, holdout = panel[panel["ds"] <= cutoff], panel[panel["ds"] > cutoff]
    with _Stages() as stages:
        with connect(base_url="local", progress=False):
            stages.enter(1)
            tuned = TimeGPTAccessor(history).finetune(
                finetune_steps=STEPS, finetune_depth=DEPTH, output_model_id=MODEL_ID, overwrite=True
            )
            stages.enter(2)
            zero_shot = TimeGPTAccessor(history).forecast(SEASON_LENGTH, model=DEFAULT_MODEL)
            forecast = TimeGPTAccessor(tuned).forecast(SEASON_LENGTH, level=LEVELS)
        stages.enter(3)
        _draw(panel, forecast, picture)
        stages.enter(4)
    last_season = history.groupby("unique_id")["y"].tail(SEASON_LENGTH)
    forecasts = {
        "seasonal naive": last_season,
        "zero-shot": zero_shot[MODEL_COLUMN],
        "fine-tuned": forecast[MODEL_COLUMN],
    }
    first, last, n_series = holdout["ds"].min(), holdout["ds"].max(), panel["unique_id"].nunique()
    print(
        f"\nThe weather of New York and Seattle, daily: {n_series} series, {len(panel):,} values (U.S. NOAA, public "
        f"domain).\nThe last week, {first:%d} to {last:%d %B %Y}, was held out.\n"
    )
    print(_errors(history, holdout, forecasts).to_string(float_format="{:.3f}".format))
    print("\nMASE: 1 is the error of repeating last week's value, in the years before. sMAPE in percent.")
    if forecast[MODEL_COLUMN].equals(zero_shot[MODEL_COLUMN]):
        print("Tuning found no gain on its own validation set, so the base model was kept.")
    print(f"\nmodel id: {tuned.timegpt.model_id}\ndf.attrs['timegpt']:")
    for name, value in tuned.timegpt.record.items():
        print(f"  {name:<20} {value}")
    print(f"\nThe picture is in {picture.resolve()}.")


def _errors(history: pd.DataFrame, holdout: pd.DataFrame, forecasts: dict[str, pd.Series[Any]]) -> pd.DataFrame:
    """Return the mean errors over the series, one row for each method."""
    packed = TimeGPTAccessor(history).pack()
    scales = Scales(mase_scale(packed, SEASON_LENGTH), rmsse_scale(packed, SEASON_LENGTH))
    actual = np.asarray(holdout["y"], np.float64).reshape(-1, SEASON_LENGTH)
    made = {
        name: WindowForecasts(np.asarray(values, np.float64).reshape(actual.shape))
        for name, values in forecasts.items()
    }
    return score_frame(packed, actual, made, scales)[["MASE", "sMAPE"]].rename_axis(None)


def _draw(panel: pd.DataFrame, forecast: pd.DataFrame, picture: Path) -> None:
    """Draw the last weeks of every series."""
    check_matplotlib_is_installed()
    from matplotlib.figure import Figure

    from nixtla_accessor.plotting.drawing import draw_connection, draw_forecast, draw_until_forecast
    from nixtla_accessor.plotting.layout import set_title, tidy_frame
    from nixtla_accessor.plotting.ticks import format_times

    figure = Figure(figsize=(14, 6), layout="constrained")
    names = panel["unique_id"].unique()
    for axes, name in zip(figure.subplots(2, 4, sharex=True).flat, names, strict=True):
        actual, ahead = (frame[frame["unique_id"] == name].set_index("ds") for frame in (panel, forecast))
        draw_until_forecast(axes, actual["y"], ahead.index[0], SHOWN_DAYS)
        draw_forecast(axes, ahead)
        draw_connection(axes, actual["y"], ahead)
        tidy_frame(axes)
        set_title(axes, name)
        format_times(axes, actual.index.to_numpy())
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle("The weather of New York and Seattle, daily: the last week held out", x=0.01, ha="left")
    figure.savefig(picture, dpi=150)
