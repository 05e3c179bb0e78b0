"""The time of importing the package, beside its dependencies, and of the local engine's calls.

    python tests/benchmarks/overheads.py

Prints one table. Each figure is the median of several runs, of imports in a fresh process each; pairs are measured
alternately.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd

ROUNDS = 15


def seconds(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def medians(*calls, rounds=ROUNDS):
    """Time calls alternately, after one round that does not count."""
    times = [[seconds(call) for call in calls] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def import_time(statement):
    program = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(run.stdout)


def measure_imports():
    statements = ("import nixtla_accessor", "import pandas, pyarrow, requests, pydantic")
    rounds = [[import_time(statement) for statement in statements] for _ in range(ROUNDS + 1)][1:]
    ours, base = (statistics.median(column) for column in zip(*rounds, strict=True))
    yield "import, against pandas + pyarrow + requests + pydantic", f"{ours:.3f} s", f"{base:.3f} s", ours / base


def measure_engine():
    import nixtla_accessor

    rng = np.random.default_rng(0)
    y = np.concatenate(
        [np.cumsum(rng.normal(size=200)) + 10 * np.sin(np.arange(200) * 2 * np.pi / 7) for _ in range(100)]
    )
    long = np.tile(y, 10)
    with nixtla_accessor.connect(base_url="local", progress=False) as client:

        def tune():
            client.finetune(
                y, [200] * 100, "D", finetune_steps=50, finetune_depth=5, output_model_id="b", overwrite=True
            )

        (tuning,) = medians(tune, rounds=5)
        (forecast,) = medians(lambda: client.forecast(long, [200] * 1000, "D", 14), rounds=5)
        client.delete_finetuned_model("b")
    yield "local finetune, 100 × 200, 50 steps, depth 5 (aim: 1 s)", f"{tuning:.2f} s", "", float("nan")
    yield "local zero-shot forecast, a series of 1000 (aim: 0.2 ms)", f"{forecast:.3f} ms", "", float("nan")


def main():
    with tempfile.TemporaryDirectory() as home:
        os.environ["NIXTLA_ACCESSOR_HOME"] = home
        rows = [*measure_imports(), *measure_engine()]
    print(pd.DataFrame(rows, columns=["what", "here", "beside", "ratio"]).to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
