"""``ddf.timegpt``: the face on Dask DataFrames. It calls the pandas face, and what is particular to partitions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import dask.dataframe as dd
import pandas as pd

from nixtla_accessor.accessor import BASE_MODEL, Freq
from nixtla_accessor.api.client import Client, default_client
from nixtla_accessor.api.requests import Timeout, check_cross_validation_options, check_forecast_options
from nixtla_accessor.dask.answering import Question, ask_by_partition, empty_answer
from nixtla_accessor.dask.auditing import audit_dask_frame
from nixtla_accessor.dask.carrying import carry_record, carry_what_is_said
from nixtla_accessor.dask.faces import AskingFace, DaskFace
from nixtla_accessor.dask.service import Service
from nixtla_accessor.panel.intervals import levels_to_ask
from nixtla_accessor.panel.packing import PackedSeries
from nixtla_accessor.record import read_record


class DaskTimeGPTAccessor:
    """Fine-tuning and forecasting on a long-format Dask frame: ``ddf.timegpt``.

    What has the name of a method of `nixtla_accessor.TimeGPTAccessor` does on the Dask frame what that does on the
    computed one. Columns are named as there; one that is missing is refused at once, before anything is computed.

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
        carry_what_is_said(frame)

    def __repr__(self) -> str:
        return repr(DaskFace(self._frame)).replace("<timegpt:", f"<timegpt on {self._frame.npartitions} partitions:", 1)

    @property
    def model_id(self) -> str | None:
        """The id of the fine-tuned model attached to the frame, or None."""
        return DaskFace(self._frame).model_id

    @property
    def record(self) -> Mapping[str, Any]:
        """What is known of the attached model: a read-only view, empty without a model.

        It is that of the frame's meta, and the computed frame has it in ``attrs["timegpt"]``.
        """
        return DaskFace(self._frame).record

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
            That of the computed frame. It is in this process: 8 bytes for each row, and what the ids take.

        Raises
        ------
        InvalidFrameError
            If the frame cannot be packed, as for the computed frame.

        Notes
        -----
        Each partition is read once: a worker checks and packs its pieces of series, and sends their values, ids and
        first stamps; here they are put end to end. Rows of a series that lie across those of another partition in time
        cannot be: then the frame is shuffled by id, and read once more.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> packed = dd.from_pandas(load_unemployment(), npartitions=5).timegpt.pack()
        >>> packed.freq, len(packed.sizes), len(packed.y)
        ('MS', 14, 1708)
        """
        return DaskFace(self._frame).pack(
            freq=freq, id_col=id_col, time_col=time_col, target_col=target_col, allow_missing=allow_missing
        )

    def audit(
        self,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
    ) -> pd.DataFrame:
        """List everything that `finetune` would refuse the frame for; nothing is sent.

        Parameters
        ----------
        freq, id_col, time_col, target_col
            As in `pack`.

        Returns
        -------
        DataFrame
            One row for each problem, as `nixtla_accessor.TimeGPTAccessor.audit` has them for the computed frame.

        Raises
        ------
        InvalidArgumentError, DuplicateColumnError
            If it cannot be said which columns or which frequency are meant.

        Notes
        -----
        Without ``freq`` the frame is read for it first. Then it is shuffled by id, so that what lies across partitions
        is found too, and the partitions are audited in parallel.

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
        names = DaskFace(self._frame).columns(id_col, time_col, target_col)
        return audit_dask_frame(self._frame, freq, *names)

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
    ) -> dd.DataFrame:
        """Fine-tune one model to all series of the frame, and attach it to the frame.

        The frame is packed at once, as by `pack`, and sent from this process, as the computed frame would be.

        Parameters
        ----------
        freq, id_col, time_col, target_col, allow_missing
            As in `pack`.
        model, finetune_steps, finetune_loss, finetune_depth, output_model_id, finetuned_model_id, overwrite
            As in `nixtla_accessor.TimeGPTAccessor.finetune`.
        max_request, timeout, client
            As there; a frame that is larger than the service takes in one request needs ``max_request``.

        Returns
        -------
        dask DataFrame
            The very frame that it was called on, whose plan has one more step: the record. Computed, persisted or
            written, and after shuffles too, what comes of it has the record where pandas would have it.

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
        face = DaskFace(self._frame)
        face.finetune(
            freq=freq,
            id_col=id_col,
            time_col=time_col,
            target_col=target_col,
            model=model,
            finetune_steps=finetune_steps,
            finetune_loss=finetune_loss,
            finetune_depth=finetune_depth,
            output_model_id=output_model_id,
            finetuned_model_id=finetuned_model_id,
            overwrite=overwrite,
            allow_missing=allow_missing,
            max_request=max_request,
            timeout=timeout,
            client=client,
        )
        return self._carry_record_of(face)

    def use_model(
        self,
        finetuned_model_id: str,
        *,
        freq: Freq | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
        target_col: Hashable | None = None,
        client: Client | None = None,
    ) -> dd.DataFrame:
        """Attach a fine-tuned model that exists to the frame; nothing is computed.

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
        face = DaskFace(self._frame)
        face.use_model(
            finetuned_model_id, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col, client=client
        )
        return self._carry_record_of(face)

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
    ) -> dd.DataFrame:
        """Plan to forecast every series of the frame, with the model attached to it unless told otherwise.

        Parameters
        ----------
        h, level, quantiles, model, finetuned_model_id, allow_missing, client
            As in `nixtla_accessor.TimeGPTAccessor.forecast`.
        freq, id_col, time_col, target_col
            As in `pack`; freq None takes the record's. Where there is none, the stamps are read for it at once.

        Returns
        -------
        dask DataFrame
            Lazy: the service is asked when it is computed, and again each time; ``persist`` keeps the answers. In this
            process it is asked through the client, which must be open still. The rows are those of the pandas accessor,
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
        most eight at a time over the cluster, through the connection of its process, with the rules of the client for
        trying again. Workers take the key from ``NIXTLA_API_KEY`` in their environment: it does not travel. Where the
        service is the embedded engine, each worker process starts its own; it finds the models only on this machine.

        A partition that fails fails what is computed with it. After ``persist``, and with the distributed scheduler,
        the others have their answers: ``.partitions[i]`` gives one.

        Examples
        --------
        >>> import dask.dataframe as dd
        >>> import nixtla_accessor.dask
        >>> from nixtla_accessor.datasets import load_unemployment
        >>> with nixtla_accessor.connect(base_url="local", progress=False):
        ...     ddf = dd.from_pandas(load_unemployment(), npartitions=2)
        ...     ahead = ddf.timegpt.forecast(h=3, freq="MS", quantiles=[0.1, 0.9], model="timegpt-1")
        ...     ahead.compute(scheduler="threads").shape
        (42, 5)
        >>> list(ahead.columns)
        ['unique_id', 'ds', 'TimeGPT', 'TimeGPT-q-10', 'TimeGPT-q-90']
        """
        levels = levels_to_ask(level, quantiles)
        base = BASE_MODEL if model is None else model
        checked = check_forecast_options(h=h, level=levels, model=base, finetuned_model_id=finetuned_model_id)
        asked_quantiles = None if quantiles is None else list(quantiles)
        return self._ask(
            "forecast",
            {"h": checked.h, "level": checked.level if quantiles is None else None, "quantiles": asked_quantiles},
            (checked.level, asked_quantiles),
            freq=freq,
            id_col=id_col,
            time_col=time_col,
            target_col=target_col,
            model=model,
            finetuned_model_id=finetuned_model_id,
            allow_missing=allow_missing,
            client=client or default_client(),
        )

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
    ) -> dd.DataFrame:
        """Plan to forecast windows at the end of every series, each from what came before it.

        Parameters
        ----------
        h, n_windows, step_size, level, model, finetuned_model_id, allow_missing, client
            As in `nixtla_accessor.TimeGPTAccessor.cross_validation`.
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
        ...     windows = ddf.timegpt.cross_validation(12, n_windows=3, model="timegpt-1")
        ...     windows.compute(scheduler="threads").shape
        (504, 5)
        """
        base = BASE_MODEL if model is None else model
        checked = check_cross_validation_options(
            h=h,
            n_windows=n_windows,
            step_size=step_size,
            level=level,
            model=base,
            finetuned_model_id=finetuned_model_id,
        )
        return self._ask(
            "cross_validation",
            {"h": checked.h, "n_windows": checked.n_windows, "step_size": checked.step_size, "level": checked.level},
            (checked.level, None),
            freq=freq,
            id_col=id_col,
            time_col=time_col,
            target_col=target_col,
            model=model,
            finetuned_model_id=finetuned_model_id,
            allow_missing=allow_missing,
            client=client or default_client(),
        )

    def _ask(
        self,
        method: Literal["forecast", "cross_validation"],
        arguments: Mapping[str, Any],
        shown: tuple[Sequence[float] | None, Sequence[float] | None],
        *,
        model: str | None,
        finetuned_model_id: str | None,
        allow_missing: bool,
        client: Client,
        **columns_and_freq: Any,  # noqa: ANN401 - as the caller gave them
    ) -> dd.DataFrame:
        """Settle what can be known without the rows, and plan the rest."""
        face = AskingFace(self._frame)
        packed, record = face.settle(
            model=model,
            finetuned_model_id=finetuned_model_id,
            allow_missing=allow_missing,
            client=client,
            **columns_and_freq,
        )
        columns, frequency = packed.columns, packed.frequency
        if record is not None:
            names: dict[str, Any] = {"id_col": columns.id, "time_col": columns.time, "target_col": columns.target}
            record = replace(record, freq=frequency.name, **names)
        which = {"model": model, "finetuned_model_id": None if record is None else record.finetuned_model_id}
        question = Question(
            method,
            columns,
            {**arguments, **which, "freq": frequency, "allow_missing": allow_missing},
            record,
            Service(client),
        )
        empty = empty_answer(face.meta, columns, *shown, with_past=method == "cross_validation")
        return ask_by_partition(self._frame, question, empty)

    def _carry_record_of(self, face: DaskFace) -> dd.DataFrame:
        """Attach to the frame what was attached to its meta."""
        record = read_record(face.meta)
        if record is not None:
            carry_record(self._frame, record)
        return self._frame
