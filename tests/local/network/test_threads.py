"""Work on all cores: results in order, the first error, and an interpreter that ends."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from nixtla_accessor.local.network.preparation import prepare_series
from nixtla_accessor.local.network.threads import map_in_threads
from nixtla_accessor.seasons import Season


def test_results_come_in_the_order_of_the_arguments(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert map_in_threads(lambda number: number**2, range(1000)) == [number**2 for number in range(1000)]
    assert map_in_threads(str, []) == []
    assert map_in_threads(type, [None]) == [type(None)]


def test_an_error_ends_the_work(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    done = []

    def work(number):
        if number == 3:
            raise ValueError("at 3")
        done.append(number)

    with pytest.raises(ValueError, match="at 3"):
        map_in_threads(work, range(100_000))
    assert len(done) < 100_000


def test_where_no_thread_can_be_started_this_one_does_it_all(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert map_in_threads(abs, [-1, -2]) == [1, 2]


def test_the_interpreter_does_not_wait_for_them():
    program = """if True:
        import os, threading, time
        os.cpu_count = lambda: 4
        from nixtla_accessor.local.network.threads import map_in_threads
        threading.Thread(target=map_in_threads, args=(time.sleep, [60] * 8), daemon=True).start()
        time.sleep(0.2)
    """
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)


@pytest.mark.parametrize("m", [1, 4, 7])
def test_missing_values_at_the_end_repeat_the_last_season(m):
    values = np.r_[np.arange(1.0, 11), np.full(23, np.nan)]
    expected = values.copy()
    for step in range(10, 33):
        expected[step] = expected[step - m]
    prepared = prepare_series(values, Season(m, 0))
    assert np.ldexp(prepared.values, prepared.exponent).tolist() == expected.tolist()
