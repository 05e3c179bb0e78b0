"""Typed code as a user writes it. Type checkers read it, and nothing runs it.

mypy and pyright must infer the types that are asserted here, and must refuse the lines that say so: an ignore comment
that hides no error is an error itself.
"""

from collections.abc import Hashable, Mapping
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd

import nixtla_accessor
from nixtla_accessor import Client, FinetunedModel, TimeGPTAccessor, connect, errors
from nixtla_accessor.datasets import load_unemployment, load_weather


def connecting() -> None:
    assert_type(connect(), Client)
    connect(api_key="key", base_url="https://api.nixtla.io", timeout=(10, 1800), progress=False)
    connect(base_url="local", timeout=60.5, max_request_bytes=1_000_000)
    with nixtla_accessor.connect(base_url="local") as client:
        assert_type(client, Client)
        assert_type(client.origin, str)
        assert_type(client.is_closed, bool)
    connect(timeout="long")  # type: ignore[arg-type]
    connect(no_such_argument=1)  # type: ignore[call-arg]


def tuning(df: pd.DataFrame, client: Client) -> pd.DataFrame:
    timegpt = TimeGPTAccessor(df)
    tuned = timegpt.finetune(
        freq="MS",
        id_col="shop",
        time_col="month",
        target_col="sales",
        model="timegpt-1",
        finetune_steps=50,
        finetune_loss="mae",
        finetune_depth=3,
        output_model_id="sales-v1",
        finetuned_model_id=None,
        overwrite=True,
        allow_missing=True,
        max_request="200MiB",
        timeout=1800,
        client=client,
    )
    assert_type(tuned, pd.DataFrame)
    assert_type(timegpt.model_id, str | None)
    assert_type(timegpt.record, Mapping[str, Any])
    timegpt.finetune(freq=1)  # the step of integer time
    timegpt.finetune(freq=pd.offsets.MonthBegin())
    timegpt.finetune(freq=pd.Timedelta("15min").to_pytimedelta())
    timegpt.finetune("MS")  # type: ignore[call-arg]
    timegpt.finetune(finetune_steps="many")  # type: ignore[arg-type]
    timegpt.finetune(steps=10)  # type: ignore[call-arg]
    return TimeGPTAccessor(df).use_model("sales-v1", client=client)


def forecasting(df: pd.DataFrame) -> None:
    timegpt = TimeGPTAccessor(df)
    assert_type(timegpt.forecast(12), pd.DataFrame)
    assert_type(timegpt.forecast(h=12, level=[80, 95.5]), pd.DataFrame)
    assert_type(timegpt.forecast(h=12, quantiles=[0.1, 0.9], model="timegpt-1"), pd.DataFrame)
    assert_type(timegpt.cross_validation(12, n_windows=3, step_size=6, level=[80]), pd.DataFrame)
    assert_type(timegpt.detect_anomalies(level=99, finetuned_model_id="sales-v1"), pd.DataFrame)
    assert_type(
        timegpt.detect_anomalies(method="online", detection_size=30, refit=True, finetune_steps=5), pd.DataFrame
    )
    timegpt.detect_anomalies(method="live")  # type: ignore[arg-type]
    assert_type(timegpt.simulate(12, 500, seed=1), pd.DataFrame)
    timegpt.simulate(12, 500, 1)  # type: ignore[call-arg]
    timegpt.cross_validation(12, quantiles=[0.1], finetune_steps=10, finetune_loss="mae", refit=False)
    assert_type(timegpt.compare(h=12, n_windows=2, finetune_steps=50, by_series=True, keep=True), pd.DataFrame)
    timegpt.forecast()  # type: ignore[call-arg]
    timegpt.forecast(h=12, level=80)  # type: ignore[arg-type]


def explaining(df: pd.DataFrame, future: pd.DataFrame) -> None:
    def week_of_month(stamps: pd.DatetimeIndex) -> Any:
        return (stamps.day - 1) // 7

    timegpt = TimeGPTAccessor(df)
    ahead = timegpt.forecast(
        12,
        X_df=future,
        hist_exog_list=["visitors"],
        date_features=["month", week_of_month],
        holidays={"US": 1, "DE-BY": [-1, 0]},
        feature_contributions=True,
        add_history=True,
    )
    assert_type(ahead, pd.DataFrame)
    timegpt.forecast(12, date_features=True, holidays="US")
    timegpt.cross_validation(12, futr_exog_list=["price"], hist_exog_list=("visitors",), holidays=["US", "DE"])
    timegpt.detect_anomalies(futr_exog_list=["price"], date_features=week_of_month)
    timegpt.compare(12, futr_exog_list=["price"])
    assert_type(timegpt.audit(X_df=future, h=12), pd.DataFrame)
    assert_type(timegpt.calendar_features(12, holidays="US"), tuple[pd.DataFrame, pd.DataFrame])
    TimeGPTAccessor(ahead).plot_contributions(ids=["Boston"])
    timegpt.forecast(12, X_df="future")  # type: ignore[arg-type]
    timegpt.forecast(12, futr_exog_list=["price"])  # type: ignore[call-arg]
    timegpt.cross_validation(12, X_df=future)  # type: ignore[call-arg]


def looking_before_sending(df: pd.DataFrame) -> None:
    timegpt = TimeGPTAccessor(df)
    packed = timegpt.pack(allow_missing=True)
    assert_type(packed.sizes, npt.NDArray[np.int64])
    assert_type(packed.freq, str | int)
    assert_type(packed.nbytes, int)
    assert_type(packed.to_frame(), pd.DataFrame)
    assert_type(timegpt.audit(target_col="sales"), pd.DataFrame)
    assert_type(timegpt.fill_gaps(method="interpolate"), pd.DataFrame)
    timegpt.fill_gaps(method=0)
    timegpt.plot(timegpt.forecast(12), ids=["Boston"], max_series=3)


def registry() -> None:
    assert_type(nixtla_accessor.finetuned_models(), pd.DataFrame)
    model = nixtla_accessor.finetuned_model("sales-v1")
    assert_type(model, FinetunedModel)
    assert_type(model.id, str)
    assert_type(model.steps, int)
    nixtla_accessor.delete_finetuned_model("sales-v1")
    nixtla_accessor.finetuned_model()  # type: ignore[call-arg]


def arrays(client: Client, y: npt.NDArray[np.float64], sizes: list[int]) -> None:
    result = client.finetune(y, sizes, "MS", finetune_steps=50, output_model_id="trend")
    assert_type(result.finetuned_model_id, str)
    assert_type(result.finetune_tokens, int | None)
    forecast = client.forecast(y, sizes, "MS", 12, level=[80], finetuned_model_id=result.finetuned_model_id)
    assert_type(forecast.mean, npt.NDArray[np.float64])
    assert_type(forecast.intervals, Mapping[str, npt.NDArray[np.float64]])
    assert_type(client.cross_validation(y, sizes, "MS", 12, n_windows=3).mean, npt.NDArray[np.float64])
    assert_type(client.detect_anomalies(y, sizes, "MS", level=99).anomaly, npt.NDArray[np.bool_])
    assert_type(client.simulate(y, sizes, "MS", 12, n_paths=200, seed=1).paths, npt.NDArray[np.float64])
    assert_type(client.detect_online_anomalies(y, sizes, "MS", 12, 24).sizes, npt.NDArray[np.int64])
    explained = client.forecast(y, sizes, "MS", 12, X=[y, y], X_future=[y[:12]], feature_contributions=True)
    assert_type(explained.feature_contributions, npt.NDArray[np.float64] | None)
    client.cross_validation(y, sizes, "MS", 12, X=[y], hist_exog=[0])
    assert_type(client.finetuned_models(), list[FinetunedModel])
    assert_type(client.validate_api_key(), bool)
    client.close()


def handling_errors(df: pd.DataFrame) -> str | None:
    try:
        TimeGPTAccessor(df).finetune()
    except errors.MissingTimestampError:
        TimeGPTAccessor(df).fill_gaps(method="ffill")
    except errors.RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except errors.OutcomeUnknownError as error:
        assert_type(error.finetuned_model_id, str | None)
        return error.finetuned_model_id
    except errors.ApiError as error:
        assert_type(error.status_code, int)
        assert_type(error.request_id, str | None)
    except (errors.InvalidFrameError, errors.InvalidArgumentError) as error:
        a_value_error: ValueError = error
        return str(a_value_error)
    except errors.TimeGPTError as error:
        return str(error)
    return None


def data_sets() -> None:
    assert_type(load_unemployment(), pd.DataFrame)
    assert_type(load_weather(), pd.DataFrame)


def columns_may_be_any_label(df: pd.DataFrame, column: Hashable) -> None:
    TimeGPTAccessor(df).forecast(12, target_col=column)
