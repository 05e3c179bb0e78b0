"""What an argument may be, and the sentence that says so."""

import numpy as np
import pytest

from nixtla_accessor.api.requests import (
    check_anomaly_options,
    check_cross_validation_options,
    check_finetune_options,
    check_forecast_options,
    check_series,
)
from nixtla_accessor.errors import InvalidArgumentError

MODEL_IDS = ["a", "A-b_9", "x" * 36]
NO_MODEL_IDS = ["", "x" * 37, "has space!", "a\n", "a/../b", "é", 5, True, b"a"]
STEPS = "finetune_steps must be a whole number above 0; got {}."
DEPTH = "finetune_depth must be a whole number from 1 to 5; got {}."
LOSS = "finetune_loss must be one of 'default', 'mae', 'mse', 'rmse', 'mape', 'smape', 'poisson'; got {}"
VALUES = "y must be a one-dimensional array of numbers, with at least one; got {}."
COUNTS = "sizes must be a one-dimensional array of whole numbers, with at least one; got {}."


def refusal(check, **arguments):
    with pytest.raises(InvalidArgumentError) as caught:
        check(**arguments)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


@pytest.mark.parametrize("integer", [np.int64, np.int8, np.uint16, int])
def test_numpy_integers_become_python_integers(integer):
    arguments = check_finetune_options(finetune_steps=integer(3), finetune_depth=integer(5))
    assert type(arguments.finetune_steps) is type(arguments.finetune_depth) is int
    assert (arguments.finetune_steps, arguments.finetune_depth) == (3, 5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            ("finetune_steps", value, STEPS.format(repr(value)))
            for value in (0, -1, 1.0, True, None, np.float64(3.0), np.True_)
        ),
        *(("finetune_depth", value, DEPTH.format(repr(value))) for value in (0, 6, 1.5, False)),
        ("finetune_loss", "MAE", LOSS.format("'MAE'.")),
        ("finetune_loss", "smap", LOSS.format("'smap'; did you mean 'smape'?")),
        ("finetune_loss", None, LOSS.format("None.")),
        ("model", "", "model must be text on one line, and not empty; got ''."),
        ("model", "a\nb", "model must be text on one line, and not empty; got 'a\\nb'."),
        ("model", 1, "model must be text on one line, and not empty; got 1."),
        ("overwrite", "yes", "overwrite must be True or False; got 'yes'."),
    ],
)
def test_refused_finetune_arguments(name, value, message):
    assert refusal(check_finetune_options, **{name: value}) == message


@pytest.mark.parametrize("name", ["output_model_id", "finetuned_model_id"])
def test_model_ids(name):
    for value in [*MODEL_IDS, None]:
        assert getattr(check_finetune_options(**{name: value}), name) == value
    for value in NO_MODEL_IDS:
        message = refusal(check_finetune_options, **{name: value})
        assert message.startswith(f"{name} must be 1 to 36 letters (a to z), digits, '-' or '_'; got ")


def test_no_model_replaces_the_one_that_it_is_trained_from():
    message = refusal(check_finetune_options, output_model_id="a", finetuned_model_id="a", overwrite=True)
    assert message == (
        "output_model_id and finetuned_model_id must differ, since a model cannot replace the one that it starts from; "
        "both are 'a'."
    )


def test_levels_are_plain_numbers_and_whole_ones_are_integers():
    level = check_forecast_options(h=1, level=np.array([80.0, 97.5])).level
    assert level == (80, 97.5)
    assert [type(value) for value in level] == [int, float]
    assert check_forecast_options(h=1, level=(0, np.int64(99))).level == (0, 99)
    narrow = np.array([99.9, 80, 12.5], np.float32)
    assert check_forecast_options(h=1, level=narrow).level == (99.9, 80, 12.5)
    assert check_forecast_options(h=1, quantiles=np.array([0.1, 0.9], np.float32)).quantiles == (0.1, 0.9)


@pytest.mark.parametrize("level", [[99], (80, 90), "99", 100, None])
def test_the_level_of_anomalies_is_one_number(level):
    message = refusal(check_anomaly_options, level=level)
    assert message == f"level must be one percentage from 0 to below 100, such as level=99; got {level!r}."


@pytest.mark.parametrize("level", [[], 80, "80", ["80"], [100], [-1], [float("nan")], [True], [None], [[80]]])
def test_refused_levels(level):
    message = refusal(check_forecast_options, h=1, level=level)
    assert message == (f"level must be a list of percentages from 0 to below 100, such as [80, 90]; got {level!r}.")


@pytest.mark.parametrize("h", [0, -3, 2.5, True, "7"])
def test_refused_horizons(h):
    assert refusal(check_forecast_options, h=h) == f"h must be a whole number above 0; got {h!r}."


def test_series_are_not_copied():
    y, sizes = np.arange(4.0), np.array([1, 3])
    series = check_series(y, sizes)
    assert series.y is y
    assert series.sizes is sizes


@pytest.mark.parametrize(
    ("y", "dtype"),
    [
        ([1, 2], np.int64),
        ([1.5, 2], np.float64),
        (np.array([1, 2], np.float32), np.float64),
        (np.array([1, 2], np.uint8), np.int64),
        (np.array([1.0, 2.0], ">f8"), np.float64),
        (np.array([1.0, 0.0, 2.0])[::2], np.float64),
    ],
)
def test_other_numbers_become_float64_or_int64(y, dtype):
    series = check_series(y, [2])
    assert series.y.dtype == dtype
    assert series.y.dtype.isnative
    assert series.y.flags.c_contiguous
    assert list(series.y) == list(y)


@pytest.mark.parametrize(
    ("y", "sizes", "message"),
    [
        (
            [True, False],
            [2],
            VALUES.format("bool of shape (2,)"),
        ),
        ([], [1], VALUES.format("float64 of shape (0,)")),
        ([[1.0]], [1], VALUES.format("float64 of shape (1, 1)")),
        (["a"], [1], VALUES.format("<U1 of shape (1,)")),
        (
            [1.0],
            [1.0],
            COUNTS.format("float64 of shape (1,)"),
        ),
        (
            [1.0],
            [],
            COUNTS.format("float64 of shape (0,)"),
        ),
        (
            [1.0, np.inf, -np.inf],
            [3],
            "y must be finite, or NaN where a value is missing; 2 values are infinite, the first at position 1.",
        ),
        (
            [1.0, 2.0],
            [1, 2],
            "sizes must be above 0 and add up to the number of values in y, 2; the least is 1 and they add up to 3.",
        ),
        (
            [1.0, 2.0],
            [2, 0],
            "sizes must be above 0 and add up to the number of values in y, 2; the least is 0 and they add up to 2.",
        ),
    ],
)
def test_refused_series(y, sizes, message):
    assert refusal(check_series, y=y, sizes=sizes) == message


@pytest.mark.parametrize(
    ("level", "meant"),
    [([0.8], "80"), ([0.8, 0.95], "80, 95"), ([90, 0.975], "90, 97.5"), (np.array([0.9]), "90"), ([0.001], "0.1")],
)
@pytest.mark.parametrize("check", [check_forecast_options, check_cross_validation_options])
def test_a_share_is_no_percentage(check, level, meant):
    message = refusal(check, h=1, level=level)
    assert message == (
        f"level is in percent, from 0 to below 100, and not a share of 1: write level=[{meant}]; got {level!r}."
    )


def test_a_share_is_no_percentage_of_an_anomaly():
    assert refusal(check_anomaly_options, level=0.99) == (
        "level is in percent, from 0 to below 100, and not a share of 1: write level=99; got 0.99."
    )


def test_levels_around_1_are_percentages():
    assert check_forecast_options(h=1, level=[0, 1, 1.5]).level == (0, 1, 1.5)


def test_a_quantile_near_the_median_needs_a_small_level():
    assert check_forecast_options(h=1, quantiles=[0.499]).level == (0.2,)


def test_levels_keep_twelve_digits():
    assert check_forecast_options(h=1, level=[100 / 3]).level == (33.3333333333,)
    assert "from 0 to below 100" in refusal(check_forecast_options, h=1, level=[99.99999999999999])
