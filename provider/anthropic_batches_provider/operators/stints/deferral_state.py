"""What a task remembers over a deferral.

The memory is the task instance's XCom ``deferral``: it outlives a deferral, and is gone in the next try. A resumed task
goes on with the job that it was deferred with, whatever its templates or its DAG say by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from anthropic_batches_provider.edge.xcom_keys import DEFERRAL_KEY

if TYPE_CHECKING:
    import pendulum
    from airflow.sdk import Context

    from anthropic_batches_provider.errors import ApiError


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
        """Return this for a further wait, since the service could not be asked.

        :param now: the worker's clock.
        :returns: None if waiting does not help, or has not helped for a day.
        """
        from anthropic_batches_provider.batches.outages import pause_seconds

        since = self.failing_since or now.timestamp()
        pause = pause_seconds(error, failures=self.failures, failing_seconds=now.timestamp() - since)
        if pause is None:
            return None
        return replace(self, until=now.timestamp() + pause, failing_since=since, failures=self.failures + 1)


def given_up(event: Mapping[str, Any]) -> AirflowException:
    """Return the error of a task that waits no longer.

    :param event: what the trigger has fired.
    """
    return AirflowException(
        f"{event.get('reason')} Nothing was sent again or canceled: what was submitted is in the job folder, and a "
        "retry goes on from there."
    )
