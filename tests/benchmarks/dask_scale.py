"""Time and memory of fine-tuning from a Dask frame, by rows, series, partitions and workers.

    python tests/benchmarks/dask_scale.py                            # 1 to 20 million rows: some minutes, 1 GB of disk
    python tests/benchmarks/dask_scale.py --rows 1_000_000           # a minute

The script writes hourly series to Parquet in a temporary folder, and fine-tunes on them with a LocalCluster of
processes of one thread each, against a server on loopback that discards the request and answers as if a model had been
tuned. Times are of the call alone, with warm workers; "packing" is its part before the request. Memory is the peak
above what a process held before the first call, on Linux: of this process, and of the worker with the highest. "pandas"
reads the same files into one frame and fine-tunes from that. The last table is the local engine, on a small panel.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sink import sink

STEPS_OF_SERIES, ROWS_OF_FILE = 1_000, 500_000


@dataclass(frozen=True)
class Case:
    """A data set, and the number of workers; 0 for pandas."""

    rows: int
    series: int
    files: int
    workers: int
    layout: str = "by id"


def write_files(folder: Path, case: Case) -> None:
    """Write one data set: its rows sorted by id and cut anywhere, sorted by time, or shuffled."""
    import numpy as np
    import pandas as pd

    steps = case.rows // case.series
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"series {number:08}" for number in range(case.series)], steps),
            "ds": np.tile(pd.date_range("2015-01-01", periods=steps, freq="h", unit="us"), case.series),
            "y": generator.normal(100, 10, case.rows).round(2),
            "further": generator.integers(0, 9, case.rows),
        }
    )
    if case.layout == "by time":
        frame = frame.sort_values("ds", kind="stable")
    elif case.layout == "shuffled":
        frame = frame.sample(frac=1, random_state=0)
    borders = np.linspace(0, case.rows, case.files + 1).astype(int)
    for number, (low, high) in enumerate(itertools.pairwise(borders)):
        frame.iloc[low:high].to_parquet(folder / f"{number:05}.parquet", index=False)


def resident(kind: str) -> int:
    """Return the bytes of memory of this process, now ("VmRSS") or at its peak ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(kind))


def mark() -> int:
    """Reset the peak, and return the bytes of memory now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def peak_above(held: int) -> int:
    """Return how far the peak was above an earlier figure."""
    return resident("VmHWM") - held


def measure(case: Case, folder: Path, address: str) -> dict[str, float]:
    """Measure one packing and one fine-tuning."""
    import dask.dataframe as dd
    import pandas as pd

    import nixtla_accessor.dask

    client = nixtla_accessor.Client(api_key="a-key", base_url=address, progress=False, max_request_bytes=2**40)
    if not case.workers:
        held = mark()
        began = time.perf_counter()
        frame = pd.concat([pd.read_parquet(path) for path in sorted(folder.iterdir())], ignore_index=True)
        read = time.perf_counter()
        frame.timegpt.finetune(client=client)
        return {"pack": read - began, "all": time.perf_counter() - began, "here": peak_above(held), "there": 0}

    from distributed import Client as Cluster
    from distributed import LocalCluster

    options = {"n_workers": case.workers, "threads_per_worker": 1, "memory_limit": None, "dashboard_address": ":0"}
    with LocalCluster(**options) as processes, Cluster(processes) as cluster:
        cluster.run(__import__, "nixtla_accessor.dask")  # so that no import is measured
        frame = dd.read_parquet(folder)
        marks, held = cluster.run(mark), mark()
        frame.timegpt.pack()  # the first call does not count
        began = time.perf_counter()
        packed = frame.timegpt.pack()
        done = time.perf_counter()
        assert len(packed.y) == case.rows
        del packed
        packing_here = peak_above(held)
        again = time.perf_counter()
        frame.timegpt.finetune(client=client)
        took = time.perf_counter() - again
        peaks = cluster.run(resident, "VmHWM")
        return {
            "pack": done - began,
            "all": took,
            "here": peak_above(held),
            "packing here": packing_here,
            "there": max(peaks[worker] - marks[worker] for worker in marks),
        }


def run(case: Case, folder: Path, address: str) -> dict[str, float]:
    """Measure a case in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps(vars(case)), "--folder", str(folder), "--sink", address]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))


def table(title: str, cases: list[Case], address: str) -> None:
    """Measure some cases, and print a row for each."""
    print(f"\n{title}\n")
    print("| rows | series | files | layout | workers | packing | all | packing here | peak here | peak of a worker |")
    print("|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), case)
            took = run(case, Path(folder), address)
        names = f"| {case.rows:,} | {case.series:,} | {case.files} | {case.layout} | {case.workers or 'pandas'} "
        here = f"{took['packing here'] / 2**20:,.0f} MiB" if case.workers else ""
        times = f"| {took['pack']:.2f} s | {took['all']:.2f} s | {here} "
        memory = f"| {took['here'] / 2**20:,.0f} MiB | {took['there'] / 2**20:,.0f} MiB |"
        print(names + times + memory, flush=True)


def embedded_engine() -> None:
    """Fine-tune and forecast a small panel with the local engine, from pandas and on one and two workers."""
    import dask.dataframe as dd
    from distributed import Client as Cluster
    from distributed import LocalCluster

    import nixtla_accessor.dask

    case = Case(200_000, 1_000, 8, 2)
    print(f"\nThe local engine: {case.series:,} series of {case.rows // case.series} rows\n")
    print("| workers | finetune, 10 steps | forecast, h=24 |\n|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, nixtla_accessor.connect(base_url="local", progress=False):
        write_files(Path(folder), case)

        def show(name: object, frame: dd.DataFrame) -> None:
            began = time.perf_counter()
            frame.timegpt.finetune()
            tuned = time.perf_counter()
            ahead = frame.timegpt.forecast(24)
            rows = len(ahead.compute() if isinstance(ahead, dd.DataFrame) else ahead)
            assert rows == 24 * case.series
            print(f"| {name} | {tuned - began:.2f} s | {time.perf_counter() - tuned:.2f} s |", flush=True)

        frame = dd.read_parquet(folder)
        frame.compute().timegpt.finetune()  # starts the engine
        show("pandas", frame.compute())
        for workers in (1, 2):
            options = {"n_workers": workers, "threads_per_worker": 1, "memory_limit": None, "dashboard_address": ":0"}
            with LocalCluster(**options) as processes, Cluster(processes):
                frame.timegpt.forecast(1, model="timegpt-1").compute()  # starts the workers' engines
                show(workers, frame)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sink", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(measure(Case(**json.loads(asked.case)), asked.folder, asked.sink)))
        return

    def case(rows: int, workers: int, steps: int = STEPS_OF_SERIES, of_file: int = ROWS_OF_FILE, **layout: str) -> Case:
        return Case(rows, rows // steps, max(rows // of_file, 2), workers, **layout)

    middle = asked.rows[len(asked.rows) // 2]
    with sink() as address:
        table("With rows", [case(rows, workers) for rows in asked.rows for workers in (0, 1, 2)], address)
        table("With series", [case(middle, 2, steps) for steps in (10_000, 1_000, 100, 10)], address)
        table("With partitions", [case(middle, 2, of_file=middle // files) for files in (4, 16, 64)], address)
        layouts = [case(middle, 2, layout=layout) for layout in ("by id", "by time", "shuffled")]
        table("With the order of the rows", layouts, address)
    embedded_engine()


if __name__ == "__main__":
    main()
