"""Pulling models from folders and from a hub, and what is refused."""

import http.server
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.service import commands

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = "---\nlicense: apache-2.0\ntags: [forecasting]\n---\n# A model\nlicense: not this one\n"


def run(*arguments, home, **environment):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "nixtla_accessor", *arguments],
        env={**os.environ, "NIXTLA_ACCESSOR_HOME": str(home), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NIXTLA_ACCESSOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def change_config(folder, **changed):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def replace_by_a_pickle(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))


def rename_a_pickle(folder):
    (folder / "model.safetensors").write_bytes(pickle.dumps({"weights": b"x" * 1000}))


def replace_by_a_pipe(folder):
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


def fill_with_nan(folder):
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["shared.weight"][:] = float("nan")
    tensors["output_patch_embedding.output_layer.bias"][:] = float("nan")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


HARM = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "it has no config.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "it has no model.safetensors"),
    "a pickle": (replace_by_a_pickle, "'pytorch_model.bin' is a pickle"),
    "a renamed pickle": (rename_a_pickle, "is not a safetensors file"),
    "a cut file": (
        lambda folder: os.truncate(folder / "model.safetensors", 50_000),
        "is not a safetensors file",
    ),
    "a pipe": (replace_by_a_pipe, "its model.safetensors is not a file"),
    "another shape": (
        lambda folder: change_config(folder, d_ff=128),
        "are not those that its config.json describes: .* expected .*, and [0-9]+ more",
    ),
    "more layers": (lambda folder: change_config(folder, num_layers=3), "is missing, expected"),
    "another architecture": (
        lambda folder: change_config(folder, architectures=["T5ForConditionalGeneration"]),
        r"that of \['T5ForConditionalGeneration'\]",
    ),
    "code": (lambda folder: change_config(folder, auto_map={"AutoModel": "evil.Model"}), "has 'auto_map'"),
    "nonsense": (lambda folder: change_config(folder, feed_forward_proj="gated-nonsense"), "makes no model"),
    "not numbers": (fill_with_nan, "its forecasts are not finite"),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_folder_that_is_no_model_is_refused_by_name_and_nothing_is_kept(
    harm, chronos_2_folder, tmp_path, empty_home, capfd
):
    spoil, reason = harm
    folder = tmp_path / "spoilt"
    shutil.copytree(chronos_2_folder, folder)
    spoil(folder)
    with pytest.raises(ConfigurationError, match=reason) as refused:
        commands.pull(str(folder), "me/mine", None)
    assert str(folder) in str(refused.value)
    assert commands.base_models() == []
    assert not empty_home.exists() or not list((empty_home / "base_models").iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("model", "name", "revision", "reason"),
    [
        ("no/such/folder", "mine", None, "there is no such folder"),
        (".", None, None, "needs a name"),
        (".", "../../mine", None, "cannot have that name"),
        (".", "timegpt-2", None, "mean the network"),
        (".", "mine", "main", "--revision is of models on the hub"),
        ("../../nowhere", None, None, "cannot have that name"),
        ("chronos-2", None, None, "expected the whole name of a model on the hub"),
    ],
)
def test_names_that_cannot_be_are_refused(empty_home, model, name, revision, reason):
    with pytest.raises(ConfigurationError, match=reason):
        commands.pull(model, name, revision)
    assert commands.base_models() == []


def test_the_command_line_pulls_lists_and_removes(chronos_2_folder, tmp_path):
    folder, home = tmp_path / "mine", tmp_path / "home"
    shutil.copytree(chronos_2_folder, folder)
    (folder / "README.md").write_text(CARD)
    pulled = run("pull", str(folder), "--name", "me/mine", home=home)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stderr == ""
    assert "me/mine is pulled: 47,920 parameters" in pulled.stdout
    assert "licence apache-2.0." in pulled.stdout
    listed = run("models", home=home)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "me/mine" in listed.stdout
    assert "apache-2.0" in listed.stdout
    removed = run("remove", "mine", home=home)
    assert removed.stdout == "The base model 'me/mine' is deleted.\n"
    assert list((home / "base_models").iterdir()) == []
    again = run("remove", "mine", home=home)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "error: There is no model 'mine' to remove: python -m nixtla_accessor models\n"


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as a download needs."""

    folder: Path

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, *, with_body):
        files = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        path = self.path.partition("?")[0]
        headers = {"X-Repo-Commit": COMMIT}
        if path.startswith("/api/models/me/there/tree/"):
            body = json.dumps(
                [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in files.items()]
            ).encode()
        elif path.startswith("/api/models/me/there"):
            body = json.dumps(
                {"id": "me/there", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            ).encode()
        elif path.startswith(f"/me/there/resolve/{COMMIT}/") and path.rpartition("/")[2] in files:
            name = path.rpartition("/")[2]
            body = files[name]
            headers["ETag"] = f'"{name}-1"'
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def hub(bolt_folder, tmp_path):
    folder = tmp_path / "on the hub"
    shutil.copytree(bolt_folder, folder)
    (folder / "README.md").write_text(CARD)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Hub,), {"folder": folder}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "cache")}
    server.shutdown()
    server.server_close()


def test_a_model_is_downloaded_from_the_hub_into_its_cache(hub, tmp_path):
    home = tmp_path / "home"
    pulled = run("pull", "me/there", home=home, **hub)
    assert pulled.returncode == 0, pulled.stderr
    assert "licence apache-2.0." in pulled.stdout
    (found,) = json.loads(f"[{next((home / 'base_models').glob('*/description.json')).read_text()}]")
    assert (found["name"], found["revision"]) == ("me/there", COMMIT)
    offline = run("pull", "me/there", home=tmp_path / "another", **{**hub, "HF_HUB_OFFLINE": "1"})
    assert offline.returncode == 0, offline.stderr  # from the cache
    missing = run("pull", "me/missing", home=home, **hub)
    assert missing.stderr == "error: The hub has no model 'me/missing', or does not show it to you.\n"


@pytest.mark.parametrize("environment", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_a_hub_out_of_reach_is_one_sentence_and_the_way_around_it(tmp_path, environment):
    home = tmp_path / "home"
    refused = run("pull", "amazon/chronos-2", home=home, HF_HOME=str(tmp_path / "cache"), **environment)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: The hub cannot be reached for 'amazon/chronos-2' (")
    assert refused.stderr.endswith("python -m nixtla_accessor pull FOLDER --name amazon/chronos-2\n")
    assert refused.stderr.count("\n") == 1
