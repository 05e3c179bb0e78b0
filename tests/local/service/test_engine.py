"""The engine over a forecaster that is not the network: a seasonal naive one, whose tuned state is a bias."""

import ast
import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import nixtla_accessor.local.service
from nixtla_accessor.api.schema import AnomalyDetectionInput, CrossValidationInput, FinetuneInput, ForecastInput
from nixtla_accessor.local.base_models.names import UnknownBaseModelError
from nixtla_accessor.local.base_models.storage import BaseModelFolder
from nixtla_accessor.local.forecaster import Forecaster, TunedModel
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.errors import DamagedModelError, StoppedError, UnknownModelError, UnsupportedError
from nixtla_accessor.local.service.forecasters import Forecasters
from nixtla_accessor.local.service.store import ModelStore

Y = np.array([1.0, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 10, 20, 30])
SIZES = np.array([14, 3])
WEEK_AGO = [[11, 12, 13], [30, 30, 30]]  # the second series is shorter than a week: its last value


class SeasonalNaive:
    """Repeats the last season; fine-tuning adds the number of steps to it, each time."""

    horizon = 5
    losses = ("default", "mae")

    def input_size(self, season):
        return season.length

    def tune(self, series, season, *, steps, depth, loss, seed, base, progress):
        for step in range(steps):
            progress(step + 1)
        bias = np.array(steps + (0 if base is None else base["bias"]))
        return TunedModel({"bias": bias}, 1.0, steps)

    def forecast(self, tensors, series, season, horizon, quantiles, *, progress):
        progress(0)
        bias = 0 if tensors is None else tensors["bias"]
        ends = [values[-season.length :] if len(values) >= season.length else values[-1:] for values in series]
        medians = np.array([np.resize(end, horizon) for end in ends]) + bias
        return medians + 10 * (np.array(quantiles)[:, None, None] - 0.5)

    def dump(self, tensors):
        return json.dumps({"bias": int(tensors["bias"])}).encode()

    def load(self, data):
        return {"bias": np.array(json.loads(data)["bias"])}


class Frozen(SeasonalNaive):
    """A forecaster that cannot be fine-tuned."""

    losses = ()


BUILT_IN = {"timegpt-1": SeasonalNaive, "naive": SeasonalNaive, "some/frozen": Frozen}


@pytest.fixture
def engine(tmp_path):
    forecasters = Forecasters(BaseModelFolder(tmp_path / "base_models"), BUILT_IN)
    return Engine(ModelStore(tmp_path / "models.sqlite"), forecasters)


def request(kind, **fields):
    return kind(series={"y": Y, "sizes": SIZES}, freq="D", **fields)


def test_the_network_is_a_forecaster_and_its_prefixes_mean_it(tmp_path):
    forecasters = Forecasters(BaseModelFolder(tmp_path / "base_models"))
    network: Forecaster = forecasters.choose("timegpt-1").forecaster
    assert forecasters.names() == ["timegpt-1"]
    for name in ("timegpt-1-long-horizon", "timegpt-2", "azureai"):
        assert forecasters.choose(name).forecaster is network


def test_any_other_name_must_be_installed(engine):
    with pytest.raises(UnknownBaseModelError, match="'other' is not installed"):
        engine.forecast(request(ForecastInput, h=3, model="other"))
    with pytest.raises(UnknownBaseModelError, match="python -m nixtla_accessor pull amazon/chronos-2"):
        engine.model_parameters("chronos-2", "D")


def test_a_model_is_found_by_the_last_part_of_its_name_where_that_is_unique(engine):
    assert engine.models.find("frozen", None).base_model == "some/frozen"


def test_what_a_model_cannot_be_tuned_by_is_refused_before_anything_is_done(engine):
    for tuning in (
        request(FinetuneInput, model="frozen"),
        request(FinetuneInput, model="naive", finetune_loss="mse"),
    ):
        with pytest.raises(UnsupportedError, match=tuning.model):
            engine.plan_training(tuning)
    assert engine.trainings.current() == []
    with pytest.raises(UnsupportedError, match="by the loss 'default' or 'mae' only, found 'poisson'"):
        engine.forecast(request(ForecastInput, h=3, finetune_steps=1, finetune_loss="poisson"))
    with pytest.raises(UnsupportedError, match="'some/frozen' forecasts as it is"):
        engine.cross_validation(request(CrossValidationInput, h=3, finetune_steps=1, model="frozen"))
    assert len(engine.forecast(request(ForecastInput, h=3, model="frozen", finetune_loss="mse")).mean) == 6


def test_a_fine_tuned_model_keeps_its_base_model(engine):
    engine.finetune(request(FinetuneInput, finetune_steps=7, output_model_id="one", model="naive"))
    engine.finetune(request(FinetuneInput, finetune_steps=7, finetuned_model_id="one", output_model_id="two"))
    assert [engine.store.model(name).model for name in ("one", "two")] == ["naive", "naive"]
    engine.forecast(request(ForecastInput, h=3, finetuned_model_id="two", model="naive"))
    engine.forecast(request(ForecastInput, h=3, finetuned_model_id="two", model="timegpt-2.1"))  # a client's default
    with pytest.raises(UnsupportedError, match="'two' was fine-tuned from the base model 'naive', not from 'frozen'"):
        engine.forecast(request(ForecastInput, h=3, finetuned_model_id="two", model="frozen"))


def test_forecasts_and_their_intervals_are_the_forecasters(engine):
    answer = engine.forecast(request(ForecastInput, h=3, level=[80], model="naive"))
    assert np.reshape(answer.mean, (2, 3)).tolist() == WEEK_AGO
    assert np.allclose(answer.intervals["lo-80"], np.ravel(WEEK_AGO) - 4)
    assert np.allclose(answer.intervals["hi-80"], np.ravel(WEEK_AGO) + 4)


def test_a_tuned_model_is_saved_loaded_and_tuned_further_by_its_forecaster(engine):
    engine.finetune(request(FinetuneInput, finetune_steps=7, output_model_id="one", model="naive"))
    engine.finetune(request(FinetuneInput, finetune_steps=20, finetuned_model_id="one", output_model_id="two"))
    for model_id, bias in (("one", 7), ("two", 27)):
        answer = engine.forecast(request(ForecastInput, h=3, finetuned_model_id=model_id))
        assert np.reshape(answer.mean, (2, 3)).tolist() == (np.array(WEEK_AGO) + bias).tolist()
    assert engine.store.model("one").base_model_id == "None"
    assert engine.store.model("two").base_model_id == "one"
    with pytest.raises(UnknownModelError):
        engine.forecast(request(ForecastInput, h=3, finetuned_model_id="three"))


def test_a_forecast_can_tune_first_and_keeps_nothing(engine):
    answer = engine.forecast(request(ForecastInput, h=3, finetune_steps=5))
    assert np.reshape(answer.mean, (2, 3)).tolist() == (np.array(WEEK_AGO) + 5).tolist()
    assert engine.store.models() == []


class ReadsCovariates(SeasonalNaive):
    """Adds the first covariate's future to the last season, and notes what it was given."""

    def forecast_with_covariates(self, tensors, series, season, horizon, quantiles, *, covariates, progress):
        self.given = covariates
        return self.forecast(tensors, series, season, horizon, quantiles, progress=progress) + covariates[0].future


def test_a_forecaster_that_reads_covariates_gets_them_as_they_are(tmp_path):
    forecaster = ReadsCovariates()
    forecasters = Forecasters(BaseModelFolder(tmp_path / "base_models"), {"timegpt-1": lambda: forecaster})
    engine = Engine(ModelStore(tmp_path / "models.sqlite"), forecasters)
    rows = [Y.tolist(), ["a", "b"] * 8 + ["a"], (-Y).tolist()]
    series = {"y": Y, "sizes": SIZES, "X": rows, "categorical_exog": [1]}
    ahead = [[1.0, 2, 3, 4, 5, 6], ["a", "b", None, "c", "a", "b"]]
    fields = {"series": {**series, "X_future": ahead}, "h": 3, "freq": "D"}
    for asked in ({"feature_contributions": True}, {"clean_ex_first": False}):
        with pytest.raises(UnsupportedError, match="reads covariates itself"):
            engine.forecast(ForecastInput(**fields, **asked))
    answer = engine.forecast(ForecastInput(**fields))
    assert answer.mean == [12, 14, 16, 34, 35, 36]
    assert answer.weights_x is answer.feature_contributions is None
    number, category, historic = forecaster.given
    np.testing.assert_array_equal(number.past[1], Y[14:])
    assert category.categories == ("a", "b", "c")
    np.testing.assert_array_equal(category.future, [[0, 1, np.nan], [2, 0, 1]])
    assert historic.future is None
    engine.cross_validation(CrossValidationInput(series=series, hist_exog=[2], h=3, freq="D"))
    number, _, historic = forecaster.given
    np.testing.assert_array_equal(number.past[0], Y[:11])
    np.testing.assert_array_equal(number.future, [Y[11:14]])
    assert historic.future is None


def test_the_past_is_forecast_too(engine):
    answer = engine.cross_validation(request(CrossValidationInput, h=2, n_windows=2, finetune_steps=3))
    assert answer.sizes == [4, 2]  # the second series has one value before its only window
    assert answer.mean == [7, 8, 9, 10, 13, 13]
    anomalies = engine.detect_anomalies(request(AnomalyDetectionInput, level=80))
    # windows as long as the forecaster's horizon, after two seasons or half of a shorter series
    assert anomalies.sizes == [7, 2]
    assert anomalies.mean == [1, 2, 3, 4, 5, 6, 7, 10, 10]
    assert anomalies.anomaly == [True] * 9


def test_the_limits_are_the_forecasters(engine):
    parameters = engine.model_parameters("naive", "D")
    assert (parameters.input_size, parameters.horizon) == (7, 5)


def test_a_stopped_engine_ends_what_is_at_work_and_saves_nothing(engine):
    engine.stop()
    with pytest.raises(StoppedError):
        engine.finetune(request(FinetuneInput, finetune_steps=7, output_model_id="one"))
    with pytest.raises(StoppedError):
        engine.forecast(request(ForecastInput, h=3))
    assert engine.store.models() == []


def test_a_model_that_its_forecaster_cannot_read_is_damaged(engine, monkeypatch):
    engine.finetune(request(FinetuneInput, finetune_steps=7, output_model_id="one"))

    def refuse(forecaster, data):
        raise ValueError("another version")

    monkeypatch.setattr(SeasonalNaive, "load", refuse)
    with pytest.raises(DamagedModelError, match="'one' does not fit this version"):
        engine.forecast(request(ForecastInput, h=3, finetuned_model_id="one"))


def test_a_forecaster_is_added_by_one_module_and_one_line(tmp_path):
    """Follow what the page for contributors shows."""
    page = (Path(__file__).parents[3] / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    module = textwrap.dedent(re.search(r"^ +```python\n(.*?)^ +```$", page, re.DOTALL | re.MULTILINE)[1])
    names = {}
    exec(module, names)
    line = re.search(r'`("seasonal-naive": SeasonalNaive)`', page)[1]
    added = eval("{" + line + "}", names)
    forecasters = Forecasters(BaseModelFolder(tmp_path / "base_models"), {**BUILT_IN, **added})
    engine = Engine(ModelStore(tmp_path / "models.sqlite"), forecasters)
    assert "seasonal-naive" in forecasters.names()
    answer = engine.forecast(request(ForecastInput, h=3, level=[80], model="seasonal-naive"))
    assert answer.mean == [11, 12, 13, 10, 20, 30]
    with pytest.raises(UnsupportedError, match="'seasonal-naive' forecasts as it is"):
        engine.plan_training(request(FinetuneInput, model="seasonal-naive"))


def test_only_the_choice_of_forecasters_knows_the_network():
    knowing = set()
    for path in Path(nixtla_accessor.local.service.__file__).parent.glob("*.py"):
        modules = [
            node.module for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        if any(module.startswith("nixtla_accessor.local.network") for module in modules):
            knowing.add(path.name)
    assert knowing == {"forecasters.py"}
