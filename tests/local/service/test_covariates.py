"""Covariates at the wire: what is refused and where, and what the answers hold."""

import json
from pathlib import Path

import numpy as np
import pytest
import requests

from nixtla_accessor.local.service.embedded import start_engine

N_SERIES, LENGTH, H = 3, 84, 7
SERIES_LENGTHS = [LENGTH] * N_SERIES
RNG = np.random.default_rng(3)
PROMOTION = (RNG.random((N_SERIES, LENGTH + H)) < 0.2).astype(float)
NOISE = RNG.normal(size=(N_SERIES, LENGTH + H))
SALES = (20 + np.array([0, 1, 3, 2, 5, 9, 8] * 13)) * (1 + 0.8 * PROMOTION) + RNG.normal(size=(N_SERIES, LENGTH + H))
KIND = np.where(PROMOTION > 0, "flyer", "none")


@pytest.fixture(scope="module")
def call():
    engine = start_engine()
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {engine.api_key}"

    def call(path, body):
        return session.post(engine.base_url + path, json=body, timeout=60)

    with session:
        yield call


def past(values):
    return values[:, :LENGTH].ravel().tolist()


def future(values):
    return values[:, LENGTH:].ravel().tolist()


def body(rows=None, ahead=None, categorical=None, **fields):
    series = {"y": past(SALES), "sizes": SERIES_LENGTHS, "X": rows, "X_future": ahead, "categorical_exog": categorical}
    return {"series": series, "freq": "D", **fields}


def known(**fields):
    """A forecast with one covariate that is known ahead, and one that is not."""
    return body([past(PROMOTION), past(NOISE)], [future(PROMOTION)], h=H, **fields)


def error(forecast):
    return np.abs(np.array(forecast) - np.array(future(SALES))).mean()


class TestForecast:
    def test_it_uses_what_is_known_ahead(self, call):
        answer = call("/v2/forecast", known(level=[80])).json()
        without = call("/v2/forecast", body(h=H, level=[80])).json()
        assert error(answer["mean"]) < 0.4 * error(without["mean"])
        widths = [
            np.subtract(each["intervals"]["hi-80"], each["intervals"]["lo-80"]).mean() for each in (answer, without)
        ]
        assert widths[0] < 0.6 * widths[1]
        assert answer["weights_x"][0] > 10 * answer["weights_x"][1]
        assert answer["feature_contributions"] is None
        assert without["weights_x"] is None

    def test_text_says_as_much_as_numbers(self, call):
        text = call("/v2/forecast", body([past(KIND)], [future(KIND)], [0], h=H)).json()
        numbers = call("/v2/forecast", body([past(PROMOTION)], [future(PROMOTION)], h=H)).json()
        assert error(text["mean"]) < 1.1 * error(numbers["mean"])

    def test_contributions_sum_to_the_forecast(self, call):
        answer = call("/v2/forecast", known(feature_contributions=True)).json()
        promotion, noise, base = np.array(answer["feature_contributions"])
        np.testing.assert_allclose(promotion + noise + base, answer["mean"], rtol=1e-12)
        promoted = PROMOTION[:, LENGTH:].ravel() > 0
        assert promotion[promoted].min() > 5 > promotion[~promoted].max()

    def test_interventions_are_forecasts_without_one_covariate(self, call):
        fields = {"feature_contributions": True, "feature_contributions_type": "intervention"}
        answer = call("/v2/forecast", known(**fields)).json()
        promotion, noise, base = np.array(answer["feature_contributions"])
        np.testing.assert_allclose(base + promotion, np.array(answer["mean"]) - noise, atol=0.5)

    def test_effects_may_be_applied_after_the_model(self, call):
        answer = call("/v2/forecast", known(clean_ex_first=False)).json()
        without = call("/v2/forecast", body(h=H)).json()
        assert answer["mean"] != call("/v2/forecast", known()).json()["mean"]
        assert error(answer["mean"]) < 0.7 * error(without["mean"])

    def test_a_fine_tuned_model_forecasts_with_them(self, call):
        tuned = {"series": {"y": past(SALES), "sizes": SERIES_LENGTHS}, "freq": "D", "finetune_steps": 5}
        model = call("/v2/finetune", {**tuned, "output_model_id": "with-covariates"}).json()["finetuned_model_id"]
        answer = call("/v2/forecast", known(finetuned_model_id=model)).json()
        assert error(answer["mean"]) < 0.5 * error(call("/v2/forecast", body(h=H)).json()["mean"])

    def test_no_rows_are_no_covariates(self, call):
        plain = call("/v2/forecast", body(h=H)).json()
        for empty in (body([], [], [], h=H), body([], None, h=H, feature_contributions=True)):
            assert call("/v2/forecast", empty).json() == plain

    def test_series_without_negative_values_have_no_negative_forecast(self, call):
        few = RNG.poisson(0.4 + 2 * PROMOTION).astype(float)
        sent = body([past(PROMOTION)], [future(PROMOTION)], h=H, level=[99])
        sent["series"]["y"] = past(few)
        answer = call("/v2/forecast", sent).json()
        assert min(*answer["mean"], *answer["intervals"]["lo-99"]) >= 0


class TestPast:
    def test_no_window_sees_what_comes_after_its_beginning(self, call):
        asked = body([past(PROMOTION), past(NOISE)], h=H, n_windows=2, hist_exog=[1])
        answer = np.reshape(call("/v2/cross_validation", asked).json()["mean"], (N_SERIES, 2, H))
        changed = body([past(PROMOTION), past(NOISE)], h=H, n_windows=2, hist_exog=[1])
        for series in range(N_SERIES):
            last = slice((series + 1) * LENGTH - H, (series + 1) * LENGTH)
            changed["series"]["y"][last] = [1e4] * H
            changed["series"]["X"][1][last] = [50.0] * H
        again = np.reshape(call("/v2/cross_validation", changed).json()["mean"], (N_SERIES, 2, H))
        np.testing.assert_array_equal(again, answer)

    def test_a_window_is_the_forecast_from_its_beginning(self, call):
        windows = call("/v2/cross_validation", body([past(PROMOTION)], h=H, level=[80])).json()
        start = LENGTH - H
        alone = {
            "y": SALES[:, :start].ravel().tolist(),
            "sizes": [start] * N_SERIES,
            "X": [PROMOTION[:, :start].ravel().tolist()],
            "X_future": [PROMOTION[:, start:LENGTH].ravel().tolist()],
        }
        forecast = call("/v2/forecast", {"series": alone, "freq": "D", "h": H, "level": [80]}).json()
        np.testing.assert_allclose(windows["mean"], forecast["mean"], rtol=1e-4)
        np.testing.assert_allclose(windows["intervals"]["lo-80"], forecast["intervals"]["lo-80"], rtol=1e-4)

    def test_contributions_of_the_whole_history(self, call):
        asked = body([past(PROMOTION)], h=H, full_history=True, feature_contributions=True)
        answer = call("/v2/cross_validation", asked).json()
        assert len(answer["mean"]) == sum(answer["sizes"]) == len(answer["idxs"])
        np.testing.assert_allclose(np.sum(answer["feature_contributions"], 0), answer["mean"], rtol=1e-12)

    def test_what_a_covariate_explains_is_no_anomaly(self, call):
        asked = body([past(PROMOTION)], level=95)
        answer = call("/v2/anomaly_detection", asked).json()
        promoted = np.concatenate([PROMOTION[series, 14:LENGTH] for series in range(N_SERIES)]) > 0
        assert np.mean(np.array(answer["anomaly"])[promoted]) < 0.2
        assert np.mean(np.array(call("/v2/anomaly_detection", body(level=95)).json()["anomaly"])[promoted]) > 0.3
        assert answer["weights_x"][0] > 0


ROW, AHEAD = past(PROMOTION), future(PROMOTION)


@pytest.mark.parametrize(
    ("rows", "ahead", "categorical", "place", "words"),
    [
        ([ROW[:-1]], [AHEAD], None, ["X", 0], "as many as y, 252, found 251"),
        ([ROW, [*ROW, 1.0]], [AHEAD], None, ["X", 1], "found 253"),
        ([ROW, []], None, None, ["X", 1], "found 0"),
        ([ROW], [AHEAD[:-1]], None, ["X_future", 0], "h values for each series, 21, found 20"),
        ([ROW], [AHEAD, AHEAD], None, ["X_future"], "at most as many rows as X has, 1, found 2"),
        (None, [AHEAD], None, ["X_future"], "at most as many rows as X has, 0, found 1"),
        ([ROW], [AHEAD], [1], ["categorical_exog", 0], "X, which has 1, found 1"),
        (None, None, [0], ["categorical_exog", 0], "X, which has 0, found 0"),
        ([ROW], [AHEAD], [-1], ["categorical_exog", 0], "greater than or equal to 0"),
        ([past(KIND)], [future(KIND)], None, ["X", 0, 0], "name 0 in categorical_exog"),
        ([ROW], [[*AHEAD[:5], "7", *AHEAD[6:]]], None, ["X_future", 0, 5], "found text"),
        ([[True, *ROW[1:]]], [AHEAD], None, ["X", 0, 0, "float"], "number"),
        ([[[1], *ROW[1:]]], [AHEAD], [0], ["X", 0, 0, "float"], "number"),
        ([{"a": 1}], [AHEAD], None, ["X", 0], "list"),
        ({"a": ROW}, [AHEAD], None, ["X"], "list"),
    ],
)
def test_wrong_rows_are_refused_at_their_place(call, rows, ahead, categorical, place, words):
    answer = call("/v2/forecast", body(rows, ahead, categorical, h=H))
    assert answer.status_code == 422, answer.text
    detail = answer.json()["detail"]
    assert detail[0]["loc"] == ["body", "series", *place]
    assert words in detail[0]["msg"]


@pytest.mark.parametrize(
    ("path", "fields", "place", "words"),
    [
        ("/v2/cross_validation", {"X_future": [AHEAD]}, ["series", "X_future"], "all that they need is in X"),
        ("/v2/cross_validation", {"hist_exog": [3]}, ["hist_exog", 0], "X, which has 1, found 3"),
        ("/v2/anomaly_detection", {"hist_exog": [1]}, ["hist_exog", 0], "X, which has 1, found 1"),
        ("/v2/forecast", {"hist_exog": [0]}, ["hist_exog"], "leave hist_exog out"),
        ("/v2/finetune", {}, ["series", "X"], "features in fine-tuning"),
        (
            "/v2/forecast",
            {"feature_contributions": True, "feature_contributions_type": "granger"},
            ["feature_contributions_type"],
            "does not support granger",
        ),
        ("/v2/forecast", {"clean_ex_first": "yes"}, ["clean_ex_first"], "bool"),
    ],
)
def test_what_a_path_does_not_take_is_refused(call, path, fields, place, words):
    sent = body([ROW], fields.pop("X_future", None), **({} if path == "/v2/anomaly_detection" else {"h": H}), **fields)
    answer = call(path, sent)
    assert answer.status_code == 422, answer.text
    detail = answer.json()["detail"]
    assert detail[0]["loc"] == ["body", *place]
    assert words in detail[0]["msg"]


class TestOfficialClient:
    """Requests that nixtla 0.9.0 sent for two series of 40 days: categories, promotions, prices, past temperature."""

    SENT = json.loads((Path(__file__).parent / "official_covariates.json").read_text(encoding="utf-8"))

    @pytest.mark.parametrize(("path", "n_values"), [("/v2/forecast", 6), ("/v2/cross_validation", 12)])
    def test_it_is_answered(self, call, path, n_values):
        answer = call(path, self.SENT[path])
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["mean"]) == n_values

    def test_contributions_and_weights_have_the_order_of_its_rows(self, call):
        answer = call("/v2/forecast", self.SENT["/v2/forecast"]).json()
        assert len(answer["weights_x"]) == 4
        assert np.shape(answer["feature_contributions"]) == (5, 6)
        np.testing.assert_allclose(np.sum(answer["feature_contributions"], 0), answer["mean"], rtol=1e-12)

    def test_anomalies_are_found_among_its_series(self, call):
        answer = call("/v2/anomaly_detection", self.SENT["/v2/anomaly_detection"]).json()
        assert len(answer["anomaly"]) == sum(answer["sizes"])
        assert len(answer["weights_x"]) == 3
