"""Pictures look as the stored ones do, in `tests/pictures`.

``STORE=1 python -m pytest tests/test_pictures.py`` stores them anew; look at each before it is committed.
"""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.testing.compare import compare_images

import nixtla_accessor  # noqa: F401 - registers the accessor

mpl.use("Agg")
STORED = Path(__file__).parent / "pictures"
DPI = 50
TOLERANCE = 6.0  # root mean square of the difference of colours, of 255: fonts differ a little between versions
LONG_ID = "California, San Francisco, store 17, groceries and household goods"


@pytest.fixture(autouse=True)
def default_style():
    with plt.style.context("default"):
        yield
    plt.close("all")


def history(n_series, length, freq, scale=1.0):
    rng = np.random.default_rng(length)
    stamps = pd.date_range("2020-01-01", periods=length, freq=freq)
    wave = 10 + np.sin(np.arange(length) / 3)
    parts = []
    for i in range(1, n_series + 1):
        values = scale * i * (wave + rng.normal(0, 0.3, length))
        parts.append(pd.DataFrame({"unique_id": f"store {i}", "ds": stamps, "sales": values}))
    return pd.concat(parts, ignore_index=True)


def ahead(frame, h, freq, shift=1.0):
    parts = []
    for name, part in frame.groupby("unique_id", sort=False):
        middle = part["sales"].mean() * shift * np.linspace(1, 1.1, h)
        width = part["sales"].std() * np.sqrt(np.arange(1, h + 1))
        stamps = pd.date_range(part["ds"].iloc[-1], periods=h + 1, freq=freq)[1:]
        columns = {"TimeGPT": middle, "TimeGPT-lo-80": middle - width, "TimeGPT-hi-80": middle + width}
        parts.append(pd.DataFrame({"unique_id": name, "ds": stamps, **columns}))
    return pd.concat(parts, ignore_index=True)


def windows(frame, h, n_windows):
    """Return the last windows of each series, forecast by its mean."""
    parts = []
    for _, part in frame.groupby("unique_id", sort=False):
        held_out = part.tail(h * n_windows)
        cutoffs = part["ds"].to_numpy()[-h * n_windows - 1 : -1 : h].repeat(h)
        middle, width = part["sales"].mean(), part["sales"].std()
        columns = {"TimeGPT": middle, "TimeGPT-lo-80": middle - width, "TimeGPT-hi-80": middle + width}
        parts.append(held_out.assign(cutoff=cutoffs, **columns))
    return pd.concat(parts, ignore_index=True)


def anomalies(frame):
    parts = windows(frame, 1, 100).drop(columns="cutoff")
    return parts.assign(anomaly=parts["sales"] > parts["TimeGPT-hi-80"] * 1.01)


def one():
    frame = history(1, 60, "MS", 1e9)
    return frame.timegpt.plot(ahead(frame, 12, "MS"), target_col="sales")


def six():
    frame = history(9, 60, "MS")
    return frame.timegpt.plot(ahead(frame, 12, "MS"), target_col="sales")


def twenty():
    frame = history(20, 48, "D", 1e3)
    return frame.timegpt.plot(ahead(frame, 14, "D"), target_col="sales", max_series=20)


def long_ids():
    frame = history(3, 30, "h").replace({"unique_id": {f"store {i}": f"{LONG_ID} {i}" for i in range(4)}})
    return frame.timegpt.plot(target_col="sales")


def two_forecasts():
    frame = history(2, 60, "D")
    forecasts = {"zero-shot": ahead(frame, 14, "D"), "tuned": ahead(frame, 14, "D", 1.1)}
    return frame.timegpt.plot(forecasts, target_col="sales")


def quantiles():
    frame = history(1, 60, "h")
    names = {"TimeGPT-lo-80": "TimeGPT-q-10", "TimeGPT-hi-80": "TimeGPT-q-90"}
    forecast = ahead(frame, 24, "h").rename(columns=names).assign(**{"TimeGPT-q-75": lambda df: df["TimeGPT"] + 0.5})
    return frame.timegpt.plot(forecast, target_col="sales")


def cross_validation():
    return windows(history(2, 80, "D"), 10, 3).timegpt.plot(target_col="sales")


def found_anomalies():
    return anomalies(history(2, 120, "D")).timegpt.plot(target_col="sales")


def from_a_start():
    frame = history(1, 400, "D")
    return frame.timegpt.plot(ahead(frame, 14, "D"), target_col="sales", start="2020-10-01")


def dark():
    with plt.style.context("dark_background"):
        frame = history(2, 40, "QE")
        return frame.timegpt.plot(ahead(frame, 4, "QE"), target_col="sales")


def integers():
    frame = history(1, 40, "D").assign(ds=np.arange(40))
    return frame.timegpt.plot(target_col="sales")


def comparison():
    frame = history(5, 80, "D")
    better = windows(frame, 7, 3)
    worse = better.assign(TimeGPT=better["TimeGPT"] * 1.03)
    return frame.timegpt.plot_comparison({"tuned": better, "zero-shot": worse}, target_col="sales")


def residuals():
    return windows(history(5, 120, "D"), 10, 8).timegpt.plot_residuals(target_col="sales")


PICTURES = [
    *(one, six, twenty, long_ids, two_forecasts, quantiles, cross_validation, found_anomalies, from_a_start),
    *(dark, integers, comparison, residuals),
]


@pytest.mark.parametrize("draw", PICTURES, ids=lambda draw: draw.__name__)
def test_a_picture_looks_as_the_stored_one(draw, tmp_path):
    figure = np.atleast_1d(draw())[0].figure
    stored = STORED / f"{draw.__name__}.png"
    path = stored if os.environ.get("STORE") else tmp_path / stored.name
    figure.savefig(path, dpi=DPI)
    assert compare_images(str(stored), str(path), TOLERANCE) is None


def test_every_stored_picture_is_compared():
    assert {path.stem for path in STORED.glob("*.png")} == {draw.__name__ for draw in PICTURES}


def test_a_difference_is_found(tmp_path):
    path = tmp_path / "one.png"
    one().set_ylim(0, None)
    plt.gcf().savefig(path, dpi=DPI)
    assert compare_images(str(STORED / "one.png"), str(path), TOLERANCE) is not None


def test_vector_files_stay_small(tmp_path):
    frame = history(1, 5_000, "h")
    parts = windows(frame, 1, 4_000).drop(columns="cutoff")
    axes = parts.assign(anomaly=False).timegpt.plot(target_col="sales")
    axes.figure.savefig(tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").stat().st_size < 400_000
