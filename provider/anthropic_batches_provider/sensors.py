"""Waits until message batches have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
)
from airflow.triggers.base import StartTriggerArgs

from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.edge.arguments import check_choice, seconds_of
from anthropic_batches_provider.edge.configuration import default_deferrable
from anthropic_batches_provider.edge.connection_form import DEFAULT_CONN_ID
from anthropic_batches_provider.edge.connections import connection_of, host_of
from anthropic_batches_provider.edge.job_references import known_batch_ids
from anthropic_batches_provider.edge.kill_policy import POLICIES, Policy, is_over
from anthropic_batches_provider.edge.parse_checks import check_job_arguments
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.edge.task_state import show_in_task_state
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.links import show_links, task_links
from anthropic_batches_provider.start_triggers import (
    TRIGGER_GRACE_SECONDS,
    MessageBatchStartTrigger,
)
from anthropic_batches_provider.triggers import MessageBatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.watching.wait import BatchWait

__all__ = ["MessageBatchSensor"]

_DEFAULT_TIMEOUT_SECONDS = 26 * 3600.0  # batches end within 24 h; the rest allows for outages
_TRIGGER_GRACE = timedelta(seconds=TRIGGER_GRACE_SECONDS)
_STARTS_IN_TRIGGERER = tuple(int(part) for part in airflow_version.split(".")[:2]) >= (3, 3)


class MessageBatchSensor(BaseSensorOperator):
    """Waits until every batch of a job, or every batch of a list, has ended; returns their ids and request counts.

    A batch has ended when each of its requests has succeeded, errored, expired or been canceled. So failed rows do not
    fail the sensor.

    No failed check (network, 401, 404, 5xx) touches a batch. A failed check or a restart of the triggerer does not end
    the wait. Only a deferred sensor gives up, if the API refuses the key or denies a batch for ten minutes.

    The log warns when a batch is less than 6 h, then less than 2 h from its expiry. It also warns when results are less
    than 3 days from the end of the 29 days for which the API keeps them.

    :param job: what a submitting task returned (``submit.output``), the URI of a job folder, or a list of either. A
        mapped submitting task returns a list; its jobs should share one connection, because the first one's is used.
        (templated)
    :param batch_ids: batches that something else submitted: one id, a list of ids, or a template that renders to either
        (``"{{ params.batch_ids }}"``: the text of a list is read as a list). A word such as ``None``, a URL or a path
        is refused at once. Either this or ``job``. (templated)
    :param conn_id: the Airflow connection. Default: the job's own, else ``anthropic_default``. (templated)
    :param poke_interval: longest time between two checks of a batch, in seconds or as a timedelta. While the task is
        deferred, young batches are checked sooner: after a tenth of their age, at least 2 s apart. Failed checks double
        it, up to sixteenfold; ``Retry-After`` is obeyed. Default: ``60``.
    :param timeout: how long to wait, from the start of this attempt, in seconds or as a timedelta. Then the task fails
        with ``AirflowSensorTimeout``, which names the batches that have not ended. With Airflow's ``soft_fail=True`` it
        is skipped instead. The batches run on (see ``on_timeout``) and can still be collected. Default: ``93_600`` (26
        hours).
    :param on_timeout: what to do with batches that have not ended at the ``timeout``: ``"leave"`` them running, or
        ``"cancel"`` them; the results that they have finished are kept, and billed. Default: ``"leave"``.
    :param on_kill: what to do with batches that have not ended when the task is killed: ``"leave"`` them running, or
        ``"cancel"`` them once the task is confirmed to be over (marked failed or success, or its run ended). After a
        clear or a restart, or if the state cannot be read, they are left running. Canceling while the task is deferred
        requires Airflow 3.3 or later. Default: ``"leave"``.
    :param deferrable: wait in the triggerer, and hold no worker slot. With ``False`` the task waits as Airflow's
        ``mode`` says: ``"poke"`` or ``"reschedule"``. Default: ``True``, unless the environment sets
        ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE``.
    :param start_in_triggerer: let the scheduler hand the task to the triggerer at once, so that it takes no worker slot
        before its batches have ended. Requires Airflow 3.3, ``deferrable=True``, ``conn_id`` as text, and ``batch_ids``
        as text or a list of texts. Mapped tasks, ``execution_timeout``, ``pre_execute`` and ``on_execute_callback``
        rule it out; the task then starts on a worker and defers at once. Templates are rendered in the triggerer:
        ``ti.xcom_pull`` needs ``map_indexes=-1`` there, or Airflow hangs. Default: ``False``.
    :raises AirflowException: the API refuses the key, or does not know a batch. Nothing was canceled.
    :raises AirflowSensorTimeout: some batches have not ended within ``timeout``; names them and their state.
    """

    template_fields: Sequence[str] = ("conn_id", "job", "batch_ids")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "batch_ids": "json"}
    operator_extra_links = task_links()
    ui_color = "#f0e4d7"

    def __init__(
        self,
        *,
        job: Any = None,
        batch_ids: Any = None,
        conn_id: str | None = None,
        poke_interval: timedelta | float = 60,
        timeout: timedelta | float = _DEFAULT_TIMEOUT_SECONDS,
        on_timeout: Policy = "leave",
        on_kill: Policy = "leave",
        deferrable: bool | None = None,
        start_in_triggerer: bool = False,
        **kwargs: Any,
    ) -> None:
        check_choice("on_timeout", on_timeout, *POLICIES)
        check_choice("on_kill", on_kill, *POLICIES)
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.job = job
        self.batch_ids = batch_ids
        self.conn_id = conn_id
        self.timeout_policy = on_timeout
        self.kill_policy = on_kill
        if start_in_triggerer and deferrable is False:
            raise ConfigurationError(
                "start_in_triggerer=True and deferrable=False exclude each other: the one never takes a worker, the "
                "other waits on one. Leave one out."
            )
        self.deferrable = (start_in_triggerer or default_deferrable()) if deferrable is None else deferrable
        self.host: str | None = None
        self._wait: BatchWait | None = None
        self._task_instance: Any = None
        check_job_arguments(self)
        self.start_in_triggerer = start_in_triggerer
        if start_in_triggerer and self._can_start_in_triggerer():
            self.start_from_trigger = True
            self.start_trigger_args = self._start_trigger_args()

    def _can_start_in_triggerer(self) -> bool:
        """Return whether Airflow would start this task correctly, with every option honored."""
        ids = self.batch_ids if isinstance(self.batch_ids, list | tuple) else [self.batch_ids]
        return (
            _STARTS_IN_TRIGGERER
            and self.deferrable
            and self.job is None
            and all(isinstance(text, str) for text in [*ids, self.conn_id or ""])
            and self.get_closest_mapped_task_group() is None
            and self.execution_timeout is None
            and not self.on_execute_callback
            and self._pre_execute_hook is None
        )

    def _start_trigger_args(self) -> StartTriggerArgs:
        trigger = MessageBatchStartTrigger(
            batch_ids=self.batch_ids,
            conn_id=self.conn_id or DEFAULT_CONN_ID,
            poll_interval=seconds_of(self.poke_interval),
            timeout=seconds_of(self.timeout),
            cancel_on_kill=self.kill_policy == "cancel",
        )
        path, arguments = trigger.serialize()
        return StartTriggerArgs(
            trigger_cls=path,
            trigger_kwargs=arguments,
            next_method=self.execute_complete.__name__,
            timeout=timedelta(seconds=seconds_of(self.timeout)) + _TRIGGER_GRACE,
        )

    def execute(self, context: Context) -> Any:
        """Wait, deferred or by poking."""
        self._task_instance = context["ti"]
        show_links(self)
        return self._execute_deferring() if self.deferrable else self._execute_poking(context)

    def _execute_deferring(self) -> None:
        with as_task_failures():
            batch_ids = self._batch_ids()
            conn_id = connection_of(self.conn_id, self.job)
            show_links(self, host=host_of(conn_id), batch_ids=batch_ids)
        self.log.info(
            "Waiting for %s, deferred: %s", counted(len(batch_ids), "message batch"), ", ".join(batch_ids[:20])
        )
        self.defer(
            trigger=MessageBatchTrigger(
                batch_ids=batch_ids,
                conn_id=conn_id,
                poll_interval=seconds_of(self.poke_interval),
                deadline=time.time() + seconds_of(self.timeout),
                cancel_on_kill=batch_ids if self.kill_policy == "cancel" else (),
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=seconds_of(self.timeout)) + _TRIGGER_GRACE,
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Continue after the wait.

        This is the first code that a worker runs for a task that started in the triggerer.

        :param event: the event that :class:`MessageBatchTrigger` or :class:`MessageBatchStartTrigger` fired.
        """
        show_links(self)
        if event is None:
            raise ValueError("The trigger fired without an event. Clear the task to wait again; no batch was touched.")
        if event["outcome"] == "invalid":
            raise AirflowFailException(event["reason"])
        with as_task_failures():
            show_links(self, host=host_of(connection_of(self.conn_id, self.job)), batch_ids=event.get("batch_ids", ()))
        if event["outcome"] not in ("ended", "deadline"):
            raise AirflowException(event["reason"])
        if event["outcome"] == "deadline":
            running = [batch_id for batch_id in event["batch_ids"] if batch_id not in event["ended"]]
            self._time_out(running, event["still_running"])
        counts = event["request_counts"]
        show_in_task_state(context, "request_counts", counts)
        self.log.info("All batches have ended (%s): %s", counted(len(event["ended"]), "batch"), counts)
        return {"batch_ids": event["batch_ids"], "request_counts": counts}

    def poke(self, context: Context) -> Any:
        """Check once the batches that are not known to have ended.

        :returns: a ``PokeReturnValue`` with ids and counts when all have ended, else False.
        """
        import pendulum
        from airflow.sdk import PokeReturnValue

        from anthropic_batches_provider.hooks import MessageBatchHook

        with as_task_failures():
            wait = self._poked_wait()
            conn_id = connection_of(self.conn_id, self.job)
            show_links(self, host=host_of(conn_id), batch_ids=wait.batch_ids)
            with MessageBatchHook(conn_id).client() as client:
                for batch_id in wait.pending:
                    try:
                        wait.saw(client.retrieve(batch_id))
                    except Exception as error:  # noqa: BLE001 - a failed check never ends the wait
                        self.log.warning("%s could not be checked; it runs on untouched: %s", batch_id, error)
                        wait.failed(batch_id, error)
        now = pendulum.now("UTC")
        for warning in wait.warnings(now):
            self.log.warning("%s", warning)
        if not wait.is_over:
            interval = seconds_of(self.poke_interval)
            next_check = now.timestamp() + interval
            if (line := wait.progress(now.timestamp(), began=self._began(context), next_check=next_check)) is not None:
                self.log.info("%s", line)
            else:
                batches = counted(len(wait.ended) + len(wait.pending), "batch")
                self.log.info("%d of %s ended; the next check is in %.0f s", len(wait.ended), batches, interval)
            return False
        value = {"batch_ids": [batch.id for batch in wait.ended], "request_counts": wait.request_counts.as_dict()}
        return PokeReturnValue(is_done=True, xcom_value=value)

    @staticmethod
    def _began(context: Context) -> float:
        """Return when this try began, in seconds since the epoch; a rescheduled sensor begins anew at each check."""
        start_date = getattr(context.get("ti"), "start_date", None)
        return start_date.timestamp() if start_date is not None else time.time()

    def _execute_poking(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException) as error:
            if error.__cause__ is not None:  # a failure that soft_fail turned into a skip
                raise
            wait = self._poked_wait()
            self._time_out(wait.pending, [str(running) for running in wait.still_running()])

    def on_kill(self) -> None:
        """Cancel the batches that have not ended, if the policy says so and the task is really over."""
        if self.kill_policy == "cancel" and self._task_instance is not None and is_over(self._task_instance):
            self._cancel(self._poked_wait().pending)

    def _cancel(self, batch_ids: Sequence[str]) -> None:
        from anthropic_batches_provider.hooks import MessageBatchHook

        with as_task_failures(), MessageBatchHook(connection_of(self.conn_id, self.job)).client() as client:
            cancel_batches(client, batch_ids)

    def _batch_ids(self) -> list[str]:
        ids = self.batch_ids
        return known_batch_ids(self.job, ids)

    def _poked_wait(self) -> BatchWait:
        from anthropic_batches_provider.batches.watching.wait import BatchWait

        if self._wait is None:
            self._wait = BatchWait(self._batch_ids(), poll_interval=seconds_of(self.poke_interval))
        return self._wait

    def _time_out(self, batch_ids: Sequence[str], still_running: Sequence[str]) -> NoReturn:
        waited = timedelta(seconds=seconds_of(self.timeout))
        named = "; ".join(still_running[:20])
        if self.timeout_policy == "cancel":
            self._cancel(batch_ids)
            message = (
                f"{counted(len(batch_ids), 'batch')} had not ended within {waited}. Collect the finished results: "
                "these are billed and kept for 29 days. As on_timeout says, the task canceled: "
                f"{named}"
            )
        else:
            message = (
                f"{counted(len(batch_ids), 'batch')} had not ended within {waited}. Clear this task to continue "
                "waiting, or collect the results later. No batch was canceled: each runs on, and its results are "
                f"billed and kept for 29 days. Not ended: {named}"
            )
        if self.soft_fail:
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(message)
