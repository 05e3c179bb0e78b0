"""The client's side of a fine-tuning call, next to the official client's and to the encoder alone.

    python -m venv peer && peer/bin/pip install nixtla==0.9.0 'pandas<3'
    python tests/benchmarks/client_side.py peer/bin/python --rows 10_000_000

Both clients fine-tune on the same frame, each in a process of its own, against a server on loopback that reads the
request and answers at once: the time is that of validating, inferring the frequency, packing, encoding and sending. The
encoder alone is orjson and zstd on the frame's values, in their order. Added memory is the peak above what the process
held before the call, on Linux. The last table is a small frame's call next to a bare POST of its body.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sink import sink

SHAPES = {"long": 10_000, "usual": 1_000, "short": 10}  # rows of a series
LAYOUTS = ("sorted", "shuffled", "categorical", "integer")


def write_frame(path: Path, rows: int, size: int, layout: str, decimals: int | None) -> None:
    """Write one frame: hourly series of random walks, sorted unless the layout says otherwise."""
    import numpy as np
    import pandas as pd

    series = rows // size
    numbers = np.repeat(np.arange(series), size)
    hours = pd.date_range("2015-01-01", periods=size, freq="h", unit="ns")
    values = np.random.default_rng(0).normal(size=rows).cumsum()
    frame = pd.DataFrame(
        {
            "unique_id": numbers
            if layout == "integer"
            else pd.Index([f"series_{n:07d}" for n in range(series)])[numbers],
            "ds": np.tile(hours.to_numpy(), series),
            "y": values if decimals is None else values.round(decimals),
        }
    )
    if layout == "shuffled":
        frame = frame.sample(frac=1, random_state=0, ignore_index=True)
    if layout == "categorical":
        frame["unique_id"] = frame["unique_id"].astype("category")
    frame.to_parquet(path, index=False)


def work(client: str, path: str, address: str, repeat: int) -> None:
    """Time one client on one frame; print seconds, added bytes, and for ours the encoder's seconds."""
    import pandas as pd

    frame = pd.read_parquet(path)
    finetune = official_call(frame, address) if client == "official" else our_call(frame, address)
    added = added_memory(finetune)
    seconds = min(timed(finetune) for _ in range(repeat))
    encoder = min(timed(encoder_call(frame)) for _ in range(repeat)) if client == "ours" else None
    print(json.dumps({"seconds": seconds, "added": added, "encoder": encoder}))


def official_call(frame: object, address: str) -> Callable[[], object]:
    """Return a call of the official client."""
    from nixtla import NixtlaClient

    client = NixtlaClient(api_key="none", base_url=address)
    return lambda: client.finetune(frame, freq=None)


def our_call(frame: object, address: str) -> Callable[[], object]:
    """Return a call of this package."""
    import nixtla_accessor

    client = nixtla_accessor.connect(api_key="none", base_url=address, progress=False)
    return lambda: nixtla_accessor.TimeGPTAccessor(frame).finetune(client=client)


def encoder_call(frame: object) -> Callable[[], object]:
    """Return a call of the encoder alone."""
    import orjson
    import pyarrow as pa

    values = frame["y"].to_numpy()
    codec = pa.Codec("zstd", 1)
    return lambda: codec.compress(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY), asbytes=True)


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def added_memory(call: Callable[[], object]) -> int:
    """Return the bytes that a call adds to the process at its peak; 0 where the system does not report it."""
    import pyarrow as pa

    gc.collect()
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # so that memory freed by reading the frame is not used again
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    except OSError:
        call()
        return 0
    before = memory("VmRSS")
    call()
    return memory("VmHWM") - before


def memory(field: str) -> int:
    """Read a field of the process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def run_worker(python: str, client: str, path: Path, address: str, repeat: int) -> dict[str, float]:
    """Time one client in a process of its own."""
    command = [python, __file__, "--worker", client, str(path), address, str(repeat)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


def compare(address: str, rows: int, options: argparse.Namespace) -> None:
    """Print the table of both clients, frame by frame."""
    digits = "all digits" if options.decimals is None else f"{options.decimals} decimals"
    print(f"\n{rows:,} rows, values of {digits}, best of {options.repeat}\n")
    print(
        "| series | rows | official | ours | faster | official adds | ours adds | memory | encoder | ours / encoder |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for shape in options.shapes:
            for layout in options.layouts:
                path = Path(folder, "frame.parquet")
                write_frame(path, rows, SHAPES[shape], layout, options.decimals)
                theirs = run_worker(options.peer, "official", path, address, options.repeat)
                ours = run_worker(sys.executable, "ours", path, address, options.repeat)
                print(
                    f"| {rows // SHAPES[shape]:,} × {SHAPES[shape]:,} | {layout} "
                    f"| {theirs['seconds']:.2f} s | {ours['seconds']:.2f} s "
                    f"| {theirs['seconds'] / ours['seconds']:.1f} × "
                    f"| {theirs['added'] / 2**20:.0f} MiB | {ours['added'] / 2**20:.0f} MiB "
                    f"| {ours['added'] / max(theirs['added'], 1):.2f} "
                    f"| {ours['encoder']:.2f} s | {ours['seconds'] / ours['encoder']:.2f} |",
                    flush=True,
                )


def compare_small(address: str, repeat: int = 200) -> None:
    """Print how much longer a call on 1,000 rows takes than a bare POST of its body."""
    import orjson
    import pandas as pd
    import requests

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.parquet")
        write_frame(path, 1_000, 100, "sorted", None)
        frame = pd.read_parquet(path)
    call = our_call(frame, address)
    series = {"y": frame["y"].to_list(), "sizes": [100] * 10}
    body = orjson.dumps({"series": series, "freq": "H", "finetune_steps": 10})
    with requests.Session() as session:
        call()
        bare = sorted(timed(lambda: session.post(f"{address}/v2/finetune", data=body)) for _ in range(repeat))
        ours = sorted(timed(call) for _ in range(repeat))
    middle = repeat // 2
    print("\n1,000 rows, median\n\n| bare POST | finetune | over it |\n|---:|---:|---:|")
    over = 1e3 * (ours[middle] - bare[middle])
    print(f"| {1e3 * bare[middle]:.2f} ms | {1e3 * ours[middle]:.2f} ms | {over:.2f} ms |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", help="the Python of an environment that has the official client")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--decimals", type=int, help="round the values, as prices are; all digits by default")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with sink() as address:
        for rows in options.rows:
            compare(address, rows, options)
        compare_small(address)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        main()
