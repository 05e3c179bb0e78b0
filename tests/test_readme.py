"""Every Python block of the Markdown pages runs as it stands, in a process of its own; so do examples of docstrings."""

import doctest
import importlib
import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor.local.service.embedded import start_engine

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPOSITORY = "https://github.com/nixtla-accessor/nixtla-accessor/"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted(
        [
            ROOT / "README.md",
            *(ROOT / ".github").glob("*.md"),
            *(ROOT / "nixtla_accessor").rglob("*.md"),
            *(ROOT / "tests").rglob("*.md"),
            ROOT / "notebooks" / "README.md",
        ]
    )
}
BLOCKS = {
    f"{page}-{number}": block
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
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


def test_the_pages_have_blocks():
    shown_by = {page.rpartition("-")[0] for page in BLOCKS}
    assert shown_by >= {"README.md", "nixtla_accessor/local/README.md", "nixtla_accessor/dask/README.md"}


def test_there_are_two_set_up_commands():
    assert len(re.findall(r"^```sh\n[^\n]+\n```$", README, re.MULTILINE)) == 2
    assert README.count("```sh") == 2


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """Links of the README are absolute, as a package index shows it too; those of other pages may be relative."""
    raw = REPOSITORY.replace("github.com", "raw.githubusercontent.com")
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if link.startswith((f"{REPOSITORY}blob/main/", f"{raw}main/")):
            target = ROOT / link.partition("/main/")[2]
        elif link.startswith("https://"):
            continue
        else:
            assert page != "README.md", link
            target = (ROOT / page).parent / link
        assert target.exists(), link


def test_the_repository_has_one_address():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert set(urls) == {"Homepage", "Source", "Changelog", "Issues"}
    assert all(f"{url}/".startswith(REPOSITORY) for url in urls.values())


NEED_TORCH = {f"nixtla_accessor.local.chronos.{name}" for name in ("pipelines", "training")}
LEFT_OUT = set() if importlib.util.find_spec("chronos") else NEED_TORCH  # they have no examples
MODULES = [
    module.name
    for module in pkgutil.walk_packages(nixtla_accessor.__path__, "nixtla_accessor.")
    if not module.name.endswith("__main__") and module.name not in LEFT_OUT
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, extraglobs={"np": np, "pd": pd}, optionflags=options)
    assert result.failed == 0
