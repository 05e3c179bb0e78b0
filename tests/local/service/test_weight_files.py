"""Tensors that are too large for the database, in files beside it."""

import os
import subprocess
import sys
import time

import pytest

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.local.service.errors import DamagedModelError, StorageError
from nixtla_accessor.local.service.recent_tensors import RecentTensors
from nixtla_accessor.local.service.store import ModelStore

LARGE, SMALL = bytes(range(256)) * 40, b"small"


def model(name):
    values = {"base_model_id": "None", "steps": 1, "depth": 5, "loss": "default", "model": "m", "freq": "D"}
    return FinetunedModel(id=name, created_at="2026-01-01", **values)


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models.sqlite", largest_in_database=1_000)


def files(store):
    folder = store.path.parent / "finetuned_models"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_only_large_ones_lie_in_files(store):
    assert store.save(model("small"), SMALL)
    assert files(store) == []
    assert store.save(model("large"), LARGE)
    assert [path.stat().st_size for path in files(store)] == [len(LARGE)]
    assert store.tensors("large") == LARGE
    assert store.tensors("small") == SMALL
    assert {model.id: model.n_bytes for model in store.models()} == {"small": len(SMALL), "large": len(LARGE)}
    assert ModelStore(store.path).tensors("large") == LARGE  # also with another limit, after a restart
    assert store.path.stat().st_size < 100_000


def test_a_deleted_model_frees_its_file(store):
    store.save(model("large"), LARGE)
    assert store.delete("large")
    assert files(store) == []
    assert store.tensors("large") is None
    assert not store.delete("large")


def test_an_id_that_is_taken_leaves_no_file(store):
    assert store.save(model("large"), LARGE)
    assert not store.save(model("large"), LARGE[::-1])
    assert len(files(store)) == 1
    assert store.tensors("large") == LARGE


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(LARGE[:-1] + b"x")])
def test_a_damaged_file_is_one_damaged_model_that_can_be_deleted(store, harm):
    store.save(model("large"), LARGE)
    store.save(model("other"), LARGE)
    first = next(path for path in files(store))
    harm(first)
    damaged = 0
    for name in ("large", "other"):
        try:
            assert store.tensors(name) == LARGE
        except DamagedModelError:
            damaged += 1
            assert store.delete(name)
    assert damaged == 1
    assert len(store.models()) == 1


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(store, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        store.save(model("large"), LARGE)
    assert files(store) == []
    assert store.models() == []


def test_files_without_a_model_are_deleted_once_nobody_can_be_writing_them(store):
    store.save(model("large"), LARGE)
    (kept,) = files(store)
    old, new = (kept.parent / name for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"left by a killed process")
    for path in (old, kept):
        os.utime(path, (time.time() - 7200,) * 2)
    ModelStore(store.path)
    assert files(store) == sorted([kept, new])


KILLED = """
import os, sys
from pathlib import Path
from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.local.service import store as module
from nixtla_accessor.local.service.store import ModelStore

store = ModelStore(Path(sys.argv[1]), largest_in_database=1_000)
values = {"base_model_id": "None", "steps": 1, "depth": 5, "loss": "default", "model": "m", "freq": "D"}
def save(name):
    model = FinetunedModel(id=name, created_at="2026-01-01", **values)
    print(name, store.save(model, name.encode() * 50_000), flush=True)
save("first")
ModelStore._insert = lambda *_: os.kill(os.getpid(), 9)
save("second")
"""


def test_a_kill_between_file_and_row_lists_nothing_half_written(store):
    said = subprocess.run([sys.executable, "-c", KILLED, store.path], capture_output=True, text=True, check=False)
    assert said.stdout == "first True\n"
    assert [each.id for each in store.models()] == ["first"]
    assert store.tensors("first") == b"first" * 50_000


class TestRecentTensors:
    class Array:
        def __init__(self, nbytes):
            self.nbytes = nbytes

    def test_it_keeps_what_was_asked_last_within_its_bytes(self):
        loaded = []

        def get(key, n_bytes=40):
            return recent.get(key, lambda: loaded.append(key) or {"tensor": self.Array(n_bytes)})

        recent = RecentTensors(100)
        for key in ("a", "b", "a", "c", "a", "b"):
            get(key)
        assert loaded == ["a", "b", "c", "b"]
        get("huge", 1_000)
        get("huge", 1_000)
        assert loaded == ["a", "b", "c", "b", "huge"]
        get("a")
        assert loaded == ["a", "b", "c", "b", "huge", "a"]
