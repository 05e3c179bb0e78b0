"""The covariates of a request: checked, split by series, and cut for windows of the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nixtla_accessor.api.schema import SeriesWithFutureExogenous
from nixtla_accessor.local.arrays import Floats, Integers
from nixtla_accessor.local.forecaster import Covariate, Covariates
from nixtla_accessor.local.service.backtest import BacktestWindows
from nixtla_accessor.local.service.errors import WrongCovariatesError

Row = NDArray[np.float64] | list[str | float | None]


@dataclass(frozen=True, slots=True, eq=False)
class RequestedPanel:
    """The series of a request, and what stands beside them.

    Attributes
    ----------
    series : list of ndarray, each of shape (points,)
    covariates : sequence of Covariate
        Without steps ahead, for those known ahead, where only windows of the past are asked for.
    """

    series: list[Floats]
    covariates: Covariates

    def some(self, rows: Integers) -> RequestedPanel:
        """Return the panel of some series."""
        return RequestedPanel(
            [self.series[row] for row in rows],
            [
                Covariate(
                    [each.past[row] for row in rows],
                    None if each.future is None else each.future[rows],
                    each.categories,
                )
                for each in self.covariates
            ],
        )

    def histories(self, windows: BacktestWindows) -> list[Floats]:
        """Return what comes before each window in its series."""
        return _before(self.series, windows)

    def covariates_at(self, windows: BacktestWindows) -> Covariates:
        """Return what is known of the covariates at the beginning of each window."""
        return [
            Covariate(
                _before(each.past, windows),
                None if each.future is None else _ahead(each.past, each.future, windows),
                each.categories,
            )
            for each in self.covariates
        ]


def _before(values: Sequence[Floats], windows: BacktestWindows) -> list[Floats]:
    return [values[i][:start] for i, start in zip(windows.series, windows.start, strict=True)]


def _ahead(past: Sequence[Floats], future: Floats, windows: BacktestWindows) -> Floats:
    """Return the values in the steps of each window, NaN beyond those that are known; (windows, horizon)."""
    result = np.full((len(windows.series), windows.horizon), np.nan)
    for nth, (i, start) in enumerate(zip(windows.series, windows.start, strict=True)):
        steps = np.concatenate([past[i][start : start + windows.horizon], future[i]])[: windows.horizon]
        result[nth, : len(steps)] = steps
    return result


def read_covariates(series: SeriesWithFutureExogenous, horizon: int, historic: Sequence[int] | None) -> Covariates:
    """Check the covariates of a request, and split them by series.

    Parameters
    ----------
    series : SeriesWithFutureExogenous
    horizon : int
        Steps that ``X_future`` must have for each series; 0 where only windows of the past are asked for.
    historic : sequence of int, optional
        ``hist_exog``: positions of rows that are known of the past only. Where it is not given for windows of the past,
        all are known ahead; in a forecast those beyond the rows of ``X_future`` are known of the past only.

    Returns
    -------
    sequence of Covariate
        In the order of ``X``; empty where there are none.

    Raises
    ------
    WrongCovariatesError
        Rows are missing or of a wrong length, hold text though they are not categorical, or positions name no row.
    """
    past, future = series.X or [], series.X_future or []
    categorical = _check_positions(series.categorical_exog, ("series", "categorical_exog"), len(past))
    only_past = _check_positions(historic, ("hist_exog",), len(past))
    _check_rows(past, "X", len(series.y), f"as many as y, {len(series.y):,}", categorical)
    if horizon == 0 and future:
        raise WrongCovariatesError(
            ("body", "series", "X_future"),
            "expected no X_future where windows of the past are forecast: all that they need is in X",
        )
    if len(future) > len(past):
        raise WrongCovariatesError(
            ("body", "series", "X_future"),
            f"expected at most as many rows as X has, {len(past):,}, found {len(future):,}: row i continues row i of X",
        )
    n_ahead = len(series.sizes) * horizon
    _check_rows(future, "X_future", n_ahead, f"h values for each series, {n_ahead:,}", categorical)
    n_known = len(future) if horizon else len(past)
    return [
        _make_covariate(
            row,
            future[position] if position < len(future) else None,
            series.sizes,
            horizon,
            known_ahead=position < n_known and position not in only_past,
            is_categorical=position in categorical,
        )
        for position, row in enumerate(past)
    ]


def _check_positions(positions: Sequence[int] | None, field: tuple[str, ...], n_rows: int) -> set[int]:
    for nth, position in enumerate(positions or ()):
        if position >= n_rows:
            raise WrongCovariatesError(
                ("body", *field, nth), f"expected the position of a row of X, which has {n_rows:,}, found {position:,}"
            )
    return set(positions or ())


def _check_rows(rows: Sequence[Row], field: str, length: int, expected: str, categorical: set[int]) -> None:
    for position, row in enumerate(rows):
        location = ("body", "series", field, position)
        if len(row) != length:
            raise WrongCovariatesError(location, f"expected {expected}, found {len(row):,} values")
        if isinstance(row, list) and position not in categorical:
            first = next(nth for nth, value in enumerate(row) if isinstance(value, str))
            raise WrongCovariatesError(
                (*location, first),
                f"expected a number or null, found text: name {position} in categorical_exog if it is a category",
            )


def _make_covariate(
    past: Row, future: Row | None, sizes: Integers, horizon: int, *, known_ahead: bool, is_categorical: bool
) -> Covariate:
    """Split the values of a row by series."""
    categories = None
    if is_categorical:
        names: dict[str | float, int] = {}
        past, future = _positions(past, names), None if future is None else _positions(future, names)
        categories = tuple(name if isinstance(name, str) else f"{name:g}" for name in names)
    ahead = None
    if known_ahead:
        ahead = np.empty((len(sizes), 0)) if future is None else np.asarray(future, np.float64).reshape(-1, horizon)
    return Covariate(np.split(np.asarray(past, np.float64), np.cumsum(sizes)[:-1]), ahead, categories)


def _positions(row: Row, names: dict[str | float, int]) -> NDArray[np.float64]:
    """Return the position of each value among the names, to which new ones are added; NaN for a missing one."""
    if isinstance(row, np.ndarray):
        distinct, inverse = np.unique(row, return_inverse=True)
        of_distinct = [np.nan if np.isnan(name) else names.setdefault(name, len(names)) for name in distinct.tolist()]
        return np.array(of_distinct, np.float64)[inverse]
    return np.array([np.nan if name is None else names.setdefault(name, len(names)) for name in row], np.float64)
