"""The steps from a frame to packed arrays, as one call."""

from __future__ import annotations

import pytest

from nixtla_accessor.panel.frame import read_panel, resolve_columns
from nixtla_accessor.panel.frequency import parse_frequency
from nixtla_accessor.panel.inference import infer_frequency
from nixtla_accessor.panel.packing import pack_panel


def pack_frame(frame, freq=None, *, allow_missing=False, **names):
    columns = resolve_columns(frame, **names)
    panel = read_panel(frame, columns, allow_missing=allow_missing)
    return pack_panel(panel, infer_frequency(panel) if freq is None else parse_frequency(freq))


@pytest.fixture(scope="session")
def pack():
    """Pack a frame: ``pack(frame, freq=None, allow_missing=False, id_col=…, …)``."""
    return pack_frame
