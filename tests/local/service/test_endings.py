"""An interpreter that ends: at once, whatever is at work, and the embedded engine answers until then."""

import subprocess
import sys
import time

import pytest

BEGIN = """if True:
    import atexit, contextlib, threading, time
    from nixtla_accessor import Client

    def long_training():
        with contextlib.suppress(Exception):  # which it may have time for, or not
            client.finetune(y, sizes, "D", finetune_steps=100_000, finetune_depth=5)

    def long_forecast():
        with contextlib.suppress(Exception):
            client.forecast(y * 50, sizes * 50, "D", 50_000)

    def short_forecast():
        began = time.monotonic()
        mean = client.forecast(y * 600, sizes * 600, "D", 3).mean
        print("forecast", len(mean), time.monotonic() - began < 10)

    y, sizes = [float(i % 7) for i in range(100)], [50, 50]
    client = Client(base_url="local", progress=False)
"""


def run(program, tmp_path):
    """Run a program to its end; return what it has printed, and how long it took after the last line."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", BEGIN + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"NIXTLA_ACCESSOR_HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        lines = []
        last = time.monotonic()
        for line in process.stdout:
            lines.append(line.strip())
            last = time.monotonic()
        status = process.wait(timeout=60)
        seconds = time.monotonic() - last
        assert process.stderr.read() == ""
    assert status == 0
    return lines, seconds


@pytest.mark.parametrize("work", ["long_training", "long_forecast"])
def test_it_ends_at_once_whatever_is_at_work(tmp_path, work):
    lines, seconds = run(
        f"""
    client.finetuned_models()
    for _ in range(3):
        threading.Thread(target={work}, daemon=True).start()
    time.sleep(2)
    print("main has ended")
    """,
        tmp_path,
    )
    assert lines == ["main has ended"]
    assert seconds < 5


@pytest.mark.parametrize("is_registered", ["before the engine starts", "after it has started"])
def test_an_exit_handler_may_use_the_engine(tmp_path, is_registered):
    before = is_registered == "before the engine starts"
    lines, seconds = run(
        f"""
    if {before}:
        atexit.register(short_forecast)
    client.finetuned_models()
    if not {before}:
        atexit.register(short_forecast)
    print("main has ended")
    """,
        tmp_path,
    )
    assert lines == ["main has ended", "forecast 3600 True"]
    assert seconds < 5


@pytest.mark.parametrize("is_started", [True, False])
def test_a_thread_that_works_on_after_the_main_thread_may_use_the_engine(tmp_path, is_started):
    lines, _ = run(
        f"""
    if {is_started}:
        client.finetuned_models()

    def work():
        threading.main_thread().join()
        print("main has ended")
        short_forecast()
        model_id = client.finetune(y, sizes, "D", finetune_steps=1).finetuned_model_id
        print(client.finetuned_model(model_id).id == model_id)

    threading.Thread(target=work).start()
    """,
        tmp_path,
    )
    assert lines == ["main has ended", "forecast 3600 True", "True"]
