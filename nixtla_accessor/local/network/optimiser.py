"""Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101), over one flat vector of parameters."""

from __future__ import annotations

import numpy as np

from nixtla_accessor.local.arrays import Floats
from nixtla_accessor.local.network.weights import Weights


def flatten(weights: Weights) -> tuple[Floats, Weights]:
    """Copy weights into one vector; return it, and the same weights as views of it."""
    vector = np.concatenate([tensor.ravel() for tensor in weights.values()])
    return vector, unflatten(vector, weights)


def unflatten(vector: Floats, like: Weights) -> Weights:
    """Return views of a vector with the names and shapes of these weights."""
    ends = np.cumsum([tensor.size for tensor in like.values()])
    parts = np.split(vector, ends[:-1])
    return {name: part.reshape(tensor.shape) for (name, tensor), part in zip(like.items(), parts, strict=True)}


class Adam:
    """An optimiser: the moments of the gradients, and the number of steps taken.

    Parameters
    ----------
    size : int
        Number of parameters.
    betas : tuple of float
        Decay rates of the mean and of the mean square of the gradients.
    decay : float
        Weight decay of a step, as a multiple of the learning rate.
    """

    def __init__(self, size: int, *, betas: tuple[float, float], decay: float = 0.0) -> None:
        self.betas, self.decay, self.steps = betas, decay, 0
        self.mean = np.zeros(size, np.float32)
        self.square = np.zeros(size, np.float32)
        self._work = np.empty(size, np.float32)

    def step(self, parameters: Floats, gradient: Floats, rate: float) -> None:
        """Update the parameters in place; the norm of the gradient is first clipped to 1."""
        norm = float(np.sqrt(gradient @ gradient))
        if norm > 1:
            gradient = gradient / np.float32(norm)
        self.steps += 1
        first, second = self.betas
        work = self._work
        self.mean *= first
        self.mean += np.multiply(gradient, 1 - first, out=work)
        self.square *= second
        np.multiply(gradient, gradient, out=work)
        work *= 1 - second
        self.square += work
        np.sqrt(self.square, out=work)
        work *= (1 - second**self.steps) ** -0.5
        work += 1e-8
        np.divide(self.mean, work, out=work)
        work *= rate / (1 - first**self.steps)
        if self.decay:
            parameters *= 1 - rate * self.decay
        parameters -= work
