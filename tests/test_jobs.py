"""Models that a job trains, from the frame: wait, status and cancel, also elsewhere; submitted once or not at all."""

import pickle
import subprocess
import sys
import time

import dask.dataframe as dd
import pandas as pd
import pytest

import nixtla_accessor
import nixtla_accessor.dask  # registers ddf.timegpt
from nixtla_accessor import connect, errors
from nixtla_accessor.datasets import load_unemployment
from nixtla_accessor.local.service import embedded

LONG = {"finetune_steps": 100_000, "finetune_depth": 5}


@pytest.fixture(autouse=True, scope="module")
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


@pytest.fixture
def frame():
    return load_unemployment()


@pytest.fixture
def pending(frame):
    """Return a frame whose model takes long to train."""
    frame.timegpt.finetune(wait=False, **LONG)
    yield frame
    frame.timegpt.cancel()


def until_it_runs(frame):
    until = time.monotonic() + 20
    while frame.timegpt.status != "running":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_job_ends_with_the_model_of_the_synchronous_call(frame):
    assert frame.timegpt.status is None
    assert frame.timegpt.finetune(finetune_steps=5, wait=False, output_model_id="of-a-job") is frame
    record = dict(frame.timegpt.record)
    assert record["state"] == "pending"
    assert record["finetuned_model_id"] == "of-a-job"
    assert record["job_id"]
    assert record["input_tokens"] is None
    assert frame.timegpt.wait() is frame
    expected = load_unemployment().timegpt.finetune(finetune_steps=5)
    others = {"finetuned_model_id", "created_at", "job_id"}
    assert frame.attrs["timegpt"].keys() == expected.attrs["timegpt"].keys()
    for name, value in frame.timegpt.record.items():
        assert name in others or value == expected.timegpt.record[name], name
    assert frame.timegpt.record["job_id"] == record["job_id"]
    assert frame.timegpt.status == "ready"
    pd.testing.assert_frame_equal(frame.timegpt.forecast(3), expected.timegpt.forecast(3))
    assert frame.timegpt.cancel() == "ready"
    nixtla_accessor.delete_finetuned_model("of-a-job")


def test_forecasting_with_a_pending_model_says_how_far_it_is(pending):
    until_it_runs(pending)
    while True:
        with pytest.raises(errors.ModelPendingError) as raised:
            pending.timegpt.forecast(3)
        if raised.value.steps_done:
            break
    error = raised.value
    assert isinstance(error, errors.NoModelError)
    assert (error.state, error.steps) == ("running", 100_000)
    assert f"({error.steps_done:,} of 100,000 steps)" in str(error)
    assert "df.timegpt.wait() waits for it." in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.steps_done) == (str(error), error.steps_done)
    for ask in (
        lambda: pending.timegpt.cross_validation(3),
        lambda: pending.timegpt.detect_anomalies(),
        lambda: pending.timegpt.forecast(3, finetuned_model_id=pending.timegpt.model_id),
    ):
        with pytest.raises(errors.ModelPendingError):
            ask()
    assert len(pending.timegpt.forecast(3, zero_shot=True)) == 42
    assert pending.timegpt.record["state"] == "pending"
    assert "still pending" in repr(pending.timegpt)
    assert "wait() waits for the model" in pending.timegpt._repr_html_()


def test_waiting_has_an_end(pending):
    began = time.monotonic()
    with pytest.raises(errors.ModelPendingError):
        pending.timegpt.wait(timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    with pytest.raises(errors.ModelPendingError):
        pending.timegpt.wait(0)
    for wrong in (-1, "1", True, float("inf")):
        with pytest.raises(errors.InvalidArgumentError, match="timeout must be seconds"):
            pending.timegpt.wait(wrong)


def test_a_cancelled_model_is_none(frame):
    frame.timegpt.finetune(wait=False, **LONG)
    assert frame.timegpt.cancel() == "cancelled"
    assert frame.timegpt.status == "cancelled"
    assert frame.timegpt.cancel() == "cancelled"
    for ask in (frame.timegpt.wait, lambda: frame.timegpt.forecast(3)):
        with pytest.raises(errors.TrainingFailedError, match=r"was cancelled.*df.timegpt.finetune\(\) trains one"):
            ask()
    frame.timegpt.finetune(finetune_steps=1)
    assert len(frame.timegpt.forecast(3)) == 42


def test_a_frame_without_a_model_has_nothing_to_wait_for(frame):
    for ask in (frame.timegpt.wait, frame.timegpt.cancel):
        with pytest.raises(errors.NoModelError, match="has a job train one"):
            ask()
    frame.timegpt.finetune(finetune_steps=1)
    frame.attrs["timegpt"] |= {"origin": "https://api.nixtla.io", "state": "pending", "job_id": "a"}
    for ask in (frame.timegpt.wait, frame.timegpt.cancel, lambda: frame.timegpt.status):
        with pytest.raises(errors.NoModelError, match="is kept at https://api"):
            ask()


def test_a_job_that_is_forgotten_is_told_by_its_model(frame):
    frame.timegpt.finetune(finetune_steps=1)
    frame.attrs["timegpt"] |= {"state": "pending", "job_id": "forgotten"}
    assert frame.timegpt.status == "ready"
    frame.attrs["timegpt"] |= {"finetuned_model_id": "nowhere", "job_id": None}
    with pytest.raises(errors.TrainingFailedError, match="knows neither its job nor the model"):
        frame.timegpt.forecast(3)


def test_a_pending_record_can_be_attached_to_another_frame(frame):
    frame.timegpt.finetune(finetune_steps=20, wait=False)
    other = load_unemployment().timegpt.use_model(frame)
    assert other.timegpt.record["state"] == "pending"
    assert other.timegpt.wait().timegpt.status == "ready"
    assert len(frame.timegpt.forecast(3)) == 42  # which asks the service, since its record is pending still
    assert frame.timegpt.record["state"] == "pending"
    assert frame.timegpt.forecast(3).timegpt.record["state"] == "ready"


PROGRAM = """
import sys, pandas as pd, nixtla_accessor
df = pd.read_parquet(sys.argv[1])
with nixtla_accessor.connect(api_key=sys.argv[2], base_url=sys.argv[3], progress=False):
    df.attrs["timegpt"]["origin"] = sys.argv[3]
    print(df.timegpt.wait().timegpt.status, len(df.timegpt.forecast(3)))
"""


def test_another_process_goes_on_from_parquet(frame, tmp_path):
    frame.timegpt.finetune(finetune_steps=20, wait=False)
    frame.to_parquet(tmp_path / "pending.parquet")
    engine = embedded.start_engine()
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, tmp_path / "pending.parquet", engine.api_key, engine.base_url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "ready 42\n"


def test_a_job_of_a_process_that_has_ended_says_so(frame, tmp_path):
    program = (
        "import sys, nixtla_accessor; from nixtla_accessor.datasets import load_unemployment\n"
        "with nixtla_accessor.connect(base_url='local', progress=False):\n"
        "    df = load_unemployment().timegpt.finetune(finetune_steps=100_000, finetune_depth=5, wait=False)\n"
        "    df.to_parquet(sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program, tmp_path / "left.parquet"], check=True)
    left = pd.read_parquet(tmp_path / "left.parquet")
    assert left.timegpt.status == "failed"
    with pytest.raises(errors.TrainingFailedError, match=r"failed: The (engine that worked on it|local engine is)"):
        left.timegpt.wait()


def test_what_contradicts_a_job_is_refused(frame):
    with pytest.raises(errors.InvalidArgumentError, match="wait must be True or False"):
        frame.timegpt.finetune(wait="no")
    with pytest.raises(errors.InvalidArgumentError, match="max_request divides the series"):
        frame.timegpt.finetune(wait=False, max_request="200MiB")
    with pytest.raises(errors.InvalidFrameError):
        frame.drop(5).timegpt.finetune(wait=False)
    assert frame.attrs == {}
    frame.timegpt.finetune(finetune_steps=1, output_model_id="taken", overwrite=True)
    with pytest.raises(errors.ModelExistsError):
        frame.timegpt.finetune(finetune_steps=1, output_model_id="taken", wait=False)
    frame.timegpt.finetune(finetune_steps=2, output_model_id="taken", wait=False, overwrite=True).timegpt.wait()
    assert nixtla_accessor.finetuned_model("taken").steps == 2
    nixtla_accessor.delete_finetuned_model("taken")


def test_jobs_are_listed_as_a_frame(pending):
    listed = nixtla_accessor.jobs()
    assert listed["created_at"].dtype.kind == "M"
    assert listed["created_at"].is_monotonic_decreasing
    mine = listed.set_index("job_id").loc[pending.timegpt.record["job_id"]]
    assert mine["task"] == "finetune"
    assert mine["status"] in {"pending", "running"}
    assert mine["finetuned_model_id"] == pending.timegpt.model_id
    assert mine["finetune_steps"] == 100_000
    assert pd.isna(mine["error"])


def test_what_the_account_has():
    assert "timegpt-1" in nixtla_accessor.models()
    assert nixtla_accessor.validate_api_key() is True
    before = nixtla_accessor.usage()
    load_unemployment().timegpt.forecast(3, zero_shot=True)
    after = nixtla_accessor.usage()
    assert list(after.columns) == ["minute", "month"]
    assert after.loc["requests", "month"] - before.loc["requests", "month"] == 2
    with connect(api_key="wrong-key", base_url=embedded.start_engine().base_url):
        assert nixtla_accessor.validate_api_key() is False


def test_on_dask(frame):
    whole = dd.from_pandas(frame, npartitions=2)
    assert whole.timegpt.status is None
    assert whole.timegpt.finetune(finetune_steps=3, wait=False) is whole
    assert whole.timegpt.record["state"] == "pending"
    assert whole.timegpt.wait() is whole
    assert whole.timegpt.status == "ready"
    assert len(whole.timegpt.forecast(3).compute(scheduler="sync")) == 42
    whole.timegpt.finetune(wait=False, **LONG)
    with pytest.raises(errors.ModelPendingError):
        whole.timegpt.forecast(3)
    assert whole.timegpt.cancel() == "cancelled"
