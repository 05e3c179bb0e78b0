"""Where settings come from, and which are refused."""

import pickle
import socket
import subprocess
import sys

import pytest

from nixtla_accessor.api.client import Client, connect
from nixtla_accessor.api.settings import resolve_settings, url_origin
from nixtla_accessor.contract import DEFAULT_BASE_URL, MAX_REQUEST_BYTES
from nixtla_accessor.errors import ConfigurationError, InvalidArgumentError


def key_of(settings):
    return settings.api_key.get_secret_value()


def test_the_defaults():
    settings = resolve_settings("k")
    assert settings.base_url == settings.origin == DEFAULT_BASE_URL
    assert settings.timeout == (10, 600)
    assert settings.progress is None
    assert settings.max_request_bytes == MAX_REQUEST_BYTES


def test_explicit_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("NIXTLA_API_KEY", "from-environment")
    monkeypatch.setenv("NIXTLA_BASE_URL", "https://environment.example")
    assert key_of(resolve_settings()) == "from-environment"
    assert resolve_settings().origin == "https://environment.example"
    assert key_of(resolve_settings("explicit")) == "explicit"
    assert resolve_settings(base_url="https://explicit.example").origin == "https://explicit.example"


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_key_in_the_environment_is_none(monkeypatch, empty):
    monkeypatch.setenv("NIXTLA_API_KEY", empty)
    monkeypatch.setenv("NIXTLA_BASE_URL", "")
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings()
    assert str(caught.value) == (
        "There is no API key for https://api.nixtla.io: set the environment variable NIXTLA_API_KEY, pass "
        'connect(api_key=…), or use the local engine, which needs none, with connect(base_url="local").'
    )


def test_space_around_a_key_is_dropped():
    assert key_of(resolve_settings(" key\n")) == "key"


@pytest.mark.parametrize("key", ["a b", "a\nb", "a\x00b", "schlüssel", "k\u2026"])
def test_a_key_that_fits_no_header_is_refused_and_not_shown(key):
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings(key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["local", "LOCAL", "http://x.io", "https://api.nixtla.io/", "localhost:8000", "localhost", "ftp://a"]
)
def test_an_address_is_no_key(monkeypatch, key):
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings(key)
    assert str(caught.value) == (
        "The API key (api_key or NIXTLA_API_KEY) is an address and no key. Pass an address as base_url; the local "
        'engine is connect(base_url="local").'
    )
    monkeypatch.setenv("NIXTLA_API_KEY", key)
    with pytest.raises(ConfigurationError, match="is an address and no key"):
        resolve_settings()


@pytest.mark.parametrize("key", ["local-key", "nixak-local", "localhosts", "locally", "a:b/c"])
def test_a_key_may_resemble_an_address(key):
    assert key_of(resolve_settings(key)) == key


@pytest.mark.parametrize(("make", "message"), [(Client, "positional argument"), (connect, "takes nothing by position")])
def test_the_key_is_named(make, message):
    with pytest.raises(TypeError, match=message):
        make("local")


def test_a_key_is_text():
    with pytest.raises(InvalidArgumentError, match="api_key must be text; got a value of type int"):
        resolve_settings(5)


@pytest.mark.parametrize(
    ("url", "base_url", "origin"),
    [
        ("https://API.Nixtla.io/", "https://api.nixtla.io", "https://api.nixtla.io"),
        ("https://x.io:443/v9/", "https://x.io/v9", "https://x.io"),
        ("https://x.io:8443", "https://x.io:8443", "https://x.io:8443"),
        ("http://localhost:8000", "http://localhost:8000", "http://localhost:8000"),
        ("http://127.3.2.1", "http://127.3.2.1", "http://127.3.2.1"),
        ("http://[::1]:80/", "http://[::1]", "http://[::1]"),
    ],
)
def test_addresses(url, base_url, origin):
    settings = resolve_settings("k", url)
    assert (settings.base_url, settings.origin) == (base_url, origin)


@pytest.mark.parametrize(
    "url",
    [
        "api.nixtla.io",
        "ftp://x.io",
        "https://",
        "https:///path",
        "https://x.io:99999",
        "https://x.io:port",
        "https://x y.io",
        "https://x.io\n",
        "https://x.io\\@evil.example",
        "https://bücher.example",
        "//x.io",
        "locale",
    ],
)
def test_refused_addresses(url):
    with pytest.raises(ConfigurationError, match=r"base_url must be an address such as 'https://api\.nixtla\.io'"):
        resolve_settings("k", url)


@pytest.mark.parametrize(
    "url", ["http://x.io", "http://0.0.0.0:80", "http://localhost.evil.example", "http://127.0.0.1.nip.io"]
)
def test_the_key_is_sent_encrypted_or_not_at_all(url):
    with pytest.raises(ConfigurationError, match="must be https"):
        resolve_settings("k", url)


@pytest.mark.parametrize(
    "url", ["https://me:pass-word@x.io", "https://me@x.io", "https://x.io?token=pass-word", "https://x.io#a"]
)
def test_an_address_contains_nothing_else(url):
    with pytest.raises(ConfigurationError, match=r"base_url for https://x\.io must not contain a user name") as caught:
        resolve_settings("k", url)
    assert "pass-word" not in str(caught.value)


def test_a_password_in_an_unreadable_address_is_not_echoed():
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings("k", "me:pass-word@x.io")
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize(("timeout", "seconds"), [(5, (5, 5)), (30.5, (10, 30.5)), ((2, 3), (2, 3)), ([2, 3], (2, 3))])
def test_timeouts(timeout, seconds):
    assert resolve_settings("k", timeout=timeout).timeout == seconds


@pytest.mark.parametrize("timeout", [sys.maxsize, pytest.param(10**400, id="10**400"), 1e20, (1e20, 1e20)])
def test_a_very_long_timeout_is_one_that_a_socket_takes(timeout):
    to_connect, to_answer = resolve_settings("k", timeout=timeout).timeout
    assert to_answer > 10 * 365 * 24 * 3600
    with socket.socket() as connection:
        connection.settimeout(to_connect)
        connection.settimeout(to_answer)


@pytest.mark.parametrize("timeout", [0, -1, True, "5", (1,), [5], (1,) * 3, (1, 0), float("nan"), float("inf"), ()])
def test_refused_timeouts(timeout):
    with pytest.raises(InvalidArgumentError, match="timeout must be seconds above 0"):
        resolve_settings("k", timeout=timeout)


@pytest.mark.parametrize(
    ("name", "value"), [("progress", 1), ("progress", "yes"), ("max_request_bytes", 0), ("max_request_bytes", "1")]
)
def test_other_settings(name, value):
    with pytest.raises(InvalidArgumentError, match=f"{name} must be"):
        resolve_settings("k", **{name: value})


def test_local_needs_no_key(monkeypatch):
    monkeypatch.setenv("NIXTLA_BASE_URL", "local")
    settings = resolve_settings()
    assert settings.is_local
    assert settings.origin == settings.base_url == "local"
    assert settings.max_request_bytes is None


NO_SERVER = """
import pickle, socket, threading
from nixtla_accessor.api.client import connect

def refuse(*_, **__):
    raise AssertionError("a server was started")

bind, socket.socket.bind = socket.socket.bind, refuse
client = connect(base_url="local", progress=False)
copy = pickle.loads(pickle.dumps(client))
assert threading.active_count() == 1
socket.socket.bind = bind
assert copy.validate_api_key()
assert client.validate_api_key()
assert [thread.name for thread in threading.enumerate()].count("nixtla-accessor-engine") == 1
"""


def test_the_engine_starts_at_the_first_call_and_neither_with_a_client_nor_its_pickle():
    subprocess.run([sys.executable, "-W", "error", "-c", NO_SERVER], check=True, timeout=60)


def test_an_engine_that_is_not_installed_is_reported_at_once(monkeypatch):
    monkeypatch.delitem(sys.modules, "nixtla_accessor.local.service.embedded", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigurationError) as caught:
        resolve_settings(base_url="local")
    assert str(caught.value) == (
        'The local engine needs uvicorn, which is not installed: pip install "nixtla-accessor[local]"'
    )


def test_a_pickle_takes_the_key_from_where_it_is_read(monkeypatch):
    settings = resolve_settings("key-of-here", "https://x.io/v9", timeout=(1, 2), progress=False, max_request_bytes=5)
    pickled = pickle.dumps(settings)
    assert b"key-of-here" not in pickled
    monkeypatch.setenv("NIXTLA_API_KEY", "key-of-there")
    copy = pickle.loads(pickled)
    assert key_of(copy) == "key-of-there"
    assert (copy.base_url, copy.timeout, copy.progress, copy.max_request_bytes) == ("https://x.io/v9", (1, 2), False, 5)


def test_a_pickle_of_local_settings_is_local_where_it_is_read():
    settings = resolve_settings(base_url="local")
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_origins():
    assert url_origin("https://X.io:443/a?b") == "https://x.io"
    assert url_origin("http://x.io:443") == "http://x.io:443"


def test_an_address_of_the_environment_is_named_as_such(monkeypatch):
    monkeypatch.setenv("NIXTLA_BASE_URL", "http://x.io")
    with pytest.raises(ConfigurationError, match="NIXTLA_BASE_URL must be https"):
        resolve_settings("k")
