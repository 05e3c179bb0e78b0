"""Run the notebooks from top to bottom, with the local engine: ``python tests/run_notebooks.py [--write] [name …]``.

Those that need an extra that is not installed are left out. Ends with an error where a cell does. With ``--write`` the
outputs are stored in the files: text and tables, but no progress bars, and no pictures, which are large and differ in
bytes from one matplotlib to the next.
"""

import argparse
import importlib.util
import os
import tempfile
from pathlib import Path

import nbclient
import nbformat

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
NEEDS = {"7-open-models": "torch"}  # modules that an extra of their own brings
TIMEOUT = 600  # seconds for a cell


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="store the outputs in the notebooks")
    parser.add_argument("names", nargs="*", help="the names of notebooks; all if none is given")
    arguments = parser.parse_args()
    for name in ("NIXTLA_API_KEY", "NIXTLA_BASE_URL"):
        os.environ.pop(name, None)  # with a key, fine-tuning would be paid for
    os.environ["MPLBACKEND"] = "Agg"  # draws, and shows nothing
    for path in NOTEBOOKS:
        is_installed = path.stem not in NEEDS or importlib.util.find_spec(NEEDS[path.stem]) is not None
        if not is_installed or (arguments.names and path.stem not in arguments.names):
            continue
        print(path.name, flush=True)
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as home:
            os.environ["NIXTLA_ACCESSOR_HOME"] = home
            nbclient.NotebookClient(notebook, timeout=TIMEOUT, record_timing=False, coalesce_streams=True).execute()
        if arguments.write:
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
