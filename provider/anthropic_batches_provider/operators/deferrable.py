"""An operator that waits in the triggerer for what its job needs next, and goes on from there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator

from anthropic_batches_provider.edge.arguments import seconds_of
from anthropic_batches_provider.edge.job_references import find_job
from anthropic_batches_provider.edge.kill_policy import Policy
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.errors import ApiError
from anthropic_batches_provider.operators.deferral import DeferralState, next_wait
from anthropic_batches_provider.triggers import MessageBatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import JobFolder
    from anthropic_batches_provider.batches.submission import NextLook
    from anthropic_batches_provider.operators.rows_operator import Stint


class DeferrableOperator(BaseOperator):
    """Brings a job forward in stints on a worker, and is deferred between them.

    :ivar kill_policy: what to do with batches that run when the task is killed while it is deferred.
    """

    conn_id: str
    poll_interval: timedelta | float
    kill_policy: Policy

    @abstractmethod
    def _run_stint(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Go on as far as it goes; return what the task returns, or defer.

        :param event: what the trigger has fired; None in the first stint.
        """

    def resume(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Go on after a deferral, with the job that the task was deferred with.

        :param event: what :class:`MessageBatchTrigger` has fired.
        """
        event = event or {}
        if event.get("outcome") == "unreachable":
            raise self._given_up(event)
        with as_task_failures():
            try:
                return self._run_stint(context, event)
            except ApiError as error:
                self._wait_out(context, error)

    def may_send(self) -> bool:
        """Return whether more may be submitted by now."""
        return True

    def pinned(self) -> dict[str, Any]:
        """Return the attributes that must not be rendered otherwise after a deferral."""
        return {}

    def wait(self, stint: Stint, waiting: NextLook) -> NoReturn:
        """Defer until there is something to do again.

        :raises AirflowException: there is nothing that a wait could bring.
        """
        job, now = stint.job, stint.clock.now()
        has_unsent = any(state.batch is None for state in job.shards())
        planned = next_wait(waiting, stint.event, now=now, has_unsent=has_unsent)
        if planned is None:
            raise self._given_up(stint.event)
        waiting = planned
        before = stint.before.after(stint.event, now) if stint.before is not None else None
        ahead_seconds = before.ahead_seconds if before is not None else 0.0
        DeferralState(
            job=job.uri, until=waiting.until.timestamp(), ahead_seconds=ahead_seconds, pinned=self.pinned()
        ).remember(stint.context)
        self.log.info(
            "Waiting: %s. Looking again at %s UTC at the latest.",
            waiting.reason,
            waiting.until.in_timezone("UTC").to_datetime_string(),
        )
        running = running_batch_ids(job) if self.kill_policy == "cancel" else ()
        self._defer(waiting.batch_ids, deadline=waiting.until.timestamp() + ahead_seconds, cancel_on_kill=running)

    def _defer(self, batch_ids: Sequence[str], *, deadline: float, cancel_on_kill: Sequence[str]) -> NoReturn:
        self.defer(
            trigger=MessageBatchTrigger(
                batch_ids=tuple(batch_ids),
                conn_id=self.conn_id,
                poll_interval=seconds_of(self.poll_interval),
                deadline=deadline,
                wait_for="any",
                cancel_on_kill=tuple(cancel_on_kill),
            ),
            method_name="resume",
        )
        raise AssertionError("defer returns nothing")  # tells the type checker what defer() does

    def _wait_out(self, context: Context, error: ApiError) -> NoReturn:
        """Defer once more where the service could not be asked how the job stands: a wait of a day may meet an outage.

        :raises ApiError: the error, if a wait does not mend it, or no more may be waited for.
        """
        from anthropic_batches_provider.batches.clock import SystemClock

        before = DeferralState.recalled(context)
        again = before.after_failure(error, SystemClock().now()) if before is not None and self.may_send() else None
        if again is None:
            raise error
        again.remember(context)
        self.log.warning(
            "The service could not be asked how %s stands; what runs there runs on. Going on in %d s: %s",
            again.job, again.until - SystemClock().now().timestamp(), error,
        )  # fmt: skip
        running = running_batch_ids(find_job(again.job)) if self.kill_policy == "cancel" else ()
        self._defer((), deadline=again.until + again.ahead_seconds, cancel_on_kill=running)

    def _given_up(self, event: Mapping[str, Any]) -> AirflowException:
        return AirflowException(
            f"{event.get('reason')} Nothing was sent again or canceled: what was submitted is in the job folder, and a "
            "retry goes on from there."
        )


def running_batch_ids(job: JobFolder) -> tuple[str, ...]:
    """Return the batches of a job that were not seen to end."""
    from anthropic_batches_provider.batches.submission import running_ids

    return running_ids(job.shards())
