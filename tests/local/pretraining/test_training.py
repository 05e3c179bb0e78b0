"""Pretraining: reproducible from a seed, resumable bit for bit, and the loss falls."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

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
from nixtla_accessor.local.pretraining.training import (
    ExamplePool,
    PretrainingConfig,
    PretrainingRun,
    lead_importance,
    pretrain,
)
from nixtla_accessor.seasons import Season

TINY = PretrainingConfig(seed=1, steps=20, batch=16, chunks=2, chunk_series=8)


@pytest.fixture(scope="module")
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_a_run_that_was_cut_ends_with_the_same_bits(tmp_path, executor):
    whole = pretrain(TINY, tmp_path / "whole.safetensors", checkpoint_every=100)
    cut = PretrainingRun(TINY, executor)
    with one_blas_thread:  # as `pretrain` does: several threads split sums in varying ways
        for _ in range(15):  # past a replaced chunk
            cut.advance()
    cut.save(tmp_path / "cut.safetensors")
    del cut
    resumed = pretrain(TINY, tmp_path / "cut.safetensors", checkpoint_every=100)
    # The OpenBLAS that came with NumPy 1 rounds matrix products by where in memory they lie, which a load changes.
    tolerance = 0 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 1e-6
    for name, tensor in whole.items():
        np.testing.assert_allclose(resumed[name], tensor, rtol=0, atol=tolerance, err_msg=name)


def test_a_finished_run_is_not_run_again(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    weights = pretrain(TINY, checkpoint)
    stamp = checkpoint.stat().st_mtime_ns
    again = pretrain(TINY, checkpoint)
    assert checkpoint.stat().st_mtime_ns == stamp
    assert all(np.array_equal(again[name], weights[name]) for name in tensor_shapes())


def test_seeds_differ_and_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    one = pretrain(TINY, checkpoint)
    other_config = PretrainingConfig(seed=2, steps=20, batch=16, chunks=2, chunk_series=8)
    with pytest.raises(ValueError, match=r"'seed': 2.*found one of"):
        pretrain(other_config, checkpoint)
    other = pretrain(other_config, tmp_path / "other.safetensors")
    assert not np.array_equal(one["input.weight"], other["input.weight"])


def test_the_loss_falls_on_series_that_were_not_trained_on(executor):
    run = PretrainingRun(PretrainingConfig(seed=0, steps=120, batch=64, chunks=4, chunk_series=32), executor)
    unseen = PretrainingConfig(seed=99, steps=1, batch=512, chunks=8, chunk_series=64)
    batch = ExamplePool(unseen, executor).batch(0)

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


def test_before_the_decay_a_run_may_go_on_to_any_number_of_steps(tmp_path, executor):
    longer = replace(TINY, steps=60)
    run = PretrainingRun(TINY, executor)
    with one_blas_thread:
        for _ in range(8):
            run.advance()
    run.save(tmp_path / "early.safetensors")
    other = PretrainingRun(longer, executor)
    with one_blas_thread:
        for _ in range(8):
            other.advance()
    np.testing.assert_array_equal(other.parameters, run.parameters)
    assert PretrainingRun.resume(tmp_path / "early.safetensors", longer, executor).step == 8
    run.step = 15
    run.save(tmp_path / "late.safetensors")
    with pytest.raises(ValueError, match=r"'steps': 60.*found one of .*'steps': 20"):
        PretrainingRun.resume(tmp_path / "late.safetensors", longer, executor)


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
    # in this process, where the smaller configuration below is in place
    monkeypatch.setattr(training, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    arguments = ["--seed", "3", "--steps", "2", "--checkpoint-folder", tmp_path / "run", "--output", output]
    monkeypatch.setattr("sys.argv", ["pretraining", *map(str, arguments)])
    small = {"batch": 8, "chunks": 1, "chunk_series": 8}
    monkeypatch.setattr(command, "PretrainingConfig", lambda **given: PretrainingConfig(**given, **small))
    command.main()
    assert set(load_weights(output)) == set(tensor_shapes())
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
