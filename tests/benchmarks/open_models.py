"""Measure a pulled base model on this machine: ``python tests/benchmarks/open_models.py NAME``.

Prints how long loading, zero-shot forecasts and training steps take, and the memory of the process.
"""

import argparse
import resource
import time

import numpy as np

from nixtla_accessor.local.base_models.storage import BASE_MODELS, BaseModelFolder
from nixtla_accessor.local.service.forecasters import Forecasters
from nixtla_accessor.local.service.store import default_path
from nixtla_accessor.seasons import Season

WEEK = Season(7, 0)
HORIZON = 24


def ignore(_done):
    """Let the work go on."""


def panel(n_series, length):
    rng = np.random.default_rng(0)
    return [
        100 + 10 * np.sin(np.arange(length) * 2 * np.pi / 7) + rng.normal(size=length).cumsum() for _ in range(n_series)
    ]


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    forecaster = Forecasters(BaseModelFolder(default_path().parent / BASE_MODELS)).choose(arguments.name).forecaster

    def forecast(series):
        forecaster.forecast(None, series, WEEK, HORIZON, [0.1, 0.5, 0.9], progress=ignore)

    print(f"importing, loading, and a first forecast   {seconds(lambda: forecast(panel(1, 50))):8.2f} s")
    for length in (200, 512, 2048):
        took = seconds(lambda length=length: forecast(panel(64, length)))
        print(f"{HORIZON} steps of 64 series of {length:5} values     {1e3 * took / 64:8.2f} ms a series")
    for depth in range(1, 6) if forecaster.losses else ():
        tune = lambda steps, depth=depth: forecaster.tune(  # noqa: E731 - short
            panel(32, 200), WEEK, steps=steps, depth=depth, loss="default", seed=0, base=None, progress=ignore
        )
        fixed = seconds(lambda tune=tune: tune(1))
        took = seconds(lambda tune=tune: tune(1 + arguments.steps))
        step = (took - fixed) / arguments.steps
        print(f"fine-tuning at depth {depth}     {step:8.3f} s a step, {fixed:6.2f} s before and after")
    print(f"memory at most     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
