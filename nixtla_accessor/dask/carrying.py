"""The record on a Dask frame: in its meta, and in the attrs of every partition that is computed.

Dask knows attrs from pandas alone, which passes them on: in the meta, the empty frame that describes a collection, and
in each partition. The two part where rows change partitions (shuffle, set_index, groupby-apply): there the partitions'
attrs are dropped, and the meta's stay. So the record is a step of Dask's plan that, when the plan is optimised, moves
up behind every step whose meta has the record still, and falls away at one whose meta has it no more. It comes last
then: what is computed agrees with the meta, and Dask's own steps move ahead undisturbed.
"""

from __future__ import annotations

from typing import Any

import dask.dataframe as dd
import pandas as pd
from dask.dataframe.dask_expr._expr import Elemwise, Expr, MapPartitions

from nixtla_accessor.record import Record, attach_record, read_record


def carry_record(frame: dd.DataFrame, record: Record) -> None:
    """Attach a record to a Dask frame in place, as Dask itself does it when a column is assigned."""
    frame._expr = CarryRecord(frame.expr, record)


def carry_what_is_said(frame: dd.DataFrame) -> None:
    """See to it, in place, that a frame whose meta has a record is computed with it.

    A record that was read from files is in the meta, and what is computed may have lost it on the way.
    """
    record = read_record(frame._meta)
    if record is not None and not isinstance(frame.expr, CarryRecord):
        carry_record(frame, record)


def put_record(frame: pd.DataFrame, record: Record) -> pd.DataFrame:
    """Return a shallow copy of a frame with the record attached."""
    copy = frame.copy(deep=False)
    attach_record(copy, record)
    return copy


class CarryRecord(Elemwise):  # type: ignore[misc]  # Dask is not typed
    """The step of a plan that puts a record on each partition."""

    _parameters = ["frame", "record"]  # noqa: RUF012 - Dask adds to it
    _preserves_partitioning_information = True
    operation = staticmethod(put_record)

    def __dask_graph__(self) -> dict[Any, Any]:
        """Return the graph; of a plan that is not lowered yet none.

        Dask of 2025 asks steps that are not its own for a graph, only to see that they can have one.
        """
        try:
            graph: dict[Any, Any] = super().__dask_graph__()
        except NotImplementedError:
            return {}
        return graph

    def _simplify_up(self, parent: Expr, dependents: object) -> Expr | None:  # noqa: ARG002 - Dask's signature
        """Move behind the step that follows, or fall away where that has no record in its meta.

        What users' functions are given keeps its record.
        """
        if isinstance(parent, CarryRecord):
            return CarryRecord(self.frame, parent.record)
        if isinstance(parent, MapPartitions) or not _has_meta(parent):
            return None
        bare = parent.substitute(self, self.frame)
        is_frame = isinstance(parent._meta, pd.DataFrame | pd.Series)
        return CarryRecord(bare, self.record) if is_frame and read_record(parent._meta) == self.record else bare


def _has_meta(step: Expr) -> bool:
    """Tell whether a step gives a collection; those that write files or gather results do not."""
    try:
        return step._meta is not None
    except (NotImplementedError, TypeError):
        return False
