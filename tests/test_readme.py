"""Every Python block of the README runs as it stands, in a process of its own; so do the examples of the docstrings."""

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor.local.service.embedded import start_engine

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block, tmp_path, engine_home):
    engine = start_engine()  # stands in for the hosted service where a block wants a key
    environment = {
        **os.environ,
        "NIXTLA_ACCESSOR_HOME": str(engine_home),
        "NIXTLA_BASE_URL": engine.base_url,
        "NIXTLA_API_KEY": engine.api_key,
        "MPLBACKEND": "Agg",
    }
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_there_are_two_set_up_commands():
    assert len(re.findall(r"^```sh\n[^\n]+\n```$", README, re.MULTILINE)) == 2
    assert README.count("```sh") == 2


MODULES = [
    module.name
    for module in pkgutil.walk_packages(nixtla_accessor.__path__, "nixtla_accessor.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, extraglobs={"np": np, "pd": pd}, optionflags=options)
    assert result.failed == 0
