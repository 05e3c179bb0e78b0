"""What is stored in the notebooks: the text of one run from top to bottom, without errors and without pictures."""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_the_list_has_each_notebook_once_and_no_other():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| .+ \| \[.+\]\((.+?)\)", page, re.MULTILINE)
    assert sorted(listed) == [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_between_notebooks_lead_somewhere(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    named = re.findall(r"`([\w-]+\.ipynb)`", text) + re.findall(r"\]\((?!https://)([^)\s]+)\)", text)
    assert [name for name in named if not (FOLDER / name).exists()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_stores_the_text_of_one_run(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.metadata
    for output in [output for cell in cells for output in cell.outputs]:
        assert output.output_type in {"stream", "execute_result"}, output
        assert output.get("name") != "stderr", output
        assert set(output.get("data", {})) <= {"text/plain", "text/html"}
