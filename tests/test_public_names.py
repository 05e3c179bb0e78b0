"""What the package offers under its name: all public, nothing else, also to tab completion in a notebook."""

import subprocess
import sys

import jedi
import pytest

import nixtla_accessor


def run(program):
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout


def test_public_names_are_sorted_and_of_this_package():
    assert nixtla_accessor.__all__ == sorted(nixtla_accessor.__all__)
    for name in set(nixtla_accessor.__all__) - {"errors"}:
        assert getattr(nixtla_accessor, name).__module__.startswith("nixtla_accessor."), name


@pytest.mark.parametrize("first", ["", "nixtla_accessor.connect; import nixtla_accessor.datasets"])
def test_dir_lists_public_names_only(first):
    listed = run(f"import nixtla_accessor; {first or 'pass'}; print(*dir(nixtla_accessor), sep='\\n')").split()
    assert [name for name in listed if not name.startswith("__")] == nixtla_accessor.__all__
    assert {"__all__", "__doc__", "__file__", "__name__", "__path__"} <= set(listed)


def test_tab_completion_offers_public_names_only():
    completions = jedi.Interpreter("nixtla_accessor.", [{"nixtla_accessor": nixtla_accessor}]).complete()
    offered = {completion.name for completion in completions if not completion.name.startswith("_")}
    assert offered == set(nixtla_accessor.__all__)


def test_submodules_stay_reachable():
    program = (
        "import nixtla_accessor, nixtla_accessor.datasets, nixtla_accessor.api.client; "
        "from nixtla_accessor import datasets, plotting; "
        "print(nixtla_accessor.datasets is datasets, nixtla_accessor.api.client.connect is nixtla_accessor.connect)"
    )
    assert run(program) == "True True\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="conect"):
        nixtla_accessor.conect  # noqa: B018


def test_importing_again_registers_once():
    program = (
        "import importlib, pandas, nixtla_accessor; importlib.reload(nixtla_accessor); "
        "print(pandas.DataFrame.timegpt is nixtla_accessor.TimeGPTAccessor)"
    )
    assert run(program) == "True\n"
