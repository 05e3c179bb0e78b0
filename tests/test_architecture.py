"""The walls of the house: who may import whom, and which libraries each wing knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nixtla_accessor

ROOT = Path(nixtla_accessor.__file__).parent
PACKAGE = "nixtla_accessor"

GROUND_FLOOR = {"errors", "flags", "contract", "seasons", "markup"}
# For each room, the rooms of the package and the libraries beyond the standard one that it may import.
WALLS = {
    "errors": (set(), set()),
    "flags": ({"errors"}, {"numpy"}),
    "contract": (set(), set()),
    "seasons": (set(), set()),
    "tracebacks": ({"errors"}, set()),
    "markup": (set(), set()),
    "panel": ({"panel", *GROUND_FLOOR}, {"pandas", "numpy", "pyarrow", "orjson", "holidays"}),
    "api": (
        {"api", "errors", "flags", "contract", "tracebacks", "markup"},
        {"numpy", "pyarrow", "requests", "urllib3", "pydantic", "pydantic_core", "orjson", "tqdm", "_typeshed"},
    ),
    "local": (
        {
            "local",
            "api.schema",
            "api.job_schema",
            "api.online_schema",
            "api.simulation_schema",
            "api.usage_schema",
            *GROUND_FLOOR,
        },
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
    "local.base_models": ({"local.base_models", "local.files", "errors"}, {"huggingface_hub"}),
    "local.chronos": (
        {"local.chronos", "local.base_models.storage", "local.forecaster", "local.arrays", "contract", "seasons"},
        {"numpy", "safetensors", "torch", "transformers", "chronos"},
    ),
    "local.network": (
        {"local.network", "local.forecaster", "local.arrays", "contract", "seasons"},
        {"numpy", "safetensors", "threadpoolctl"},
    ),
    "local.covariates": (
        {
            "local.covariates",
            "local.forecaster",
            "local.arrays",
            "local.network.blas",
            "local.network.threads",
            "seasons",
        },
        {"numpy"},
    ),
    "local.simulation": ({"local.simulation", "local.arrays"}, {"numpy"}),
    "local.pretraining": (
        {"local.network", "local.pretraining", "local.arrays", "seasons"},
        {"numpy", "safetensors"},
    ),
    "record": ({"panel.panel", "contract"}, {"pandas", "numpy"}),
    "other_frames": ({"errors"}, {"pandas"}),
    "selection": ({"panel", "record"}, {"pandas"}),
    "source": ({"panel", "record", "selection", "queries", "other_frames", "flags", "api.client"}, {"pandas"}),
    "packed_calls": ({"panel", "api", "errors", "contract"}, {"numpy"}),
    "arguments": ({"panel", "contract", "errors", "flags", "api.client", "api.requests"}, {"numpy"}),
    "attached_model": (
        {"panel", "arguments", "pending_model", "record", "errors", "contract", "api.client"},
        {"pandas", "numpy"},
    ),
    "pending_model": ({"panel.frame_code", "record", "errors", "api.client"}, set()),
    "queries": (
        {
            "queries",
            "panel",
            "record",
            "packed_calls",
            "errors",
            "contract",
            "seasons",
            "api.client",
            "api.requests",
            "api.online_anomalies",
            "api.simulation",
            "api.schema",
        },
        {"pandas", "numpy"},
    ),
    "comparison": (
        {
            "comparison",
            "panel",
            "queries",
            "arguments",
            "attached_model",
            "packed_calls",
            "record",
            "errors",
            "flags",
            "contract",
            "api.checks",
            "api.client",
            "api.requests",
        },
        {"pandas", "numpy"},
    ),
    "operations": (
        {
            "panel",
            "api",
            "arguments",
            "attached_model",
            "comparison",
            "queries",
            "record",
            "packed_calls",
            "pending_model",
            "selection",
            "source",
            "errors",
            "flags",
            "contract",
        },
        {"pandas", "numpy"},
    ),
    "accessor": (
        {
            "arguments",
            "operations",
            "other_frames",
            "selection",
            "source",
            "record",
            "panel",
            "plotting",
            "contract",
            "api.client",
            "api.requests",
            "tracebacks",
            "markup",
        },
        {"pandas", "numpy", "matplotlib"},
    ),
    "dask": (
        {
            "dask",
            "arguments",
            "operations",
            "selection",
            "source",
            "queries",
            "other_frames",
            "panel",
            "record",
            "api.client",
            "api.requests",
            "errors",
            "flags",
            "contract",
            "tracebacks",
        },
        {"dask", "distributed", "pandas", "numpy"},
    ),
    "plotting": ({"plotting", "panel", "errors", "contract"}, {"pandas", "numpy", "matplotlib"}),
    "account": ({"api", "tracebacks"}, {"pandas"}),
    "registry": ({"api", "panel.shown_frames", "errors", "contract", "tracebacks"}, {"pandas"}),
    "datasets": (set(), {"pandas"}),
    "mypy_plugin": (set(), {"mypy"}),
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


def module_of(path):
    """Return the name of a file's module within the package; of a package's ``__init__``, the package's own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def lies_in(module, room):
    return module == room or module.startswith(f"{room}.")


def room_of(path):
    """Return the narrowest room that a file lies in; None for what only starts the others."""
    rooms = [room for room in WALLS if lies_in(module_of(path), room)]
    return max(rooms, key=len, default=None)


FILES = [path for path in sorted(ROOT.rglob("*.py")) if room_of(path) is not None]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_its_walls_let_in(path):
    rooms, libraries = WALLS[room_of(path)]
    for module in imports(path):
        top, _, inside = module.partition(".")
        if top == PACKAGE:
            if inside and (str(path.relative_to(ROOT)), inside) not in DOORS:
                assert any(lies_in(inside, room) for room in rooms), module
        elif top not in sys.stdlib_module_names:
            assert top in libraries, module


def test_every_file_lies_in_a_room_and_every_room_has_one():
    assert {room_of(path) for path in FILES} == set(WALLS)
    outside = {module_of(path) for path in ROOT.rglob("*.py")} - {module_of(path) for path in FILES}
    assert outside == {"", "__main__", "demo"}


def test_there_is_no_import_circle():
    """Follow every import of the package, those for type checkers and within functions included."""
    modules = {module_of(path): path for path in ROOT.rglob("*.py")}
    needs = {
        module: {f"{PACKAGE}.{other}" for other in modules.keys() - {module}} & set(imports(path))
        for module, path in modules.items()
    }
    while removable := {module for module, needed in needs.items() if not needed & {f"{PACKAGE}.{m}" for m in needs}}:
        needs = {module: needed for module, needed in needs.items() if module not in removable}
    assert needs == {}


def test_importing_leaves_http_for_later():
    program = (
        "import sys, logging, nixtla_accessor; "
        "print([name for name in ('requests', 'pydantic.main', 'tqdm', 'fastapi', 'dask') if name in sys.modules], "
        "logging.getLogger().handlers)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[] []\n"


def test_serving_imports_torch_only_when_a_model_needs_it():
    program = (
        "import sys, nixtla_accessor.local.service.embedded, nixtla_accessor.local.service.commands; "
        "print([name for name in ('torch', 'chronos', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_torch_is_known_by_two_modules_only():
    knowing = {module_of(path) for path in FILES if {name.partition(".")[0] for name in imports(path)} & {"torch"}}
    assert knowing == {"local.chronos.pipelines", "local.chronos.training"}
