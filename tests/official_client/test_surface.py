"""The official client, nixtla 0.9.0, unchanged, against ``python -m nixtla_accessor serve``: every method of it.

It needs pandas below 3, and is no dependency of this package: `.ci/run` has it in an environment of its own.
"""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from nixtla import ApiError, NixtlaClient

pytestmark = pytest.mark.filterwarnings("ignore")  # of that client and of its libraries

H = 7
IDS = ("a", "b")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    server = subprocess.Popen(
        [sys.executable, "-m", "nixtla_accessor", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NIXTLA_ACCESSOR_HOME": str(tmp_path_factory.mktemp("home"))},
    )
    announced = "".join(server.stdout.readline() for _ in range(3))
    url = re.search(r"NIXTLA_BASE_URL=(\S+)", announced)[1]
    key = re.search(r"NIXTLA_API_KEY=(\S+)", announced)[1]
    try:
        yield NixtlaClient(api_key=key, base_url=url, max_retries=1)
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(params=["plain", "with spare numeric columns"])
def df(request):
    rng = np.random.default_rng(0)
    series = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2024-01-01", periods=120, freq="D"),
                "y": 10 + np.arange(120) % 7 + rng.normal(size=120),
            }
        )
        for name in IDS
    ]
    df = pd.concat(series, ignore_index=True)
    if request.param != "plain":
        df = df.assign(price=rng.normal(size=len(df)), visitors=rng.integers(0, 9, len(df)))
    return df


@pytest.fixture
def future(df):
    """Return the horizon of the frame's spare columns; None where it has none."""
    extra = [name for name in df if name not in ("unique_id", "ds", "y")]
    if not extra:
        return None
    last = df.groupby("unique_id").tail(H)
    return last.assign(ds=last["ds"] + pd.Timedelta(days=H))[["unique_id", "ds", *extra]]


@pytest.fixture
def model_id(client, df):
    model_id = client.finetune(df, freq="D", finetune_steps=2)
    yield model_id
    client.delete_finetuned_model(model_id)


def finite(frame):
    return bool(np.isfinite(frame.select_dtypes("number").to_numpy()).all())


# ---------------------------------------------------------------- the account


def test_the_account(client):
    assert client.validate_api_key() is True
    assert "timegpt-1" in client.list_models()
    usage = client.usage()
    assert set(usage) == {"minute", "month"}
    assert all(isinstance(count, int) for period in usage.values() for count in period.values())


def test_fine_tuned_models(client, df):
    model_id = client.finetune(df, freq="D", finetune_steps=2, output_model_id="official", finetune_loss="mae")
    assert model_id == "official"
    assert client.finetuned_model("official").loss == "mae"
    assert "official" in [model.id for model in client.finetuned_models()]
    assert "official" in set(client.finetuned_models(as_df=True)["id"])
    further = client.finetune(df, freq="D", finetune_steps=1, finetuned_model_id="official", finetune_depth=5)
    assert client.finetuned_model(further).base_model_id == "official"
    for made in ("official", further):
        assert client.delete_finetuned_model(made) is True


# ---------------------------------------------------------------- synchronous calls


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"level": [80, 95.5]},
        {"quantiles": [0.1, 0.5, 0.9]},
        {"add_history": True},
        {"finetune_steps": 2, "finetune_depth": 3, "finetune_loss": "mse"},
        {"date_features": ["month", "dayofweek"]},
        {"num_partitions": 2},
        {"model": "timegpt-1-long-horizon"},
    ],
    ids=str,
)
def test_forecast(client, df, future, arguments):
    ahead = client.forecast(df, h=H, freq="D", X_df=future, **arguments)
    assert len(ahead) >= H * len(IDS)
    assert "TimeGPT" in ahead
    assert finite(ahead)


def test_forecast_with_a_model_and_contributions(client, df, future, model_id):
    assert finite(client.forecast(df, h=H, freq="D", X_df=future, finetuned_model_id=model_id))
    if future is not None:
        assert finite(client.forecast(df, h=H, freq="D", X_df=future, feature_contributions=True))
        assert len(client.feature_contributions) == H * len(IDS)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"n_windows": 3, "step_size": 2, "level": [80]},
        {"quantiles": [0.1, 0.9]},
        {"finetune_steps": 1, "refit": False, "n_windows": 2},
        {"num_partitions": 2},
    ],
    ids=str,
)
def test_cross_validation(client, df, arguments):
    windows = client.cross_validation(df, h=H, freq="D", **arguments)
    assert len(windows) == H * len(IDS) * arguments.get("n_windows", 1)
    assert finite(windows)


def test_cross_validation_with_historic_features(client, df):
    historic = ["visitors"] if "visitors" in df else None
    assert finite(client.cross_validation(df, h=H, freq="D", hist_exog_list=historic))


@pytest.mark.parametrize("arguments", [{}, {"level": 90}, {"num_partitions": 2}], ids=str)
def test_detect_anomalies(client, df, arguments):
    assert set(client.detect_anomalies(df, freq="D", **arguments)["anomaly"]) <= {0, 1}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"threshold_method": "multivariate"},
        {"step_size": 1, "level": 95},
        {"finetune_steps": 1, "refit": True},
        {"num_partitions": 2},
    ],
    ids=str,
)
def test_detect_anomalies_online(client, df, arguments):
    found = client.detect_anomalies_online(df, h=H, detection_size=14, freq="D", **arguments)
    assert len(found) == 14 * len(IDS)
    assert "anomaly_score" in found


# ---------------------------------------------------------------- jobs


@pytest.mark.parametrize("arguments", [{}, {"seed": 1}, {"quantiles": [0.1, 0.5, 0.9]}, {"num_partitions": 2}], ids=str)
def test_simulate(client, df, future, arguments):
    paths = client.simulate(df, h=H, freq="D", X_df=future, n_paths=5, **arguments)
    assert len(paths) >= H * len(IDS)
    assert finite(paths)


def submit(client, df, task, **arguments):
    return {
        "forecast": lambda: client.jobs.forecast(df, h=H, freq="D", **arguments),
        "cross_validation": lambda: client.jobs.cross_validation(df, h=H, freq="D", n_windows=2, **arguments),
        "finetune": lambda: client.jobs.finetune(df, freq="D", finetune_steps=2, **arguments),
        "detect_anomalies": lambda: client.jobs.detect_anomalies(df, h=H, detection_size=14, freq="D", **arguments),
        "simulate": lambda: client.jobs.simulate(df, h=H, freq="D", n_paths=5, **arguments),
    }[task]()


TASKS = ("forecast", "cross_validation", "finetune", "detect_anomalies", "simulate")


@pytest.mark.parametrize("task", TASKS)
def test_jobs(client, df, future, task):
    covariates = {"X_df": future} if task in {"forecast", "simulate"} else {}
    job = submit(client, df, task, job_timeout_seconds=60, **covariates)
    result = job.wait(poll_interval=0.05)
    assert str(getattr(job.status, "value", job.status)) == "succeeded"
    if task == "finetune":
        assert client.delete_finetuned_model(result) is True
    else:
        assert finite(result)


def test_a_job_is_cancelled(client, df):
    job = client.jobs.finetune(df, freq="D", finetune_steps=100_000, finetune_depth=5)
    job.cancel()
    with pytest.raises(Exception, match="cancelled"):
        job.wait(poll_interval=0.05)


# ---------------------------------------------------------------- on the client's own side


def test_audit_clean_and_plot(client, df):
    plain = df[["unique_id", "ds", "y"]]
    passed, fails, cases = client.audit_data(plain.drop(index=5), freq="D")
    assert not passed
    cleaned, *_ = client.clean_data(plain.drop(index=5), fails, cases, freq="D")
    assert len(cleaned) == len(plain)
    assert finite(client.forecast(cleaned.ffill(), h=H, freq="D"))


# ---------------------------------------------------------------- what the engine does not have


@pytest.mark.parametrize(
    ("ask", "status", "words"),
    [
        (lambda client, df: client.explain(df, freq="D"), 404, "no jobs of the task 'explain'"),
        (lambda client, df: client.jobs.explain(df, freq="D"), 404, "no jobs of the task 'explain'"),
        (lambda client, _: client.jobs.execute_step("step", {}), 404, "no jobs of the task 'execute_step'"),
        (lambda client, df: client.forecast(df, h=H, freq="D", multivariate=True), 422, "multivariate"),
        (
            lambda client, df: client.forecast(df, h=H, freq="D", model_parameters={"a": 1}),
            422,
            "model_parameters|model parameters",
        ),
        (lambda client, df: client.cross_validation(df, h=H, freq="D", multivariate=True), 422, "multivariate"),
        (lambda client, df: client.simulate(df, h=H, freq="D", multivariate=True), 422, "multivariate"),
        (
            lambda client, df: client.jobs.forecast(df, h=H, freq="D", multivariate=True),
            422,
            "multivariate",
        ),
    ],
)
def test_what_it_lacks_is_said(client, df, ask, status, words):
    if "price" not in df:
        df = df.assign(price=1.0) if "explain" in words else df
    else:
        df = df if "explain" in words else df[["unique_id", "ds", "y"]]
    with pytest.raises(ApiError) as raised:
        ask(client, df)
    assert raised.value.status_code == status
    assert re.search(words, str(raised.value.body))
