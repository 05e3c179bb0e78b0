"""Panels longer than a chunk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor.errors import DuplicateTimestampError, MissingTimestampError, OffGridTimestampError
from nixtla_accessor.panel.arrays import CHUNK_ROWS

HOURS = pd.date_range("2020-01-01", periods=200_000, freq="h", unit="us").to_numpy()
# Borders of series and of chunks coincide, are one row apart, and far apart.
SIZES = [CHUNK_ROWS - 1, 2, CHUNK_ROWS // 2, CHUNK_ROWS // 2 - 1, *[7] * 3000, 1, 1, 20_001]


@pytest.fixture(scope="module")
def panel():
    names = np.array([f"series {number:05}" for number in range(len(SIZES))])
    y = np.random.default_rng(0).normal(size=sum(SIZES))
    stamps = np.concatenate([HOURS[:size] for size in SIZES])
    return pd.DataFrame({"unique_id": np.repeat(names, SIZES), "ds": stamps, "y": y})


LAYOUTS = {
    "sorted": lambda df: df,
    "blocks in another order": lambda df: df.sort_values(["unique_id", "ds"], ascending=[False, True]),
    "backwards": lambda df: df[::-1],
    "by time": lambda df: df.sort_values("ds", kind="stable"),
    "shuffled": lambda df: df.sample(frac=1, random_state=0),
}
IDS = {
    "text": lambda ids: ids,
    "objects": lambda ids: ids.astype(object),
    "categories": lambda ids: ids.astype("category"),
    "integers": lambda ids: ids.str[7:].astype("int64"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ids", IDS)
def test_long_panels(pack, panel, layout, ids):
    frame = LAYOUTS[layout](panel.assign(unique_id=IDS[ids](panel["unique_id"])))
    packed = pack(frame)
    assert packed.freq == "h"
    assert packed.sizes.tolist() == SIZES
    assert packed.y.tobytes() == panel["y"].to_numpy().tobytes()
    assert (packed.starts == pd.Timestamp("2020-01-01")).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("row", [CHUNK_ROWS - 3, CHUNK_ROWS + 2, 2 * CHUNK_ROWS - 2, sum(SIZES) - 5])
def test_one_irregular_row_among_many(pack, panel, layout, row):
    stamp, name = panel["ds"][row], panel["unique_id"][row]
    for spoil, kind in [
        (panel.drop(row), MissingTimestampError),
        (pd.concat([panel, panel[row : row + 1]]), DuplicateTimestampError),
        (panel.assign(ds=panel["ds"].mask(panel.index == row, stamp + pd.Timedelta("1us"))), OffGridTimestampError),
    ]:
        with pytest.raises(kind, match=f"1 .* series '{name}'"):
            pack(LAYOUTS[layout](spoil), "h")


def test_one_long_series_in_any_order(pack, panel):
    one = panel[: CHUNK_ROWS - 1].drop(columns="unique_id")
    assert pack(one.sample(frac=1, random_state=0)).y.tobytes() == one["y"].to_numpy().tobytes()
