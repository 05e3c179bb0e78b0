import json
import os
import time

import pytest

from nixtla_accessor.local.base_models.names import UnknownBaseModelError
from nixtla_accessor.local.base_models.storage import BaseModelFolder, Checked, Origin
from nixtla_accessor.local.chronos.config import CHRONOS_2


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w" * 10_000)
    return folder


@pytest.fixture
def models(tmp_path):
    return BaseModelFolder(tmp_path / "home" / "base_models")


def add(models, source, name="me/mine", **fields):
    fields = {"revision": None, "licence": "mit", **fields}
    origin = Origin(name, source / "config.json", source / "model.safetensors", **fields)
    return models.add(origin, Checked(CHRONOS_2, 2_500))


def test_a_model_is_copied_listed_and_removed(models, source):
    assert models.models() == []
    added = add(models, source, revision="abc")
    assert models.models() == [added]
    assert (added.n_bytes, added.n_parameters, added.licence, added.revision) == (10_002, 2_500, "mit", "abc")
    assert (added.folder / "model.safetensors").read_bytes() == b"w" * 10_000
    assert models.find("mine") == models.find("me/mine") == added
    assert models.remove("mine") == added
    assert models.models() == []
    assert list(models.path.iterdir()) == []
    with pytest.raises(UnknownBaseModelError):
        models.remove("mine")


def test_a_home_that_is_a_file_has_no_models(tmp_path):
    (tmp_path / "home").write_text("")
    assert BaseModelFolder(tmp_path / "home" / "base_models").models() == []


def test_one_of_the_same_name_is_replaced(models, source):
    first = add(models, source)
    (source / "model.safetensors").write_bytes(b"other")
    second = add(models, source)
    assert models.models() == [second]
    assert second.sha256 != first.sha256
    assert not first.folder.exists()


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.rename"])
def test_a_fault_leaves_nothing_behind_and_the_former_model_as_it_was(models, source, monkeypatch, step):
    first = add(models, source)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space"):
        add(models, source)
    assert models.models() == [first]
    assert list(models.path.iterdir()) == [first.folder]


def test_what_a_killed_process_left_is_not_listed_and_is_deleted_later(models, source):
    added = add(models, source)
    old, new = (models.path / f".unfinished-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
    hours_ago = time.time() - 7200
    for path in (old / "model.safetensors", old):
        os.utime(path, (hours_ago, hours_ago))
    assert models.models() == [added]
    add(models, source, name="another")
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("description", [b"", b"[]", b"{}", b"\xff", json.dumps({"name": "x"}).encode()])
def test_a_damaged_description_is_not_listed_and_does_no_harm(models, source, description, caplog):
    added = add(models, source)
    other = add(models, source, name="other")
    (other.folder / "description.json").write_bytes(description)
    assert models.models() == [added]
    assert "is damaged, and is not listed" in caplog.text
    again = add(models, source, name="other")
    assert models.models() == [added, again]
