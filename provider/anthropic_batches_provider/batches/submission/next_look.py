"""The next wait of a job whose shards cannot all be submitted yet, and how it changes from wait to wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pendulum

from anthropic_batches_provider.batches.plurals import counted

_NAMED = 3
_FLOOR_SECONDS = 60.0
_LOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLook:
    """Not all shards have a batch yet; check again later.

    :param until: check again at this moment of the local clock at the latest.
    :param batch_ids: check again as soon as one of these has ended, if that is earlier; may be empty.
    :param reason: human-readable.
    """

    until: pendulum.DateTime
    batch_ids: tuple[str, ...]
    reason: str

    def or_end_of(self, batch_ids: Sequence[str]) -> NextLook:
        """Return a wait that is also over as soon as one of these further batches has ended."""
        return replace(self, batch_ids=tuple(dict.fromkeys((*self.batch_ids, *batch_ids))))

    def until_at_the_latest(self, moment: pendulum.DateTime) -> NextLook:
        """Return a wait that is also over at this moment of the local clock."""
        return replace(self, until=min(self.until, moment))


def combined(waits: Sequence[NextLook]) -> NextLook:
    """Return a wait that is over as soon as any of these waits is."""
    reasons = [wait.reason for wait in waits[:_NAMED]]
    if len(waits) > _NAMED:
        reasons.append(f"and {counted(len(waits) - _NAMED, 'more shard')}")
    return NextLook(
        until=min(wait.until for wait in waits),
        batch_ids=tuple(dict.fromkeys(batch_id for wait in waits for batch_id in wait.batch_ids)),
        reason="; ".join(reasons),
    )


def next_wait(
    waiting: NextLook, event: Mapping[str, Any], *, now: pendulum.DateTime, has_unsent: bool
) -> NextLook | None:
    """Return the next wait, given the event of the last one, so that no stint starts without something new to do.

    :param event: the event of the last wait: the ids of batches that have ``ended`` or were ``lost``; empty before the
        first wait.
    :param now: the worker's clock.
    :param has_unsent: whether there are shards that may be sent later, regardless of the batches waited for.
    :returns: None if a further wait is pointless: every batch is lost, that is, can no longer be checked.
    """
    lost, ended = set(event.get("lost") or ()), set(event.get("ended") or ())
    batch_ids = tuple(batch_id for batch_id in waiting.batch_ids if batch_id not in lost)
    if lost and waiting.batch_ids and not batch_ids:
        if not has_unsent:
            return None
        return replace(waiting, batch_ids=(), until=min(waiting.until, now.add(seconds=_LOST_SECONDS)))
    if ended.intersection(batch_ids):
        # The triggerer saw an end that the API has not shown this worker yet: the trigger would fire at once.
        unseen = tuple(batch_id for batch_id in batch_ids if batch_id not in ended)
        return replace(waiting, batch_ids=unseen, until=min(waiting.until, now.add(seconds=_FLOOR_SECONDS)))
    return replace(waiting, batch_ids=batch_ids)
