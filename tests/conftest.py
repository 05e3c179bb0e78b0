"""Fixtures that every test shares: a clean environment, and the engine with a home of its own."""

import os

import pytest

_OURS_AND_PROXIES = (
    "NIXTLA_API_KEY",
    "NIXTLA_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)


@pytest.fixture(scope="session", autouse=True)
def engine_home(tmp_path_factory):
    """Keep the engine's models out of the user's data folder."""
    home = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIXTLA_ACCESSOR_HOME", str(home))
        yield home


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Let no setting of the machine reach a test."""
    for name in _OURS_AND_PROXIES:
        if name in os.environ:
            monkeypatch.delenv(name)
