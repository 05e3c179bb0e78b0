"""Columns of times as int64 ticks, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from nixtla_accessor.errors import UnsupportedDtypeError
from nixtla_accessor.panel.arrays import Column, Integers, Ticks, most_frequent
from nixtla_accessor.panel.date_formats import fitting_formats
from nixtla_accessor.panel.frame_code import NamedColumn
from nixtla_accessor.panel.messages import SHOWN, and_more
from nixtla_accessor.panel.numeric_times import find_date_layout, refuse_dates, refuse_durations, refuse_floats

MISSING_TICK = np.iinfo(np.int64).min  # what pandas stores for NaT
SECONDS_PER_DAY = 86_400
TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
ROWS_TO_FIND_USUAL_TIME = 10_000

# how columns that are not times become times
AS_INTEGERS = "{}.astype('int64')"
IN_ONE_ZONE = "{pd}.to_datetime({}, utc=True).dt.tz_convert('Europe/Berlin')"

_ISO = re.compile(
    r"(?P<year>\d{4})(?:(?P<dash>-?)(?P<month>\d{2})(?:-?(?P<day>\d{2}))?)?"
    r"(?:(?P<separator>[T ])(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?)?"
    r"(?P<suffix>Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


@dataclass(frozen=True, slots=True)
class TextForm:
    """How ISO 8601 strings are written.

    Parameters
    ----------
    resolution : str
        The NumPy code of the smallest unit that is written: ``"D"``, ``"s"``, ``"us"``, …
    separator : str, default "T"
        What stands between date and time of day.
    compact : bool, default False
        Whether the strings do without ``-`` and ``:``.
    suffix : str, default ""
        The UTC offset, such as ``"Z"`` or ``"+01:00"``.
    """

    resolution: str
    separator: str = "T"
    compact: bool = False
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How the caller writes times, so that results can be written the same way.

    Ticks are int64: the caller's integers, or units since 1970-01-01, UTC when the times have a zone.

    Parameters
    ----------
    kind : {"integer", "stamp", "date", "text", "period"}
        Integers, datetimes, `datetime.date` objects, ISO 8601 strings or periods.
    dtype : dtype
        The column's dtype.
    unit : str, default ""
        The unit of a tick: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``; empty for integers.
    zone : tzinfo, optional
        The time zone.
    text : TextForm, optional
        The layout of strings.
    declared : pandas offset, optional
        The frequency that the times say themselves: that of a DatetimeIndex or of periods. It need not be true.
    """

    kind: Literal["integer", "stamp", "date", "text", "period"]
    dtype: Any
    unit: str = ""
    zone: tzinfo | None = None
    text: TextForm | None = None
    declared: Any = field(default=None, compare=False)

    @property
    def is_integer(self) -> bool:
        """Whether times are integers."""
        return self.kind == "integer"

    @property
    def ticks_per_day(self) -> int:
        """The ticks in a day."""
        return SECONDS_PER_DAY * TICKS_PER_SECOND[self.unit]

    @property
    def datetimes(self) -> str:
        """The expression that makes a column have the methods of datetimes, for `NamedColumn.convert`."""
        is_datetime = self.kind == "stamp" and self.dtype != np.dtype(object)
        return "{}" if is_datetime else "{pd}.to_datetime({})"

    @property
    def last_tick(self) -> int:
        """The largest tick that the caller's dtype can hold."""
        if not self.is_integer:
            return int(np.iinfo(np.int64).max)
        return min(int(np.iinfo(getattr(self.dtype, "numpy_dtype", self.dtype)).max), int(np.iinfo(np.int64).max))

    def to_local(self, ticks: Ticks) -> Ticks:
        """Convert instants to local time.

        Where the clock skips the usual time of day, as São Paulo's skipped some midnights, the first instant after it
        counts as that time.
        """
        if self.zone is None or not len(ticks):
            return ticks
        local = np.array(self.stamps(ticks).tz_localize(None).asi8)
        time_of_day = local % self.ticks_per_day
        usual = most_frequent(time_of_day[:ROWS_TO_FIND_USUAL_TIME])
        unusual = np.flatnonzero(time_of_day != usual)
        if len(unusual):
            meant = local[unusual] - time_of_day[unusual] + usual
            skipped = self.from_local(meant) == ticks[unusual]
            local[unusual[skipped]] = meant[skipped]
        return local

    def from_local(self, local: Ticks) -> Ticks:
        """Convert local time to instants.

        A time that the clock skips becomes the first instant after; of a time that it shows twice, the first is meant.
        """
        if self.zone is None:
            return local
        naive = pd.DatetimeIndex(local.view(f"M8[{self.unit}]"))
        first = np.ones(len(naive), dtype=bool)
        return np.asarray(naive.tz_localize(self.zone, ambiguous=first, nonexistent="shift_forward").asi8)

    def restore(self, ticks: Ticks) -> pd.Index[Any]:
        """Return ticks as the caller writes times; shape (n,), the caller's dtype."""
        restored: pd.Index[Any]
        if self.is_integer:
            restored = pd.Index(ticks).astype(self.dtype)
        elif self.text is not None:
            restored = pd.Index(self._write(ticks, self.text), dtype=self.dtype)
        elif self.kind == "date":
            restored = pd.Index(self.stamps(ticks).date, dtype=object)
        elif self.kind == "period":
            single = pd.PeriodIndex(self.stamps(ticks), freq=self.dtype.freq.base)
            restored = _periods(single.asi8, self.dtype.freq)
        else:
            restored = self.stamps(ticks).astype(self.dtype)
        return restored

    def show(self, ticks: Ticks) -> list[str]:
        """Return ticks as text for messages, as pandas prints them."""
        return [str(time) for time in self.restore(ticks).astype(str)]

    def stamps(self, ticks: Ticks) -> pd.DatetimeIndex:
        """Return ticks as datetimes, in the zone that they are written in; those of dates are their midnights."""
        naive = pd.DatetimeIndex(ticks.view(f"M8[{self.unit}]"))
        return naive if self.zone is None else naive.tz_localize("UTC").tz_convert(self.zone)

    def _write(self, ticks: Ticks, form: TextForm) -> list[str]:
        stamps = self.to_local(ticks).view(f"M8[{self.unit}]").astype(f"M8[{form.resolution}]")
        texts = np.datetime_as_string(stamps).tolist()
        if form.compact:
            texts = [text.replace("-", "").replace(":", "") for text in texts]
        return [text.replace("T", form.separator) + form.suffix for text in texts]


def as_column(values: pd.Index[Any]) -> pd.Series[Any]:
    """Return ids or times as a column for a new frame; pandas infers no other dtype for objects."""
    return pd.Series(values.array, dtype=values.dtype)


def read_times(values: Column, name: NamedColumn, index: pd.Index[Any] | None = None) -> tuple[Ticks, TimeForm]:
    """Read a column of times.

    Parameters
    ----------
    values : Series or Index of length n
        datetime64 of any unit, with or without a zone; dates; periods; ISO 8601 strings; integers. NumPy, nullable,
        Arrow and categorical storage alike.
    name : NamedColumn
        The column's name, for messages.
    index : Index, optional
        The index of the frame, which may know the frequency of the times in it.

    Returns
    -------
    ticks : ndarray of int64, shape (n,)
        `MISSING_TICK` where the time is missing. Shares memory with the column where that is possible.
    form : TimeForm
        How to write ticks as the column does.

    Raises
    ------
    UnsupportedDtypeError
        The values are not times, strings that are not ISO 8601 or have more than one UTC offset, or integers that are
        dates.
    """
    ticks, form = _read(values, name)
    declared = form.dtype.freq if form.kind == "period" else _declared_by_index(values, index)
    return ticks, form if declared is None else replace(form, declared=declared)


def are_integers(values: Column) -> bool:
    """Return whether times are integers, in any storage that `read_times` reads."""
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return are_integers(dtype.categories)
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_dictionary(dtype.pyarrow_dtype):
        return bool(pa.types.is_integer(dtype.pyarrow_dtype.value_type))
    if dtype == np.dtype(object):
        return pd.api.types.infer_dtype(values, skipna=True) == "integer"
    return pd.api.types.is_integer_dtype(dtype)


def _declared_by_index(values: Column, index: pd.Index[Any] | None) -> Any:  # noqa: ANN401 - an offset, or None
    """Return the frequency that an index of datetimes carries, or the level of an index that holds the values."""
    if not isinstance(values, pd.Index):
        return None
    if index is None or index.nlevels == 1:
        return getattr(values, "freq", None)
    levels = [level for level in index.levels if level.name == values.name]  # type: ignore[attr-defined] # a MultiIndex
    of_datetimes = [level.freq for level in levels if isinstance(level, pd.DatetimeIndex)]
    return of_datetimes[0] if len(of_datetimes) == 1 else None


def _read(values: Column, name: NamedColumn) -> tuple[Ticks, TimeForm]:
    """Read times of any dtype."""
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _read(values.astype(dtype.categories.dtype), name)
    if isinstance(dtype, pd.PeriodDtype):
        return _read_periods(pd.PeriodIndex(values))
    if isinstance(dtype, pd.ArrowDtype):
        return _read_arrow(values, name)
    if pd.api.types.is_integer_dtype(dtype):
        return _read_integers(values, name)
    if pd.api.types.is_float_dtype(dtype):
        raise refuse_floats(values, name, str(dtype))
    if isinstance(dtype, pd.StringDtype):
        return _read_texts(values, name)
    if dtype.kind == "m":
        raise refuse_durations(name, str(dtype))
    if dtype.kind == "M":
        stamps = pd.DatetimeIndex(values)
        return np.asarray(stamps.asi8), TimeForm("stamp", dtype, unit=stamps.unit, zone=stamps.tz)
    if dtype.kind == "O":
        return _read_objects(values, name)
    raise _not_times(name, str(dtype))


def _not_times(name: NamedColumn, found: str) -> UnsupportedDtypeError:
    return UnsupportedDtypeError(
        f"The times in {name!r} must be datetimes, dates, periods, ISO 8601 strings or integers; found {found}. "
        "Convert them to one of these."
    )


def _read_integers(values: Column, name: NamedColumn) -> tuple[Ticks, TimeForm]:
    if pd.api.types.is_unsigned_integer_dtype(values.dtype) and values.max() > np.iinfo(np.int64).max:
        raise UnsupportedDtypeError(
            f"The times in {name!r} must fit into int64; the largest is {int(values.max())}. Count from a later origin."
        )
    if isinstance(values.dtype, np.dtype):
        ticks = np.asarray(values.to_numpy(), dtype=np.int64)
        refuse_dates(ticks, name)
    else:
        ticks = np.asarray(values.to_numpy(dtype=np.int64, na_value=MISSING_TICK))
        refuse_dates(ticks[ticks != MISSING_TICK], name)
    return ticks, TimeForm("integer", values.dtype)


def _read_periods(periods: pd.PeriodIndex) -> tuple[Ticks, TimeForm]:
    # A period of days counts as its last day, as in pandas' names: the period's M is the offset ME.
    # The multiple of a frequency is the step between periods; each of them is as long as one of the unit.
    dtype: Any = periods.dtype
    periods = _periods(periods.asi8, dtype.freq.base)
    is_short = isinstance(periods.freq, pd.offsets.Tick)
    stamps = periods.to_timestamp(how="start") if is_short else periods.to_timestamp(how="end").normalize()
    return np.asarray(stamps.asi8), TimeForm("period", dtype, unit=stamps.unit)


def _periods(ordinals: Integers, freq: Any) -> pd.PeriodIndex:  # noqa: ANN401 - an offset
    """Return periods by their numbers since 1970, in units of the frequency without its multiple."""
    periods: pd.PeriodIndex = pd.PeriodIndex.from_ordinals(ordinals, freq=freq)  # type: ignore[attr-defined] # not in the stubs
    return periods


def _read_arrow(values: Column, name: NamedColumn) -> tuple[Ticks, TimeForm]:
    array = pa.array(values, from_pandas=True)
    kind = array.type
    if pa.types.is_integer(kind):
        return _read_integers(values, name)
    if pa.types.is_floating(kind):
        raise refuse_floats(values, name, str(values.dtype))
    if pa.types.is_duration(kind):
        raise refuse_durations(name, str(values.dtype))
    if pa.types.is_dictionary(kind):
        return _read(values.astype(pd.ArrowDtype(kind.value_type)), name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _read_texts(values, name)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise _not_times(name, str(values.dtype))
    unit, zone = (kind.unit, kind.tz) if pa.types.is_timestamp(kind) else ("s", None)
    ticks = array.cast(pa.timestamp(unit, zone)).cast(pa.int64())
    if ticks.null_count:
        ticks = ticks.fill_null(MISSING_TICK)
    known_zone = None if zone is None else pd.DatetimeTZDtype(tz=zone).tz
    return np.asarray(ticks.to_numpy()), TimeForm("stamp", values.dtype, unit=unit, zone=known_zone)


def _read_objects(values: Column, name: NamedColumn) -> tuple[Ticks, TimeForm]:
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found == "string":
        return _read_texts(values, name)
    if found == "period":
        return _read_periods(pd.PeriodIndex(values))
    if found == "integer":
        return _read_integers(values.astype("Int64"), name)
    if found in {"floating", "mixed-integer-float"}:
        raise refuse_floats(values.astype("float64"), name, f"an object column of {found} values")
    if found in {"timedelta", "timedelta64"}:
        raise refuse_durations(name, f"an object column of {found} values", are_objects=True)
    if found not in {"date", "datetime", "datetime64"}:
        raise _not_times(name, f"an object column of {found} values")
    if found == "date":
        dates = values.to_numpy(dtype=object, copy=True)
        dates[np.asarray(values.isna())] = None
        ticks = dates.astype("M8[D]").astype("M8[s]").view(np.int64)
        return ticks, TimeForm("date", np.dtype(object), unit="s")
    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(values))
    except (TypeError, ValueError) as error:
        raise UnsupportedDtypeError(
            f"The times in {name!r} must be in one time zone; pandas says: {error}. Convert them: "
            f"{name.convert(_in_first_zone(values))}."
        ) from error
    return np.asarray(stamps.asi8), TimeForm("stamp", np.dtype(object), unit=stamps.unit, zone=stamps.tz)


def _in_first_zone(values: Column) -> str:
    """Return the code that converts stamps to the zone of the first that has one with a name, or else to UTC."""
    zones = (str(stamp.tzinfo) for stamp in values.dropna() if getattr(stamp, "tzinfo", None) is not None)
    zone = next((one for one in zones if "/" in one), None)
    return "{pd}.to_datetime({}, utc=True)" + ("" if zone is None else f".dt.tz_convert({zone!r})")


def _read_texts(values: Column, name: NamedColumn) -> tuple[Ticks, TimeForm]:
    """Read ISO 8601 strings, each distinct one once."""
    places, labels = pd.factorize(values)
    texts = [str(label) for label in labels]
    matches = {text: _ISO.fullmatch(text) for text in texts}
    suffixes = sorted({match["suffix"] or "" for match in matches.values() if match})
    if len(suffixes) > 1:
        raise UnsupportedDtypeError(
            f"The times in {name!r} have more than one UTC offset ({', '.join(map(repr, suffixes[:SHOWN]))}"
            f"{and_more(len(suffixes))}). Convert them to one zone: "
            f"{name.convert(IN_ONE_ZONE)}."
        )
    readable = [text if matches[text] else None for text in texts]
    stamps = pd.DatetimeIndex(pd.to_datetime(pd.Index(readable, dtype=object), format="ISO8601", errors="coerce"))
    unreadable = [text for text, is_missing in zip(texts, stamps.isna(), strict=True) if is_missing]
    if unreadable:
        raise UnsupportedDtypeError(
            f"The times in {name!r} are text that is not ISO 8601: {', '.join(map(repr, unreadable[:SHOWN]))} "
            f"({len(unreadable)} different ones in all). Parse them first"
            f"{_how_to_parse(texts, name)}."
        )
    longest = matches[max(texts, key=len)] if texts else None
    form = _text_form(longest) if longest else TextForm("D")
    ticks = np.append(stamps.asi8, MISSING_TICK)[places]
    return ticks, TimeForm("text", values.dtype, unit=stamps.unit, zone=stamps.tz, text=form)


def _how_to_parse(texts: Sequence[str], name: NamedColumn) -> str:
    """Return the line for each format that fits all texts, as the end of a sentence; empty where none fits."""
    if all(text.isdecimal() and len(text) < 19 for text in texts):
        layout = find_date_layout(np.array(texts, dtype=np.int64))
        if layout is not None:
            return f", for they look like dates, {layout.name}: {name.convert(layout.in_code(AS_INTEGERS))}"
    lines = [name.convert(f"{{pd}}.to_datetime({{}}, format={found!r})") for found in fitting_formats(texts)]
    return f": {', or '.join(lines)}" if lines else ""


def _text_form(match: re.Match[str]) -> TextForm:
    """Read the layout of a matched ISO 8601 string."""
    parts = match.groupdict()
    digits = len(parts["fraction"] or "")
    if digits:
        resolution = "ms" if digits <= 3 else "us" if digits <= 6 else "ns"
    else:
        units = {"second": "s", "minute": "m", "hour": "h", "day": "D", "month": "M", "year": "Y"}
        resolution = next(unit for part, unit in units.items() if parts[part])
    compact = parts["month"] is not None and parts["dash"] == ""
    return TextForm(resolution, parts["separator"] or "T", compact, parts["suffix"] or "")
