"""Records that were edited, cut, or written by others: right, or one sentence; nothing in them is used unchecked."""

import datetime as dt
import json
import pickle
import warnings
from dataclasses import asdict, fields

import numpy as np
import pandas as pd
import pytest

from nixtla_accessor import TimeGPTAccessor, connect, errors
from nixtla_accessor.record import KEY, VERSION, Record

FIELDS = [field.name for field in fields(Record)]
NEEDED = ["finetuned_model_id", "model", "origin", "created_at"]
WRONG = {
    "a list": [1],
    "a dict": {"a": 1},
    "a float": 1.5,
    "NaN": float("nan"),
    "true": True,
    "bytes": b"mine",
    "a huge number": 10**400,
    "a negative number": -(10**30),
    "a huge text": "D" * 1_000_000,
    "empty text": "",
    "lines and escapes": "a\r\nb\x1b[31m\u202e\x00",
    "a path": "../../validate_api_key?x=",
    "a surrogate": "\ud800",
    "an array": np.arange(3),
    "a frame": pd.DataFrame({"a": [1]}),
    "missing": pd.NA,
    "forty letters and a mark": "W" * 40 + "!",
    "none": None,
}


def panel(n=40, freq="D"):
    stamps = pd.date_range("2024-01-01", periods=n, freq=freq)
    y = 10 + np.sin(np.arange(n) * 0.9)
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": stamps, "y": y}) for name in "ab"], ignore_index=True)


@pytest.fixture(scope="module")
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


@pytest.fixture(scope="module")
def tuned(local):
    return panel().timegpt.finetune(finetune_steps=1)


@pytest.fixture
def requests_sent(monkeypatch):
    """List the paths of all requests."""
    from nixtla_accessor.api.transport import Transport

    sent, exchange = [], Transport.exchange

    def spy(self, method, path, **options):
        sent.append(path)
        return exchange(self, method, path, **options)

    monkeypatch.setattr(Transport, "exchange", spy)
    return sent


def ask_everything(frame):
    """Ask everything that reads the record; return each answer, or the error, which is one of this package's."""
    questions = {
        "repr": lambda: repr(frame.timegpt),
        "model_id": lambda: frame.timegpt.model_id,
        "record": lambda: dict(frame.timegpt.record),
        "pack": lambda: frame.timegpt.pack(),
        "audit": lambda: frame.timegpt.audit(),
        "fill_gaps": lambda: frame.timegpt.fill_gaps(),
        "forecast": lambda: frame.timegpt.forecast(2),
        "cross_validation": lambda: frame.timegpt.cross_validation(2),
        "detect_anomalies": lambda: frame.timegpt.detect_anomalies(),
        "zero_shot": lambda: frame.timegpt.forecast(2, zero_shot=True),
        "use_model": lambda: panel().timegpt.use_model(frame),
    }
    answers = {}
    for name, ask in questions.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", errors.TimeGPTWarning)
                answers[name] = ask()
        except errors.TimeGPTError as error:
            said = str(error)
            assert said.isprintable(), said
            assert len(said) < 1_000
            answers[name] = error
    return answers


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_a_wrong_kind(tuned, requests_sent, name, wrong):
    frame = tuned.copy()
    frame.attrs = {KEY: {**tuned.attrs[KEY], name: WRONG[wrong]}}
    answers = ask_everything(frame)
    assert not isinstance(answers["repr"], Exception)
    assert not isinstance(answers["zero_shot"], Exception)
    sent = [path for path in requests_sent if path != "/model_params"]  # asked once for each model and frequency
    if answers["model_id"] is None:
        assert isinstance(answers["forecast"], errors.NoModelError)
        assert f"'{name}' of the record must be" in str(answers["forecast"])
        assert sent == ["/v2/forecast"]  # the one that asks the base model
    elif not isinstance(answers["forecast"], Exception):
        assert answers["model_id"] == tuned.timegpt.model_id
        pd.testing.assert_frame_equal(answers["forecast"], tuned.timegpt.forecast(2))
    known = {tuned.timegpt.model_id}
    for path in sent:
        assert path.startswith("/v2/"), path
        assert path.rsplit("/", 1)[-1] in {"forecast", "cross_validation", "anomaly_detection", *known}, path


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_missing(tuned, name):
    frame = tuned.copy()
    frame.attrs = {KEY: {key: value for key, value in tuned.attrs[KEY].items() if key != name}}
    answers = ask_everything(frame)
    if name in NEEDED:
        assert isinstance(answers["forecast"], errors.NoModelError)
        assert f"'{name}' of the record must be" in str(answers["forecast"])
        assert "got no such field" in str(answers["forecast"])
        assert isinstance(answers["use_model"], errors.InvalidArgumentError)
        assert f"'{name}' of the record must be" in str(answers["use_model"])
    else:
        pd.testing.assert_frame_equal(answers["forecast"], tuned.timegpt.forecast(2))


@pytest.mark.parametrize("stored", [3, "mine", [1], np.arange(3), pd.NA, b"", True], ids=repr)
def test_what_is_no_dict(tuned, stored):
    frame = tuned.copy()
    frame.attrs = {KEY: stored}
    answers = ask_everything(frame)
    assert answers["model_id"] is None
    assert "The record must be a dict; got " in str(answers["forecast"])


class TestOfALaterVersion:
    def test_it_is_read_if_what_is_known_can_be_used(self, tuned):
        frame = tuned.copy()
        frame.attrs = {KEY: {**tuned.attrs[KEY], "version": VERSION + 1, "colour": ["blue"], 7: object()}}
        assert frame.timegpt.model_id == tuned.timegpt.model_id
        assert set(frame.timegpt.record) == set(FIELDS)
        pd.testing.assert_frame_equal(frame.timegpt.forecast(2), tuned.timegpt.forecast(2))

    def test_otherwise_the_message_says_so(self, tuned):
        frame = tuned.copy()
        frame.attrs = {KEY: {**tuned.attrs[KEY], "version": 9, "freq": {"every": "day"}}}
        with pytest.raises(errors.NoModelError, match=r"'freq' of the record must be .* It is of version 9, and this"):
            frame.timegpt.forecast(2)


NAMES_BEYOND_JSON = [
    ("sales", dt.date(2024, 1, 1)),
    pd.Timestamp("2024-01-01"),
    dt.date(2024, 1, 1),
    b"sales",
    frozenset({"sales"}),
    "s" * 1_001,
]


@pytest.mark.parametrize("name", NAMES_BEYOND_JSON, ids=lambda name: type(name).__name__)
@pytest.mark.parametrize("role", ["id_col", "time_col", "target_col"])
def test_columns_that_no_record_can_name_are_refused_before_anything_is_sent(local, tuned, requests_sent, role, name):
    frame = panel()
    frame.columns = pd.Index(
        [name if f"{one}_col" == role else column for one, column in zip(("id", "time", "target"), frame, strict=True)],
        dtype=object,
        tupleize_cols=False,
    )
    model_id = tuned.timegpt.model_id
    expected = r"must be text of at most 1,000 characters, numbers, or tuples of these"
    for ask in (
        lambda: frame.timegpt.finetune(finetune_steps=1, **{role: name}),
        lambda: frame.timegpt.use_model(model_id, **{role: name}),
        lambda: frame.timegpt.compare(5, keep=True, **{role: name}),
    ):
        with pytest.raises(errors.InvalidArgumentError, match=expected):
            ask()
    assert not requests_sent
    assert frame.attrs == {}
    with pytest.raises(errors.InvalidArgumentError, match=expected):
        frame.timegpt.forecast(2, finetuned_model_id=model_id, **{role: name})
    assert len(frame.timegpt.forecast(2, zero_shot=True, **{role: name})) == 4


@pytest.mark.parametrize(
    "names",
    [(0, 1, 2), (1.5, -3, True), ("", "a'\"b", "s" * 1_000), (("keys", "id"), ("keys", 1), ("net", 2.5))],
    ids=["integers", "numbers", "texts", "tuples"],
)
def test_names_that_a_record_keeps_outlive_parquet(local, tmp_path, names):
    frame = panel().set_axis(pd.Index(names, dtype=object, tupleize_cols=False), axis=1)
    frame.timegpt.finetune(finetune_steps=1, **dict(zip(("id_col", "time_col", "target_col"), names, strict=True)))
    expected = frame.timegpt.forecast(2)
    stored = frame.rename(columns=str)
    stored.to_parquet(tmp_path / "tuned.parquet")
    again = pd.read_parquet(tmp_path / "tuned.parquet").set_axis(frame.columns, axis=1)
    pd.testing.assert_frame_equal(again.timegpt.forecast(2), expected)


def test_columns_of_another_frame_give_way_to_those_that_are_there(tuned):
    frame = tuned.copy()
    frame.attrs = {KEY: {**tuned.attrs[KEY], "id_col": "shop", "time_col": "day", "target_col": ("a", 1)}}
    with pytest.warns(errors.OtherSeriesWarning, match="series identified by 'shop'; this frame's by 'unique_id'"):
        ahead = frame.timegpt.forecast(2)
    pd.testing.assert_frame_equal(ahead, tuned.timegpt.forecast(2))


@pytest.mark.parametrize("stamp", ["2024-02-09", "3000-01-01", "999999-01-01", "0001-01-01"])
@pytest.mark.parametrize("unit", ["ns", "s"])
def test_a_last_stamp_beyond_what_the_stamps_reach(tuned, stamp, unit):
    frame = tuned.astype({"ds": f"datetime64[{unit}]"})
    frame.attrs = {KEY: {**tuned.attrs[KEY], "last_stamp": stamp}}
    if stamp < "2000":
        assert len(frame.timegpt.cross_validation(2)) == 4
    else:
        with pytest.warns(errors.DataLeakageWarning):
            frame.timegpt.cross_validation(2)


def test_frames_of_two_models_have_none_when_joined(local, tuned):
    other = panel().replace({"unique_id": {"a": "c", "b": "d"}}).timegpt.finetune(finetune_steps=2)
    for joined in (pd.concat([tuned, other]), tuned.merge(other, how="outer")):
        assert joined.timegpt.model_id is None
        with pytest.raises(errors.NoModelError, match="concat, merge and some other steps of pandas drop it"):
            joined.timegpt.forecast(2)
    again = pd.concat([tuned[tuned["unique_id"] == "a"], tuned[tuned["unique_id"] == "b"]])
    if again.timegpt.model_id is not None:  # pandas keeps what all frames have
        assert again.timegpt.model_id == tuned.timegpt.model_id
    local.delete_finetuned_model(other.timegpt.model_id)


def test_the_record_is_the_same_after_json_pickle_and_parquet(tuned, tmp_path):
    tuned.to_parquet(tmp_path / "tuned.parquet")
    frames = [pickle.loads(pickle.dumps(tuned)), pd.read_parquet(tmp_path / "tuned.parquet"), tuned.copy()]
    frames[2].attrs = json.loads(json.dumps(tuned.attrs))
    for frame in frames:
        assert dict(frame.timegpt.record) == asdict(Record(**tuned.attrs[KEY]))
        assert len(frame.timegpt.forecast(2)) == 4


class Located(pd.DataFrame):
    """A subclass of DataFrame as geopandas has one: with an attribute of its own, which every result needs."""

    _metadata = ["crs"]  # noqa: RUF012 - pandas wants a list

    @property
    def _constructor(self):
        return Located


@pytest.mark.filterwarnings(
    "ignore:Passing a BlockManager to Located:DeprecationWarning"
)  # pandas 2.2, of its own call
class TestSubclassesOfDataFrame:
    @pytest.fixture
    def located(self, local):
        frame = Located(panel())
        frame.crs = "EPSG:4326"
        return frame

    def test_it_is_tuned_and_forecast_as_any_frame(self, located, tuned):
        mine = located.timegpt.finetune(finetune_steps=1)
        assert type(mine) is Located
        assert mine.crs == "EPSG:4326"
        ahead = mine.timegpt.forecast(2, level=[80])
        pd.testing.assert_frame_equal(
            pd.DataFrame(ahead), tuned.timegpt.forecast(2, level=[80]), check_frame_type=False
        )
        assert len(mine.timegpt.detect_anomalies()) > 0
        assert mine.timegpt.audit().empty

    def test_the_record_survives_its_operations(self, located):
        mine = located.timegpt.finetune(finetune_steps=1)
        for frame in (mine.copy(), mine.query("unique_id == 'a'"), mine.assign(z=1), pickle.loads(pickle.dumps(mine))):
            assert frame.timegpt.model_id == mine.timegpt.model_id


def module_like(name):
    """Return a class as a library that is not installed here would have it."""
    package, _, kind = name.rpartition(".")
    return type(kind, (), {"__module__": package})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("polars.dataframe.frame.DataFrame", r"frame\.to_pandas\(\)"),
        ("polars.lazyframe.frame.LazyFrame", r"frame\.collect\(\)\.to_pandas\(\)"),
        ("pyspark.sql.dataframe.DataFrame", r"frame\.toPandas\(\)"),
        ("pyspark.sql.classic.dataframe.DataFrame", r"frame\.toPandas\(\)"),
        ("pyspark.sql.connect.dataframe.DataFrame", r"frame\.toPandas\(\)"),
        ("pyspark.pandas.frame.DataFrame", r"frame\.to_pandas\(\)"),
        ("pyarrow.lib.Table", r"frame\.to_pandas\(\)"),
        ("duckdb.duckdb.DuckDBPyRelation", r"frame\.df\(\)"),
        ("modin.pandas.dataframe.DataFrame", r"frame\.modin\.to_pandas\(\)"),
        ("cudf.core.dataframe.DataFrame", r"frame\.to_pandas\(\)"),
        ("dask.dataframe.dask_expr._collection.DataFrame", r"Import nixtla_accessor\.dask, which"),
    ],
)
def test_frames_of_other_libraries_are_told_what_to_call(name, advice):
    with pytest.raises(errors.InvalidArgumentError, match=advice):
        TimeGPTAccessor(module_like(name)())


@pytest.mark.parametrize(
    "given", [None, 3, "frame", [1], {"ds": [1]}, np.arange(3), panel()["y"], pd.DataFrame], ids=repr
)
def test_what_is_no_frame_is_refused(given):
    with pytest.raises(errors.InvalidArgumentError, match=r"TimeGPTAccessor takes a pandas DataFrame; got "):
        TimeGPTAccessor(given)
