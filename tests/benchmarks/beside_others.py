"""The local engine beside other libraries: error, coverage and time on the same panels, in one table.

statsforecast needs pandas below 3, so run this in an environment of its own::

    python -m venv beside
    beside/bin/pip install "pandas<3" statsforecast mlforecast lightgbm -e ".[local]"
    OPENBLAS_NUM_THREADS=1 beside/bin/python tests/benchmarks/beside_others.py

It measures the panels of ``development.py``, and those of any Parquet file in the format of ``accuracy.py``::

    … beside_others.py --panels m1.parquet --freq yearly=YE --freq quarterly=QE --freq monthly=ME

MASE is the mean over a panel's series, scaled by the in-sample error of the seasonal naive forecast; 80% and 95% are
the coverage of the intervals on the test values, for models that have intervals (LightGBM with mlforecast has none for
series as short as these: its conformal ones need many windows of each). Time is that of one processor core, for
training and forecasting together, after each library has been warmed up on a small panel. For a set that is cut at
several points, these are the means over the cuts.

``--scores FILE`` saves the scores in a CSV file, and reads the scores of all other models from there; so
``--scores scores.csv --models zero-shot`` measures new weights beside models that were measured before.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy import Panel, scores
from development import daily, development_panels
from lightgbm import LGBMRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.target_transforms import Differences, LocalStandardScaler
from numpy.typing import NDArray
from statsforecast import StatsForecast
from statsforecast.models import AutoETS, DynamicOptimizedTheta, SeasonalNaive

from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.network.weights import Weights, load_weights, pretrained_weights

Quantiles = NDArray[np.floating]
Model = Callable[[Panel, int], Quantiles]
LIBRARY_LEVELS = {0.025: "-lo-95", 0.1: "-lo-80", 0.5: "", 0.9: "-hi-80", 0.975: "-hi-95"}
SHOWN = {"MASE": "{:.3f}", "80%": "{:.1%}", "95%": "{:.1%}", "seconds": "{:.2f}"}


def ours(weights: Weights, steps: int = 0, depth: int = 1) -> Model:
    """Return the engine's network, tuned on the panel if steps are above 0."""

    def forecast_panel(panel: Panel, horizon: int) -> Quantiles:
        tuned = weights
        if steps:
            tuning = {"steps": steps, "depth": depth, "loss": "default", "seed": 0}
            tuned = tune(weights, panel.train, panel.season, **tuning).weights
        return forecast(tuned, panel.train, panel.season, horizon)

    return forecast_panel


def of_statsforecast(kind: type) -> Model:
    """Return a model that is fitted to each series on its own."""

    def forecast_panel(panel: Panel, horizon: int) -> Quantiles:
        model = kind(season_length=panel.season.length, alias="model")
        engine = StatsForecast([model], freq=1, n_jobs=1, fallback_model=SeasonalNaive(panel.season.length))
        return _quantiles(engine.forecast(df=_long(panel), h=horizon, level=[80, 95]), len(panel.train))

    return forecast_panel


def lightgbm(panel: Panel, horizon: int) -> Quantiles:
    """Forecast with boosted trees over the panel, on seasonal differences, scaled; recursive."""
    season = panel.season.length
    lags = sorted({*range(1, 4), *range(1, min(season, 12) + 1), season, 2 * season})
    if max(map(len, panel.train)) <= lags[-1] + season:  # nothing is left to train on
        return np.full((len(panel.train), horizon, NETWORK.n_levels), np.nan)
    engine = MLForecast(
        {"model": LGBMRegressor(objective="mae", verbosity=-1, n_jobs=1, random_state=0)},
        freq=1,
        lags=lags,
        lag_transforms={1: [RollingMean(max(season, 3), min_samples=1)]},
        target_transforms=[Differences([season]), LocalStandardScaler()],
    )
    engine.fit(_long(panel), static_features=[])
    return _quantiles(engine.predict(horizon), len(panel.train))


def _long(panel: Panel) -> pd.DataFrame:
    """Return a panel as a long frame, with integer time."""
    sizes = [len(values) for values in panel.train]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(sizes)), sizes),
            "ds": np.concatenate([np.arange(size) for size in sizes]),
            "y": np.concatenate(panel.train),
        }
    )


def _quantiles(forecasts: pd.DataFrame, n_series: int) -> Quantiles:
    """Read quantiles from the libraries' columns; NaN for those that they do not have."""
    forecasts = forecasts.sort_values(["unique_id", "ds"])
    columns = [f"model{LIBRARY_LEVELS[level]}" if level in LIBRARY_LEVELS else "" for level in NETWORK.quantile_levels]
    return forecasts.reindex(columns=columns).to_numpy(float).reshape(n_series, -1, NETWORK.n_levels)


def models(weights: Weights) -> dict[str, Model]:
    """Return all models by name, in the order of the table."""
    return {
        "seasonal naive": of_statsforecast(SeasonalNaive),
        "AutoETS": of_statsforecast(AutoETS),
        "Theta": of_statsforecast(DynamicOptimizedTheta),
        "LightGBM": lightgbm,
        "zero-shot": ours(weights),
        "10 steps, depth 1": ours(weights, 10, 1),
        "50 steps, depth 5": ours(weights, 50, 5),
    }


def measure(model: Model, panel: Panel) -> dict[str, float]:
    """Score a model on a panel."""
    began = time.process_time()
    quantiles = model(panel, max(len(values) for values in panel.test))
    seconds = time.process_time() - began
    mase, inside_80, inside_95 = scores(panel, quantiles)
    if np.isnan(quantiles[..., NETWORK.quantile_levels.index(0.1)]).all():
        inside_80 = inside_95 = np.nan
    return {"MASE": mase, "80%": inside_80, "95%": inside_95, "seconds": seconds}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=Path, help="a Parquet file of panels")
    parser.add_argument("--freq", action="append", default=[], metavar="GROUP=FREQ", help="of each group of the file")
    parser.add_argument("--weights", type=Path, help="a safetensors file; the default is those of the package")
    parser.add_argument("--models", nargs="+", help="names as in the table; the default is all")
    parser.add_argument("--scores", type=Path, help="a CSV file of scores")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="statsforecast|mlforecast|lightgbm|sklearn")
    known = models(load_weights(arguments.weights) if arguments.weights else pretrained_weights())
    chosen = arguments.models or list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"expected names among {list(known)}, found {sorted(unknown)}")
    table = pd.DataFrame(columns=[*SHOWN], index=pd.MultiIndex.from_arrays([[], []], names=["panel", "model"]))
    if arguments.scores and arguments.scores.exists():
        table = pd.read_csv(arguments.scores, index_col=["panel", "model"])
    for name in chosen:
        known[name](daily("warm-up", 5, 100, 7), 7)
    frequencies = dict(each.split("=") for each in arguments.freq)
    names = []
    for set_name, cuts in groupby(development_panels(arguments.panels, frequencies), lambda panel: panel.name):
        names.append(set_name)
        panels = list(cuts)
        for name in chosen:
            measured = pd.DataFrame([measure(known[name], panel) for panel in panels])
            table.loc[(set_name, name), :] = measured.mean()
            if arguments.scores:
                table.to_csv(arguments.scores)
    table = table.loc[[row for row in pd.MultiIndex.from_product([names, known]) if row in table.index]]
    formats = {column: lambda value, shown=shown: shown.format(value) for column, shown in SHOWN.items()}
    print(table.astype(float).to_string(formatters=formats, na_rep="–"))


if __name__ == "__main__":
    main()
