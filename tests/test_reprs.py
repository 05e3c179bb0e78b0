"""Things show themselves: what a notebook and a terminal of 80 columns display."""

import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor.api.schema import FinetunedModel
from nixtla_accessor.comparison.table import ComparisonTable
from nixtla_accessor.datasets import load_weather
from nixtla_accessor.registry import list_models

MODELS = ["seasonal naive", "zero-shot", "fine-tuned"]


class Reader(HTMLParser):
    """Collects the text of a page, and checks that its tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return " ".join(" ".join(reader.text).split())


@pytest.fixture
def frame():
    stamps = pd.date_range("2024-01-01", periods=30)
    return pd.concat([pd.DataFrame({"unique_id": f"<b>{i}", "ds": stamps, "y": np.arange(30.0)}) for i in range(5)])


@pytest.fixture
def faulty(frame):
    faulty = frame.reset_index(drop=True).drop([5, 6]).assign(comment="x")
    return pd.concat([faulty, faulty.iloc[[40]]])


def test_the_accessor_says_what_is_attached_and_what_to_do_next(frame):
    assert "finetune() makes a model" in read(frame.timegpt._repr_html_())
    with nixtla_accessor.connect(base_url="local", progress=False):
        tuned = frame.timegpt.finetune(finetune_steps=1, output_model_id="shown")
        text = read(tuned.timegpt._repr_html_())
        nixtla_accessor.delete_finetuned_model("shown")
    for fact in ("model shown", "at local", "frequency D", "columns unique_id, ds, y", "5 series, 150 rows"):
        assert fact in text
    assert "last stamp 2024-01-30" in text
    assert "forecast(h) and cross_validation(h) use it" in text


def test_packed_series_say_what_would_be_sent(frame):
    text = read(frame.timegpt.pack()._repr_html_())
    assert "5: '<b>0', '<b>1', '<b>2' and 2 more" in text
    assert "150, 30 to 30 a series" in text
    assert "frequency D" in text


def test_the_client_shows_where_it_sends_to_and_not_the_key():
    client = nixtla_accessor.Client(api_key="very-secret", timeout=(5, 30))
    text = read(client._repr_html_())
    assert "https://api.nixtla.io" in text
    assert "connect 5 s, answer 30 s" in text
    assert "very-secret" not in client._repr_html_()


class TestAudit:
    def test_remedies_are_whole_in_eighty_columns(self, faulty):
        report = faulty.timegpt.audit()
        lines = repr(report).splitlines()
        assert lines[0] == "3 problems, 2 that finetune() refuses:"
        assert max(map(len, lines)) <= 80
        words = " ".join(repr(report).split())
        for remedy in report["remedy"]:
            assert " ".join(remedy.split()) in words
        assert str(report) == repr(report)

    def test_html_is_whole_and_escaped(self, faulty):
        report = faulty.timegpt.audit()
        text = read(report._repr_html_())
        for remedy in report["remedy"]:
            assert remedy in text
        assert "'<b>0'" in text or "<b>0" in text
        assert "<b>" not in report._repr_html_()
        assert "NaN" not in text
        assert "None" not in text

    def test_nothing_found(self, frame):
        assert repr(frame.timegpt.audit()) == "No problems found."
        assert read(frame.timegpt.audit()._repr_html_()) == "No problems found."

    def test_many_rows(self, frame):
        many = pd.concat([frame.assign(unique_id=frame["unique_id"] + str(i)) for i in range(20)], ignore_index=True)
        report = many.drop(range(5, len(many), 30)).timegpt.audit()
        report["remedy"] += report["series"]  # no two are alike
        assert repr(report).splitlines()[-1] == "… and 70 more rows."
        assert "… and 70 more rows." in read(report._repr_html_())

    def test_what_many_series_share_is_said_once(self):
        stamps = pd.date_range("2024-01-01", periods=30)
        many = pd.concat([pd.DataFrame({"unique_id": i, "ds": stamps, "y": 1.0 + stamps.day}) for i in range(20)])
        report = many[~((many["ds"] == stamps[5]) | (many["ds"] == stamps[9]) & (many["unique_id"] == 0))]
        report = report.timegpt.audit()
        assert report["series"].map(type).eq(int).all()
        text = (
            "20 series (0, 1, 2 and 17 more): gap in 'ds', count 21 (1 to 2 each), first 2024-01-06 00:00:00, refused"
        )
        assert text in " ".join(repr(report).split())
        assert len(repr(report).splitlines()) == 4
        assert repr(report).count("fill_gaps") == report._repr_html_().count("fill_gaps") == 1
        assert "0, 1, 2 and 17 more" in read(report._repr_html_())

    def test_it_is_a_frame_like_any_other(self, faulty):
        report = faulty.timegpt.audit()
        assert type(report[report["refused"]]) is type(report.copy()) is pd.DataFrame
        assert report.groupby("kind")["count"].sum()["gap"] == 2
        pd.testing.assert_frame_equal(report, report.copy(), check_frame_type=False)
        assert report.copy().attrs == report.attrs
        stored = pickle.loads(pickle.dumps(report))
        assert repr(stored) == repr(report)

    def test_changed_in_place_it_shows_as_any_frame(self, faulty):
        report = faulty.timegpt.audit()
        del report["remedy"]
        assert repr(report) == repr(report.copy())
        assert report._repr_html_() == report.copy()._repr_html_()


def comparison(values, columns=("MASE", "coverage-80"), index=MODELS):
    table = ComparisonTable(np.array(values, float), index=pd.Index(index, name="model"), columns=list(columns))
    table.attrs["comparison"] = {"verdict": "Tuning helped."}
    return table


class TestComparison:
    def test_the_verdict_is_on_top_and_the_best_is_marked(self):
        table = comparison([[1.0, np.nan], [0.5, 99], [0.25, 75]])
        lines = repr(table).splitlines()
        assert lines[0] == "Tuning helped."
        assert re.fullmatch(r"seasonal naive +1\.00 +", lines[3])
        assert re.fullmatch(r"zero-shot +0\.50 +99\.0 *", lines[4])
        assert re.fullmatch(r"fine-tuned +0\.25 \* +75\.0 \*", lines[5])
        assert "nan" not in repr(table).lower()
        html = table._repr_html_()
        assert "<strong>0.25</strong>" in html
        assert "<strong>75.0</strong>" in html  # nearest to its level
        assert read(html).startswith("Tuning helped.")

    def test_close_values_are_told_apart(self):
        shown = repr(comparison([[0.12341], [0.12342], [0.5]], ["MASE"]))
        assert "0.12341 *" in shown
        assert "0.12342  " in shown

    def test_equal_values_are_all_the_best(self):
        assert repr(comparison([[2.0], [1.0], [1.0]], ["MASE"])).count("1.00 *") == 2

    def test_each_series_has_its_best(self):
        index = pd.MultiIndex.from_product([["<i>", "b"], MODELS], names=["unique_id", "model"])
        table = ComparisonTable({"MASE": [3.0, 2, 1, 1, 2, 3]}, index=index)
        table.attrs["comparison"] = {"verdict": "x < y"}
        assert repr(table).count("1.00 *") == 2
        assert "x < y" in read(table._repr_html_())

    def test_a_table_without_its_verdict_is_a_plain_frame(self):
        table = comparison([[1.0, 80], [0.5, 99], [0.25, 75]])
        table.attrs.clear()
        assert repr(table) == repr(table.copy())
        assert table._repr_html_() == table.copy()._repr_html_()


class TestModels:
    """The registry: what `finetuned_models` shows."""

    def models(self):
        made = (pd.Timestamp.now("UTC") - pd.Timedelta(hours=30)).isoformat()
        common = {"created_at": made, "steps": 50, "depth": 3, "loss": "mae", "model": "timegpt-1", "freq": "MS"}
        details = {"n_series": 14, "n_obs": 1708, "n_bytes": 2**20, "alpha": 0.25}
        return list_models(
            [
                FinetunedModel(id="a" * 36, base_model_id="None", **common, **details),
                FinetunedModel(id="<b>", base_model_id="a" * 36, **common, **{**details, "alpha": 0.0}),
                FinetunedModel(id="hosted", base_model_id="gone", **common),
            ]
        )

    def test_the_text_fits_in_eighty_columns(self):
        lines = repr(self.models()).splitlines()
        assert lines[0] == "3 fine-tuned models, the newest last:"
        assert max(map(len, lines)) <= 80
        text = " ".join(repr(self.models()).split())
        assert (
            f"- {'a' * 36}, 1 day old from timegpt-1; 50 steps, depth 3, loss mae, frequency MS; 14 series, 1,708 "
            "rows; 1.0 MiB; 25% of the change kept"
        ) in text
        assert f"- <b>, 1 day old from {'a' * 36}; 50 steps" in text
        assert "no clear gain, nothing changed" in text
        assert text.endswith("- hosted, 1 day old from gone (deleted); 50 steps, depth 3, loss mae, frequency MS")

    def test_html_is_escaped_and_has_no_nan(self):
        html = self.models()._repr_html_()
        assert "<b>" not in html
        text = read(html)
        for told in ("gone (deleted)", "1 day old", "14 series, 1,708 rows", "25% of the change kept", "<b>"):
            assert told in text
        assert "nan" not in text.lower()
        assert "<NA>" not in text

    def test_without_models(self):
        empty = list_models([])
        assert repr(empty) == "There are no fine-tuned models."
        assert read(empty._repr_html_()) == "There are no fine-tuned models."

    def test_it_is_a_frame_like_any_other(self):
        models = self.models()
        assert models["n_obs"].tolist() == [1708, 1708, pd.NA]
        assert type(models[models["depth"] == 3]) is pd.DataFrame
        del models["alpha"]
        assert repr(models) == repr(models.copy())


class TestOutcome:
    """The line of `finetune`."""

    def said(self, frame, capsys, *, progress, **arguments):
        with nixtla_accessor.connect(base_url="local", progress=progress):
            frame.timegpt.finetune(output_model_id="said", overwrite=True, **arguments)
            nixtla_accessor.delete_finetuned_model("said")
        return capsys.readouterr()

    def test_it_says_that_nothing_could_be_learnt(self, frame, capsys):
        said = self.said(frame.groupby("unique_id").head(3), capsys, progress=True, finetune_steps=1, freq="D")
        assert said.err.endswith(
            "Model 'said' forecasts as the base model does: 1 step brought no clear gain on the validation set, or no "
            "series is long enough for one.\n"
        )
        assert said.out == ""

    def test_it_says_how_far_the_model_was_tuned(self, capsys):
        said = self.said(load_weather(), capsys, progress=True, finetune_steps=30, finetune_depth=5)
        kept = (
            r"Model 'said' is fine-tuned: 30 steps, and \d+% of their change kept, for its gain on the validation set."
        )
        assert re.fullmatch(kept, said.err.splitlines()[-1])

    @pytest.mark.parametrize("progress", [False, None])
    def test_it_is_silent_where_the_bar_is(self, frame, capsys, progress):
        said = self.said(frame, capsys, progress=progress, finetune_steps=1)
        assert (said.out, said.err) == ("", "")


def test_the_option_for_text_in_notebooks_is_respected(faulty):
    with pd.option_context("display.notebook_repr_html", False):
        assert faulty.timegpt.audit()._repr_html_() is None
