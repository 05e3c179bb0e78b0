"""What covariates add to packing a frame: checking the rows of the past and the future, and putting them in order.

    python tests/benchmarks/covariate_packing.py --rows 3_000_000

Series of 3,000 days, with 28 days ahead; the best of three, in seconds. A further covariate should cost no more than
the target does.
"""

import argparse
import time

import numpy as np
import pandas as pd

from nixtla_accessor.panel.covariate_columns import CovariateChoice
from nixtla_accessor.panel.covariates import pack_with_covariates
from nixtla_accessor.panel.names import resolve_columns

SIZE, HORIZON = 3_000, 28
COVARIATES = [f"x{number}" for number in range(5)]


def make_frames(rows):
    """Make the past and the future of series that end together."""
    rng = np.random.default_rng(0)
    names = pd.Categorical.from_codes(np.arange(rows // SIZE), [f"s{number:06}" for number in range(rows // SIZE)])
    stamps = pd.date_range("2015-01-01", periods=SIZE + HORIZON)
    parts = []
    for days in (stamps[:SIZE], stamps[SIZE:]):
        frame = pd.DataFrame({"unique_id": names.repeat(len(days)), "ds": np.tile(days, len(names))})
        for name in ("y", *COVARIATES):
            frame[name] = rng.normal(size=len(frame))
        parts.append(frame)
    return parts[0], parts[1].drop(columns="y")


def best_of_three(run):
    """Return the seconds of the fastest of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=lambda text: int(text.replace("_", "")), default=3_000_000)
    past, future = make_frames(parser.parse_args().rows)
    print("| rows | target alone | one covariate | five | each further one | four of the calendar |")
    print("|---|---:|---:|---:|---:|---:|")
    for layout, seed in (("sorted", None), ("shuffled", 1)):
        df, X_df = (frame if seed is None else frame.sample(frac=1, random_state=seed) for frame in (past, future))
        columns = resolve_columns(df)

        def seconds(choice, df=df, columns=columns):
            return best_of_three(lambda: pack_with_covariates(df, columns, "D", choice, HORIZON))

        alone = seconds(CovariateChoice())
        one = seconds(CovariateChoice(X_df[["unique_id", "ds", "x0"]]))
        five = seconds(CovariateChoice(X_df))
        calendar = seconds(CovariateChoice(date_features=True))
        print(f"| {layout} | {alone:.3f} | {one:.3f} | {five:.3f} | {(five - one) / 4:.3f} | {calendar:.3f} |")


if __name__ == "__main__":
    main()
