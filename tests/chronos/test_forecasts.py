"""Zero-shot forecasts are the library's own."""

import numpy as np
import pytest
import torch
from chronos import Chronos2Pipeline, ChronosBoltPipeline

from nixtla_accessor.api.schema import CrossValidationInput, FinetuneInput, ForecastInput, SeriesWithFutureExogenous
from nixtla_accessor.local.chronos import pipelines
from nixtla_accessor.local.chronos.pipelines import choose_device, load, quiet, unload
from nixtla_accessor.local.forecaster import UnavailableError
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.errors import UnsupportedError
from nixtla_accessor.local.service.store import ModelStore

LEVELS = [80, 98]
QUANTILES = {"lo-98": 0.01, "lo-80": 0.1, "hi-80": 0.9, "hi-98": 0.99}


@pytest.fixture
def engine(home):
    return Engine(ModelStore(home / "models.sqlite"))


def request(kind, series, **fields):
    extra = {name: fields.pop(name) for name in ("X", "X_future", "categorical_exog") if name in fields}
    packed = SeriesWithFutureExogenous(
        y=np.concatenate(series), sizes=np.array([len(each) for each in series]), **extra
    )
    return kind(series=packed, freq="D", **fields)


@pytest.fixture(scope="module")
def library(chronos_2_folder):
    with quiet():
        pipeline = Chronos2Pipeline.from_pretrained(chronos_2_folder)

    def predict(inputs, horizon):
        """Return the library's quantiles at all its levels, sorted; (series, horizon, levels)."""
        quantiles, _ = pipeline.predict_quantiles(
            inputs, prediction_length=horizon, quantile_levels=list(pipeline.quantiles)
        )
        return np.sort(np.stack([each[0].numpy() for each in quantiles]), -1), list(pipeline.quantiles)

    return predict


def assert_equal(answer, expected, levels, n_series):
    for key, quantile in {**QUANTILES, "mean": 0.5}.items():
        if quantile in levels:
            found = answer.mean if key == "mean" else answer.intervals[key]
            wanted = expected[..., levels.index(quantile)]
            assert np.allclose(np.reshape(found, (n_series, -1)), wanted, rtol=1e-5, atol=1e-5), key


@pytest.mark.filterwarnings("ignore:We recommend keeping prediction length")  # of the library's own call
@pytest.mark.parametrize("horizon", [1, 12, 64, 100])
def test_chronos_2(engine, library, panel, horizon):
    answer = engine.forecast(request(ForecastInput, panel, h=horizon, level=LEVELS, model="chronos-2"))
    assert_equal(answer, *library(panel, horizon), len(panel))


@pytest.mark.filterwarnings("ignore:We recommend keeping prediction length")
@pytest.mark.parametrize("horizon", [5, 16, 40])
def test_bolt(engine, bolt_folder, panel, horizon):
    with quiet():
        pipeline = ChronosBoltPipeline.from_pretrained(bolt_folder)
    tensors = [torch.tensor(values, dtype=torch.float32) for values in panel]
    quantiles, _ = pipeline.predict_quantiles(tensors, horizon, pipeline.quantiles)
    answer = engine.forecast(request(ForecastInput, panel, h=horizon, level=LEVELS, model="tiny/bolt"))
    assert_equal(answer, np.sort(quantiles.numpy(), -1), pipeline.quantiles, len(panel))
    widened, outermost = np.array(answer.intervals["hi-98"]), np.array(answer.intervals["hi-80"])
    assert np.allclose(widened - answer.mean, (outermost - answer.mean) * 2.3263479 / 1.2815516)


@pytest.mark.parametrize("n_known", [0, 1, 3])
def test_covariates(engine, library, panel, n_known):
    rng, horizon = np.random.default_rng(1), 12
    price = [rng.normal(50, 5, len(values) + horizon) for values in panel]
    promotion = [rng.choice(["none", "half", "two for one"], len(values) + horizon) for values in panel]
    traffic = [rng.normal(size=len(values) + horizon) for values in panel]
    traffic[0][[3, 4]] = np.nan
    rows = {"0": price, "1": promotion, "2": traffic}
    inputs = []
    for nth, values in enumerate(panel):
        past = {name: row[nth][: len(values)] for name, row in rows.items()}
        future = {name: rows[name][nth][len(values) :] for name in list(rows)[:n_known]}
        inputs.append({"target": values, "past_covariates": past, **({"future_covariates": future} if future else {})})

    def lists(cut):
        return [
            [
                None if value != value else value
                for each, values in zip(row, panel, strict=True)
                for value in cut(each, len(values)).tolist()
            ]
            for row in rows.values()
        ]

    answer = engine.forecast(
        request(
            ForecastInput,
            panel,
            h=horizon,
            level=LEVELS,
            model="chronos-2",
            X=lists(lambda each, n: each[:n]),
            X_future=lists(lambda each, n: each[n:])[:n_known] or None,
            categorical_exog=[1],
        )
    )
    expected, levels = library(inputs, horizon)
    assert_equal(answer, expected, levels, len(panel))
    without, _ = library(panel, horizon)
    assert not np.allclose(expected, without, atol=1e-5)


def test_what_chronos_2_cannot_do_with_covariates_names_it(engine, panel):
    asked = {"h": 3, "model": "chronos-2", "X": [np.concatenate(panel).tolist()]}
    with pytest.raises(UnsupportedError, match="'tiny/chronos-2' reads covariates itself, and does not say"):
        engine.forecast(request(ForecastInput, panel, **asked, feature_contributions=True))
    with pytest.raises(UnsupportedError, match="'tiny/chronos-2' reads covariates itself, and cannot apply them after"):
        engine.cross_validation(request(CrossValidationInput, panel, **asked, clean_ex_first=False))


def test_tuning_that_a_model_cannot_do_names_it(engine, panel):
    with pytest.raises(UnsupportedError, match="'tiny/chronos-2' can be fine-tuned by the loss 'default' only"):
        engine.plan_training(request(FinetuneInput, panel, model="chronos-2", finetune_loss="mae"))
    with pytest.raises(UnsupportedError, match="'tiny/bolt' forecasts as it is"):
        engine.plan_training(request(FinetuneInput, panel, model="bolt"))


def test_it_says_how_much_it_reads_and_forecasts(engine):
    assert engine.models.forecasters.names() == ["timegpt-1", "tiny/bolt", "tiny/chronos-2"]
    parameters = engine.model_parameters("chronos-2", "D")
    assert (parameters.input_size, parameters.horizon) == (128, 64)


def test_the_past_is_forecast_from_what_came_before(engine, library, panel):
    answer = engine.cross_validation(
        request(CrossValidationInput, panel, h=7, n_windows=2, level=LEVELS, model="chronos-2")
    )
    expected, levels = library([values[:cut] for values in panel for cut in (-14, -7)], 7)
    assert_equal(answer, expected, levels, 2 * len(panel))


@pytest.mark.parametrize("model", ["chronos-2", "bolt"])
class TestUnusualSeries:
    def test_short_missing_and_infinite_values_are_answered(self, engine, panel, model):
        gap = panel[0].copy()
        gap[20:40] = np.nan
        series = [np.array([5.0]), np.full(3, np.nan), gap, np.full(30, 2.5), np.zeros(10)]
        answer = engine.forecast(request(ForecastInput, series, h=20, level=[80], model=model))
        found = np.reshape(answer.mean, (5, 20))
        assert np.isfinite(found).all()
        assert np.allclose(found[0], 5, atol=0.01)
        assert np.allclose(found[1], 0, atol=0.01)
        assert np.allclose(found[3], 2.5, atol=0.01)
        assert (np.array(answer.intervals["lo-80"]) <= np.array(answer.intervals["hi-80"])).all()

    @pytest.mark.parametrize(("factor", "level"), [(1, 1e9), (1, -1e12), (2.0**60, 0), (2.0**-60, 0), (1e290, 0)])
    def test_values_that_32_bits_cannot_hold_are_forecast_as_others_are(self, engine, panel, model, factor, level):
        usual = np.array(engine.forecast(request(ForecastInput, panel, h=5, model=model)).mean)
        moved = [factor * values + level for values in panel]
        answer = np.array(engine.forecast(request(ForecastInput, moved, h=5, model=model)).mean)
        assert np.allclose(
            answer, factor * usual + level, rtol=1e-9 if level else 1e-4, atol=abs(level) * 1e-13 + 5e-4 * factor
        )

    def test_neighbours_do_not_matter(self, engine, panel, model):
        together = np.reshape(engine.forecast(request(ForecastInput, panel, h=5, model=model)).mean, (-1, 5))
        alone = [engine.forecast(request(ForecastInput, [values], h=5, model=model)).mean for values in panel]
        assert np.allclose(together, alone, rtol=1e-5, atol=1e-5)


class TestMemory:
    def test_one_model_is_in_memory(self, engine, panel):
        engine.forecast(request(ForecastInput, panel, h=2, model="chronos-2"))
        first = pipelines._loaded.folder
        engine.forecast(request(ForecastInput, panel, h=2, model="bolt"))
        assert pipelines._loaded.folder != first
        unload()
        assert pipelines._loaded is None

    def test_damaged_weights_are_refused_by_name(self, engine, panel, monkeypatch):
        unload()
        monkeypatch.setattr(pipelines, "file_sha256", lambda _: "another")
        with pytest.raises(UnavailableError, match=r"'tiny/chronos-2' cannot be run: its weights .* damaged: pull it"):
            engine.forecast(request(ForecastInput, panel, h=2, model="chronos-2"))

    def test_a_lack_of_memory_is_a_memory_error(self, home, engine, panel, monkeypatch):
        model = engine.models.find("bolt", None).forecaster._load()

        def fail(*_, **__):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 byte\nat …")

        monkeypatch.setattr(type(model), "forward", fail)
        with pytest.raises(MemoryError, match="can't allocate memory"):
            engine.forecast(request(ForecastInput, panel, h=2, model="bolt"))

    @pytest.mark.parametrize(("wanted", "said"), [("gpu", "must be one of auto, cpu"), ("cuda", "no such device here")])
    def test_a_device_that_is_not_there_is_named(self, monkeypatch, wanted, said):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(UnavailableError, match=said):
            choose_device(wanted)

    def test_auto_says_which_device_it_took(self, home, engine, caplog):
        unload()
        model = engine.models.forecasters._pulled.find("chronos-2")
        with caplog.at_level("INFO", "nixtla_accessor.local"):
            loaded = load(model.folder, model.architecture, model.sha256)
        assert f"runs on {loaded.device.type}" in caplog.text
