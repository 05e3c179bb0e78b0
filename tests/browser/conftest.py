"""A Jupyter server in a temporary folder, and its pages in a headless Chromium."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
TIMEOUT = 180  # seconds for a page, a cell or a whole notebook


def pytest_collection_modifyitems(items):
    if CHROMIUM is None or DRIVER is None:
        left_out = pytest.mark.skip(reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)")
        for item in [item for item in items if Path(__file__).parent in item.path.parents]:
            item.add_marker(left_out)


class Page:
    """A notebook, opened in JupyterLab."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)
        self.wait(
            "const shown = window.jupyterapp?.shell.currentWidget;"
            "return shown?.sessionContext?.session?.kernel?.status === 'idle' && shown.content.widgets.length > 0"
        )

    def ask(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, script):
        return WebDriverWait(self.browser, TIMEOUT, 0.1).until(lambda _: self.ask(script))

    def command(self, name):
        """Do what a menu's entry does, and wait until it is done."""
        self.browser.execute_async_script(
            "const done = arguments[1]; window.jupyterapp.commands.execute(arguments[0]).then(done, done)", name
        )

    def run_all(self):
        self.command("notebook:run-all-cells")
        self.wait_idle()

    def choose(self, index):
        self.ask("window.jupyterapp.shell.currentWidget.content.activeCellIndex = arguments[0]", index)

    def start(self, index):
        """Begin to run a cell."""
        self.choose(index)
        self.ask("window.jupyterapp.commands.execute('notebook:run-cell')")

    def wait_idle(self):
        self.wait("return ![...document.querySelectorAll('.jp-InputPrompt')].some(e => e.innerText.includes('*'))")

    def run(self, index):
        self.choose(index)
        self.command("notebook:run-cell")

    def complete(self, index):
        """Return what Tab offers at the end of a cell."""
        self.choose(index)
        self.ask(
            "const content = window.jupyterapp.shell.currentWidget.content, editor = content.activeCell.editor;"
            "content.mode = 'edit'; editor.focus();"
            "editor.setCursorPosition(editor.getPositionAt(editor.model.sharedModel.source.length))"
        )
        self.browser.switch_to.active_element.send_keys(Keys.TAB)
        self.wait("return document.querySelector('.jp-Completer-match')?.innerText")
        return [text.removeprefix(".") for text in self.texts(".jp-Completer-match")]

    def texts(self, selector):
        return self.ask("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)

    @property
    def counts(self):
        return self.texts(".jp-CodeCell .jp-InputPrompt")

    @property
    def red(self):
        """Texts on red: tracebacks and what was written to stderr."""
        return [text.strip() for text in self.texts('[data-mime-type="application/vnd.jupyter.stderr"]')]

    @property
    def errors(self):
        return [text for text in self.red if "Traceback (most recent call last)" in text]

    @property
    def stderr(self):
        return "".join(text for text in self.red if "Traceback (most recent call last)" not in text)

    @property
    def tables(self):
        return len(self.texts(".jp-OutputArea .jp-RenderedHTMLCommon table"))

    @property
    def bars(self):
        return len(self.texts(".jp-OutputArea .widget-hprogress"))

    @property
    def pictures(self):
        return self.ask(
            "return [...document.querySelectorAll('.jp-OutputArea img')].filter(e => e.naturalWidth > 0).length"
        )


class Server:
    """JupyterLab on loopback, with all that it reads and writes in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.notebooks = folder / "notebooks"
        settings = folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
        profile = folder / "ipython" / "profile_default"
        for made in (self.notebooks, settings.parent, profile):
            made.mkdir(parents=True)
        # With jedi, the first Tab reads all of pandas: longer than JupyterLab waits on a busy machine.
        (profile / "ipython_config.py").write_text("get_config().Completer.use_jedi = False")
        settings.write_text(json.dumps({"windowingMode": "none"}))  # else cells out of sight are not in the page
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.token = secrets.token_hex()
        environment = {
            **os.environ,
            "HOME": str(folder),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_TOKEN": self.token,
            "OMP_NUM_THREADS": "1",
        }
        for name in ("MPLBACKEND", "NIXTLA_ACCESSOR_TRACEBACK", "NIXTLA_API_KEY", "NIXTLA_BASE_URL"):
            environment.pop(name, None)
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
                *(f"--port={self.port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.notebooks}"),
                *(f"--LabApp.user_settings_dir={folder / 'settings'}", f"--LabApp.workspaces_dir={folder / 'spaces'}"),
                "--LabApp.news_url=None",
            ],
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.wait()

    def wait(self):
        until = time.monotonic() + 60
        while True:
            try:
                requests.get(f"http://127.0.0.1:{self.port}/api", timeout=5).raise_for_status()
            except requests.ConnectionError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.1)
            else:
                return

    def end_kernels(self):
        sessions, headers = f"http://127.0.0.1:{self.port}/api/sessions", {"Authorization": f"token {self.token}"}
        for session in requests.get(sessions, headers=headers, timeout=30).json():
            requests.delete(f"{sessions}/{session['id']}", headers=headers, timeout=30).raise_for_status()

    def end(self):
        self.end_kernels()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/lab/tree/{name}?token={self.token}&reset"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.end()


@pytest.fixture(scope="session")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,2400"):
        options.add_argument(argument)
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        browser.set_script_timeout(TIMEOUT)
        yield browser


@pytest.fixture
def open_notebook(server, browser):
    """Return a function that opens a notebook, given as a path or as sources of cells, without outputs."""

    def open_notebook(source):
        if isinstance(source, Path):
            name, notebook = source.name, nbformat.read(source, as_version=4)
        else:
            name = "untitled.ipynb"
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in source])
            notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, server.notebooks / name)
        return Page(browser, server.url(name))

    yield open_notebook
    browser.get("about:blank")
    server.end_kernels()
