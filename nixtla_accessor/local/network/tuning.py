"""Fine-tuning: a few optimiser steps on the windows of a panel, then part of the way back to the base weights.

Training windows end before the last stretch of each series, which is the validation set. The tuned weights are
``base + alpha * (trained - base)``, with the alpha of the least validation error if its gain is larger than chance
would make it; else the base weights themselves. Alphas beyond a half need a clearer gain, since a validation set is too
optimistic, and a validation set of one stretch of time allows small alphas only. So tuning does no harm that a
validation set can show. What it cannot show is a later change of regime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import TRAINING, TUNING
from nixtla_accessor.local.network.losses import EQUAL_WEIGHTS, compute_loss, pinball
from nixtla_accessor.local.network.model import backward, forward, run_frozen_layers, trained_tensors
from nixtla_accessor.local.network.optimiser import Adam, flatten
from nixtla_accessor.local.network.preparation import prepare_series
from nixtla_accessor.local.network.training_windows import Examples, build_examples, split_panel, training_leads
from nixtla_accessor.local.network.weights import Weights
from nixtla_accessor.seasons import Season

_SERIES_BETWEEN_REPORTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """The outcome of fine-tuning.

    Attributes
    ----------
    weights : dict of ndarray
        The base weights themselves where alpha is 0.
    alpha : float
        How far they are from the base weights (0) toward the trained ones (1).
    steps : int
        Optimiser steps taken; 0 where the series are too short to train on, or to tell whether training helped.
    n_windows : int
        Training windows seen, repeated ones included.
    """

    weights: Weights
    alpha: float
    steps: int
    n_windows: int


@dataclass(frozen=True, slots=True, eq=False)
class _Training:
    """What a training is asked to do."""

    steps: int
    depth: int
    loss: str


@one_blas_thread
def tune(
    weights: Weights,
    series: Sequence[Floats],
    season: Season,
    *,
    steps: int,
    depth: int,
    loss: str,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Tuned:
    """Fine-tune the network on a panel.

    Parameters
    ----------
    weights : dict of ndarray
        To start from; not written into.
    series : sequence of ndarray, each of shape (points,)
        At least one point each. NaN is a missing value.
    season : Season
    steps : int
        Optimiser steps.
    depth : int
        1 to 5: how much of the network is trained, see `model.trained_tensors`.
    loss : str
        See `losses.compute_loss`.
    seed : int
        The outcome depends on the arguments alone.
    progress : callable, optional
        Called with the number of steps done after each; and with 0 now and then while many series are prepared.

    Returns
    -------
    Tuned

    Examples
    --------
    >>> import numpy as np
    >>> from nixtla_accessor.local.network.weights import pretrained_weights
    >>> sales = [np.tile([10.0, 12.0, 15.0, 11.0], 10) + i for i in range(5)]
    >>> tuned = tune(pretrained_weights(), sales, Season(4, 0), steps=10, depth=1, loss="default", seed=0)
    >>> tuned.steps
    10
    """
    panel = []
    for nth, values in enumerate(series):
        panel.append(prepare_series(values, season))
        if progress and nth % _SERIES_BETWEEN_REPORTS == _SERIES_BETWEEN_REPORTS - 1:
            progress(0)
    rng = np.random.default_rng(seed)
    training = _Training(steps, depth, loss)
    max_training_windows = min(
        TUNING.max_training_windows, max(TUNING.min_training_windows, TRAINING[depth].batch * steps)
    )
    split = split_panel(panel, season, rng, max_training_windows=max_training_windows)
    if not len(split.training) or len(split.validation) < TUNING.min_validation_windows:
        return Tuned(weights, 0.0, 0, 0)
    examples = build_examples(panel, season, split.training, training_leads(panel))
    trained, n_windows = _train(weights, examples, training, rng, progress)
    if not all(np.isfinite(tensor).all() for tensor in trained.values()):
        return Tuned(weights, 0.0, steps, n_windows)
    validation = build_examples(panel, season, split.validation)
    max_alpha = TUNING.max_alpha_of_one_stretch if split.n_stretches == 1 else 1.0
    alpha = _choose_alpha(weights, trained, validation, training, len(panel), max_alpha)
    return Tuned(_interpolate(weights, trained, alpha), alpha, steps, n_windows)


def _train(
    base: Weights,
    examples: Examples,
    training: _Training,
    rng: np.random.Generator,
    progress: Callable[[int], None] | None,
) -> tuple[Weights, int]:
    """Train the tensors of the depth; return them, and the number of windows seen."""
    config, steps, depth = TRAINING[training.depth], training.steps, training.depth
    parameters, trained = flatten({name: base[name] for name in trained_tensors(depth)})
    weights = {**base, **trained}
    average = parameters.copy()
    optimiser = Adam(len(parameters), betas=(0.9, 0.99))
    entering = run_frozen_layers(base, examples.features.inputs, depth)
    batch = min(config.batch, len(entering))
    for step in range(steps):
        rows = rng.choice(len(entering), batch, replace=False)
        features, targets = examples.features.rows(rows), examples.targets.rows(rows)
        quantiles, tape = forward(weights, entering[rows], features, depth, examples.leads)
        gradients = backward(weights, tape, compute_loss(training.loss, quantiles, targets).gradient)
        gradient = np.concatenate([gradients[name].ravel() for name in trained])
        optimiser.step(parameters, gradient, config.rate_at(step, steps))
        average += TUNING.averaging * (parameters - average)
        if progress:
            progress(step + 1)
    if steps >= TUNING.average_from:
        parameters[:] = average
    return trained, steps * batch


def _choose_alpha(
    base: Weights, trained: Weights, validation: Examples, training: _Training, n_series: int, max_alpha: float
) -> float:
    """Choose the alpha whose mean gain on the validation set, less what may be chance, is largest."""
    features, depth = validation.features, training.depth
    entering = run_frozen_layers(base, features.inputs, depth)

    def compute_errors(alpha: float) -> Floats:
        weights = _interpolate(base, trained, alpha)
        quantiles, _ = forward(weights, entering, features, depth)
        if training.loss == "default":  # all quantiles alike, so that nothing is gained by a median of zero
            return pinball(quantiles, validation.targets, EQUAL_WEIGHTS).by_window
        return compute_loss(training.loss, quantiles, validation.targets).by_window

    base_errors = compute_errors(0.0)
    small_panel = 1 + TUNING.small_panel_certainty / np.sqrt(n_series)

    def score(errors: Floats, reference: Floats, certainty: float) -> float:
        """Compute the mean change of the errors plus what chance may have gained; below 0 the gain is clear."""
        change = np.clip((errors - reference) / (base_errors + np.median(base_errors) + 1e-9), -0.5, 0.5)
        return float(change.mean() + certainty * small_panel * change.std() / np.sqrt(len(change)))

    candidates = [alpha for alpha in TUNING.alphas if alpha <= max_alpha]
    scores = {alpha: score(compute_errors(alpha), base_errors, TUNING.certainty) for alpha in candidates}
    best = min(scores, key=scores.__getitem__)
    if scores[best] >= 0:
        return 0.0
    if best == TUNING.alphas[-1]:
        for alpha in TUNING.further_alphas:
            if score(compute_errors(alpha), compute_errors(best), TUNING.further_certainty) >= 0:
                break
            best = alpha
    return best


def _interpolate(base: Weights, trained: Weights, alpha: float) -> Weights:
    """Return ``base + alpha * (trained - base)``; the base itself where alpha is 0."""
    if alpha == 0:
        return base
    return {
        **base,
        **{name: base[name] + np.float32(alpha) * (tensor - base[name]) for name, tensor in trained.items()},
    }
