"""Tiny Chronos-2 and Chronos-Bolt models of random weights, pulled from a folder into a home of their own."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import requests
import torch
from chronos.chronos2 import Chronos2Model
from chronos.chronos2.config import Chronos2CoreConfig
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from transformers import T5Config

from nixtla_accessor.local.chronos.pipelines import quiet, unload
from nixtla_accessor.local.service.commands import pull

TWENTY_ONE = [0.01, 0.05, *np.arange(0.1, 0.95, 0.05).round(2).tolist(), 0.95, 0.99]
NINE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
PATCHES = {"context_length": 128, "input_patch_size": 8, "input_patch_stride": 8, "use_reg_token": True}
SIZES = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}


def save_chronos_2(folder, seed=0, **changed):
    chronos_config = {
        **PATCHES,
        "output_patch_size": 8,
        "max_output_patches": 8,
        "quantiles": TWENTY_ONE,
        "use_arcsinh": True,
    }
    torch.manual_seed(seed)
    with quiet():
        Chronos2Model(Chronos2CoreConfig(**{**SIZES, **changed}, chronos_config=chronos_config)).save_pretrained(folder)
    return folder


def save_bolt(folder):
    chronos_config = {**PATCHES, "prediction_length": 16, "quantiles": NINE}
    torch.manual_seed(0)
    config = T5Config(
        **SIZES,
        num_decoder_layers=2,
        feed_forward_proj="relu",
        decoder_start_token_id=0,
        initializer_factor=0.1,
        chronos_config=chronos_config,
    )
    with quiet():
        ChronosBoltModelForForecasting(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def few_threads():
    """These models are so small that a second thread would only be waited for."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def chronos_2_folder(tmp_path_factory):
    return save_chronos_2(tmp_path_factory.mktemp("models") / "chronos-2")


@pytest.fixture(scope="session")
def bolt_folder(tmp_path_factory):
    return save_bolt(tmp_path_factory.mktemp("models") / "bolt")


@pytest.fixture(scope="session")
def home(tmp_path_factory, chronos_2_folder, bolt_folder):
    """A home of the engine with both models."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIXTLA_ACCESSOR_HOME", str(home))
        pull(str(chronos_2_folder), "tiny/chronos-2", None)
        pull(str(bolt_folder), "tiny/bolt", None)
    unload()
    return home


@pytest.fixture(scope="session")
def panel():
    """Weekly seasons of different levels, with noise."""
    rng = np.random.default_rng(0)
    lengths = (120, 60, 90, 150)
    return [
        10 * i + (1 + i) * np.sin(np.arange(n) * 2 * np.pi / 7) + 0.1 * rng.normal(size=n)
        for i, n in enumerate(lengths)
    ]


class Serving:
    """`python -m nixtla_accessor serve` in a process of its own."""

    def __init__(self, home, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "nixtla_accessor", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NIXTLA_ACCESSOR_HOME": str(home), "OMP_NUM_THREADS": "1", **environment},
        )
        announced = "".join(self.process.stdout.readline() for _ in range(3))
        self.url = re.search(r"NIXTLA_BASE_URL=(\S+)", announced)[1]
        self.key = re.search(r"NIXTLA_API_KEY=(\S+)", announced)[1]
        self.stderr = None

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=120)

    def end(self, signal_=signal.SIGINT):
        """End the process; return what it wrote that was no announcement."""
        if self.stderr is None:
            self.process.send_signal(signal_)
            self.stdout, self.stderr = self.process.communicate(timeout=30)
        return self.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.end()


@pytest.fixture
def serve(home):
    """Start engines; all are ended afterwards."""
    with contextlib.ExitStack() as started:
        yield lambda folder=home, **environment: started.enter_context(Serving(folder, **environment))
