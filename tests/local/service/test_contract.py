"""The engine's OpenAPI description of ``/v2/finetune`` equals the contract's, word for word."""

import json
from pathlib import Path

import pytest
import requests

from nixtla_accessor.local.service.embedded import start_engine

CONTRACT = json.loads((Path(__file__).parent / "finetune_contract.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def served():
    return requests.get(start_engine().base_url + "/openapi.json", timeout=10).json()


def test_the_operation(served):
    assert served["paths"]["/v2/finetune"] == CONTRACT["paths"]["/v2/finetune"]


@pytest.mark.parametrize("name", CONTRACT["components"]["schemas"])
def test_a_schema(served, name):
    assert served["components"]["schemas"][name] == CONTRACT["components"]["schemas"][name]


def test_the_security_scheme(served):
    assert served["components"]["securitySchemes"] == CONTRACT["components"]["securitySchemes"]
