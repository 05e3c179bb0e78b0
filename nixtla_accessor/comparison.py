"""Did fine-tuning help? A hold-out that the tuning never sees, forecast in three ways."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.contract import Bound, parse_intervals
from nixtla_accessor.errors import TimeGPTError
from nixtla_accessor.panel.packing import PackedSeries, drop_last, refuse_shorter
from nixtla_accessor.panel.scores import error_units, score, score_frame, seasonal_naive

if TYPE_CHECKING:
    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import FinetuneOptions

SEASONAL_NAIVE, ZERO_SHOT, FINE_TUNED = "seasonal naive", "zero-shot", "fine-tuned"
CLEAR = 1.0  # percent of MASE
Values = npt.NDArray[np.float64]


def compare_models(
    packed: PackedSeries,
    client: Client,
    horizon: int,
    tuning: FinetuneOptions,
    *,
    n_windows: int,
    level: Sequence[float] | None,
    by_series: bool,
    keep: bool,
) -> pd.DataFrame:
    """Fine-tune on all but the hold-out, and measure the forecasts of it.

    Parameters
    ----------
    packed : PackedSeries
        The series, the hold-out included.
    client : Client
        Where to tune and to forecast.
    horizon : int
        The steps of a window.
    tuning : FinetuneOptions
        How to tune.
    n_windows : int
        How many windows follow each other at the end of each series.
    level : sequence of float, optional
        Levels of intervals whose coverage is measured, in percent.
    by_series : bool
        Whether to show each series.
    keep : bool
        Whether the model is kept, rather than deleted at the end.

    Returns
    -------
    DataFrame
        As `score_frame` makes it, with the verdict in its attrs.
    """
    held_out = horizon * n_windows
    refuse_shorter(packed, held_out + 2, f"A comparison on {n_windows} × {horizon} steps held out")
    wire, season = packed.frequency.api_name, packed.frequency.season_length
    training = drop_last(packed, held_out)
    model_id = client.finetune(training.y, training.sizes, wire, **asdict(tuning)).finetuned_model_id
    try:
        results = {
            name: client.cross_validation(
                packed.y,
                packed.sizes,
                wire,
                horizon,
                n_windows=n_windows,
                level=level,
                model=tuning.model,
                finetuned_model_id=chosen,
            )
            for name, chosen in ((ZERO_SHOT, None), (FINE_TUNED, model_id))
        }
    finally:
        if not keep:
            with suppress(TimeGPTError):  # the figures count more than a model left behind
                client.delete_finetuned_model(model_id)
    shape = (len(packed.sizes), held_out)
    ends = np.cumsum(packed.sizes)[:, None]
    actual = np.asarray(packed.y[ends - held_out + np.arange(held_out)], dtype=np.float64)
    units = error_units(training, season)
    scores = {SEASONAL_NAIVE: score(actual, seasonal_naive(packed, horizon, n_windows, season), units, {})}
    for name, result in results.items():
        answered = parse_intervals(result.intervals)
        bounds = {
            float(asked): (
                answered[Bound("lo", float(asked))].reshape(shape),
                answered[Bound("hi", float(asked))].reshape(shape),
            )
            for asked in level or ()
        }
        scores[name] = score(actual, result.mean.reshape(shape), units, bounds)
    table = score_frame(packed, scores, by_series=by_series)
    unchanged = np.array_equal(results[ZERO_SHOT].mean, results[FINE_TUNED].mean)
    table.attrs["comparison"] = _verdict(scores, unchanged=unchanged) | (
        {"finetuned_model_id": model_id} if keep else {}
    )
    return table


def _verdict(scores: dict[str, dict[str, Values]], *, unchanged: bool) -> dict[str, str | int]:
    """Say in a sentence whether tuning helped, and on how many series."""
    before, after = scores[ZERO_SHOT]["MASE"], scores[FINE_TUNED]["MASE"]
    measured = np.isfinite(before) & np.isfinite(after)
    n_better, n_worse = int((after < before)[measured].sum()), int((after > before)[measured].sum())
    n_series = int(measured.sum())
    counts = {"n_series": n_series, "n_better": n_better, "n_worse": n_worse}
    if not n_series:
        return {"verdict": "Tuning cannot be measured: no series changes from season to season.", **counts}
    if unchanged:
        return {"verdict": "Tuning changed nothing: the forecasts are those of the base model.", **counts}
    mean_before, mean_after = float(before[measured].mean()), float(after[measured].mean())
    change = 100 * (mean_after / mean_before - 1) if mean_before > 0 else 0.0
    word = "made no clear difference" if abs(change) < CLEAR else "helped" if change < 0 else "did not help"
    verdict = (
        f"Tuning {word}: MASE {mean_before:.3f} → {mean_after:.3f} ({change:+.1f}%), better on {n_better} and worse on "
        f"{n_worse} of {n_series} series."
    )
    return {"verdict": verdict, **counts}
