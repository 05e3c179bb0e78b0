"""One table of seasons: the engine's season is that of the comparison's baseline."""

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import Client
from nixtla_accessor.panel.frequency import parse_frequency
from nixtla_accessor.seasons import season_of


@pytest.mark.parametrize(
    ("freq", "steps"),
    [
        ("D", 7),
        ("2D", 7),
        ("7D", 52),
        ("B", 5),
        ("W-MON", 52),
        ("2W", 26),
        ("MS", 12),
        ("2ME", 6),
        ("BMS", 12),
        ("SMS", 24),
        ("QS-FEB", 4),
        ("2QS", 2),
        ("YE", 1),
        ("h", 24),
        ("4h", 6),
        ("24h", 7),
        ("30min", 48),
        ("15min", 96),
        ("5min", 288),
        ("min", 60),
        ("10s", 6),
        ("s", 60),
        ("7min", 1),
        (1, 1),
    ],
)
def test_a_frequency_has_its_season(freq, steps):
    assert parse_frequency(freq).season_length == steps


@pytest.mark.parametrize("freq", ["7D", "14D", "5h", "7h", "25min", "HYE", "2W-MON", "3B", "QS-FEB", "SMS", "30s"])
def test_the_baseline_repeats_the_season_of_the_engine(freq, capsys):
    length = season_of(parse_frequency(freq).api_name).length
    stamps = pd.date_range("2001-06-01", periods=3 * length + 8, freq="6ME" if freq == "HYE" else freq)
    values = np.resize(np.random.default_rng(0).normal(size=length), len(stamps)) + np.arange(len(stamps)) // length
    df = pd.DataFrame({"ds": stamps, "y": values})
    with Client(base_url="local", progress=False) as client:
        table = df.timegpt.compare(
            min(4, length), freq="HYE" if freq == "HYE" else None, finetune_steps=1, client=client
        )
    # each season repeats the one before, one higher: the seasonal naive error is 1, and so is its unit
    assert table.loc["seasonal naive", "MASE"] == pytest.approx(1.0)
    assert table.loc["seasonal naive", "RMSE"] == pytest.approx(1.0)
