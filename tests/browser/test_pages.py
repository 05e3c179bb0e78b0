"""The notebooks and a first session, as they are seen in JupyterLab."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[1-6]-*.ipynb"))
FIRST_SESSION = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
WITHOUT_WIDGETS = 'import sys\n\nsys.modules["ipywidgets"] = None'
CONNECT = """import nixtla_accessor
from nixtla_accessor.datasets import load_unemployment

nixtla_accessor.connect(base_url="local")
df = load_unemployment()"""
LONG = "df.timegpt.finetune(finetune_steps=100_000)"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_the_page(open_notebook, path):
    page = open_notebook(path)
    page.run_all()
    assert not page.errors
    assert page.counts == [f"[{i + 1}]:" for i in range(len(page.counts))]
    assert page.tables > 0
    assert page.pictures > 0 or ".plot" not in path.read_text("utf-8")
    assert page.bars == 0
    assert page.stderr == ""


def test_the_first_session(open_notebook):
    page = open_notebook(
        [FIRST_SESSION, "forecast", 'df.rename(columns={"y": "sales"}).timegpt.forecast(h=3, zero_shot=True)']
    )
    page.run_all()
    assert page.counts[:3] == ["[1]:", "[2]:", "[3]:"]
    assert (page.pictures, page.tables) == (1, 1)
    [error] = page.errors
    assert "MissingColumnError" in error
    assert len(re.findall(r"nixtla_accessor/\S+\.py", error)) <= 1, error
    assert (page.bars, page.stderr) == (0, "")


@pytest.mark.parametrize("first", [CONNECT, f"{WITHOUT_WIDGETS}\n{CONNECT}"], ids=["widget", "text"])
def test_an_interrupted_fine_tuning_leaves_no_bar(open_notebook, first):
    page = open_notebook([first, LONG, "df.timegpt.forecast(h=2, zero_shot=True)"])
    page.run(0)
    page.start(1)
    if first == CONNECT:
        page.wait("return document.querySelectorAll('.jp-OutputArea .widget-hprogress').length === 1")
    else:
        page.wait("return document.querySelector('[data-mime-type$=stderr]')?.innerText.trim()")
        assert page.bars == 0
    page.command("notebook:interrupt-kernel")
    page.wait_idle()
    [error] = page.errors
    assert "Interrupt" in error
    assert (page.bars, page.stderr) == (0, "")
    page.run(2)
    assert len(page.errors) == 1
    assert page.tables == 1


def test_tab_offers_the_methods(open_notebook):
    page = open_notebook([CONNECT, "df.timegpt.f"])
    page.run(0)
    assert {"fill_gaps", "finetune", "forecast"} <= set(page.complete(1))
