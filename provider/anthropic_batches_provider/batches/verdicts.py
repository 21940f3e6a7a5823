"""What is said of the answer of a succeeded row: whether it can be used, and if not, why.

The API calls a row ``succeeded`` whatever its message says; a verdict tells more, and :mod:`judging` gives it.
"""

from __future__ import annotations

FITS = "fits"
INVALID_OUTPUT = "invalid_output"
TRUNCATED = "truncated"
REFUSAL = "refusal"
UNFINISHED = "unfinished"

PAUSED = "pause_turn"
"""The stop reason of an answer that the model can go on with."""

VERDICTS = (FITS, INVALID_OUTPUT, TRUNCATED, REFUSAL, UNFINISHED)

_OF_STOP_REASON = {
    "refusal": REFUSAL,
    "max_tokens": TRUNCATED,
    "model_context_window_exceeded": UNFINISHED,
    PAUSED: UNFINISHED,
}


def verdict_of_stop_reason(stop_reason: str | None) -> str:
    """Return what the end of a message says of it; ``fits`` unless it was refused or is not whole."""
    return _OF_STOP_REASON.get(stop_reason or "", FITS)
