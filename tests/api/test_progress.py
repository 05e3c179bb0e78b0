"""The progress of a call: bytes sent, then the time waited; nothing outside terminals and notebooks."""

import os
import pty
import subprocess
import sys
import termios
import textwrap
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from nixtla_accessor.api import progress

Y = np.random.default_rng(0).normal(size=200_000)


@pytest.fixture
def brisk(monkeypatch):
    monkeypatch.setattr(progress, "_TICK", 0.05)


@pytest.fixture
def shown_of(service, client_class, key, capsys):
    """Return a function that finetunes, and returns what was written to stderr."""

    def call(**settings):
        with client_class(api_key=key, base_url=service.url, **settings) as client:
            client.finetune(Y, [Y.size], "D", output_model_id="mine", overwrite=True)
        return capsys.readouterr().err

    return call


def test_forced_on(service, shown_of, brisk):
    service.faults = [service.late(0.4)]
    threads = threading.active_count()
    shown = shown_of(progress=True)
    assert "sending the series" in shown
    assert "training mine 00:00" in shown
    assert shown.endswith("\r")  # wiped when the call is over
    assert not [thread for thread in threading.enumerate() if "_tick" in repr(thread)]
    assert threading.active_count() <= threads + 2  # the service's for the connection, and tqdm's monitor


def test_lookups_are_shown(service, shown_of):
    service.faults = [service.drop_trained]
    assert "looking for mine" in shown_of(progress=True)


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_shown_outside_terminals_and_notebooks(service, shown_of, progress):
    service.faults = [service.late(1)]
    assert shown_of(progress=progress) == ""


def test_nothing_is_left_when_a_call_fails(service, client_class, key, capsys):
    service.faults = [service.says(422, {"detail": "no"})]
    with (
        client_class(api_key=key, base_url=service.url, progress=True) as client,
        pytest.raises(ValueError, match="level"),
    ):
        client.forecast(Y, [Y.size], "D", 1, level=5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("shell", "interactive"), [(SimpleNamespace(kernel="a notebook's"), True), (None, False)])
def test_a_notebook_is_interactive(monkeypatch, shell, interactive):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert progress.is_interactive() == interactive


SCRIPT = textwrap.dedent("""
    import sys
    import numpy as np
    from nixtla_accessor.api.client import Client
    with Client(api_key=sys.argv[1], base_url=sys.argv[2]) as client:
        client.finetune(np.arange(9.0), [9], "D", finetune_steps=int(sys.argv[3]))
    print("tqdm" in sys.modules, file=sys.stdout)
""")


@pytest.mark.parametrize(("seconds", "shown"), [(0, False), (1.5, True)])
def test_a_terminal_shows_what_takes_a_while(service, key, seconds, shown):
    service.faults = [service.late(seconds)]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, key, service.url, "1"], stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        output, _ = process.communicate(timeout=30)
    os.close(theirs)
    screen = b""
    try:
        while piece := os.read(ours, 2**16):
            screen += piece
    except OSError:  # all is read
        pass
    os.close(ours)
    assert process.returncode == 0
    assert (b"training" in screen) == shown
    assert b"True" in output
