"""``ddf.timegpt``: the accessor's methods on Dask DataFrames; `nixtla_accessor.operations` does the work."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import dask.dataframe as dd
import pandas as pd

from nixtla_accessor import operations
from nixtla_accessor.api.client import Client
from nixtla_accessor.api.requests import Timeout
from nixtla_accessor.arguments import (
    Adapting,
    Detection,
    ModelChoice,
    ModelNaming,
    Paths,
    Sending,
    Steps,
    Tuning,
    Windows,
)
from nixtla_accessor.contract import DEFAULT_FINETUNE_STEPS, DEFAULT_MODEL
from nixtla_accessor.dask.auditing import audit_dask_frame
from nixtla_accessor.dask.carrying import carry_attached_record
from nixtla_accessor.dask.filling import fill_dask_gaps
from nixtla_accessor.dask.partitions import future_in_pandas
from nixtla_accessor.dask.source import DaskSource
from nixtla_accessor.errors import InvalidArgumentError
from nixtla_accessor.panel.covariate_columns import CovariateChoice, DateFeatures, Holidays
from nixtla_accessor.panel.frame_code import FrameCode
from nixtla_accessor.panel.packing import PackedSeries, TooShort
from nixtla_accessor.record import read_record, view_record
from nixtla_accessor.selection import Freq, Selection
from nixtla_accessor.source import pack_source
from nixtla_accessor.tracebacks import short_tracebacks


@short_tracebacks
class DaskTimeGPTAccessor:
    """Fine-tuning and forecasting on a long-format Dask frame: ``ddf.timegpt``.

    Methods behave like their namesakes on `nixtla_accessor.TimeGPTAccessor`, applied to the computed frame. Columns are
    named as there; a missing column is refused at once, before anything is computed.

    Parameters
    ----------
    frame : dask DataFrame
        One row for each series and stamp, in any order and any partitions.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import nixtla_accessor.dask
    >>> from nixtla_accessor.datasets import load_unemployment
    >>> with nixtla_accessor.connect(base_url="local", progress=False):
    ...     ddf = dd.from_pandas(load_unemployment(), npartitions=4)
    ...     ahead = ddf.timegpt.finetune(finetune_steps=5).timegpt.forecast(h=12, level=[80])
    ...     ahead.compute(scheduler="threads").shape
    (168, 5)
    """

    __slots__ = ("_frame",)

    def __init__(self, frame: dd.DataFrame) -> None:
        self._frame = frame
        carry_attached_record(frame)

    def __repr__(self) -> str:
        record = read_record(self._frame._meta)
        none = "no fine-tuned model attached; finetune() makes one, use_model(id) attaches one"
        return f"<timegpt on {self._frame.npartitions} partitions: {record or none}>"

    @property
    def model_id(self) -> str | None:
        """The id of the fine-tuned model attached to the frame, or None."""
        record = read_record(self._frame._meta)
        return None if record is None else record.finetuned_model_id

    @property
    def record(self) -> Mapping[str, Any]:
        """The record of the attached model: a read-only view, empty without a model.

        It is in the attrs of the frame's meta, and the computed frame has it in ``attrs["timegpt"]``.
        """
        return view_record(self._frame._meta)

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
        freq, id_col, time_col, target_col, allow_missing
            As in `nixtla_accessor.TimeGPTAccessor.pack`.

        Returns
        -------
        PackedSeries
            The series of the computed frame, in this process: 8 bytes for each row, and the memory of the ids.

        Raises
        ------
        InvalidFrameError
            If the frame cannot be packed, as for the computed frame.

        Notes
        -----
        Each partition is read once: a worker checks and packs its pieces of series, and sends their values, ids and
        first stamps; here they are concatenated. If the rows of a series are interleaved in time over partitions, the
        frame is shuffled by id first, and read once more.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> packed = dd.from_pandas(load_unemployment(), npartitions=5).timegpt.pack()
        >>> packed.freq, len(packed.sizes), len(packed.y)
        ('MS', 14, 1708)
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        return pack_source(DaskSource(self._frame), chosen, allow_missing=allow_missing)

    def audit(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        h: int | None = None,
        X_df: dd.DataFrame | pd.DataFrame | None = None,
        futr_exog_list: Sequence[Hashable] | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
    ) -> pd.DataFrame:
        """List every problem that the frame would be refused for, and what is notable; nothing is sent.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`.
        h, X_df, futr_exog_list, hist_exog_list
            As in `nixtla_accessor.TimeGPTAccessor.audit`; an ``X_df`` of Dask is computed at once.

        Returns
        -------
        DataFrame
            One row for each problem, as `nixtla_accessor.TimeGPTAccessor.audit` has them for the computed frame.

        Raises
        ------
        InvalidArgumentError, DuplicateColumnError
            If it is unclear which columns or which frequency are meant.

        Notes
        -----
        The stamps are read first, to infer the frequency and to find where they begin and end. Then the frame is
        shuffled by id, so that problems across partitions are found too, and the partitions are audited in parallel.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> ddf = dd.from_pandas(load_unemployment().drop(index=5), npartitions=3)
        >>> ddf.timegpt.audit()[["series", "kind", "count"]]
                series kind  count
        0  Agriculture  gap      1
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd").with_recorded_columns(self._frame._meta)
        covariates = CovariateChoice(future_in_pandas(X_df), futr_exog_list, hist_exog_list)
        columns = chosen.default_columns(self._frame._meta)
        return audit_dask_frame(self._frame, columns, chosen.parse_freq(), h, covariates)

    def fill_gaps(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        method: str | float | None = None,
        trim: bool = False,
    ) -> dd.DataFrame:
        """Plan a frame with one row for each stamp that is missing between a series' first and last.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`; with freq None, the stamps are read at once, to infer it.
        method, trim
            As in `nixtla_accessor.TimeGPTAccessor.fill_gaps`.

        Returns
        -------
        dask DataFrame
            Lazy; the rows are those of the pandas accessor, sorted by id and time within each partition. Columns have
            the dtypes that they need where there are gaps, whether or not a partition has some.

        Raises
        ------
        InvalidArgumentError, MissingColumnError, FrequencyError
            At once, as in `nixtla_accessor.TimeGPTAccessor.fill_gaps`.
        InvalidFrameError
            When it is computed, if the frame has other problems than gaps. A note on the error names the partition.

        Notes
        -----
        The frame is shuffled by id first, unless Dask knows already that no series lies in two partitions.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> ddf = dd.from_pandas(load_unemployment().drop(index=5), npartitions=3)
        >>> whole = ddf.timegpt.fill_gaps(method="interpolate")
        >>> len(ddf), len(whole)
        (1707, 1708)
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd").with_recorded_columns(self._frame._meta)
        columns = chosen.resolve_columns(self._frame._meta)
        return fill_dask_gaps(self._frame, columns, chosen.parse_freq(), method, trim=trim)

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
    ) -> dd.DataFrame:
        """Fine-tune one model to all series of the frame, and attach it to the frame.

        The frame is packed at once, as by `pack`, and sent from this process, as the computed frame would be.

        Parameters
        ----------
        freq, id_col, time_col, target_col, allow_missing
            As in `pack`.
        model, finetune_steps, finetune_loss, finetune_depth, output_model_id, finetuned_model_id, overwrite
            As in `nixtla_accessor.TimeGPTAccessor.finetune`.
        max_request, wait, timeout, client
            As there; a frame that is larger than the service takes in one request needs ``max_request``.

        Returns
        -------
        dask DataFrame
            The very frame that it was called on; the record is one more step of its plan. Whatever is computed,
            persisted or written from it has the record where pandas would have it, and after shuffles too.

        Raises
        ------
        TimeGPTError
            As in `nixtla_accessor.TimeGPTAccessor.finetune`; the frame stays as it is.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=3)
        ...     tuned = ddf.timegpt.finetune(finetune_steps=5, output_model_id="by-industry", overwrite=True)
        >>> tuned is ddf, tuned.query("y > 3").compute(scheduler="threads").timegpt.model_id
        (True, 'by-industry')
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        tuning = Tuning(model, finetune_steps, finetune_loss, finetune_depth)
        naming = ModelNaming(output_model_id, finetuned_model_id, overwrite)
        sending = Sending(client, timeout, max_request, allow_missing, wait)
        return operations.finetune(DaskSource(self._frame), chosen, tuning, naming, sending)

    @property
    def status(self) -> str | None:
        """How the training of the attached model stands, as of `nixtla_accessor.TimeGPTAccessor.status`."""
        return operations.model_state(DaskSource(self._frame), self._code())

    def wait(self, timeout: float | None = None, *, client: Client | None = None) -> dd.DataFrame:
        """Wait for the model that ``finetune(wait=False)`` has a job train.

        Parameters
        ----------
        timeout, client
            As in `nixtla_accessor.TimeGPTAccessor.wait`.

        Returns
        -------
        dask DataFrame
            The very frame that it was called on; its record says ``"ready"``, and has the tokens.

        Raises
        ------
        TimeGPTError
            As there.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     ddf.timegpt.finetune(finetune_steps=5, wait=False).timegpt.wait().timegpt.status
        'ready'
        """
        return operations.wait_for_model(DaskSource(self._frame), self._code(), timeout, client)

    def cancel(self, *, client: Client | None = None) -> str:
        """Cancel the training of the attached model, and wait until it has ended.

        Parameters
        ----------
        client
            As in `nixtla_accessor.TimeGPTAccessor.cancel`.

        Returns
        -------
        str
            How the training stands then, as there.

        Raises
        ------
        TimeGPTError
            As there.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     ddf.timegpt.finetune(finetune_steps=100_000, wait=False).timegpt.cancel()
        'cancelled'
        """
        return operations.cancel_training(DaskSource(self._frame), self._code(), client)

    def _code(self) -> FrameCode:
        return Selection(library="dd").code(self._frame._meta)

    def use_model(
        self,
        finetuned_model_id: str | dd.DataFrame | pd.DataFrame | Mapping[str, Any],
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        client: Client | None = None,
    ) -> dd.DataFrame:
        """Attach an existing fine-tuned model to the frame; nothing is computed.

        Parameters
        ----------
        finetuned_model_id, freq, id_col, time_col, target_col, client
            As in `nixtla_accessor.TimeGPTAccessor.use_model`.

        Returns
        -------
        dask DataFrame
            The very frame that it was called on, as from `finetune`.

        Raises
        ------
        NotFoundError
            If there is no such model.
        InvalidArgumentError, MissingColumnError, ConfigurationError, TransportError, ApiError, ResponseError
            As in `finetune`.
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        return operations.use_model(DaskSource(self._frame), chosen, finetuned_model_id, client=client)

    def forecast(
        self,
        h: int,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        X_df: dd.DataFrame | pd.DataFrame | None = None,
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
        model_parameters: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> dd.DataFrame:
        """Plan a forecast of every series of the frame, with the attached model unless another is named.

        Parameters
        ----------
        h, hist_exog_list, date_features, feature_contributions, add_history, level, quantiles
            As in `nixtla_accessor.TimeGPTAccessor.forecast`.
        model, finetuned_model_id, zero_shot, model_parameters, allow_missing, client
            As there.
        X_df : dask or pandas DataFrame, optional
            As there. One of Dask is computed at once, since it has few rows beside the frame. The ids of all partitions
            are read before the first of them asks: a series that none has is refused, as there. Parquet is read once
            more for that, but only its column of ids; a source that cannot read one column alone is read twice.
        holidays : str, list or dict, optional
            As there; not together with ``feature_contributions``, since the columns would depend on the partition.
        freq, id_col, time_col, target_col
            As in `pack`; with freq None, the frequency of the fine-tuned model. Zero-shot, the stamps are read at once.

        Returns
        -------
        dask DataFrame
            Lazy: the service is asked when it is computed, and again each time; ``persist`` keeps the answers. Within
            this process the client asks, so it must still be open then. The rows are those of the pandas accessor,
            sorted by id and time within each partition. Its record is that of the model that was used.

        Raises
        ------
        NoModelError, InvalidArgumentError, MissingColumnError, ConfigurationError
            At once, as in `nixtla_accessor.TimeGPTAccessor.forecast`.
        InvalidFrameError, ConfigurationError, TransportError, ApiError, ResponseError
            When it is computed. A note on the error names the partition and its series.

        Notes
        -----
        The frame is shuffled by id first, unless Dask knows already that no series lies in two partitions (it was
        shuffled by id, or the id is the index and the divisions are known). Then each partition asks for itself, at
        most eight at a time over the cluster, through the connection of its process, with the retry rules of the
        client. Workers read the key from ``NIXTLA_API_KEY`` in their environment: it does not travel. If the service
        is the local engine, each worker process starts its own; it finds the models of this machine only.

        If a partition fails, so does the computation. After ``persist`` with the distributed scheduler, the other
        partitions keep their answers: ``.partitions[i]`` returns one.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     ahead = ddf.timegpt.forecast(h=3, freq="MS", quantiles=[0.1, 0.9], zero_shot=True)
        ...     ahead.compute(scheduler="threads").shape
        (42, 5)
        >>> list(ahead.columns)
        ['unique_id', 'ds', 'TimeGPT', 'TimeGPT-q-10', 'TimeGPT-q-90']
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(model_parameters=model_parameters)
        sending = Sending(client, allow_missing=allow_missing)
        covariates = CovariateChoice(X_df, None, hist_exog_list, date_features, holidays)
        steps = Steps(h, level, quantiles, feature_contributions, add_history)
        if feature_contributions and holidays is not None:
            raise InvalidArgumentError(
                "On a Dask frame, feature_contributions needs covariates whose names are known before the stamps are; "
                "holidays are not. Leave one of them out."
            )
        return operations.forecast(DaskSource(self._frame), chosen, covariates, choice, adapting, sending, steps)

    def simulate(
        self,
        h: int,
        n_paths: int = 100,
        *,
        seed: int,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        quantiles: Sequence[float] | None = None,
        X_df: dd.DataFrame | pd.DataFrame | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        zero_shot: bool = False,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> dd.DataFrame:
        """Plan paths into the future, which depend on each other over time as the errors of forecasts do.

        Parameters
        ----------
        h, n_paths, quantiles, X_df, hist_exog_list, date_features, holidays
            As in `nixtla_accessor.TimeGPTAccessor.simulate`.
        model, finetuned_model_id, zero_shot, allow_missing, client
            As there.
        seed : int
            The same seed gives the same paths. It must be given, since a plan may be computed more than once.
        freq, id_col, time_col, target_col
            As in `forecast`.

        Returns
        -------
        dask DataFrame
            Lazy, as from `forecast`; its columns are those of the pandas accessor.

        Raises
        ------
        TimeGPTError
            As in `forecast`.

        Notes
        -----
        As of `forecast`. Each partition learns from its own series how errors depend on each other, so that other
        partitions mean other paths.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     paths = ddf.timegpt.simulate(6, n_paths=10, seed=1, zero_shot=True)
        ...     paths.compute(scheduler="threads").shape
        (840, 4)
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        sending = Sending(client, allow_missing=allow_missing)
        covariates = CovariateChoice(X_df, None, hist_exog_list, date_features, holidays)
        paths = Paths(h, n_paths, seed, quantiles)
        return operations.simulate(DaskSource(self._frame), chosen, covariates, choice, Adapting(), sending, paths)

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
        model_parameters: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> dd.DataFrame:
        """Plan forecasts of windows at the end of every series, each from the values before it.

        Parameters
        ----------
        h, n_windows, step_size, level, quantiles, too_short, futr_exog_list, hist_exog_list, date_features, holidays
            As in `nixtla_accessor.TimeGPTAccessor.cross_validation`.
        model, finetuned_model_id, zero_shot, model_parameters, allow_missing, client
            As there.
        freq, id_col, time_col, target_col
            As in `forecast`.

        Returns
        -------
        dask DataFrame
            Lazy, as from `forecast`; its rows are those of the pandas accessor.

        Raises
        ------
        TimeGPTError
            As in `forecast`; `InvalidFrameError` also if a series is too short for the windows.

        Notes
        -----
        As of `forecast`.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     windows = ddf.timegpt.cross_validation(12, n_windows=3, zero_shot=True)
        ...     windows.compute(scheduler="threads").shape
        (504, 5)
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(model_parameters=model_parameters)
        sending = Sending(client, allow_missing=allow_missing)
        windows = Windows(h, n_windows, step_size, level, too_short, quantiles)
        covariates = CovariateChoice(None, futr_exog_list, hist_exog_list, date_features, holidays)
        return operations.cross_validation(
            DaskSource(self._frame), chosen, covariates, choice, adapting, sending, windows
        )

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
        too_short: TooShort = "raise",
        futr_exog_list: Sequence[Hashable] | None = None,
        hist_exog_list: Sequence[Hashable] | None = None,
        date_features: DateFeatures = False,
        holidays: Holidays | None = None,
        model: str | None = None,
        finetuned_model_id: str | None = None,
        zero_shot: bool = False,
        model_parameters: Mapping[str, Any] | None = None,
        allow_missing: bool = False,
        client: Client | None = None,
    ) -> dd.DataFrame:
        """Plan to find the values that are too far from their forecast.

        Parameters
        ----------
        level, method, detection_size, h, step_size, too_short, futr_exog_list, hist_exog_list, date_features, holidays
            As in `nixtla_accessor.TimeGPTAccessor.detect_anomalies`.
        model, finetuned_model_id, zero_shot, model_parameters, allow_missing, client
            As there.
        freq, id_col, time_col, target_col
            As in `forecast`.

        Returns
        -------
        dask DataFrame
            Lazy, as from `forecast`; its rows are those of the pandas accessor.

        Raises
        ------
        TimeGPTError
            As in `forecast`.

        Notes
        -----
        As of `forecast`. Each partition is judged by itself, which matters where the service judges the series of a
        request together.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     checked = ddf.timegpt.detect_anomalies(level=95, zero_shot=True)
        ...     checked.compute(scheduler="threads")["anomaly"].dtype
        dtype('bool')
        """
        chosen = Selection(freq, id_col, time_col, target_col, "dd")
        choice = ModelChoice(model, finetuned_model_id, zero_shot)
        adapting = Adapting(model_parameters=model_parameters)
        sending = Sending(client, allow_missing=allow_missing)
        detection = Detection(level, method, detection_size, h, step_size, too_short=too_short)
        covariates = CovariateChoice(None, futr_exog_list, hist_exog_list, date_features, holidays)
        return operations.detect_anomalies(
            DaskSource(self._frame), chosen, covariates, choice, adapting, sending, detection
        )
