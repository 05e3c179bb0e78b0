"""What an account has used, as ``GET /usage`` answers it."""

from __future__ import annotations

from typing import Any

from nixtla_accessor.api.schema import ContractModel


class Usage(ContractModel):
    """The answer of ``GET /usage``.

    Attributes
    ----------
    minute, month : dict
        What was used in this minute and in this month, by the service's own names.
    """

    minute: dict[str, Any]
    month: dict[str, Any]
