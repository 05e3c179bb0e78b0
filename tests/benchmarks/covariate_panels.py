"""Panels with covariates that the local engine is developed on: electricity, sales, weather, national accounts.

Prices, demand and sales are generated: their covariates act in the ways that are known of such series (merit order,
heating and cooling, elasticity), with errors as large as those of real ones. Weather and national accounts are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CovariatePanel:
    """Series of equal length, their covariates, and where to forecast from.

    Attributes
    ----------
    name, freq : str
    y : ndarray, shape (series, points)
    x : ndarray, shape (series, covariates, points)
    categorical : tuple of int
        Numbers of the covariates whose values are categories.
    horizon, history, n_origins : int
        Steps ahead, points of history, and how many origins are spread over what is left.
    expected : ndarray, shape (series, points), or None
        The values without the errors that nobody could forecast, where they are known.
    """

    name: str
    freq: str
    y: Floats
    x: Floats
    horizon: int
    history: int
    n_origins: int
    categorical: tuple[int, ...] = ()
    expected: Floats | None = None

    def origins(self) -> Iterator[tuple[slice, slice]]:
        """Yield the steps of the history and of the forecast, for each origin."""
        for end in np.linspace(self.history, self.y.shape[1] - self.horizon, self.n_origins).astype(int):
            yield slice(end - self.history, end), slice(end, end + self.horizon)

    def with_useless_columns(self, count: int = 3) -> CovariatePanel:
        """Return the panel with random columns in place of its covariates: persistent ones and independent ones."""
        rng = np.random.default_rng(7)
        shape = (len(self.y), count, self.y.shape[1])
        x = np.where((np.arange(count) % 2 == 0)[:, None], persistent(rng, shape, 0.95), rng.normal(size=shape))
        return replace(self, name=f"{self.name}, useless", x=x, categorical=())


def panels() -> list[CovariatePanel]:
    """Return all panels."""
    return [
        prices(),
        demand(),
        sales(),
        sales(text=True),
        sales(60, 140, history=100, n_origins=3),
        weather(),
        accounts(),
    ]


def persistent(rng: np.random.Generator, shape: tuple[int, ...], persistence: float) -> Floats:
    """Make autoregressive errors of variance 1 along the last axis."""
    errors = rng.normal(size=shape) * np.sqrt(1 - persistence**2)
    for step in range(1, shape[-1]):
        errors[..., step] += persistence * errors[..., step - 1]
    return errors


def prices(n_series: int = 5, points: int = 3200) -> CovariatePanel:
    """Make hourly prices by merit order over load less wind and sun, of which forecasts are published."""
    rng = np.random.default_rng(0)
    step = np.arange(points)
    hour, shape = step % 24, (n_series, points)
    profile = 0.9 + 0.16 * np.sin(2 * np.pi * (hour - 8) / 24) + 0.06 * np.sin(4 * np.pi * (hour - 6) / 24)
    load = profile * np.where(step // 24 % 7 >= 5, 0.88, 1.0) * (1 + 0.05 * persistent(rng, shape, 0.98))
    wind = np.clip(0.17 * np.exp(0.7 * persistent(rng, shape, 0.985)), 0, 0.8)
    sky = np.clip(0.7 + 0.3 * persistent(rng, shape, 0.97), 0.05, 1)
    sun = 0.25 * np.clip(np.sin(np.pi * (hour - 6) / 12), 0, None) * sky
    net = load - wind - sun
    fuel = 1 + 0.008 * rng.normal(size=shape).cumsum(1) + 0.08 * persistent(rng, shape, 0.95)
    scarce, plentiful = np.log1p(np.exp(9 * (net - 0.95))), np.log1p(np.exp(-8 * (net - 0.35)))
    price = 38 * fuel * (0.55 + 0.9 * (net - 0.5) + 0.25 * scarce - 0.35 * plentiful)
    price += 2.2 * persistent(rng, shape, 0.9) * (1 + 3 * np.clip(net - 0.6, 0, None)) + 1.2 * rng.normal(size=shape)
    published_load = 50_000 * load * (1 + 0.015 * persistent(rng, shape, 0.9))
    published_generation = 50_000 * (wind + sun) * (1 + 0.08 * persistent(rng, shape, 0.95))
    return CovariatePanel(
        "prices, hourly", "h", price, np.stack([published_load, published_generation], 1), 24, 2000, 20
    )


def demand(n_series: int = 4, points: int = 5500) -> CovariatePanel:
    """Make half-hourly demand: heating and cooling that lag behind the temperature, and holidays like Sundays."""
    rng = np.random.default_rng(1)
    step = np.arange(points)
    half_hour, day, shape = step % 48, step // 48, (n_series, points)
    holidays = rng.random((n_series, day.max() + 1)) < 1 / 16
    holiday = holidays[:, day].astype(float)
    year = 2 * np.pi * step / 48 / 365 + rng.uniform(0, 6, (n_series, 1))
    temperature = 16 + 9 * np.sin(year) + 5 * np.sin(2 * np.pi * (half_hour - 18) / 48)
    temperature = temperature + 4 * persistent(rng, shape, 0.997) + 0.5 * persistent(rng, shape, 0.9)
    felt = temperature.copy()
    for each in range(1, points):
        felt[:, each] = felt[:, each - 1] + (1 - 0.5 ** (1 / 12)) * (temperature[:, each] - felt[:, each - 1])
    heating = 0.011 * np.clip(17 - felt, 0, None) + 0.018 * np.clip(felt - 21, 0, None)
    profile = 0.75 + 0.2 * np.sin(2 * np.pi * (half_hour - 16) / 48) + 0.12 * np.sin(4 * np.pi * (half_hour - 12) / 48)
    off = np.maximum(holiday, day % 7 >= 5) * (half_hour > 12)
    use = profile * (1 - 0.18 * off) + heating * (0.6 + 0.5 * profile)
    use += 0.012 * persistent(rng, shape, 0.97) + 0.006 * rng.normal(size=shape)
    return CovariatePanel("demand, half-hourly", "30min", 8000 * use, np.stack([temperature, holiday], 1), 48, 2400, 20)


def sales(
    n_series: int = 100, points: int = 500, *, text: bool = False, history: int = 400, n_origins: int = 4
) -> CovariatePanel:
    """Make daily counts of sales with two kinds of promotion and a price; promotions as numbers or as text."""
    rng = np.random.default_rng(2)
    shape = (n_series, points)
    kind = np.zeros(shape, int)
    for series in range(n_series):
        day = int(rng.integers(8, 40))
        while day < points:
            length = int(rng.integers(3, 10))
            kind[series, day : day + length] = rng.integers(1, 3)
            day += length + int(rng.integers(8, 40))
    price = np.exp(rng.normal(1.5, 0.7, (n_series, 1)))
    price = price * np.exp(0.12 * np.repeat(rng.normal(size=(n_series, points // 60 + 1)), 60, 1)[:, :points])
    price = price * np.where(kind > 0, 1 - 0.1 * rng.uniform(0.5, 1.5, shape), 1)
    lift = np.column_stack(
        [
            np.zeros(n_series),
            np.log(1.35) + 0.1 * rng.normal(size=n_series),
            np.log(1.9) + 0.15 * rng.normal(size=n_series),
        ]
    )
    elasticity = -1.6 + 0.4 * rng.normal(size=(n_series, 1))
    pattern = np.exp(0.25 * rng.normal(size=(n_series, 7)))[:, np.arange(points) % 7]
    level = np.exp(rng.normal(3.3, 0.9, (n_series, 1)) + 0.013 * rng.normal(size=shape).cumsum(1))
    logarithm = np.take_along_axis(lift, kind, 1) + elasticity * (np.log(price) - np.log(price).mean(1, keepdims=True))
    mean = level * pattern * np.exp(logarithm)
    y = rng.poisson(mean * np.exp(0.15 * rng.normal(size=shape) - 0.011)).astype(float)
    dummies = [kind] if text else [kind == 1, kind == 2]
    name = f"sales, {'text' if text else 'short' if points < 200 else 'daily'}"
    x = np.stack([*dummies, price], 1).astype(float)
    return CovariatePanel(name, "D", y, x, 14, history, n_origins, (0,) if text else (), mean)


def weather() -> CovariatePanel:
    """Read daily highest temperatures in Seattle, with rain, wind, and the kind of weather as text."""
    from vega_datasets import data

    frame = data.seattle_weather()
    kinds = frame["weather"].astype("category").cat.codes
    x = np.stack([frame["precipitation"], frame["wind"], frame["temp_min"], kinds])[None].astype(float)
    return CovariatePanel("weather, daily", "D", frame["temp_max"].to_numpy(float)[None], x, 14, 700, 20, (3,))


def accounts() -> CovariatePanel:
    """Read quarterly consumption in the United States, with income and investment."""
    from statsmodels.datasets import macrodata

    frame = macrodata.load_pandas().data
    x = np.stack([frame["realdpi"], frame["realinv"]])[None]
    return CovariatePanel("consumption, quarterly", "QE", frame["realcons"].to_numpy(float)[None], x, 4, 100, 20)
