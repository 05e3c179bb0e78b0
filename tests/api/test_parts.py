"""Very many series are sent in several requests at once, and return as one forecast."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from nixtla_accessor.api import parts
from nixtla_accessor.api.client import Client
from nixtla_accessor.errors import UnprocessableError


class Repeating(BaseHTTPRequestHandler):
    """Forecasts the last value of each series; refuses values above a million, with their position."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        y, sizes, h = body["series"]["y"], body["series"]["sizes"], body["h"]
        self.server.requests.append(len(sizes))
        refused = [place for place, value in enumerate(y) if value > 1e6]
        if refused:
            detail = [
                {"loc": ["body", "series", "y", place], "msg": "too large", "type": "value_error"} for place in refused
            ]
            return self.answer(422, {"detail": detail})
        mean = [y[end - 1] for end in np.cumsum(sizes) for _ in range(h)]
        intervals = {f"{side}-80": mean for side in ("lo", "hi")} if body["level"] else None
        tokens = {"input_tokens": len(y), "output_tokens": len(mean), "finetune_tokens": 0}
        return self.answer(200, {**tokens, "mean": mean, "intervals": intervals})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Repeating) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server):
    with Client(api_key="key", base_url=f"http://127.0.0.1:{server.server_port}", progress=False) as client:
        yield client


def panel(n_series=50):
    sizes = np.arange(n_series) % 7 + 1
    return np.arange(sizes.sum(), dtype=float), sizes


@pytest.mark.parametrize("max_values", [1, 17, 100, 10**9])
def test_the_parts_return_in_order(client, server, monkeypatch, max_values):
    monkeypatch.setattr(parts, "MAX_VALUES", max_values)
    y, sizes = panel()
    result = client.forecast(y, sizes, "D", 3, level=[80])
    expected = np.repeat(y[np.cumsum(sizes) - 1], 3)
    np.testing.assert_array_equal(result.mean, expected)
    np.testing.assert_array_equal(result.intervals["hi-80"], expected)
    assert (result.input_tokens, result.output_tokens) == (len(y), 150)
    assert sum(server.requests) == 50
    assert (len(server.requests) == 1) == (max_values == 10**9)


def test_a_refused_value_has_its_position_in_the_whole(client, monkeypatch):
    monkeypatch.setattr(parts, "MAX_VALUES", 40)
    y, sizes = panel()
    y[123] = 2e6
    with pytest.raises(UnprocessableError) as caught:
        client.forecast(y, sizes, "D", 3)
    assert caught.value.detail[0]["loc"] == ["body", "series", "y", 123]
    assert "body → series → y → 123: too large" in str(caught.value)
