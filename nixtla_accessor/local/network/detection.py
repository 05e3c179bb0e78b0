"""Detection of a season that the frequency does not imply: a peak of the autocorrelation."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats, Integers, Mask
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.seasons import Season

# Chosen on pure cycles of 5 to 40 steps with noise of a tenth of their size and of the same size.
TOLERANCE = 0.25  # a shorter season is taken before a longer one whose peak is higher by less than this part
CHANCE = 2.5  # standard deviations of white noise's autocorrelation that a peak must exceed
MIN_RISE = 0.1  # of a peak over the trough before it: the slow decay of a walk has no trough
MULTIPLES = 4  # of a season's length, at which it repeats
SLACK = 0.7  # standard deviations of white noise's autocorrelation
OUTLIER = 4.0  # standard deviations to which values are clipped
ROUNDING = 1e-4  # in z: a smaller spread is that of rounded numbers


def detect_seasons(z: Floats, seen: Mask, n: Integers, season: Season) -> tuple[Integers, Floats]:
    """Find the length of each history's strongest season other than those that the frequency implies.

    Parameters
    ----------
    z : ndarray of float32, shape (windows, points)
        Right-aligned.
    seen : ndarray of bool, shape (windows, points)
    n : ndarray of int, shape (windows, 1)
    season : Season
        Its lengths and their multiples count only as far as they exceed it.

    Returns
    -------
    period : ndarray of int, shape (windows, 1)
        In steps, at most half of the history; 0 where none was found.
    strength : ndarray of float32, shape (windows, 1)
        The peak's prominence less what chance makes of it, 0 to 1.
    """
    rows, points = len(z), min(z.shape[1], int(n.max()))
    top = min(NETWORK.max_detected, points // 2)
    if top < 3:
        return np.zeros((rows, 1), int), np.zeros((rows, 1), np.float32)
    autocorrelation = _autocorrelate(_detrend(z[:, -points:], seen[:, -points:], n), n)
    lag = np.arange(top + 2)
    once = autocorrelation[:, : top + 2]
    repeated, times = _repeated(autocorrelation, lag, n)
    rise = repeated - np.minimum.accumulate(once, 1)
    peak = np.zeros(once.shape, bool)
    peak[:, 2:-1] = (repeated[:, 2:-1] >= repeated[:, 1:-2]) & (repeated[:, 2:-1] >= repeated[:, 3:])
    peak &= (rise > MIN_RISE) & (2 * lag <= n)
    prominence = np.minimum(repeated, rise) - np.float32(CHANCE) / np.sqrt(np.maximum(n - lag, 1) * times**0.5).astype(
        np.float32
    )
    for implied in (season.length, season.second):
        if 1 < implied < top + 2:
            prominence[:, implied::implied] -= np.maximum(once[:, implied : implied + 1], 0)
    if 1 < season.second < top + 2:  # a week makes many lesser peaks
        prominence -= np.float32(0.7) * np.maximum(once[:, season.second, None], 0)
    prominence = np.where(peak, prominence, np.float32(-1))
    best = prominence.max(1, keepdims=True)
    shortest = np.argmax(prominence >= best - np.float32(TOLERANCE) * np.maximum(best, 0), 1)[:, None]
    found = best > 0.05
    return np.where(found, shortest, 0), np.where(found, best, np.float32(0)).astype(np.float32)


def _repeated(autocorrelation: Floats, lag: Integers, n: Integers) -> tuple[Floats, Integers]:
    """Compute the mean autocorrelation at the first multiples of each lag, and how many the history holds.

    A season repeats at all of them; half a season, or a walk's slow swing, does not: so it is not much more than the
    least.
    """
    shape = (len(n), len(lag))
    total, least, times = np.zeros(shape, np.float32), np.full(shape, np.float32(np.inf)), np.zeros(shape, int)
    for multiple in range(1, MULTIPLES + 1):
        held = (multiple == 1) | ((multiple + 0.5) * lag <= n)
        value = autocorrelation[:, np.minimum(multiple * lag, autocorrelation.shape[1] - 1)]
        total += value * held
        times += held
        if multiple <= 2:
            least = np.where(held, np.minimum(least, value), least)
    slack = np.float32(SLACK) / np.sqrt(np.maximum(n - lag, 1)).astype(np.float32)
    return np.minimum(total / times, least + slack), times


def _detrend(z: Floats, seen: Mask, n: Integers) -> Floats:
    """Return deviations from the linear trend, in standard deviations, outliers clipped; 0 where they are rounding."""
    time = np.where(seen, (n + 1) / 2 - np.arange(z.shape[1], 0, -1), 0).astype(np.float32)
    mean = (z * seen).sum(1, keepdims=True) / n
    slope = (time * z).sum(1, keepdims=True) / np.maximum((time * time).sum(1, keepdims=True), np.float32(1e-6))
    deviation = (z - mean.astype(np.float32) - slope * time) * seen
    spread = np.sqrt(np.einsum("wt,wt->w", deviation, deviation)[:, None] / n).astype(np.float32)
    left = spread > ROUNDING
    result: Floats = np.where(left, np.clip(deviation / np.where(left, spread, 1), -OUTLIER, OUTLIER), np.float32(0))
    return result


def _autocorrelate(x: Floats, n: Integers) -> Floats:
    """Compute the autocorrelation at each lag, by Fourier transforms."""
    points = x.shape[1]
    spectrum = np.fft.rfft(x, 1 << (2 * points - 1).bit_length())
    power = spectrum.real**2 + spectrum.imag**2
    products = np.fft.irfft(power)[:, :points]
    pairs = np.maximum(n - np.arange(points), 1)
    variance = np.maximum(products[:, :1] / n, 1e-6)
    result: Floats = (products / pairs / variance).astype(np.float32)
    return result
