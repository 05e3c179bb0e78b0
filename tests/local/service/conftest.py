"""Engines in processes of their own, which tests may kill, stop and run out of disk space."""

import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

STOP_TIMEOUT = 20  # seconds that a process may take to end
SERVE_WITHIN_LIMITS = """
import functools, json, sys
from nixtla_accessor.__main__ import main
from nixtla_accessor.local.service import embedded
embedded.serve = functools.partial(embedded.serve, limits=embedded.Limits(**json.loads(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


def obey_permissions():
    """Hold this process, and those that it starts, to the permissions of files, even if root runs it."""
    for capability in (1, 2) if sys.platform == "linux" else ():  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


class Serving:
    """`python -m nixtla_accessor serve` over a folder of models, and within other limits where some are given."""

    def __init__(self, home, *arguments, limits=None, **environment):
        self.home = home
        program = ["-c", SERVE_WITHIN_LIMITS, json.dumps(limits)] if limits else ["-m", "nixtla_accessor"]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", *program, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "NIXTLA_ACCESSOR_HOME": str(home),
                "OPENBLAS_NUM_THREADS": "1",
                **environment,
            },
            preexec_fn=obey_permissions,
        )
        announced = "".join(self.process.stdout.readline() for _ in range(3))
        if "NIXTLA_BASE_URL" not in announced:
            raise RuntimeError(self.process.communicate(timeout=STOP_TIMEOUT)[1])
        self.url = re.search(r"NIXTLA_BASE_URL=(\S+)", announced)[1]
        self.key = re.search(r"NIXTLA_API_KEY=(\S+)", announced)[1]
        self.port = int(self.url.rpartition(":")[2])
        self._thread = threading.local()
        self.stderr = None

    def call(self, method, path, body=None, **options):
        """Send a request over this thread's kept connection."""
        if not hasattr(self._thread, "session"):
            session = self._thread.session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.key}"
        return self._thread.session.request(method, self.url + path, json=body, **{"timeout": 60, **options})

    def finetune(self, model_id, **fields):
        return self.call("POST", "/v2/finetune", self.finetune_body(output_model_id=model_id, **fields))

    def forecast(self, model_id=None, **fields):
        return self.call("POST", "/v2/forecast", self.forecast_body(finetuned_model_id=model_id, **fields))

    def delete(self, model_id):
        return self.call("DELETE", f"/v2/finetuned_models/{model_id}")

    def model_ids(self):
        return {model["id"] for model in self.call("GET", "/v2/finetuned_models").json()["finetuned_models"]}

    @staticmethod
    def series(shift=0.0, n_series=2, length=60):
        values = [10 + shift * (i % 5) + i % 7 + 0.1 * i for i in range(length)]
        return {"y": values * n_series, "sizes": [length] * n_series}

    def finetune_body(self, shift=0.0, **fields):
        return {"series": self.series(shift), "freq": "D", "finetune_steps": 2, **fields}

    def forecast_body(self, **fields):
        return {"series": self.series(), "freq": "D", "h": 7, **fields}

    @contextlib.contextmanager
    def sending(self, data, length=None, path="/v2/finetune"):
        """Hold a connection over which the beginning of a request was sent."""
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: engine",
            f"Authorization: Bearer {self.key}",
            "Content-Type: application/json",
            f"Content-Length: {len(data) if length is None else length}",
        ]
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
            yield connection

    def limit_files(self, size):
        """Keep the process from writing files of more than so many bytes; None lifts the limit."""
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self._end()

    def stop(self, signal_=signal.SIGINT):
        self.process.send_signal(signal_)
        return self._end()

    def _end(self):
        """Wait for the process to end, and return its status."""
        if self.stderr is None:
            try:
                _, self.stderr = self.process.communicate(timeout=STOP_TIMEOUT)
            finally:
                self.process.kill()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.stop()


@pytest.fixture
def serve(tmp_path):
    """Start engines over one folder; all are stopped afterwards."""
    with contextlib.ExitStack() as started:
        yield lambda *arguments, **options: started.enter_context(
            Serving(options.pop("home", tmp_path / "home"), *arguments, **options)
        )


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory):
    """Start engines for all tests of a module, each over a folder of its own."""
    with contextlib.ExitStack() as started:
        yield lambda *arguments, **options: started.enter_context(
            Serving(tmp_path_factory.mktemp("home"), *arguments, **options)
        )
