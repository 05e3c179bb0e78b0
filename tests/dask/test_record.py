"""What is computed from a Dask frame has the record just where the frame says that it has one."""

import pickle

import dask
import dask.dataframe as dd
import pandas as pd
import pytest

from nixtla_accessor import TimeGPTAccessor, errors
from nixtla_accessor.dask.accessor import DaskTimeGPTAccessor


@pytest.fixture
def tuned(cut, panel, client):
    return cut(panel().assign(further=1), 5, 20, 30).timegpt.finetune(output_model_id="mine")


def has_record(frame):
    """Tell whether a frame says that it has the record, having seen that what is computed agrees."""
    said = bool(frame.timegpt.record)
    assert bool(frame.compute().attrs.get("timegpt")) is said
    partitions = dask.compute(*frame.to_delayed())
    assert [bool(part.attrs.get("timegpt")) for part in partitions] == [said] * frame.npartitions
    if said:
        assert {part.timegpt.model_id for part in partitions} == {"mine"}
        assert dict(partitions[0].timegpt.record) == dict(frame.timegpt.record)
    return said


KEPT = {
    "as it is": lambda frame: frame,
    "query": lambda frame: frame.query("y > 3"),
    "filter": lambda frame: frame[frame.y > frame.further],
    "columns": lambda frame: frame[["unique_id", "y"]],
    "assign": lambda frame: frame.assign(z=frame.y + 1),
    "rename": lambda frame: frame.rename(columns={"y": "sales"}),
    "astype": lambda frame: frame.astype({"y": "float32"}),
    "drop_duplicates": lambda frame: frame.drop_duplicates(),
    "repartition": lambda frame: frame.repartition(npartitions=2),
    "one partition": lambda frame: frame.partitions[1],
    "persist": lambda frame: frame.persist(),
    "copy": lambda frame: frame.copy(),
    "optimize": lambda frame: frame.optimize(),
    "pickle": lambda frame: pickle.loads(pickle.dumps(frame)),
    "shuffle": lambda frame: frame.shuffle("unique_id"),
    "shuffle of what was assigned": lambda frame: frame.assign(z=frame.y + 1).query("z > 2").shuffle("z"),
    "set_index": lambda frame: frame.set_index("ds"),
    "set_index and back": lambda frame: frame.set_index("unique_id").reset_index(),
    "sort_values": lambda frame: frame.sort_values("y", ascending=False),
    "groupby-apply": lambda frame: frame.groupby("unique_id")[["y"]].apply(pd.DataFrame.head, meta=frame._meta[["y"]]),
    "concat of equals": lambda frame: dd.concat([frame, frame.query("y > 3")]),
    "user's function": lambda frame: frame.map_partitions(lambda part: part.assign(z=part.timegpt.model_id)),
}


@pytest.mark.parametrize("step", KEPT)
def test_the_record_is_kept(tuned, step):
    assert has_record(KEPT[step](tuned))


DROPPED = {
    "merge": lambda frame, other: frame.merge(other.drop(columns="y"), on=["unique_id", "ds"]),
    "concat of unequals": lambda frame, other: dd.concat([frame, other]),
    "from what was computed": lambda frame, other: dd.from_pandas(
        frame.compute().merge(other.compute().drop(columns="y")), npartitions=2
    ),
}


@pytest.mark.parametrize("step", DROPPED)
def test_the_record_is_dropped_as_pandas_drops_it_and_put_back(tuned, cut, panel, service, client, step):
    frame = DROPPED[step](tuned, cut(panel(), 7))
    assert not has_record(frame)
    assert frame.timegpt.model_id is None
    assert frame.timegpt.use_model("known") is frame
    assert frame.timegpt.model_id == frame.compute().timegpt.model_id == "known"
    assert frame.timegpt.record["freq"] == "D"
    assert frame.timegpt.record["finetune_steps"] == 7


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")  # Dask's, where it writes
def test_from_parquet_it_comes_back_whole_or_not_at_all(tuned, tmp_path):
    tuned.to_parquet(tmp_path / "tuned", write_index=False)
    again = dd.read_parquet(tmp_path / "tuned")
    is_kept = has_record(again)  # by newer versions of Dask
    assert has_record(again.shuffle("unique_id").query("y > 3")) is is_kept


def test_the_plan_is_no_worse_for_it(panel, client, tmp_path):
    panel().assign(further=1).to_parquet(tmp_path / "panel.parquet")
    frame = dd.read_parquet(tmp_path / "panel.parquet")

    def plan(frame):
        lines = frame[frame.y > 3].assign(z=1)[["ds", "z"]].optimize(fuse=False).expr.tree_repr().splitlines()
        return [line.strip() for line in lines if "CarryRecord" not in line]

    plain = plan(frame)
    assert plan(frame.timegpt.finetune()) == plain
    assert any("columns=['ds', 'y']" in line for line in plain)


def test_the_very_frame_is_returned_and_frames_made_from_it_before_are_not_touched(cut, panel, client):
    frame = cut(panel(), 9)
    before = frame.query("y > 3")
    plain = frame.compute()
    assert frame.timegpt.finetune(output_model_id="mine") is frame
    assert frame.timegpt.model_id == "mine"
    assert before.timegpt.model_id is None
    assert cut(panel(), 9).timegpt.model_id is None
    pd.testing.assert_frame_equal(frame.compute(), plain)
    again = frame.timegpt.finetune(output_model_id="another")
    assert again is frame
    assert frame.compute().timegpt.model_id == "another"


def test_a_failure_leaves_the_frame_as_it_is(cut, panel, client):
    frame = cut(panel().drop(index=3), 9)
    with pytest.raises(errors.MissingTimestampError):
        frame.timegpt.finetune()
    assert not has_record(frame)


def test_finetune_sends_what_the_computed_frame_would_send(cut, panel, service, client):
    frame = cut(panel().sample(frac=1, random_state=1).assign(further="text"), 5, 5, 30)
    arguments = {"output_model_id": "mine", "finetune_steps": 3, "finetune_depth": 2, "finetune_loss": "mae"}
    frame.timegpt.finetune(**arguments)
    twin = frame.compute()
    twin.attrs.clear()
    twin.timegpt.finetune(**arguments)
    sent, expected = service.of("/v2/finetune")
    assert sent.body == expected.body
    records = dict(frame.timegpt.record), dict(twin.timegpt.record)
    for record in records:
        del record["created_at"]
    assert records[0] == records[1]


def test_large_frames_are_split(cut, panel, service, client):
    frame = cut(panel(), 5, 30)
    frame.timegpt.finetune(output_model_id="mine", max_request=400)
    requests = service.of("/v2/finetune")
    assert len(requests) > 1
    assert [value for asked in requests for value in asked.body["series"]["y"]] == panel()["y"].tolist()
    assert requests[-1].body["output_model_id"] == "mine"


def test_it_says_what_it_is(cut, panel, client):
    frame = cut(panel(), 5)
    assert repr(frame.timegpt) == (
        "<timegpt on 2 partitions: no fine-tuned model attached; finetune() makes one, use_model(id) attaches one>"
    )
    frame.timegpt.finetune(output_model_id="mine")
    assert repr(frame.timegpt).startswith("<timegpt on 2 partitions: model 'mine' at http://127.0.0.1:")
    with pytest.raises(TypeError):
        frame.timegpt.record["freq"] = "h"
    public = {name for name in dir(frame.timegpt) if not name.startswith("_")}
    assert public == {
        "audit",
        "cancel",
        "cross_validation",
        "detect_anomalies",
        "fill_gaps",
        "finetune",
        "forecast",
        "model_id",
        "pack",
        "record",
        "simulate",
        "status",
        "use_model",
        "wait",
    }
    assert "timegpt" in dir(frame)
    for name in public:
        assert getattr(DaskTimeGPTAccessor, name).__doc__
        assert hasattr(TimeGPTAccessor, name)
