"""No space left, and damaged files: a clear error for the one call, while everything else works."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

import nixtla_accessor
from nixtla_accessor.errors import ServerError

PAGE = 4096  # bytes of SQLite's file


class LimitedFiles:
    """The engine's process cannot let files grow, as with a quota."""

    def __init__(self, serving):
        self._serving = serving

    def fill(self):
        self._serving.limit_files((self._serving.home / "models.sqlite").stat().st_size)

    def free(self):
        self._serving.limit_files(None)


class FullDisk:
    """A small file system, filled up with another file."""

    def __init__(self, serving):
        self._filling = serving.home / "filling"

    def fill(self):
        with contextlib.suppress(OSError), self._filling.open("wb", buffering=0) as file:
            while file.write(bytes(2**16)):
                pass

    def free(self):
        self._filling.unlink()


@pytest.fixture
def small_disk(tmp_path):
    home = tmp_path / "small"
    home.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=16m", "tmpfs", home], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield home
    subprocess.run(["umount", home], check=True)


@pytest.fixture(params=[LimitedFiles, FullDisk])
def engine_and_disk(request, serve):
    home = {"home": request.getfixturevalue("small_disk")} if request.param is FullDisk else {}
    with serve(**home) as serving:
        yield serving, request.param(serving)


def test_no_space_is_an_error_for_new_models_only(engine_and_disk):
    serving, disk = engine_and_disk
    assert serving.finetune("before").status_code == 200
    expected = serving.forecast("before").json()
    disk.fill()
    for _ in range(2):
        answer = serving.finetune("too-much")
        assert answer.status_code == 507
        assert re.search(r"models\.sqlite.*(disk I/O error|full).*Make room", answer.json()["detail"])
        assert serving.forecast("before").json() == expected
        assert serving.forecast("too-much").status_code == 404
        assert serving.model_ids() == {"before"}
    disk.free()
    assert serving.finetune("too-much").status_code == 200
    assert serving.forecast("before").json() == expected
    assert serving.model_ids() == {"before", "too-much"}


def test_a_client_does_not_train_again_what_could_not_be_saved(serve):
    with serve() as serving:
        assert serving.finetune("before").status_code == 200
        LimitedFiles(serving).fill()
        with nixtla_accessor.connect(api_key=serving.key, base_url=serving.url, progress=False) as client:
            series = serving.series()
            with pytest.raises(ServerError, match="Make room") as raised:
                client.finetune(series["y"], series["sizes"], "D", output_model_id="mine")
    assert raised.value.status_code == 507
    assert "Tried" not in str(raised.value)


@pytest.fixture(params=["folder", "folder and file", "folder and file of an older version"])
def read_only_home(request, serve, tmp_path):
    """A home with a model, which an engine can read and not write to."""
    home = tmp_path / "home"
    with serve() as serving:
        assert serving.finetune("mine").status_code == 200
        assert serving.call("POST", "/v2/forecast/async", serving.forecast_body()).status_code == 202
        while serving.call("GET", "/v2/async/jobs").json()["jobs"][0]["status"] != "succeeded":
            time.sleep(0.05)
    if "older" in request.param:
        with contextlib.closing(sqlite3.connect(home / "models.sqlite")) as database:
            database.execute("DROP TABLE details")
    if "file" in request.param:
        for path in home.glob("*.sqlite"):
            path.chmod(0o444)
    home.chmod(0o555)
    yield home
    home.chmod(0o755)


def test_a_read_only_home_serves_what_needs_no_writing(serve, read_only_home):
    with serve() as serving:
        assert serving.forecast().status_code == 200
        assert serving.forecast("mine").status_code == 200
        assert serving.model_ids() == {"mine"}
        assert serving.call("GET", "/v2/finetuned_models/mine").json()["steps"] == 2
        assert serving.forecast("absent").status_code == 404
        (job,) = serving.call("GET", "/v2/async/jobs").json()["jobs"]
        assert serving.call("GET", f"/v2/forecast/jobs/{job['job_id']}").json()["result"]["mean"]
        for answer in (
            serving.finetune("another", finetune_steps=100_000),  # too many to be trained before it is refused
            serving.delete("mine"),
            serving.call("POST", "/v2/forecast/async", serving.forecast_body()),
        ):
            assert answer.status_code == 507
            assert re.search("cannot (write|keep jobs).*set NIXTLA_ACCESSOR_HOME to a folder", answer.json()["detail"])
        assert serving.forecast("mine").status_code == 200
    assert serving.stderr.count("\n") <= 1


def test_a_job_whose_engine_was_killed_is_listed_in_a_read_only_home(serve, tmp_path):
    home = tmp_path / "home"
    serving = serve()
    body = serving.finetune_body(finetune_steps=100_000, finetune_depth=5)
    job_id = serving.call("POST", "/v2/finetune/async", body).json()["job_id"]
    serving.kill()
    with contextlib.closing(sqlite3.connect(home / "jobs.sqlite")) as connection:
        connection.execute("SELECT * FROM jobs")  # rolls back what was being written, which no read-only folder allows
    (home / "jobs.sqlite-journal").touch()  # as a kill can leave it, and in which SQLite would then write
    folders = (home / "job_owners", home)
    for folder in folders:
        folder.chmod(0o555)
    try:
        with serve() as again:
            (job,) = again.call("GET", "/v2/async/jobs").json()["jobs"]
            assert (job["job_id"], job["status"]) == (job_id, "failed")
            assert again.call("GET", f"/v2/finetune/jobs/{job_id}").json()["status"] == "failed"
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_home_that_cannot_be_made_serves_the_base_model(serve, tmp_path):
    (tmp_path / "file").write_text("")
    with serve(home=tmp_path / "file" / "home") as serving:
        assert serving.forecast().status_code == 200
        assert serving.model_ids() == set()
        assert serving.call("GET", "/v2/async/jobs").json()["jobs"] == []
        with nixtla_accessor.connect(api_key=serving.key, base_url=serving.url, progress=False) as client:
            series = serving.series()
            assert len(client.forecast(series["y"], series["sizes"], "D", h=3).mean) == 6
            with pytest.raises(ServerError, match=r"cannot write there .*set NIXTLA_ACCESSOR_HOME to a folder"):
                client.finetune(series["y"], series["sizes"], "D")


def test_a_home_that_cannot_be_read_serves_the_base_model_and_says_so(serve, tmp_path):
    with serve() as serving:
        assert serving.finetune("mine").status_code == 200
    home = tmp_path / "home"
    home.chmod(0)
    try:
        with serve() as serving:
            assert serving.forecast().status_code == 200
            assert serving.call("GET", "/v2/finetuned_models").status_code == 507
            answer = serving.forecast("mine")
            assert answer.status_code == 507
            assert re.search(r"cannot read there .*Permission denied", answer.json()["detail"])
        assert "cannot read there" in serving.stderr
    finally:
        home.chmod(0o755)


def damage(path, data, *, at=0):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_damaged_model_is_refused_and_the_others_work(serve, tmp_path):
    with serve() as serving:
        for name in ("one", "two"):
            assert serving.finetune(name).status_code == 200
        expected = serving.forecast("two").json()
    path = tmp_path / "home" / "models.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        (tensors,) = database.execute("SELECT tensors FROM models WHERE id = 'one'").fetchone()
    damage(path, b"damage", at=path.read_bytes().index(tensors[1_000_000:1_000_100]))
    with serve() as serving:
        answer = serving.forecast("one")
        assert answer.status_code == 410
        assert "'one' is damaged" in answer.json()["detail"]
        assert serving.forecast("two").json() == expected
        assert serving.delete("one").status_code == 204
        assert serving.finetune("one").status_code == 200
        assert serving.forecast("one").status_code == 200


def test_a_file_of_which_nothing_is_recognised_is_a_clear_error_when_at_work_and_at_the_start(serve, tmp_path):
    path = tmp_path / "home" / "models.sqlite"
    with serve() as serving:
        assert serving.finetune("lost").status_code == 200
        damage(path, b"\xff" * path.stat().st_size)
        damaged = path.read_bytes()
        for answer in (
            serving.call("GET", "/v2/finetuned_models"),
            serving.finetune("another"),
            serving.forecast("lost"),
        ):
            assert answer.status_code == 507
            assert re.search(r"models\.sqlite.* is damaged \(.*move it away", answer.json()["detail"])
        assert serving.forecast().status_code == 200
    with pytest.raises(RuntimeError, match=r"^error: The file .*models\.sqlite.* is damaged .*move it away.*\n$"):
        serve()
    assert path.read_bytes() == damaged
    path.rename(tmp_path / "moved-away")
    with serve() as serving:
        assert serving.model_ids() == set()
        assert serving.finetune("lost").status_code == 200


@pytest.mark.parametrize("when", ["at work", "at the start"])
@pytest.mark.parametrize(
    ("places", "kept"), [([0], {"one", "two"}), (range(1, 10_000), set())], ids=["first page", "rest"]
)
def test_a_file_without_some_pages_is_rebuilt_with_the_models_that_are_left(serve, tmp_path, places, kept, when):
    path = tmp_path / "home" / "models.sqlite"
    serving = serve()
    for model_id in ("one", "two"):
        assert serving.finetune(model_id).status_code == 200
    expected = serving.forecast("one").json()
    if when == "at the start":
        serving.stop()
    for place in places:
        if place * PAGE < path.stat().st_size:
            damage(path, b"\xff" * PAGE, at=place * PAGE)
    damaged = path.read_bytes()
    if when == "at the start":
        serving = serve()
    assert serving.model_ids() == kept
    answer = serving.forecast("one")
    assert (answer.json() == expected) if kept else answer.status_code == 404
    assert path.with_suffix(".damaged").read_bytes() == damaged
    assert serving.finetune("three").status_code == 200
    assert serving.model_ids() == {*kept, "three"}
    serving.stop()
    assert f"rebuilt with the {len(kept)} models that could be read" in serving.stderr
