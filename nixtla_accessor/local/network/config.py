"""Sizes and limits of the network, and of its fine-tuning, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network and of what it reads; the shipped weights fit these values only.

    Attributes
    ----------
    horizon : int
        The near steps ahead: their values a season before are inputs, and each has corrections of its own.
    max_lead : int
        The farthest step ahead that was trained; beyond, spreads grow by a rule (see `forecasting`).
    quantile_levels : tuple of float
        Levels of the quantiles that it returns, ascending; 0.5 is among them.
    max_input : int
        Points of history that it reads at most.
    recent_values : int
        Last values that it sees as they are.
    period_means : int
        Means of whole seasons that it sees, latest first.
    cycle_lags : int
        Last cycles of a detected or short season that its profile is averaged over.
    max_detected : int
        The longest season that is detected.
    season_lags, second_season_lags : int
        Values one, two, … seasons (second seasons) before each step ahead.
    length_thresholds : tuple of int
        One input for each: whether the history has at least so many points.
    trial_steps : int
        Each baseline first forecasts the end of the history, so that the network sees its error: the last season, or
        as many whole seasons as fit into this many steps if the season is shorter.
    z_limit : float
        Baselines and targets are clipped to this absolute value, in z (see `features`).
    width, hidden, n_blocks : int
        Columns of the residual stream, units inside a block, and blocks.
    knots : tuple of int
        Steps ahead at which the weights of the baselines and the corrections are given; in between, they are linear in
        log(step).
    full_depth : int
        The fine-tuning depth at which all of the network is trained.
    batch : int
        Windows that are computed at a time: enough for the matrix products, few enough for the caches.
    """

    horizon: int = 24
    max_lead: int = 720
    quantile_levels: tuple[float, ...] = (0.005, 0.025, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.975, 0.995)
    max_input: int = 1056
    recent_values: int = 128
    period_means: int = 16
    cycle_lags: int = 8
    max_detected: int = 420
    season_lags: int = 4
    second_season_lags: int = 3
    length_thresholds: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 36, 48, 64, 96, 128, 256, 512)
    trial_steps: int = 6
    z_limit: float = 60.0
    width: int = 192
    hidden: int = 256
    n_blocks: int = 5
    knots: tuple[int, ...] = (1, 2, 4, 8, 16, 24, 48, 96, 168, 336, 720)
    full_depth: int = 5
    batch: int = 256

    @property
    def n_levels(self) -> int:
        """Number of quantiles."""
        return len(self.quantile_levels)

    @property
    def median(self) -> int:
        """Position of the median among the quantiles."""
        return self.quantile_levels.index(0.5)


NETWORK = NetworkConfig()


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How the optimiser trains at one depth.

    Attributes
    ----------
    peak_rate : float
        The learning rate at its highest point.
    steps : int
        Trainings of more steps than this have a lower peak rate.
    batch : int
        Windows in each step.
    """

    peak_rate: float
    steps: int
    batch: int

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate: a linear warm-up over a tenth of the steps, then half a cosine."""
        peak = self.peak_rate * min(1.0, self.steps / steps) ** 0.66
        warm_up = max(1.0, 0.1 * steps)
        cosine = 0.5 + 0.5 * np.cos(np.pi * max(0.0, step + 1 - warm_up) / max(1.0, steps + 1 - warm_up))
        return float(peak * min(1.0, (step + 1) / warm_up) * cosine)


# Chosen, like all of TuningConfig, on the panels of tests/benchmarks/development.py and few_seasons.py and those of the
# M1 competition.
TRAINING: Mapping[int, TrainingConfig] = MappingProxyType(
    {
        1: TrainingConfig(peak_rate=4e-3, steps=10, batch=1024),
        2: TrainingConfig(peak_rate=4.5e-3, steps=50, batch=128),
        3: TrainingConfig(peak_rate=2e-3, steps=50, batch=128),
        4: TrainingConfig(peak_rate=1e-3, steps=50, batch=128),
        5: TrainingConfig(peak_rate=7e-4, steps=50, batch=128),
    }
)
"""How the optimiser trains, by fine-tuning depth."""


@dataclass(frozen=True, slots=True)
class TuningConfig:
    """What fine-tuning trains on, and how far it moves from the base weights.

    Attributes
    ----------
    min_training_windows, max_training_windows : int
        Bounds on the number of different windows to train on. Between them it is the number of windows that all steps
        see together.
    min_history : int
        Points before a training window's targets.
    far_leads, least_far_leads, far_weight : tuple of int, int, float
        Leads to train on beyond the near ones, where usual series are so many times longer; and how much they count
        beside near ones.
    max_validation_windows, max_validation_windows_per_series : int
        Windows of the validation set.
    min_validation_points : int
        Points of a series that gives validation windows.
    min_validation_windows : int
        Of one window nobody can say how far its error is chance, so with fewer than these nothing is tuned.
    max_alpha_of_one_stretch : float
        The largest alpha where usual series have one validation window each: their windows, all over the same stretch
        of time, may share what made the trained weights right in it, and the forecast sees more seasons than they did.
    average_from, averaging : int, float
        Trainings of at least so many steps keep a running average of the weights, with this weight of the newest.
    alphas : tuple of float
        How far to go from the base weights (0) to the trained ones (1): the candidates.
    further_alphas : tuple of float
        Candidates beyond, for panels unlike those of pretraining. A validation set is too optimistic, so their gain has
        to be clearer.
    certainty, further_certainty : float
        Standard errors by which the gain on the validation set must exceed zero, and by which that of going further
        must.
    small_panel_certainty : float
        Further standard errors for small panels, whose windows are not independent: this number divided by the square
        root of the number of series.
    """

    min_training_windows: int = 512
    max_training_windows: int = 3000
    min_history: int = 4
    far_leads: tuple[int, ...] = (30, 36, 48, 72, 96, 168, 336, 720)
    least_far_leads: int = 4
    far_weight: float = 0.5
    max_validation_windows: int = 512
    max_validation_windows_per_series: int = 14
    min_validation_points: int = 6
    min_validation_windows: int = 2
    max_alpha_of_one_stretch: float = 0.25
    average_from: int = 50
    averaging: float = 0.05
    alphas: tuple[float, ...] = (0.1, 0.25, 0.5)
    further_alphas: tuple[float, ...] = (0.75, 1.0)
    certainty: float = 1.0
    further_certainty: float = 2.0
    small_panel_certainty: float = 3.0


TUNING = TuningConfig()
