"""The steps from a frame to packed arrays, as one call."""

from __future__ import annotations

import pytest

from nixtla_accessor.panel.names import resolve_columns
from nixtla_accessor.panel.packing import pack_frame


@pytest.fixture(scope="session")
def pack():
    """Pack a frame: ``pack(frame, freq=None, allow_missing=False, id_col=…, …)``."""

    def make(frame, freq=None, *, allow_missing=False, **names):
        return pack_frame(frame, resolve_columns(frame, **names), freq, allow_missing=allow_missing)

    return make
