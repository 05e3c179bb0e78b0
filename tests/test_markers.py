"""The markers: `slow.txt` names tests that exist, and folders carry their names."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent


def is_defined(body, names):
    """Whether the body of a module or class defines a test, or a class with that test."""
    if not names:
        return True
    found = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == names[0]]
    return any(is_defined(node.body, names[1:]) for node in found)


def exists(entry):
    path, *names = entry.split("::")
    return (TESTS / path).is_file() and is_defined(ast.parse((TESTS / path).read_text("utf-8")).body, names)


def test_slow_tests_exist(slow_entries):
    gone = [entry for entry in slow_entries if not exists(entry)]
    assert not gone, f"renamed or gone; write the new names into tests/slow.txt: {gone}"


def test_slow_tests_are_listed_in_order_and_once(slow_entries):
    assert slow_entries == sorted(set(slow_entries))


def test_tests_carry_their_markers(request, slow_entries):
    for item in request.session.items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in {
            "browser",
            "chronos",
            "dask",
            "local",
            "official_client",
        }:  # tests elsewhere may ask for one of them too, and say so themselves
            assert item.get_closest_marker(folder) is not None, item.nodeid
        listed = item.nodeid.partition("[")[0].removeprefix("tests/") in slow_entries
        assert item.get_closest_marker("slow") is not None or not listed, item.nodeid
