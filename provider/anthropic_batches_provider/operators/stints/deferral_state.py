"""The state that a task keeps over a deferral.

It is stored in the task instance's XCom ``deferral``: it survives a deferral, and is gone in the next try. A resumed
task continues with the job that it was deferred with, whatever its templates or its DAG say by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException

from anthropic_batches_provider.edge.xcom_keys import DEFERRAL_KEY

if TYPE_CHECKING:
    import pendulum
    from airflow.sdk import Context

    from anthropic_batches_provider.errors import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferralState:
    """The state to keep.

    :param job: URI of the job folder.
    :param until: when the wait was planned to end, by the worker's clock, in seconds since the epoch.
    :param ahead_seconds: how far the triggerer's clock was found to be ahead of the worker's.
    :param pinned: attributes that a template might render differently in the next stint, such as the destination.
    :param failing_since: since when the service could not be asked, in seconds since the epoch; None while it can.
    :param failures: how many stints in a row have ended because of that.
    """

    job: str
    until: float
    ahead_seconds: float = 0.0
    pinned: dict[str, Any] = field(default_factory=dict)
    failing_since: float | None = None
    failures: int = 0

    @classmethod
    def recalled(cls, context: Context) -> DeferralState | None:
        """Return the state that this try of the task was deferred with; None in its first stint."""
        task_instance: Any = context["ti"]
        kept = task_instance.xcom_pull(
            task_ids=task_instance.task_id, key=DEFERRAL_KEY, map_indexes=task_instance.map_index
        )
        if kept is None:
            return None
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    def remember(self, context: Context) -> None:
        """Store this until the task resumes."""
        task_instance: Any = context["ti"]
        task_instance.xcom_push(key=DEFERRAL_KEY, value=asdict(self))

    def after(self, event: Mapping[str, Any], now: pendulum.DateTime) -> DeferralState:
        """Return this, corrected by what the end of the wait shows about the triggerer's clock.

        :param event: the event that the trigger fired.
        :param now: the worker's clock.
        """
        early = self.until - now.timestamp()
        if event.get("outcome") != "deadline" or early <= 1:
            return self
        return replace(self, ahead_seconds=self.ahead_seconds + early)

    def after_failure(self, error: ApiError, now: pendulum.DateTime) -> DeferralState | None:
        """Return this for a further wait, because the service could not be asked.

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
    """Return the error of a task that stops waiting.

    :param event: the event that the trigger fired.
    """
    return AirflowException(
        f"{event.get('reason')} A retry continues from the job folder. Nothing was sent again or canceled: the job "
        "folder holds what was submitted."
    )
