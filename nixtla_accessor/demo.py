"""The demo: a real panel, fine-tuned and forecast by the local engine, and the errors as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from tqdm import tqdm

from nixtla_accessor.accessor import BASE_MODEL, TimeGPTAccessor
from nixtla_accessor.api.client import connect
from nixtla_accessor.datasets import load_unemployment
from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.panel.intervals import MODEL_COLUMN
from nixtla_accessor.panel.scores import Values, error_units, score, score_frame

SEASON_LENGTH = 12  # months
STEPS = 50
DEPTH = 3
LEVELS = [80, 95]
MODEL_ID = "demo"
PICTURE = "forecast.png"
SHOWN_YEARS = 5


class _Stages:
    """A progress bar that says what the demo is at."""

    names = ("starting the engine", "fine-tuning", "forecasting", "measuring", "drawing", "done")

    def __enter__(self) -> Self:
        self._bar = tqdm(total=len(self.names) - 1, bar_format="{percentage:3.0f}% |{bar:24}| {desc}")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def enter(self, name: str) -> None:
        """Say which stage begins."""
        self._bar.set_description_str(name, refresh=False)
        self._bar.n = self.names.index(name)
        self._bar.refresh()


def run_demo(folder: Path) -> None:
    """Fine-tune, forecast the last season held out, print how good it was, and draw it.

    Parameters
    ----------
    folder : Path
        Where ``forecast.png`` goes.

    Raises
    ------
    ConfigurationError
        If the extras ``local`` or ``plot`` are not installed.
    """
    panel = load_unemployment()
    cutoff = panel["ds"].drop_duplicates().nlargest(SEASON_LENGTH + 1).iloc[-1]
    history, holdout = panel[panel["ds"] <= cutoff], panel[panel["ds"] > cutoff]
    with _Stages() as stages:
        stages.enter("starting the engine")
        with connect(base_url="local", progress=False):
            stages.enter("fine-tuning")
            tuned = TimeGPTAccessor(history).finetune(
                finetune_steps=STEPS, finetune_depth=DEPTH, output_model_id=MODEL_ID, overwrite=True
            )
            stages.enter("forecasting")
            zero_shot = TimeGPTAccessor(history).forecast(SEASON_LENGTH, model=BASE_MODEL)
            forecast = TimeGPTAccessor(tuned).forecast(SEASON_LENGTH, level=LEVELS)
            stages.enter("measuring")
        forecasts = {
            "seasonal naive": history.groupby("unique_id")["y"].tail(SEASON_LENGTH).to_numpy(np.float64),
            "zero-shot": zero_shot[MODEL_COLUMN].to_numpy(),
            "fine-tuned": forecast[MODEL_COLUMN].to_numpy(),
        }
        errors = _errors(history, holdout, forecasts)
        stages.enter("drawing")
        picture = folder / PICTURE
        _draw(history, holdout, forecast, picture)
        stages.enter("done")
    print(
        f"\nUnemployed persons in the United States by industry, monthly ({panel['unique_id'].nunique()} series; U.S. "
        f"Bureau of Labor Statistics, public domain).\nThe last {SEASON_LENGTH} months, "
        f"{holdout['ds'].min():%B %Y} to {holdout['ds'].max():%B %Y}, were held out.\n"
    )
    print(errors.to_string(float_format="{:.3f}".format))
    print("\nMASE: 1 is the error of repeating last year's value in the years before; sMAPE in percent.")
    print(f"\nmodel id: {tuned.timegpt.model_id}\ndf.attrs['timegpt']:")
    for name, value in tuned.timegpt.record.items():
        print(f"  {name:<20} {value}")
    print(f"\nThe picture is in {picture}.")


def _errors(history: pd.DataFrame, holdout: pd.DataFrame, forecasts: dict[str, Values]) -> pd.DataFrame:
    """Return the mean errors over the series, a row for each way to forecast."""
    packed = TimeGPTAccessor(history).pack()
    actual = holdout["y"].to_numpy(np.float64).reshape(-1, SEASON_LENGTH)
    units = error_units(packed, SEASON_LENGTH)
    scores = {name: score(actual, values.reshape(actual.shape), units, {}) for name, values in forecasts.items()}
    return score_frame(packed, scores, by_series=False)[["MASE", "sMAPE"]].rename_axis(None)


def _draw(history: pd.DataFrame, holdout: pd.DataFrame, forecast: pd.DataFrame, picture: Path) -> None:
    """Draw the largest series, six of them."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = 'The picture needs matplotlib, which is not installed: pip install "nixtla-accessor[plot]"'
        raise ConfigurationError(message) from error
    from nixtla_accessor.plotting import draw_forecast, draw_history, draw_holdout, style

    shown = history.groupby("unique_id")["y"].mean().nlargest(6).index
    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, name in zip(figure.subplots(2, 3, sharex=True).flat, shown, strict=True):
        past, happened, ahead = (
            frame[frame["unique_id"] == name].set_index("ds") for frame in (history, holdout, forecast)
        )
        draw_history(axes, past["y"].iloc[-SHOWN_YEARS * SEASON_LENGTH :])
        draw_holdout(axes, happened["y"])
        draw_forecast(axes, ahead)
        axes.axvline(past.index[-1], color="#9aa5b1", linewidth=0.8, linestyle=":")
        style(axes, name)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    title = "Unemployed in the United States by industry, thousands: the last 12 months held out"
    figure.suptitle(title, x=0.01, ha="left")
    figure.savefig(picture, dpi=150)
