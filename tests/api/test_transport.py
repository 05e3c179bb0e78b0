"""One exchange: where the key is sent, which settings of the environment count, and threads and forks."""

import contextlib
import gc
import gzip
import http.server
import multiprocessing
import pickle
import socket
import ssl
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import trustme

from nixtla_accessor import errors
from nixtla_accessor.api import transport
from nixtla_accessor.api.client import Client

Y, SIZES = np.arange(36.0), np.array([36])
OPEN_FILES = Path("/proc/self/fd")


def failure(client):
    """Return the error of a call, and close the client."""
    with client, pytest.raises(errors.TimeGPTError) as caught:
        client.finetune(Y, SIZES, "D")
    return caught.value


# the key


def test_the_key_is_a_bearer_token_that_netrc_cannot_replace(service, client, key, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\ndefault login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert client.validate_api_key()
    assert service.requests[0].headers["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_redirect_carries_the_key_elsewhere(service, client, make_service, status, method):
    elsewhere = make_service(lambda accepted: accepted)
    redirect = service.says(status, headers={"Location": f"{elsewhere.url}/v2/finetune"})
    service.faults, service.lookup_faults = [redirect], [redirect]
    with pytest.raises(errors.ApiError, match="is not followed"):
        {
            "GET": client.finetuned_models,
            "POST": lambda: client.finetune(Y, SIZES, "D"),
            "DELETE": lambda: client.delete_finetuned_model("a"),
        }[method]()
    assert elsewhere.requests == []
    assert len(service.requests) == 1


def test_cookies_are_not_kept(service, client):
    service.lookup_faults = [service.says(200, {}, {"Set-Cookie": "session=1; Path=/"})]
    client.validate_api_key()
    client.validate_api_key()
    assert "cookie" not in service.requests[1].headers


# proxies and certificates


def test_loopback_ignores_proxies(client, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.validate_api_key()


class Proxy(http.server.BaseHTTPRequestHandler):
    """A proxy that records where it should connect to, and refuses."""

    asked: list[str]

    def do_CONNECT(self):
        self.asked.append(self.path)
        self.send_error(407)

    def log_message(self, *_):
        pass


def test_far_hosts_are_reached_by_the_environments_proxy(client_class, key, monkeypatch):
    Proxy.asked = []
    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
        error = failure(client_class(api_key=key, base_url="https://service.example"))
        server.shutdown()
        thread.join()
    assert type(error) is errors.TransportError
    assert "https://service.example could not be reached: the proxy that the environment names did not connect" in str(
        error
    )
    assert Proxy.asked == ["service.example:443"] * 4


@pytest.fixture
def tls_service(make_service, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    service = make_service(lambda accepted: context.wrap_socket(accepted, server_side=True))
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return service, bundle


def test_the_environments_certificates_are_honoured(tls_service, client_class, key, monkeypatch):
    service, bundle = tls_service
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with client_class(api_key=key, base_url=f"https://localhost:{service.port}") as client:
        client.finetune(Y, SIZES, "D")
    assert len(service.trainings) == 1


def test_a_certificate_that_is_not_trusted(tls_service, client_class, key):
    service, _ = tls_service
    error = failure(client_class(api_key=key, base_url=f"https://localhost:{service.port}"))
    assert type(error) is errors.TransportError
    assert "could not be reached: its certificate is not trusted (" in str(error)
    assert "set REQUESTS_CA_BUNDLE to the file" in str(error)
    assert service.connections == 1
    assert service.requests == []


def test_certificates_that_do_not_exist(tls_service, client_class, key, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-file.pem")
    error = failure(client_class(api_key=key, base_url=f"https://localhost:{tls_service[0].port}"))
    assert type(error) is errors.ConfigurationError
    assert "no-such-file.pem" in str(error)
    assert "Check REQUESTS_CA_BUNDLE" in str(error)


# failures to connect


def test_a_host_name_that_does_not_exist(client_class, key):
    error = failure(client_class(api_key=key, base_url="https://no-such-host.invalid"))
    assert str(error) == (
        "https://no-such-host.invalid could not be reached: the name 'no-such-host.invalid' cannot be resolved. "
        "Tried 4 times."
    )


def test_no_connection_is_accepted(client_class, key):
    """A listener with a full queue accepts no more connections, and refuses none."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        error = failure(client_class(api_key=key, base_url=f"http://127.0.0.1:{port}", timeout=(0.1, 5)))
    assert type(error) is errors.TransportError
    assert str(error).endswith("could not be reached: no connection within 0.1 s. Tried 4 times.")


# answers


def test_a_compressed_answer_is_decompressed(service, client):
    body = gzip.compress(b'{"finetuned_models": []}')
    service.lookup_faults = [service.says(200, body, {"Content-Encoding": "gzip"})]
    assert client.finetuned_models() == []


def test_an_answer_that_cannot_be_decompressed(service, client):
    service.lookup_faults = [service.says(200, b"no gzip", {"Content-Encoding": "gzip"})]
    with pytest.raises(errors.ResponseError, match="answered with a body that cannot be decompressed"):
        client.finetuned_models()


def test_an_endless_answer(service, client, monkeypatch):
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 2**20)
    bomb = gzip.compress(bytes(2**25))
    service.lookup_faults = [service.says(200, bomb, {"Content-Encoding": "gzip"})]
    with pytest.raises(errors.ResponseError, match="answered with more than 1 MiB"):
        client.finetuned_models()
    service.lookup_faults = [service.says(500, bomb, {"Content-Encoding": "gzip"})] * 4
    with pytest.raises(errors.ServerError):
        client.finetuned_models()


def test_a_refusal_that_is_cut_off_is_still_a_refusal(service, client):
    def fault(connection, request):
        connection.read_body(request)
        connection.answer(422, {"detail": "a long one " * 50}, fraction=0.5)
        connection.close()

    service.faults = [fault]
    with pytest.raises(errors.UnprocessableError):
        client.finetune(Y, SIZES, "D")
    assert len(service.posts) == 1


def test_an_early_refusal_of_a_large_body(service, client):
    def fault(connection, request):
        connection.answer(413, {"detail": "too large"}, {"Connection": "close"})
        connection.socket.shutdown(socket.SHUT_WR)
        while connection.socket.recv(2**16):
            pass

    service.faults = [fault]
    with pytest.raises(errors.PayloadTooLargeError, match="too large"):
        client.finetune(np.random.default_rng(0).normal(size=200_000), [200_000], "D")


# connections, threads, forks


def test_connections_are_reused(service, client):
    for _ in range(20):
        client.finetune(Y, SIZES, "D", output_model_id="x", overwrite=True)
    assert service.connections == 1


def test_a_connection_that_the_service_has_closed_is_not_used_again(service, client):
    def fault(connection, request):
        connection.answer(200, service.train(connection, request))

    service.faults = [fault] * 3
    for _ in range(3):
        client.finetune(Y, SIZES, "D")
        time.sleep(0.05)
    assert service.connections == 3
    assert len(service.trainings) == len(service.requests) == 3


def test_sent_data_is_released_at_once(client):
    """The data of a call, which may be large, does not wait for the garbage collector."""
    client.finetune(Y, SIZES, "D")
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        client.finetune(Y, SIZES, "D")
        client.forecast(Y, SIZES, "D", 3)
        gc.collect()
        assert not [thing for thing in gc.garbage if isinstance(thing, transport.Upload)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def open_files():
    return len(list(OPEN_FILES.iterdir()))


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="counts open files as Linux lists them")
def test_many_calls_from_many_threads_leak_nothing(service, client_class, key):
    files, threads = open_files(), threading.active_count()
    with client_class(api_key=key, base_url=service.url) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: client.finetune(Y, SIZES, "D"), range(200)))
        assert service.connections <= 8
    assert len({result.finetuned_model_id for result in results}) == len(service.trainings) == 200
    service.close()
    assert threading.active_count() < threads + 1
    assert open_files() <= files


def finetune_in_worker(client, outcomes):
    try:
        outcomes.put(client.finetune(Y, SIZES, "D").finetuned_model_id)
    except errors.TimeGPTError as error:
        outcomes.put(error)


def test_a_forked_worker_has_connections_of_its_own(service, client):
    client.finetune(Y, SIZES, "D")
    context = multiprocessing.get_context("fork")
    outcomes = context.Queue()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)  # of forking with threads
        workers = [context.Process(target=finetune_in_worker, args=(client, outcomes)) for _ in range(3)]
        for worker in workers:
            worker.start()
    made = [outcomes.get(timeout=20) for _ in workers]
    for worker in workers:
        worker.join()
    client.finetune(Y, SIZES, "D")
    assert sorted(made) == sorted(service.trainings[1:-1])
    assert service.connections == 4
    outcomes.close()
    outcomes.join_thread()


def test_a_spawned_worker_takes_the_key_from_its_environment(service, client, key, monkeypatch):
    monkeypatch.setenv("NIXTLA_API_KEY", key)
    context = multiprocessing.get_context("spawn")
    outcomes = context.Queue()
    worker = context.Process(
        target=_finetune_pickled, args=(pickle.dumps(Client(api_key=key, base_url=service.url)), outcomes)
    )
    worker.start()
    made = outcomes.get(timeout=60)
    worker.join()
    assert service.trainings == [made]
    outcomes.close()
    outcomes.join_thread()


def _finetune_pickled(pickled, outcomes):
    with pickle.loads(pickled) as client:
        finetune_in_worker(client, outcomes)


def test_a_closed_client_says_so(client):
    client.close()
    with pytest.raises(errors.ConfigurationError, match="This client is closed"):
        client.finetuned_models()
    client.close()
