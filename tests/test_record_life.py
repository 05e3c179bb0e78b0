"""A model that was paid for stays usable: through custom offsets, lost records, resampled and cut frames."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nixtla_accessor import connect, errors

MONDAY_TO_SATURDAY = pd.offsets.CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri Sat")
CUSTOM_MONTH_ENDS = pd.offsets.CBMonthEnd(holidays=["2016-04-29"])
QUARTERS_OF_53_WEEKS = pd.offsets.FY5253Quarter(weekday=5, startingMonth=1, qtr_with_extra_week=4, variation="nearest")


@pytest.fixture(autouse=True)
def local():
    with connect(base_url="local", progress=False) as client:
        yield client


def panel(stamps, names=("a",)):
    y = 10 + np.sin(np.arange(len(stamps)) * 0.9)
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": stamps, "y": y}) for name in names], ignore_index=True)


@pytest.mark.parametrize("offset", [MONDAY_TO_SATURDAY, CUSTOM_MONTH_ENDS, QUARTERS_OF_53_WEEKS], ids=repr)
class TestOffsetsWhoseNameDoesNotTellTheirDays:
    @pytest.fixture
    def stamps(self, offset):
        return pd.date_range("2015-01-05", periods=54, freq=offset)

    @pytest.fixture
    def tuned(self, stamps, offset):
        return panel(stamps[:50]).timegpt.finetune(freq=offset, finetune_steps=1)

    def test_the_call_says_that_the_offset_is_needed(self, tuned):
        with pytest.raises(errors.InvalidArgumentError, match=r"custom offset\. Give .* again: freq=offset"):
            tuned.timegpt.forecast(3)

    def test_with_the_offset_every_question_is_answered(self, tuned, stamps, offset):
        assert list(tuned.timegpt.forecast(3, freq=offset)["ds"]) == list(stamps[50:53])
        with pytest.warns(errors.DataLeakageWarning):
            windows = tuned.timegpt.cross_validation(3, freq=offset)
        assert list(windows["ds"]) == list(stamps[47:50])
        assert tuned.timegpt.detect_anomalies(freq=offset)["ds"].isin(stamps).all()

    def test_it_comes_back_from_storage_and_by_its_id(self, tuned, stamps, offset, tmp_path):
        tuned.to_parquet(tmp_path / "tuned.parquet")
        again = [
            pd.read_parquet(tmp_path / "tuned.parquet"),
            pickle.loads(pickle.dumps(tuned)),
            panel(stamps[:50]).timegpt.use_model(tuned.timegpt.model_id),
            panel(stamps[:50]).timegpt.use_model(tuned.timegpt.model_id, freq=offset),
        ]
        for frame in again:
            assert list(frame.timegpt.forecast(2, freq=offset)["ds"]) == list(stamps[50:52])

    def test_another_frequency_is_refused(self, tuned):
        days = panel(pd.date_range("2024-01-01", periods=40))
        days.attrs = tuned.attrs
        with pytest.raises(errors.NoModelError, match=r"was tuned at .* at 'D'"):
            days.timegpt.forecast(3, freq="D")


class TestAGroupOfATunedFrame:
    @pytest.fixture
    def tuned(self):
        return panel(pd.date_range("2024-01-01", periods=40), "ab").timegpt.finetune(finetune_steps=1)

    def test_without_its_id_it_is_one_series(self, tuned):
        with_id = tuned.query("unique_id == 'a'").timegpt.forecast(2)
        one = tuned.query("unique_id == 'a'").drop(columns="unique_id")
        pd.testing.assert_frame_equal(one.timegpt.forecast(2), with_id.drop(columns="unique_id"))

    def test_groupby_apply(self, tuned):
        ahead = tuned.groupby("unique_id")[["ds", "y"]].apply(lambda group: group.timegpt.forecast(2))
        assert ahead.index.get_level_values(0).tolist() == ["a", "a", "b", "b"]

    def test_several_series_without_their_id_are_refused(self, tuned):
        with pytest.raises(errors.DuplicateTimestampError, match="id_col="):
            tuned.drop(columns="unique_id").timegpt.forecast(2)


class TestOtherSeries:
    @pytest.fixture
    def tuned(self):
        frame = panel(pd.date_range("2024-01-01", periods=40), "ab")
        return frame.assign(region="north").timegpt.finetune(finetune_steps=1)

    def test_sums_over_another_column_are_not_forecast_in_silence(self, tuned):
        sums = tuned.groupby(["region", "ds"])["y"].sum().reset_index()
        sums.attrs = tuned.attrs
        with pytest.warns(errors.OtherSeriesWarning, match="tuned on series identified by 'unique_id'; this frame's"):
            sums.timegpt.forecast(2, id_col="region")
        with pytest.warns(errors.OtherSeriesWarning, match="read as one series; it has 'region'"):
            sums.timegpt.forecast(2)

    def test_the_warning_points_at_the_caller(self, tuned):
        sums = tuned.drop(columns="unique_id").head(40)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sums.timegpt.forecast(2)
        assert [warning.filename for warning in caught] == [__file__]


class TestResampledFrames:
    @pytest.fixture
    def tuned(self):
        return panel(pd.date_range("2024-01-01", periods=280)).timegpt.finetune(finetune_steps=1)

    @pytest.fixture
    def weeks(self, tuned):
        sums = tuned.groupby(["unique_id", pd.Grouper(key="ds", freq="W")])["y"].sum().reset_index()
        sums.attrs = tuned.attrs
        return sums

    def test_what_needs_no_tuned_model_infers_its_own_frequency(self, weeks, capsys):
        expected = pd.date_range(weeks["ds"].iloc[-1], periods=3, freq="W")[1:]
        assert list(weeks.timegpt.forecast(2, zero_shot=True)["ds"]) == list(expected)
        assert len(weeks.timegpt.cross_validation(2, model="timegpt-1")) == 2
        assert len(weeks.timegpt.detect_anomalies(zero_shot=True)) > 0
        assert len(weeks.timegpt.compare(2, finetune_steps=1)) == 3

    def test_the_tuned_model_is_refused_and_the_record_named(self, tuned, weeks):
        with pytest.raises(errors.FrequencyError) as caught:
            weeks.timegpt.forecast(2)
        said = str(caught.value)
        assert f"comes from the frame's record: the model {tuned.timegpt.model_id!r} was tuned at it" in said
        assert "zero_shot=True" in said

    @pytest.mark.parametrize("freq", ["W", "h", "2D"])
    def test_a_freq_that_the_stamps_contradict_is_told_as_such(self, freq):
        days = panel(pd.date_range("2024-01-01", periods=40)).timegpt.finetune(finetune_steps=1)
        for ask in (days.timegpt.forecast, days.timegpt.cross_validation):
            with pytest.raises(errors.FrequencyError, match=r"contradict the frequency .* is 'D'"):
                ask(3, freq=freq)
        assert len(days.timegpt.forecast(3)) == 3


INTEGER_TIMES = {
    "int64": lambda numbers: numbers,
    "Int64": lambda numbers: numbers.astype("Int64"),
    "uint8": lambda numbers: numbers.astype("uint8"),
    "category": lambda numbers: numbers.astype("category"),
    "object": lambda numbers: numbers.astype("object"),
    "Arrow": lambda numbers: numbers.astype("int64[pyarrow]"),
    "Arrow dictionary": lambda numbers: pd.Series(
        pd.array(pa.array(numbers).dictionary_encode(), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.int64())))
    ),
}


@pytest.mark.parametrize("storage", INTEGER_TIMES)
@pytest.mark.parametrize("in_index", [False, True])
def test_a_model_of_the_service_attached_to_integer_time_leaves_the_step_open(storage, in_index):
    stamps = pd.date_range("2024-01-01", periods=60, freq="MS")
    dated = panel(stamps).timegpt.finetune(finetune_steps=1)
    counted = panel(stamps).assign(ds=INTEGER_TIMES[storage](pd.Series(range(3, 183, 3))))
    counted = counted.set_index("ds") if in_index else counted
    attached = counted.timegpt.use_model(dated.timegpt.model_id)
    assert attached.timegpt.record["freq"] is None
    ahead = attached.timegpt.forecast(2)
    assert ahead["ds"].tolist() == [183, 186]


class TestZeroShot:
    def test_it_is_the_base_model_whatever_is_attached(self):
        frame = panel(pd.date_range("2024-01-01", periods=60), "ab")
        expected = frame.timegpt.forecast(4, model="timegpt-1", level=[80])
        pd.testing.assert_frame_equal(frame.timegpt.forecast(4, zero_shot=True, level=[80]), expected)
        tuned = frame.timegpt.finetune(finetune_steps=30, finetune_depth=5)
        pd.testing.assert_frame_equal(tuned.timegpt.forecast(4, zero_shot=True, level=[80]), expected)

    def test_it_excludes_a_fine_tuned_model(self):
        frame = panel(pd.date_range("2024-01-01", periods=60))
        with pytest.raises(errors.InvalidArgumentError, match="Give one of the two"):
            frame.timegpt.forecast(4, zero_shot=True, finetuned_model_id="mine")

    @pytest.mark.parametrize("wrong", [1, "yes", None])
    def test_it_is_true_or_false(self, wrong):
        with pytest.raises(errors.InvalidArgumentError, match="zero_shot must be True or False"):
            panel(pd.date_range("2024-01-01", periods=60)).timegpt.forecast(4, zero_shot=wrong)


class TestTheWeeklyJob:
    @pytest.fixture
    def history(self):
        frame = panel(pd.date_range("2024-01-01", periods=60), "ab")
        frame = frame.rename(columns={"unique_id": "shop", "ds": "day", "y": "sold"})
        return frame.timegpt.finetune(finetune_steps=1, id_col="shop", time_col="day", target_col="sold")

    @pytest.fixture
    def grown(self, history):
        stamps = pd.date_range("2024-03-01", periods=7)
        new_rows = [pd.DataFrame({"shop": shop, "day": stamps, "sold": 10.0}) for shop in "ab"]
        grown = pd.concat([history, *new_rows], ignore_index=True)
        assert grown.attrs == {}
        return grown

    def test_the_previous_frame_puts_the_model_back_with_its_columns(self, history, grown):
        assert grown.timegpt.use_model(history) is grown
        assert dict(grown.timegpt.record) == dict(history.timegpt.record)
        assert grown.timegpt.forecast(2)["day"].tolist() == [*pd.date_range("2024-03-08", periods=2)] * 2

    def test_so_does_its_record(self, history, grown, local):
        for record in (history.timegpt.record, history.attrs["timegpt"], dict(history.timegpt.record)):
            assert dict(grown.timegpt.use_model(record).timegpt.record) == dict(history.timegpt.record)

    def test_other_columns_may_be_named(self, history, grown):
        renamed = grown.rename(columns={"sold": "revenue"})
        renamed.timegpt.use_model(history, target_col="revenue")
        assert renamed.timegpt.record["target_col"] == "revenue"

    def test_the_error_names_the_previous_frame_and_the_last_model(self, history, grown):
        with pytest.raises(errors.NoModelError) as caught:
            grown.timegpt.forecast(2)
        assert "df.timegpt.use_model(previous_frame)" in str(caught.value)
        assert f"df.timegpt.use_model({history.timegpt.model_id!r})" in str(caught.value)

    @pytest.mark.parametrize("given", [pd.DataFrame({"y": [1.0]}), {}, {"finetuned_model_id": 3}, 7, None])
    def test_what_has_no_record_is_refused(self, grown, given):
        with pytest.raises(errors.InvalidArgumentError, match="use_model takes the id of a fine-tuned model, a record"):
            grown.timegpt.use_model(given)
        assert grown.attrs == {}


class TestLeakage:
    @pytest.mark.parametrize(
        "stamps",
        [
            pd.date_range("2024-01-01", periods=60),
            pd.date_range("2024-03-01", periods=60, freq="h", tz="Europe/Berlin"),
            pd.period_range("2019-01", periods=60, freq="M"),
            pd.RangeIndex(60),
            pd.date_range("2024-01-01", periods=60).astype(str),
        ],
        ids=["days", "hours with a zone", "periods", "integers", "text"],
    )
    def test_windows_that_the_model_has_seen(self, stamps):
        whole = panel(stamps, "ab")
        known = whole[whole.index % 60 < 50].timegpt.finetune(finetune_steps=1)
        fresh = whole.copy().timegpt.use_model(known)
        assert len(fresh.timegpt.cross_validation(5, n_windows=2)) == 20  # the last ten steps are new
        with pytest.warns(errors.DataLeakageWarning, match=f"tuned on rows up to {known.timegpt.record['last_stamp']}"):
            fresh.timegpt.cross_validation(5, n_windows=2, step_size=6)
        whole.timegpt.cross_validation(5, zero_shot=True)
