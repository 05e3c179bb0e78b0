"""Covariates from the frame to the wire and back, over real HTTP: what a recording service receives and answers."""

import itertools
import json
import threading
import warnings
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def row_by_row(df, X_df=None, known=(), historic=(), h=0):
    """Build what a request has, one value after the other."""
    is_categorical = {name: not isinstance(plain(df[name].iloc[0]), float | int) for name in (*known, *historic)}
    order = sorted((*known, *historic), key=lambda name: (name in historic, is_categorical[name]))
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
        assert covariates_of(body) == row_by_row(df, future(df), ["promo", "price", "kind"], ["temp"], H)
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
        assert covariates_of(body) == row_by_row(df, None, ["kind", "price"], ["promo", "temp"])
        assert body["hist_exog"] == [2, 3]

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
        monkeypatch.setattr("nixtla_accessor.api.chunked_forecasting.MAX_VALUES", 500)
        df = history(6)
        X_df = future(df)
        arguments = {"hist_exog_list": ["temp"], "feature_contributions": True, "zero_shot": True}
        ahead = df.timegpt.forecast(H, X_df=X_df, **arguments)
        bodies = sorted((body for _, body in sent), key=lambda body: body["series"]["y"][0])
        assert len(bodies) > 2
        whole = row_by_row(df, X_df, ["promo", "price", "kind"], ["temp"], H)
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
    wanted = row_by_row(df, X_df if known else None, known, historic, h)
    assert covariates_of(bodies[-1][1]) == wanted


SERVERS = []


@pytest.fixture(scope="module", autouse=True)
def remembered(service):
    SERVERS.append(service)
    yield
    SERVERS.clear()
