"""Submits rows, waits for their answers and collects them, in one task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException

from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.formats import DEFAULT_FORMAT, format_names
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.edge.announcing import announce
from anthropic_batches_provider.edge.arguments import (
    DEFAULT_XCOM_MAX_BYTES,
    check_choice,
    check_count,
    check_flag,
    seconds_of,
)
from anthropic_batches_provider.edge.chosen_columns import (
    answer_fields_of,
    check_chosen_columns,
    check_columns_of_rows,
    result_columns_of,
)
from anthropic_batches_provider.edge.kill_policy import POLICIES, Policy
from anthropic_batches_provider.edge.parse_checks import check_folder
from anthropic_batches_provider.edge.prices import check_prices_argument
from anthropic_batches_provider.edge.progress_reports import log_group
from anthropic_batches_provider.edge.rendered_values import failed_rows_limit
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.task_destination import (
    XCOM,
    as_destination,
    check_destination_arguments,
    check_table,
    destination_of,
    is_table,
    pinned_destination,
    restored_destination,
    staged_parts_of_job,
    table_destination,
)
from anthropic_batches_provider.edge.task_failures import without_frames
from anthropic_batches_provider.edge.uris import Uri
from anthropic_batches_provider.errors import BatchesNotEndedError, FailedRowsError
from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator
from anthropic_batches_provider.operators.stints.stint import Stint, running_batch_ids

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.collection import (
        JobCollection,
        XComCollection,
    )
    from anthropic_batches_provider.batches.output.destination import Destination
    from anthropic_batches_provider.batches.output.manifest import Manifest
    from anthropic_batches_provider.batches.submission import NextLook
    from anthropic_batches_provider.operators.stints.job_input import JobInput

__all__ = ["MessageBatchOperator"]


class MessageBatchOperator(RowsOperator):
    """Sends rows to the Message Batches API, waits for the answers, and writes one output row for each input row.

    The task is deferred while there is nothing to do, and can resume at every point. After a retry, a clear or a crash
    it continues where the last attempt stopped, and pays for nothing twice.

    No more than ``max_requests_in_flight`` requests are in flight, however many rows there are. Results are written as
    batches end, and request files are deleted shard by shard (see ``keep_requests``). Rows without a usable result are
    sent again as a further round. After each round the output is published, the manifest last. ``max_failed_rows`` is
    judged before anything is sent, and after the last round.

    The task checks the destination, and test-writes it, before it reads a row.

    Give ``rows`` with ``prompt`` or ``request_builder``, or give ready ``requests``.

    :param rows: where the rows come from: a list of dicts, the output of another task, a callable, a query
        (``SqlRows(…)``), a table in memory (pandas, polars, Arrow), or the URI or absolute path of files (text, a
        ``pathlib.Path`` or an ``ObjectStoragePath``), or several of them in a list or in ``files(…)``. A callable
        returns or yields dicts and may take context variables as arguments. Files are JSON Lines, JSON, CSV, TSV,
        Parquet, Arrow or Excel workbooks, by their suffix; see ``docs/sources.md``. ``*``, ``?`` and ``[…]`` match
        inside one folder name or file name, but no name that begins with ``.`` or ``_``. A URI is templated. Data is
        never templated, and never shown among the rendered fields. (templated)
    :param key: the column, or list of columns, that identifies a row in the output. Its values must be unique, and may
        be any JSON; ``1``, ``1.0`` and ``"1"`` are three keys. Default: the row's number, from 0, in a column
        ``row_number``.
    :param keep: further columns to carry into the output: one name, a list of names, or ``"*"`` for all. See
        ``docs/values.md`` for how each type of value is written. Default: ``()``.
    :param prompt: Jinja text, rendered for each row into the one user message. It sees ``row`` and the run's context
        (``ds``, ``params``, ``macros``, …), except for ``var``, ``conn``, ``ti`` and ``task_instance``.
        ``{{ row.items }}`` is the column ``items``. An unknown column, and a missing value (None, NaN) that is printed,
        are errors that name row and column; ``{{ row.items | default('') }}`` allows for them. A text that ends in
        ``.jinja`` or ``.j2`` names a file, found as Airflow finds templates: next to the DAG, or in
        ``template_searchpath``. Not a template field.
    :param images: the column, or list of columns, whose images go before the prompt's text in the message. A value is a
        path or URI, an ``https://`` URL (which the API fetches), bytes, or a list of these; an empty list means no
        image. JPEG, PNG, GIF and WebP are recognized by their content. An image that the API would refuse makes its row
        invalid; this is found before anything is sent. Only with ``prompt``. See ``docs/images_and_documents.md``.
        Default: ``()``.
    :param documents: the same for PDF documents and plain text in UTF-8, which follow the images. Default: ``()``.
    :param system: the system prompt: text, or a list of content blocks. Rendered once per run. (templated)
    :param shared_context: the long text that every row is asked about; it comes before the row's prompt. A text, a file
        (a URI, an absolute path, a ``pathlib.Path`` or an ``ObjectStoragePath``), or a list of several. A text of one
        line that ends in ``.txt`` or ``.md`` names a file that is found as Airflow finds templates. Files are sent as
        they are, never rendered: text in UTF-8, PDF documents, and images. Their content is part of the question, and
        not their place. Not with ``requests``. See ``docs/prompt_cache.md``. (templated)
    :param model: id of the model, such as ``claude-haiku-5-5``. Required with ``prompt``. (templated)
    :param max_tokens: maximum number of tokens in one answer, 1 or more; a template must render digits. Required with
        ``prompt``. (templated)
    :param message_params: dict of further `Messages params <https://platform.claude.com/docs/en/api/messages>`__ for
        every request, such as ``{"output_config": {…}}``. Not ``params``: that is Airflow's own argument, for the DAG's
        parameters, and Messages params in it are an error when the DAG is parsed. A value that the model does not
        accept (such as ``temperature`` under the API version of 2026-10-21) is not refused at once: each row that is
        sent with it ends as errored, and is not billed. Texts that hold ``{{``, ``{%`` or ``{#`` are templates, at any
        depth. (templated)
    :param betas: list of values of the ``anthropic-beta`` header, for the whole batch; or a template that renders them,
        separated by commas. Default: ``()``. (templated)
    :param request_builder: a callable, used instead of ``prompt``, that takes a row (a dict) and returns Messages
        params, for tools, several turns or other blocks. The params it returns override ``model``, ``system``,
        ``max_tokens`` and ``message_params``. They may hold the SDK's models (such as ``response.content``),
        ``anthropic.omit``, and a path or an open file as the ``data`` of a base64 source. It must be a plain function,
        not async.
    :param output_schema: the form of each answer: a pydantic model, a JSON Schema (a dict), or ``"module:Model"``. The
        request asks for it in ``output_config.format``, as far as the API supports it, and each answer is checked
        against the whole of it: ``parsed`` holds the JSON of those that fit, and ``verdict`` says why others do not.
        ``max_failed_rows`` then counts all rows whose answer does not fit. A model must be defined at the top level of
        a module, because it is found by its name. It judges in strict mode. See ``docs/structured_output.md``.
    :param requests: ready ``{"custom_id": …, "params": {…}}`` dicts, from the same sources as ``rows``, and instead of
        ``rows``. Your custom_id (a unique string or whole number) comes back in the column ``key``. The request that is
        sent carries another custom_id, which the provider creates to recognize its batches. ``key``, ``keep`` and the
        parameters of the question do not apply. (templated)
    :param column_prefix: text to put before the names of the *output's* columns, if they clash with yours (a column
        ``text``, for example). Default: ``""``.
    :param on_empty: what to do if there are no rows: ``"fail"``, or ``"skip"`` the task and those that follow it.
        Default: ``"fail"``.
    :param on_changed_input: what to do if this unit of work was submitted before with another question or other rows:
        ``"fail"``, or ``"restart"``. A restart cancels the batches that still run and pays for a new job. Default:
        ``"fail"``.
    :param max_rounds: how often a row may be sent in total, the first time included; 1 sends nothing again. A further
        round sends only rows that expired, were canceled or met a temporary error, and rows that ``repair`` asks for;
        never a request that the API refused as invalid. ``MessageBatchOperator`` starts the round at once.
        ``MessageBatchSubmitOperator`` starts it when its finished job is cleared. Default: ``3``.
    :param on_kill: what to do with the job's batches when the task is killed: ``"leave"`` them running, or ``"cancel"``
        them once the task is confirmed to be over (marked failed or success, or its run ended). After a clear or a
        restart, or if the state cannot be read, they are left running. Canceling while the task is deferred requires
        Airflow 3.3 or later. Nothing more is submitted in either case. Default: ``"leave"``.
    :param unit: names the unit of work. A retry, a clear or a backfill of the same unit finds its batches again.
        Default: the run's partition key, else its logical date, else its run id. (templated)
    :param edition: names a deliberate new job of the same unit, which is paid for again. Default: ``""``. (templated)
    :param storage: URI or absolute path of the folder that holds all jobs. Default: ``[anthropic_batches] storage``.
        (templated)
    :param max_requests_per_shard: maximum number of requests in one message batch: 1 to 100,000. Shards hold up to 1.5%
        fewer (pseudo-random), so that two batches of an account rarely have equal counts. Default: ``100_000``.
    :param max_bytes_per_shard: maximum size of one message batch in bytes: 1 to 256,000,000. Default: ``256_000_000``.
    :param max_requests_in_flight: maximum number of the job's requests in batches that have not ended: its *window*.
        The other requests wait, deferred. The default is the queue limit of the smallest tier; all jobs of an account
        share that queue. No shard is larger than the window. A 429 lowers the window to the requests in flight, for 15
        minutes or until a batch ends. The 429 does not say for certain which limit was exceeded: the queue, or the rate
        of calls. Default: ``200_000``.
    :param poll_interval: longest time between two checks while the task waits, in seconds or as a timedelta. Young
        batches are checked sooner: after a tenth of their age, at least 2 s apart. Default: ``60``.
    :param deferrable: wait in the triggerer, and hold no worker slot. With ``False`` the task waits on its worker, with
        the same checks, deadline and guarantees; it then needs no triggerer, and honors ``execution_timeout``. Default:
        ``True``, unless the environment sets ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE``.
    :param pilot: how many rows go first, as a batch of their own: the rest is sent only when these are answered. If the
        API refuses at least half of them, or none of their answers can be used, the task fails with
        ``PilotFailedError``, and the rest is never sent. They cost no extra row, only the time of one batch.
        ``"auto"``: 16 to 31 rows if the job has more than 1,000, else none. A number sends so many, ``0`` none. With
        ``prompt_cache``, one row goes first, whatever the size of the job, and a number sends so many after it. With
        ``0`` all rows go at once, and the cache starts cold. See ``docs/pilot.md``. Default: ``"auto"``.
    :param prompt_cache: ``"1h"`` or ``"5m"``: marks what all rows share (``tools``, ``system``, ``shared_context``) for
        the API's prompt cache, with this time to live. One row goes first and writes the cache, and the others read it.
        If the cache cannot pay, because too little is shared or the rows are too few, nothing is marked, and the log
        says why. Not part of the question. See ``docs/prompt_cache.md``. Default: no prompt cache.
    :param show_prompt: whether the XCom ``progress`` shows the text of the job's first prompt (its first 2,000
        characters), besides its length and hash. Prompts hold data: XCom and the job folder then hold this text, too.
        Default: ``False``.
    :param conn_id: the Airflow connection. Default: ``"anthropic_default"``. (templated)
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
    :param repair: which unusable answers to ask for again, although they were paid for: a dict of verdicts
        (``truncated``, ``invalid_output``, ``refusal``, ``unfinished``), each with the Messages params to change, like
        ``{"truncated": {"max_tokens": 4096}, "invalid_output": {}, "refusal": {"model": …}, "unfinished": {}}``. Such
        rows are paid for again in each further round, up to ``max_rounds``. An invalid answer is shown to the model
        with the reason, and a paused one is continued. Texts that hold ``{{``, ``{%`` or ``{#`` are templates, at any
        depth. See ``docs/structured_output.md``. Default: nothing is repaired. (templated)
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
    :param timeout: how long one try may take, reading the rows and waiting included, in seconds or as a timedelta.
        After that, the task submits nothing more. Unless all is done, it fails with ``BatchesNotEndedError``, and a
        retry continues. The limit is checked each time the task starts on a worker; it does not interrupt a running
        worker. Default: no limit beyond the 24 h that each batch has.
    :param on_timeout: what to do with batches that have not ended at the ``timeout``: ``"leave"`` them running, or
        ``"cancel"`` them; the results that they have finished are kept, and billed. Default: ``"leave"``.
    :returns: the manifest; for ``"xcom"`` the list of rows. The XCom ``manifest`` holds the manifest in both cases. The
        XCom ``progress`` shows how far the task is while it runs.
    :raises AirflowFailException: a retry would fail again: bad rows, bad parameters, a bad connection, another owner's
        destination, more failed rows than allowed, an exhausted credit, or rows that errored because of the key.
    :raises AirflowException: the service refused or did not answer, or the ``timeout`` is over. A retry continues where
        this attempt stopped.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "destination")
    uri_fields: Sequence[str] = (*RowsOperator.uri_fields, "destination")
    chooses_columns: ClassVar[bool] = True
    shallow_copy_attrs: Sequence[str] = (*RowsOperator.shallow_copy_attrs, "destination")
    ui_color = "#d9c4e8"

    def __init__(
        self,
        *,
        destination: Uri | SqlTable = XCOM,
        output_format: str = DEFAULT_FORMAT,
        columns: Sequence[str] | Mapping[str, str | None] | None = None,
        dead_letters: bool = False,
        include_message: bool = False,
        keep_requests: bool = False,
        xcom_max_bytes: int = DEFAULT_XCOM_MAX_BYTES,
        prices: Mapping[str, Mapping[str, Any]] | None = None,
        timeout: timedelta | float | None = None,
        on_timeout: Policy = "leave",
        **kwargs: Any,
    ) -> None:
        check_choice("output_format", output_format, *format_names())
        check_choice("on_timeout", on_timeout, *POLICIES)
        check_flag("dead_letters", dead_letters)
        check_count("xcom_max_bytes", xcom_max_bytes)
        super().__init__(**kwargs)
        self.destination = as_destination(destination)
        self.output_format = output_format
        self.columns = columns
        self.dead_letters = dead_letters
        self.include_message = include_message
        self.keep_requests = keep_requests
        self.xcom_max_bytes = xcom_max_bytes
        self.prices = prices
        self.timeout = timeout
        self.timeout_policy = on_timeout
        self.deadline: float | None = None  # seconds since the epoch; from the start of the try on
        check_folder(self, "destination", besides=XCOM)
        check_chosen_columns(self)
        check_destination_arguments(self)
        check_prices_argument(self)

    def result_columns(self, schema: Mapping[str, Any] | None) -> Collection[str] | None:
        """Return the names of the output's own columns if ``columns`` chooses them; else None."""
        return result_columns_of(self, schema)

    def check_before_reading(self, job_input: JobInput) -> None:
        """Check that the destination is ours and writable before anything is spent; set the deadline of this try."""
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.output.destination import (
            check_destination,
            check_writable,
        )

        judged_by = job_input.plan.output_schema
        check_columns_of_rows(self, answer_fields_of(None if judged_by is None else judged_by.schema))
        if self.timeout is not None:
            self.deadline = SystemClock().now().timestamp() + seconds_of(self.timeout)
        self.destination = as_destination(self.destination)  # another task's output may have brought it
        check_destination_arguments(self)
        if isinstance(self.destination, SqlTable):
            layout, are_all_known = job_input.known_layout(
                ColumnChoice.of(self.columns), include_message=self.include_message
            )
            check_table(self.destination, job_input.plan.unit.owner, layout, are_all_known=are_all_known)
        elif self.destination != XCOM:
            destination = destination_of(
                job_input.context, self.destination, self.output_format, owner=job_input.plan.unit.owner
            )
            check_destination(destination)
            check_writable(destination)

    def advance(self, stint: Stint) -> Any:
        """Submit, collect and send again as far as possible without waiting; then defer, or judge and return."""
        from anthropic_batches_provider.batches.job_advance import JobAdvance
        from anthropic_batches_provider.batches.submission import NextLook

        collection = self._collection(stint)
        advance = JobAdvance(
            stint.job,
            stint.submission,
            collection,
            stint.rounds,
            clock=stint.clock,
            published=lambda manifest: self._announce(stint, manifest, _value(collection, manifest)),
        )
        with log_group("Submitting and collecting"):
            outcome = advance.advance()
        if isinstance(outcome, NextLook):
            self._wait_or_time_out(stint, outcome)
        self._judge(outcome)
        return _value(collection, outcome)

    def _announce(self, stint: Stint, manifest: Manifest, value: Any) -> None:
        self.published = manifest
        announce(stint.context, manifest, value)

    def _collection(self, stint: Stint) -> JobCollection | XComCollection:
        from anthropic_batches_provider.batches.collection import (
            JobCollection,
            XComCollection,
        )
        from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings

        settings = CollectionSettings(
            spool_folder=stint.spool,
            include_message=self.include_message,
            keep_requests=self.keep_requests,
            choice=ColumnChoice.of(self.columns),
            as_table=is_table(self.destination, self.output_format),
            dead_letters=self.dead_letters,
            tries=stint.input.tries,
            prices=stint.prices,
            moved=lambda: stint.progress.report(stint.job),
        )
        if self.destination == XCOM:
            return XComCollection(stint.job, stint.client, settings, max_bytes=self.xcom_max_bytes)
        return JobCollection(stint.job, stint.client, self._destination(stint), settings)

    def _destination(self, stint: Stint) -> Destination:
        owner = stint.job.description().owner
        if isinstance(self.destination, SqlTable):
            return table_destination(self.destination, staged_parts_of_job(stint.job.uri), owner=owner)
        return destination_of(stint.context, self.destination, self.output_format, owner=owner)

    def _judge(self, manifest: Manifest) -> None:
        from anthropic_batches_provider.batches.output.failed_rows import (
            RAISE_MAX_ROUNDS,
            check_failed_rows,
        )

        try:
            check_failed_rows(manifest, failed_rows_limit(self.max_failed_rows), again=RAISE_MAX_ROUNDS)
        except FailedRowsError as error:
            # Every row had its rounds: a retry would fail the same way.
            raise AirflowFailException(str(error)) from without_frames(error)

    def _wait_or_time_out(self, stint: Stint, waiting: NextLook) -> NoReturn:
        if self.deadline is not None:
            deadline = pendulum.from_timestamp(self.deadline)
            if stint.clock.now() >= deadline:
                self._time_out(stint)
            waiting = waiting.until_at_the_latest(deadline)
        self.wait(stint, waiting)

    @property
    def max_columns_bytes(self) -> int | None:
        """The limit of XCom, if the output goes there: the rows' own columns alone must not exceed it."""
        return self.xcom_max_bytes if self.destination == XCOM else None

    def may_send(self) -> bool:
        """Return whether the ``timeout`` leaves time; a batch sent later would run, or be canceled, for nothing."""
        from anthropic_batches_provider.batches.clock import SystemClock

        return self.deadline is None or SystemClock().now().timestamp() < self.deadline

    def pinned(self) -> dict[str, Any]:
        """Return the destination and the deadline, as the first stint found them."""
        return {"destination": pinned_destination(self.destination), "deadline": self.deadline}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        super()._restore(kept)
        self.destination = restored_destination(self.destination)

    def _time_out(self, stint: Stint) -> NoReturn:
        running = running_batch_ids(stint.job)
        if self.timeout_policy == "cancel":
            cancel_batches(stint.client, running)
            done = "are canceled, as on_timeout says; results finished before that are billed and kept"
        else:
            done = "are not canceled: they run on, and their results are billed and kept for 29 days"
        raise BatchesNotEndedError(
            f"The job at {stint.job.uri} was not done within {self.timeout}: {counted(len(running), 'batch')} had not "
            "ended. Retry or clear this task to continue from here; nothing is paid for twice. Batches that had not "
            f"ended {done}: {', '.join(running[:20])}",
            batch_ids=running,
        )


def _value(collection: JobCollection | XComCollection, manifest: Manifest) -> Any:
    """Return the value that the task returns: the manifest, or the rows for XCom."""
    rows = getattr(collection, "rows", None)
    return manifest.as_dict() if rows is None else rows
