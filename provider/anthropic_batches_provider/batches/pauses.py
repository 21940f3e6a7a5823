"""How long to pause: doubled with each failure in a row, and for how long a ``Retry-After`` is believed."""

from __future__ import annotations

# No limit of the API lasts longer but the spend limit, which is no pause: a header must not park a wait for days.
LONGEST_RETRY_AFTER_SECONDS = 3600.0

_MOST_DOUBLINGS = 64  # keeps the power within a float; every pause has reached its longest by then


def doubled(first: float, times: int, *, longest: float) -> float:
    """Return a first pause, doubled a number of times.

    :param first: in seconds, or in any other unit.
    :param times: 0 for the first pause.
    :param longest: the bound, in the same unit.
    """
    return min(longest, first * 2.0 ** min(times, _MOST_DOUBLINGS))


def bounded_retry_after(seconds: float | None) -> float:
    """Return for how many seconds to obey a ``Retry-After``: an hour at most, and 0 where there is none."""
    return min(seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
