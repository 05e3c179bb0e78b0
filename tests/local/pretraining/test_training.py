"""Pretraining: reproducible from a seed, resumable bit for bit, and the loss falls."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nixtla_accessor.local.network.blas import one_blas_thread
from nixtla_accessor.local.network.config import NETWORK
from nixtla_accessor.local.network.history import NEAR_LEADS
from nixtla_accessor.local.network.losses import pinball
from nixtla_accessor.local.network.model import forward
from nixtla_accessor.local.network.weights import load_weights, tensor_shapes
from nixtla_accessor.local.pretraining import __main__ as command
from nixtla_accessor.local.pretraining import training
from nixtla_accessor.local.pretraining.examples import ExampleFiles, lead_importance, write_examples
from nixtla_accessor.local.pretraining.training import PretrainingConfig, PretrainingRun, pretrain
from nixtla_accessor.seasons import Season

TINY = PretrainingConfig(seed=1, steps=20, batch=16, chunks=2, chunk_series=8)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    monkeypatch.setattr(training, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    def write(config):
        folder = tmp_path_factory.mktemp("run") / "examples"
        with ThreadPoolExecutor(1) as executor:
            write_examples(executor, folder, seed=config.seed, chunks=config.chunks, chunk_series=config.chunk_series)
        return ExampleFiles(folder)

    return write


def test_a_run_that_was_cut_ends_with_the_same_bits(tmp_path, write):
    whole = pretrain(TINY, tmp_path / "whole", checkpoint_every=100)
    cut = PretrainingRun(TINY, write(TINY))
    with one_blas_thread:  # as `pretrain` does: several threads split sums in varying ways
        for _ in range(15):
            cut.advance()
    cut.save(tmp_path / "whole" / "checkpoint.safetensors")
    del cut
    resumed = pretrain(TINY, tmp_path / "whole", checkpoint_every=100)
    # The OpenBLAS that came with NumPy 1 rounds matrix products by where in memory they lie, which a load changes.
    tolerance = 0 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 1e-6
    for name, tensor in whole.items():
        np.testing.assert_allclose(resumed[name], tensor, rtol=0, atol=tolerance, err_msg=name)


def test_a_finished_run_is_not_run_again(tmp_path):
    weights = pretrain(TINY, tmp_path)
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))]
    again = pretrain(TINY, tmp_path)
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))] == stamps
    assert all(np.array_equal(again[name], weights[name]) for name in tensor_shapes())


def test_seeds_differ_and_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    one = pretrain(TINY, tmp_path)
    other_config = PretrainingConfig(seed=2, steps=20, batch=16, chunks=2, chunk_series=8)
    with pytest.raises(ValueError, match=r"'seed': 2.*found one of"):
        pretrain(other_config, tmp_path)
    other = pretrain(other_config, tmp_path / "other")
    assert not np.array_equal(one["input.weight"], other["input.weight"])


def test_examples_of_another_seed_are_not_taken(tmp_path, monkeypatch):
    def cut(run):
        raise KeyboardInterrupt

    other = PretrainingConfig(seed=2, steps=20, batch=16, chunks=2, chunk_series=8)
    with monkeypatch.context() as patch:
        patch.setattr(PretrainingRun, "advance", cut)
        with pytest.raises(KeyboardInterrupt):
            pretrain(other, tmp_path / "shared")
    here, elsewhere = pretrain(TINY, tmp_path / "shared"), pretrain(TINY, tmp_path / "own")
    assert all(np.array_equal(here[name], elsewhere[name]) for name in tensor_shapes())


def test_the_loss_falls_on_series_that_were_not_trained_on(write):
    config = PretrainingConfig(seed=0, steps=120, batch=64, chunks=4, chunk_series=32)
    run = PretrainingRun(config, write(config))
    unseen = write(PretrainingConfig(seed=99, steps=1, chunks=8, chunk_series=64))
    batch = unseen.rows(np.arange(len(unseen)))

    def loss():
        features = batch.features
        quantiles, _ = forward(run.weights, features.inputs, features, NETWORK.full_depth, batch.leads)
        return pinball(quantiles, batch.targets).by_window.mean()

    before = loss()
    for _ in range(120):
        run.advance()
    assert loss() < 0.95 * before


def test_the_learning_rate_warms_up_and_comes_down():
    config = PretrainingConfig(seed=0, steps=10_000)
    rates = np.array([config.rate_at(step) for step in range(config.steps)])
    decay = int(training.DECAY_FROM * config.steps)
    assert (np.diff(rates[: training.WARM_UP]) > 0).all()
    assert (rates[training.WARM_UP : decay] == training.PEAK_RATE).all()
    assert (np.diff(rates[decay:]) < 0).all()
    assert rates[-1] == pytest.approx(training.PEAK_RATE / 100, rel=0.05)


def test_examples_are_those_of_the_seed_whichever_process_is_first(tmp_path):
    folders = [tmp_path / str(workers) / "examples" for workers in (1, 3)]
    for folder, workers in zip(folders, (1, 3), strict=True):
        with ThreadPoolExecutor(workers) as executor:
            write_examples(executor, folder, seed=5, chunks=4, chunk_series=8)
        assert not folder.with_suffix(".unfinished").exists()
    one, three = (ExampleFiles(folder) for folder in folders)
    assert len(one) == len(three) == 4 * 2 * 8
    some = np.array([40, 3, 3, 63])
    for left, right in zip(one.rows(some).arrays(), three.rows(some).arrays(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_near_steps_count_more_and_more_so_where_the_season_is_short():
    for m in (1, 4, 12, 96):
        weight = lead_importance(Season(m, 0), NEAR_LEADS)
        assert weight.shape == (NETWORK.horizon,)
        assert weight.mean() == pytest.approx(1)
        assert (np.diff(weight) < 0).all()
    first, first_monthly = (lead_importance(Season(m, 0), NEAR_LEADS)[0] for m in (1, 12))
    assert first > first_monthly


def test_the_command_line_writes_weights_that_load(tmp_path, monkeypatch):
    output = tmp_path / "weights.safetensors"
    arguments = ["--seed", "3", "--steps", "2", "--folder", tmp_path / "run", "--output", output]
    monkeypatch.setattr("sys.argv", ["pretraining", *map(str, arguments)])
    small = {"batch": 8, "chunks": 1, "chunk_series": 8}
    monkeypatch.setattr(command, "PretrainingConfig", lambda **given: PretrainingConfig(**given, **small))
    command.main()
    assert set(load_weights(output)) == set(tensor_shapes())
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
