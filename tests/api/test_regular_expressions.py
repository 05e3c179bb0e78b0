"""No regular expression of this wing takes more than linear time, so that no answer can stall a reader."""

import ast
import importlib
import re
import time
from pathlib import Path

import pytest

import nixtla_accessor.api

FOLDER = Path(nixtla_accessor.api.__file__).parent
FUNCTIONS = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
LENGTHS = (2**11, 2**14, 2**17)  # characters
LONGEST_TIME = 1.0  # seconds; what grows with the square of the length takes several


def module_patterns():
    """Yield each module's compiled expressions by name; those in a mapping too."""
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem == "__init__":
            continue
        module = importlib.import_module(f"nixtla_accessor.api.{path.stem}")
        for name, value in vars(module).items():
            for pattern in value.values() if isinstance(value, dict) else [value]:
                if isinstance(pattern, re.Pattern):
                    yield pytest.param(pattern, id=f"{path.stem}.{name}")


def hostile_texts(pattern):
    """Yield functions that make a text of some length: repetitions of what the expression is made of."""
    source = pattern.pattern.decode() if isinstance(pattern.pattern, bytes) else pattern.pattern
    words = re.findall(r"[a-zA-Z]{2,}", source)
    characters = sorted({*re.sub(r"[\\^$()|?*+{}]", "", source)[:20], *" <>&#;=%.-0a"})
    units = [*words, *characters, *(f"<{word}" for word in words), " a", "0.", "&#", "&#x0", "fine-tuned models "]
    for unit in units:
        for start, end in (("", "\x00"), ("<title>", ""), ("0", "!")):
            yield (
                lambda length, unit=unit, start=start, end=end: (
                    start + (unit * (length // len(unit) + 1))[:length] + end
                )
            )


@pytest.mark.parametrize("pattern", list(module_patterns()))
def test_time_is_linear(pattern):
    for make in hostile_texts(pattern):
        for length in LENGTHS:
            text = make(length)
            hostile = text.encode("utf-8") if isinstance(pattern.pattern, bytes) else text
            began = time.process_time()
            pattern.fullmatch(hostile)
            pattern.sub(hostile[:0], hostile)
            assert time.process_time() - began < LONGEST_TIME, (text[:40], length)


def test_every_expression_is_timed():
    """An expression within a function would not be found: each is compiled at the top of its module."""
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for statement in function.body
            for node in ast.walk(statement)
        }
        used = [
            node.lineno
            for node in inside
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in FUNCTIONS
        ]
        assert used == [], path


def test_a_superlinear_expression_would_be_found():
    with pytest.raises(AssertionError):
        test_time_is_linear(re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL))
