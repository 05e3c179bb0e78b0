"""Pretrain the network on synthetic series, reproducibly from a seed.

    python -m nixtla_accessor.local.pretraining --seed 0 --steps 20000 --folder run --output new.safetensors

A run that was cut is resumed from what is in its folder. With glibc it is faster by a quarter if the C library keeps
freed memory: ``MALLOC_TRIM_THRESHOLD_=2000000000 MALLOC_MMAP_THRESHOLD_=1000000000``.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from nixtla_accessor.local.network.weights import dump_weights
from nixtla_accessor.local.pretraining.training import PretrainingConfig, pretrain


def main() -> None:
    """Pretrain from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m nixtla_accessor.local.pretraining", description="Pretrain the network."
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of the examples, 8 GB, and of the checkpoint")
    parser.add_argument("--output", type=Path, required=True, help="the file of the weights, in float16")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    config = PretrainingConfig(seed=arguments.seed, steps=arguments.steps)
    weights = pretrain(config, arguments.folder)
    arguments.output.write_bytes(dump_weights(weights, dtype=np.float16))


if __name__ == "__main__":
    main()
