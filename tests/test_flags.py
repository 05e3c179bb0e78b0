"""Every public argument that is True or False takes nothing else for either."""

import inspect

import numpy as np
import pandas as pd
import pytest

import nixtla_accessor.dask  # registers ddf.timegpt
from nixtla_accessor import Client, TimeGPTAccessor, connect, errors

FACES = {"pandas": TimeGPTAccessor, "dask": nixtla_accessor.dask.DaskTimeGPTAccessor, "client": Client}
FURTHER = {
    "h": 2,
    "n_paths": 3,
    "seed": 1,
    "y": np.arange(20.0),
    "sizes": [20],
    "freq": "D",
    "method": "online",
    "detection_size": 3,
}


def methods(face):
    return {name: method for name, method in inspect.getmembers(face, inspect.isfunction) if not name.startswith("_")}


def is_flag(parameter):
    return isinstance(parameter.default, bool) and parameter.name != "date_features"  # which may also be names


FLAGS = [
    pytest.param(
        face, name, parameter.name, id=f"{face}.{name}({parameter.name})", marks=[pytest.mark.dask] * (face == "dask")
    )
    for face, kind in FACES.items()
    for name, method in methods(kind).items()
    for parameter in inspect.signature(method).parameters.values()
    if is_flag(parameter) and name not in {"train", "ask"}  # which take what is checked
]


@pytest.fixture(scope="module")
def panel():
    stamps = pd.date_range("2024-01-01", periods=40)
    return pd.concat([pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.arange(40) % 7.0}) for name in "ab"])


@pytest.fixture(scope="module")
def client():
    with connect(api_key="no-ones-key", base_url="http://127.0.0.1:9", progress=False) as client:  # no one listens
        yield client


@pytest.mark.parametrize("value", ["no", "False", 0, 1, 1.0, None, [], np.array([True, False])], ids=repr)
@pytest.mark.parametrize(("face", "name", "flag"), FLAGS)
def test_a_flag_is_true_or_false(panel, client, face, name, flag, value):
    import dask.dataframe as dd

    owner = {"pandas": panel, "dask": dd.from_pandas(panel, npartitions=2), "client": None}[face]
    method = getattr(client if owner is None else owner.timegpt, name)
    parameters = inspect.signature(method).parameters
    needed = {key: FURTHER[key] for key, one in parameters.items() if key in FURTHER and one.default is one.empty}
    if flag == "refit" and "detection_size" in parameters:
        needed |= {key: FURTHER[key] for key in ("method", "detection_size") if key in parameters}
    with pytest.raises(errors.InvalidArgumentError, match=rf"^{flag} must be True(, False or 'best'| or False); got "):
        method(**needed, **{flag: value})


@pytest.mark.parametrize("trim", [np.True_, np.False_])
def test_numpys_bools_are_flags(panel, trim):
    late = panel.assign(y=panel["y"].mask(panel["ds"] == "2024-01-01")).reset_index(drop=True)
    filled = late.timegpt.fill_gaps(method=0, trim=trim)
    assert len(filled) == len(late) - 2 * bool(trim)


def test_flags_were_found():
    found = {(face, flag) for face, _, flag in (param.values for param in FLAGS)}
    assert {
        ("pandas", "trim"),
        ("pandas", "by_series"),
        ("dask", "trim"),
        ("dask", "allow_missing"),
        ("client", "refit"),
    } <= found
