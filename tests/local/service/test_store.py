"""Models on disk: whole or absent, across threads, processes and restarts."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.local.service.errors import DamagedModelError, StorageError
from nixtla_accessor.local.service.store import ModelStore, default_path


def model(name, created_at="2026-01-01T00:00:00+00:00"):
    return FinetunedModel(
        id=name, created_at=created_at, base_model_id="None", steps=10, depth=1, loss="mae", model="timegpt-1", freq="D"
    )


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "deep" / "models.sqlite")


def test_a_model_comes_back_as_it_was_saved(store):
    assert store.save(model("a"), b"tensors")
    again = ModelStore(store.path)
    assert again.model("a") == model("a").model_copy(update={"n_bytes": len(b"tensors")})
    assert again.tensors("a") == b"tensors"


def test_what_a_model_was_tuned_on_is_kept_with_it(store):
    tuned = model("a").model_copy(update={"n_series": 14, "n_obs": 1708, "alpha": 0.25})
    store.save(tuned, b"tensors")
    assert not store.save(model("a").model_copy(update={"n_series": 1}), b"taken")
    (listed,) = store.models()
    assert listed == store.model("a") == tuned.model_copy(update={"n_bytes": 7})
    store.delete("a")
    store.save(model("a"), b"newer")
    assert store.model("a").n_series is None


def test_a_file_without_details_is_brought_up_to_date(store):
    store.save(model("a"), b"tensors")
    with sqlite3.connect(store.path) as database:
        database.execute("DROP TABLE details")
    database.close()
    assert store.model("a").n_obs is None
    store.save(model("b").model_copy(update={"n_obs": 5}), b"")
    assert store.model("b").n_obs == 5


def test_a_damaged_file_is_rebuilt_without_details(store):
    store.save(model("a").model_copy(update={"n_obs": 5}), b"tensors")
    with sqlite3.connect(store.path) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'details'").fetchone()
    database.close()
    data = bytearray(store.path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = bytes(4096)
    store.path.write_bytes(data)
    (kept,) = store.models()
    assert (kept.id, kept.n_obs, kept.n_bytes) == ("a", None, 7)
    assert store.tensors("a") == b"tensors"


def test_an_id_is_taken_once(store):
    assert store.save(model("a"), b"first")
    assert not store.save(model("a"), b"second")
    assert store.tensors("a") == b"first"


def test_an_absent_model_is_none(store):
    assert store.model("a") is None
    assert store.tensors("a") is None
    assert not store.delete("a")


def test_models_are_listed_in_order_of_age(store):
    store.save(model("a", "2026-01-02T00:00:00+00:00"), b"")
    store.save(model("b", "2026-01-01T00:00:00+00:00"), b"")
    assert [item.id for item in store.models()] == ["b", "a"]
    assert store.delete("b")
    assert [item.id for item in store.models()] == ["a"]


def test_damaged_tensors_are_not_used(store):
    store.save(model("a"), b"tensors")
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE models SET tensors = ?", (b"tensorz",))
    database.close()
    with pytest.raises(DamagedModelError, match="'a'"):
        store.tensors("a")


def test_many_threads_save_each_id_once(store):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: store.save(model(str(i % 10)), str(i).encode()), range(100)))
    assert sum(won) == 10
    assert len(store.models()) == 10


def test_a_file_that_many_make_at_the_same_time_is_no_damage(tmp_path):
    for nth in range(20):
        path = tmp_path / str(nth) / "models.sqlite"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i, path=path: ModelStore(path).save(model(str(i)), b"tensors"), range(16)))
        assert len(ModelStore(path).models()) == 16
        assert not path.with_suffix(".damaged").exists()


def test_what_others_write_meanwhile_is_no_damage(store):
    def write(name):
        for _ in range(60):
            assert store.save(model(name), b"tensors")
            assert store.delete(name)

    def read(name):
        for _ in range(120):
            try:
                store.models()
                store.model(name)
            except StorageError as error:  # a busy machine may let a reader wait too long
                if "database is locked" not in str(error):
                    raise

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, name) for work in (write, read, read) for name in "ab"]:
            done.result()
    assert not store.path.with_suffix(".damaged").exists()


def test_processes_share_a_store(store):
    program = """if True:
        import sys
        from pathlib import Path
        from nixtla_accessor.api.schema import FinetunedModel
        from nixtla_accessor.local.service.store import ModelStore
        store = ModelStore(Path(sys.argv[1]))
        for i in range(20):
            values = dict(id=f"{sys.argv[2]}-{i}", created_at="", base_model_id="None", steps=1, depth=1, loss="mae")
            assert store.save(FinetunedModel(**values, model="m", freq="D"), b"x" * 100_000)
    """
    running = [subprocess.Popen([sys.executable, "-c", program, str(store.path), str(i)]) for i in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(store.models()) == 60


def test_the_environment_chooses_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NIXTLA_ACCESSOR_HOME", str(tmp_path))
    assert default_path() == tmp_path / "models.sqlite"
    monkeypatch.delenv("NIXTLA_ACCESSOR_HOME")
    assert "nixtla_accessor" in str(default_path())


def test_a_folder_that_cannot_be_written_names_the_variable_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    store = ModelStore(tmp_path / "file" / "models.sqlite")
    assert store.models() == []
    for write in (store.check_writable, lambda: store.save(model("a"), b"tensors")):
        with pytest.raises(StorageError, match=r"cannot write there .*set NIXTLA_ACCESSOR_HOME"):
            write()


def test_reading_makes_no_file(store):
    assert (store.models(), store.has("a"), store.tensors("a")) == ([], False, None)
    assert not store.path.parent.exists()


def test_a_deleted_folder_is_created_again(store):
    store.save(model("a"), b"tensors")
    store.path.unlink()
    store.path.parent.rmdir()
    assert store.models() == []
    assert store.save(model("a"), b"tensors")


def test_a_home_may_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NIXTLA_ACCESSOR_HOME", "~/models")
    assert default_path() == tmp_path / "models" / "models.sqlite"
