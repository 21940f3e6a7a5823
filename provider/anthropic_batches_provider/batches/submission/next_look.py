"""What a job waits for when not every shard can have its batch yet, and how that changes from wait to wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pendulum

_NAMED = 3
_FLOOR_SECONDS = 60.0
_LOST_SECONDS = 3600.0


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


def next_wait(
    waiting: NextLook, event: Mapping[str, Any], *, now: pendulum.DateTime, has_unsent: bool
) -> NextLook | None:
    """Return how to wait, given what the last wait brought, so that no two stints follow each other for nothing.

    :param event: what the last wait brought: the ids of batches that have ``ended`` or were ``lost``; empty before the
        first wait.
    :param now: the worker's clock.
    :param has_unsent: whether there are shards that may be sent later, whatever becomes of the batches waited for.
    :returns: None if there is nothing left that a wait could bring: every batch was lost from sight.
    """
    lost, ended = set(event.get("lost") or ()), set(event.get("ended") or ())
    batch_ids = tuple(batch_id for batch_id in waiting.batch_ids if batch_id not in lost)
    if lost and waiting.batch_ids and not batch_ids:
        if not has_unsent:
            return None
        return replace(waiting, batch_ids=(), until=min(waiting.until, now.add(seconds=_LOST_SECONDS)))
    if ended.intersection(batch_ids):
        # The triggerer has seen an end that this worker was not shown yet: the trigger would fire at once.
        unseen = tuple(batch_id for batch_id in batch_ids if batch_id not in ended)
        return replace(waiting, batch_ids=unseen, until=min(waiting.until, now.add(seconds=_FLOOR_SECONDS)))
    return replace(waiting, batch_ids=batch_ids)
