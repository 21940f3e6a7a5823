"""What submission waits for when not every shard can have its batch yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pendulum

_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLook:
    """Not all shards have a batch yet; look again.

    :param until: at this moment of the local clock at the latest.
    :param batch_ids: or as soon as one of these has ended; may be empty.
    :param reason: human-readable.
    """

    until: pendulum.DateTime
    batch_ids: tuple[str, ...]
    reason: str

    def or_end_of(self, batch_ids: Sequence[str]) -> NextLook:
        """Return the wait that is also over as soon as one of further batches has ended."""
        return replace(self, batch_ids=tuple(dict.fromkeys((*self.batch_ids, *batch_ids))))

    def until_at_the_latest(self, moment: pendulum.DateTime) -> NextLook:
        """Return the wait that is also over at a moment of the local clock."""
        return replace(self, until=min(self.until, moment))


def combined(waits: Sequence[NextLook]) -> NextLook:
    """Return the wait that is over as soon as any of several is."""
    reasons = [wait.reason for wait in waits[:_NAMED]]
    if len(waits) > _NAMED:
        reasons.append(f"and {len(waits) - _NAMED} more shards")
    return NextLook(
        until=min(wait.until for wait in waits),
        batch_ids=tuple(dict.fromkeys(batch_id for wait in waits for batch_id in wait.batch_ids)),
        reason="; ".join(reasons),
    )
