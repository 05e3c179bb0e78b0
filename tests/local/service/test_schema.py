"""The engine's OpenAPI description, and a public schema tester that finds nothing against it.

`CASES=10000 SEED=7 python -m pytest tests/local/service/test_schema.py` tries more and others.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = int(os.environ.get("CASES", "3000"))  # at least
SEED = os.environ.get("SEED", "20250803")
FINETUNE = "/v2/finetune"  # stays as the contract has it, which leaves most statuses out


@pytest.fixture(scope="module")
def serving(serve_module):
    return serve_module(limits={"steps": 20, "horizon": 500, "windows": 2_000})  # so that many requests take short


@pytest.fixture(scope="module")
def description(serving):
    return serving.call("GET", "/openapi.json").json()


def test_every_status_is_described_with_its_body(description):
    n_operations = 0
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            n_operations += 1
            responses = operation["responses"]
            if path == FINETUNE:
                assert set(responses) == {"200", "422"}
                continue
            assert {"401", "405", "422"} < set(responses)
            if "{" in path:
                assert "404" in responses
            if method == "post" and path != "/v2/async/jobs/{job_id}/cancel":
                assert {"400", "404", "408", "410", "413", "415", "429", "503", "507"} < set(responses)
            for status, response in responses.items():
                if status.startswith(("4", "5")):
                    name = "HTTPValidationError" if status == "422" else "ErrorMessage"
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": f"#/components/schemas/{name}"}, (path, status)
    assert n_operations == 22


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/finetune", "POST"),
        ("/v2/finetuned_models", "GET"),
        ("/v2/finetuned_models/x", "DELETE, GET"),
        ("/v2/async/jobs/x/cancel", "POST"),
        ("/v2/finetune/async", "POST"),
        ("/v2/finetune/jobs/x", "GET"),
        ("/model_params", "GET"),
    ],
)
def test_allow_names_every_method_of_the_path(serving, path, allowed):
    for method in ("PUT", "PATCH", "TRACE", "OPTIONS"):
        answer = serving.call(method, path)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == allowed
        assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("path", ["/", "/v2/forecast/", "/v2/finetuned_models/", "/v2//forecast", "/docs"])
def test_another_path_is_a_404_and_never_a_redirect(serving, path):
    for method in ("GET", "POST", "DELETE"):
        answer = serving.call(method, path, allow_redirects=False)
        assert answer.status_code == 404
        assert isinstance(answer.json()["detail"], str)


def find_violations(serving, tmp_path, n_examples, *arguments):
    """Run the schema tester with that many examples for each operation; return how many cases it tried."""
    tester = shutil.which("st", path=Path(sys.executable).parent)
    ran = subprocess.run(
        [
            *(tester, "--no-color", "run", f"{serving.url}/openapi.json"),
            f"--header=Authorization: Bearer {serving.key}",
            *(f"--max-examples={n_examples}", f"--seed={SEED}", "--generation-database=none"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr
    return int(re.search(r"(\d+) generated", ran.stdout)[1])


def test_a_public_schema_tester_finds_nothing(serving, tmp_path):
    # A schema cannot say that sizes add up to the values in y, nor which frequencies there are: some requests that it
    # allows are refused, as described.
    checks = "--exclude-checks=positive_data_acceptance"
    n_examples = CASES // 18  # for each operation; some have fewer
    n_cases = find_violations(serving, tmp_path, n_examples, checks, f"--exclude-path={FINETUNE}")
    checks += ",status_code_conformance"
    n_cases += find_violations(serving, tmp_path, n_examples, checks, f"--include-path={FINETUNE}")
    print(f"{n_cases} cases")
    assert n_cases >= CASES
    assert serving.call("GET", "/v2/models").status_code == 200
