"""The cost of a large request to the local server: memory, and how long other clients wait meanwhile.

    python tests/benchmarks/large_bodies.py                       # 20 million values, 190 MB of JSON: some minutes
    python tests/benchmarks/large_bodies.py --values 1_000_000

Each request goes to a new server. Memory is the peak above the memory before, on Linux, as a multiple of the body. The
other clients are one that lists the models all the time.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import requests

LENGTHS = (200, 20, None)  # of a series; None is one series of all values
CALLS: dict[str, dict[str, Any]] = {
    "finetune": {"finetune_steps": 10, "output_model_id": "large"},
    "forecast": {"h": 3, "level": [80]},
}


@contextmanager
def server() -> Iterator[tuple[int, str, dict[str, str]]]:
    """Run a server in a process of its own; yield its process id, address and headers."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "NIXTLA_ACCESSOR_HOME": home}
        command = [sys.executable, "-m", "nixtla_accessor", "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            announced = "".join(process.stdout.readline() for _ in range(3))
            url, key = (re.search(rf"{name}=(\S+)", announced)[1] for name in ("BASE_URL", "API_KEY"))
            try:
                yield process.pid, url, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            finally:
                process.kill()


def memory(pid: int, name: str) -> int:
    """Return the bytes that a process holds (VmRSS), or its peak (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1024


def body_of(n_values: int, length: int, call: str) -> bytes:
    """Return a request of daily series with a weekly season."""
    rng = np.random.default_rng(0)
    y = np.round(20 + 3 * np.sin(2 * np.pi * np.arange(n_values) / 7) + rng.normal(size=n_values), 6)
    series = {"y": y, "sizes": np.full(n_values // length, length)}
    return orjson.dumps({"series": series, "freq": "D", **CALLS[call]}, option=orjson.OPT_SERIALIZE_NUMPY)


def measure(n_values: int, length: int, call: str) -> str:
    """Send one request; measure memory, and the waits of another client."""
    body = body_of(n_values, length, call)
    waits: list[float] = []
    done = threading.Event()
    with server() as (pid, url, headers):

        def list_models() -> None:
            while not done.wait(0.05):
                began = time.perf_counter()
                requests.get(f"{url}/v2/models", headers=headers, timeout=600)
                waits.append(time.perf_counter() - began)

        before = memory(pid, "VmRSS")
        other_client = threading.Thread(target=list_models)
        other_client.start()
        began = time.perf_counter()
        answer = requests.post(f"{url}/v2/{call}", data=body, headers=headers, timeout=3600)
        seconds = time.perf_counter() - began
        done.set()
        other_client.join()
        added = memory(pid, "VmHWM") - before
    return (
        f"{n_values // length:>9,} x {length:<10,} {call:8} {answer.status_code} {len(body) / 2**20:6.0f} MiB "
        f"{seconds:6.1f} s {added / len(body):5.1f} x the body {max(waits):6.2f} s longest wait"
    )


def main() -> None:
    """Print a line for each panel and call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=20_000_000)
    n_values = parser.parse_args().values
    for length in LENGTHS:
        for call in CALLS:
            print(measure(n_values, length or n_values, call), flush=True)


if __name__ == "__main__":
    main()
