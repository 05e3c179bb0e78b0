"""On a cluster of processes: Parquet on disk, workers with connections and keys of their own."""

import dask
import dask.dataframe as dd
import distributed
import pandas as pd
import pytest

from nixtla_accessor import connect, errors
from nixtla_accessor.dask.concurrency import MAX_CONCURRENT_REQUESTS


@pytest.fixture(scope="module")
def cluster(engine_home):
    """Two processes of two threads each, whose environment has the key."""
    with (
        pytest.MonkeyPatch.context() as patch,
        dask.config.set({"distributed.nanny.pre-spawn-environ.NIXTLA_API_KEY": "the-workers-key"}),
    ):
        patch.setenv("NIXTLA_ACCESSOR_HOME", str(engine_home))
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=2, dashboard_address=":0", memory_limit=None
            ) as processes,
            distributed.Client(processes) as running,
        ):
            yield running


@pytest.fixture(autouse=True)
def on_the_cluster(cluster, threads):
    """Compute there, and not in the threads of this process."""
    with dask.config.set(scheduler=None, num_workers=None):
        yield


@pytest.fixture
def files(tmp_path, panel):
    """Months of a panel, each in a file of its own, as data are often kept."""
    rows = panel(20, 90)
    for month, part in rows.groupby(rows["ds"].dt.month):
        part.assign(further="text").to_parquet(tmp_path / f"{month}.parquet", index=False)
    return dd.read_parquet(tmp_path)


def test_from_files_to_forecasts_with_the_embedded_engine(files):
    with connect(base_url="local", progress=False):
        twin = files.compute()
        tuned = files.timegpt.finetune(finetune_steps=2)
        assert tuned.timegpt.record["n_obs"] == len(twin)
        ahead = tuned.timegpt.forecast(4, level=[80])
        twin.attrs = tuned.compute().attrs
        answer = ahead.compute()
        assert answer.attrs["timegpt"] == dict(tuned.timegpt.record)
        expected = twin.timegpt.forecast(4, level=[80])
        pd.testing.assert_frame_equal(answer.sort_values(["unique_id", "ds"], ignore_index=True), expected, rtol=1e-4)


@pytest.mark.parametrize("order", ["by time", "interleaved", "cut"])
def test_it_packs_as_the_computed_frame(files, cut, panel, outcome, order):
    rows = panel(20, 90)
    frame = {"by time": files, "interleaved": cut(rows.sample(frac=1, random_state=0), 400, 900), "cut": cut(rows, 450)}
    assert isinstance(outcome(frame[order])["y"], tuple)
    assert outcome(frame[order]) == outcome(frame[order].compute())


def test_refusals_come_back_from_the_workers(files, outcome):
    spoiled = files[files["ds"] != "2024-02-10"]
    assert outcome(spoiled) == outcome(spoiled.compute())
    assert outcome(spoiled)[0] is errors.MissingTimestampError


def test_the_record_outlives_every_exchange_of_rows(files, service):
    with connect(api_key="the-callers-key", base_url=service.url, progress=False):
        tuned = files.timegpt.finetune(output_model_id="mine")
        for frame in (tuned.shuffle("unique_id"), tuned.set_index("ds"), tuned.sort_values("y"), tuned.persist()):
            assert frame.timegpt.model_id == "mine"
            assert frame.compute().timegpt.model_id == "mine"
            assert set(frame.map_partitions(models, meta=("model", "object")).compute()) == {"mine"}


def models(part):
    return pd.Series([part.timegpt.model_id], name="model", dtype="object")


def test_workers_ask_with_their_own_key_and_connection(files, service):
    with connect(api_key="the-callers-key", base_url=service.url, progress=False):
        tuned = files.timegpt.finetune()
        answer = tuned.timegpt.forecast(3).compute()
        again = tuned.timegpt.forecast(3).compute()
    pd.testing.assert_frame_equal(answer.sort_values("unique_id"), again.sort_values("unique_id"))
    (trained,) = service.of("/v2/finetune")
    asked = service.of("/v2/forecast")
    assert trained.bearer == "the-callers-key"
    assert {request.bearer for request in asked} == {"the-workers-key"}
    assert len({request.connection for request in asked}) <= 4  # a thread's of each process, kept


def test_the_key_is_in_nothing_that_workers_hold(files, service, cluster):
    with connect(api_key="the-callers-key", base_url=service.url, progress=False):
        kept = files.timegpt.finetune().timegpt.forecast(3).persist()
        distributed.wait(kept)
        held = str(
            cluster.run_on_scheduler(
                lambda dask_scheduler: [str(task.run_spec) for task in dask_scheduler.tasks.values()]
            )
        )
    assert "forecast" in held or "answer" in held
    assert "the-callers-key" not in held


def test_the_cluster_counts_who_asks(cut, panel, service, cluster):
    service.pause = 0.05
    frame = cut(panel(40).sample(frac=1, random_state=0), *range(12, 480, 12))
    with connect(api_key="the-callers-key", base_url=service.url, progress=False):
        frame.timegpt.forecast(1, model="timegpt-1", freq="D").compute()
    assert 1 < service.most_at_once <= MAX_CONCURRENT_REQUESTS
    assert cluster.run_on_scheduler(semaphores_held) == {"nixtla-accessor": 0}


def semaphores_held(dask_scheduler):
    """Return how many turns are taken."""
    leases = dask_scheduler.extensions["semaphores"].leases
    return {name: len(taken) for name, taken in leases.items()}


def test_a_partition_that_fails_leaves_what_the_others_answered(cut, panel, service):
    rows = panel(6).set_index("unique_id")
    frame = dd.from_pandas(rows, npartitions=3)
    service.refuse = lambda body: 402 if 311.0 in body["series"]["y"] else None
    with connect(api_key="the-callers-key", base_url=service.url, progress=False):
        kept = frame.timegpt.forecast(3, model="timegpt-1", freq="D").persist()
        distributed.wait(kept)
        asked = len(service.asked)
        assert len(kept.partitions[0].compute()) == len(kept.partitions[2].compute()) == 6
        with pytest.raises(errors.PaymentRequiredError) as caught:
            kept.compute()
    assert "partition 1 of 3" in caught.value.__notes__[0]
    assert len(service.asked) == asked


def test_an_audit_over_processes(files):
    spoiled = files[(files["ds"] != "2024-02-10") | (files["unique_id"] > "series 3")]
    found = spoiled.timegpt.audit()
    pd.testing.assert_frame_equal(found, spoiled.compute().timegpt.audit())
    assert (found["kind"] == "gap").sum() == 14
