"""Covariates from the frame to the wire and back, over real HTTP: what a recording service receives and answers."""

import itertools
import json
import pickle
import re
import sys
import threading
import warnings
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cloudpickle
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nixtla_accessor.dask  # noqa: F401 - registers ddf.timegpt
from nixtla_accessor import connect, errors

KEY = "nixak-0123456789abcdef0123456789"


class Handler(BaseHTTPRequestHandler):
    """Answers forecasts, windows, anomalies and trainings with numbers that tell where they come from."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"detail": {"input_size": 28, "horizon": 7}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "zstd":
            with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
                body = stream.read()
        sent = json.loads(body)
        self.server.bodies.append((self.path, sent))
        self.answer({**getattr(self, self.path.rpartition("/")[2])(sent), **self.server.changes})

    def do_DELETE(self):
        self.send_response(204)
        self.end_headers()

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def finetune(self, sent):
        return {"finetuned_model_id": sent["output_model_id"], **tokens()}

    def forecast(self, sent):
        return self.numbers(sent, len(sent["series"]["sizes"]) * sent["h"])

    def cross_validation(self, sent):
        sizes, h = sent["series"]["sizes"], sent["h"]
        n_steps = h + (sent["n_windows"] - 1) * sent["step_size"]
        first = np.cumsum([0, *sizes[:-1]])
        if sent["full_history"]:
            positions = [range(start + 2, start + size) for start, size in zip(first, sizes, strict=True)]
        else:
            positions = [
                [start + size - n_steps + window * sent["step_size"] + step
                 for window in range(sent["n_windows"]) for step in range(h)]
                for start, size in zip(first, sizes, strict=True)
            ]  # fmt: skip
        idxs = [int(position) for of_series in positions for position in of_series]
        return {**self.numbers(sent, len(idxs)), "sizes": [*map(len, positions)], "idxs": idxs}

    def anomaly_detection(self, sent):
        sizes = [size - 1 for size in sent["series"]["sizes"]]
        return {**self.numbers(sent, sum(sizes)), "sizes": sizes, "anomaly": [False] * sum(sizes)}

    def numbers(self, sent, length):
        levels = sent.get("level") or []
        levels = levels if isinstance(levels, list) else [levels]
        n_rows = len(sent["series"]["X"] or [])
        contributions = [[float(row + 1)] * length for row in range(n_rows)] + [[0.5] * length]
        mean = [sum(values) for values in zip(*contributions, strict=True)]
        return {
            "mean": mean,
            "intervals": {f"{side}-{level:g}": mean for level in levels for side in ("lo", "hi")},
            "weights_x": [1.0] * n_rows if n_rows else None,
            "feature_contributions": contributions if sent.get("feature_contributions") else None,
            **tokens(),
        }


def tokens():
    return {"input_tokens": 1, "output_tokens": 1, "finetune_tokens": 0}


@pytest.fixture(scope="module")
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.bodies, server.changes = True, [], {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", autouse=True)
def connected(service):
    url = f"http://127.0.0.1:{service.server_address[1]}"
    with connect(api_key=KEY, base_url=url, progress=False) as client:
        yield client


@pytest.fixture
def sent(service):
    """The bodies that the service receives, with their paths."""
    service.bodies.clear()
    service.changes.clear()
    return service.bodies


# ---------------------------------------------------------------- frames

H = 3


def history(n_series=2, length=40, freq="D"):
    stamps = pd.date_range("2024-01-01", periods=length, freq=freq)
    step = np.arange(length)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": stamps,
                "y": 10.0 * number + np.sin(step),
                "temp": 20 + np.cos(step + number),
                "kind": np.where(step % 3 == number, "sunny", "wet"),
                "promo": step % 4 == number,
                "price": 100 * number + step,
            }
        )
        for number, name in enumerate("abcdefgh"[:n_series])
    ]
    return pd.concat(parts, ignore_index=True)


def future(df, h=H):
    """Return the rows after the end of each series, with the columns that are known ahead."""
    parts = []
    for number, (name, series) in enumerate(df.groupby("unique_id", sort=True, observed=True)):
        *_, before, last = series["ds"].sort_values()
        stamps = [last + (step + 1) * (last - before) for step in range(h)]
        step = np.arange(h)
        parts.append(
            pd.DataFrame(
                {"unique_id": name, "ds": stamps, "kind": "wet", "promo": step == number, "price": 1000 * number + step}
            )
        )
    return pd.concat(parts, ignore_index=True)


def shuffled(df, seed=0):
    return df.sample(frac=1, random_state=seed)


# ---------------------------------------------------------------- an oracle, row by row


def row_by_row(df, X_df=None, known=(), historic=(), *, categories_last=False):
    """Build what a request has, one value after the other."""
    is_categorical = {name: any(isinstance(plain(value), str) for value in df[name]) for name in (*known, *historic)}
    order = sorted((*known, *historic), key=lambda name: (name in historic, is_categorical[name]))
    if categories_last:
        order = sorted(order, key=is_categorical.get)
    ids = sorted(set(df["unique_id"]))
    X, X_future = [], []
    for name in order:
        past, ahead = [], []
        for one in ids:
            series = sorted((row.ds, plain(getattr(row, name))) for row in df[df["unique_id"] == one].itertuples())
            past += [value for _, value in series]
            if X_df is not None and name in known:
                rows = X_df[X_df["unique_id"] == one].itertuples()
                ahead += [value for _, value in sorted((row.ds, plain(getattr(row, name))) for row in rows)]
        X.append(past)
        if X_df is not None and name in known:
            X_future.append(ahead)
    return {
        "X": X or None,
        "X_future": X_future or None,
        "categorical_exog": [place for place, name in enumerate(order) if is_categorical[name]] or None,
        "sizes": [int((df["unique_id"] == one).sum()) for one in ids],
    }


def plain(value):
    """Return a value as JSON has it: bools and decimals as numbers."""
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, bool | np.bool_ | Decimal):
        return float(value)
    return value.item() if isinstance(value, np.generic) else value


def covariates_of(body):
    return {name: body["series"][name] for name in ("X", "X_future", "categorical_exog", "sizes")}


# ---------------------------------------------------------------- the wire


class TestTheWire:
    def test_a_forecast_sends_known_rows_first_and_categories_after_numbers(self, sent):
        df = history()
        shuffled(df).timegpt.forecast(H, X_df=shuffled(future(df), 1), hist_exog_list=["temp"], zero_shot=True)
        [(path, body)] = sent
        assert path == "/v2/forecast"
        assert covariates_of(body) == row_by_row(df, future(df), ["promo", "price", "kind"], ["temp"])
        series = body["series"]
        assert (series["sizes"], series["categorical_exog"]) == ([40, 40], [2])
        assert series["X"][0][:5] == [1, 0, 0, 0, 1]
        assert series["X_future"] == [[1, 0, 0, 0, 1, 0], [0, 1, 2, 1000, 1001, 1002], ["wet"] * 6]
        assert series["X"][3] == pytest.approx(df["temp"].tolist(), abs=0)
        assert body["feature_contributions"] is False

    def test_without_covariates_nothing_changes(self, sent):
        history().timegpt.forecast(H, zero_shot=True)
        [(_, body)] = sent
        assert covariates_of(body) == {"X": None, "X_future": None, "categorical_exog": None, "sizes": [28, 28]}

    def test_historic_covariates_alone_have_no_future(self, sent):
        df = history()
        df.timegpt.forecast(H, hist_exog_list=["price", "temp"], zero_shot=True)
        [(_, body)] = sent
        assert covariates_of(body) == row_by_row(df, None, [], ["price", "temp"])

    @pytest.mark.parametrize("ask", ["cross_validation", "detect_anomalies"])
    def test_the_past_says_which_rows_are_historic(self, sent, ask):
        df = history()
        arguments = {"futr_exog_list": ["kind", "price"], "hist_exog_list": ["promo", "temp"], "zero_shot": True}
        if ask == "cross_validation":
            arguments |= {"h": H, "n_windows": 2}
        getattr(shuffled(df).timegpt, ask)(**arguments)
        [(_, body)] = sent
        assert covariates_of(body) == row_by_row(df, None, ["kind", "price"], ["promo", "temp"], categories_last=True)
        assert body["series"]["categorical_exog"] == [3]
        assert body["hist_exog"] == [1, 2]

    def test_finetuning_sends_none(self, sent):
        history().timegpt.finetune()
        [body] = [body for path, body in sent if path == "/v2/finetune"]
        assert set(body["series"]) == {"y", "sizes"}

    def test_a_tuned_model_forecasts_with_covariates(self, sent):
        df = history().timegpt.finetune()
        ahead = df.timegpt.forecast(H, X_df=future(df))
        assert sent[-1][1]["finetuned_model_id"] == df.timegpt.model_id
        assert ahead.timegpt.model_id == df.timegpt.model_id

    def test_the_shape_of_the_frames_does_not_matter(self, sent):
        df, X_df = history(), future(history())
        shapes = [
            (df, X_df),
            (df.set_index(["unique_id", "ds"]), X_df.set_index("ds")),
            (df.set_index("ds").rename_axis(None), X_df.set_index(["unique_id", "ds"])),
            (df.astype({"unique_id": "category", "kind": "category"}), X_df.astype({"kind": "string"})),
            (df.convert_dtypes(dtype_backend="pyarrow"), X_df.astype({"promo": "boolean", "price": "Int64"})),
            (df.assign(ds=df["ds"].astype("datetime64[s]")), X_df.assign(ds=X_df["ds"].astype("datetime64[ns]"))),
            (df.assign(ds=df["ds"].astype("datetime64[ns]")), X_df.assign(ds=X_df["ds"].astype("datetime64[s]"))),
            (df.set_axis(range(5, 85)), X_df[["price", "ds", "promo", "unique_id", "kind"]]),
        ]
        for frame, ahead in shapes:
            frame.timegpt.forecast(H, X_df=ahead, zero_shot=True)
        wanted = covariates_of(sent[0][1])
        for _, body in sent[1:-1]:
            assert covariates_of(body) == wanted
        last = covariates_of(sent[-1][1])  # in the order of the columns of X_df
        assert last["X"] == [wanted["X"][1], wanted["X"][0], wanted["X"][2]]

    def test_one_series_without_ids(self, sent):
        df = history(1).drop(columns="unique_id")
        X_df = future(history(1)).drop(columns="unique_id")
        df.timegpt.forecast(H, X_df=shuffled(X_df), zero_shot=True)
        assert sent[0][1]["series"]["X_future"] == [[1, 0, 0], [0, 1, 2], ["wet"] * 3]

    def test_a_large_frame_is_divided_with_its_covariates(self, sent, monkeypatch):
        monkeypatch.setattr("nixtla_accessor.api.parts.MAX_VALUES", 500)
        df = history(6)
        X_df = future(df)
        arguments = {"hist_exog_list": ["temp"], "feature_contributions": True, "zero_shot": True}
        ahead = df.timegpt.forecast(H, X_df=X_df, **arguments)
        bodies = sorted((body for _, body in sent), key=lambda body: body["series"]["y"][0])
        assert len(bodies) > 2
        whole = row_by_row(df, X_df, ["promo", "price", "kind"], ["temp"])
        for name in ("X", "X_future"):
            parts = zip(*(body["series"][name] for body in bodies), strict=True)
            joined = [[*itertools.chain.from_iterable(rows)] for rows in parts]
            assert joined == whole[name]
        assert {tuple(body["series"]["categorical_exog"]) for body in bodies} == {(2,)}
        assert len(ahead) == 18
        assert (ahead["TimeGPT"] == 10.5).all()

    def test_what_the_service_refuses_is_named(self, service, sent):
        df = history()
        loc = ["body", "series", "X_future", 1, 4]
        answer = {"detail": [{"loc": loc, "msg": "is strange", "type": "value_error"}]}
        original = Handler.answer

        def refuse(handler, content):
            body = json.dumps(answer).encode()
            handler.send_response(422)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        Handler.answer = refuse
        try:
            with pytest.raises(errors.UnprocessableError, match="step 2 of series 'b' of 'price': 1001"):
                df.timegpt.forecast(H, X_df=future(df), hist_exog_list=["temp"], zero_shot=True)
        finally:
            Handler.answer = original


class TestTheOfficialClient:
    """Requests beside those that nixtla 0.9.0 was seen to send for the same frames."""

    BODIES = json.loads((Path(__file__).parent / "official_client_covariates.json").read_text("utf-8"))
    NAMES = ("y", "sizes", "X", "X_future", "categorical_exog")

    @staticmethod
    def history():
        stamps, step = pd.date_range("2024-01-01", periods=20), np.arange(20)
        parts = [
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": stamps,
                    "y": 10.0 * number + step / 4,
                    "temp": 20 + (step + number) % 7 / 8,
                    "kind": np.where(step % 3 == number, "sunny", "wet"),
                    "promo": step % 4 == number,
                    "price": 100 * number + step,
                }
            )
            for number, name in enumerate("ab")
        ]
        return pd.concat(parts, ignore_index=True)

    CALLS = {  # noqa: RUF012
        "forecast": ("forecast", {"hist_exog_list": ["temp"]}),
        "history": ("forecast", {"hist_exog_list": ["temp"], "add_history": True}),
        "calendar": ("forecast", {"date_features": True}),
        "windows": ("cross_validation", {"futr_exog_list": ["kind", "promo", "price"], "hist_exog_list": ["temp"]}),
        "anomalies": ("detect_anomalies", {"futr_exog_list": ["kind", "promo", "price"]}),
    }

    @pytest.mark.parametrize("name", CALLS)
    def test_the_same_frame_makes_the_same_rows(self, sent, name):
        method, arguments = self.CALLS[name]
        df = self.history()
        if method == "forecast":
            X_df = future(df)
            arguments = arguments | {"X_df": X_df[["unique_id", "ds", "price"]] if name == "calendar" else X_df}
        if method != "detect_anomalies":
            arguments = arguments | {"h": H}
        getattr(df.timegpt, method)(zero_shot=True, **arguments)
        assert [path for path, _ in sent] == [path for path, _ in self.BODIES[name]]
        for (_, ours), (_, theirs) in zip(sent, self.BODIES[name], strict=True):
            for part in self.NAMES:
                assert ours["series"][part] == theirs["series"].get(part), part
            assert ours.get("hist_exog") == theirs.get("hist_exog")
            assert ours.get("full_history", False) == theirs.get("full_history", False)


class TestAnswers:
    def test_contributions_are_columns_that_sum_to_the_forecast(self, sent):
        df = history()
        ahead = df.timegpt.forecast(
            H, X_df=future(df), hist_exog_list=["temp"], level=[80], feature_contributions=True, zero_shot=True
        )
        names = ["kind", "promo", "price", "temp", "base_value"]
        assert list(ahead.columns) == ["unique_id", "ds", "TimeGPT", "TimeGPT-lo-80", "TimeGPT-hi-80", *names]
        assert ahead[names].iloc[0].tolist() == [3, 1, 2, 4, 0.5]  # by their rows on the wire
        np.testing.assert_allclose(ahead[names].sum(axis=1), ahead["TimeGPT"])

    def test_history_comes_before_the_future_of_each_series(self, sent):
        df = history()
        X_df = future(df)
        arguments = {"X_df": X_df, "hist_exog_list": ["temp"], "level": [80], "zero_shot": True}
        ahead = shuffled(df).timegpt.forecast(H, add_history=True, **arguments)
        (_, first), (path, second) = sent
        assert (path, second["full_history"], second["hist_exog"]) == ("/v2/cross_validation", True, [3])
        assert second["series"]["X"] == first["series"]["X"]
        assert second["series"]["X_future"] is None
        wanted = pd.concat([df.groupby("unique_id").tail(38), X_df])[["unique_id", "ds"]]
        wanted = wanted.sort_values(["unique_id", "ds"], ignore_index=True)
        pd.testing.assert_frame_equal(ahead[["unique_id", "ds"]], wanted)
        pd.testing.assert_frame_equal(
            ahead.groupby("unique_id").tail(H).reset_index(drop=True), df.timegpt.forecast(H, **arguments)
        )

    def test_history_without_covariates(self, sent):
        ahead = history().timegpt.forecast(H, add_history=True, zero_shot=True)
        assert len(ahead) == 2 * (38 + H)
        assert sent[1][1]["series"]["sizes"] == [40, 40]

    def test_history_keeps_dtypes(self, sent):
        df = history().astype({"unique_id": "category"})
        ahead = df.timegpt.forecast(H, add_history=True, zero_shot=True)
        assert ahead["unique_id"].dtype == df["unique_id"].dtype
        assert ahead["ds"].dtype == df["ds"].dtype

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"feature_contributions": None}, "without the contributions of the covariates"),
            ({"feature_contributions": [[0.0] * 6]}, "contributions are 1 lists of 6 values instead of 5 of 6"),
            ({"feature_contributions": [[0.0] * 5] * 5}, "contributions are 5 lists of 5 values instead of 5 of 6"),
        ],
    )
    def test_contributions_of_another_shape_are_refused(self, service, sent, changes, said):
        service.changes.update(changes)
        df = history()
        with pytest.raises(errors.ResponseError, match=said):
            df.timegpt.forecast(H, X_df=future(df), hist_exog_list=["temp"], feature_contributions=True, zero_shot=True)

    @pytest.mark.parametrize("idxs", [[2, 2], [3, 2], [2, 80], [2, 2**62], [-1, 3]])
    def test_a_history_that_does_not_fit_is_refused(self, service, sent, idxs):
        service.changes.update({"idxs": idxs, "sizes": [2, 0]})
        with pytest.raises(errors.ResponseError, match="do not fit the series"):
            history().timegpt.forecast(H, add_history=True, zero_shot=True)

    def test_compare_has_a_row_with_and_without(self, sent):
        table = history().timegpt.compare(H, futr_exog_list=["price", "promo"], hist_exog_list=["temp"])
        with_them = ["zero-shot + covariates", "fine-tuned + covariates"]
        assert list(table.index) == ["seasonal naive", "zero-shot", "fine-tuned", *with_them]
        bodies = [body for path, body in sent if path == "/v2/cross_validation"]
        assert [body["series"]["X"] is None for body in bodies] == [True, True, False, False]
        assert [body["hist_exog"] for body in bodies] == [None, None, [2], [2]]
        verdicts = table.attrs["comparison"]
        assert repr(table).splitlines()[:2] == [verdicts["verdict"], verdicts["covariates"]["verdict"]]
        assert verdicts["covariates"]["verdict"].startswith("The covariates")

    def test_compare_leaves_short_series_out_with_their_covariates(self, sent):
        df = history(3)
        short = df.drop(df.index[3:40])
        with pytest.warns(errors.ShortSeriesWarning):
            short.timegpt.compare(H, futr_exog_list=["price"], too_short="drop", freq="D")
        kept = df[df["unique_id"] != "a"]
        assert covariates_of(sent[-1][1]) == row_by_row(kept, None, ["price"])


class TestTheCalendar:
    def test_true_works_at_every_frequency(self, sent):
        for freq, names in {
            "D": ["year", "month", "day", "weekday"],
            "B": ["year", "month", "day", "weekday"],
            "W-SUN": ["year", "week", "weekday"],
            "ME": ["year", "month"],
            "QE-DEC": ["year", "quarter"],
            "YE-DEC": ["year"],
            "2MS": ["year", "month"],
            "SMS": ["year", "month", "day"],
            "h": ["year", "month", "day", "hour"],
            "15min": ["year", "month", "day", "hour", "minute"],
            "s": ["year", "month", "day", "hour", "minute", "second"],
        }.items():
            df = history(1, freq=freq)
            past, ahead = df.timegpt.calendar_features(H)
            assert list(past.columns) == ["unique_id", "ds", *names], freq
            stamps = pd.DatetimeIndex([*past["ds"], *ahead["ds"]])
            assert list(stamps) == list(pd.date_range("2024-01-01", periods=40 + H, freq=freq)), freq
            for name in names:
                wanted = stamps.isocalendar().week if name == "week" else [getattr(stamp, name) for stamp in stamps]
                wanted = [stamp.weekday() for stamp in stamps] if name == "weekday" else wanted
                assert [*past[name], *ahead[name]] == list(wanted), (freq, name)

    def test_what_is_shown_is_what_is_sent(self, sent):
        df = pd.concat([history(2), history(3, 30, "D").query("unique_id == 'c'")])
        features = {"date_features": ["month", "is_month_end", "day_name", week_of_month], "holidays": {"US": 1}}
        past, ahead = shuffled(df).timegpt.calendar_features(H, **features)
        shuffled(df, 3).timegpt.forecast(H, zero_shot=True, **features)
        series = sent[0][1]["series"]
        names = list(past.columns[2:])
        assert names[:4] == ["month", "is_month_end", "day_name", "week_of_month"]
        assert series["categorical_exog"] == [len(names) - 1]
        in_order = [name for name in names if name != "day_name"] + ["day_name"]
        for name, row, later in zip(in_order, series["X"], series["X_future"], strict=True):
            assert row == past[name].tolist(), name
            assert later == ahead[name].tolist(), name

    def test_holidays_are_made_once_across_a_year(self, sent):
        df = history(1, 40).assign(ds=pd.date_range("2023-11-25", periods=40))
        past, ahead = df.timegpt.calendar_features(H, date_features=False, holidays=["US", "DE-BY"])
        assert list(past.columns) == list(ahead.columns)
        assert past.loc[past["US_Christmas Day"] == 1, "ds"].tolist() == [pd.Timestamp("2023-12-25")]
        assert {"US_New Year's Day", "DE-BY_Second Day of Christmas"} <= set(past.columns)
        assert "US_Independence Day" not in past

    @pytest.mark.parametrize("freq", ["2D", "48h", "2B", "W"])
    def test_holidays_need_steps_of_one_day_at_most(self, sent, freq):
        df = pd.DataFrame({"ds": pd.date_range("2024-01-02", periods=30, freq=freq), "y": np.arange(30.0)})
        with pytest.raises(errors.InvalidArgumentError, match="covers several"):
            df.timegpt.calendar_features(H, holidays="US")

    def test_lambdas_are_numbered(self, sent):
        features = [lambda stamps: stamps.month, "year", lambda stamps: stamps.day]
        past, _ = history().timegpt.calendar_features(H, date_features=features)
        assert past.columns[2:].tolist() == ["<lambda_0>", "year", "<lambda_1>"]

    @pytest.mark.parametrize(("name", "hint"), [("isocalendar", ""), ("tz", ""), ("dayofweak", "'dayofweek'?")])
    def test_no_feature_is_suggested_that_is_none(self, sent, name, hint):
        with pytest.raises(errors.InvalidArgumentError) as refused:
            history().timegpt.calendar_features(H, date_features=[name])
        assert str(refused.value).partition(" Did you mean ")[2] == hint

    def test_days_around_holidays(self, sent):
        df = history(1, 40).assign(ds=pd.date_range("2023-11-25", periods=40))
        past, _ = df.timegpt.calendar_features(H, date_features=False, holidays={"US": [-1, 0, 2]})
        found = {
            shift: past.loc[past[f"US_Christmas Day{shift}"] == 1, "ds"].dt.day.tolist() for shift in ("-1", "", "+2")
        }
        assert found == {"-1": [24], "": [25], "+2": [27]}

    def test_zones_follow_the_wall_clock(self, sent):
        stamps = pd.date_range("2024-03-29", periods=96, freq="h", tz="Europe/Berlin")
        df = pd.DataFrame({"ds": stamps, "y": np.arange(96.0)})
        past, ahead = df.timegpt.calendar_features(4, date_features=["hour"], holidays="DE")
        assert past["hour"].tolist() == list(stamps.hour)
        good_friday = past.loc[past["DE_Good Friday"] == 1, "ds"]
        assert (good_friday.min(), good_friday.max()) == (stamps[0], stamps[23])
        assert ahead["hour"].tolist() == [1, 2, 3, 4]  # an hour was skipped

    def test_a_function_may_return_several_columns(self, sent):
        def cycles(stamps):
            return pd.DataFrame({"sin": np.sin(stamps.day), "cos": np.cos(stamps.day)}, index=stamps)

        past, _ = history(1).timegpt.calendar_features(H, date_features=[cycles])
        assert list(past.columns) == ["unique_id", "ds", "sin", "cos"]

    def test_a_function_sees_each_stamp_once_and_in_order(self, sent):
        seen = []

        def spy(stamps):
            seen.append(stamps)
            return stamps.day

        history(3).timegpt.forecast(H, date_features=[spy, "month"], zero_shot=True)
        [stamps] = seen
        assert stamps.equals(pd.date_range("2024-01-01", periods=43, unit=stamps.unit))

    def test_the_calendar_goes_with_a_future(self, sent):
        df = history()
        df.timegpt.forecast(H, X_df=future(df), date_features=["day"], hist_exog_list=["temp"], zero_shot=True)
        series = sent[0][1]["series"]
        assert [row[0] for row in series["X"]] == [1, 0, 1, "sunny", df["temp"][0]]
        assert series["X_future"][2] == [10, 11, 12] * 2

    def test_without_the_package_the_line_installs_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "holidays", None)
        with pytest.raises(errors.ConfigurationError, match=re.escape('pip install "nixtla-accessor[calendar]"')):
            history().timegpt.forecast(H, holidays="US", zero_shot=True)


def week_of_month(stamps):
    return (stamps.day - 1) // 7


@pytest.mark.dask
class TestDask:
    @pytest.mark.parametrize("future_is_dask", [False, True])
    def test_it_answers_as_pandas_does(self, sent, future_is_dask):
        df = history(5)
        X_df = future(df)
        arguments = {"hist_exog_list": ["temp"], "date_features": ["month"], "feature_contributions": True}
        arguments |= {"zero_shot": True, "freq": "D", "add_history": True}
        wanted = df.timegpt.forecast(H, X_df=X_df, **arguments)
        ddf = dd.from_pandas(shuffled(df).reset_index(drop=True), npartitions=3)
        X = dd.from_pandas(shuffled(X_df).reset_index(drop=True), npartitions=2) if future_is_dask else X_df
        planned = ddf.timegpt.forecast(H, X_df=X, **arguments)
        assert list(planned.columns) == list(wanted.columns)
        found = planned.compute(scheduler="sync").sort_values(["unique_id", "ds"], ignore_index=True)
        pd.testing.assert_frame_equal(found, wanted, check_dtype=False)

    def test_windows_and_anomalies(self, sent):
        df = history(4)
        ddf = dd.from_pandas(df, npartitions=2)
        chosen = {"futr_exog_list": ["kind", "price"], "hist_exog_list": ["temp"], "holidays": "US", "zero_shot": True}
        for method, arguments in (("cross_validation", {"h": H}), ("detect_anomalies", {})):
            sent.clear()
            wanted = getattr(df.timegpt, method)(freq="D", **arguments, **chosen)
            [(_, body)] = sent
            planned = getattr(ddf.timegpt, method)(freq="D", **arguments, **chosen)
            found = planned.compute(scheduler="sync").sort_values(["unique_id", "ds"], ignore_index=True)
            pd.testing.assert_frame_equal(found, wanted, check_dtype=False)
            assert {len(part["series"]["X"]) for _, part in sent} == {len(body["series"]["X"])}
            assert {tuple(part["hist_exog"]) for _, part in sent} == {tuple(body["hist_exog"])}

    def test_columns_are_refused_when_it_is_planned_and_rows_when_it_is_computed(self, sent):
        df = history(3)
        ddf = dd.from_pandas(df, npartitions=2)
        with pytest.raises(errors.CovariateError, match="no column 'prise'"):
            ddf.timegpt.forecast(H, X_df=future(df).assign(prise=1), zero_shot=True, freq="D")
        planned = ddf.timegpt.forecast(H, X_df=future(df).iloc[1:], zero_shot=True, freq="D")
        with pytest.raises(errors.CovariateError, match="missing are series 'a' at 2024-02-10"):
            planned.compute(scheduler="sync")
        with pytest.raises(errors.InvalidArgumentError, match="holidays are not"):
            ddf.timegpt.forecast(H, holidays="US", feature_contributions=True, zero_shot=True)
        with pytest.raises(errors.InvalidArgumentError, match="X_df must be a pandas DataFrame"):
            ddf.timegpt.forecast(H, X_df={"price": [1]}, zero_shot=True, freq="D")

    @pytest.mark.parametrize("layout", ["column", "index"])
    def test_series_that_no_partition_has_are_refused_before_anything_is_sent(self, sent, layout):
        df = history(4)
        X_df = pd.concat([future(df), *(future(df)[:H].assign(unique_id=name) for name in ("z", "x"))])
        with pytest.raises(errors.CovariateError) as refused:
            df.timegpt.forecast(H, X_df=X_df, zero_shot=True, freq="D")
        ddf = dd.from_pandas(df.set_index("unique_id") if layout == "index" else df, npartitions=3)
        planned = ddf.timegpt.forecast(H, X_df=X_df, zero_shot=True, freq="D")
        with pytest.raises(errors.CovariateError) as refused_by_dask:
            planned.compute(scheduler="sync")
        assert "series that are not in the frame: 'x', 'z'" in str(refused.value)
        assert str(refused_by_dask.value).partition(" Leave ")[0] == str(refused.value).partition(" Leave ")[0]
        assert sent == []

    def test_the_graph_does_not_have_the_key(self, sent):
        df = history(4)
        ddf = dd.from_pandas(df, npartitions=3)
        planned = ddf.timegpt.forecast(H, X_df=future(df), date_features=[week_of_month], zero_shot=True, freq="D")
        graph = planned.optimize().__dask_graph__()
        for pickled in (pickle.dumps(planned), cloudpickle.dumps(dict(graph))):
            assert KEY.encode() not in pickled
        assert KEY not in repr(dict(graph))
        assert sent == []

    def test_the_future_is_one_task(self, sent):
        df = history(4)
        X_df = future(df).assign(kind="marked")
        planned = dd.from_pandas(df, npartitions=3).timegpt.forecast(H, X_df=X_df, zero_shot=True, freq="D")
        graph = planned.optimize().__dask_graph__()
        assert len([task for task in graph.values() if "marked" in repr(task)]) == 1


class TestTheClient:
    """The same without a frame."""

    def test_rows_are_sent_as_they_are_given(self, sent, connected):
        y, sizes = np.arange(10.0), [6, 4]
        X, X_future = [np.arange(10), ["a", None] * 5, [True] * 10], [[1, 2, 3, 4]]
        result = connected.forecast(
            y, sizes, "D", 2, X=X, X_future=X_future, categorical_exog=[1], feature_contributions=True
        )
        series = sent[0][1]["series"]
        assert series["X"] == [[*range(10)], ["a", None] * 5, [1] * 10]
        assert (series["X_future"], series["categorical_exog"]) == ([[1, 2, 3, 4]], [1])
        assert result.feature_contributions.shape == (4, 4)
        assert result.weights_x.tolist() == [1, 1, 1]
        connected.cross_validation(y, sizes, "D", 2, X=X[:1], hist_exog=[0])
        connected.detect_anomalies(y, sizes, "D", X=X[:1], hist_exog=[0])
        assert [body["hist_exog"] for _, body in sent[1:]] == [[0], [0]]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"X": [[1, 2]]}, "X[0] must have 4 values; got an array of shape (2,)"),
            ({"X": [["a"] * 4]}, "X[0] must be numbers, or be named in categorical_exog"),
            ({"X": [[1, 2, 3, np.inf]]}, "X[0] must be finite"),
            ({"X": [[1] * 4], "X_future": [[1], [1]]}, "X has 1, X_future 2"),
            ({"X": [[1] * 4], "X_future": [[1, 2, 3]]}, "X_future[0] must have 2 values"),
            ({"X": [[1] * 4], "categorical_exog": [1]}, "categorical_exog must be positions of rows of X, which has 1"),
            ({"X": [[{}] * 4], "categorical_exog": [0]}, "X[0] must have text or numbers, or None; got a dict"),
        ],
    )
    def test_rows_that_cannot_be_sent_are_refused(self, sent, connected, arguments, said):
        with pytest.raises(errors.InvalidArgumentError, match=re.escape(said)):
            connected.forecast(np.arange(4.0), [4], "D", 2, **arguments)
        assert sent == []


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(float), st.integers(-(2**53), 2**53).map(float)
)
DTYPES = {
    "float64": numbers,
    "float32": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "Float64": st.none() | numbers,
    "int64": st.integers(-(2**62), 2**62),
    "Int32": st.none() | st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "boolean": st.none() | st.booleans(),
    "double[pyarrow]": st.none() | numbers,
    "decimal": st.decimals(-1000, 1000, places=2),
    "string": st.none() | st.text("abé", max_size=2),
    "category": st.none() | st.sampled_from(["x", "y", "z"]),
    "str": st.text("ab中", max_size=2),
}


@st.composite
def frames_with_covariates(draw):
    """A frame of series of several lengths, its future, and its covariates: names of the known and the historic."""
    freq = draw(st.sampled_from(["D", "h", "W-WED", "MS", "B", "QE", "15min"]))
    h = draw(st.integers(1, 4))
    zone = draw(st.sampled_from([None, "Europe/Berlin", "UTC"])) if freq in {"D", "h"} else None
    dtypes = draw(st.lists(st.sampled_from(sorted(DTYPES)), min_size=1, max_size=4))
    known = [f"x{place}" for place in range(draw(st.integers(0, len(dtypes))))]
    past, ahead = [], []
    for name in draw(st.lists(st.text("ab01é", min_size=1, max_size=3), min_size=1, max_size=4, unique=True)):
        size = draw(st.integers(3, 8))
        start = pd.Timestamp("2024-03-20") + pd.Timedelta(days=draw(st.integers(0, 20)))
        stamps = pd.date_range(start, periods=size + h, freq=freq, tz=zone)
        frame = pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.arange(size + h, dtype=float)})
        past.append(frame.iloc[:size])
        ahead.append(frame.iloc[size:].drop(columns="y"))
    df, X_df = pd.concat(past, ignore_index=True), pd.concat(ahead, ignore_index=True)
    historic = [f"x{place}" for place in range(len(known), len(dtypes))]
    for place, dtype in enumerate(dtypes):
        for frame in (df, X_df) if f"x{place}" in known else (df,):
            values = draw(st.lists(DTYPES[dtype], min_size=len(frame), max_size=len(frame)))
            values[0] = draw(
                DTYPES[dtype].filter(lambda value: value is not None)
            )  # a column without values is refused
            frame[f"x{place}"] = pd.Series(values, dtype=object if dtype == "decimal" else dtype)
    if draw(st.booleans()):
        df, X_df = shuffled(df, draw(st.integers(0, 9))), shuffled(X_df, draw(st.integers(0, 9)))
    return df, X_df, known, historic, h, freq


@settings(max_examples=60, deadline=None)
@given(frames_with_covariates())
def test_any_frame_is_sent_as_a_slow_loop_builds_it(drawn):
    df, X_df, known, historic, h, freq = drawn
    bodies = SERVERS[0].bodies
    bodies.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.UnseenCategoryWarning)
        arguments = {"hist_exog_list": historic or None, "freq": freq, "allow_missing": True, "zero_shot": True}
        df.timegpt.forecast(h, X_df=X_df if known else None, **arguments)
    wanted = row_by_row(df, X_df if known else None, known, historic)
    assert covariates_of(bodies[-1][1]) == wanted


SERVERS = []


@pytest.fixture(scope="module", autouse=True)
def remembered(service):
    SERVERS.append(service)
    yield
    SERVERS.clear()
