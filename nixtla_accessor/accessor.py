"""``df.timegpt``: the accessor's methods; `nixtla_accessor.operations` does the work."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from nixtla_accessor.arguments import (
    Adapting,
    Candidates,
    Comparison,
    Detection,
    Keep,
    ModelChoice,
    ModelNaming,
    Paths,
    Sending,
    Steps,
    Tuning,
    Windows,
)
from nixtla_accessor.contract import (
    DEFAULT_FINETUNE_DEPTH,
    DEFAULT_FINETUNE_LOSS,
    DEFAULT_FINETUNE_STEPS,
    DEFAULT_MODEL,
)
from nixtla_accessor.markup import describe
from nixtla_accessor.other_frames import check_future_is_pandas, check_is_pandas
from nixtla_accessor.panel.audit import audit_frame
from nixtla_accessor.panel.calendar_features import calendar_frames
from nixtla_accessor.panel.cleaning import DuplicateRule, clean_frame, report
from nixtla_accessor.panel.covariate_columns import CovariateChoice, DateFeatures, Holidays
from nixtla_accessor.panel.gaps import fill_gaps
from nixtla_accessor.panel.packing import PackedSeries, TooShort
from nixtla_accessor.plotting import check_matplotlib_is_installed
from nixtla_accessor.record import READY, read_record, view_record
from nixtla_accessor.selection import Freq, Selection
from nixtla_accessor.source import PandasSource, pack_source
from nixtla_accessor.tracebacks import short_tracebacks

if TYPE_CHECKING:  # what speaks HTTP, and matplotlib, are imported when they are first used
    from matplotlib.axes import Axes

    from nixtla_accessor.api.client import Client
    from nixtla_accessor.api.requests import Timeout


_NO_MODEL = "no fine-tuned model attached; finetune() makes one, use_model(id) attaches one"
_FIRST_STEPS = (
    "finetune() makes a model, use_model(id) attaches one, forecast(h, zero_shot=True) needs none; audit() says "
    "whether the frame is ready."
)
_PENDING_STEPS = "wait() waits for the model, status tells how its training stands, cancel() ends it."
_NEXT_STEPS = "forecast(h) and cross_validation(h) use it; compare(h) says whether fine-tuning helps."


@short_tracebacks
class TimeGPTAccessor:
    """Fine-tuning and forecasting on a long-format frame: ``df.timegpt``, or ``TimeGPTAccessor(df)`` in typed code.

    In every method ``id_col``, ``time_col`` and ``target_col`` name the columns (or index levels). None means the
    columns of the frame's record, if it has one and the column is still there; otherwise ``unique_id``, ``ds`` and
    ``y``. A frame without an id column is one series.

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
        check_is_pandas(frame)
        self._frame = frame

    def __repr__(self) -> str:
        record = read_record(self._frame)
        return f"<timegpt: {record or _NO_MODEL}>"

    def _repr_html_(self) -> str:
        record = read_record(self._frame)
        if record is None:
            return describe("timegpt", {"model": "none attached"}, _FIRST_STEPS)
        return describe("timegpt", record.facts(), _NEXT_STEPS if record.state == READY else _PENDING_STEPS)

    @property
    def model_id(self) -> str | None:
        """The id of the fine-tuned model attached to the frame, or None."""
        record = read_record(self._frame)
        return None if record is None else record.finetuned_model_id

    @property
    def record(self) -> Mapping[str, Any]:
        """The record of the attached model: a read-only view of ``df.attrs["timegpt"]``, empty without a model."""
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
            Send NaN in the target as a missing value, rather than refuse it. A forecast begins after the last row of a
            series, whether its value is missing or not; a `MissingEndsWarning` names the series that end so.

        Returns
        -------
        PackedSeries
            The values ``y`` in one array, series after series in the order of their ids, and their ``sizes``.

        Raises
        ------
        InvalidFrameError
            If the frame cannot be packed; its subclasses and their messages name the reason, the rows and the remedy.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> packed = load_unemployment().timegpt.pack()
        >>> packed.freq, len(packed.sizes), len(packed.y)
        ('MS', 14, 1708)
        """
        chosen = Selection(freq, id_col, time_col, target_col)
        return pack_source(PandasSource(self._frame), chosen, allow_missing=allow_missing)

    def audit(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        h: int | None = None,
        X_df: pd.DataFrame | None = None,
        futr_exog_list: Sequence[Hashable] | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
    ) -> pd.DataFrame:
        """List every problem that the frame would be refused for, and what is notable; nothing is sent.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`.
        h : int, optional
            A horizon, to list the series that are too short for a window of it.
        X_df : DataFrame, optional
            The rows of the horizon, as in `forecast`: what is wrong with them is listed too, once the frame itself can
            be packed.
        futr_exog_list, hist_exog_list : list of hashable, optional
            Columns that are to explain the target, as in `cross_validation`.

        Returns
        -------
        DataFrame
            One row for each problem, empty when all is well: ``series`` (its id), ``column``, ``kind`` (such as "gap"),
            ``first`` (the first stamp concerned), ``count``, ``refused`` and ``remedy``. Not refused are columns that
            are not used, and series that are all zero, constant or too short, that started late or ended early (by
            more than a season and more than a tenth of the span of all series). Its ``attrs["summary"]`` counts the
            rows by kind.

        Raises
        ------
        InvalidArgumentError, MissingColumnError, DuplicateColumnError
            If it is unclear which columns are meant.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> load_unemployment().drop(index=5).timegpt.audit()[["series", "kind", "count"]]
                series kind  count
        0  Agriculture  gap      1
        """
        chosen = Selection(freq, id_col, time_col, target_col).with_recorded_columns(self._frame)
        columns = (chosen.id_col, chosen.time_col, chosen.target_col)
        check_future_is_pandas(X_df)
        covariates = CovariateChoice(X_df, futr_exog_list, hist_exog_list)
        return audit_frame(self._frame, freq, *columns, h=h, covariates=covariates)

    def fill_gaps(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        method: str | float | None = None,
        trim: bool = False,
    ) -> pd.DataFrame:
        """Return a new frame with one row for each stamp that is missing between a series' first and last.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`; with freq None, the frequency that leaves the fewest gaps.
        method : {"ffill", "interpolate"} or number, optional
            How missing targets are filled: with the value before, along a straight line, or with a constant. None
            leaves them missing.
        trim : bool, default False
            Whether to leave out the rows before the first value of a series and after its last.

        Returns
        -------
        DataFrame
            Sorted by id and time, with the frame's record. Columns that are constant within a series are so in its new
            rows, others are missing there. The frame itself does not change.

        Raises
        ------
        InvalidArgumentError
            If there is no such method or frequency.
        InvalidFrameError
            If the frame has other problems than gaps; `audit` lists them. Also if a series has no value at all.

        Warns
        -----
        ValuesLeftMissingWarning
            If the method leaves values missing at the start or the end of a series.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> whole = load_unemployment().drop(index=5).timegpt.fill_gaps(method="interpolate")
        >>> len(whole), float(whole.loc[5, "y"])
        (1708, 75.0)
        """
        chosen = Selection(freq, id_col, time_col, target_col).with_recorded_columns(self._frame)
        names = {"id_col": chosen.id_col, "time_col": chosen.time_col, "target_col": chosen.target_col}
        return fill_gaps(self._frame, freq=freq, method=method, trim=trim, **names)

    def clean(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        duplicates: DuplicateRule | None = None,
        method: str | float = "interpolate",
    ) -> pd.DataFrame:
        """Return a new frame in which all that has one sensible remedy is mended; nothing is sent.

        Mended are text that reads as numbers in the target, the order of rows, copies of rows, infinite values (taken
        as missing), missing values and gaps, and missing values at the start and the end of a series (left out, as are
        series without any value, and rows that have neither a value nor an id or time). All else is named in a warning,
        and its rows stay as they were, at the end of the frame: stamps off the grid, series of another frequency,
        values without an id or a time, and, unless freq is given, gaps that `pack` recognises as no missing rows, of
        closed hours, days or seasons, or of clocks that go forward.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`; with freq None, the frequency that leaves the fewest gaps. At a given freq all are filled.
        duplicates : {"first", "last", "sum", "mean"}, optional
            The rule for rows with one id and stamp that are no copies: which to keep, or what to make of their values.
            None leaves their series as they are.
        method : {"interpolate", "ffill"} or number, default "interpolate"
            How missing values are filled, as in `fill_gaps`.

        Returns
        -------
        DataFrame
            Sorted by id and time, with the frame's record; the next step of a pipeline. What was done is in its
            `cleaning`. The frame itself does not change.

        Raises
        ------
        InvalidArgumentError
            If there is no such rule, method or frequency.
        InvalidFrameError
            If a column is missing or cannot be read, or the stamps have no frequency.

        Warns
        -----
        ProblemsLeftWarning
            If something has no one remedy.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> panel = load_unemployment()
        >>> broken = pd.concat([panel.drop(index=[5, 6]), panel.tail(2)]).astype({"y": "str"})
        >>> clean = broken.timegpt.clean()
        >>> clean.timegpt.pack()
        PackedSeries(14 series, 1,708 rows, 10,424 bytes, freq='MS')
        >>> print(clean.timegpt.cleaning[["kind", "count", "action"]].to_string())
                        kind  count                                    action
        0  unsupported dtype   1708                  text was read as numbers
        1           unsorted      1           rows were sorted by id and time
        2    duplicate stamp      2              copies of a row were dropped
        3                gap      2  rows were added, and filled along a line
        """
        chosen = Selection(freq, id_col, time_col, target_col).with_recorded_columns(self._frame)
        return clean_frame(self._frame, chosen.resolve_columns(self._frame), chosen.parse_freq(), duplicates, method)

    @property
    def cleaning(self) -> pd.DataFrame:
        """What `clean` did to the frame: a row for each kind of problem, mended or not; empty where there was none.

        The columns are ``kind`` (as `audit` calls it), ``column``, ``n_series`` and ``series`` (how many had it, and
        the first ones), ``count`` (rows, or missing stamps), ``mended`` (bool) and ``action`` (what was done, or what
        to do). It is kept in ``df.attrs``, as the record is, and lost where that is.
        """
        return report(self._frame.attrs)

    def finetune(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        model: str = DEFAULT_MODEL,
        finetune_steps: int = DEFAULT_FINETUNE_STEPS,
        finetune_loss: str = "default",
        finetune_depth: int = 1,
        output_model_id: str | None = None,
        finetuned_model_id: str | None = None,
        overwrite: bool = False,
        allow_missing: bool = False,
        max_request: int | str | None = None,
        wait: bool = True,
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
            The new model's id: 1 to 36 letters, digits, ``-`` and ``_``. None makes a new UUID.
        finetuned_model_id : str, optional
            A fine-tuned model to continue from. None starts from the base model, even if the frame has a record.
        overwrite : bool, default False
            Replace a model that has the ``output_model_id`` already, rather than refuse. It is deleted before the new
            one is trained.
        max_request : int or str, optional
            Send a frame that makes a larger request in several requests, one after the other: bytes of JSON (`pack`
            counts them as ``nbytes``), or text such as ``"200MiB"``. None refuses what is larger than the service
            takes.
        wait : bool, default True
            Wait until the model is trained. False has a job of the service train it, and returns at once with a record
            whose ``state`` is ``"pending"``: go on with `status`, `wait` and `cancel`.
        timeout : float or tuple of float, optional
            Seconds to wait for the answer, or for the connection and for the answer; of several requests, for each.
            None uses the client's.
        client : Client, optional
            Where to send it. None uses the client that `connect` made, or one made from the environment.

        Returns
        -------
        DataFrame
            The frame that it was called on, itself. ``attrs["timegpt"]`` is its record; nothing else of it changes, and
            on failure not even that.

        Raises
        ------
        InvalidArgumentError, InvalidFrameError
            If an argument or the frame cannot be used; nothing was sent.
        ConfigurationError
            If there is neither a key nor ``base_url="local"``.
        TransportError, ApiError, ResponseError
            If the service could not be reached, refused, or gave an answer that cannot be read.
        OutcomeUnknownError
            If it is unknown whether the model was trained; the message says how to find out.

        Warns
        -----
        TimeGPTWarning
            If the model is trained, but intermediate models of ``max_request`` could not be deleted.

        Notes
        -----
        ``POST /v2/finetune`` of the Nixtla Forecast API. Each call makes at most one model, whatever the network does.
        If a call was given up, `use_model` attaches its model as soon as it exists.

        The local engine keeps as much of what was learnt as a validation set, the end of the series, supports; where it
        supports nothing, the new model forecasts as the base model does.

        With ``max_request``, whole series are distributed, in the order of their ids, over as few requests as possible
        of about equal size, and each request continues from the model of the one before. That is not quite one training
        on the whole frame: each request gets its part of ``finetune_steps`` (by its number of rows, at least one; more
        requests than steps are refused), its learning rate schedule starts anew, a step sees the series of its own
        request only, and the last ids weigh most because they are learned last. The intermediate models are deleted.
        The record describes the whole: all steps, all tokens; the service's own list shows the last request only.

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
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        tuning = Tuning(model, finetune_steps, finetune_loss, finetune_depth)
        naming = ModelNaming(output_model_id, finetuned_model_id, overwrite)
        sending = Sending(client, timeout, max_request, allow_missing, wait)
        return operations.finetune(PandasSource(self._frame), chosen, tuning, naming, sending)

    @property
    def status(self) -> str | None:
        """How the training of the attached model stands; the service is asked where the record says pending.

        ``"ready"`` once it is trained, else ``"pending"`` (it waits for its turn), ``"running"``, ``"failed"`` or
        ``"cancelled"``; None without a model. The record itself changes with `wait` only.
        """
        from nixtla_accessor import operations

        return operations.model_state(PandasSource(self._frame), Selection().code(self._frame))

    def wait(self, timeout: float | None = None, *, client: Client | None = None) -> pd.DataFrame:
        """Wait for the model that ``finetune(wait=False)`` has a job train; nothing is asked where it is trained.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; 0 looks once. None waits until the training has ended.
        client : Client, optional
            As in `finetune`.

        Returns
        -------
        DataFrame
            The very frame that it was called on; its record says ``"ready"``, and has the tokens.

        Raises
        ------
        ModelPendingError
            If the model is still being trained when the time is over; the message says how far it is.
        TrainingFailedError
            If the training has failed, or was cancelled.
        NoModelError
            If no model is attached, or another service keeps it.
        InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
            If the time is none, or the service cannot be asked.

        Notes
        -----
        All that is needed is in the record: the frame may have been saved, and be read elsewhere. Ctrl-C ends the
        waiting, not the training. A job of the embedded local engine ends with its process.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     df = load_unemployment().timegpt.finetune(finetune_steps=5, wait=False)
        ...     df.timegpt.record["state"], df.timegpt.wait().timegpt.status
        ('pending', 'ready')
        """
        from nixtla_accessor import operations

        return operations.wait_for_model(PandasSource(self._frame), Selection().code(self._frame), timeout, client)

    def cancel(self, *, client: Client | None = None) -> str:
        """Cancel the training of the attached model, and wait until it has ended.

        Parameters
        ----------
        client : Client, optional
            As in `finetune`.

        Returns
        -------
        str
            How the training stands then, as of `status`: ``"cancelled"``, or ``"ready"`` where it was done before. A
            service may take longer than half a minute to end it; then it is still ``"running"``.

        Raises
        ------
        NoModelError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `wait`.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     df = load_unemployment().timegpt.finetune(finetune_steps=100_000, wait=False)
        ...     df.timegpt.cancel()
        'cancelled'
        """
        from nixtla_accessor import operations

        return operations.cancel_training(PandasSource(self._frame), Selection().code(self._frame), client)

    def use_model(
        self,
        finetuned_model_id: str | pd.DataFrame | Mapping[str, Any],
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Attach an existing fine-tuned model to the frame.

        Parameters
        ----------
        finetuned_model_id : str, DataFrame or mapping
            The model's id, which is looked up once; or a frame that has the model attached, or its record. The two
            bring their columns along, and nothing is looked up.
        freq : str, int, offset or timedelta, optional
            The frequency of the frame. None uses that of the model; for integer time it is inferred when needed.
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
        >>> new_rows = load_unemployment().tail(3)  # pd.concat drops the model
        >>> pd.concat([tuned, new_rows]).timegpt.use_model(tuned).timegpt.model_id == tuned.timegpt.model_id
        True
        """
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        return operations.use_model(PandasSource(self._frame), chosen, finetuned_model_id, client=client)

    def forecast(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        X_df: pd.DataFrame | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        feature_contributions: bool = False,
        add_history: bool = False,
        level: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        zero_shot: bool = False,
        finetune_steps: int = 0,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Forecast every series of the frame, with the attached model unless another is named.

        Parameters
        ----------
        h : int
            The horizon: how many steps of the frequency to forecast.
        freq, id_col, time_col, target_col, allow_missing
            As in `pack`; with freq None, the frequency of the fine-tuned model that is asked. Missing values of
            covariates are allowed together with those of the target.
        X_df : DataFrame, optional
            What is known of the future: for each series and each of the ``h`` steps one row, in any order, with the
            ids, the stamps and columns that the frame has too. Numbers and bools are numbers, text and categories
            are categories.
        hist_exog_list : list of hashable, optional
            Columns of the frame that explain the target, and of which the future is not known.
        date_features : bool or list, default False
            Features of the calendar, known of the past and the future: attributes of pandas' stamps such as
            ``"month"`` or ``"dayofweek"``, and functions that take a DatetimeIndex. True takes those that change from
            step to step.
        holidays : str, list or dict, optional
            Countries, such as ``"US"`` or ``["US", "DE-BY"]``, with a column for each of their holidays; or for each
            the days around a holiday that have a column too: ``{"US": 1}`` the day before and the day after.
        feature_contributions : bool, default False
            Add a column for each covariate, of its own name, with what it contributes to the forecast, and
            ``base_value``, the forecast without them; their sum is the forecast.
        add_history : bool, default False
            Begin with forecasts of the past of each series, except its beginning.
        level : list of float, optional
            Levels of prediction intervals in percent, each in [0, 100).
        quantiles : list of float, optional
            Quantiles, each in (0, 1); instead of level.
        model : str, optional
            The base model, in place of the default one. Given without ``finetuned_model_id``, it is asked zero-shot.
        finetuned_model_id : str, optional
            A fine-tuned model to use, rather than the attached one.
        zero_shot : bool, default False
            Ask the base model as it is, whether or not a fine-tuned one is attached.
        finetune_steps : int, default 0
            Fine-tune for this call alone, so many steps; the model is not kept. It starts from the base model, whether
            or not one is attached, or from ``finetuned_model_id``.
        finetune_loss, finetune_depth
            How, as in `finetune`.
        multivariate : bool, default False
            Forecast all series together; for models of the hosted service that can.
        model_parameters : dict, optional
            Parameters of the model itself; for models of the hosted service that have some.
        client : Client, optional
            As in `finetune`.

        Returns
        -------
        DataFrame
            ``h`` rows for each series, sorted by id and time: the id and the future stamps under the frame's own names
            and dtypes, ``TimeGPT`` (float64), then ``TimeGPT-lo-80`` and ``TimeGPT-hi-80`` for each level, or
            ``TimeGPT-q-10`` for each quantile, and the contributions. Its record is that of the model that was used.

        Raises
        ------
        CovariateError
            If ``X_df`` or a named column cannot be used; the message lists all that is wrong with them.
        NoModelError
            If no model is attached or named, or it was tuned at another frequency or is kept by another service.
        InvalidArgumentError, InvalidFrameError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `finetune`.

        Warns
        -----
        MissingEndsWarning
            If series end with missing values, after which they are forecast (``allow_missing=True``).
        OtherSeriesWarning
            If another column identifies the series than the one that the attached model was tuned with.
        UnseenCategoryWarning
            If ``X_df`` has categories that the frame never has.

        Notes
        -----
        The point forecast is to be read as the median: it is quantile 0.5 too, and exactly the median of the local
        engine. Where demand is intermittent, that may be zero in every step, and a sum of medians is no forecast of the
        sum: ask for ``quantiles`` there, or add up the paths of `simulate`.

        ``POST /v2/forecast``. Only as much history is sent as the model reads (``GET /model_params``); with covariates
        all of it. ``add_history`` asks ``POST /v2/cross_validation`` as well. A model that was tuned without covariates
        forecasts with them too.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ahead = load_unemployment().timegpt.forecast(h=3, quantiles=[0.1, 0.9], zero_shot=True)
        >>> list(ahead.columns)
        ['unique_id', 'ds', 'TimeGPT', 'TimeGPT-q-10', 'TimeGPT-q-90']
        """
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        covariates = CovariateChoice(X_df, None, hist_exog_list, date_features, holidays)
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(finetune_steps, finetune_loss, finetune_depth, multivariate, model_parameters)
        sending = Sending(client, allow_missing=allow_missing)
        steps = Steps(h, level, quantiles, feature_contributions, add_history)
        return operations.forecast(PandasSource(self._frame), chosen, covariates, choice, adapting, sending, steps)

    def simulate(
        self,
        h: int,
        n_paths: int = 100,
        *,
        seed: int | None = None,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        quantiles: Sequence[float] | None = None,
        X_df: pd.DataFrame | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        zero_shot: bool = False,
        multivariate: bool = False,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Draw paths into the future, to see what a sum, a maximum or a stock over the horizon may come to.

        At each step the paths have the quantiles of the forecast. Over time they depend on each other as the errors of
        forecasts do: the interval of a sum is not the sum of the intervals.

        Parameters
        ----------
        h : int
            The horizon: the steps of a path.
        n_paths : int, default 100
            The paths of each series, at most 10,000.
        seed : int, optional
            The same seed gives the same paths of the same frame; None gives others each time.
        freq, id_col, time_col, target_col, allow_missing
            As in `forecast`.
        quantiles : list of float, optional
            What the distribution at each step is refined by: 2 to 200 numbers in (0, 1). They add no columns.
        X_df, hist_exog_list, date_features, holidays, model, finetuned_model_id, zero_shot, client
            As in `forecast`.
        multivariate : bool, default False
            Draw the paths of all series together, so that a ``sample_id`` is one future of all; for models of the
            hosted service that can. Otherwise series are drawn independently.

        Returns
        -------
        DataFrame
            A row for each step of each path, sorted by id, path and time: the id, the stamp, ``sample_id`` (from 0)
            and ``TimeGPT``. Its record is that of the model that was used.

        Raises
        ------
        CovariateError, NoModelError, InvalidArgumentError, InvalidFrameError
            As in `forecast`.
        ConfigurationError, TransportError, ApiError, ResponseError
            As in `forecast`.

        Warns
        -----
        MissingEndsWarning
            As in `forecast`.
        TimeGPTWarning
            If ``multivariate`` was asked for, and the service has drawn the series independently.

        Notes
        -----
        ``POST /v2/simulate/async``, and polling; a service without such jobs, and the local engine, are asked directly.
        All history is sent. Many series are divided among several requests.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     paths = load_unemployment().timegpt.simulate(h=12, n_paths=200, seed=1, zero_shot=True)
        >>> list(paths.columns), len(paths)
        (['unique_id', 'ds', 'sample_id', 'TimeGPT'], 33600)
        >>> yearly = paths.groupby(["unique_id", "sample_id"])["TimeGPT"].mean()
        >>> yearly.groupby("unique_id").quantile([0.1, 0.9]).shape
        (28,)
        """
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        covariates = CovariateChoice(X_df, None, hist_exog_list, date_features, holidays)
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(multivariate=multivariate)
        sending = Sending(client, allow_missing=allow_missing)
        paths = Paths(h, n_paths, seed, quantiles)
        return operations.simulate(PandasSource(self._frame), chosen, covariates, choice, adapting, sending, paths)

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
        quantiles: Sequence[float] | None = None,
        too_short: TooShort = "raise",
        futr_exog_list: Sequence[Hashable] | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        zero_shot: bool = False,
        finetune_steps: int = 0,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        refit: bool = True,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Forecast windows at the end of every series, each from the values before it.

        Parameters
        ----------
        h : int
            The horizon: the steps of a window.
        freq, id_col, time_col, target_col, level, quantiles, model, finetuned_model_id, zero_shot
            As in `forecast`.
        allow_missing, client
            As in `forecast`.
        n_windows : int, default 1
            How many windows of each series; the last one ends with its series.
        step_size : int, optional
            Steps from one window to the next. None means ``h``, so that windows do not overlap.
        too_short : {"raise", "drop"}, default "raise"
            Whether to refuse the frame for series that are too short for the windows, or to leave these out.
        futr_exog_list : list of hashable, optional
            Columns of the frame that explain the target and are known ahead: those that ``X_df`` has in `forecast`.
        hist_exog_list, date_features, holidays, multivariate, model_parameters
            As in `forecast`.
        finetune_steps, finetune_loss, finetune_depth
            As in `forecast`; on the values before a window, so that no window is tuned on what it forecasts.
        refit : bool, default True
            With ``finetune_steps``, fine-tune for each window, rather than once for all, before the first.

        Returns
        -------
        DataFrame
            ``h`` rows for each window, sorted by id, cutoff and time: id, stamp, ``cutoff`` (the last stamp before the
            window), the target, ``TimeGPT``, and its intervals or quantiles as in `forecast`.

        Raises
        ------
        InvalidFrameError
            If a series is too short for the windows.
        NoModelError, InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `forecast`.

        Warns
        -----
        DataLeakageWarning
            If the model was tuned on rows of the windows. `compare` holds them out.
        ShortSeriesWarning
            If series are left out; it names them.
        OtherSeriesWarning
            As in `forecast`.

        Notes
        -----
        ``POST /v2/cross_validation``.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     windows = load_unemployment().timegpt.cross_validation(12, n_windows=3, zero_shot=True)
        >>> list(windows.columns), len(windows)
        (['unique_id', 'ds', 'cutoff', 'y', 'TimeGPT'], 504)
        """
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(finetune_steps, finetune_loss, finetune_depth, multivariate, model_parameters)
        sending = Sending(client, allow_missing=allow_missing)
        windows = Windows(h, n_windows, step_size, level, too_short, quantiles, refit)
        covariates = CovariateChoice(None, futr_exog_list, hist_exog_list, date_features, holidays)
        source = PandasSource(self._frame)
        return operations.cross_validation(source, chosen, covariates, choice, adapting, sending, windows)

    def detect_anomalies(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        level: float = 99,
        method: Literal["batch", "online"] = "batch",
        detection_size: int | None = None,
        h: int | None = None,
        step_size: int | None = None,
        threshold_method: Literal["univariate", "multivariate"] = "univariate",
        too_short: TooShort = "raise",
        futr_exog_list: Sequence[Hashable] | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        zero_shot: bool = False,
        finetune_steps: int = 0,
        finetune_loss: str = DEFAULT_FINETUNE_LOSS,
        finetune_depth: int = DEFAULT_FINETUNE_DEPTH,
        refit: bool = False,
        multivariate: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Find the values that are too far from their forecast.

        The batch method looks at the whole past, and compares each value with the prediction interval of its forecast.
        The online method looks at the last values only, as they would be judged when they arrive: by how far the values
        before were from their forecasts.

        Parameters
        ----------
        freq, id_col, time_col, target_col, model, finetuned_model_id, zero_shot, allow_missing, client
            As in `forecast`.
        level : float, default 99
            The level of the interval that contains the usual values, in percent, in [0, 100).
        method : {"batch", "online"}, default "batch"
            Which values are examined; the arguments from ``detection_size`` to ``too_short``, ``refit`` and
            ``finetune_steps`` are for the online method.
        detection_size : int
            How many values at the end of each series are examined. What is usual is learnt from those before, if they
            are five times as many.
        h : int, optional
            The steps of the windows that are forecast. None means a season, and at most ``detection_size``.
        step_size : int, optional
            Steps from one window to the next. None means ``h``.
        threshold_method : {"univariate", "multivariate"}, default "univariate"
            Judge each series by itself; or related series together, step by step, by their accumulated scores. They
            must then have the same number of values.
        too_short : {"raise", "drop"}, default "raise"
            Whether to refuse the frame for series with nothing before the values to examine, or to leave these out.
        refit : bool, default False
            With ``finetune_steps``, fine-tune for each window, rather than once for all, before the first.
        futr_exog_list, hist_exog_list, date_features, holidays, finetune_steps, finetune_loss, finetune_depth
            As in `cross_validation`.
        multivariate, model_parameters
            As in `forecast`.

        Returns
        -------
        DataFrame
            The rows that the model could forecast (not the beginning of each series), sorted by id and time: id,
            stamp, target, ``TimeGPT``, ``TimeGPT-lo-99``, ``TimeGPT-hi-99`` and ``anomaly`` (bool). Online, the last
            ``detection_size`` rows of each series, and ``anomaly_score``: how many standard deviations the value is
            from its forecast (float64; 0 where the value is missing); judged together also
            ``accumulated_anomaly_score``, the same of all series at that step.

        Raises
        ------
        NoModelError, InvalidArgumentError, InvalidFrameError
            As in `forecast`.
        ConfigurationError, TransportError, ApiError, ResponseError
            As in `forecast`.

        Notes
        -----
        ``POST /v2/anomaly_detection``; online ``POST /v2/online_anomaly_detection``.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     checked = load_unemployment().timegpt.detect_anomalies(zero_shot=True)
        >>> list(checked.columns)
        ['unique_id', 'ds', 'y', 'TimeGPT', 'TimeGPT-lo-99', 'TimeGPT-hi-99', 'anomaly']
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     latest = load_unemployment().timegpt.detect_anomalies(method="online", detection_size=6, zero_shot=True)
        >>> len(latest), list(latest.columns[-2:])
        (84, ['anomaly', 'anomaly_score'])
        """
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(finetune_steps, finetune_loss, finetune_depth, multivariate, model_parameters)
        sending = Sending(client, allow_missing=allow_missing)
        detection = Detection(level, method, detection_size, h, step_size, threshold_method, too_short, refit)
        covariates = CovariateChoice(None, futr_exog_list, hist_exog_list, date_features, holidays)
        source = PandasSource(self._frame)
        return operations.detect_anomalies(source, chosen, covariates, choice, adapting, sending, detection)

    def compare(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        n_windows: int = 1,
        model: str = DEFAULT_MODEL,
        finetune_steps: int = DEFAULT_FINETUNE_STEPS,
        finetune_loss: str = "default",
        finetune_depth: int = 1,
        futr_exog_list: Sequence[Hashable] | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        level: Sequence[float] | None = None,
        too_short: TooShort = "raise",
        candidates: Candidates | None = None,
        by_series: bool = False,
        keep: Keep = False,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> pd.DataFrame:
        """Measure which forecasts are better, on held-out windows that the tuning never sees, and how sure that is.

        The last ``n_windows`` times ``h`` steps of each series are held out; models are tuned on the rest, and the
        held-out windows are forecast with them, with the base model, and by repeating the last season; then with the
        covariates too, where some are named.

        Parameters
        ----------
        h : int
            The horizon: the steps of a window.
        freq, id_col, time_col, target_col, allow_missing, client
            As in `pack` and `finetune`.
        n_windows : int, default 1
            How many windows follow each other at the end of each series.
        model, finetune_steps, finetune_loss, finetune_depth
            How to tune, as in `finetune`.
        futr_exog_list, hist_exog_list, date_features, holidays
            As in `cross_validation`.
        level : list of float, optional
            Levels of prediction intervals whose coverage is measured, in percent.
        too_short : {"raise", "drop"}, default "raise"
            Whether to refuse the frame for series that are too short for the windows, or to leave these out.
        candidates : list or dict, optional
            What to compare, beside the seasonal naive forecast; by default ``["zero-shot", "fine-tuned"]``. Each is one
            of these two, a dict of `finetune`'s arguments such as ``{"finetune_steps": 50}`` (or ``{"zero_shot": True,
            "model": …}``), a column of the frame that holds the forecasts of others, or the id of a fine-tuned model. A
            dict gives them names of your own.
        by_series : bool, default False
            Show each series, rather than all together.
        keep : bool or "best", default False
            Keep the tuned models, or the best one alone if it is the best of all; others are deleted at the end.
            ``use_model(table)`` attaches the best that was kept.

        Returns
        -------
        DataFrame
            A row for each model (by default ``seasonal naive``, ``zero-shot``, ``fine-tuned``, and the last two ``+
            covariates`` where some are named), a column for each metric: ``MASE`` and ``RMSSE`` (1 is the seasonal
            naive error within the training rows), ``WAPE`` (percent), ``sMAPE`` (percent, 0 to 200), ``RMSE``,
            ``bias`` (percent, above 0 where forecasts are too high), and with ``level`` ``pinball`` (the scaled pinball
            loss of the bounds) and ``coverage-80`` (percent). They are means over the series; WAPE and bias are over
            all values. Its ``attrs["comparison"]`` has the verdict, which is shown with the table, and its figures;
            that on covariates under ``"covariates"``; with ``keep`` the ids of the models under ``"kept"``.

        Raises
        ------
        InvalidFrameError
            If a series is too short for the held-out windows, the frame cannot be packed, or a column of forecasts
            has none for one of the windows' rows.
        NotFoundError
            If a candidate is neither a column nor the id of a model.
        InvalidArgumentError, ConfigurationError, TransportError, ApiError, ResponseError, OutcomeUnknownError
            As in `finetune`.

        Warns
        -----
        DataLeakageWarning
            If a candidate is a model that is known to have been tuned on rows of the windows.
        ShortSeriesWarning
            As in `cross_validation`.

        Notes
        -----
        A difference is called clear if the 95% interval of a paired t-test excludes 0. Its samples are the series, each
        with the mean of its windows; or the windows, each with the mean of its series, where there are more of them,
        which for one series is the Diebold-Mariano test with the correction of Harvey, Leybourne and Newbold (1997). Of
        several candidates each is compared with the best, and the intervals hold together (Bonferroni). They tell how
        far other series, or other windows, might differ; series that share their ups and downs tell less than they
        say, and no interval foresees a change.

        Examples
        --------
        Did tuning help?

        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> panel = load_unemployment()
        >>> client = nixtla_accessor.connect(base_url="local", progress=False)
        >>> table = panel.timegpt.compare(12)
        >>> print(table)  # doctest: +ELLIPSIS
        Tuning ...
        >>> list(table.index), list(table.columns)
        (['seasonal naive', 'zero-shot', 'fine-tuned'], ['MASE', 'RMSSE', 'WAPE', 'sMAPE', 'RMSE', 'bias'])

        Is last year's model still good?

        >>> model = panel.query("ds < '2009-03-01'").timegpt.finetune().timegpt.model_id
        >>> table = panel.timegpt.compare(12, candidates={"last year's": model, "new": "fine-tuned"}, keep="best")
        >>> list(table.index)
        ['seasonal naive', "last year's", 'new']
        """
        from nixtla_accessor import operations

        chosen = Selection(freq, id_col, time_col, target_col)
        tuning = Tuning(model, finetune_steps, finetune_loss, finetune_depth)
        sending = Sending(client, allow_missing=allow_missing)
        windows = Windows(h, n_windows, None, level, too_short)
        covariates = CovariateChoice(None, futr_exog_list, hist_exog_list, date_features, holidays)
        comparison = Comparison(candidates, by_series, keep)
        return operations.compare(PandasSource(self._frame), chosen, covariates, tuning, sending, windows, comparison)

    def calendar_features(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        date_features: DateFeatures = True,
        holidays: Holidays | None = None,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Show the features of the calendar that `forecast` would send; nothing is sent.

        Parameters
        ----------
        h : int
            The horizon, in steps.
        freq, id_col, time_col, target_col
            As in `pack`.
        date_features, holidays
            As in `forecast`.

        Returns
        -------
        past, future : DataFrame
            One row for each stamp of the frame, and one for each step of the horizon: the id, the stamp and a column
            for each feature. They are made together, from the wall clock of each stamp's zone.

        Raises
        ------
        InvalidArgumentError
            If there is no such feature or country, or the stamps have no calendar.
        ConfigurationError
            If the package ``holidays`` is needed, and not installed (extra ``calendar``).
        InvalidFrameError
            If the frame cannot be packed.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> past, future = load_unemployment().timegpt.calendar_features(h=2, date_features=["year", "month"])
        >>> future.head(2)
             unique_id         ds  year  month
        0  Agriculture 2010-03-01  2010      3
        1  Agriculture 2010-04-01  2010      4
        """
        chosen = Selection(freq, id_col, time_col, target_col)
        source = PandasSource(self._frame)
        features = source.check_covariates(CovariateChoice(date_features=date_features, holidays=holidays))
        return calendar_frames(pack_source(source, chosen, allow_missing=True), features, h)

    def plot(
        self,
        forecast: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
        *,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        ids: Hashable | Sequence[Hashable] | None = None,
        max_series: int = 6,
        start: object = None,
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Axes | npt.NDArray[np.object_]:
        """Draw the history of each series, its forecast with prediction intervals, or paths, and anomalies.

        Parameters
        ----------
        forecast : DataFrame or mapping of str to DataFrame, optional
            Forecasts of the same series, as `forecast` returns them, or several by name, such as
            ``{"zero-shot": first, "tuned": second}``. A frame of forecasts can also be drawn alone.
        id_col, time_col, target_col : hashable, optional
            The columns, see the class; the target may be missing where there are forecasts.
        ids : hashable or sequence, optional
            The series to draw, or the id of one. None draws a spread of them, from the smallest mean to the largest.
        max_series : int, default 6
            How many series to draw if ids is None.
        start : date, stamp, str or int, optional
            The first time to draw. None draws all, and before a forecast some four times its length.
        ax : matplotlib Axes or sequence of Axes, optional
            Where to draw, one for each series. None makes a figure.

        Returns
        -------
        matplotlib Axes, or ndarray of Axes of shape (n_series,)
            One for each series that was drawn; an empty array where there is none.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed (extra ``plot``).
        InvalidArgumentError, InvalidFrameError
            If a series or a column is missing, or the columns cannot be read.

        Examples
        --------
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> axes = load_unemployment().timegpt.plot(ids=["Construction", "Finance"])
        >>> [panel.get_title(loc="left") for panel in axes]
        ['Construction', 'Finance']
        """
        check_matplotlib_is_installed()
        from nixtla_accessor.plotting.series import View, plot_series

        chosen = Selection(None, id_col, time_col, target_col).with_recorded_columns(self._frame)
        columns = chosen.with_forecasts_as_target(self._frame).resolve_columns(self._frame)
        axes = plot_series(self._frame, columns, forecast, View(ids, max_series, start), ax)
        return axes[0] if len(axes) == 1 else axes

    def plot_contributions(
        self,
        *,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        ids: Hashable | Sequence[Hashable] | None = None,
        max_series: int = 6,
        start: object = None,
    ) -> npt.NDArray[np.object_]:
        """Draw what each covariate contributes to the forecasts of this frame: how far it lifts or lowers each step.

        Parameters
        ----------
        id_col, time_col : hashable, optional
            The columns, see the class.
        ids, max_series, start
            As in `plot`.

        Returns
        -------
        ndarray of matplotlib Axes, shape (n_series,)
            One for each series that was drawn, with a line for all covariates together.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed (extra ``plot``).
        InvalidArgumentError
            If the frame has no contributions, as `forecast` returns them with ``feature_contributions=True``, or not
            these series.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> asked = {"date_features": ["month"], "feature_contributions": True, "zero_shot": True}
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ahead = load_unemployment().timegpt.forecast(12, **asked)
        >>> len(ahead.timegpt.plot_contributions(ids=["Construction", "Finance"]))
        2
        """
        check_matplotlib_is_installed()
        from nixtla_accessor.plotting.contributions import plot_contributions
        from nixtla_accessor.plotting.series import View

        chosen = Selection(None, id_col, time_col, None).with_recorded_columns(self._frame)
        columns = chosen.with_forecasts_as_target(self._frame).resolve_columns(self._frame)
        return plot_contributions(self._frame, columns, View(ids, max_series, start))

    def plot_comparison(
        self,
        forecasts: Mapping[str, pd.DataFrame],
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
    ) -> npt.NDArray[np.object_]:
        """Draw the errors of forecasts of this frame's values beside each other: by lead time, and by series.

        Parameters
        ----------
        forecasts : mapping of str to DataFrame
            By name, what `cross_validation` or `forecast` returned for these series; the frame holds what happened.
        freq, id_col, time_col, target_col
            As in `pack`.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)
            The mean absolute error of each lead time, and of each series, in units of MASE: the mean absolute change
            of a series from season to season.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed (extra ``plot``).
        InvalidArgumentError
            If there is no forecast, or one of no time that the frame has a value for.
        InvalidFrameError
            If the frame cannot be packed.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> panel = load_unemployment()
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     zero_shot = panel.timegpt.cross_validation(12, zero_shot=True)
        >>> by_lead, by_series = panel.timegpt.plot_comparison({"zero-shot": zero_shot})
        >>> by_lead.get_xlabel()
        'lead time, steps'
        """
        check_matplotlib_is_installed()
        from nixtla_accessor.plotting.comparison import plot_errors

        chosen = Selection(freq, id_col, time_col, target_col).with_recorded_columns(self._frame)
        packed = pack_source(PandasSource(self._frame), chosen, allow_missing=True)
        return plot_errors(packed, self._frame, chosen.resolve_columns(self._frame), forecasts)

    def plot_residuals(
        self,
        series: Hashable | None = None,
        *,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
    ) -> npt.NDArray[np.object_]:
        """Draw what the forecasts of a cross-validation leave unexplained.

        Parameters
        ----------
        series : hashable, optional
            The series; None for all, each in units of its own root mean square error.
        id_col, time_col, target_col : hashable, optional
            The columns, see the class.

        Returns
        -------
        ndarray of matplotlib Axes, shape (3,)
            The errors over time, their distribution, and their autocorrelation.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed (extra ``plot``).
        InvalidArgumentError
            If the frame has no errors to draw, or not that series.

        Examples
        --------
        >>> import nixtla_accessor
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     windows = load_unemployment().timegpt.cross_validation(12, n_windows=3, zero_shot=True)
        >>> axes = windows.timegpt.plot_residuals("Construction")
        >>> len(axes)
        3
        """
        check_matplotlib_is_installed()
        from nixtla_accessor.plotting.residuals import plot_residuals

        chosen = Selection(None, id_col, time_col, target_col).with_recorded_columns(self._frame)
        return plot_residuals(self._frame, chosen.resolve_columns(self._frame), series)
