"""Waits until message batches have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException, BaseSensorOperator

from anthropic_batches_provider.jobs import connection_of, host_of, known_batch_ids
from anthropic_batches_provider.links import ConsoleBatchesLink
from anthropic_batches_provider.task_failures import as_task_failures
from anthropic_batches_provider.triggers import MessageBatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.polling import BatchWait

_DEFAULT_TIMEOUT_SECONDS = 26 * 3600.0  # batches end within 24 h; the rest is for outages
_TRIGGER_GRACE = timedelta(minutes=10)


class MessageBatchSensor(BaseSensorOperator):
    """Waits until every batch of a job, or every batch of a list, has ended; returns their ids and request counts.

    A batch has ended when each of its requests has succeeded, errored, expired or been canceled: failed rows do not
    fail the sensor. A failed look (network, 401, 404, 5xx) or a restart of the triggerer never ends the wait and never
    touches a batch. Warns when a batch is less than 6 h, then less than 2 h from its expiry, and when results are less
    than 3 days from the end of the 29 days that the API keeps them.

    :param job: what a submitting task returned (``submit.output``), the URI of a job folder, or a list of either.
        (templated)
    :param batch_ids: batches that something else submitted; one id or several. Either this or ``job``. (templated)
    :param conn_id: the Airflow connection; default: the job's own, else ``anthropic_default``. (templated)
    :param poke_interval: longest time between two looks at a batch, in seconds or as a timedelta; default 60.
        While deferred, young batches are looked at sooner.
    :param timeout: how long to wait before failing, in seconds or as a timedelta; default 26 hours. The batches run on
        and can still be collected. With ``soft_fail=True`` the task is skipped instead.
    :param deferrable: wait in the triggerer and hold no worker slot; default True. Otherwise ``mode`` says how.
    :raises AirflowSensorTimeout: some batches have not ended within ``timeout``; names them and says what they do.
    """

    template_fields: Sequence[str] = ("conn_id", "job", "batch_ids")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "batch_ids": "json"}
    operator_extra_links = (ConsoleBatchesLink(),)
    ui_color = "#f0e4d7"

    def __init__(
        self,
        *,
        job: Any = None,
        batch_ids: Any = None,
        conn_id: str | None = None,
        poke_interval: timedelta | float = 60,
        timeout: timedelta | float = _DEFAULT_TIMEOUT_SECONDS,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.job = job
        self.batch_ids = batch_ids
        self.conn_id = conn_id
        self.deferrable = deferrable
        self.host: str | None = None
        self._wait: BatchWait | None = None

    def execute(self, context: Context) -> Any:
        """Wait, deferred or by poking."""
        return self._execute_deferring() if self.deferrable else self._execute_poking(context)

    def _execute_deferring(self) -> None:
        with as_task_failures():
            batch_ids = known_batch_ids(self.job, self.batch_ids)
            conn_id = connection_of(self.conn_id, self.job)
            self.host = host_of(conn_id)
        self.log.info("Waiting for %d message batches, deferred: %s", len(batch_ids), ", ".join(batch_ids[:20]))
        self.defer(
            trigger=MessageBatchTrigger(
                batch_ids=batch_ids,
                conn_id=conn_id,
                poll_interval=_seconds(self.poke_interval),
                deadline=time.time() + _seconds(self.timeout),
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=_seconds(self.timeout)) + _TRIGGER_GRACE,
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the wait.

        :param event: what :class:`MessageBatchTrigger` has fired.
        """
        if event is None:
            raise ValueError("The trigger fired without an event.")
        with as_task_failures():
            self.host = host_of(connection_of(self.conn_id, self.job))
        if event["outcome"] != "ended":
            self._time_out(event["still_running"])
        counts = event["request_counts"]
        self.log.info("All %d batches have ended: %s", len(event["ended"]), counts)
        return {"batch_ids": event["batch_ids"], "request_counts": counts}

    def poke(self, context: Context) -> Any:
        """Look once at the batches that are not known to have ended.

        :returns: a ``PokeReturnValue`` with ids and counts when all have ended, else False.
        """
        import pendulum
        from airflow.sdk import PokeReturnValue

        from anthropic_batches_provider.hooks import MessageBatchHook

        with as_task_failures():
            wait = self._poked_wait()
            conn_id = connection_of(self.conn_id, self.job)
            self.host = host_of(conn_id)
            with MessageBatchHook(conn_id).client() as client:
                for batch_id in wait.pending:
                    try:
                        wait.saw(client.retrieve(batch_id))
                    except Exception as error:  # noqa: BLE001 - a failed look never ends the wait
                        self.log.warning("Could not look at %s; it runs on untouched: %s", batch_id, error)
                        wait.failed(batch_id, error)
        for warning in wait.warnings(pendulum.now("UTC")):
            self.log.warning("%s", warning)
        if not wait.is_over:
            self.log.info("%d of %d batches have ended", len(wait.ended), len(wait.ended) + len(wait.pending))
            return False
        counts = sum((batch.request_counts for batch in wait.ended[1:]), start=wait.ended[0].request_counts)
        value = {"batch_ids": [batch.id for batch in wait.ended], "request_counts": counts.as_dict()}
        return PokeReturnValue(is_done=True, xcom_value=value)

    def _execute_poking(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout:
            self._time_out([str(running) for running in self._poked_wait().still_running()])

    def _poked_wait(self) -> BatchWait:
        from anthropic_batches_provider.batches.polling import BatchWait

        if self._wait is None:
            batch_ids = known_batch_ids(self.job, self.batch_ids)
            self._wait = BatchWait(batch_ids, poll_interval=_seconds(self.poke_interval))
        return self._wait

    def _time_out(self, still_running: Sequence[str]) -> NoReturn:
        waited = timedelta(seconds=_seconds(self.timeout))
        message = (
            f"{len(still_running)} batches have not ended within {waited}. They were not canceled: they run on, and "
            "what they finish is billed and kept for 29 days. Clear this task to wait on, or collect them later. "
            f"Not ended: {'; '.join(still_running[:20])}"
        )
        if self.soft_fail:
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(message)


def _seconds(duration: timedelta | float) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
