"""Asks how a job stands, again and again, until it has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from nixtla_accessor.api.sending import RequestContext
from nixtla_accessor.errors import ApiError, TransportError

_PASSING = frozenset({408, 409, 429, 502, 503, 504})
"""Refusals and failures that say nothing of the job, so that it is asked for again."""

_LEAST = 2.0  # seconds that a look may take, also where the time is almost over

StateT = TypeVar("StateT")


def poll(
    context: RequestContext,
    look: Callable[[RequestContext], StateT],
    is_unfinished: Callable[[StateT], bool],
    *,
    seconds: float,
    longest_pause: float,
) -> StateT:
    """Look at once and then with growing pauses, until what is looked at has ended or the time is over.

    Failures that say nothing of it are borne, for a while in a row.

    Parameters
    ----------
    context : RequestContext
        The connection and the limits.
    look : callable
        Returns how it stands; with a context that ends with the time.
    is_unfinished : callable
        Whether it goes on; also a place to show how far it is.
    seconds, longest_pause : float
        How long to look, and the longest pause between two looks, in seconds.

    Returns
    -------
    object
        What the last look returned, which is unfinished where the time was over.

    Raises
    ------
    ApiError, TransportError, ResponseError
        The service does not say how it stands.
    """
    end, silent_since = time.monotonic() + seconds, math.inf
    pause = context.pacing.first_poll_pause
    while True:
        began = time.monotonic()
        try:
            state = look(context.briefly(max(end - time.monotonic(), _LEAST)))
        except (ApiError, TransportError) as error:
            now = time.monotonic()
            silent_since = min(silent_since, began)
            is_passing = isinstance(error, TransportError) or error.status_code in _PASSING
            bearable = context.pacing.max_absence if _shows_absence(context, error) else context.pacing.max_silence
            if not is_passing or now - silent_since > bearable or now >= end:
                raise
        else:
            silent_since = math.inf
            if not is_unfinished(state) or time.monotonic() >= end:
                return state
        time.sleep(max(0.0, min(pause, end - time.monotonic())))
        pause = min(2 * pause, longest_pause)


def _shows_absence(context: RequestContext, error: Exception) -> bool:
    """Return whether no server runs at the address, which is on this machine."""
    return context.transport.is_loopback and isinstance(error.__cause__, ConnectionRefusedError)
