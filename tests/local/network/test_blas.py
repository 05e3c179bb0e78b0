"""BLAS runs on one thread inside the context, and on as many as before after it, in a process that starts with two."""

import os
import subprocess
import sys
import textwrap

import pytest

PREPARATION = """
    import threading
    import numpy
    from threadpoolctl import ThreadpoolController
    from nixtla_accessor.local.network.blas import one_blas_thread

    numpy.ones((2, 2)) @ numpy.ones((2, 2))

    def threads():
        return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"}

    before = threads()
    if before == {1}:
        print("one")
        raise SystemExit
"""


def run(scenario):
    """Run a scenario in a process of its own; skip the test if its BLAS has only one thread."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    script = textwrap.dedent(PREPARATION) + textwrap.dedent(scenario)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if done.stdout.strip() == "one":
        pytest.skip("this BLAS has one thread")


def test_the_limit_holds_in_every_thread_and_ends_when_the_last_one_leaves():
    run("""
        for _ in range(2):
            inside, leave, seen = threading.Event(), threading.Event(), []

            def second():
                with one_blas_thread:
                    inside.set()
                    leave.wait(10)
                    seen.append(threads())

            other = threading.Thread(target=second)
            with one_blas_thread:
                other.start()
                inside.wait(10)
                assert threads() == {1}
            assert threads() == {1}
            leave.set()
            other.join()
            assert seen == [{1}]
            assert threads() == before, (threads(), before)
    """)


def test_an_error_inside_restores_the_former_limit_too():
    run("""
        @one_blas_thread
        def fail():
            assert threads() == {1}
            raise LookupError

        try:
            fail()
        except LookupError:
            assert threads() == before
        else:
            raise AssertionError
    """)


def test_others_may_limit_threads_afterwards():
    run("""
        from threadpoolctl import threadpool_limits

        with one_blas_thread:
            pass
        with threadpool_limits(1, user_api="blas"):
            assert threads() == {1}
        assert threads() == before
    """)
