"""Fine-tuning with the library's own `fit`."""

import hashlib
import random
import tempfile
import threading

import numpy as np
import pytest

from nixtla_accessor.api.schema import FinetuneInput, ForecastInput, SeriesWithFutureExogenous
from nixtla_accessor.local.base_models.storage import BaseModelFolder
from nixtla_accessor.local.chronos.adaptation import FULL, LORA_A, apply
from nixtla_accessor.local.chronos.validation import pinball_losses
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.forecasters import Forecasters
from nixtla_accessor.local.service.store import ModelStore
from nixtla_accessor.seasons import Season

WEEK = Season(7, 0)


@pytest.fixture(scope="module")
def forecaster(home):
    return Forecasters(BaseModelFolder(home / "base_models")).choose("chronos-2").forecaster


@pytest.fixture(scope="module")
def long_panel():
    rng = np.random.default_rng(1)
    return [5 * i + np.sin(np.arange(150) * 2 * np.pi / 7 + i) + 0.1 * rng.normal(size=150) for i in range(12)]


def tune(forecaster, panel, *, steps=40, depth=5, base=None, progress=lambda _: None):
    return forecaster.tune(
        panel, WEEK, steps=steps, depth=depth, loss="default", seed=2**40 + 1, base=base, progress=progress
    ).tensors


def loss(forecaster, tensors, panel):
    """Compute the mean quantile loss of the last two weeks."""
    levels = forecaster._config.quantiles
    histories = [values[:-14] for values in panel]
    forecasts = forecaster.forecast(tensors, histories, WEEK, 14, levels, progress=lambda _: None)
    return pinball_losses(np.moveaxis(forecasts, 0, -1), levels, [values[-14:] for values in panel]).mean()


def parameters(forecaster):
    return {name: tensor.detach().numpy().copy() for name, tensor in forecaster._load().named_parameters()}


@pytest.fixture(scope="module")
def tuned(forecaster, long_panel):
    return {depth: tune(forecaster, long_panel, depth=depth) for depth in range(1, 6)}


def test_deeper_training_opens_more(forecaster, tuned):
    names = {depth: set(apply(arrays, parameters(forecaster).__getitem__)) for depth, arrays in tuned.items()}
    attention = {name for name in parameters(forecaster) if "self_attention" in name}
    assert names[1] == {name for name in attention if name.endswith((".q.weight", ".v.weight"))}
    assert names[2] == attention | {"output_patch_embedding.output_layer.weight"}
    assert names[3] == names[2] | {name for name in parameters(forecaster) if "mlp.w" in name}
    assert {name.partition(".block.")[2][:1] for name in names[4]} == {"", "1"}  # the head, and the last block
    assert {name for name in names[4] if ".block." not in name} == {
        name for name in parameters(forecaster) if name.startswith(("output_patch", "encoder.final"))
    }
    assert names[5] == set(parameters(forecaster)) - {"shared.weight"} | (names[5] & {"shared.weight"})
    for depth in (1, 2, 3):
        ranks = {array.shape[0] for name, array in tuned[depth].items() if name.startswith(LORA_A)}
        assert ranks == {2**depth}
    assert all(name.startswith(FULL) for depth in (4, 5) for name in tuned[depth])


@pytest.mark.parametrize("depth", range(1, 6))
def test_the_loss_falls(forecaster, long_panel, tuned, depth):
    before, after = loss(forecaster, None, long_panel), loss(forecaster, tuned[depth], long_panel)
    assert after < (0.999 if depth == 1 else 0.98) * before  # of attention to random states little can be learnt


def test_many_steps_bring_it_down_plainly(forecaster, long_panel):
    tensors = None
    for _ in range(3):
        tensors = tune(forecaster, long_panel, steps=60, base=tensors)
    assert loss(forecaster, tensors, long_panel) < 0.9 * loss(forecaster, None, long_panel)


def test_the_same_request_gives_the_same_model_whatever_was_drawn_before(forecaster, long_panel, tuned):
    for depth in (2, 5):
        np.random.seed(depth)
        again = tune(forecaster, long_panel, depth=depth)
        assert again.keys() == tuned[depth].keys()
        assert all(np.array_equal(again[name], array) for name, array in tuned[depth].items())


def test_two_at_once_give_what_each_gives_alone(forecaster, long_panel):
    results = {}

    def work(depth):
        results[depth] = tune(forecaster, long_panel, steps=5, depth=depth)

    threads = [threading.Thread(target=work, args=(depth,)) for depth in (2, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for depth, found in results.items():
        alone = tune(forecaster, long_panel, steps=5, depth=depth)
        assert all(np.array_equal(found[name], array) for name, array in alone.items())


def test_base_random_numbers_and_files_are_left_as_they_were(forecaster, long_panel, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    weights = forecaster._folder / "model.safetensors"
    before = parameters(forecaster), hashlib.sha256(weights.read_bytes()).digest()
    random.seed(5)
    np.random.seed(5)
    expected = random.getstate(), np.random.get_state()[1].tolist()
    steps = []
    tensors = tune(forecaster, long_panel, steps=4, depth=1, progress=steps.append)
    tune(forecaster, long_panel, steps=2, depth=5, base=tensors)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == expected
    after = parameters(forecaster)
    assert all(np.array_equal(after[name], array) for name, array in before[0].items())
    assert hashlib.sha256(weights.read_bytes()).digest() == before[1]
    assert sorted(set(steps) - {0}) == [1, 2, 3, 4]
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]
    assert capfd.readouterr() == ("", "")


def test_it_ends_at_the_next_step_and_others_go_on(forecaster, long_panel, tmp_path, monkeypatch):
    class StopError(Exception):
        pass

    def stop(done):
        if done == 3:
            raise StopError

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for depth in (1, 5):
        with pytest.raises(StopError):
            tune(forecaster, long_panel, steps=10_000, depth=depth, progress=stop)
    assert list(tmp_path.iterdir()) == []
    assert np.isfinite(loss(forecaster, None, long_panel))


@pytest.mark.parametrize("panel", [[np.arange(4.0)], [np.full(50, np.nan)], [np.arange(9.0), np.array([1.0])]])
def test_series_too_short_to_train_on_give_the_base_model(forecaster, panel, tuned):
    assert tune(forecaster, panel, steps=1) == {}
    assert tune(forecaster, panel, steps=1, base=tuned[1]) == tuned[1]


def test_short_and_damaged_series_beside_others_do_no_harm(forecaster, long_panel):
    gaps = long_panel[0].copy()
    gaps[:100] = np.nan
    gaps[110:120] = np.inf
    tensors = tune(forecaster, [*long_panel, gaps, np.full(80, 3.0), np.array([1.0]), 1e9 + long_panel[1]], steps=4)
    assert all(np.isfinite(array).all() for array in tensors.values())


def test_a_chain_goes_on_where_it_was_and_is_kept_by_the_store(home, long_panel, tmp_path):
    store = ModelStore(tmp_path / "models.sqlite", largest_in_database=20_000)
    engine = Engine(store, Forecasters(BaseModelFolder(home / "base_models")))
    series = SeriesWithFutureExogenous(y=np.concatenate(long_panel), sizes=np.full(12, 150))
    last = None
    for depth in (1, 3, 5, 2):
        engine.finetune(
            FinetuneInput(
                series=series,
                freq="D",
                model="chronos-2" if last is None else "timegpt-1",
                finetune_steps=15,
                finetune_depth=depth,
                finetuned_model_id=last,
                output_model_id=f"depth-{depth}",
            )
        )
        last = f"depth-{depth}"
        assert store.model(last).model == "tiny/chronos-2"

    def forecast(engine, model_id):
        return engine.forecast(ForecastInput(series=series, freq="D", h=7, finetuned_model_id=model_id)).mean

    forecasts = {
        model_id: forecast(engine, model_id) for model_id in ("depth-1", "depth-3", "depth-5", "depth-2", None)
    }
    assert len({tuple(values) for values in forecasts.values()}) == 5
    again = Engine(ModelStore(tmp_path / "models.sqlite"), Forecasters(BaseModelFolder(home / "base_models")))
    assert forecast(again, "depth-2") == forecasts["depth-2"]
    sizes = {model.id: model.n_bytes for model in store.models()}
    assert sizes["depth-1"] < 20_000 < sizes["depth-5"]
    assert len(list((tmp_path / "finetuned_models").iterdir())) == sum(size > 20_000 for size in sizes.values())
