import pytest

from nixtla_accessor.local.base_models.names import UnknownBaseModelError, check_name, resolve

THERE = ["timegpt-1", "amazon/chronos-2", "me/chronos-2", "amazon/chronos-bolt-tiny", "mine"]
HOSTILE = [
    "",
    ".",
    "..",
    "../chronos-2",
    "/etc/passwd",
    "amazon/../amazon/chronos-2",
    "amazon//chronos-2",
    "amazon\\chronos-2",
    "C:\\models",
    "~/models",
    "amazon/chronos-2\0",
    "amazon/chronos-2\n",
    "file:///etc/passwd",
    "https://evil.example/model",
    "s3://bucket/model",
    "$(rm -rf ~)",
    "%2e%2e%2fchronos-2",
    "a/b/c",
    "-rf",
    ".hidden",
    "x" * 100_000,
    "модель",
    "\u202eno-name",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_model_can_have_a_hostile_name_and_none_is_found_by_it(name):
    with pytest.raises(ValueError, match="expected a name such as 'owner/model'") as refused:
        check_name(name)
    assert len(str(refused.value)) < 400
    with pytest.raises(UnknownBaseModelError) as unknown:
        resolve(name, THERE)
    assert len(str(unknown.value)) < 700
    assert "\n" not in str(unknown.value)


@pytest.mark.parametrize("name", ["timegpt-1", "timegpt", "TimeGPT-x", "azureai", "azureai/x"])
def test_names_of_the_network_are_taken(name):
    with pytest.raises(ValueError, match="mean the network in the package"):
        check_name(name)


@pytest.mark.parametrize("name", ["amazon/chronos-2", "mine", "A.b_c-1/2"])
def test_usual_names_are_allowed(name):
    assert check_name(name) == name


def test_the_last_part_suffices_where_it_is_unique():
    assert resolve("chronos-bolt-tiny", THERE) == "amazon/chronos-bolt-tiny"
    assert resolve("me/chronos-2", THERE) == "me/chronos-2"
    assert resolve("mine", THERE) == "mine"
    with pytest.raises(UnknownBaseModelError, match=r"'amazon/chronos-2', 'me/chronos-2'\. Use the whole name"):
        resolve("chronos-2", THERE)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("chronos-2-small", "python -m nixtla_accessor pull autogluon/chronos-2-small."),
        ("amazon/chronos-bolt-base", "python -m nixtla_accessor pull amazon/chronos-bolt-base."),
        ("you/yours", "If it is on the hub, pull it where the engine runs: python -m nixtla_accessor pull you/yours."),
        ("yours", "python -m nixtla_accessor pull FOLDER --name NAME"),
    ],
)
def test_what_is_not_there_is_refused_with_the_line_that_pulls_it(name, line):
    with pytest.raises(UnknownBaseModelError) as unknown:
        resolve(name, THERE)
    assert line in str(unknown.value)
    assert repr(name) in str(unknown.value)
