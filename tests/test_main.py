"""The command line, run in processes of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import requests


def command(*arguments, home, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "nixtla_accessor", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NIXTLA_ACCESSOR_HOME": str(home), "MPLBACKEND": "Agg", **environment},
    )


class Serving:
    """An engine in a process of its own."""

    def __init__(self, home, *arguments):
        self.process = command("serve", "--port", "0", *arguments, home=home)
        output = self.process.stdout.readline() + self.process.stdout.readline() + self.process.stdout.readline()
        self.url = re.search(r"NIXTLA_BASE_URL=(\S+)", output)[1]
        self.key = re.search(r"NIXTLA_API_KEY=(\S+)", output)[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.stdout, self.stderr = self.process.communicate(timeout=20)

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=60)


def series():
    return {"y": [float(i % 7) + 0.1 * i for i in range(80)], "sizes": [80]}


def test_serve_prints_its_address_when_it_is_ready(tmp_path):
    with Serving(tmp_path) as serving:
        assert serving.url.startswith("http://127.0.0.1:")
        assert serving.call("GET", "/validate_api_key").status_code == 200
    assert serving.process.returncode in (0, 130)
    assert "Traceback" not in serving.stderr


def test_serve_uses_the_given_key(tmp_path):
    with Serving(tmp_path, "--api-key", "secret-1") as serving:
        assert serving.key == "secret-1"
        assert serving.call("GET", "/validate_api_key").status_code == 200


@pytest.mark.parametrize("key", ["local", "https://api.nixtla.io", "two words"])
def test_serve_refuses_a_key_that_no_client_could_send(tmp_path, key):
    process = command("serve", "--port", "0", "--api-key", key, home=tmp_path)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    assert stderr.startswith("error: The API key ")
    assert "No client could connect with it: choose another --api-key" in stderr


def test_a_model_survives_a_restart_and_a_kill(tmp_path):
    tuning = {"series": series(), "freq": "D", "output_model_id": "kept", "finetune_depth": 3}
    request = {"series": series(), "freq": "D", "h": 7, "finetuned_model_id": "kept", "level": [80]}
    with Serving(tmp_path) as serving:
        assert serving.call("POST", "/v2/finetune", tuning).status_code == 200
        before = serving.call("POST", "/v2/forecast", request).json()
        serving.process.kill()
    with Serving(tmp_path) as serving:
        assert serving.call("POST", "/v2/forecast", request).json() == before


def test_a_port_in_use_is_reported_in_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = command("serve", "--port", str(taken.getsockname()[1]), home=tmp_path)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.startswith("error: Cannot listen on 127.0.0.1:")
    assert "Traceback" not in stderr


def test_an_unknown_command_shows_the_known_ones(tmp_path):
    process = command("fly", home=tmp_path)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "demo" in stderr
    assert "serve" in stderr


def test_models_lists_the_models(tmp_path):
    with Serving(tmp_path) as serving:
        environment = {"NIXTLA_BASE_URL": serving.url, "NIXTLA_API_KEY": serving.key}
        stdout, stderr = command("models", home=tmp_path, **environment).communicate(timeout=60)
        assert (stdout, stderr) == ("There are no fine-tuned models.\n", "")
        elsewhere = {"NIXTLA_BASE_URL": "https://elsewhere.example", "NIXTLA_API_KEY": serving.key}
        stdout, _ = command("models", "--base-url", serving.url, home=tmp_path, **elsewhere).communicate(timeout=60)
        assert stdout == "There are no fine-tuned models.\n"
        serving.call("POST", "/v2/finetune", {"series": series(), "freq": "D", "output_model_id": "mine"})
        stdout, _ = command("models", home=tmp_path, **environment).communicate(timeout=60)
        assert "mine" in stdout


@pytest.mark.parametrize("arguments", [(), ("--base-url", "https://api.nixtla.io")])
def test_models_without_a_key_names_the_variable_and_no_python(tmp_path, arguments):
    process = command("models", *arguments, home=tmp_path)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "set the environment variable NIXTLA_API_KEY" in stderr
    assert "connect(" not in stderr
    assert ("--base-url" in stderr) == (not arguments)


def test_models_of_the_local_engine_need_no_key(tmp_path):
    process = command("models", "--base-url", "local", home=tmp_path)
    assert process.communicate(timeout=60) == ("There are no fine-tuned models.\n", "")
    assert process.returncode == 0


def test_an_unknown_host_is_not_told_to_choose_another_port(tmp_path):
    process = command("serve", "--host", "no-such-host.invalid", home=tmp_path)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "'no-such-host.invalid'" in stderr
    assert "127.0.0.1" in stderr
    assert "port" not in stderr


def test_the_console_script_says_its_version(tmp_path):
    script = Path(sys.executable).with_name("nixtla-accessor")
    said = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"nixtla-accessor {version('nixtla-accessor')}\n"
    helped = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert helped.stdout.startswith("usage: nixtla-accessor ")


def test_a_demo_that_cannot_write_its_picture_says_so_first(tmp_path):
    process = command("demo", "--output", str(tmp_path / "missing" / "a.png"), home=tmp_path)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    assert stderr == f"error: The picture cannot be written: there is no folder {str(tmp_path / 'missing')!r}.\n"


def test_the_demo_prints_and_draws(tmp_path):
    process = subprocess.run(
        [sys.executable, "-W", "error", "-m", "nixtla_accessor", "demo", "--output", "weather.png"],
        cwd=tmp_path,
        env={**os.environ, "NIXTLA_ACCESSOR_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    for text in ("seasonal naive", "zero-shot", "fine-tuned", "MASE", "sMAPE", "finetuned_model_id", "weather.png"):
        assert text in process.stdout
    assert "100%" in process.stderr
    picture = (tmp_path / "weather.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_on_a_signal(tmp_path, signal_):
    with Serving(tmp_path) as serving:
        started = time.monotonic()
        serving.process.send_signal(signal_)
        serving.process.wait(10)
    assert time.monotonic() - started < 10
