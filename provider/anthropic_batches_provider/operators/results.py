"""Collects the results of ended batches into XCom or object storage."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator

from anthropic_batches_provider.choices import check_choice, check_count, check_max_failed_rows
from anthropic_batches_provider.jobs import connection_of, find_job, known_batch_ids, show_in_task_state, unit_of_work
from anthropic_batches_provider.links import ConsoleBatchesLink
from anthropic_batches_provider.storage import open_storage
from anthropic_batches_provider.task_failures import as_task_failures

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.client import MessageBatchClient
    from anthropic_batches_provider.batches.collection import CollectionSettings, Destination, Manifest
    from anthropic_batches_provider.batches.ledger import JobFolder

XCOM = "xcom"
MANIFEST_KEY = "manifest"


class MessageBatchResultsOperator(BaseOperator):
    """Writes one output row for each request of ended batches, whatever its result; waits for nothing.

    Of a job the rows come in the order of its input, with their key and kept columns; of plain ``batch_ids`` in the
    order in which the API gives them. The output row and the manifest are described in ``docs/output.md``. Nothing is
    published before it is whole, the manifest comes last, and collecting again costs nothing.

    :param job: what a submitting task returned (``submit.output``), or the URI of a job folder. (templated)
    :param batch_ids: batches that something else submitted; one id or several. Either this or ``job``. (templated)
    :param destination: the folder for the output: any URI that ObjectStoragePath takes, or an absolute path. It belongs
        to one
        unit of work; a mapped task adds ``map_index=N/``. ``"xcom"`` (default) returns the rows instead. (templated)
    :param output_format: ``"jsonl"`` (default) or ``"jsonl.gz"``.
    :param max_failed_rows: how many rows may lack a succeeded result before the task fails, after everything is
        written: an int is rows, a float below 1 a share of all; default 0.
    :param include_message: add the whole message to each row, in the column ``message``; default False.
    :param keep_requests: leave the job's request files in its folder, which hold the prompts; default False: once the
        results are written, only the requests of rows without a succeeded result are kept.
    :param xcom_max_bytes: for ``"xcom"``: the most bytes of rows, as JSON; default 1,000,000. Over it the task fails,
        and nothing is lost.
    :param conn_id: the Airflow connection; default: the job's own, else ``anthropic_default``. (templated)
    :returns: the manifest; for ``"xcom"`` the list of rows. The XCom ``manifest`` holds the manifest in both cases.
    :raises AirflowFailException: bad parameters, another owner's destination, or too much for XCom.
    :raises AirflowException: batches that have not ended, a broken download, or more failed rows than allowed.
    """

    template_fields: Sequence[str] = ("conn_id", "job", "batch_ids", "destination")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "batch_ids": "json"}
    operator_extra_links = (ConsoleBatchesLink(),)
    ui_color = "#d5e8d4"

    def __init__(
        self,
        *,
        job: Any = None,
        batch_ids: Any = None,
        destination: str = XCOM,
        output_format: Literal["jsonl", "jsonl.gz"] = "jsonl",
        max_failed_rows: int | float = 0,
        include_message: bool = False,
        keep_requests: bool = False,
        xcom_max_bytes: int = 1_000_000,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice("output_format", output_format, "jsonl", "jsonl.gz")
        check_max_failed_rows(max_failed_rows)
        check_count("xcom_max_bytes", xcom_max_bytes)
        super().__init__(**kwargs)
        self.job = job
        self.batch_ids = batch_ids
        self.destination = destination
        self.output_format = output_format
        self.max_failed_rows = max_failed_rows
        self.include_message = include_message
        self.keep_requests = keep_requests
        self.xcom_max_bytes = xcom_max_bytes
        self.conn_id = conn_id
        self.host: str | None = None

    def execute(self, context: Context) -> Any:
        """Collect, publish, and only then judge."""
        with as_task_failures():
            return self._collect(context)

    def _collect(self, context: Context) -> Any:
        from anthropic_batches_provider.batches.collection import (
            CollectionSettings,
            check_failed_rows,
        )
        from anthropic_batches_provider.hooks import MessageBatchHook

        what = self._what()
        hook = MessageBatchHook(connection_of(self.conn_id, self.job))
        with hook.client() as client, tempfile.TemporaryDirectory(prefix="anthropic-batches-") as spool:
            self.host = client.settings.base_url
            settings = CollectionSettings(
                spool_folder=Path(spool), include_message=self.include_message, keep_requests=self.keep_requests
            )
            manifest, value = self._published(context, what, client, settings)
        task_instance: Any = context["ti"]
        task_instance.xcom_push(key=MANIFEST_KEY, value=manifest.as_dict())
        if manifest.failed_rows:
            # Airflow pushes no return value of a task that fails; what was paid for is to be had all the same.
            task_instance.xcom_push(key="return_value", value=value)
        show_in_task_state(context, "manifest", {"destination": manifest.destination, **manifest.as_dict()["counts"]})
        self.log.info("%d rows are in %s: %s", manifest.counts.rows, manifest.destination, manifest.counts)
        check_failed_rows(manifest, self.max_failed_rows)
        return value

    def _what(self) -> JobFolder | list[str]:
        if self.job is None or self.batch_ids is not None:
            return known_batch_ids(self.job, self.batch_ids)
        return find_job(self.job)

    def _published(
        self, context: Context, what: JobFolder | list[str], client: MessageBatchClient, settings: CollectionSettings
    ) -> tuple[Manifest, Any]:
        from anthropic_batches_provider.batches.collection import collect_batches, collect_job, rows_for_xcom

        if self.destination == XCOM:
            collected = rows_for_xcom(what, client, settings, max_bytes=self.xcom_max_bytes)
            return collected.manifest, collected.rows
        destination = self._output(context, what)
        if isinstance(what, list):
            manifest = collect_batches(what, client, destination, settings)
        else:
            manifest = collect_job(what, client, destination, settings)
        return manifest, manifest.as_dict()

    def _output(self, context: Context, what: JobFolder | list[str]) -> Destination:
        from anthropic_batches_provider.batches.collection import Destination

        unit = unit_of_work(context, None)
        uri = self.destination.rstrip("/")
        if unit.map_index >= 0:
            uri = f"{uri}/map_index={unit.map_index}"
        owner = unit.owner if isinstance(what, list) else what.description().owner
        return Destination(storage=open_storage(uri, holds_ledger=False), owner=owner, output_format=self.output_format)
