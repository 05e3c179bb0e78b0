"""Windows of backtests, against plain loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nixtla_accessor.local.service.backtest import all_windows, last_windows

sizes_of_panels = st.lists(st.integers(1, 30), min_size=1, max_size=6)
lengths = st.integers(1, 8)


@given(sizes_of_panels, lengths, lengths, lengths)
def test_the_last_windows_end_with_their_series(sizes, horizon, n_windows, step):
    expected = []
    for number, size in enumerate(sizes):
        for window in range(n_windows):
            start = size - horizon - step * (n_windows - 1 - window)
            if start >= 1:
                expected.append((number, start))
    windows = last_windows(np.array(sizes), horizon, n_windows, step)
    assert list(zip(windows.series, windows.start, strict=True)) == expected


@given(sizes_of_panels, lengths, st.integers(1, 20))
def test_all_windows_cover_each_series_except_its_beginning_once(sizes, horizon, history):
    windows = all_windows(np.array(sizes), horizon, history)
    steps, inside = windows.steps(np.array(sizes))
    for number, size in enumerate(sizes):
        own = windows.series == number
        first = max(min(history, size // 2), 1)
        assert steps[own][inside[own]].tolist() == list(range(first, size))


@given(sizes_of_panels, lengths, lengths, lengths)
def test_a_round_has_one_window_of_a_series(sizes, horizon, n_windows, step):
    windows = last_windows(np.array(sizes), horizon, n_windows, step)
    rounds = windows.rounds()
    assert sorted(np.concatenate([*rounds, []]).tolist()) == list(range(len(windows.start)))
    for rows in rounds:
        chosen = windows.rows(rows)
        assert len(set(chosen.series)) == len(chosen.series)
        from_end = {int(sizes[series] - start) for series, start in zip(chosen.series, chosen.start, strict=True)}
        assert len(from_end) == 1


@given(sizes_of_panels, lengths, lengths, lengths)
def test_the_earliest_is_the_first_of_each_series(sizes, horizon, n_windows, step):
    windows = last_windows(np.array(sizes), horizon, n_windows, step)
    earliest = windows.earliest()
    firsts = {}
    for series, start in zip(windows.series, windows.start, strict=True):
        firsts.setdefault(series, start)
    assert dict(zip(earliest.series, earliest.start, strict=True)) == firsts
