"""Synthetic series for pretraining: trends, seasons, noise and calendars, drawn at random.

Series come in chunks that share a season, so that whole-array operations can draw them. Slow changes are scaled to the
length of the series: ten yearly points have a visible trend, and so have a thousand hourly ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.network.cycles import short_season
from nixtla_accessor.local.pretraining.drawing import MIN_AHEAD, Drawing, Generator
from nixtla_accessor.local.pretraining.events import add_events
from nixtla_accessor.local.pretraining.foreign_seasons import add_foreign_season
from nixtla_accessor.seasons import Season

SHORTEST = 8  # points, of which some histories have fewer
MIXED, ROUNDED = 0.1, 0.08  # of the series


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of series: the seasons that it may have, how likely a chunk is, how long histories are, how far ahead."""

    name: str
    seasons: tuple[Season, ...]
    probability: float
    min_length: int
    max_length: int
    max_lead: int


def _seasons(*pairs: tuple[int, int]) -> tuple[Season, ...]:
    return tuple(Season(*pair) for pair in pairs)


KINDS = (
    Kind("yearly", _seasons((1, 0)), 0.16, 5, 250, 40),
    Kind("quarterly", _seasons((4, 0)), 0.16, 6, 280, 48),
    Kind("monthly", _seasons((12, 0)), 0.17, 14, 480, 72),
    Kind("weekly", _seasons((52, 0)), 0.06, 20, 600, 120),
    Kind("daily", _seasons((7, 364)), 0.11, 14, 1056, 720),
    Kind("business daily", _seasons((5, 0)), 0.03, 14, 1056, 260),
    Kind("hourly", _seasons((24, 168)), 0.11, 30, 1056, 720),
    Kind("half-hourly", _seasons((48, 336)), 0.05, 60, 1056, 720),
    Kind("quarter-hourly", _seasons((96, 672)), 0.03, 110, 1056, 720),
    Kind("minutes", _seasons((144, 1008), (288, 0)), 0.02, 160, 1056, 720),
    Kind("several hours", _seasons((2, 14), (3, 21), (4, 28), (6, 42), (8, 40), (12, 84)), 0.02, 14, 1056, 240),
    Kind("integers", _seasons((1, 0)), 0.05, 80, 1056, 720),
    Kind("other", _seasons(*((m, 0) for m in (2, 3, 6, 8, 10, 13, 24, 26, 30, 60))), 0.03, 10, 600, 200),
)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Series that share a season.

    Attributes
    ----------
    values : ndarray of float32, shape (series, points + ahead)
        Right-aligned; each row ends with the `length + ahead` values of its series.
    length : ndarray of int, shape (series,)
        Points of history before the last `ahead` values.
    ahead : int
        How many values come after the history.
    season : Season
    """

    values: Floats
    length: Integers
    ahead: int
    season: Season


def generate(rng: Generator, n_series: int, kind: Kind | None = None) -> Chunk:
    """Draw a chunk of series of one kind.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_series : int
    kind : Kind, optional
        Drawn by the probabilities of KINDS if None.

    Returns
    -------
    Chunk

    Examples
    --------
    >>> chunk = generate(np.random.default_rng(0), 8, KINDS[2])
    >>> chunk.season, chunk.values.shape[1] - chunk.ahead
    (Season(length=12, second=0), 480)
    """
    if kind is None:
        probabilities = np.array([each.probability for each in KINDS])
        kind = KINDS[rng.choice(len(KINDS), p=probabilities / probabilities.sum())]
    season = kind.seasons[rng.integers(len(kind.seasons))]
    ahead = kind.max_lead if kind.max_lead < 100 or rng.random() < 0.5 else 2 * MIN_AHEAD
    length = np.exp(rng.uniform(np.log(kind.min_length), np.log(kind.max_length + 0.99), n_series)).astype(int)
    length = np.where(rng.random(n_series) < (0.1 if season.length == 1 else 0.35), kind.max_length, length)
    length = np.where(rng.random(n_series) < 0.06, rng.integers(1, SHORTEST, n_series), length)
    drawing = Drawing(rng, n_series, kind.max_length, length, ahead)
    level, noise = _level_and_noise(drawing, season.length)
    seasonal = _seasonal(drawing, season) * ~drawing.some(0.06)
    seasonal = add_foreign_season(drawing, seasonal, 0.75 if kind.name == "integers" else 0.15)
    size = drawing.log_uniform(-1.8, -0.1) if season.length <= 4 else drawing.log_uniform(-1.8, 0.15)
    if season.length == 1:
        size = size * drawing.uniform(0.1, 0.7)
    volatile = drawing.some(0.2)  # noise that grows with the season
    size = size * ~drawing.some(0.06) * np.where(drawing.calm, drawing.log_uniform(-2, -0.3), 1)
    # noise that grows or fades
    size = size * (1 + drawing.some(0.25) * np.minimum(drawing.age, 1) * drawing.uniform(-0.7, 2))
    noise = noise * size * np.where(volatile, np.clip(1 + seasonal / drawing.spread(seasonal), 0.1, 3), 1)
    values = _transform(drawing, level + seasonal + noise, season.length, kind.min_length)
    values = _mix(drawing, values)
    values = add_events(drawing, values, season)
    values = _round(drawing, values)
    return Chunk(values.astype(np.float32), length, ahead, season)


def surprises(rng: Generator, n_series: int, season: Season, leads: Integers) -> Floats:
    """Draw changes of growth that no history announces, for quarters and months.

    Without them, the intervals of series that have been smooth so far are too narrow for real ones.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_series : int
    season : Season
    leads : ndarray of int, shape (leads,)
        Steps ahead, ascending.

    Returns
    -------
    ndarray of float32, shape (series, leads)
        To be added to the future, in mean absolute changes from one season to the next; 0 for other seasons.
    """
    if season.length not in (4, 12):
        return np.zeros((n_series, len(leads)), np.float32)
    steps = int(leads[-1])
    lasting, passing = rng.standard_normal((n_series, 1)), rng.standard_normal((n_series, steps))
    per_season = 10 ** rng.uniform(-0.4, 0.1, (n_series, 1))
    growth = (0.6 * lasting + 0.4 * passing) * per_season / season.length
    path: Floats = np.cumsum(growth, 1)[:, leads - 1].astype(np.float32)
    return path


def _level_and_noise(drawing: Drawing, season_length: int) -> tuple[Floats, Floats]:
    """Draw levels, and autocorrelated noise of unit size."""
    prior = _LevelPrior.of(season_length)
    walk, slope_walk, noise = _walks(drawing, season_length)
    walks = drawing.some(prior.walk) & ~drawing.calm
    level = walk / drawing.spread(walk) * walks * drawing.log_uniform(-1.3, 0.4)
    level += slope_walk / drawing.spread(slope_walk) * drawing.some(prior.slope) * drawing.log_uniform(-0.8, 0.6)
    _add_wandering(drawing, level)
    level += _trend(drawing, prior) * drawing.some(prior.trend)
    level += drawing.some(0.12) * (drawing.age >= drawing.uniform(0, 1)) * drawing.normal()  # a step
    level *= np.where(drawing.some(prior.any), 1, np.float32(0.2) * drawing.some(0.5))
    return np.where(drawing.some(0.07), walk / drawing.spread(walk), level), noise  # some are random walks


@dataclass(frozen=True, slots=True)
class _LevelPrior:
    """How levels move, for a season length.

    Attributes
    ----------
    any, walk, slope, trend : float
        Probabilities that the level moves at all, that it follows a random walk, that its slope does, that it has a
        trend.
    up : float
        Probability that a trend goes up.
    size : tuple of float
        Range of a trend's size, as powers of ten.
    """

    any: float
    walk: float
    slope: float
    trend: float
    up: float
    size: tuple[float, float]

    @classmethod
    def of(cls, season_length: int) -> _LevelPrior:
        """Return the prior for a season length: yearly levels move most, and mostly up; hourly ones least."""
        if season_length == 1:
            return cls(any=1.0, walk=0.8, slope=0.5, trend=0.92, up=0.88, size=(0.7, 1.8))
        if season_length == 4:
            return cls(any=0.98, walk=0.85, slope=0.5, trend=0.88, up=0.86, size=(0.6, 1.7))
        if season_length < 24 or season_length == 52:
            return cls(any=0.88, walk=0.75, slope=0.35, trend=0.68, up=0.75, size=(0, 1.3))
        return cls(any=0.5, walk=0.65, slope=0.25, trend=0.55, up=0.6, size=(-0.5, 0.6))


def _walks(drawing: Drawing, season_length: int) -> tuple[Floats, Floats, Floats]:
    """Draw random walks, sums of a damped random slope, and autoregressive noise."""
    rng, shape = drawing.rng, (drawing.points, drawing.rows)
    rows = drawing.rows
    steps = rng.standard_normal(shape, dtype=np.float32)
    slopes = rng.standard_normal(shape, dtype=np.float32)
    shocks = rng.standard_normal(shape, dtype=np.float32)
    steps *= 1 + 3 * ((rng.random(shape, dtype=np.float32) < 0.03) & (rng.random(rows) < 0.25))
    shocks *= 1 + 3 * ((rng.random(shape, dtype=np.float32) < 0.02) & (rng.random(rows) < 0.2))
    damping = np.where(rng.random(rows) < 0.3, 1, rng.uniform(0.7, 0.999, rows)).astype(np.float32)
    if season_length < 24:
        persistence = np.where(rng.random(rows) < 0.45, 0, rng.uniform(-0.6, 0.97, rows)).astype(np.float32)
    else:  # within a day, noise is persistent
        persistence = np.where(rng.random(rows) < 0.25, 0, 1 - 10 ** rng.uniform(-2.5, 0, rows)).astype(np.float32)
    for step in range(1, drawing.points):
        slopes[step] += damping * slopes[step - 1]
        shocks[step] += persistence * shocks[step - 1]
    shocks *= np.sqrt(1 - persistence**2)
    return np.cumsum(steps, 0).T, np.cumsum(slopes, 0).T, shocks.T


def _add_wandering(drawing: Drawing, level: Floats) -> None:
    """Add smooth functions (random Fourier features of a Gaussian process, Rahimi and Recht 2007) to some rows."""
    rows = np.flatnonzero(drawing.rng.random(drawing.rows) < 0.35)
    pace = drawing.log_uniform(-0.5, 1.5, len(rows))
    wandering = np.zeros((len(rows), drawing.points), np.float32)
    for _ in range(6):
        frequency = drawing.rng.standard_normal((len(rows), 1), dtype=np.float32) * pace
        wandering += np.cos(frequency * drawing.age[rows] + drawing.uniform(0, 2 * np.pi, len(rows)))
    level[rows] += wandering * (np.float32(0.58) * drawing.log_uniform(-1, 0.3, len(rows)))


def _trend(drawing: Drawing, prior: _LevelPrior) -> Floats:
    """Draw linear, damped or logistic growth, or a boom that ends; with breaks of the slope."""
    age, kind = drawing.age, drawing.random()
    turn = drawing.uniform(0.1, 1)
    damped = 1 - np.exp(-age / drawing.uniform(0.15, 1.5))
    logistic = 1 / (1 + np.exp(np.clip((drawing.uniform(0.1, 0.9) - age) * drawing.uniform(4, 14), -30, 30)))
    boom = age - drawing.uniform(0.5, 1.8) * np.maximum(age - turn, 0)
    shape = np.select([kind < 0.55, kind < 0.70, kind < 0.80], [age, damped, logistic], boom)
    trend: Floats = np.where(drawing.some(prior.up), 1, -1) * drawing.log_uniform(*prior.size) * shape
    for _ in range(2):
        trend += drawing.some(0.3) * drawing.normal() * 4 * np.maximum(age - drawing.uniform(0, 1), 0)
    return trend


def _seasonal(drawing: Drawing, season: Season) -> Floats:
    """Draw the seasonal component of each series."""
    if season.length == 1:
        return _cycles(drawing)
    if season.second in (5 * season.length, 7 * season.length) or season.length >= 144:
        days = 5 if season.second == 5 * season.length else 7
        seasonal: Floats = _within_days(drawing, season.length, days) * _strength(drawing, 0.93, -0.6, 0.7)
        hour = short_season(season.length)
        if hour > 1:
            phase = (np.arange(drawing.points) + drawing.rng.integers(hour)) % hour
            seasonal += _pattern(drawing, hour)[:, phase] * _strength(drawing, 0.35, -1.2, 0.2)
        return seasonal
    m = season.length
    phase = (np.arange(drawing.points) + drawing.rng.integers(m)) % m
    seasonal = _pattern(drawing, m)[:, phase]
    other = _pattern(drawing, m)[:, phase]
    seasonal += drawing.some(0.25) * drawing.age * drawing.uniform(0, 0.8) * (other - seasonal)  # it changes over time
    seasonal *= 1 + drawing.uniform(-0.8, 0.8) * drawing.age * drawing.some(0.3)
    seasonal *= _strength(drawing, 0.65, -1, 0.5) if m <= 12 else _strength(drawing, 0.78, -1, 0.6)
    if season.second or m in (4, 5, 7):  # the year in daily series, the business cycle in quarterly ones
        period = season.second * 1.0027 if season.second else m * drawing.uniform(2, 9)
        seasonal += _waves(drawing, period) * _strength(drawing, 0.4 if season.second else 0.2, -0.8, 0.6)
    return seasonal


def _strength(drawing: Drawing, probability: float, low: float, high: float) -> Floats:
    """Draw the strength of a pattern: positive with this probability, else 0."""
    return np.where(drawing.some(probability), drawing.log_uniform(low, high), np.float32(0))


def _cycles(drawing: Drawing) -> Floats:
    """Draw cycles of several years, in some yearly series."""
    cycle = np.sin(2 * np.pi * (drawing.time / drawing.log_uniform(0.5, 1.6) + drawing.uniform(0, 1)))
    return (cycle * _strength(drawing, 0.2, -1, 0.2)).astype(np.float32)


def _waves(drawing: Drawing, period: float | Floats) -> Floats:
    """Draw a sine and, for some series, its second harmonic."""
    first = np.sin(2 * np.pi * (drawing.time / period + drawing.uniform(0, 1)))
    harmonic = np.sin(4 * np.pi * (drawing.time / period + drawing.uniform(0, 1)))
    return (first + 0.4 * harmonic * drawing.some(0.5)).astype(np.float32)


def _pattern(drawing: Drawing, m: int) -> Floats:
    """Draw one season of unit spread: harmonics, any shape, spikes, or a ramp."""
    phase = np.arange(m, dtype=np.float32)[None] / m
    smooth, decay = np.zeros((drawing.rows, m), np.float32), drawing.uniform(0.3, 2)
    for k in range(1, max(1, min(6, m // 2)) + 1):
        smooth += drawing.normal() / k**decay * np.sin(2 * np.pi * (k * phase + drawing.uniform(0, 1)))
    rough = drawing.normal(m)
    spikes = rough * (0.1 + 3 * (drawing.random(m) < max(0.1, 1.2 / m)))
    start = drawing.rng.integers(0, m, (drawing.rows, 1))
    ramp = ((phase * m + start) % m) / m * np.sign(drawing.uniform(-1, 1)) + 0.15 * rough * drawing.some(0.5)
    kind = drawing.random()
    pattern = np.select([kind < 0.5, kind < 0.75, kind < 0.9], [smooth, rough, spikes], ramp)
    pattern -= pattern.mean(1, keepdims=True)
    unit: Floats = (pattern / (pattern.std(1, keepdims=True) + 1e-3)).astype(np.float32)
    return unit


def _day(drawing: Drawing, m: int) -> Floats:
    """Draw one day of unit spread: bumps, roughness, and for some series a flat night."""
    phase = np.arange(m, dtype=np.float32)[None] / m
    day = np.zeros((drawing.rows, m), np.float32)
    for _ in range(4):
        bump = np.exp(drawing.log_uniform(-0.3, 2.0) * (np.cos(2 * np.pi * (phase - drawing.uniform(0, 1))) - 1))
        day += drawing.some(0.75) * drawing.normal() * bump
    day += drawing.normal(m) * drawing.some(0.3) * drawing.log_uniform(-1.5, -0.3)
    day = (day - day.mean(1, keepdims=True)) / (day.std(1, keepdims=True) + np.float32(1e-3))
    floor = np.quantile(day, 0.45, axis=1, keepdims=True) * drawing.uniform(0.3, 1)
    result: Floats = np.where(drawing.some(0.25), np.maximum(day, floor), day).astype(np.float32)
    return result


def _within_days(drawing: Drawing, m: int, days: int) -> Floats:
    """Draw days of m steps in weeks of so many days: workdays, days off, holidays, and days that differ."""
    n_days = drawing.points // m + 2
    day, time_of_day = np.arange(drawing.points) // m, np.arange(drawing.points) % m
    workday, day_off = _day(drawing, m), _day(drawing, m)
    differs = drawing.uniform(0, 1) * drawing.some(0.7)
    day_off = (1 - differs) * workday * drawing.uniform(0.3, 1.1) + differs * (day_off + 0.6 * drawing.normal())
    weekday = (np.arange(n_days)[None] + drawing.rng.integers(0, days, (drawing.rows, 1))) % days
    off = (weekday >= np.where(drawing.some(0.8), 5, 6)) & drawing.some(0.6)
    off |= (drawing.random(n_days) < 0.025) & drawing.some(0.5)  # holidays
    by_weekday = np.take_along_axis(drawing.normal(days) * _strength(drawing, 0.4, -1.2, 0.1), weekday, 1)
    by_day = drawing.normal(n_days) * ~drawing.calm
    persistence = drawing.uniform(0, 0.95)[:, 0]
    for i in range(1, n_days):
        by_day[:, i] = persistence * by_day[:, i - 1] + np.sqrt(1 - persistence**2) * by_day[:, i]
    gain = 1 + 0.5 * by_weekday + drawing.log_uniform(-1.7, -0.2) * by_day * drawing.some(0.6)
    level = by_weekday + drawing.log_uniform(-1.7, 0.1) * np.roll(by_day, 3, 1) * drawing.some(0.4)
    profile = np.where(off[:, day], day_off[:, time_of_day], workday[:, time_of_day])
    values = profile * gain[:, day] + level[:, day]
    year = np.sin(2 * np.pi * (drawing.time / (m * drawing.uniform(30, 365)) + drawing.uniform(0, 1)))
    values = values * (1 + 0.3 * year * drawing.some(0.2)) + year * drawing.uniform(0, 1.5) * drawing.some(0.3)
    return values.astype(np.float32)


def _transform(drawing: Drawing, values: Floats, season_length: int, min_length: int) -> Floats:
    """Transform additive series: products, floors, counts, outliers, a level away from zero."""
    rng = drawing.rng
    multiplicative = drawing.some(0.45 if season_length > 4 else 0.7)
    strength = 0.1 + (0.6 if season_length > 4 else 1.0) * drawing.uniform(0, 1) ** 1.5  # few explode
    exponent = strength * values / np.maximum(1, drawing.spread(values) / np.float32(1.5))
    values = np.where(multiplicative, np.exp(np.clip(exponent, -6, 6)), values)
    floored = drawing.some(0.12 if season_length < 24 else 0.25) & ~multiplicative
    lower = np.quantile(values[:, -(min_length + drawing.ahead) :], 0.25, axis=1, keepdims=True)
    floor = lower - drawing.uniform(0, 1.5) * drawing.spread(values)
    values = np.where(floored, np.maximum(values - floor, 0), values)
    outliers = (drawing.random(drawing.points) < 0.01) & drawing.some(0.2)
    outliers[:, -drawing.ahead :] = False
    values = values + outliers * drawing.normal(drawing.points) * 4 * drawing.spread(values)
    counted = np.flatnonzero(rng.random(drawing.rows) < 0.08)
    relative = (values - values.mean(1, keepdims=True)) / drawing.spread(values)
    rate = np.exp(np.clip(0.7 * relative[counted], -4, 4)) * drawing.log_uniform(-1, 1.7, len(counted))
    values[counted] = rng.poisson(np.clip(rate, 0, 1e4))
    shifted = drawing.some(0.7) & ~multiplicative & ~floored
    shifted[counted] = False
    shift = np.where(drawing.some(0.05), drawing.log_uniform(1.4, 4), drawing.uniform(-2, 25))
    values = values + shifted * shift * drawing.spread(values)
    return np.where(drawing.some(0.05), -values, values)


def _mix(drawing: Drawing, values: Floats) -> Floats:
    """Replace some series by sums of two, as in TSMixup (Ansari et al., arXiv:2403.07815): more shapes are seen."""
    rows = np.flatnonzero(drawing.rng.random(drawing.rows) < MIXED)
    others = drawing.rng.integers(0, drawing.rows, len(rows))
    unit = values / drawing.spread(values)
    share = drawing.uniform(0.1, 0.9, len(rows))
    result = values.copy()
    result[rows] = share * unit[rows] + (1 - share) * unit[others]
    return result


def _round(drawing: Drawing, values: Floats) -> Floats:
    """Round some series, as measurements are."""
    step = drawing.spread(values.astype(np.float32)) * drawing.log_uniform(-3, -0.7)
    rounded = drawing.some(ROUNDED) & (values != np.floor(values)).any(1, keepdims=True)
    result: Floats = np.where(rounded, np.round(values / step) * step, values)
    return result
