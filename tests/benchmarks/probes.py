"""Where the network was found to break: one row for each probe, what it measures, and what would be ideal.

    python tests/benchmarks/probes.py --weights new.safetensors

All series are generated here, from fixed seeds; none is of a generator of pretraining. A row whose ideal is empty has
no figure to reach, only one to compare with that of other weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.forecasting import forecast
from nixtla_accessor.local.network.quantiles import interpolate_quantile
from nixtla_accessor.local.network.tuning import tune
from nixtla_accessor.local.network.weights import Weights, load_weights, pretrained_weights
from nixtla_accessor.seasons import Season, season_of

Values = NDArray[np.float64]
Row = tuple[str, str, float, str]
LOWER_80, UPPER_80 = NETWORK.quantile_levels.index(0.1), NETWORK.quantile_levels.index(0.9)
NOT_IMPLIED = (("D", 30), ("D", 10), ("h", 36), ("ME", 5), ("YE", 11), ("B", 21), ("15min", 40), ("integers", 13))
HOUR, DAY = season_of("h"), season_of("D")


def median(quantiles: NDArray[np.floating]) -> Values:
    """Return the median of each series and step."""
    result: Values = quantiles[..., NETWORK.median].astype(np.float64)
    return result


def far_ahead(weights: Weights) -> Iterator[Row]:
    """Probe leads to 720: error over seasonal naive, and the width on noise, whose ideal is the same at each lead."""
    rng = np.random.default_rng(10)
    noise = list(rng.normal(size=(40, 1056)))
    quantiles = forecast(weights, noise, HOUR, 720)
    width = (quantiles[..., UPPER_80] - quantiles[..., LOWER_80]).mean(0)
    for lead in (1, 24, 168, 720):
        yield "far ahead", f"80% width on hourly noise, step {lead}", width[lead - 1], "2.56"
    hours = np.arange(2400)
    profile = rng.normal(size=(40, 24))[:, hours % 24] + 0.7 * rng.normal(size=(40, 7))[:, hours // 24 % 7]
    error = np.zeros((40, len(hours)))
    for hour in range(1, len(hours)):
        error[:, hour] = 0.9 * error[:, hour - 1] + 0.3 * rng.normal(size=40)
    values = 50 + 3 * profile + error
    train, test = values[:, :-720], values[:, -720:]
    errors = np.abs(median(forecast(weights, list(train), HOUR, 720)) - test).mean(0)
    naive = np.abs(np.stack([np.resize(row[-168:], 720) for row in train]) - test).mean(0)
    for first, last in ((0, 24), (24, 168), (552, 720)):
        ratio = errors[first:last].mean() / naive[first:last].mean()
        yield "far ahead", f"error over that of the last week, steps {first + 1} to {last}", ratio, "<1"


def seasons(weights: Weights) -> Iterator[Row]:
    """Probe cycles that the frequency does not imply."""
    for freq, period in NOT_IMPLIED:
        rng = np.random.default_rng(period)
        season = Season(1, 0) if freq == "integers" else season_of(freq)
        cycle = 10 * rng.normal(size=(40, period))
        length, horizon = max(160, 12 * period), 24
        clean = np.stack([np.resize(row, length + horizon) for row in cycle])
        noisy = list(clean[:, :length] + rng.normal(size=(40, length)))
        for given, what in ((season, "implied season"), (Season(period, 0), "period given")):
            error = np.abs(median(forecast(weights, noisy, given, horizon)) - clean[:, length:]).mean()
            yield "seasons", f"error from the cycle, {freq} of {period}, {what}", error, "<0.35"


def last_year(weights: Weights) -> Iterator[Row]:
    """Probe a fault a year before the forecast, and a real yearly pattern, in daily series of 500 days."""
    rng = np.random.default_rng(11)
    days, horizon = np.arange(500 + 28), 28
    week = 3 * rng.normal(size=(60, 7))[:, days % 7]
    plain = 100 + week + rng.normal(size=(60, len(days)))
    faulty = plain.copy()
    faulty[:, 500 - 364 : 500 - 364 + horizon] -= 40
    yearly = plain + 30 * np.sin(2 * np.pi * (days / 365.25 + rng.random((60, 1))))
    for what, values, past in (("plain", plain, plain), ("fault", plain, faulty), ("pattern", yearly, yearly)):
        error = np.abs(median(forecast(weights, list(past[:, :500]), DAY, horizon)) - values[:, 500:]).mean()
        yield "last year", f"error with a year-ago {what}", error, "0.85" if what != "pattern" else ""


def zeros(weights: Weights) -> Iterator[Row]:
    """Probe intermittent demand and series of zeros."""
    rng = np.random.default_rng(12)
    happens = rng.random((300, 214)) < rng.uniform(0.05, 0.5, (300, 1))
    demand = np.where(happens, 1 + rng.poisson(rng.lognormal(1, 0.7, (300, 1)), (300, 214)), 0).astype(float)
    train, test = demand[:, :-14], demand[:, -14:]
    quantiles = forecast(weights, list(train), DAY, 14)
    levels = np.array(NETWORK.quantile_levels)
    own = np.quantile(train, levels, axis=1).T[:, None]

    def loss(forecasts: NDArray[np.floating]) -> float:
        error = test[:, :, None] - forecasts
        return float(np.maximum(levels * error, (levels - 1) * error).mean())

    yield "zeros", "pinball loss over that of own past quantiles", loss(quantiles) / loss(own), "<1"
    yield "zeros", "medians below zero", float((median(quantiles) < 0).mean()), "0"
    yield "zeros", "lower bounds below zero", float((quantiles[..., 0] < 0).mean()), "0"
    yield "zeros", "forecast total over demand", median(quantiles).sum() / test.sum(), ""
    tuned = tune(weights, list(train), DAY, steps=50, depth=5, loss="default", seed=0)
    after = forecast(tuned.weights, list(train), DAY, 14)
    yield "zeros", "forecast total over demand, tuned", median(after).sum() / test.sum(), ""
    yield "zeros", "pinball loss, tuned over zero-shot", loss(after) / loss(quantiles), "<1"
    yield "zeros", "largest value of a series of zeros", np.abs(forecast(weights, [np.zeros(60)], DAY, 14)).max(), "0"


def shocks(weights: Weights) -> Iterator[Row]:
    """Probe bursts, outliers and shifts of level."""
    rng = np.random.default_rng(13)
    burst = np.concatenate([np.zeros(200), 4.8e8 * np.linspace(0.1, 1, 10)])
    largest = median(forecast(weights, [burst], DAY, 14)).max() / burst.max()
    yield "shocks", "largest median after a burst, over the largest seen", largest, "<=1"
    hours = np.arange(400)
    values = 5 * np.sin(2 * np.pi * hours / 24) + rng.normal(size=(40, len(hours)))
    outlier = values.copy()
    outlier[:, -12] += 20 * values.std()
    moved = median(forecast(weights, list(outlier), HOUR, 24)) - median(forecast(weights, list(values), HOUR, 24))
    yield "shocks", "an outlier's image a season later, in its noise", np.abs(moved[:, 12]).mean(), "0"
    shifted = values.copy()
    shifted[:, -12:] += 20
    moved = median(forecast(weights, list(shifted), HOUR, 24)) - median(forecast(weights, list(values), HOUR, 24))
    yield "shocks", "part of a shift of level followed after 12 points", moved.mean() / 20, "1"


def short(weights: Weights) -> Iterator[Row]:
    """Probe histories of one and two values."""
    rng = np.random.default_rng(14)
    one = forecast(weights, [np.array([5.0])], DAY, 7)
    yield "short", "width of 95% after one value of 5", np.ptp(one[0], axis=1).mean(), ">0"
    yield "short", "upper bound of 95% after 5, 6", forecast(weights, [np.array([5.0, 6.0])], DAY, 7).max(), ""
    noise = 100 + 10 * rng.normal(size=(200, 9))
    error = np.abs(median(forecast(weights, list(noise[:, :2]), DAY, 7)) - noise[:, 2:]).mean()
    yield (
        "short",
        "error after two values over that of the last",
        error / np.abs(noise[:, 1:2] - noise[:, 2:]).mean(),
        "<1",
    )


def tails(weights: Weights) -> Iterator[Row]:
    """Probe coverage on stationary series with a weekly pattern."""
    rng = np.random.default_rng(15)
    days = np.arange(414)
    values = 100 + 3 * rng.normal(size=(1500, 7))[:, days % 7] + rng.normal(size=(1500, len(days)))
    quantiles, test = forecast(weights, list(values[:, :-14]), DAY, 14), values[:, -14:]
    for level in (50, 80, 95, 99, 99.9):
        lower, upper = (interpolate_quantile(quantiles, 0.5 + sign * level / 200) for sign in (-1, 1))
        outside = 100 * float(((test < lower) | (test > upper)).mean())
        yield "tails", f"percent outside of {level}%", outside, f"{100 - level:.3g}"


def speed(weights: Weights) -> Iterator[Row]:
    """Probe the seconds that calls take, the best of three."""
    rng = np.random.default_rng(16)
    series = list(rng.normal(size=(1000, 200)).cumsum(1))
    calls: dict[str, tuple[Callable[[], object], str]] = {
        "1,000 series of 200, h = 24": (lambda: forecast(weights, series, DAY, 24), "0.15"),
        "1,000 series of 200, h = 720": (lambda: forecast(weights, series, DAY, 720), "0.5"),
        "tuning 100 x 200, 50 steps, depth 5": (
            lambda: tune(weights, series[:100], DAY, steps=50, depth=5, loss="default", seed=0),
            "1",
        ),
    }
    for what, (call, limit) in calls.items():
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
        yield "speed", f"{what}, seconds", min(seconds), f"<={limit}"


def main() -> None:
    """Print all probes of one file of weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a safetensors file; the default is those of the package")
    arguments = parser.parse_args()
    weights = load_weights(arguments.weights) if arguments.weights else pretrained_weights()
    for probe in (far_ahead, seasons, last_year, zeros, shocks, short, tails, speed):
        for group, what, figure, ideal in probe(weights):
            print(f"{group:11}{what:62}{figure:12.4g}{ideal:>8}", flush=True)


if __name__ == "__main__":
    main()
