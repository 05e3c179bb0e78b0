"""Files of models with bytes turned, foreign values and other columns: one model lost at most, and never a wrong one.

`FLIPS=2000 SEED=7 python -m pytest tests/local/service/test_damage.py` tries more and others.
"""

import contextlib
import os
import random
import shutil
import sqlite3

import pytest

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.errors import ConfigurationError
from nixtla_accessor.local.service.errors import DamagedModelError, StorageError
from nixtla_accessor.local.service.store import ModelStore

FLIPS = int(os.environ.get("FLIPS", "200"))
SEED = int(os.environ.get("SEED", "20250803"))
NAMES = [f"model-{nth}" for nth in range(6)]


def model(name, **fields):
    values = {"id": name, "created_at": "2026-01-01T00:00:00+00:00", "base_model_id": "None", "steps": 10, "depth": 1}
    return FinetunedModel(**{**values, "loss": "mae", "model": "timegpt-1", "freq": "D", **fields})


def tensors_of(name):
    return random.Random(name).randbytes(9_000 + len(name) * 100)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A file of models, one of which was deleted."""
    store = ModelStore(tmp_path_factory.mktemp("sound") / "models.sqlite")
    for name in [*NAMES[:3], "deleted", *NAMES[3:]]:
        assert store.save(model(name), tensors_of(name))
    assert store.delete("deleted")
    return store.path


def check(path, most_lost=1):
    """Open the file, and return the names that cannot be read: all others are as they were saved, and it is usable."""
    store = ModelStore(path)
    lost = set()
    for name in NAMES:
        try:
            found = store.tensors(name)
            described = store.model(name)
        except DamagedModelError:
            lost.add(name)
        else:
            if found is None or described is None:
                lost.add(name)
            else:
                assert found == tensors_of(name), name
    assert store.tensors("deleted") is None
    assert len(lost) <= most_lost, lost
    assert {item.id for item in store.models()} >= set(NAMES) - lost
    assert store.save(model("new"), b"new")
    assert store.tensors("new") == b"new"
    for name in lost:
        store.delete(name)
        assert store.save(model(name), tensors_of(name))
    assert all(store.tensors(name) == tensors_of(name) for name in NAMES)
    return lost


def turn(path, rng, at, n_bytes=1):
    data = bytearray(path.read_bytes())
    for place in range(at, min(at + n_bytes, len(data))):
        data[place] ^= rng.randrange(1, 256)
    path.write_bytes(data)


def test_a_byte_turned_anywhere_loses_one_model_at_most(sound, tmp_path):
    rng = random.Random(SEED)
    size = sound.stat().st_size
    n_lost = 0
    for nth in range(FLIPS):
        path = tmp_path / str(nth) / "models.sqlite"
        path.parent.mkdir()
        shutil.copy(sound, path)
        at = rng.randrange(size) if nth % 2 else rng.randrange(4096)  # half of them where SQLite's own data is
        turn(path, rng, at)
        try:
            n_lost += len(check(path))
        except BaseException as error:
            error.add_note(f"flip {nth} at {at}")
            raise
        shutil.rmtree(path.parent)
    print(f"{FLIPS} flips, {n_lost} models lost")
    assert n_lost < FLIPS


def test_a_byte_turned_while_the_store_is_open(sound, tmp_path):
    rng = random.Random(SEED)
    path = tmp_path / "models.sqlite"
    shutil.copy(sound, path)
    store = ModelStore(path)
    for nth in range(20):
        shutil.copy(sound, path)
        turn(path, rng, rng.randrange(path.stat().st_size))
        for name in rng.sample(NAMES, len(NAMES)):
            with contextlib.suppress(DamagedModelError):
                assert store.tensors(name) in (tensors_of(name), None), nth


@pytest.mark.parametrize("n_bytes", [16, 512, 4096])
def test_a_stretch_of_bytes_never_makes_a_wrong_model(sound, tmp_path, n_bytes):
    rng = random.Random(SEED + n_bytes)
    for nth in range(FLIPS // 10):
        path = tmp_path / str(nth) / "models.sqlite"
        path.parent.mkdir()
        shutil.copy(sound, path)
        turn(path, rng, rng.randrange(path.stat().st_size), n_bytes)
        with contextlib.suppress(ConfigurationError):
            check(path, most_lost=len(NAMES))


@pytest.mark.parametrize(
    "column", ["created_at", "created_by", "base_model_id", "steps", "depth", "loss", "model", "freq"]
)
@pytest.mark.parametrize("value", [b"\xff\xfe", "\x00\u202e", "", 7.5, -(2**63), "x" * 100_000], ids=repr)
def test_a_foreign_value_in_a_row_concerns_that_model_only(sound, tmp_path, column, value):
    path = tmp_path / "models.sqlite"
    shutil.copy(sound, path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE models SET {column} = ? WHERE id = 'model-2'", (value,))
    store = ModelStore(path)
    for name in set(NAMES) - {"model-2"}:
        assert store.tensors(name) == tensors_of(name)
        assert store.model(name) == model(name, n_bytes=len(tensors_of(name)))
    with contextlib.suppress(DamagedModelError):
        assert isinstance(store.model("model-2"), FinetunedModel)
    assert {item.id for item in store.models()} >= set(NAMES) - {"model-2"}
    assert store.delete("model-2")
    assert store.save(model("model-2"), b"again")


def test_text_that_is_none_is_no_crash_of_a_server(serve, sound, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sound, home / "models.sqlite")
    with contextlib.closing(sqlite3.connect(home / "models.sqlite")) as database, database:
        database.execute("UPDATE models SET created_at = CAST(x'ff00fe' AS TEXT) WHERE id = 'model-1'")
        database.execute("UPDATE models SET tensors = 'text' WHERE id = 'model-2'")
        database.execute("UPDATE models SET tensors = NULL WHERE id = 'x'")
    with serve(home=home) as serving:
        assert serving.model_ids() >= {"model-0", "model-3", "model-4", "model-5"}
        for name in NAMES:  # none of which has tensors of a model in it
            answer = serving.forecast(name)
            assert answer.status_code == 410, answer.text
            assert f"'{name}'" in answer.json()["detail"]
        assert serving.call("GET", "/v2/finetuned_models/model-1").status_code == 410
        assert serving.delete("model-1").status_code == 204
        assert serving.finetune("mine").status_code == 200


@pytest.mark.parametrize("kind", ["other names", "other shapes", "other types", "cut", "pickle", "infinite"])
def test_tensors_that_are_not_those_of_the_network_are_a_410(serve, tmp_path, kind):
    import hashlib
    import pickle

    import numpy as np
    from safetensors.numpy import load, save

    path = tmp_path / "home" / "models.sqlite"
    with serve() as serving:
        assert serving.finetune("one").status_code == 200
        assert serving.finetune("two").status_code == 200
        expected = serving.forecast("two").json()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        (data,) = database.execute("SELECT tensors FROM models WHERE id = 'one'").fetchone()
        tensors = load(data)
        changed = {
            "other names": lambda: save({f"x{name}": value for name, value in tensors.items()}),
            "other shapes": lambda: save({name: value.ravel()[:1].copy() for name, value in tensors.items()}),
            "other types": lambda: save({name: value.astype(np.int16) for name, value in tensors.items()}),
            "cut": lambda: data[: len(data) // 2],
            "pickle": lambda: pickle.dumps(tensors),
            "infinite": lambda: save({name: np.full_like(value, np.inf) for name, value in tensors.items()}),
        }[kind]()
        row = (hashlib.sha256(changed).hexdigest(), changed)
        database.execute("UPDATE models SET sha256 = ?, tensors = ? WHERE id = 'one'", row)
    with serve() as serving:
        answer = serving.forecast("one")
        assert answer.status_code == 410, answer.text
        assert "Delete it, and fine-tune again." in answer.json()["detail"]
        assert serving.finetune("three", finetuned_model_id="one").status_code == 410
        assert serving.forecast("two").json() == expected


@pytest.mark.parametrize("column", ["sha256", "tensors", "freq", "created_by", "id"])
def test_a_table_without_a_column_is_refused_in_a_sentence(tmp_path, column):
    path = tmp_path / "models.sqlite"
    columns = ["id", "created_at", "created_by", "base_model_id", "steps", "depth", "loss", "model", "freq"]
    columns = [name for name in [*columns, "sha256", "tensors"] if name != column]
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE models ({', '.join(columns)})")
        database.execute(f"INSERT INTO models VALUES ({', '.join('?' * len(columns))})", ["x"] * len(columns))
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=rf"its models have no {column}\)\. Move it away"):
        ModelStore(path)
    assert path.read_bytes() == before


def test_a_column_that_this_version_does_not_know(sound, tmp_path):
    path = tmp_path / "models.sqlite"
    shutil.copy(sound, path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE models ADD COLUMN note TEXT")
    assert check(path) == set()  # it may be left out
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE models ADD COLUMN owner TEXT NOT NULL DEFAULT ''")
    assert len(ModelStore(path).models()) == len(NAMES) + 1


def test_a_table_that_loses_a_column_while_at_work_refuses_before_training(serve, tmp_path):
    with serve() as serving:
        assert serving.finetune("one").status_code == 200
        with contextlib.closing(sqlite3.connect(tmp_path / "home" / "models.sqlite")) as database, database:
            database.execute("ALTER TABLE models DROP COLUMN freq")
        answer = serving.finetune("two", finetune_steps=100_000, finetune_depth=5)
        assert answer.status_code == 507
        assert "its models have no freq" in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"no database at all\n" * 100, b"SQLite format 3\0" + bytes(84)], ids=repr)
def test_a_file_that_is_none_of_ours_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "models.sqlite"
    path.write_bytes(content)
    if not content:
        assert ModelStore(path).models() == []
        return
    with contextlib.suppress(ConfigurationError, StorageError):
        ModelStore(path)
    assert content in path.read_bytes() or (path.with_suffix(".damaged")).read_bytes() == content


def test_deleting_gives_disk_back(tmp_path):
    store = ModelStore(tmp_path / "models.sqlite")
    store.save(model("kept"), bytes(10_000))
    before = store.path.stat().st_size
    for nth in range(10):
        store.save(model(f"large-{nth}"), os.urandom(500_000))
    assert store.path.stat().st_size > 5_000_000
    for nth in range(10):
        assert store.delete(f"large-{nth}")
    assert store.path.stat().st_size <= before + 8192
    assert {path.name for path in tmp_path.iterdir()} == {"models.sqlite"}


def test_a_file_of_an_older_version_gives_disk_back_too(tmp_path):
    path = tmp_path / "models.sqlite"
    columns = "created_at, created_by, base_model_id, steps, depth, loss, model, freq, sha256, tensors"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE models (id TEXT PRIMARY KEY, {columns})")
    store = ModelStore(path)
    assert store.save(model("large"), os.urandom(2_000_000))
    assert store.save(model("kept"), b"kept")
    assert store.delete("large")
    assert path.stat().st_size < 100_000
    assert store.tensors("kept") == b"kept"
