import numpy as np
import pytest

from nixtla_accessor.local.chronos.validation import ALPHAS, choose_alpha, pinball_losses, split_panel
from nixtla_accessor.seasons import Season

RNG = np.random.default_rng(0)


WEEK = Season(7, 0)


def split(lengths, season=WEEK, max_horizon=64):
    return split_panel([np.arange(n, dtype=float) for n in lengths], season, max_horizon, np.random.default_rng(0))


@pytest.mark.parametrize("lengths", [[100], [100, 40, 12], [9, 200], [5000] * 3, [30] * 200])
def test_training_and_validation_do_not_overlap(lengths):
    parts = split(lengths)
    first = {n: n for n in lengths}
    for history, target in zip(parts.histories, parts.targets, strict=True):
        assert target[0] == len(history)  # the values are the positions
        assert len(target) <= parts.horizon
        assert len(history) >= 4 * len(target)
    for n, training in zip(lengths, parts.training, strict=True):
        assert len(training) <= first[n]
        targets = [target for target in parts.targets if target[-1] < n and target[0] >= len(training)]
        assert len(training) >= 3 * sum(map(len, targets)) / len(targets) if targets else True
    assert 0 < len(parts.targets) <= 64


def test_the_windows_are_as_long_as_a_season_asks_for():
    assert split([1000]).horizon == 14
    assert split([1000], Season(24, 168)).horizon == 24
    assert split([1000], Season(24, 168), max_horizon=8).horizon == 8
    assert split([1000], Season(1, 0)).horizon == 6
    assert split([40]).horizon == 8  # a fifth of the series


def test_series_without_enough_values_have_no_windows():
    assert split([1, 5, 9]).targets == []
    parts = split_panel([np.full(50, np.nan), np.r_[[np.nan] * 45, 1, 2, 3]], WEEK, 64, RNG)
    assert parts.targets == []
    assert [len(values) for values in parts.training] == [0, 3]


def test_windows_without_a_value_are_left_out():
    values = np.arange(100.0)
    values[-14:] = np.nan
    assert all(np.isfinite(target).any() for target in split_panel([values], WEEK, 64, RNG).targets)


def test_the_loss_is_the_mean_of_the_pinball_losses():
    forecasts = RNG.normal(size=(2, 4, 3)).astype(np.float32)
    targets = [np.array([1.0, np.nan, 0.5, -1.0]), np.array([0.2])]
    expected = []
    for forecast, target in zip(forecasts, targets, strict=True):
        losses = []
        for step, value in enumerate(target):
            for nth, level in enumerate((0.1, 0.5, 0.9)):
                error = value - float(forecast[step, nth])
                losses.append(level * error if error > 0 else (level - 1) * error)
        expected.append(np.mean([loss for loss in losses if not np.isnan(loss)]))
    assert np.allclose(pinball_losses(forecasts, (0.1, 0.5, 0.9), targets), expected)


def test_it_goes_as_far_as_the_gain_is_clear():
    base = RNG.uniform(1, 2, 60)
    assert choose_alpha(lambda alpha: base * (1 - 0.2 * alpha), 20) == max(ALPHAS)
    assert choose_alpha(lambda alpha: base * (1 + (alpha - 0.5) ** 2 - 0.25), 20) == 0.5
    assert choose_alpha(lambda alpha: base * (1 + 0.1 * alpha), 20) == 0
    noise = RNG.normal(size=60)
    assert choose_alpha(lambda alpha: base + alpha * (noise - noise.mean() - 0.01), 20) == 0  # may be chance
    assert choose_alpha(lambda alpha: base, 20) == 0


def test_a_single_window_cannot_tell_whether_training_helped():
    assert choose_alpha(lambda alpha: np.array([2.0 - alpha]), 1) == 0
    assert choose_alpha(lambda alpha: np.array([2.0, 3.0]) - alpha, 2) > 0
