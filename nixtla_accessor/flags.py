"""Arguments that are True or False."""

from __future__ import annotations

import reprlib

import numpy as np

from nixtla_accessor.errors import InvalidArgumentError


def check_flag(name: str, value: object) -> bool:
    """Check for a bool, Python's or NumPy's.

    Examples
    --------
    >>> check_flag("trim", "no")
    Traceback (most recent call last):
    nixtla_accessor.errors.InvalidArgumentError: trim must be True or False; got 'no'.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise InvalidArgumentError(f"{name} must be True or False; got {reprlib.repr(value)}.")
