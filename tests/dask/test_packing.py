"""A Dask frame packs as the frame that it computes to, for any partitions."""

import itertools
import pickle
import warnings

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nixtla_accessor import Client, errors
from nixtla_accessor.dask.pieces import pack_partition
from nixtla_accessor.panel.panel import Columns

FREQUENCIES = ["15min", "h", "4h", "D", "2D", "W-SUN", "W-WED", "B", "MS", "ME", "QS-JAN", "QE-DEC", "YS-JAN", "SMS-15"]


@st.composite
def rows(draw):
    """The rows of some series, perhaps a little spoiled; and their frequency."""
    freq = draw(st.sampled_from(FREQUENCIES))
    found = []
    for name in draw(st.lists(st.text("ab01é", min_size=1, max_size=3), min_size=1, max_size=5, unique=True)):
        start = pd.Timestamp("2020-01-01") + pd.Timedelta(days=draw(st.integers(0, 900)))
        stamps = pd.date_range(start, periods=draw(st.integers(1, 12)), freq=freq)
        found += [(name, stamp, float(len(found) + place)) for place, stamp in enumerate(stamps)]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 4]))):
        spoil(draw, found)
    return found, freq


def spoil(draw, found):
    """Spoil a row, or drop it."""
    place = draw(st.integers(0, len(found) - 1))
    name, stamp, value = found[place]
    kind = draw(st.sampled_from(["drop", "double", "move", "hour", "nan", "inf", "no time", "no id"]))
    if kind == "double":
        found.append((name, stamp, value + 1))
    elif kind == "drop":
        del found[place : place + (len(found) > 1)]
    else:
        found[place] = {
            "move": (name, stamp + pd.Timedelta(days=draw(st.integers(-40, 40))), value),
            "hour": (name, stamp + pd.Timedelta(hours=draw(st.integers(-30, 30))), value),
            "nan": (name, stamp, np.nan),
            "inf": (name, stamp, np.inf),
            "no time": (name, pd.NaT, value),
            "no id": (None, stamp, value),
        }[kind]


@st.composite
def partitioned(draw):
    """A frame in partitions: series cut anywhere, by time, or shuffled; some partitions are empty."""
    found, freq = draw(rows())
    frame = pd.DataFrame(found, columns=["unique_id", "ds", "y"]).astype({"ds": "datetime64[us]"})
    match draw(st.sampled_from(["as it is", "by time", "shuffled"])):
        case "by time":
            frame = frame.sort_values("ds", kind="stable")
        case "shuffled":
            frame = frame.iloc[draw(st.permutations(range(len(frame))))]
    borders = sorted(draw(st.lists(st.integers(0, len(frame)), max_size=6)))
    return frame, borders, freq


@settings(deadline=None, max_examples=250)
@given(case=partitioned(), tell=st.booleans(), allow_missing=st.booleans())
def test_it_packs_or_is_refused_as_the_computed_frame(cut, outcome, case, tell, allow_missing):
    rows_in_order, borders, freq = case
    frame = cut(rows_in_order, *borders)
    arguments = {"freq": freq if tell else None, "allow_missing": allow_missing}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.AmbiguousFrequencyWarning)
        assert outcome(frame, **arguments) == outcome(frame.compute(), **arguments)


class TestShapes:
    """Frames of every accepted shape, series cut at every point."""

    @pytest.fixture(params=[(), (1,), (5, 6, 7), (12, 24), (0, 13, 13, 40, 48)], ids=str)
    def borders(self, request):
        return request.param

    @pytest.fixture(autouse=True)
    def _same(self, outcome):
        def check(frame, **arguments):
            whole = outcome(frame.compute(), **arguments)
            assert outcome(frame, **arguments) == whole
            assert isinstance(whole, dict), whole

        self.check = check

    @pytest.mark.parametrize("order", ["by id", "by time", "shuffled"])
    @pytest.mark.parametrize("freq", ["D", "h", "MS", "B", "2W-MON", "10min", "QE"])
    def test_frequencies_and_orders(self, panel, cut, borders, freq, order):
        frame = panel(freq=freq)
        if order != "by id":
            frame = (
                frame.sort_values("ds", kind="stable") if order == "by time" else frame.sample(frac=1, random_state=3)
            )
        self.check(cut(frame, *borders))

    @pytest.mark.parametrize("shuffled", [False, True])
    def test_categories_that_differ_from_partition_to_partition(self, panel, frame_of, borders, shuffled):
        frame = panel().sample(frac=1, random_state=0) if shuffled else panel()
        places = [0, *borders, len(frame)]
        parts = [frame.iloc[low:high] for low, high in itertools.pairwise(places)]
        parts = [part.assign(unique_id=part["unique_id"].astype("category")) for part in parts]
        self.check(frame_of(parts))

    @pytest.mark.parametrize(
        "ids",
        [
            lambda names: names.astype("object"),
            lambda names: names.astype("category"),
            lambda names: names.astype("string[pyarrow]"),
            lambda names: names.astype(pd.ArrowDtype(pa.string())),
            lambda names: names.str[-1].astype("int16"),
            lambda names: names.str[-1].astype("float64") / 4,
            lambda names: pd.Timestamp("2020-01-01") - pd.to_timedelta(names.str[-1].astype("int64"), unit="D"),
        ],
    )
    def test_ids(self, panel, cut, borders, ids):
        frame = panel().sample(frac=1, random_state=0)
        with dask.config.set({"dataframe.convert-string": False}):
            self.check(cut(frame.assign(unique_id=ids(frame["unique_id"])), *borders))

    @pytest.mark.parametrize(
        "times",
        [
            lambda stamps: stamps.dt.tz_localize("Europe/Berlin"),
            lambda stamps: stamps.astype("datetime64[s]"),
            lambda stamps: stamps.dt.strftime("%Y-%m-%d"),
            lambda stamps: stamps.dt.to_period("D"),
            lambda stamps: stamps.dt.date,
            lambda stamps: stamps.astype(pd.ArrowDtype(pa.timestamp("ms"))),
            lambda stamps: 5 * stamps.dt.day,
        ],
    )
    def test_times(self, panel, cut, borders, times):
        frame = panel()
        with dask.config.set({"dataframe.convert-string": False}):
            self.check(cut(frame.assign(ds=times(frame["ds"])), *borders))

    def test_hours_over_a_change_of_clocks(self, cut, borders):
        stamps = pd.date_range("2024-03-31", periods=48, freq="h", tz="Europe/Berlin")
        self.check(cut(pd.DataFrame({"ds": stamps, "y": 1.0}), *borders))

    @pytest.mark.parametrize("shuffled", [False, True])
    def test_time_in_the_index(self, panel, cut, borders, shuffled):
        frame = panel().sample(frac=1, random_state=0) if shuffled else panel()
        self.check(cut(frame.set_index("ds"), *borders))
        self.check(cut(frame.set_index("ds").rename_axis(None), *borders))

    @pytest.mark.parametrize("shuffled", [False, True])
    def test_ids_in_the_index(self, panel, cut, borders, shuffled):
        frame = panel().sample(frac=1, random_state=0) if shuffled else panel()
        self.check(cut(frame.set_index("unique_id"), *borders))

    @pytest.mark.parametrize("shuffled", [False, True])
    def test_no_ids(self, panel, cut, borders, shuffled):
        frame = panel(1, 48).drop(columns="unique_id")
        self.check(cut(frame.sample(frac=1, random_state=0) if shuffled else frame, *borders))

    def test_names_and_further_columns(self, panel, cut, borders):
        names = {"unique_id": 7, "ds": ("a", "tuple"), "y": "y"}
        frame = panel().rename(columns=names).assign(further="text")[["further", "y", ("a", "tuple"), 7]]
        self.check(cut(frame, *borders), id_col=7, time_col=("a", "tuple"))

    @pytest.mark.parametrize(
        "dtype", ["int64", "float32", "Int64", "UInt8", "Float64", pd.ArrowDtype(pa.int32())], ids=str
    )
    def test_targets(self, panel, cut, borders, dtype):
        frame = panel()
        self.check(cut(frame.assign(y=(frame["y"] % 250).astype(dtype)), *borders))

    def test_integers_of_which_some_are_missing(self, panel, cut, borders):
        frame = panel()
        y = frame["y"].astype("Int64")
        y[30] = pd.NA
        self.check(cut(frame.assign(y=y), *borders), allow_missing=True)

    def test_integers_keep_every_digit(self, panel, cut, borders):
        self.check(cut(panel().assign(y=2**62 + np.arange(48)), *borders))

    def test_partitions_that_are_empty_or_of_one_row(self, panel, frame_of):
        frame = panel(2, 8)
        self.check(frame_of([frame[:0], *(frame[row : row + 1] for row in range(16)), frame[:0]]))

    @pytest.mark.parametrize("dtypes", [("datetime64[s]", "datetime64[ns]"), ("datetime64[us]", "datetime64[ms]")])
    def test_units_that_differ_from_partition_to_partition(self, panel, frame_of, dtypes):
        frame = panel()
        parts = [part.astype({"ds": dtype}) for part, dtype in zip((frame[:20], frame[20:]), dtypes, strict=True)]
        self.check(frame_of(parts))


class TestRefusals:
    """Frames are refused across partitions as in one, in the same words."""

    @pytest.fixture(params=[(), (5, 6, 30), tuple(range(1, 48))], ids=["one", "four", "single rows"])
    def borders(self, request):
        return request.param

    @pytest.fixture(autouse=True)
    def _refused(self, cut, outcome, borders):
        def check(frame, kind, *words, **arguments):
            frame = cut(frame, *(border for border in borders if border < len(frame)))
            with dask.config.set({"dataframe.convert-string": False}):
                refusal = outcome(frame, **arguments)
                assert refusal == outcome(frame.compute(), **arguments)
            assert refusal[0] is kind
            for word in words:
                assert word in refusal[1]

        self.check = check

    def test_gaps(self, panel):
        words = ("3 stamps", "in 2 of 4 series", "'series 0' at 2024-01-04")
        self.check(panel().drop(index=[3, 4, 30]), errors.MissingTimestampError, *words, freq="D")

    def test_an_hour_that_only_one_series_lacks(self, panel):
        frame = panel(3, 24 * 92, "h").query("ds > '2024-03-30'").reset_index(drop=True)
        frame = frame.drop(index=frame.index[(frame["unique_id"] == "series 1") & (frame["ds"] == "2024-03-31 02:00")])
        self.check(frame, errors.MissingTimestampError, "1 stamp missing", "Fill the gaps with", freq="h")

    def test_a_gap_where_a_series_is_cut(self, panel, cut, outcome):
        halves = cut(panel().drop(index=6), 6)
        assert outcome(halves) == outcome(halves.compute())
        assert "series 'series 0' at 2024-01-07" in outcome(halves)[1]

    def test_duplicates(self, panel):
        frame = panel()
        far_apart = pd.concat([frame, frame.iloc[[3, 20]]])
        self.check(far_apart, errors.DuplicateTimestampError, "2 rows", "in 2 of 4 series", "'series 1' at 2024-01-09")

    def test_off_grid_stamps(self, panel):
        frame = panel()
        frame.loc[[4, 40], "ds"] += pd.Timedelta("5h")
        self.check(frame, errors.OffGridTimestampError, "2 stamps", "'series 0' at 2024-01-05 05:00:00", freq="D")

    def test_missing_and_infinite_values(self, panel):
        frame = panel()
        frame.loc[[2, 3, 9, 33], "y"] = np.nan
        self.check(frame, errors.MissingValueError, "4 of 48 rows", "'series 0' at 2024-01-03", "and 1 more")
        frame.loc[44, "y"] = -np.inf
        self.check(frame, errors.NonFiniteValueError, "1 of 48 rows", "'series 3' at 2024-01-09")

    def test_missing_times_and_ids(self, panel):
        frame = panel()
        frame.loc[[7, 31], "ds"] = pd.NaT
        self.check(frame, errors.MissingValueError, "2 of 48 rows", "'series 2' in row 31")
        frame.loc[[8, 32], "unique_id"] = None
        self.check(frame, errors.MissingValueError, "2 of 48 rows", "rows 8, 32")

    def test_mixed_frequencies(self, panel):
        frame = pd.concat([panel(), panel(2, 12, "W").assign(unique_id="weekly")[:12]], ignore_index=True)
        self.check(frame, errors.FrequencyError, "mixed frequencies", "'weekly' is 'W-SUN'")

    def test_a_frequency_that_the_stamps_contradict(self, panel):
        self.check(panel(), errors.FrequencyError, "contradict", freq="h")
        self.check(panel(), errors.FrequencyError, "dates", freq=3)

    def test_no_series_is_long_enough(self, panel):
        self.check(panel(24, 2), errors.FrequencyError, "the longest has 2")

    def test_no_frequency_at_all(self, panel):
        frame = panel()
        frame["ds"] += pd.to_timedelta(np.random.default_rng(0).integers(0, 10**7, len(frame)), unit="s")
        self.check(frame, errors.FrequencyError, "have no frequency")

    def test_integers_too_large_beside_missing_ones(self, panel):
        y = pd.Series(2**60 + np.arange(48), dtype="Int64")
        y[40] = pd.NA
        self.check(panel().assign(y=y), errors.UnsupportedDtypeError, "2**53", allow_missing=True)

    def test_targets_that_are_not_numbers(self, panel):
        self.check(panel().assign(y=True), errors.UnsupportedDtypeError, "must be real numbers")

    def test_texts_that_are_no_numbers_are_named_without_the_rows_of_their_partition(
        self, panel, cut, outcome, borders
    ):
        with dask.config.set({"dataframe.convert-string": False}):
            kind, message = outcome(cut(panel().assign(y="text"), *(border for border in borders if border < 48)))
        assert kind is errors.UnsupportedDtypeError
        assert "must be real numbers" in message
        assert message.endswith("; no numbers, such as 'text'. Convert it to numbers.")

    def test_no_rows(self, panel, frame_of):
        with pytest.raises(errors.InvalidFrameError, match="empty"):
            frame_of([panel()[:0]] * 2).timegpt.pack()


def test_a_column_that_is_missing_is_refused_before_anything_is_computed(panel):
    def explode(part):
        raise AssertionError

    frame = dd.from_map(explode, [1, 2], meta=panel()[:0])
    client = Client(api_key="no-ones-key", base_url="http://127.0.0.1:9")  # where no one listens
    for call in (
        lambda: frame.timegpt.pack(target_col="why"),
        lambda: frame.timegpt.finetune(target_col="why", client=client),
        lambda: frame.timegpt.forecast(3, target_col="why", model="timegpt-1", client=client),
        lambda: frame.timegpt.cross_validation(3, target_col="why", model="timegpt-1", client=client),
        lambda: frame.timegpt.use_model("m", target_col="why", client=client),
    ):
        with pytest.raises(errors.MissingColumnError, match=r"no target column 'why'.*nearest name is 'y'"):
            call()


def test_an_ambiguous_frequency_is_warned_of_at_the_callers_line(panel, cut):
    frame = cut(panel(3, 5), 7, 9)  # Monday to Friday
    with pytest.warns(errors.AmbiguousFrequencyWarning, match="'D', and 'B'") as caught:
        assert frame.timegpt.pack().freq == "D"
    assert caught[0].filename == __file__


def test_partitions_that_only_look_like_another_frequency(panel, cut, outcome):
    frame = panel(2, 12, "B").sort_values("ds", kind="stable")
    weeks = cut(frame, 10, 20)  # each a week, Monday to Friday, which alone would be days
    assert outcome(weeks) == outcome(weeks.compute())
    assert outcome(weeks)["freq"] == ("B", "B")


def test_texts_of_different_lengths(panel, frame_of, outcome):
    frame = panel(1, 48, "h")
    days, hours = frame[:0], frame
    texts = hours["ds"].dt.strftime("%Y-%m-%dT%H")
    minutes = hours["ds"].dt.strftime("%Y-%m-%dT%H:%M")
    parts = [hours[:30].assign(ds=texts[:30]), hours[30:].assign(ds=minutes[30:]), days.assign(ds=texts[:0])]
    both = frame_of(parts)
    assert outcome(both) == outcome(both.compute())


def test_no_values_travel_where_only_the_frequency_is_wanted(panel):
    frame = panel()
    columns = Columns("unique_id", "ds", "y")
    pieces = pack_partition(frame, columns, None, allow_missing=False, with_values=False)
    assert len(pieces.y) == 0
    assert pieces.ticks is None
    assert pieces.n_rows == 48


def test_only_packed_numbers_travel(panel):
    frame = panel(10, 5000).assign(further="a text that models do not use")
    columns = Columns("unique_id", "ds", "y")
    pieces = pack_partition(frame, columns, None, allow_missing=False, with_values=True)
    assert len(pickle.dumps(pieces)) < 8 * len(frame) + 10_000
