"""Cancels message batches. Safe to run twice, and as a teardown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.edge.connections import connection_of
from anthropic_batches_provider.edge.job_references import find_job, known_batch_ids
from anthropic_batches_provider.edge.parse_checks import check_job_arguments
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.errors import ConfigurationError, LedgerError
from anthropic_batches_provider.links import show_links, task_links

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import JobFolder

__all__ = ["MessageBatchCancelOperator"]


class MessageBatchCancelOperator(BaseOperator):
    """Cancels every batch that has not ended. Does nothing to the others, and nothing the second time.

    Results that a batch has finished before the cancellation are kept and billed, and can still be collected. The rest
    is not billed.

    As a teardown of the submitting task, it stops batches that a failed or aborted run would otherwise keep paying for:
    ``submit >> wait >> results >> cancel.as_teardown(setups=submit)``. If the submitting task itself fails halfway,
    Airflow does not run its teardown. Then clear that task to continue, or run this operator with ``job=`` the URI in
    that task's log. With neither ``job`` nor ``batch_ids``, or an empty ``job``, there is nothing to cancel, and the
    task succeeds.

    :param job: what a submitting task returned (``submit.output``), the URI of a job folder, or a list of either. A
        mapped submitting task returns a list; its jobs should share one connection, because the first one's is used.
        (templated)
    :param batch_ids: batches that something else submitted: one id, a list of ids, or a template that renders to either
        (``"{{ params.batch_ids }}"``: the text of a list is read as a list). A word such as ``None``, a URL or a path
        is refused at once. Either this or ``job``. (templated)
    :param conn_id: the Airflow connection. Default: the job's own, else ``anthropic_default``. (templated)
    :returns: ``{"canceled": [ids whose cancellation was requested now], "untouched": [ids that had ended, were
        canceling or are gone]}``.
    """

    template_fields: Sequence[str] = ("conn_id", "job", "batch_ids")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "batch_ids": "json"}
    operator_extra_links = task_links()
    ui_color = "#f2d0cd"

    def __init__(self, *, job: Any = None, batch_ids: Any = None, conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.batch_ids = batch_ids
        self.conn_id = conn_id
        self.host: str | None = None
        check_job_arguments(self, may_be_empty=True)

    def execute(self, context: Context) -> dict[str, list[str]]:
        """Cancel the batches that have not ended."""
        from anthropic_batches_provider.hooks import MessageBatchHook

        show_links(self)
        if not self.job and not self.batch_ids:
            self.log.info("Nothing to cancel: there is no job= and no batch_ids=.")
            return {"canceled": [], "untouched": []}
        with as_task_failures():
            batch_ids = self._batch_ids()
            hook = MessageBatchHook(connection_of(self.conn_id, self.job))
            with hook.client() as client:
                show_links(self, host=client.settings.base_url, batch_ids=batch_ids)
                canceled, untouched = cancel_batches(client, batch_ids)
        return {"canceled": canceled, "untouched": untouched}

    def _batch_ids(self) -> list[str]:
        """Return the batches that the ledger knows now: perhaps more than when the reference was returned."""
        if not self.job:
            return known_batch_ids(None, self.batch_ids)
        if self.batch_ids:
            raise ConfigurationError("job= and batch_ids= are both given. Give one of them. Nothing was canceled.")
        jobs = [self.job] if isinstance(self.job, (str, Mapping)) else self.job
        return [batch_id for job in jobs for batch_id in self._batch_ids_of(job)]

    def _batch_ids_of(self, reference: Any) -> list[str]:
        job = find_job(reference)
        try:
            # Whatever else the job has lost: what is known to run must be stoppable.
            batch_ids = [batch.batch_id for batch in job.batches()]
        except LedgerError as error:
            self.log.warning("%s This task cancels the batches that the reference names.", error)
            return known_batch_ids(reference, None)
        try:
            self._warn_of_doubts(job)
        except LedgerError as error:
            self.log.warning("%s The batches that are known are canceled all the same.", error)
        names_ids = isinstance(reference, Mapping) and reference.get("batch_ids")
        return list(dict.fromkeys((*batch_ids, *(known_batch_ids(reference, None) if names_ids else ()))))

    def _warn_of_doubts(self, job: JobFolder) -> None:
        for state in job.unchecked_shards():
            if state.open_intent is not None:
                self.log.warning(
                    "The outcome of the create call of shard %d of %s is unknown. If it made a batch, that batch runs "
                    "on and is billed.",
                    state.shard.shard, job.uri,
                )  # fmt: skip
