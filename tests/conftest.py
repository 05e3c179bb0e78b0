"""What every test shares: markers by path, a clean environment, and the engine with a home of its own."""

import importlib.util
import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FOLDERS = {"browser", "chronos", "dask", "local", "official_client"}  # their tests carry the folder's name as a marker
LIBRARIES = {
    "browser": "selenium",
    "chronos": "chronos",
    "official_client": "nixtla",
}  # of folders that need one which "dev" does not bring
collect_ignore = [folder for folder, library in LIBRARIES.items() if importlib.util.find_spec(library) is None]
SLOW = [line for line in (TESTS / "slow.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")]

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


@pytest.hookimpl(tryfirst=True)  # before -m chooses among the tests
def pytest_collection_modifyitems(items):
    for item in items:
        path = item.path.relative_to(TESTS)
        if path.parts[0] in FOLDERS:
            item.add_marker(path.parts[0])
        name = "::".join([path.as_posix(), *item.nodeid.partition("[")[0].split("::")[1:]])
        if any(name == entry or name.startswith(f"{entry}::") for entry in SLOW):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def slow_entries():
    """Return the lines of `slow.txt` that name tests."""
    return SLOW


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
    monkeypatch.setenv("NIXTLA_ACCESSOR_TRACEBACK", "full")
