"""The walls of the house: who may import whom, and which libraries each wing knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nixtla_accessor

ROOT = Path(nixtla_accessor.__file__).parent
PACKAGE = "nixtla_accessor"

# For each room, the rooms of the package and the libraries beyond the standard one that it may import.
WALLS = {
    "errors": (set(), set()),
    "contract": (set(), set()),
    "seasons": (set(), set()),
    "panel": ({"panel", "errors", "contract", "seasons"}, {"pandas", "numpy", "pyarrow", "orjson"}),
    "api": (
        {"api", "errors", "contract"},
        {"numpy", "pyarrow", "requests", "urllib3", "pydantic", "pydantic_core", "orjson", "tqdm"},
    ),
    "local": (
        {"local", "errors", "contract", "seasons", "api.schema"},
        {
            "numpy",
            "pyarrow",
            "pydantic",
            "orjson",
            "fastapi",
            "starlette",
            "uvicorn",
            "platformdirs",
            "safetensors",
            "threadpoolctl",
        },
    ),
    "record": (set(), {"pandas"}),
    "datasets": (set(), {"pandas"}),
    "plotting": ({"panel", "errors"}, {"pandas", "numpy", "matplotlib"}),
    "registry": ({"api", "contract", "errors"}, {"pandas"}),
    "comparison": ({"panel", "api", "errors", "contract"}, {"pandas", "numpy"}),
    "dask": (
        {"dask", "accessor", "panel", "api.client", "api.requests", "record", "errors"},
        {"dask", "distributed", "pandas", "numpy"},
    ),
    "accessor": (
        {"comparison", "panel", "api", "record", "errors", "plotting", "contract"},
        {"pandas", "numpy", "matplotlib"},
    ),
}
# Starting the engine is the one thing that the client's side wants of it.
DOORS = {("api/local_engine.py", "local.service.embedded")}


def imports(path):
    """Yield every module that a file imports, under its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            if node.module == PACKAGE:
                yield from (f"{PACKAGE}.{alias.name}" for alias in node.names)


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = [path for path in sorted(ROOT.rglob("*.py")) if room_of(path) in WALLS]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_its_walls_let_in(path):
    rooms, libraries = WALLS[room_of(path)]
    for module in imports(path):
        top, _, inside = module.partition(".")
        if top == PACKAGE:
            if inside and (str(path.relative_to(ROOT)), inside) not in DOORS:
                assert any(inside == room or inside.startswith(f"{room}.") for room in rooms), module
        elif top not in sys.stdlib_module_names:
            assert top in libraries, module


def test_every_wall_stands_before_a_room():
    assert {room_of(path) for path in FILES} == set(WALLS)


def test_the_public_names_are_all_and_sorted():
    public = {
        name
        for name in dir(nixtla_accessor)
        if not name.startswith("_") and getattr(getattr(nixtla_accessor, name), "__module__", "").startswith(PACKAGE)
    }
    assert public | {"errors"} == set(nixtla_accessor.__all__)
    assert nixtla_accessor.__all__ == sorted(nixtla_accessor.__all__)
    with pytest.raises(AttributeError, match="conect"):
        nixtla_accessor.conect  # noqa: B018


def test_importing_leaves_http_for_later():
    program = (
        "import sys, logging, nixtla_accessor; "
        "print([name for name in ('requests', 'pydantic.main', 'tqdm', 'fastapi', 'dask') if name in sys.modules], "
        "logging.getLogger().handlers)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[] []\n"
