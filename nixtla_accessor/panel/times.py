"""Between a column of times and int64 ticks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from nixtla_accessor.errors import UnsupportedDtypeError

Ticks = npt.NDArray[np.int64]

MISSING_TICK = np.iinfo(np.int64).min  # what pandas stores for NaT
ROWS_TO_SEE_THE_USUAL = 10_000
SECONDS_PER_DAY = 86_400
TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_ISO = re.compile(
    r"(?P<year>\d{4})(?:(?P<dash>-?)(?P<month>\d{2})(?:-?(?P<day>\d{2}))?)?"
    r"(?:(?P<separator>[T ])(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?)?"
    r"(?P<suffix>Z|[+-]\d{2}(?::?\d{2})?)?"
)


@dataclass(frozen=True, slots=True)
class TextForm:
    """How ISO 8601 strings are written: to which unit, with which signs."""

    resolution: str
    separator: str = "T"
    compact: bool = False
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How the caller writes times, so that results can be written the same way.

    Ticks are int64: the caller's integers, or units since 1970-01-01, UTC when the times have a zone.
    """

    kind: Literal["integer", "stamp", "date", "text", "period"]
    dtype: Any
    unit: str = ""
    zone: tzinfo | None = None
    text: TextForm | None = None

    @property
    def is_integer(self) -> bool:
        """Whether times are plain integers."""
        return self.kind == "integer"

    @property
    def ticks_per_day(self) -> int:
        """How many ticks a day has."""
        return SECONDS_PER_DAY * TICKS_PER_SECOND[self.unit]

    def to_wall(self, ticks: Ticks) -> Ticks:
        """Turn instants into what the clock on the wall shows.

        Where the clock skips the usual time of day, as Santiago's skips some midnights, the first instant after
        stands for it.
        """
        if self.zone is None or not len(ticks):
            return ticks
        wall = np.asarray(self._instants(ticks).tz_localize(None).asi8)
        time_of_day = wall % self.ticks_per_day
        usual = most_frequent(time_of_day[:ROWS_TO_SEE_THE_USUAL])
        unusual = np.flatnonzero(time_of_day != usual)
        if len(unusual):
            after = ticks[unusual]
            nominal = wall[unusual] - time_of_day[unusual] + usual
            skipped = np.isin(after, self._ends_of_skips(after)) & (self.from_wall(nominal) == after)
            wall[unusual[skipped]] = nominal[skipped]
        return wall

    def from_wall(self, wall: Ticks) -> Ticks:
        """Turn what the clock on the wall shows into instants.

        A time that the clock skips becomes the first one after; of a time that it shows twice, the first counts.
        """
        if self.zone is None:
            return wall
        naive = pd.DatetimeIndex(wall.view(f"M8[{self.unit}]"))
        first = np.ones(len(naive), dtype=bool)
        return np.asarray(naive.tz_localize(self.zone, ambiguous=first, nonexistent="shift_forward").asi8)

    def restore(self, ticks: Ticks) -> pd.Index[Any]:
        """Write ticks as the caller writes times; shape ``(n,)``, the caller's dtype."""
        if self.kind == "integer":
            return pd.Index(ticks).astype(self.dtype)
        stamps = self._instants(ticks)
        if self.kind == "date":
            return pd.Index(stamps.date, dtype=object)
        if self.kind == "period":
            return pd.PeriodIndex(stamps, freq=self.dtype.freq)
        if self.text is not None:
            return pd.Index(self._write(ticks, self.text), dtype=self.dtype)
        return stamps.astype(self.dtype)

    def show(self, ticks: Ticks) -> list[str]:
        """Write ticks for a message, as pandas prints them."""
        return [str(time) for time in self.restore(ticks).astype(str)]

    def _instants(self, ticks: Ticks) -> pd.DatetimeIndex:
        naive = pd.DatetimeIndex(ticks.view(f"M8[{self.unit}]"))
        return naive if self.zone is None else naive.tz_localize("UTC").tz_convert(self.zone)

    def _ends_of_skips(self, ticks: Ticks) -> Ticks:
        """Find the instants, around the days of some ticks, to which the clock jumps ahead."""
        days = np.unique(ticks // self.ticks_per_day)
        before, after = (days - 1) * self.ticks_per_day, (days + 2) * self.ticks_per_day
        ahead = self._offsets(after) > self._offsets(before)
        before, after = before[ahead], after[ahead]
        old = self._offsets(before)
        while (after - before > 1).any():
            middle = (before + after) // 2
            jumped = self._offsets(middle) > old
            before, after = np.where(jumped, before, middle), np.where(jumped, middle, after)
        return after

    def _offsets(self, ticks: Ticks) -> Ticks:
        """Give the clock's distance from UTC."""
        return np.asarray(self._instants(ticks).tz_localize(None).asi8) - ticks

    def _write(self, ticks: Ticks, form: TextForm) -> list[str]:
        stamps = self.to_wall(ticks).view(f"M8[{self.unit}]").astype(f"M8[{form.resolution}]")
        texts = np.datetime_as_string(stamps).tolist()
        if form.compact:
            texts = [text.replace("-", "").replace(":", "") for text in texts]
        return [text.replace("T", form.separator) + form.suffix for text in texts]


def most_frequent(values: npt.NDArray[np.int64]) -> int:
    """Find the most frequent number; of equals the smallest."""
    kinds, counts = np.unique(values, return_counts=True)
    return int(kinds[np.argmax(counts)])


def read_times(values: pd.Series[Any] | pd.Index[Any], name: object) -> tuple[Ticks, TimeForm]:
    """Read a column of times.

    Parameters
    ----------
    values : Series or Index of length n
        datetime64 of any unit, with or without a zone; dates; periods; ISO 8601 strings; integers. NumPy, nullable, Arrow
        and categorical storage alike.
    name : hashable
        The column's name, for messages.

    Returns
    -------
    ticks : ndarray of int64, shape (n,)
        `MISSING_TICK` where the time is missing. Shares memory with the column where that is possible.
    form : TimeForm
        How to write ticks as the column does.

    Raises
    ------
    UnsupportedDtypeError
        The values are no times, or strings that are not ISO 8601 or have more than one UTC offset.
    """
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return read_times(values.astype(dtype.categories.dtype), name)
    if isinstance(dtype, pd.ArrowDtype):
        return _read_arrow(values, dtype, name)
    if isinstance(dtype, pd.PeriodDtype):
        return _read_periods(pd.PeriodIndex(values), dtype)
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind == "M":
        return _read_stamps(values, dtype)
    if pd.api.types.is_integer_dtype(dtype):
        return _read_integers(values, dtype, name)
    if isinstance(dtype, pd.StringDtype):
        return _read_texts(values, name)
    if dtype == object:
        return _read_objects(values, name)
    if pd.api.types.is_float_dtype(dtype):
        remedy = f"Integer steps need an integer column (df[{name!r}].astype('int64')); for dates, use pd.to_datetime with its unit."
        raise UnsupportedDtypeError(f"The times in {name!r} are floating-point numbers ({dtype}). {remedy}")
    raise _no_times(name, str(dtype))


def _no_times(name: object, found: str) -> UnsupportedDtypeError:
    expected = "datetimes, dates, periods, ISO 8601 strings or integers"
    return UnsupportedDtypeError(
        f"The times in {name!r} must be {expected}; found {found}. Convert them, for instance with pd.to_datetime(df[{name!r}])."
    )


def _read_stamps(values: pd.Series[Any] | pd.Index[Any], dtype: Any) -> tuple[Ticks, TimeForm]:
    stamps = pd.DatetimeIndex(values)
    return np.asarray(stamps.asi8), TimeForm("stamp", dtype, unit=stamps.unit, zone=stamps.tz)


def _read_integers(values: pd.Series[Any] | pd.Index[Any], dtype: Any, name: object) -> tuple[Ticks, TimeForm]:
    missing = values.isna()
    numbers = (
        values.to_numpy(dtype=dtype if isinstance(dtype, np.dtype) else None, na_value=0)
        if missing.any()
        else values.to_numpy()
    )
    if numbers.dtype.kind == "u" and len(numbers) and int(numbers.max()) > np.iinfo(np.int64).max:
        raise UnsupportedDtypeError(
            f"The times in {name!r} reach beyond the largest int64; start counting from a later origin."
        )
    ticks = np.asarray(numbers, dtype=np.int64)
    if missing.any():
        ticks = np.where(missing, MISSING_TICK, ticks)
    return ticks, TimeForm("integer", dtype)


def _read_periods(periods: pd.PeriodIndex, dtype: pd.PeriodDtype) -> tuple[Ticks, TimeForm]:
    # A period of days stands for its last day, as the name of its frequency says: the period freq M is the offset ME.
    whole_days = not isinstance(dtype.freq, pd.offsets.Tick)
    stamps = periods.to_timestamp(how="end").normalize() if whole_days else periods.to_timestamp(how="start")
    return np.asarray(stamps.asi8), TimeForm("period", dtype, unit=stamps.unit)


def _read_arrow(values: pd.Series[Any] | pd.Index[Any], dtype: pd.ArrowDtype, name: object) -> tuple[Ticks, TimeForm]:
    kind = dtype.pyarrow_dtype
    if pa.types.is_integer(kind):
        return _read_integers(values, dtype, name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _read_texts(values, name)
    if pa.types.is_dictionary(kind):
        return read_times(values.astype(pd.ArrowDtype(kind.value_type)), name)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise _no_times(name, str(dtype))
    unit, zone = (kind.unit, kind.tz) if pa.types.is_timestamp(kind) else ("s", None)
    array = (
        pa.chunked_array([pa.array(values)])
        if not hasattr(values.array, "__arrow_array__")
        else values.array.__arrow_array__()
    )
    ticks = array.cast(pa.timestamp(unit, zone)).cast(pa.int64())
    if ticks.null_count:
        ticks = ticks.fill_null(MISSING_TICK)
    known_zone = None if zone is None else pd.DatetimeTZDtype(unit="ns", tz=zone).tz
    return np.asarray(ticks.to_numpy()), TimeForm("stamp", dtype, unit=unit, zone=known_zone)


def _read_objects(values: pd.Series[Any] | pd.Index[Any], name: object) -> tuple[Ticks, TimeForm]:
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found == "string":
        return _read_texts(values, name)
    if found == "date":
        stamps = pd.DatetimeIndex(pd.to_datetime(values))
        return np.asarray(stamps.asi8), TimeForm("date", np.dtype(object), unit=stamps.unit)
    if found == "period":
        periods = pd.PeriodIndex(values)
        return _read_periods(periods, periods.dtype)
    if found == "integer":
        return _read_integers(values.astype("Int64"), pd.Int64Dtype(), name)
    if found in {"datetime", "datetime64"}:
        try:
            stamps = pd.DatetimeIndex(pd.to_datetime(values))
        except (TypeError, ValueError) as error:
            raise UnsupportedDtypeError(
                f"The times in {name!r} have more than one time zone. Bring them to one: "
                f"pd.to_datetime(df[{name!r}], utc=True).dt.tz_convert('Europe/Berlin')."
            ) from error
        return np.asarray(stamps.asi8), TimeForm("stamp", np.dtype(object), unit=stamps.unit, zone=stamps.tz)
    raise _no_times(name, f"an object column of {found} values")


def _read_texts(values: pd.Series[Any] | pd.Index[Any], name: object) -> tuple[Ticks, TimeForm]:
    places, labels = pd.factorize(values)
    texts = [str(label) for label in labels]
    matches = [_ISO.fullmatch(text) for text in texts]
    strange = [text for text, match in zip(texts, matches, strict=True) if match is None]
    if strange:
        raise _not_iso(name, strange)
    suffixes = sorted({match["suffix"] or "" for match in matches if match})
    if len(suffixes) > 1:
        raise UnsupportedDtypeError(
            f"The times in {name!r} have more than one UTC offset ({', '.join(map(repr, suffixes[:3]))}). Bring them to one zone: "
            f"pd.to_datetime(df[{name!r}], utc=True).dt.tz_convert('Europe/Berlin')."
        )
    stamps = pd.DatetimeIndex(pd.to_datetime(pd.Index(texts, dtype=object), format="ISO8601", errors="coerce"))
    if stamps.isna().any():
        raise _not_iso(name, [text for text, bad in zip(texts, stamps.isna(), strict=True) if bad])
    longest = _ISO.fullmatch(max(texts, key=len)) if texts else None
    form = _text_form(longest) if longest else TextForm("D")
    ticks = np.append(stamps.asi8, MISSING_TICK)[places]
    return ticks, TimeForm("text", values.dtype, unit=stamps.unit, zone=stamps.tz, text=form)


def _not_iso(name: object, strange: list[str]) -> UnsupportedDtypeError:
    shown = ", ".join(map(repr, strange[:3]))
    return UnsupportedDtypeError(
        f"The times in {name!r} are text that is not ISO 8601: {shown} ({len(strange)} different such values in all). "
        f"Parse them first: df[{name!r}] = pd.to_datetime(df[{name!r}], format=…)."
    )


def _text_form(match: re.Match[str]) -> TextForm:
    """Read the layout of a matched ISO 8601 string."""
    parts = match.groupdict()
    fraction = len(parts["fraction"] or "")
    if fraction:
        resolution = "ms" if fraction <= 3 else "us" if fraction <= 6 else "ns"
    else:
        names = {"second": "s", "minute": "m", "hour": "h", "day": "D", "month": "M", "year": "Y"}
        resolution = next(unit for part, unit in names.items() if parts[part])
    compact = parts["month"] is not None and parts["dash"] == ""
    return TextForm(resolution, parts["separator"] or "T", compact, parts["suffix"] or "")
