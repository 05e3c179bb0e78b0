"""A service on loopback with faults on demand that counts what it trains, and clients with short waits."""

import contextlib
import json
import signal
import socket
import struct
import threading
import time
from dataclasses import dataclass

import pyarrow as pa
import pytest

from nixtla_accessor.api.client import Client
from nixtla_accessor.api.retry import Pacing

KEY = "nixak-0123456789abcdef0123456789"
MODELS = "/v2/finetuned_models"


@dataclass
class Request:
    """A request as it was received; its body is None if it was never complete."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None = None

    @property
    def json(self):
        body = self.body
        if self.headers.get("content-encoding") == "zstd":
            with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
                body = stream.read()
        return json.loads(body)


class Connection:
    """A client's connection, and what a fault can do to it."""

    def __init__(self, accepted):
        self.socket = accepted
        self.reader = accepted.makefile("rb")

    def read_head(self):
        """Return the next request without its body, or None if the client has closed the connection."""
        line = self.reader.readline().decode()
        if not line:
            return None
        method, path, _ = line.split()
        headers = {}
        while header := self.reader.readline().decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Request(method, path, headers)

    def read_body(self, request):
        request.body = self.reader.read(int(request.headers.get("content-length", 0)))

    def answer(self, status, body=b"", headers=(), *, fraction=1.0):
        """Write an answer, or the first fraction of its body."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        head = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in dict(headers).items())]
        if status != 204:
            head.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body[: int(len(body) * fraction)])

    def reset(self):
        """Close so that the client sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()


class Service:
    """The contract's service, with a thread for each connection.

    The lists hold a fault for each of the next finetune requests, look-ups and forecasts; without one, and for None,
    the service answers normally. A fault is called with the connection and the request, whose body is not read yet,
    and returns whether to keep the connection.
    """

    def __init__(self, wrap=lambda accepted: accepted):
        self.models = {}
        self.trainings = []
        self.requests = []
        self.faults = []
        self.lookup_faults = []
        self.forecast_faults = []
        self.connections = 0
        self.stopped = threading.Event()
        self._wrap = wrap
        self._threads = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)  # so that bodies do not fit in
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def posts(self):
        return [request for request in self.requests if request.method == "POST"]

    @property
    def lookups(self):
        return [request for request in self.requests if request.method == "GET"]

    @property
    def open_connections(self):
        return sum(thread.is_alive() for thread in self._threads)

    def train(self, connection, request):
        """Read the series unless they are read already, train the model, and return the answer."""
        if request.body is None:
            connection.read_body(request)
        sent = request.json
        model_id = sent["output_model_id"] or "made-by-the-service"
        self.trainings.append(model_id)
        self.models[model_id] = {
            "id": model_id,
            "created_at": f"2026-01-01T00:00:{len(self.trainings):02}Z",
            "base_model_id": sent["finetuned_model_id"] or "None",
            "steps": sent["finetune_steps"],
            "depth": sent["finetune_depth"],
            "loss": sent["finetune_loss"],
            "model": sent["model"],
            "freq": sent["freq"],
        }
        tokens = {"input_tokens": len(sent["series"]["y"]), "output_tokens": 0, "finetune_tokens": 10}
        return {"finetuned_model_id": model_id, **tokens}

    # faults

    def drop_before_reading(self, connection, request):
        connection.reset()

    def drop_within_body(self, connection, request):
        connection.reader.read(int(request.headers["content-length"]) // 2)
        connection.reset()

    def drop_untrained(self, connection, request):
        connection.read_body(request)
        connection.reset()

    def drop_trained(self, connection, request):
        self.train(connection, request)
        connection.close()

    def drop_within_answer(self, connection, request):
        connection.answer(200, self.train(connection, request), fraction=0.5)
        connection.close()

    def drop_and_train_later(self, seconds):
        def fault(connection, request):
            connection.read_body(request)
            connection.reset()
            self.stopped.wait(seconds)
            self.train(connection, request)

        return fault

    def gives_up(self, after, trains_for, status=None, body=b"<html>"):
        """Return the fault of a gateway that answers, or cuts the connection, while the service trains on."""

        def fault(connection, request):
            connection.read_body(request)
            self.stopped.wait(after)
            if status is None:
                connection.reset()
            else:
                connection.answer(status, body, {"Connection": "close"})
                connection.close()
            self.stopped.wait(trains_for)
            self.train(connection, request)

        return fault

    def drips(self, text, pause):
        """Return the fault of a service that trains, and then sends some bytes of its answer one by one, for ever."""

        def fault(connection, request):
            self.train(connection, request)
            for byte in text:
                connection.socket.sendall(bytes([byte]))
                self.stopped.wait(pause)
            while not self.stopped.wait(pause):
                connection.socket.sendall(b" ")

        return fault

    def late(self, seconds):
        def fault(connection, request):
            answer = self.train(connection, request)
            self.stopped.wait(seconds)
            connection.answer(200, answer)
            return True

        return fault

    def garbage(self, connection, request):
        self.train(connection, request)
        connection.socket.sendall(b"\x00\x01\x02 what is this\r\n\r\n")
        connection.close()

    def says(self, status, body=b"", headers=(), *, trained=False):
        """Return the fault that gives this answer."""

        def fault(connection, request):
            if trained:
                self.train(connection, request)
            else:
                connection.read_body(request)
            connection.answer(status, body, headers)
            return True

        return fault

    # behaviour

    def close(self):
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread, connection in self._threads.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self):
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(accepted,))
            self._threads[thread] = accepted
            thread.start()

    def _serve(self, accepted):
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError), self._wrap(accepted) as ready:
            connection = Connection(ready)
            try:
                while (request := connection.read_head()) is not None:
                    self.requests.append(request)
                    if not self._handle(connection, request):
                        break
            finally:
                connection.close()
        accepted.close()

    def _handle(self, connection, request):
        path, _, model_id = request.path.partition(f"{MODELS}/")
        faults = {"/v2/finetune": self.faults, "/v2/forecast": self.forecast_faults}.get(path, self.lookup_faults)
        fault = faults.pop(0) if faults else None
        if fault is not None:
            return fault(connection, request)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            connection.read_body(request)
            connection.answer(401, {"detail": "Invalid key"})
        elif request.path == "/v2/finetune":
            connection.answer(200, self.train(connection, request))
        elif request.path == "/v2/forecast":
            connection.read_body(request)
            connection.answer(200, _forecast(request.json))
        elif model_id and model_id not in self.models:
            connection.answer(404, {"detail": "Finetuned model not found"})
        elif model_id and request.method == "DELETE":
            del self.models[model_id]
            connection.answer(204)
        elif model_id:
            connection.answer(200, self.models[model_id])
        elif request.path == MODELS:
            connection.answer(200, {"finetuned_models": list(self.models.values())})
        elif request.path.startswith("/model_params?"):
            connection.answer(200, {"detail": {"input_size": 28, "horizon": 7}})
        else:
            connection.answer(200, {"detail": "fine"})
        return True


def _forecast(sent):
    length = sent["h"] * len(sent["series"]["sizes"])
    intervals = {f"{side}-{level}": [0.5] * length for level in sent["level"] or () for side in ("lo", "hi")}
    tokens = {"input_tokens": 1, "output_tokens": length, "finetune_tokens": 0}
    return {"mean": [1.5] * length, "intervals": intervals or None, **tokens}


class QuickClient(Client):
    """A client with waits short enough for a test."""

    pacing = Pacing(
        max_total_wait=6.0,
        first_wait=0.01,
        max_wait=0.04,
        lookup_time=0.1,
        first_lookup_pause=0.02,
        max_lookup_pause=0.05,
        first_poll_pause=0.02,
        max_poll_pause=0.05,
        max_silence=0.5,
    )


@pytest.fixture(scope="session")
def service_class():
    return Service


@pytest.fixture(scope="session")
def key():
    return KEY


@pytest.fixture
def service():
    service = Service()
    yield service
    service.close()


@pytest.fixture
def make_service():
    """Make services with wrapped sockets, as for TLS."""
    with contextlib.ExitStack() as stack:

        def make(wrap):
            service = Service(wrap)
            stack.callback(service.close)
            return service

        yield make


@pytest.fixture
def client(service):
    with QuickClient(api_key=KEY, base_url=service.url) as client:
        yield client


@pytest.fixture(scope="session")
def client_class():
    return QuickClient


@pytest.fixture
def interrupted_when():
    """Send the process the signal of Ctrl-C once a condition holds; then again once the next does."""

    @contextlib.contextmanager
    def interrupted(*conditions, within=5):
        def wait():
            for condition in conditions:
                while not condition():
                    time.sleep(0.01)
                time.sleep(0.05)
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        thread = threading.Thread(target=wait)
        thread.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            yield caught
        assert time.monotonic() - began < within  # where the service would have taken longer
        thread.join()

    return interrupted
