"""Collects the results of ended batches into XCom or object storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.formats import DEFAULT_FORMAT, format_names
from anthropic_batches_provider.edge.announcing import announce
from anthropic_batches_provider.edge.arguments import (
    DEFAULT_XCOM_MAX_BYTES,
    check_choice,
    check_count,
    check_flag,
)
from anthropic_batches_provider.edge.chosen_columns import check_collected_columns
from anthropic_batches_provider.edge.connections import connection_of
from anthropic_batches_provider.edge.job_references import find_job, known_batch_ids
from anthropic_batches_provider.edge.lineage import lineage_of
from anthropic_batches_provider.edge.parse_checks import (
    check_dead_letters,
    check_failed_rows_argument,
    check_folder,
    check_job_arguments,
)
from anthropic_batches_provider.edge.prices import check_prices_argument, price_list
from anthropic_batches_provider.edge.progress_reports import ProgressReport, log_group
from anthropic_batches_provider.edge.rendered_values import failed_rows_limit
from anthropic_batches_provider.edge.spools import task_spool
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.task_destination import (
    XCOM,
    as_destination,
    check_destination_arguments,
    destination_of,
    is_table,
    staged_parts_of_job,
    table_destination,
)
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.edge.task_identity import unit_of_work
from anthropic_batches_provider.edge.uris import Uri
from anthropic_batches_provider.links import show_links, task_links

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.client import MessageBatchClient
    from anthropic_batches_provider.batches.ledger import JobFolder
    from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
    from anthropic_batches_provider.batches.output.manifest import Manifest

__all__ = ["MessageBatchResultsOperator"]

_NOTHING_WRITTEN = "Nothing was written; the results are kept, and collecting them costs nothing."


class MessageBatchResultsOperator(BaseOperator):
    """Writes one output row for each request of ended batches, whatever its result. Does not wait.

    With ``job``, rows are in the order of its input, with their key and kept columns. With ``batch_ids``, they are in
    the API's order, without key columns. ``docs/output.md`` describes the output row and the manifest.

    Nothing is published before it is complete, and the manifest comes last. Collecting again costs nothing.

    :param job: what a submitting task returned (``submit.output``), or the URI of a job folder; one job. For a mapped
        submitting task, expand: ``MessageBatchResultsOperator.partial(…).expand(job=submit.output)``. (templated)
    :param batch_ids: batches that something else submitted: one id, a list of ids, or a template that renders to either
        (``"{{ params.batch_ids }}"``: the text of a list is read as a list). A word such as ``None``, a URL or a path
        is refused at once. Either this or ``job``. (templated)
    :param destination: where the rows go: a folder, a table (``SqlTable(…)``), or ``"xcom"``, which returns them. A
        folder is any URI that ObjectStoragePath takes, or an absolute path. It belongs to one unit of work: put
        ``{{ ds }}`` or ``{{ run_id }}`` into it. A mapped task adds ``map_index=N/``. A table may hold rows of many
        units; see ``docs/tables.md``. Default: ``"xcom"``. (templated)
    :param output_format: ``"jsonl"``, ``"jsonl.gz"``, ``"parquet"`` (with the extra ``parquet``) or ``"csv"``; for a
        folder. Default: ``"jsonl"``.
    :param columns: which columns of the result the rows have, behind your own: a list of their names, in the order of
        the output; or a dict of names to change, each with the new name, or with ``None`` to leave it out; ``"*":
        None`` leaves out all others. In a table, ``parsed`` and ``usage`` stand for all their fields (``{"parsed":
        ""}`` names them as in the answer), and ``parsed_label`` for one. Not templated, and not together with
        ``column_prefix``; see ``docs/output.md``. Default: all, under their own names.
    :param dead_letters: also write the rows that stay without a usable answer to ``_dead_letters.jsonl``, each with its
        whole request, ready for ``requests``. They hold prompts. The file lies beside the output; for XCom and tables
        in the job folder. Default: ``False``.
    :param max_failed_rows: how many rows may fail before the task fails: a number of rows (int), or a share of all rows
        (float, at least 0.0 and below 1). Before a task sends anything, it counts the invalid rows: those from which no
        request can be made. Up to the limit, it sends the others, and each invalid row appears in the output with
        ``result_type`` ``invalid_row``. A task that collects results counts the rows without a succeeded result and,
        with ``output_schema``, those whose answer does not fit, after everything is written. A template must render
        digits for a number, or a decimal fraction (``0.01``) for a share. Default: ``0``. (templated)
    :param include_message: add the whole message to each row, in the column ``message``. Default: ``False``.
    :param keep_requests: keep the job's request files, which hold the prompts. Otherwise they are deleted as results
        are written, except for the requests of rows without an answer that fits. Default: ``False``.
    :param xcom_max_bytes: for ``"xcom"``: the most bytes of rows, as JSON. Above it the task fails with
        ``XComLimitError``; nothing is lost. Default: ``1_000_000``.
    :param prices: your own prices by model, for the figures of the cost: a dict such as ``{"claude-opus-5-5": {"input":
        "3.6", "output": "18"}}``, in dollars for a million tokens outside of batches. They win over the extra
        ``prices`` of the connection, and this over the public prices, model by model. Not templated, and not part of
        the question. See ``docs/money.md``. Default: those of the connection, else the public ones.
    :param conn_id: the Airflow connection. Default: the job's own, else ``anthropic_default``. (templated)
    :returns: the manifest; for ``"xcom"`` the list of rows. The XCom ``manifest`` holds the manifest in both cases.
    :raises AirflowFailException: bad parameters, another owner's destination, or too much for XCom.
    :raises AirflowException: some batches have not ended, a download broke off, or more rows failed than allowed.
    """

    template_fields: Sequence[str] = ("conn_id", "job", "batch_ids", "destination", "max_failed_rows")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json", "batch_ids": "json"}
    operator_extra_links = task_links()
    shallow_copy_attrs: Sequence[str] = ("destination",)
    ui_color = "#d5e8d4"

    def __init__(
        self,
        *,
        job: Any = None,
        batch_ids: Any = None,
        destination: Uri | SqlTable = XCOM,
        output_format: str = DEFAULT_FORMAT,
        columns: Sequence[str] | Mapping[str, str | None] | None = None,
        dead_letters: bool = False,
        max_failed_rows: int | float | str = 0,
        include_message: bool = False,
        keep_requests: bool = False,
        xcom_max_bytes: int = DEFAULT_XCOM_MAX_BYTES,
        prices: Mapping[str, Mapping[str, Any]] | None = None,
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice("output_format", output_format, *format_names())
        check_flag("dead_letters", dead_letters)
        check_count("xcom_max_bytes", xcom_max_bytes)
        super().__init__(**kwargs)
        self.job = job
        self.batch_ids = batch_ids
        self.destination = as_destination(destination)
        self.output_format = output_format
        self.columns = columns
        self.dead_letters = dead_letters
        self.max_failed_rows = max_failed_rows
        self.include_message = include_message
        self.keep_requests = keep_requests
        self.xcom_max_bytes = xcom_max_bytes
        self.prices = prices
        self.conn_id = conn_id
        self.host: str | None = None
        self.published: Manifest | None = None
        check_job_arguments(self, one_job=True)
        check_dead_letters(self)
        check_folder(self, "destination", besides=XCOM)
        check_destination_arguments(self)
        check_failed_rows_argument(self)
        check_collected_columns(self)
        check_prices_argument(self)

    def execute(self, context: Context) -> Any:
        """Collect and publish; only then judge whether too many rows failed."""
        with as_task_failures():
            return self._collect(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the dataset that the task has written; Airflow's OpenLineage provider calls it."""
        return lineage_of(task_instance, (), self.published)

    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    def _collect(self, context: Context) -> Any:
        from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
        from anthropic_batches_provider.batches.output.failed_rows import check_failed_rows
        from anthropic_batches_provider.hooks import MessageBatchHook

        self.destination = as_destination(self.destination)  # an XCom may have resolved to a path
        check_destination_arguments(self)
        max_failed_rows = failed_rows_limit(self.max_failed_rows)
        show_links(self)
        what = self._what()
        progress = ProgressReport(context)
        hook = MessageBatchHook(connection_of(self.conn_id, self.job))
        with hook.client() as client, task_spool() as spool:
            host = client.settings.base_url
            show_links(self, host=host, batch_ids=known_batch_ids(self.job, self.batch_ids))
            settings = CollectionSettings(
                spool_folder=spool,
                include_message=self.include_message,
                keep_requests=self.keep_requests,
                choice=ColumnChoice.of(self.columns),
                as_table=is_table(self.destination, self.output_format),
                dead_letters=self.dead_letters,
                prices=price_list(self.prices, client.settings, hook.conn_id, state=_NOTHING_WRITTEN),
                moved=lambda: progress.report(what) if not isinstance(what, list) else None,
            )
            with log_group("Collecting"):
                manifest, value = self._published(context, what, client, settings)
        show_links(self, host=host, batch_ids=manifest.batch_ids)
        if not isinstance(what, list):
            progress.report(what, force=True)
        self.published = manifest
        announce(context, manifest, value)
        check_failed_rows(manifest, max_failed_rows)
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
        owner = unit_of_work(context, None).owner if isinstance(what, list) else what.description().owner
        if isinstance(self.destination, SqlTable):
            parts = staged_parts_of_job(str(settings.spool_folder) if isinstance(what, list) else what.uri)
            destination = table_destination(self.destination, parts, owner=owner)
        else:
            destination = destination_of(context, self.destination, self.output_format, owner=owner)
        if isinstance(what, list):
            manifest = collect_batches(what, client, destination, settings)
        else:
            manifest = collect_job(what, client, destination, settings)
        return manifest, manifest.as_dict()
