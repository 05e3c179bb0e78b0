"""The engine's OpenAPI description, and a public schema tester that finds nothing against it.

`CASES=10000 SEED=7 python -m pytest tests/local/service/test_schema.py` tries more and others.
"""

import os

import pytest

CASES = int(os.environ.get("CASES", "3000"))
SEED = os.environ.get("SEED", "20250803")
FINETUNE = "/v2/finetune"  # stays as the contract has it, which leaves most statuses out


@pytest.fixture(scope="module")
def serving(serve_module):
    return serve_module()


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
    assert n_operations == 12


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/finetune", "POST"),
        ("/v2/finetuned_models", "GET"),
        ("/v2/finetuned_models/x", "DELETE, GET"),
        ("/v2/async/jobs/x/cancel", "POST"),
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
