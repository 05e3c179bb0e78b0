"""The local engine with and without covariates, and beside other libraries with the same columns.

statsforecast needs pandas below 3, so run this in an environment of its own::

    python -m venv beside
    beside/bin/pip install "pandas<3" statsforecast mlforecast lightgbm statsmodels vega_datasets -e ".[local]"
    OPENBLAS_NUM_THREADS=1 beside/bin/python tests/benchmarks/covariates.py

It measures the panels of ``covariate_panels.py`` from several origins. MASE is the mean over series and origins, scaled
by the in-sample error of the seasonal naive forecast; 80% is the coverage of the intervals; seconds are those of one
processor core for one origin. The row "noise" is the error of a forecast that knows all but what nobody could forecast.

AutoARIMA takes hours for long seasons: it gets the last 500 points without a season there, and one origin in five.
``--only WORD`` measures the panels whose name begins so.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from covariate_panels import CovariatePanel, Floats, panels
from lightgbm import LGBMRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.target_transforms import Differences, LocalStandardScaler
from statsforecast import StatsForecast
from statsforecast.models import AutoARIMA

from nixtla_accessor.local.covariates.forecasting import ExplainedPanel
from nixtla_accessor.local.forecaster import Covariate
from nixtla_accessor.local.network.forecaster import NetworkForecaster
from nixtla_accessor.seasons import season_of

QUANTILES = [0.5, 0.1, 0.9]
LONG_SEASON = 12
Model = Callable[[CovariatePanel, slice, slice], Floats]


def engine(panel: CovariatePanel, past: slice, ahead: slice, *, with_covariates: bool = True) -> Floats:
    """Forecast with the local engine; (quantiles, series, horizon)."""
    forecaster, season = NetworkForecaster(), season_of(panel.freq)
    series = list(panel.y[:, past])

    def forecast(values: list[Floats], quantiles: list[float]) -> Floats:
        return forecaster.forecast(None, values, season, panel.horizon, quantiles, progress=lambda _: None)

    if not with_covariates:
        return forecast(series, QUANTILES)
    covariates = [
        Covariate(
            list(panel.x[:, number, past]),
            panel.x[:, number, ahead],
            tuple(map(str, range(100))) if number in panel.categorical else None,
        )
        for number in range(panel.x.shape[1])
    ]
    rows, ends = np.arange(len(series)), np.full(len(series), panel.history)
    explained = ExplainedPanel(series, covariates, season, ends, lambda _: None)
    return explained.forecast(forecast, rows, ends, panel.horizon, QUANTILES, clean_first=True).quantiles


def without(panel: CovariatePanel, past: slice, ahead: slice) -> Floats:
    """Forecast with the local engine from the series alone."""
    return engine(panel, past, ahead, with_covariates=False)


def lightgbm(panel: CovariatePanel, past: slice, ahead: slice) -> Floats:
    """Forecast with boosted trees over the panel, on seasonal differences, scaled; recursive."""
    season = season_of(panel.freq).length
    model = MLForecast(
        {"model": LGBMRegressor(objective="mae", verbosity=-1, n_jobs=1, random_state=0)},
        freq=1,
        lags=sorted({*range(1, min(season, 12) + 1), season, 2 * season}),
        lag_transforms={1: [RollingMean(max(season, 3), min_samples=1)]},
        target_transforms=[Differences([season]), LocalStandardScaler()],
    )
    model.fit(_long(panel, past), static_features=[])
    forecast = model.predict(panel.horizon, X_df=_long(panel, ahead).drop(columns="y"))
    median = forecast.sort_values(["unique_id", "ds"])["model"].to_numpy().reshape(len(panel.y), -1)
    return np.stack([median, np.full_like(median, np.nan), np.full_like(median, np.nan)])


def arima(panel: CovariatePanel, past: slice, ahead: slice) -> Floats:
    """Forecast each series with a regression on the columns whose errors are an ARIMA process."""
    season = season_of(panel.freq).length
    if season > LONG_SEASON:
        past, season = slice(past.stop - 500, past.stop), 1
    model = StatsForecast([AutoARIMA(season_length=season, approximation=True, alias="model")], freq=1, n_jobs=1)
    future = _long(panel, ahead).drop(columns="y")
    forecast = model.forecast(df=_long(panel, past), X_df=future, h=panel.horizon, level=[80])
    forecast = forecast.sort_values(["unique_id", "ds"])
    return np.stack(
        [forecast[name].to_numpy().reshape(len(panel.y), -1) for name in ("model", "model-lo-80", "model-hi-80")]
    )


def _long(panel: CovariatePanel, steps: slice) -> pd.DataFrame:
    """Return some steps as a long frame, with integer time; categories as columns of zeros and ones."""
    n_series, size = len(panel.y), steps.stop - steps.start
    frame = {
        "unique_id": np.repeat(np.arange(n_series), size),
        "ds": np.tile(np.arange(steps.start, steps.stop), n_series),
        "y": panel.y[:, steps].ravel(),
    }
    for number in range(panel.x.shape[1]):
        values = panel.x[:, number, steps].ravel()
        if number in panel.categorical:
            for category in np.unique(panel.x[:, number])[1:]:
                frame[f"x{number}-{category:g}"] = (values == category).astype(float)
        else:
            frame[f"x{number}"] = values
    return pd.DataFrame(frame)


def expected(panel: CovariatePanel, past: slice, ahead: slice) -> Floats:
    """Return the values without the errors that nobody could forecast."""
    known = np.zeros_like(panel.y) if panel.expected is None else panel.expected
    return np.stack([known[:, ahead], np.full_like(known[:, ahead], np.nan), np.full_like(known[:, ahead], np.nan)])


MODELS: dict[str, Model] = {"without": without, "with": engine, "LightGBM": lightgbm, "AutoARIMA": arima}


def measure(model: Model, panel: CovariatePanel, every: int = 1) -> dict[str, float]:
    """Score a model on the origins of a panel."""
    errors, inside, seconds = [], [], []
    season = season_of(panel.freq).length
    for past, ahead in list(panel.origins())[::every]:
        began = time.process_time()
        median, lowest, highest = model(panel, past, ahead)
        seconds.append(time.process_time() - began)
        history, actual = panel.y[:, past], panel.y[:, ahead]
        scale = np.abs(history[:, season:] - history[:, :-season]).mean(1, keepdims=True)
        errors.append(np.abs(median - actual) / scale)
        inside.append((lowest <= actual) & (actual <= highest))
    has_intervals = np.isfinite(lowest).all()
    return {
        "MASE": float(np.mean(errors)),
        "80%": float(np.mean(inside)) if has_intervals else np.nan,
        "seconds": float(np.mean(seconds)),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="the beginning of a panel's name")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="names as in the table; the default is all")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    for panel in (each for each in panels() if each.name.startswith(arguments.only)):
        for name in arguments.models:
            every = 5 if name == "AutoARIMA" and panel.n_origins > 5 else 1
            _print(panel.name, name, measure(MODELS[name], panel, every))
        _print(panel.name, "with useless columns", measure(engine, panel.with_useless_columns()))
        if panel.expected is not None:
            _print(panel.name, "noise", measure(expected, panel))


def _print(panel: str, model: str, scores: dict[str, float]) -> None:
    print(f"{panel:24} {model:22} " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()), flush=True)


if __name__ == "__main__":
    main()
