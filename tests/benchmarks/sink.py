"""A server on loopback that discards every request, and answers as if a model had been fine-tuned."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(BaseHTTPRequestHandler):
    """Reads every request, and answers as if a model had been fine-tuned."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # so that an answer is one segment, and does not wait for an acknowledgement

    def do_POST(self) -> None:
        """Discard the body."""
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self._answer(200, {"input_tokens": 0, "output_tokens": 0, "finetune_tokens": 0, "finetuned_model_id": "sunk"})

    def do_GET(self) -> None:
        """Answer that there is no such model."""
        self._answer(404, {"detail": "Finetuned model not found"})

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def serve() -> None:
    """Run the sink, and print its address as the first line."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """Run the sink in a process of its own, and yield its address."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


if __name__ == "__main__":
    serve()
