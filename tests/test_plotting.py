"""Plots have the right subplots, lines, intervals and dates."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor import errors
from nixtla_accessor.datasets import load_unemployment

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    from matplotlib import pyplot as plt

    yield
    plt.close("all")


def frame(n_series=2, length=30):
    stamps = pd.date_range("2024-01-01", periods=length)
    parts = [pd.DataFrame({"unique_id": f"s{i}", "ds": stamps, "y": np.arange(length) + i}) for i in range(n_series)]
    return pd.concat(parts, ignore_index=True)


def forecasts(n_series=2, h=5):
    stamps = pd.date_range("2024-01-31", periods=h)
    values = {"TimeGPT": np.arange(h) + 1.0, "TimeGPT-lo-80": np.arange(h) + 0.0, "TimeGPT-hi-80": np.arange(h) + 2.0}
    parts = [pd.DataFrame({"unique_id": f"s{i}", "ds": stamps, **values}) for i in range(n_series)]
    return pd.concat(parts, ignore_index=True)


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def drawn(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def test_a_subplot_for_each_series_with_its_values():
    axes = frame().sample(frac=1, random_state=0).timegpt.plot()
    assert [subplot.get_title(loc="left") for subplot in axes] == ["s0", "s1"]
    for i, subplot in enumerate(axes):
        np.testing.assert_array_equal(drawn(subplot, "history").get_ydata(), np.arange(30) + i)


def test_forecast_and_intervals():
    axes = frame().timegpt.plot(forecasts())
    for subplot in axes:
        assert labels(subplot) == ["history", "80% interval", "forecast"]
        np.testing.assert_array_equal(drawn(subplot, "forecast").get_ydata(), np.arange(5) + 1)
        (interval,) = subplot.collections
        corners = interval.get_paths()[0].vertices[:, 1]
        assert (corners.min(), corners.max()) == (0, 6)


def test_a_frame_of_forecasts_plots_on_its_own():
    axes = forecasts().timegpt.plot()
    assert labels(axes[0]) == ["80% interval", "forecast"]


def test_a_forecast_with_a_record_plots_on_its_own():
    with nixtla_accessor.connect(base_url="local", progress=False):
        tuned = frame().rename(columns={"y": "sales"}).timegpt.finetune(target_col="sales", finetune_steps=1)
        axes = tuned.timegpt.forecast(h=5, level=[80]).timegpt.plot()
    assert labels(axes[0]) == ["80% interval", "forecast"]


def test_anomalies_are_marked():
    odd = frame().assign(TimeGPT=1.0, anomaly=lambda df: df["y"] == 7)
    axes = odd.timegpt.plot()
    (points,) = axes[0].collections
    assert points.get_offsets()[:, 1].tolist() == [7]


def test_windows_of_a_cross_validation_are_separate_lines():
    windows = forecasts().assign(cutoff=pd.Timestamp("2024-01-30"), y=1.0)
    later = windows.assign(ds=windows["ds"] + pd.Timedelta(days=5), cutoff=pd.Timestamp("2024-02-04"))
    axes = pd.concat([windows, later]).timegpt.plot()
    assert [label for label in labels(axes[0]) if label == "forecast"] == ["forecast"] * 2


def test_one_series_is_one_axes_and_may_be_given():
    from matplotlib.figure import Figure

    given = Figure().subplots()
    assert frame().timegpt.plot(ids="s1", ax=given) is given
    assert given.get_title(loc="left") == "s1"


def test_the_figure_says_how_many_series_are_not_drawn():
    axes = load_unemployment().timegpt.plot(max_series=4)
    assert len(axes) == 4
    assert len(axes[0].figure.axes) == 4
    assert "4 of 14" in axes[0].figure.get_suptitle()


def test_ids_that_are_not_in_the_frame():
    with pytest.raises(errors.InvalidArgumentError, match="'nope'"):
        frame().timegpt.plot(ids=["s0", "nope"])


def test_a_mistyped_series_is_answered_with_the_nearest():
    with pytest.raises(errors.InvalidArgumentError, match="The nearest to 'Contruction' is 'Construction'"):
        load_unemployment().timegpt.plot(ids=["Contruction"])


@pytest.mark.parametrize(
    "times",
    [
        lambda stamps: stamps.dt.tz_localize("Europe/Berlin"),
        lambda stamps: stamps.dt.to_period("D"),
        lambda stamps: stamps.dt.strftime("%Y-%m-%d"),
        lambda stamps: stamps.dt.date,
        lambda stamps: stamps.astype("timestamp[ns][pyarrow]"),
        lambda stamps: (stamps - stamps.min()).dt.days,
    ],
    ids=["zone", "period", "text", "date", "arrow", "integer"],
)
def test_any_time(times):
    df = frame()
    df["ds"] = times(df["ds"])
    axes = df.timegpt.plot()
    axes[0].figure.canvas.draw()
    np.testing.assert_array_equal(drawn(axes[1], "history").get_ydata(), np.arange(30) + 1)


def test_without_ids_and_with_time_in_the_index():
    df = frame(1).drop(columns="unique_id").set_index("ds")
    axes = df.timegpt.plot()
    assert axes.get_title(loc="left") == ""


def test_actual_values_during_the_forecast_are_a_line_of_their_own():
    known = frame(length=33)
    for i, subplot in enumerate(known.timegpt.plot(forecasts())):
        assert labels(subplot) == ["history", "actual", "80% interval", "forecast"]
        np.testing.assert_array_equal(drawn(subplot, "history").get_ydata(), np.arange(30) + i)
        np.testing.assert_array_equal(drawn(subplot, "actual").get_ydata(), np.arange(30, 33) + i)


@pytest.mark.parametrize("name", [7, 7.5, pd.Timestamp("2024-01-01"), ("a", "b"), True], ids=str)
def test_one_id_of_any_type(name):
    df = frame(1).assign(unique_id=pd.Series([name] * 30, dtype=object))
    assert df.timegpt.plot(ids=name).get_title(loc="left") == str(name)


@pytest.mark.parametrize("nothing", [{"ids": []}, {"max_series": 0}], ids=str)
def test_no_series_draws_nothing(nothing):
    from matplotlib import pyplot as plt

    assert frame().timegpt.plot(**nothing).shape == (0,)
    assert frame().head(0).timegpt.plot().shape == (0,)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("wrong", [-1, 2.5, None, True], ids=repr)
def test_max_series_is_a_number_of_series(wrong):
    with pytest.raises(errors.InvalidArgumentError, match="max_series must be a number of series"):
        frame().timegpt.plot(max_series=wrong)


def test_quantiles_are_bands_and_lines():
    ahead = forecasts().drop(columns=["TimeGPT-lo-80", "TimeGPT-hi-80"])
    for percent, shift in (("2.5", -3), ("10", -1), ("25", -0.5), ("50", 0), ("90", 1), ("97.5", 3)):
        ahead[f"TimeGPT-q-{percent}"] = ahead["TimeGPT"] + shift
    axes = frame().timegpt.plot(ahead)[0]
    bands = ["2.5% to 97.5% quantile", "10% to 90% quantile"]
    assert labels(axes) == ["history", *bands, "25% quantile", "forecast"]
    spans = [band.get_paths()[0].vertices[:, 1] for band in axes.collections]
    assert [(span.min(), span.max()) for span in spans] == [(-2, 8), (0, 6)]
    np.testing.assert_array_equal(drawn(axes, "25% quantile").get_ydata(), np.arange(5) + 0.5)


def test_paths_are_lines_of_their_own():
    paths = pd.concat([forecasts()[["unique_id", "ds", "TimeGPT"]].assign(sample_id=path) for path in range(80)])
    paths["ds"] += pd.Timedelta(days=170)  # after the history
    first, _ = frame(length=200).timegpt.plot(paths)
    assert labels(first) == ["history", "paths"]
    drawn_lines = [line for line in first.lines if len(line.get_xdata()) == 5]
    assert len(drawn_lines) == 50  # more make a cloud
    assert len(drawn(first, "history").get_xdata()) == 60  # not of as many steps as there are rows


def test_times_are_read_as_for_packing():
    df = frame()
    german = df.assign(ds=df["ds"].dt.strftime("%d.%m.%Y"))
    with pytest.raises(errors.UnsupportedDtypeError, match=r"not ISO 8601.*format='%d.%m.%Y'"):
        german.timegpt.plot()
    months = df.assign(ds=[*pd.period_range("2024-01", periods=30, freq="M")] * 2)
    stamps = drawn(months.timegpt.plot()[0], "history").get_xdata()
    np.testing.assert_array_equal(pd.DatetimeIndex(stamps).to_period("M"), months["ds"][:30])


def test_rows_without_an_id_or_a_time_are_left_out():
    df = frame()
    df.loc[[2, 33], "ds"] = pd.NaT
    df["unique_id"] = df["unique_id"].astype(object).mask(df.index == 7)
    first, second = df.timegpt.plot()
    np.testing.assert_array_equal(drawn(first, "history").get_ydata(), np.delete(np.arange(30), [2, 7]))
    np.testing.assert_array_equal(drawn(second, "history").get_ydata(), np.delete(np.arange(30), 3) + 1)


def test_several_forecasts_lie_over_each_other_by_name():
    axes = frame().timegpt.plot({"zero-shot": forecasts(), "tuned": forecasts().assign(TimeGPT=7.0)})[0]
    bands = ["zero-shot: 80% interval", "tuned: 80% interval"]
    assert sorted(labels(axes)) == sorted(["history", "zero-shot", "tuned", *bands])
    np.testing.assert_array_equal(drawn(axes, "tuned").get_ydata(), np.full(5, 7))
    assert drawn(axes, "tuned").get_color() != drawn(axes, "zero-shot").get_color()


def test_history_and_forecast_meet():
    axes = frame().timegpt.plot(forecasts())[1]
    times, values = drawn(axes, "_connection").get_data()
    np.testing.assert_array_equal(values, [30, 1])
    assert times[0] == drawn(axes, "history").get_xdata()[-1]
    assert times[1] == drawn(axes, "forecast").get_xdata()[0]


@pytest.mark.parametrize("start", ["2024-01-21", pd.Timestamp("2024-01-21"), pd.Timestamp("2024-01-21").date()])
def test_a_start_leaves_out_what_is_before(start):
    axes = frame().timegpt.plot(forecasts(), start=start)[0]
    np.testing.assert_array_equal(drawn(axes, "history").get_ydata(), np.arange(20, 30))


def test_a_start_of_times_with_a_zone_is_in_that_zone():
    df = frame()
    df["ds"] = df["ds"].dt.tz_localize("America/New_York")
    axes = df.timegpt.plot(start=pd.Timestamp("2024-01-21 05:00", tz="UTC"))[0]
    np.testing.assert_array_equal(drawn(axes, "history").get_ydata(), np.arange(20, 30))


def test_a_start_of_integer_times():
    df = frame().assign(ds=lambda df: df.groupby("unique_id").cumcount())
    np.testing.assert_array_equal(drawn(df.timegpt.plot(start=20)[0], "history").get_ydata(), np.arange(20, 30))
    with pytest.raises(errors.InvalidArgumentError, match="start must be an integer, as the times are; got '2024'"):
        df.timegpt.plot(start="2024")


@pytest.mark.parametrize("start", ["soon", 5, pd.NaT, [1]], ids=repr)
def test_a_start_that_is_no_time(start):
    with pytest.raises(errors.InvalidArgumentError, match="start must be a date or a time"):
        frame().timegpt.plot(start=start)


def test_without_ids_a_spread_of_series_is_drawn():
    df = frame(9)
    df["y"] *= df["unique_id"].str[1:].astype(int).map([5, 9, 1, 3, 8, 2, 7, 4, 6].__getitem__)
    shown = [subplot.get_title(loc="left") for subplot in df.timegpt.plot(max_series=3)]
    assert shown == ["s2", "s4", "s7"]  # of the smallest mean, the largest and the middle one
    assert len(df.timegpt.plot(max_series=1).lines) == 1


def test_cutoffs_are_shown():
    window = forecasts(1).assign(cutoff=pd.Timestamp("2024-01-30"), y=1.0)
    axes = window.timegpt.plot()
    assert "cutoff" in labels(axes)
    assert pd.Timestamp(drawn(axes, "cutoff").get_xdata()[0]) == pd.Timestamp("2024-01-30")


def test_anomalies_with_their_interval_have_a_panel_of_scores():
    odd = frame(1).assign(TimeGPT=10.0, anomaly=lambda df: df["y"] > 15)
    odd = odd.assign(**{"TimeGPT-lo-99": 5.0, "TimeGPT-hi-99": 15.0})
    axes = odd.timegpt.plot()
    score_axes = axes.figure.axes[1]
    heights = [segment[1, 1] for segment in score_axes.collections[0].get_segments()]
    np.testing.assert_allclose(heights, np.abs(np.arange(30) - 10) / 5)


@pytest.mark.parametrize(
    ("scale", "text"),
    [(1e9, "2.4 B"), (1e6, "2.4 M"), (1e3, "2,400"), (1e4, "24 k"), (1e13, "24 T"), (0.1, "0.24"), (-1e9, "-2.4 B")],
)
def test_numbers_are_written_as_people_write_them(scale, text):
    axes = frame(1).assign(y=np.linspace(0, 2.6, 30) * scale).timegpt.plot()
    assert axes.yaxis.get_major_formatter()(2.4 * scale) == text


@pytest.mark.parametrize(
    ("freq", "length", "unit"), [("YE", 4, "Y"), ("YE", 30, "Y"), ("QE", 6, "3M"), ("MS", 3, "M"), ("D", 4, "D")]
)
def test_dates_are_never_between_two_steps(freq, length, unit):
    stamps = pd.date_range("2020-01-01", periods=length, freq=freq)
    axes = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": np.arange(length)}).timegpt.plot()
    axes.figure.canvas.draw()
    from matplotlib.dates import num2date

    ticks = pd.DatetimeIndex([num2date(tick).replace(tzinfo=None) for tick in axes.get_xticks()])
    months = {"Y": 12, "3M": 3, "M": 1}.get(unit)
    if months is None:
        assert (ticks == ticks.normalize()).all()
    else:
        assert (ticks.day == 1).all()
        assert ((ticks.month - 1) % months == 0).all()


def test_the_users_style_is_respected():
    from matplotlib import pyplot as plt

    with plt.style.context("dark_background"):
        axes = frame().timegpt.plot(forecasts())[0]
        assert drawn(axes, "history").get_color() == "white"
    with plt.rc_context({"axes.prop_cycle": plt.cycler(color=["#123456"])}):
        axes = frame().timegpt.plot(forecasts())[0]
        assert drawn(axes, "forecast").get_color() == "#123456"


class TestComparisonOfErrors:
    def test_errors_by_lead_time_and_by_series_are_those_computed_by_hand(self):
        known = frame(2, 40)
        known["y"] = np.random.default_rng(1).normal(size=80)
        window = known.groupby("unique_id").tail(8).assign(TimeGPT=0.5)
        days = window.groupby("unique_id").cumcount() // 4 * 4
        window["cutoff"] = pd.Timestamp("2024-02-01") + pd.to_timedelta(days, "D")
        by_lead, by_series = known.timegpt.plot_comparison({"half": window})
        values = {name: part.to_numpy() for name, part in known.groupby("unique_id")["y"]}
        window["unit"] = window["unique_id"].map({name: np.abs(y[7:] - y[:-7]).mean() for name, y in values.items()})
        window["error"] = (window["y"] - 0.5).abs() / window["unit"]
        window["lead"] = window.groupby(["unique_id", "cutoff"]).cumcount() + 1
        np.testing.assert_allclose(drawn(by_lead, "half").get_ydata(), window.groupby("lead")["error"].mean())
        expected = window.groupby("unique_id")["error"].mean().sort_values(ascending=False)
        np.testing.assert_allclose(by_series.collections[0].get_offsets()[:, 0], expected)
        assert [tick.get_text() for tick in by_series.get_yticklabels()] == list(expected.index)

    def test_forecasts_of_what_has_happened_since(self):
        known = frame(2, 35)
        by_lead, _ = known.timegpt.plot_comparison({"a": forecasts(), "b": forecasts().assign(TimeGPT=0.0)})
        assert labels(by_lead) == ["a", "b"]
        np.testing.assert_array_equal(drawn(by_lead, "a").get_xdata(), [1, 2, 3, 4, 5])

    def test_no_forecast_and_one_of_the_future(self):
        with pytest.raises(errors.InvalidArgumentError, match="found none"):
            frame().timegpt.plot_comparison({})
        with pytest.raises(errors.InvalidArgumentError, match="'x' has no time at which the frame has a value"):
            frame().timegpt.plot_comparison({"x": forecasts()})


class TestResiduals:
    def test_errors_of_the_latest_cutoff_and_their_autocorrelation(self):
        early = frame(1).assign(TimeGPT=0.0, cutoff=pd.Timestamp("2023-12-01"))
        late = early.assign(TimeGPT=lambda df: df["y"] - np.sin(df["y"]), cutoff=pd.Timestamp("2023-12-31"))
        over_time, _, autocorrelation = pd.concat([late, early]).timegpt.plot_residuals("s0")
        errors_drawn = np.sin(np.arange(30))
        np.testing.assert_allclose(over_time.collections[0].get_offsets()[:, 1], errors_drawn)
        centred = errors_drawn - errors_drawn.mean()
        expected = np.correlate(centred, centred, "full")[30:45] / (centred**2).sum()
        heights = [segment[1, 1] for segment in autocorrelation.collections[0].get_segments()]
        np.testing.assert_allclose(heights, expected)

    def test_all_series_are_in_units_of_their_own_error(self):
        windows = frame(2).assign(TimeGPT=lambda df: df["y"] - np.where(df["unique_id"] == "s0", 1, 1000))
        over_time, *_ = windows.timegpt.plot_residuals()
        np.testing.assert_allclose(over_time.collections[0].get_offsets()[:, 1], 1)

    def test_what_it_needs(self):
        with pytest.raises(errors.InvalidArgumentError, match="needs the actual values and 'TimeGPT' in one frame"):
            frame().timegpt.plot_residuals()
        windows = frame().assign(TimeGPT=1.0)
        with pytest.raises(
            errors.InvalidArgumentError, match="series must be one of the frame, which has 's0', 's1'; got 'x'"
        ):
            windows.timegpt.plot_residuals("x")
        with pytest.raises(errors.InvalidArgumentError, match=r"series must be one of the frame.*; got \['s0', 's0'\]"):
            windows.timegpt.plot_residuals(["s0", "s0"])
        with pytest.raises(errors.InvalidArgumentError, match="no errors to draw"):
            windows.assign(TimeGPT=np.nan).timegpt.plot_residuals()


def test_a_title_fits_the_smallest_axes():
    from matplotlib.figure import Figure

    tiny = Figure(figsize=(1, 1)).add_axes((0.1, 0.1, 0.01, 0.01))
    assert frame().timegpt.plot(ids="s1", ax=tiny).get_title(loc="left") == "s1"


def explained(n_series=2, h=5, n_covariates=2):
    ahead = forecasts(n_series, h)
    for number in range(n_covariates):
        ahead[f"x{number}"] = (-1.0) ** np.arange(len(ahead)) / (number + 1)
    names = [f"x{number}" for number in range(n_covariates)]
    return ahead.assign(base_value=ahead["TimeGPT"] - ahead[names].sum(axis=1))


def bars(axes, label):
    [container] = [one for one in axes.containers if one.get_label() == label]
    return [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in container]


def test_contributions_are_stacked_away_from_zero():
    axes = explained().timegpt.plot_contributions()
    for subplot in axes:
        assert labels(subplot) == ["all covariates", "x0", "x1"]
    assert bars(axes[0], "x0")[:2] == [(0.0, 1.0), (0.0, -1.0)]
    assert bars(axes[0], "x1")[:2] == [(1.0, 1.5), (-1.0, -1.5)]
    np.testing.assert_allclose(drawn(axes[0], "all covariates").get_ydata(), [1.5, -1.5, 1.5, -1.5, 1.5])


def test_many_covariates_are_added_up():
    (axes,) = explained(1, n_covariates=9).timegpt.plot_contributions()
    assert labels(axes) == ["all covariates", *[f"x{number}" for number in range(6)], "3 others"]
    tops = [max(bottom, top) for bottom, top in bars(axes, "3 others")]
    assert tops[0] == pytest.approx(sum(1 / (number + 1) for number in range(9)))


@pytest.mark.parametrize("times", [[7], pd.to_datetime(["2024-01-31"]), list(range(3))])
def test_contributions_of_any_horizon(times):
    ahead = explained(1, len(times)).assign(ds=times)
    (axes,) = ahead.timegpt.plot_contributions()
    assert labels(axes) == ["all covariates", "x0", "x1"]


def test_without_contributions_there_is_nothing_to_draw():
    with pytest.raises(errors.InvalidArgumentError, match=r"forecast\(feature_contributions=True\)"):
        forecasts().timegpt.plot_contributions()


def test_a_legend_of_long_names_has_several_rows():
    ahead = explained(1).rename(columns={"x0": "a name that is much longer than others are", "x1": "a" * 60})
    (axes,) = ahead.timegpt.plot_contributions()
    figure = axes.figure
    figure.canvas.draw()
    [legend] = figure.legends
    assert legend.get_window_extent().width < figure.bbox.width


WRONG_FORECASTS = {
    "no forecasts": (lambda ahead: ahead.rename(columns={"TimeGPT": "AutoETS"}), "has 'AutoETS'"),
    "a list": (lambda ahead: [ahead, ahead], "by name.* got a list"),
    "a column": (lambda ahead: {"a": ahead["TimeGPT"]}, "'a' is a Series"),
    "a number": (lambda ahead: 5, "by name.* got a int"),
    "integer times": (lambda ahead: ahead.assign(ds=range(10)), "must be like those of the frame; found integers"),
}


@pytest.mark.parametrize("wrong", WRONG_FORECASTS)
def test_what_are_no_forecasts_of_the_frame(wrong):
    build, message = WRONG_FORECASTS[wrong]
    with pytest.raises(errors.InvalidArgumentError, match=message):
        frame().timegpt.plot(build(forecasts()))


def test_errors_are_of_forecasts_by_name():
    with pytest.raises(errors.InvalidArgumentError, match=r"such as forecasts=\{'tuned': frame\}; got a DataFrame"):
        frame().timegpt.plot_comparison(forecasts())


def test_dollars_in_names_are_no_formulas(tmp_path):
    names = {"s0": "$5 to $10", "s1": "$a_$"}
    history, ahead = (each.assign(unique_id=each["unique_id"].map(names)) for each in (frame(), forecasts()))
    history = history.rename(columns={"y": "$y_$"})
    axes = history.timegpt.plot({"$m_$": ahead}, target_col="$y_$")
    assert [subplot.get_title(loc="left") for subplot in axes.flat] == list(names.values())
    axes.flat[0].get_figure().savefig(tmp_path / "plot.png")


def test_dollars_in_the_names_of_compared_forecasts_are_no_formulas(tmp_path):
    names = {"s0": "$5 to $10", "s1": "$a_$"}
    ahead = forecasts().assign(unique_id=lambda rows: rows["unique_id"].map(names))
    actual = ahead[["unique_id", "ds"]].assign(y=2.0)
    history = frame().assign(unique_id=lambda rows: rows["unique_id"].map(names))
    axes = pd.concat([history, actual]).timegpt.plot_comparison({"$m_$": ahead})
    assert {text.get_text() for text in axes[1].get_yticklabels()} == set(names.values())
    axes[0].get_figure().savefig(tmp_path / "plot.png")
