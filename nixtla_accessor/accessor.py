"""``df.timegpt``: the face. It calls panel, then api, then record, and decides nothing about data or HTTP."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_integer_dtype

from nixtla_accessor.contract import parse_base_model_id, refused_positions
from nixtla_accessor.errors import NoModelError, OversizedSeriesError, UnprocessableError
from nixtla_accessor.panel.audit import audit_frame
from nixtla_accessor.panel.frame import ID_COLUMN, TARGET_COLUMN, TIME_COLUMN, read_panel, resolve_columns, take_column
from nixtla_accessor.panel.frequency import parse_frequency
from nixtla_accessor.panel.gaps import fill_gaps
from nixtla_accessor.panel.inference import infer_frequency
from nixtla_accessor.panel.intervals import levels_to_ask
from nixtla_accessor.panel.messages import count
from nixtla_accessor.panel.packing import PackedSeries, keep_last, pack_panel, refuse_shorter
from nixtla_accessor.panel.panel import Columns
from nixtla_accessor.panel.tidy import (
    MODEL_COLUMN,
    anomaly_frame,
    cross_validation_frame,
    forecast_columns,
    forecast_frame,
)
from nixtla_accessor.record import Record, attach_record, read_record, view_record

if TYPE_CHECKING:  # what speaks HTTP is imported where it is used, so that importing the package costs little
    from matplotlib.axes import Axes

    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import Timeout
    from nixtla_accessor.api.schema import FinetunedModel

Freq = str | int | pd.offsets.BaseOffset | timedelta
BASE_MODEL = "timegpt-1"


class TimeGPTAccessor:
    """Fine-tuning and forecasting on a long-format frame: ``df.timegpt``, or ``TimeGPTAccessor(df)`` in typed code.

    In every method ``id_col``, ``time_col`` and ``target_col`` name the columns (or index levels). None means those of
    the frame's record, where it has one and the column is still there; else ``unique_id``, ``ds`` and ``y``. A frame
    without an id column is one series.

    Parameters
    ----------
    frame : DataFrame
        One row for each series and stamp, in any order.

    Examples
    --------
    >>> import nixtla_accessor
    >>> from nixtla_accessor.datasets import load_unemployment
    >>> with nixtla_accessor.connect(base_url="local", progress=False):
    ...     tuned = load_unemployment().timegpt.finetune(finetune_steps=5)
    ...     tuned.timegpt.forecast(h=12, level=[80]).shape
    (168, 5)
    """

    __slots__ = ("_frame",)

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        record = read_record(self._frame)
        if record is None:
            return "<timegpt: no fine-tuned model attached; finetune() makes one, use_model(id) attaches one>"
        columns = f"{record.id_col!r}, {record.time_col!r}, {record.target_col!r}"
        model = f"model {record.finetuned_model_id!r} at {record.origin}"
        return f"<timegpt: {model}, freq {record.freq!r}, columns {columns}>"

    @property
    def model_id(self) -> str | None:
        """The id of the fine-tuned model attached to the frame, or None."""
        record = read_record(self._frame)
        return None if record is None else record.finetuned_model_id

    @property
    def record(self) -> Mapping[str, Any]:
        """What is known of the attached model: a read-only view of ``df.attrs["timegpt"]``, empty without a model."""
        return view_record(self._frame)

    def pack(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        allow_missing: bool = False,
    ) -> PackedSeries:
        """Check the frame and pack it as it would be sent; nothing is sent.

        Parameters
        ----------
        freq : str, int, offset or timedelta, optional
            The frequency of the stamps, in any spelling that pandas knows; an int is the step of integer time. None
            infers it. Either way every series is verified against it, stamp by stamp.
        id_col, time_col, target_col : hashable, optional
            The columns, see the class.
        allow_missing : bool, default False
            Send NaN in the target as a missing value, rather than refuse it.

        Returns
        -------
        PackedSeries
            The values ``y`` in one array, series after series in the order of their ids, and their ``sizes``.

        Raises
        ------
        InvalidFrameError
            If the frame cannot be packed; its subclasses and their messages say why, where, and what to do.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> packed = load_unemployment().timegpt.pack()
        >>> packed.freq, len(packed.sizes), len(packed.y)
        ('MS', 14, 1708)
        """
        columns = resolve_columns(self._frame, *self._columns(id_col, time_col, target_col))
        panel = read_panel(self._frame, columns, allow_missing=allow_missing)
        frequency = infer_frequency(panel) if freq is None else parse_frequency(freq)
        return pack_panel(panel, frequency)

    def audit(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
    ) -> pd.DataFrame:
        """List everything that `finetune` would refuse the frame for, in one pass; nothing is sent.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`.

        Returns
        -------
        DataFrame
            One row for each problem, empty when all is well: ``series`` (its id), ``column``, ``kind`` (such as "gap"),
            ``first`` (the first stamp concerned), ``count``, ``refused`` (False for what is merely not used, such as
            further columns) and ``remedy``.

        Raises
        ------
        InvalidArgumentError, MissingColumnError, DuplicateColumnError
            If it cannot be said which columns are meant.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> load_unemployment().drop(index=5).timegpt.audit()[["series", "kind", "count"]]
                series kind  count
        0  Agriculture  gap      1
        """
        id_col, time_col, target_col = self._columns(id_col, time_col, target_col)
        return audit_frame(self._frame, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col)

    def fill_gaps(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        method: str | float | None = None,
    ) -> pd.DataFrame:
        """Return a new frame with one row for each stamp that a series lacks between its first and its last.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`; freq None takes the one that leaves the fewest gaps.
        method : {"ffill", "interpolate"} or number, optional
            What missing targets become: the value before, a straight line, or a constant. None leaves them missing.

        Returns
        -------
        DataFrame
            Sorted by id and time; it carries the record on. The frame itself stays as it is.

        Raises
        ------
        InvalidArgumentError
            If there is no such method or frequency.
        InvalidFrameError
            If more than gaps keeps the frame from being regular; `audit` lists it.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> whole = load_unemployment().drop(index=5).timegpt.fill_gaps(method="interpolate")
        >>> len(whole), float(whole.loc[5, "y"])
        (1708, 75.0)
        """
        id_col, time_col, target_col = self._columns(id_col, time_col, target_col)
        return fill_gaps(self._frame, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col, method=method)

    def finetune(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        model: str = BASE_MODEL,
        finetune_steps: int = 10,
        finetune_loss: str = "default",
        finetune_depth: int = 1,
        output_model_id: str | None = None,
        finetuned_model_id: str | None = None,
        overwrite: bool = False,
        allow_missing: bool = False,
        max_request: int | str | None = None,
        timeout: Timeout | None = None,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Fine-tune the model to the frame's series and attach it to the frame.

        Parameters
        ----------
        freq, id_col, time_col, target_col, allow_missing
            As in `pack`.
        model : str, default "timegpt-1"
            The base model.
        finetune_steps : int, default 10
            How many steps to train, at least 1.
        finetune_loss : {"default", "mae", "mse", "rmse", "mape", "smape", "poisson"}
            The loss to train with; "default" is robust against outliers.
        finetune_depth : {1, 2, 3, 4, 5}
            How much of the model to train: 1 a little, 5 all of it.
        output_model_id : str, optional
            The new model's id: 1 to 36 letters, digits, ``-`` and ``_``. None takes a fresh UUID.
        finetuned_model_id : str, optional
            A fine-tuned model to go on from. None starts from the base model, also where the frame has a record.
        overwrite : bool, default False
            Replace the model that has the ``output_model_id`` already, rather than refuse.
        max_request : int or str, optional
            Send a frame that makes a larger request in several, one after the other: bytes of JSON (`pack` counts them
            as ``nbytes``), or text such as ``"200MiB"``. None refuses what is larger than the service takes.
        timeout : float or tuple of float, optional
            Seconds to wait for the answer, or for the connection and for the answer; of several requests, for each.
            None takes the client's.
        client : Client, optional
            Where to send it. None takes the one that `connect` made, else one made from the environment.

        Returns
        -------
        DataFrame
            The very frame that it was called on. ``attrs["timegpt"]`` is its record; nothing else of it changes, and on
            failure not even that.

        Raises
        ------
        InvalidArgumentError, InvalidFrameError
            If an argument or the frame cannot be used; nothing was sent.
        ConfigurationError
            If there is neither a key nor ``base_url="local"``.
        TransportError, ApiError, ResponseError
            If the service could not be reached, refused, or answered nonsense.
        OutcomeUnknownError
            If it is not known whether the model was trained; the message says how to find out.

        Warns
        -----
        TimeGPTWarning
            If the model is trained, and models of ``max_request`` that only led to it could not be deleted.

        Notes
        -----
        ``POST /v2/finetune`` of the Nixtla Forecast API. Each call makes one model at most, whatever the network does.
        A model whose call was given up is attached later with `use_model`, once it is there.

        With ``max_request``, whole series are shared out, in the order of their ids, over as few requests as possible
        of about equal size, and each request goes on from the model of the one before. That is not quite one training
        on the whole frame: each request gets its share of ``finetune_steps`` (by its number of rows, at least one; more
        requests than steps are refused), its schedule starts anew, a step sees the series of its own request only, and
        the last ids weigh most, being learnt last. The models in between are deleted. The record is that of the whole:
        all steps, all tokens; the service's own registry shows the last request only.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     df = load_unemployment()
        ...     df.timegpt.finetune(finetune_steps=5, output_model_id="by-industry", overwrite=True) is df
        True
        >>> df.timegpt.model_id
        'by-industry'
        """
        from nixtla_accessor.api.client import default_client
        from nixtla_accessor.api.requests import check_finetune_options

        arguments = check_finetune_options(
            model=model,
            finetune_steps=finetune_steps,
            finetune_loss=finetune_loss,
            finetune_depth=finetune_depth,
            output_model_id=output_model_id,
            finetuned_model_id=finetuned_model_id,
            overwrite=overwrite,
            max_request=max_request,
        )
        client = client or default_client()
        packed = self.pack(
            freq=freq, id_col=id_col, time_col=time_col, target_col=target_col, allow_missing=allow_missing
        )
        with _positions_said_as_rows(packed):
            result = client.finetune(
                packed.y, packed.sizes, packed.frequency.api_name, **asdict(arguments), timeout=timeout
            )
        record = Record(
            finetuned_model_id=result.finetuned_model_id,
            base_model_id=arguments.finetuned_model_id,
            model=arguments.model,
            freq=packed.freq,
            **_column_names(packed.columns),
            finetune_steps=arguments.finetune_steps,
            finetune_loss=arguments.finetune_loss,
            finetune_depth=arguments.finetune_depth,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            finetune_tokens=result.finetune_tokens,
            n_series=len(packed.sizes),
            n_obs=len(packed.y),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            origin=client.origin,
        )
        attach_record(self._frame, record)
        return self._frame

    def use_model(
        self,
        finetuned_model_id: str,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Attach a fine-tuned model that exists to the frame.

        Parameters
        ----------
        finetuned_model_id : str
            The model's id. One look-up fills in what the record says of it.
        freq : str, int, offset or timedelta, optional
            The frequency of the frame. None takes that of the model; where time is integer, it is inferred when needed.
        id_col, time_col, target_col : hashable, optional
            The columns, see the class.
        client : Client, optional
            As in `finetune`.

        Returns
        -------
        DataFrame
            The very frame that it was called on, with the record attached.

        Raises
        ------
        NotFoundError
            If there is no such model.
        InvalidArgumentError, MissingColumnError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `finetune`.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     tuned = load_unemployment().timegpt.finetune(finetune_steps=5)
        ...     again = load_unemployment().timegpt.use_model(tuned.timegpt.model_id)
        >>> again.timegpt.record["freq"]
        'MS'
        """
        from nixtla_accessor.api.client import default_client

        columns = resolve_columns(self._frame, *self._columns(id_col, time_col, target_col))
        client = client or default_client()
        known = _record_of(client.finetuned_model(finetuned_model_id), client.origin)
        if freq is not None:
            known = replace(known, freq=parse_frequency(freq).name)
        elif is_integer_dtype(take_column(self._frame, columns.time, "time").dtype):
            known = replace(known, freq=None)  # the service knows no step of integer time
        attach_record(self._frame, replace(known, **_column_names(columns)))
        return self._frame

    def forecast(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        level: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Forecast every series of the frame, with the model attached to it unless told otherwise.

        Parameters
        ----------
        h : int
            The horizon: how many steps of the frequency to forecast.
        freq, id_col, time_col, target_col, allow_missing
            As in `pack`; freq None takes the record's, where there is one.
        level : list of float, optional
            Levels of prediction intervals in percent, each in [0, 100).
        quantiles : list of float, optional
            Quantile levels, each in (0, 1); instead of level.
        model : str, optional
            The base model. Given without ``finetuned_model_id``, it forecasts as it is (zero-shot).
        finetuned_model_id : str, optional
            A fine-tuned model to use, rather than the one attached.
        client : Client, optional
            As in `finetune`.

        Returns
        -------
        DataFrame
            ``h`` rows for each series, sorted by id and time: the id and the future stamps under the frame's own names
            and dtypes, ``TimeGPT`` (float64), then ``TimeGPT-lo-80`` and ``TimeGPT-hi-80`` for each level, or
            ``TimeGPT-q-10`` for each quantile. Its record is that of the model that was used.

        Raises
        ------
        NoModelError
            If no model is attached or named, or it was tuned at another frequency or lives at another service.
        InvalidArgumentError, InvalidFrameError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `finetune`.

        Notes
        -----
        ``POST /v2/forecast``. Only as much history is sent as the model reads (``GET /model_params``).

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ahead = load_unemployment().timegpt.forecast(h=3, quantiles=[0.1, 0.9], model="timegpt-1")
        >>> list(ahead.columns)
        ['unique_id', 'ds', 'TimeGPT', 'TimeGPT-q-10', 'TimeGPT-q-90']
        """
        from nixtla_accessor.api.client import default_client
        from nixtla_accessor.api.requests import check_forecast_options

        arguments = check_forecast_options(
            h=h,
            level=levels_to_ask(level, quantiles),
            model=BASE_MODEL if model is None else model,
            finetuned_model_id=finetuned_model_id,
        )
        client = client or default_client()
        record = self._record_to_use(model, arguments.finetuned_model_id, client)
        packed = self._pack_for(record, freq, id_col, time_col, target_col, allow_missing=allow_missing)
        base_model = record.model if record is not None and model is None else arguments.model
        reads = client.model_parameters(base_model, packed.frequency.api_name)
        steps = reads.input_size
        if arguments.level is not None:  # the hosted service finds its intervals on windows further back
            steps = 3 * steps + max(reads.horizon, arguments.h)
        sent = keep_last(packed, steps)
        with _positions_said_as_rows(sent):
            result = client.forecast(
                sent.y,
                sent.sizes,
                sent.frequency.api_name,
                arguments.h,
                level=arguments.level,
                model=base_model,
                finetuned_model_id=_id_of(record),
            )
        asked_levels = arguments.level if quantiles is None else None
        columns = forecast_columns(result.mean, result.intervals, asked_levels, quantiles)
        return _with_record(forecast_frame(packed, arguments.h, columns), record, packed)

    def cross_validation(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        n_windows: int = 1,
        step_size: int | None = None,
        level: Sequence[float] | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Forecast windows at the end of every series, each from what came before it.

        Parameters
        ----------
        h : int
            The steps of a window.
        freq, id_col, time_col, target_col, level, model, finetuned_model_id, allow_missing, client
            As in `forecast`.
        n_windows : int, default 1
            How many windows of each series; the last one ends with its series.
        step_size : int, optional
            Steps from one window to the next. None takes ``h``, so that windows do not overlap.

        Returns
        -------
        DataFrame
            ``h`` rows for each window, sorted by id, cutoff and time: id, stamp, ``cutoff`` (the last stamp that was
            known), the target, ``TimeGPT``, and its intervals as in `forecast`. Where the attached model was tuned on
            these rows too, it has seen them: `compare` is the fair question.

        Raises
        ------
        InvalidFrameError
            If a series is too short for the windows.
        NoModelError, InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `forecast`.

        Notes
        -----
        ``POST /v2/cross_validation``.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     windows = load_unemployment().timegpt.cross_validation(12, n_windows=3, model="timegpt-1")
        >>> list(windows.columns), len(windows)
        (['unique_id', 'ds', 'cutoff', 'y', 'TimeGPT'], 504)
        """
        from nixtla_accessor.api.client import default_client
        from nixtla_accessor.api.requests import check_cross_validation_options

        arguments = check_cross_validation_options(
            h=h,
            n_windows=n_windows,
            step_size=step_size,
            level=level,
            model=BASE_MODEL if model is None else model,
            finetuned_model_id=finetuned_model_id,
        )
        client = client or default_client()
        record = self._record_to_use(model, arguments.finetuned_model_id, client)
        packed = self._pack_for(record, freq, id_col, time_col, target_col, allow_missing=allow_missing)
        covered = arguments.h + (arguments.n_windows - 1) * arguments.step_size
        refuse_shorter(packed, covered + 1, f"{count(arguments.n_windows, 'window')} of {count(arguments.h, 'step')}")
        with _positions_said_as_rows(packed):
            result = client.cross_validation(
                packed.y,
                packed.sizes,
                packed.frequency.api_name,
                arguments.h,
                n_windows=arguments.n_windows,
                step_size=arguments.step_size,
                level=arguments.level,
                model=record.model if record is not None and model is None else arguments.model,
                finetuned_model_id=_id_of(record),
            )
        columns = forecast_columns(result.mean, result.intervals, arguments.level, None)
        return _with_record(cross_validation_frame(packed, arguments.h, result.positions, columns), record, packed)

    def detect_anomalies(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        level: float = 99,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Find the values that lie outside the interval of their forecast.

        Parameters
        ----------
        freq, id_col, time_col, target_col, model, finetuned_model_id, allow_missing, client
            As in `forecast`.
        level : float, default 99
            The level of the interval that a usual value lies in, in percent, in [0, 100).

        Returns
        -------
        DataFrame
            The frame's rows that the model could look at (not the beginning of each series), sorted by id and time:
            id, stamp, target, ``TimeGPT``, ``TimeGPT-lo-99``, ``TimeGPT-hi-99`` and ``anomaly`` (bool).

        Raises
        ------
        NoModelError, InvalidArgumentError, InvalidFrameError
            As in `forecast`.
        ConfigurationError, TransportError, ApiError, ResponseError
            As in `forecast`.

        Notes
        -----
        ``POST /v2/anomaly_detection``.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     looked_at = load_unemployment().timegpt.detect_anomalies(model="timegpt-1")
        >>> list(looked_at.columns)
        ['unique_id', 'ds', 'y', 'TimeGPT', 'TimeGPT-lo-99', 'TimeGPT-hi-99', 'anomaly']
        """
        from nixtla_accessor.api.client import default_client
        from nixtla_accessor.api.requests import check_forecast_options

        base = BASE_MODEL if model is None else model
        arguments = check_forecast_options(h=1, level=[level], model=base, finetuned_model_id=finetuned_model_id)
        client = client or default_client()
        record = self._record_to_use(model, arguments.finetuned_model_id, client)
        packed = self._pack_for(record, freq, id_col, time_col, target_col, allow_missing=allow_missing)
        with _positions_said_as_rows(packed):
            result = client.detect_anomalies(
                packed.y,
                packed.sizes,
                packed.frequency.api_name,
                level=level,
                model=record.model if record is not None and model is None else arguments.model,
                finetuned_model_id=_id_of(record),
            )
        columns = forecast_columns(result.mean, result.intervals, [level], None)
        answer = anomaly_frame(packed, result.sizes, {**columns, "anomaly": result.anomaly})
        return _with_record(answer, record, packed)

    def compare(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        n_windows: int = 1,
        model: str = BASE_MODEL,
        finetune_steps: int = 10,
        finetune_loss: str = "default",
        finetune_depth: int = 1,
        level: Sequence[float] | None = None,
        by_series: bool = False,
        keep: bool = False,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Ask whether fine-tuning helps: on a hold-out that the tuning never sees.

        The last ``n_windows`` times ``h`` steps of each series are held out; a model is tuned on the rest, and the
        hold-out is forecast window by window with it, with the base model, and by repeating the last season.

        Parameters
        ----------
        h : int
            The steps of a window.
        freq, id_col, time_col, target_col, allow_missing, client
            As in `pack` and `finetune`.
        n_windows : int, default 1
            How many windows follow each other at the end of each series.
        model, finetune_steps, finetune_loss, finetune_depth
            How to tune, as in `finetune`.
        level : list of float, optional
            Levels of intervals whose coverage is measured, in percent.
        by_series : bool, default False
            Show each series, rather than the mean over them.
        keep : bool, default False
            Keep the model that was tuned; otherwise it is deleted at the end.

        Returns
        -------
        DataFrame
            A row for each model (``seasonal naive``, ``zero-shot``, ``fine-tuned``), a column for each metric: ``MASE``
            (1 is the seasonal naive error within what was tuned on), ``sMAPE`` (percent, 0 to 200), ``RMSE``, and
            ``coverage-80`` (percent) for each level. Its ``attrs["comparison"]`` has the verdict, which is printed too,
            and on how many series tuning was better and worse; with ``keep`` the model's id.

        Raises
        ------
        InvalidFrameError
            If a series is too short for the hold-out, or the frame cannot be packed.
        InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError, OutcomeUnknownError
            As in `finetune`.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     table = load_unemployment().timegpt.compare(12)  # doctest: +ELLIPSIS
        Tuning ...
        >>> list(table.index), list(table.columns)
        (['seasonal naive', 'zero-shot', 'fine-tuned'], ['MASE', 'sMAPE', 'RMSE'])
        """
        from nixtla_accessor.api.client import default_client
        from nixtla_accessor.api.requests import check_cross_validation_options, check_finetune_options
        from nixtla_accessor.comparison import compare_models

        tuning = check_finetune_options(
            model=model, finetune_steps=finetune_steps, finetune_loss=finetune_loss, finetune_depth=finetune_depth
        )
        windows = check_cross_validation_options(h=h, n_windows=n_windows, level=level)
        client = client or default_client()
        packed = self._pack_for(None, freq, id_col, time_col, target_col, allow_missing=allow_missing)
        table = compare_models(
            packed,
            client,
            windows.h,
            tuning,
            n_windows=windows.n_windows,
            level=windows.level,
            by_series=by_series,
            keep=keep,
        )
        print(table.attrs["comparison"]["verdict"])  # noqa: T201 - the answer to the question
        return table

    def plot(
        self,
        forecast: pd.DataFrame | None = None,
        *,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        ids: Sequence[Hashable] | None = None,
        max_series: int = 6,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Axes | npt.NDArray[np.object_]:
        """Draw the frame's series: what happened, what was forecast with its intervals, and anomalies.

        Parameters
        ----------
        forecast : DataFrame, optional
            Forecasts of the same series, as `forecast` returns them. A frame of forecasts also plots on its own.
        id_col, time_col, target_col : hashable, optional
            The columns, see the class; the target may be missing where there are forecasts.
        ids : sequence, optional
            The series to draw. None takes the first ones.
        max_series : int, default 6
            How many series to draw where ids does not say.
        ax : matplotlib Axes or sequence of Axes, optional
            Where to draw, one for each series. None makes a figure.

        Returns
        -------
        matplotlib Axes, or ndarray of Axes of shape (n_series,)
            One for each series that was drawn.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed (extra ``plot``).
        InvalidArgumentError, MissingColumnError
            If a series or a column is not there.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> axes = load_unemployment().timegpt.plot(ids=["Construction", "Finance"])
        >>> [panel.get_title(loc="left") for panel in axes]
        ['Construction', 'Finance']
        """
        from nixtla_accessor.plotting import plot_series

        id_col, time_col, target_col = self._columns(id_col, time_col, target_col)
        if (target_col or TARGET_COLUMN) not in self._frame and MODEL_COLUMN in self._frame:
            target_col = MODEL_COLUMN
        columns = resolve_columns(self._frame, id_col, time_col, target_col)
        axes = plot_series(self._frame, columns, forecast, ids=ids, max_series=max_series, ax=ax)
        return axes[0] if len(axes) == 1 else axes

    def _columns(
        self, id_col: Hashable | None, time_col: Hashable | None, target_col: Hashable | None
    ) -> tuple[Hashable | None, Hashable | None, Hashable | None]:
        """Fill in the record's columns where none is named.

        One that the frame has lost gives way to the default, where that is there; else it is missed by its own name.
        """
        record = read_record(self._frame)
        if record is None:
            return id_col, time_col, target_col
        present = {*self._frame.columns, *self._frame.index.names}

        def fill_in(named: Hashable | None, recorded: Hashable | None, default: str) -> Hashable | None:
            if named is not None or (recorded not in present and default in present):
                return named
            return recorded

        return (
            fill_in(id_col, record.id_col, ID_COLUMN),
            fill_in(time_col, record.time_col, TIME_COLUMN),
            fill_in(target_col, record.target_col, TARGET_COLUMN),
        )

    def _pack_for(
        self,
        record: Record | None,
        freq: Freq | None,
        id_col: Hashable | None,
        time_col: Hashable | None,
        target_col: Hashable | None,
        *,
        allow_missing: bool,
    ) -> PackedSeries:
        """Pack at the frequency of the frame's own record, and see to it that the model's is the same."""
        packed = self.pack(
            freq=self.record.get("freq") if freq is None else freq,
            id_col=id_col,
            time_col=time_col,
            target_col=target_col,
            allow_missing=allow_missing,
        )
        if record is not None:
            _check_frequency(record, packed)
        return packed

    def _record_to_use(self, model: str | None, finetuned_model_id: str | None, client: Client) -> Record | None:
        """Find the fine-tuned model to forecast with; None for the base model as it is."""
        record = read_record(self._frame)
        if finetuned_model_id is not None:
            if record is not None and (record.finetuned_model_id, record.origin) == (finetuned_model_id, client.origin):
                return record
            return _record_of(client.finetuned_model(finetuned_model_id), client.origin)
        if model is not None:
            return None
        if record is None:
            raise NoModelError(
                "The frame has no fine-tuned model attached. Make one with df.timegpt.finetune(), attach one with "
                f"df.timegpt.use_model(id), or forecast without one: df.timegpt.forecast(…, model={BASE_MODEL!r})."
            )
        if record.origin != client.origin:
            raise NoModelError(
                f"The frame's model {record.finetuned_model_id!r} lives at {record.origin}, and the client is connected"
                f" to {client.origin}. Connect to {record.origin} again, or fine-tune here: df.timegpt.finetune()."
            )
        return record


def _column_names(columns: Columns) -> dict[str, Any]:
    """Return the columns as the record names them."""
    return {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}


def _record_of(model: FinetunedModel, origin: str) -> Record:
    """Make the record of a model that was looked up, without the columns."""
    return Record(
        finetuned_model_id=model.id,
        base_model_id=parse_base_model_id(model.base_model_id),
        model=model.model,
        freq=parse_frequency(model.freq).name,
        finetune_steps=model.steps,
        finetune_loss=model.loss,
        finetune_depth=model.depth,
        created_at=model.created_at,
        origin=origin,
    )


def _id_of(record: Record | None) -> str | None:
    """Return the model to ask for; None for the base model."""
    return None if record is None else record.finetuned_model_id


def _with_record(answer: pd.DataFrame, record: Record | None, packed: PackedSeries) -> pd.DataFrame:
    """Let an answer carry the record of the model that gave it."""
    if record is not None:
        attach_record(answer, replace(record, freq=packed.freq, **_column_names(packed.columns)))
    return answer


def _check_frequency(record: Record, packed: PackedSeries) -> None:
    """Refuse a frame at another frequency than the model's."""
    if record.freq is not None and parse_frequency(record.freq).api_name != packed.frequency.api_name:
        raise NoModelError(
            f"The model {record.finetuned_model_id!r} was tuned at the frequency {record.freq!r}, and the frame is "
            f"at {packed.freq!r}. Fine-tune a model to this frame: df.timegpt.finetune()."
        )


@contextmanager
def _positions_said_as_rows(packed: PackedSeries) -> Iterator[None]:
    """Add to a refusal which rows, or which series, of the frame the refused positions are."""
    try:
        yield
    except OversizedSeriesError as error:
        if packed.columns.id is not None:
            ids = [repr(packed.ids[position]) for position in error.positions[:3]]
            more = ", …" if len(error.positions) > len(ids) else ""
            error.add_context(f"The series ({len(error.positions)}) are: {', '.join(ids)}{more}.")
        raise
    except UnprocessableError as error:
        rows = [packed.locate(position) for position in refused_positions(error.detail) if position < len(packed.y)]
        if rows:
            said = "; ".join(
                f"{'the series' if packed.columns.id is None else f'series {series!r}'} at {stamp}: {value}"
                for series, stamp, value in rows[:3]
            )
            error.add_context(f"The refused values ({len(rows)}) are: {said}.")
        raise
