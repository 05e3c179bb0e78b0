"""The network stands on numpy, safetensors and threadpoolctl alone."""

import ast
import sys
from pathlib import Path

import pytest

import nixtla_accessor.local.network

FILES = sorted(Path(nixtla_accessor.local.network.__file__).parent.glob("*.py"))
LIBRARIES = {"numpy", "safetensors", "threadpoolctl"}
MODULES = ("nixtla_accessor.local.network", "nixtla_accessor.local.arrays", "nixtla_accessor.seasons")

FORECASTERS = ("nixtla_accessor.local.forecaster", "nixtla_accessor.contract")  # what one of several forecasters shares


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_network_imports_little(path):
    allowed = (*MODULES, *FORECASTERS) if path.stem == "forecaster" else MODULES
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in [node.module] if isinstance(node, ast.ImportFrom) else names:
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names or top in LIBRARIES or name.startswith(allowed), name
