"""Dask frames with the partitions that a test wants."""

import itertools
import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import nixtla_accessor.dask  # noqa: F401 - registers ddf.timegpt
from nixtla_accessor import connect, errors


@pytest.fixture(autouse=True)
def threads():
    """Compute in threads of this process, unless a test starts a cluster."""
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def same(part):
    return part


@pytest.fixture(scope="session")
def frame_of():
    """Make a Dask frame of just these partitions: ``frame_of([part, …])``."""

    def make(parts):
        return dd.from_map(same, parts, meta=parts[0].iloc[:0])

    return make


@pytest.fixture(scope="session")
def cut(frame_of):
    """Cut a frame into partitions before the rows at some places: ``cut(frame, 3, 5)``."""

    def make(frame, *borders):
        places = [0, *borders, len(frame)]
        return frame_of([frame.iloc[low:high] for low, high in itertools.pairwise(places)])

    return make


@pytest.fixture(scope="session")
def panel():
    """Make a sorted long frame: ``panel(n_series, length, freq)``; its values tell its rows apart."""

    def make(n_series=4, length=12, freq="D"):
        stamps = pd.date_range("2024-01-01", periods=length, freq=freq)
        frames = [
            pd.DataFrame({"unique_id": f"series {i}", "ds": stamps, "y": 100.0 * i + np.arange(length)})
            for i in range(n_series)
        ]
        return pd.concat(frames, ignore_index=True)

    return make


ASSIGNMENT = re.compile(r"df = df\.assign\((\w+)=lambda rows: (.+)\)\.$")  # how code for Dask replaces a column
SELECTION = re.compile(r"~rows\['unique_id'\]\.isin\(\[.*\]\)\]\.$")  # and keeps the series that have values
OF_PANDAS = "rows['y'].groupby(rows['unique_id'], observed=True).transform('count') > 0]."


def as_item(found):
    """Return the code for pandas that does the same as that for Dask: columns of Dask frames are not set in place."""
    return f"df[{found[1]!r}] = {found[2].replace('rows[', 'df[')}."


@pytest.fixture(scope="session")
def outcome():
    """Pack a frame, and return what comes of it in plain values, be it a refusal: ``outcome(frame, freq="D")``."""

    def find(frame, **arguments):
        try:
            packed = frame.timegpt.pack(**arguments)
        except errors.TimeGPTError as error:
            message = str(error).replace(" 00:00:00", "")  # which pandas leaves out where all stamps are days
            return type(error), SELECTION.sub(OF_PANDAS, ASSIGNMENT.sub(as_item, message))
        return {
            "y": (packed.y.dtype, packed.y.tobytes()),
            "sizes": (packed.sizes.dtype, packed.sizes.tolist()),
            "ids": (packed.ids.dtype, packed.ids.name, packed.ids.tolist()),
            "starts": (packed.starts.dtype, packed.starts.tolist()),
            "freq": (packed.freq, packed.frequency.api_name),
            "columns": packed.columns,
            "target dtype": packed.target_dtype,
            "writeable": packed.y.flags.writeable,
            "table": packed.to_frame().to_csv(),
        }

    return find


KEY = "nixak-a-key-that-must-not-travel-0123456789"


@dataclass
class Asked:
    """A request that the service had: its path, its body, and the bearer and the connection that it came with."""

    path: str
    body: dict
    bearer: str
    connection: tuple


class Service(ThreadingHTTPServer):
    """The contract's service as far as it is needed here: forecasts repeat a series' last value.

    ``refuse`` is called with each forecast's request, and returns a status to refuse it with, or None.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = []
        self.refuse = lambda body: None
        self.pause = 0.0
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()

    def of(self, path):
        return [asked for asked in self.asked if asked.path == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/model_params":
            self.answer(200, {"detail": {"input_size": 24, "horizon": 12}})
        elif path == "/v2/finetuned_models/known":
            self.answer(
                200,
                {
                    "id": "known",
                    "created_at": "2024-01-01T00:00:00Z",
                    "created_by": "me",
                    "base_model_id": "None",
                    "steps": 7,
                    "depth": 1,
                    "loss": "default",
                    "model": "timegpt-1",
                    "freq": "D",
                },
            )
        else:
            self.answer(404, {"detail": "Finetuned model not found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        bearer = self.headers["Authorization"].removeprefix("Bearer ")
        with self.server.lock:
            self.server.asked.append(Asked(self.path, body, bearer, self.client_address))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        time.sleep(self.server.pause)
        with self.server.lock:
            self.server.at_once -= 1
        tokens = {"input_tokens": 0, "output_tokens": 0, "finetune_tokens": 0}
        if self.path == "/v2/finetune":
            self.answer(200, tokens | {"finetuned_model_id": body["output_model_id"]})
        elif status := self.server.refuse(body):
            self.answer(status, {"detail": "refused"})
        else:
            ends = np.cumsum(body["series"]["sizes"]) - 1
            last = [body["series"]["y"][end] for end in ends for _ in range(body["h"])]
            bounds = {f"{side}-{level}": last for level in body["level"] or () for side in ("lo", "hi")}
            self.answer(200, tokens | {"mean": last, "intervals": bounds or None})

    def do_DELETE(self):
        self.send_response(204)
        self.end_headers()

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service():
    """Run the service on loopback."""
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(service):
    """Connect to it."""
    with connect(api_key=KEY, base_url=service.url, progress=False) as connected:
        yield connected
