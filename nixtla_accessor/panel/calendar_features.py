"""Features of the calendar: made of the stamps of all series, once for the past and the horizon together."""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_list_like

from nixtla_accessor.errors import ConfigurationError, InvalidArgumentError, UnsupportedDtypeError
from nixtla_accessor.panel.aliases import NANOSECONDS, NANOSECONDS_PER_DAY
from nixtla_accessor.panel.arrays import concatenate_ranges, offsets, steps_within
from nixtla_accessor.panel.covariate_columns import CovariateChoice, DateFeatures, Holidays
from nixtla_accessor.panel.covariate_values import read_covariate
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.frequency import Frequency
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.panel.panel import Covariate
from nixtla_accessor.panel.tidy import forecast_frame, past_frame
from nixtla_accessor.panel.times import TimeForm

_OF_DAYS = ("year", "month", "day", "weekday")
_OF_CLOCKS = ("year", "month", "day", "hour", "minute", "second")
# what changes from one step of a frequency to the next, by its family; of all other families the days
_CHANGING = {
    "h": _OF_CLOCKS[:4],
    "min": _OF_CLOCKS[:5],
    **dict.fromkeys(("s", "ms", "us", "ns"), _OF_CLOCKS),
    "W": ("year", "week", "weekday"),
    **dict.fromkeys(("SMS", "SME", "WOM", "LWOM"), _OF_DAYS[:3]),
    **dict.fromkeys(("MS", "ME", "BMS", "BME", "CBMS", "CBME", "HYS", "HYE", "BHYS", "BHYE"), ("year", "month")),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE"), ("year", "quarter")),
    **dict.fromkeys(("YS", "YE", "BYS", "BYE"), ("year",)),
}
# attributes that newer versions of pandas call otherwise
_RENAMED = {
    "weekday": "day_of_week",
    "dayofweek": "day_of_week",
    "dayofyear": "day_of_year",
    "daysinmonth": "days_in_month",
}
# the usual attributes, to suggest where a name is none
_ATTRIBUTES = (
    *("week", "day_name", "month_name", *_OF_CLOCKS, "microsecond", "nanosecond", "quarter"),
    *_RENAMED,
    *_RENAMED.values(),
    *(f"is_{period}_{edge}" for period in ("month", "quarter", "year") for edge in ("start", "end")),
    "is_leap_year",
)
_DAYS = frozenset({"D", "B", "C"})
_ONE_STAMP = pd.DatetimeIndex(["2024-01-01"])
_Feature = str | Callable[[pd.DatetimeIndex], Any]


def check_calendar(choice: CovariateChoice) -> None:
    """Check what a caller asks of the calendar, before any stamp is read.

    Raises
    ------
    InvalidArgumentError
        Pandas knows no such feature, a country has no known holidays, or an argument is of another type.
    ConfigurationError
        The package ``holidays`` is needed, and not installed.
    """
    for feature in _features(choice.date_features):
        if isinstance(feature, str):
            _attribute(feature, _ONE_STAMP)
    if choice.holidays is not None:
        for country in _days_around(choice.holidays):
            _holidays_of(country, 2024, 2024)


def feature_names(date_features: DateFeatures, frequency: Frequency) -> list[str]:
    """Return the names of date features.

    Examples
    --------
    >>> from nixtla_accessor.panel.frequency import parse_frequency
    >>> feature_names(True, parse_frequency("QE")), feature_names(["day_name"], parse_frequency("D"))
    (['year', 'quarter'], ['day_name'])
    """
    return [name for name, _ in _named(_features(date_features, frequency))]


def calendar_covariates(packed: PackedSeries, choice: CovariateChoice, horizon: int) -> tuple[Covariate, ...]:
    """Make the features that a caller asks for, known ahead, of the stamps of series and of the steps after them.

    Parameters
    ----------
    packed : PackedSeries
        The series.
    choice : CovariateChoice
        What the caller asks for.
    horizon : int
        The steps after the end of each series; 0 where nothing beyond it is forecast.

    Raises
    ------
    InvalidArgumentError
        Times are integers, a frequency has steps of several days, or a function returns what cannot be sent.
    """
    if not choice.has_calendar:
        return ()
    _check_frequency(choice, packed.frequency, packed.form)
    # Series that start together share their stamps, so that few of a panel are advanced and looked at.
    starts, of_series = np.unique(packed.start_ticks, return_inverse=True)
    longest = np.zeros(len(starts), dtype=np.int64)
    np.maximum.at(longest, of_series, packed.sizes + horizon)
    ticks = packed.frequency.advance(starts.repeat(longest), steps_within(longest), packed.form)
    distinct, places = np.unique(ticks, return_inverse=True)
    first = offsets(longest)[of_series]
    past = places[concatenate_ranges(first, packed.sizes)]
    future = places[concatenate_ranges(first + packed.sizes, np.full(len(first), horizon))]
    return tuple(
        Covariate(name, is_known=True, past=values[past], future=values[future] if horizon else None)
        for name, values in _columns(packed.form.stamps(distinct), choice, packed.frequency)
    )


def calendar_frames(
    packed: PackedSeries, choice: CovariateChoice, horizon: object
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the features that a caller asks for as tidy frames: of the past, and of the steps after it.

    Raises
    ------
    InvalidArgumentError
        As of `calendar_covariates`; or the horizon is no number of steps.
    """
    if not isinstance(horizon, int | np.integer) or isinstance(horizon, bool) or horizon < 1:
        raise InvalidArgumentError(f"h must be a number of steps, at least 1; got {horizon!r}.")
    covariates = calendar_covariates(packed, choice, int(horizon))
    past = past_frame(packed, np.arange(len(packed.y)), {covariate.name: covariate.past for covariate in covariates})
    ahead = {covariate.name: np.asarray(covariate.future) for covariate in covariates}
    return past, forecast_frame(packed, int(horizon), ahead)


def _check_frequency(choice: CovariateChoice, frequency: Frequency, form: TimeForm) -> None:
    if form.is_integer:
        raise InvalidArgumentError(
            "date_features and holidays need stamps of the calendar; the times are integers. Put what you know of the "
            "calendar into columns of the frame."
        )
    if choice.holidays is not None and not _is_within_days(frequency):
        raise InvalidArgumentError(
            f"holidays are days, and a step of the frequency {frequency.name!r} covers several, of which it is not "
            "known where among them its stamp stands. Count the holidays of each step in a column of your own."
        )


def _is_within_days(frequency: Frequency) -> bool:
    """Return whether each step lies in one day."""
    if frequency.family in NANOSECONDS:
        return frequency.multiple * NANOSECONDS[frequency.family] <= NANOSECONDS_PER_DAY
    return frequency.multiple == 1 and frequency.family in _DAYS


def _columns(
    stamps: pd.DatetimeIndex, choice: CovariateChoice, frequency: Frequency
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield the name and the values of each feature of some stamps, which ascend."""
    for own_name, feature in _named(_features(choice.date_features, frequency)):
        values = _attribute(feature, stamps) if isinstance(feature, str) else feature(stamps)
        frame = values if isinstance(values, pd.DataFrame) else _one_column(values, own_name, stamps)
        for name in frame.columns:
            yield str(name), _read(frame[name], str(name), len(stamps))
    if choice.holidays is not None:
        yield from _holiday_columns(stamps, choice.holidays)


def _features(date_features: Any, frequency: Frequency | None = None) -> list[_Feature]:  # noqa: ANN401 - as given
    """Return the features that a caller names; of True those of the frequency, where it is known."""
    if isinstance(date_features, bool | np.bool_):
        return list(_CHANGING.get(frequency.family, _OF_DAYS)) if date_features and frequency is not None else []
    features = list(date_features) if is_list_like(date_features) else [date_features]
    wrong = [feature for feature in features if not (isinstance(feature, str) or callable(feature))]
    if wrong or not features:
        raise InvalidArgumentError(
            "date_features must be True, or a list of attributes of pandas' stamps such as 'month', and of functions "
            f"that take a DatetimeIndex; got {wrong[0] if wrong else date_features!r}."
        )
    return features


def _named(features: list[_Feature]) -> list[tuple[str, _Feature]]:
    """Return features with their names: several lambdas are numbered, as pandas numbers those of an aggregation."""
    names = [feature if isinstance(feature, str) else _name_of(feature) for feature in features]
    if names.count("<lambda>") > 1:
        numbers = itertools.count()
        names = [f"<lambda_{next(numbers)}>" if name == "<lambda>" else name for name in names]
    return list(zip(names, features, strict=True))


def _name_of(function: Callable[[pd.DatetimeIndex], Any]) -> str:
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _attribute(name: str, stamps: pd.DatetimeIndex) -> Any:  # noqa: ANN401 - any column
    """Return an attribute of stamps, such as their month.

    Raises
    ------
    InvalidArgumentError
        They have none of this name.
    """
    if name in {"week", "weekofyear"}:
        return stamps.isocalendar().week.to_numpy()
    found = None if name.startswith("_") else getattr(stamps, _RENAMED.get(name, name), None)
    if name in {"day_name", "month_name"}:
        found = found()  # type: ignore[misc] # a method
    if not is_list_like(found) or isinstance(found, pd.DatetimeIndex | pd.PeriodIndex):
        near = difflib.get_close_matches(name, _ATTRIBUTES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidArgumentError(
            f"date_features must be attributes of pandas' stamps, such as {', '.join(map(repr, _ATTRIBUTES[:4]))}; "
            f"{name!r} is none.{hint}"
        )
    return found


def _one_column(values: Any, name: str, stamps: pd.DatetimeIndex) -> pd.DataFrame:  # noqa: ANN401 - any column
    """Return what a feature returned as a frame."""
    if not is_list_like(values) or len(values) != len(stamps):
        found = f"{len(values)} values" if is_list_like(values) else f"a {type(values).__name__}"
        raise InvalidArgumentError(
            f"The date feature {name!r} must return one value for each of the {len(stamps)} stamps; it returned "
            f"{found}."
        )
    return pd.DataFrame({name: pd.Series(values).array})


def _read(values: pd.Series[Any], name: str, n_stamps: int) -> npt.NDArray[Any]:
    """Read the values of a feature as those of a covariate."""
    if len(values) != n_stamps:
        raise InvalidArgumentError(
            f"The date feature {name!r} must return one value for each of the {n_stamps} stamps; it returned "
            f"{len(values)}."
        )
    try:
        read = read_covariate(values, NamedColumn(name))
    except UnsupportedDtypeError as error:
        raise InvalidArgumentError(
            f"The date feature {name!r} must return numbers, bools or text; it returned {values.dtype}."
        ) from error
    unknown = pd.isna(read) if read.dtype == object else ~np.isfinite(np.asarray(read, dtype=np.float64))
    if unknown.any():
        raise InvalidArgumentError(
            f"The date feature {name!r} must return a finite value for each stamp; {int(unknown.sum())} of "
            f"{n_stamps} are missing or infinite."
        )
    return read


def _days_around(holidays: Any) -> dict[str, list[int]]:  # noqa: ANN401 - whatever the caller gave
    """Return for each country the days, counted from a holiday, that have a column of their own."""
    countries = list(holidays) if is_list_like(holidays) else [holidays]
    days: dict[str, list[int]] = {}
    for country in countries:
        around: Any = holidays[country] if isinstance(holidays, Mapping) else 0
        listed = list(around) if is_list_like(around) else [around]
        is_fine = isinstance(country, str) and all(isinstance(day, int) for day in listed) and bool(listed)
        if isinstance(around, int):
            listed = list(range(-around, around + 1))
        if not is_fine or not listed:
            raise InvalidArgumentError(
                "holidays must be countries, such as 'US' or ['US', 'DE-BY'], or for each the days around a holiday, "
                f"such as {{'US': 1}} or {{'US': [-1, 0]}}; got {holidays!r}."
            )
        days[country] = listed
    return days


def _holiday_columns(stamps: pd.DatetimeIndex, holidays: Holidays) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield for each holiday, and each day around it, which stamps it is; those that are none of the stamps are not."""
    dates = stamps.tz_localize(None).to_numpy().astype("M8[D]")
    first, last = dates[0].astype(dt.date), dates[-1].astype(dt.date)
    for country, around in _days_around(holidays).items():
        named: dict[str, list[dt.date]] = {}
        for date, name in sorted(_holidays_of(country, first.year - 1, last.year + 1).items()):
            named.setdefault(name, []).append(date)
        for name, days in named.items():
            for shift in around:
                wanted = np.array(days, dtype="M8[D]") + shift
                is_holiday = np.isin(dates, wanted)
                if is_holiday.any():
                    yield f"{country}_{name}{shift:+d}" if shift else f"{country}_{name}", is_holiday.astype(float)


def _holidays_of(country: str, first_year: int, last_year: int) -> Mapping[dt.date, str]:
    """Return the holidays of a country, or of a part of one (``"DE-BY"``), by date.

    Raises
    ------
    ConfigurationError
        The package ``holidays`` is not installed.
    InvalidArgumentError
        It does not know the country.
    """
    try:
        from holidays import country_holidays
    except ImportError as error:
        raise ConfigurationError(
            'holidays needs the package of this name, which is not installed: pip install "nixtla-accessor[calendar]"'
        ) from error
    code, _, part = country.partition("-")
    try:
        return country_holidays(code, subdiv=part or None, years=range(first_year, last_year + 1))
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"holidays must be codes of countries, such as 'US', with a part of one after a dash, as 'DE-BY'; got "
            f"{country!r}: {error}."
        ) from error
