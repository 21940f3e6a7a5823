"""How much longer than usual a slow or busy machine may take: the environment's ``TIMEOUT_FACTOR``.

Timeouts end a wait for something that does not come. They never decide whether something was right: a larger factor
costs time only where a test fails anyway.
"""

import os


def timeout_factor() -> float:
    """Return ``TIMEOUT_FACTOR``; 1.0 if it is not set.

    :raises ValueError: it is not a number of 1 or more.
    """
    text = os.environ.get("TIMEOUT_FACTOR") or "1"
    factor = float(text)
    if not factor >= 1:
        raise ValueError(f"TIMEOUT_FACTOR is {text!r}. Give a number of 1 or more.")
    return factor


def patient(seconds: float) -> float:
    """Return a timeout for this machine, in seconds, from one for a machine of ordinary speed."""
    return seconds * timeout_factor()
