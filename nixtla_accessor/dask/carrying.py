"""The record on a Dask frame: in its meta, and in the attrs of every partition that is computed.

Dask itself does nothing with attrs: pandas passes them on, in the meta (the empty frame that describes a collection)
and in each partition. The two differ after a step that moves rows between partitions (shuffle, set_index,
groupby-apply): the partitions lose their attrs, the meta keeps them. So the record is a step of Dask's plan. When the
plan is optimised, this step moves behind every step whose meta still has the record, and is dropped at a step whose
meta has lost it. In the end it comes last, so that the computed partitions agree with the meta, and Dask can optimise
its own steps undisturbed.
"""

from __future__ import annotations

from typing import Any

import dask.dataframe as dd
import pandas as pd
from dask.dataframe.dask_expr._expr import Elemwise, Expr, MapPartitions

from nixtla_accessor.record import Record, attach_record, read_record


def carry_record(frame: dd.DataFrame, record: Record) -> None:
    """Attach a record to a Dask frame in place, as Dask itself does when a column is assigned."""
    frame._expr = CarryRecord(frame.expr, record)


def carry_attached_record(frame: dd.DataFrame) -> None:
    """Ensure, in place, that a frame whose meta has a record is computed with it.

    A record that was read from files is in the meta, but computed partitions may have lost it.
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
        """Return the graph; an empty one for a plan that is not lowered yet.

        Dask of 2025 asks foreign steps for their graph only to see whether they have one.
        """
        try:
            graph: dict[Any, Any] = super().__dask_graph__()
        except NotImplementedError:
            return {}
        return graph

    def _simplify_up(self, parent: Expr, dependents: object) -> Expr | None:  # noqa: ARG002 - Dask's signature
        """Move behind the following step, or drop out if its meta has no record.

        Frames that users' own functions receive keep their record.
        """
        if isinstance(parent, CarryRecord):
            return CarryRecord(self.frame, parent.record)
        if isinstance(parent, MapPartitions) or not _has_meta(parent):
            return None
        bare = parent.substitute(self, self.frame)
        is_frame = isinstance(parent._meta, pd.DataFrame | pd.Series)
        return CarryRecord(bare, self.record) if is_frame and read_record(parent._meta) == self.record else bare


def _has_meta(step: Expr) -> bool:
    """Return whether a step yields a collection; steps that write files or gather results do not."""
    try:
        return step._meta is not None
    except (NotImplementedError, TypeError):
        return False
