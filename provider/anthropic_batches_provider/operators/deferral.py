"""What a task remembers over a deferral, and how the next wait is made of what the last one brought.

The memory is the task instance's XCom ``deferral``: it outlives a deferral, and is gone in the next try. A resumed task
goes on with the job that it was deferred with, whatever its templates or its DAG say by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.errors import ApiConnectionError, ApiError, ApiStatusError, RateLimitedError

if TYPE_CHECKING:
    import pendulum
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.submission import NextLook

DEFERRAL_KEY = "deferral"

_FLOOR_SECONDS = 60.0
_LOST_SECONDS = 3600.0
_LONGEST_PAUSE_SECONDS = 600.0
_LONGEST_OUTAGE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferralState:
    """What is remembered.

    :param job: URI of the job folder.
    :param until: when the wait was to end, by the worker's clock, in seconds since the epoch.
    :param ahead_seconds: how far the triggerer's clock was seen to be ahead of the worker's.
    :param pinned: what a template may render otherwise by the next stint, such as the destination.
    :param failing_since: since when the service could not be asked, in seconds since the epoch; None while it can.
    :param failures: how many stints in a row have ended with that.
    """

    job: str
    until: float
    ahead_seconds: float = 0.0
    pinned: dict[str, Any] = field(default_factory=dict)
    failing_since: float | None = None
    failures: int = 0

    @classmethod
    def recalled(cls, context: Context) -> DeferralState | None:
        """Return what this try of the task was deferred with; None in its first stint."""
        task_instance: Any = context["ti"]
        kept = task_instance.xcom_pull(
            task_ids=task_instance.task_id, key=DEFERRAL_KEY, map_indexes=task_instance.map_index
        )
        return None if kept is None else cls(**kept)

    def remember(self, context: Context) -> None:
        """Keep this until the task goes on."""
        task_instance: Any = context["ti"]
        task_instance.xcom_push(key=DEFERRAL_KEY, value=asdict(self))

    def after(self, event: Mapping[str, Any], now: pendulum.DateTime) -> DeferralState:
        """Return this with what the end of the wait tells of the triggerer's clock.

        :param event: what the trigger has fired.
        :param now: the worker's clock.
        """
        early = self.until - now.timestamp()
        if event.get("outcome") != "deadline" or early <= 1:
            return self
        return replace(self, ahead_seconds=self.ahead_seconds + early)

    def after_failure(self, error: ApiError, now: pendulum.DateTime) -> DeferralState | None:
        """Return this for a further wait, since the service could not be asked: a minute, later up to ten.

        :param now: the worker's clock.
        :returns: None if waiting mends nothing, or has not mended it for a day.
        """
        since = self.failing_since or now.timestamp()
        if not may_pass(error) or now.timestamp() - since > _LONGEST_OUTAGE_SECONDS:
            return None
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        pause = min(max(_FLOOR_SECONDS * 2 ** min(self.failures, 10), asked), _LONGEST_PAUSE_SECONDS)
        return replace(self, until=now.timestamp() + pause, failing_since=since, failures=self.failures + 1)


def may_pass(error: ApiError) -> bool:
    """Return whether an error is one of the network or of a service that is busy or broken for now."""
    if isinstance(error, ApiStatusError):
        return isinstance(error, RateLimitedError) or error.status == 408 or error.status >= 500
    return isinstance(error, ApiConnectionError)


def next_wait(
    waiting: NextLook, event: Mapping[str, Any], *, now: pendulum.DateTime, has_unsent: bool
) -> NextLook | None:
    """Return how to wait, given what the last wait brought, so that no two stints follow each other for nothing.

    :param event: what the trigger has fired; empty in a first stint.
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
