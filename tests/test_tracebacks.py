"""Errors end at the caller's own line, and mistyped names are answered with the nearest."""

import copy
import inspect
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor
from nixtla_accessor import TimeGPTAccessor, errors
from nixtla_accessor.api.default_client import DefaultClient
from nixtla_accessor.tracebacks import short_traceback

PACKAGE = str(Path(nixtla_accessor.__file__).parent)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.delenv("NIXTLA_ACCESSOR_TRACEBACK", raising=False)


@pytest.fixture
def frame():
    return pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024", periods=30), "y": np.arange(30.0)})


def frames_of_ours(error):
    return [entry for entry in traceback.extract_tb(error.__traceback__) if entry.filename.startswith(PACKAGE)]


CALLS = {
    "a typo in a column": lambda frame: frame.timegpt.pack(id_col="store"),
    "a gap": lambda frame: frame.drop(5).timegpt.pack(),
    "no model": lambda frame: frame.timegpt.forecast(12),
    "no connection": lambda frame: frame.timegpt.forecast(12, zero_shot=True),
    "a wrong horizon": lambda frame: frame.timegpt.forecast("12", zero_shot=True),
    "a wrong record": lambda frame: with_record(frame, 7).timegpt.forecast(3),
    "connect": lambda _: nixtla_accessor.connect(base_url="ftp://x", api_key="k"),
    "registry": lambda _: nixtla_accessor.finetuned_model("no id"),
    "nobody listens": lambda _: nixtla_accessor.Client(api_key="k", base_url="http://127.0.0.1:9").finetuned_models(),
}


def with_record(frame, record):
    frame.attrs["timegpt"] = record
    return frame


@pytest.mark.parametrize("name", CALLS)
def test_one_frame_of_ours_stands_between_the_callers_line_and_the_message(name, frame, monkeypatch):
    monkeypatch.setattr("nixtla_accessor.api.client._DEFAULT", DefaultClient())  # other tests may have connected
    with pytest.raises(errors.TimeGPTError) as raised:
        CALLS[name](frame)
    assert len(frames_of_ours(raised.value)) == 1
    assert traceback.extract_tb(raised.value.__traceback__)[-2].filename == __file__
    link = raised.value.__cause__
    while link is not None:
        assert link.__traceback__ is None
        link = link.__cause__
    printed = "".join(traceback.format_exception(raised.value))
    assert printed.count(PACKAGE) == 1
    assert "During handling" not in printed


def test_full_shows_every_frame(monkeypatch, frame):
    monkeypatch.setenv("NIXTLA_ACCESSOR_TRACEBACK", "full")
    with pytest.raises(errors.MissingColumnError) as raised:
        frame.timegpt.pack(id_col="store")
    assert len(frames_of_ours(raised.value)) > 4


def test_errors_of_others_keep_their_frames():
    @short_traceback
    def fail():
        return np.zeros(2) @ np.zeros(3)

    with pytest.raises(ValueError, match="matmul") as raised:
        fail()
    assert [entry.name for entry in traceback.extract_tb(raised.value.__traceback__)][-1] == "fail"


def test_a_type_error_inside_keeps_its_frames_and_its_message():
    @short_traceback
    def fail(h):
        return h + "1"

    with pytest.raises(TypeError, match="unsupported operand") as raised:
        fail(1)
    assert [entry.name for entry in traceback.extract_tb(raised.value.__traceback__)][-1] == "fail"


def test_an_interrupt_of_a_training_is_short_and_other_interrupts_are_left_alone():
    @short_traceback
    def inner(error):
        raise error

    with pytest.raises(errors.FinetuneInterrupted) as raised:
        inner(errors.FinetuneInterrupted("x"))
    assert [entry.name for entry in traceback.extract_tb(raised.value.__traceback__)][1:] == ["call"]
    with pytest.raises(KeyboardInterrupt) as raised:
        inner(KeyboardInterrupt())
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "inner"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda frame: frame.timegpt.forecat(12), "has no attribute 'forecat'. Did you mean 'forecast'?"),
        (lambda _: nixtla_accessor.Client(api_key="k").fintune(), "no attribute 'fintune'. Did you mean 'finetune'?"),
        (lambda frame: frame.timegpt.zzz, "'zzz'. It has audit, calendar_features, cancel, clean, cleaning, "),
    ],
)
def test_a_mistyped_name_names_the_nearest(call, message, frame):
    with pytest.raises(AttributeError) as raised:
        call(frame)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.forecast(12, levels=[80]), "forecast() has no argument 'levels'. Did you mean 'level'?"),
        (
            lambda t: t.finetune(finetune_step=10),
            "finetune() has no argument 'finetune_step'. Did you mean 'finetune_steps'?",
        ),
        (lambda t: t.forecast(horizon=4), "forecast() has no argument 'horizon'. Did you mean 'h'?"),
        (lambda t: t.compare(4, X_df=t), "compare() has no argument 'X_df'. Did you mean 'futr_exog_list'?"),
        (lambda t: t.compare(fh=4), "compare() has no argument 'fh'. Did you mean 'h'?"),
        (lambda t: t.pack(zzzzz=10), "Its arguments are freq, id_col, time_col, target_col, allow_missing."),
        (lambda t: t.forecast(12, [80]), "forecast() takes h by position, found 2 values. Name the others: "),
        (lambda t: t.finetune(12), "finetune() takes nothing by position, found 1 value. Name the others: "),
        (lambda t: t.forecast(), "forecast() needs h: forecast(h=…)."),
    ],
)
def test_a_wrong_argument_names_the_nearest(call, message, frame):
    with pytest.raises(TypeError) as raised:
        call(frame.timegpt)
    assert message in str(raised.value)
    assert len(frames_of_ours(raised.value)) == 1
    assert "During handling" not in "".join(traceback.format_exception(raised.value))


def test_names_asked_for_by_protocols_are_refused_plainly(frame):
    with pytest.raises(AttributeError, match=r"_repr_markdown_'$"):
        frame.timegpt._repr_markdown_  # noqa: B018
    assert not hasattr(frame.timegpt, "__array__")


def test_signatures_docstrings_and_copies_are_those_of_the_methods(frame):
    assert "finetune_steps" in inspect.signature(TimeGPTAccessor.finetune).parameters
    assert TimeGPTAccessor.finetune.__doc__.startswith("Fine-tune")
    assert TimeGPTAccessor.model_id.__doc__.startswith("The id of")
    assert inspect.unwrap(TimeGPTAccessor.finetune).__code__.co_filename.endswith("accessor.py")
    assert copy.copy(frame.timegpt).model_id is None


def test_a_script_ends_with_one_frame_of_ours_and_the_sentence(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import nixtla_accessor\nfrom nixtla_accessor.datasets import load_unemployment\n"
        "load_unemployment().timegpt.pack(id_col='state')\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.count('  File "') == 2
    assert ran.stderr.splitlines()[-1].startswith("nixtla_accessor.errors.MissingColumnError: The frame has no")
