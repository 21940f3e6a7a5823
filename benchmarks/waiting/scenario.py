"""Who waits, for how long, and when the batches end."""

from __future__ import annotations

from collections.abc import Sequence

INTERVAL_SECONDS = 10
SECONDS = 60.0
PATIENCE_SECONDS = 3600  # the longest that a trigger waits; none needs it

_EARLY = 5


def ends(batch_ids: Sequence[str]) -> dict[str, float]:
    """Return after how many seconds each batch ends: every fifth at even intervals, all others together at the end."""
    early = batch_ids[::_EARLY]
    moments = {batch_id: SECONDS * (number + 1) / (len(early) + 1) for number, batch_id in enumerate(early)}
    return {batch_id: moments.get(batch_id, SECONDS) for batch_id in batch_ids}
