"""What the engine refuses before any work: a 422 or 413 that names the limit, never a failure, and no memory taken."""

import json
import time
from importlib import resources

import numpy as np
import pyarrow as pa
import pytest

from nixtla_accessor.local.service.limits import LIMITS, Limits

SMALL = {
    "body_bytes": 10_000_000,
    "body_bytes_beside_values": 100_000,
    "series": 20,
    "windows": 39,
    "points_to_fill": 2_000,
    "covariates": 3,
    "covariate_values": 600,
    "answer_numbers": 504,
    "steps": 50,
    "refits": 4,
}


@pytest.fixture(scope="module")
def usual(serve_module):
    return serve_module()


@pytest.fixture(scope="module")
def small(serve_module):
    return serve_module(limits=SMALL)


def refusal(serving, path, **fields):
    answer = serving.call("POST", path, serving.forecast_body() | fields, timeout=20)
    assert answer.status_code == 422, answer.text[:500]
    (problem,) = answer.json()["detail"]
    assert problem["type"] in ("limit", "too_long_answer")
    return problem["loc"], problem["msg"]


HUGE = [10**9, 10**12, 2**53, 2**63 - 1, 2**63, 2**64 - 1]


class TestUsualLimits:
    @pytest.mark.parametrize("number", HUGE)
    @pytest.mark.parametrize(
        ("path", "field", "limit"),
        [
            ("/v2/forecast", "h", "100,000"),
            ("/v2/forecast", "finetune_steps", "100,000 steps"),
            ("/v2/finetune", "finetune_steps", "100,000 steps"),
            ("/v2/cross_validation", "h", "100,000"),
            ("/v2/cross_validation", "n_windows", "1,000,000"),
            ("/v2/cross_validation", "step_size", "1,000,000"),
            ("/v2/cross_validation", "finetune_steps", "100,000 steps"),
        ],
    )
    def test_a_huge_number_is_refused_with_its_limit(self, usual, path, field, limit, number):
        assert refusal(usual, path, **{field: number}) == (
            ["body", field],
            f"expected at most {limit}, found {number:,}",
        )

    @pytest.mark.parametrize("field", ["h", "n_windows", "step_size", "finetune_steps"])
    @pytest.mark.parametrize("number", ["18446744073709551616", "1e300", "1" * 400, "-9223372036854775809"])
    def test_a_number_that_is_no_integer_of_64_bits_is_refused(self, usual, field, number):
        text = json.dumps(usual.forecast_body() | {field: "here"}).replace('"here"', number)
        answer = usual.call("POST", "/v2/cross_validation", data=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text[:500]

    @pytest.mark.parametrize("sizes", [[2**63], [2**53 - 1] * 1024 + [1184], [2**62, 2**62, 2**62, 2**62 + 120]])
    def test_sizes_do_not_overflow(self, usual, sizes):
        answer = usual.call("POST", "/v2/forecast", usual.forecast_body(series={"y": [1.0] * 120, "sizes": sizes}))
        assert answer.status_code == 422, answer.text[:500]

    @pytest.mark.parametrize("value", [1.0000000000000002e300, 1.7e308, -1e308])
    @pytest.mark.parametrize(
        "path",
        [
            "/v2/forecast",
            "/v2/cross_validation",
            "/v2/anomaly_detection",
            "/v2/online_anomaly_detection",
            "/v2/finetune",
        ],
    )
    def test_a_value_whose_forecasts_may_be_no_floats_is_refused_by_its_place(self, usual, path, value):
        series = usual.series()
        y = [None if place == 5 else value if place in {7, 9} else one for place, one in enumerate(series["y"])]
        fields = {"series": {**series, "y": y}}
        if "online" in path:
            fields |= {"detection_size": 3}
        location, message = refusal(usual, path, **fields)
        assert location == ["body", "series", "y", 7]
        assert message == f"expected values from -1e+300 to 1e+300, found {value}: rescale them"

    @pytest.mark.parametrize("scale", [2.0**-990, 1.0, 2.0**990])
    def test_forecasts_of_values_up_to_the_limit_are_scaled_exactly(self, usual, scale):
        series, answers = usual.series(), []
        for factor in (1.0, scale):
            body = usual.forecast_body(series={**series, "y": [factor * one for one in series["y"]]}, level=[99.9])
            answers.append(usual.call("POST", "/v2/forecast", body).json())
        assert np.array_equal(np.array(answers[0]["mean"]) * scale, answers[1]["mean"])
        for key, bound in answers[0]["intervals"].items():
            assert np.array_equal(np.array(bound) * scale, answers[1]["intervals"][key])

    @pytest.mark.parametrize("level", [99.99999999999999, 99.99990000000001])
    def test_a_level_beside_100_is_refused_with_the_limit(self, usual, level):
        message = f"expected a level of at most 99.9999, found {level}"
        for path in ("/v2/forecast", "/v2/cross_validation"):
            assert refusal(usual, path, level=[80, level]) == (["body", "level", 1], message)
        assert refusal(usual, "/v2/anomaly_detection", level=level) == (["body", "level"], message)

    def test_levels_up_to_the_limit_have_finite_bounds_in_order(self, usual):
        answer = usual.forecast(level=[99.9999, 99.99, 1e-300])
        assert answer.status_code == 200, answer.text
        bounds = [answer.json()["intervals"][key] for key in ("lo-99.9999", "lo-99.99", "hi-99.99", "hi-99.9999")]
        assert np.isfinite(bounds).all()
        assert (np.diff(bounds, axis=0) >= 0).all()
        assert (np.diff(bounds, axis=0) > 0).any()

    def test_too_many_covariates_are_refused(self, small):
        series = small.series()
        for n_rows, fields, words in (
            (4, {}, "at most 3 rows, found 4"),
            (2, {"n_windows": 4}, "at most 600 values, for each time that their effects are estimated, found 960"),
        ):
            rows = [series["y"]] * n_rows
            location, message = refusal(small, "/v2/cross_validation", series={**series, "X": rows}, **fields)
            assert location == ["body", "series", "X"]
            assert words in message

    def test_too_many_levels_are_refused(self, usual):
        levels = (np.arange(101) / 2).tolist()
        assert refusal(usual, "/v2/forecast", level=levels) == (
            ["body", "level"],
            "expected at most 100 levels, found 101",
        )

    def test_few_windows_are_few_however_many_are_asked_for(self, usual):
        began = time.monotonic()
        answer = usual.call("POST", "/v2/cross_validation", usual.forecast_body(n_windows=1_000_000, h=1))
        assert answer.status_code == 200
        assert len(answer.json()["mean"]) == 2 * 59
        assert time.monotonic() - began < 10

    def test_a_list_of_wrong_values_is_refused_at_its_first(self, usual):
        y = [1.0, *["wrong"] * 1_000_000]
        answer = usual.call("POST", "/v2/forecast", usual.forecast_body(series={"y": y, "sizes": [len(y)]}))
        assert answer.status_code == 422
        assert [problem["loc"] for problem in answer.json()["detail"]] == [["body", "series", "y", 1]]
        answer = usual.call("POST", "/v2/forecast", usual.forecast_body(level=["wrong"] * 1_000))
        assert answer.status_code == 422
        assert len(answer.content) < 500_000

    @pytest.mark.parametrize(
        "freq",
        ["W" * 40 + "!", "QS-" * 40 + "!", "1" * 5_000 + "D!", "-" * 40, " " * 100_000, "2" * 400 + "D!", "h" * 10**6],
    )
    def test_a_frequency_that_is_none_is_refused_at_once(self, usual, freq):
        began = time.monotonic()
        for path in ("/v2/forecast", "/v2/finetune", "/v2/cross_validation", "/v2/anomaly_detection"):
            answer = usual.call("POST", path, usual.forecast_body(freq=freq), timeout=10)
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["body", "freq"]
            assert len(answer.content) < 2_000
        answer = usual.call("GET", "/model_params", params={"model": "timegpt-1", "freq": freq[:10_000]}, timeout=10)
        assert answer.status_code == 422
        assert time.monotonic() - began < 5


class TestSmallLimits:
    def test_too_many_series(self, small):
        series = small.series(n_series=21)
        for path in ("/v2/forecast", "/v2/finetune", "/v2/cross_validation", "/v2/anomaly_detection"):
            assert refusal(small, path, series=series) == (
                ["body", "series", "sizes"],
                "expected at most 20 series, found 21: send fewer at a time",
            )

    def test_too_much_to_forecast(self, small):
        series = {"y": [1.0] * 100, "sizes": [100]}
        location, message = refusal(small, "/v2/anomaly_detection", series=series, freq="YE")
        assert location == ["body"]
        assert message == (
            "expected at most 39 stretches of 720 steps to forecast, over all series and windows, found 96: "
            "ask for fewer series, windows or steps at a time"
        )
        _, message = refusal(small, "/v2/cross_validation", series=series, h=1, n_windows=40)
        assert "found 40" in message

    @pytest.mark.parametrize(
        ("path", "accepted", "refused", "numbers"),
        [
            ("/v2/forecast", {"h": 252}, {"h": 253}, 506),
            ("/v2/forecast", {"level": [80], "h": 84}, {"level": [80], "h": 85}, 510),
            (
                "/v2/cross_validation",
                {"n_windows": 12, "step_size": 1, "level": [80]},
                {"n_windows": 13, "step_size": 1, "level": [80]},
                546,
            ),
            (
                "/v2/cross_validation",
                {"full_history": True, "level": [80, 95]},
                {"full_history": True, "level": [80, 90, 95]},
                686,
            ),
            ("/v2/anomaly_detection", {}, {"series": {"y": [1.0, 2.0] * 120, "sizes": [60] * 4}}, 588),
        ],
    )
    def test_too_long_an_answer_is_a_422_that_says_how_long(self, small, path, accepted, refused, numbers):
        assert small.call("POST", path, small.forecast_body(**accepted)).status_code == 200
        location, message = refusal(small, path, **refused)
        assert location == ["body"]
        assert f"an answer of at most 504 numbers, found {numbers:,}" in message

    def test_too_many_steps_of_a_backtest(self, small):
        backtest = {"h": 2, "n_windows": 4, "finetune_steps": 13}
        assert refusal(small, "/v2/cross_validation", **backtest) == (
            ["body", "finetune_steps"],
            "expected at most 50 steps, found 13 times 4 windows",
        )
        assert refusal(small, "/v2/cross_validation", **backtest | {"n_windows": 5, "finetune_steps": 1}) == (
            ["body", "n_windows"],
            "expected at most 4 windows to fine-tune for, found 5: set refit to false",
        )
        body = small.forecast_body(**backtest, refit=False)
        assert small.call("POST", "/v2/cross_validation", body).status_code == 200

    def test_too_much_to_fill(self, small):
        y = [1.0, None, *range(98)]
        location, message = refusal(small, "/v2/cross_validation", series={"y": y, "sizes": [100]}, h=1, n_windows=39)
        assert location == ["body", "series"]
        assert "at most 2,000 points before the windows of series with missing values, found 3,120" in message
        y[1] = 0.0
        body = small.forecast_body(series={"y": y, "sizes": [100]}, h=1, n_windows=39)
        assert small.call("POST", "/v2/cross_validation", body).status_code == 200

    def test_a_bomb_is_not_inflated(self, small):
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        bomb = pa.Codec("zstd").compress(b" " * 50_000_000)
        answer = small.call("POST", "/v2/forecast", data=bomb, headers=headers)
        assert answer.status_code == 413
        assert "at most 10,000,000 bytes" in answer.json()["detail"]

    def test_a_long_body_is_refused_before_it_has_come(self, small):
        with small.sending(b"{", length=10_000_001) as connection:
            assert connection.recv(2**16).startswith(b"HTTP/1.1 413")

    @pytest.mark.parametrize(
        "fields", [{"other": [[]] * 50_000}, {"series": {"y": [1, "2"] * 20_000, "sizes": [40_000]}}]
    )
    def test_much_that_is_no_number_of_y_is_refused(self, small, fields):
        answer = small.call("POST", "/v2/forecast", small.forecast_body(**fields))
        assert answer.status_code == 413
        assert (
            "at most 100,000 bytes of JSON beside the values of series.y, series.X and series.X_future"
            in answer.json()["detail"]
        )

    def test_the_bodies_of_all_requests_are_limited_together(self, serve):
        with serve(limits={"body_bytes_in_all": 1_000_000}) as serving:
            big = serving.forecast_body(series={"y": [1.0] * 60_000, "sizes": [60_000]})
            deadline = time.monotonic() + 20
            status = None
            while status != 429:
                with serving.sending(b'{"series": {"y": [1' + b", 1" * 300_000, length=2_000_000):
                    time.sleep(0.2)  # the server reads it meanwhile
                    answer = serving.call("POST", "/v2/forecast", big)
                    status = answer.status_code
                assert time.monotonic() < deadline
            assert int(answer.headers["Retry-After"]) > 0
            while serving.call("POST", "/v2/forecast", big).status_code != 200:
                assert time.monotonic() < deadline


def test_the_readme_lists_the_limits():
    text = (resources.files("nixtla_accessor.local") / "README.md").read_text("utf-8")
    assert Limits() == LIMITS
    for name in ("series", "horizon", "windows", "step_size", "levels", "answer_numbers", "steps", "refits"):
        assert f"{getattr(LIMITS, name):,}" in text, name
    assert str(LIMITS.level) in text
