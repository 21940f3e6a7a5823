"""Estimates what a job will cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from anthropic_batches_provider.edge.arguments import check_count
from anthropic_batches_provider.edge.estimates import check_output_arguments, output_expectation
from anthropic_batches_provider.edge.mapped_arguments import is_unmapped
from anthropic_batches_provider.edge.prices import check_prices_argument
from anthropic_batches_provider.edge.progress_reports import ProgressReport
from anthropic_batches_provider.edge.run_contexts import context_on
from anthropic_batches_provider.edge.run_dates import PlannedRun, check_dates, planned_runs
from anthropic_batches_provider.edge.task_failures import as_task_failures
from anthropic_batches_provider.edge.templates import Templates
from anthropic_batches_provider.errors import EmptyInputError
from anthropic_batches_provider.operators.stints.estimating import (
    DEFAULT_SAMPLE_ROWS,
    FEWEST_SAMPLE_ROWS,
    EstimatedRun,
    EstimateTerms,
    estimated,
    rendered_task,
    run_of,
)
from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator
from anthropic_batches_provider.operators.stints.stint import Stint

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment

__all__ = ["MessageBatchEstimateOperator"]


class MessageBatchEstimateOperator(RowsOperator):
    """Estimates what a job will cost, and returns the figures. Spends nothing, and creates no batch.

    It takes the arguments of the task that will spend, so that one dict of arguments can serve both. It reads, checks
    and encodes the rows as that task would, counts the tokens of a few of them with the API, which is free, and leaves
    nothing in the storage. Arguments that concern only the sending, such as ``on_kill``, change nothing here. See
    ``docs/estimates.md`` for how each figure is made.

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
    :param earlier_job: an earlier job of the same question, whose pilot shows how long the answers are: a job
        reference, a manifest, or the URI of its job folder. Not with ``output_share``. Default: no earlier job, so that
        the expected cost has every answer at ``max_tokens``. (templated)
    :param output_share: the share of ``max_tokens`` that an answer is expected to use: above 0, at most 1. It moves the
        expected cost alone. Default: not known.
    :param dates: estimate a backfill: the job on each of these logical dates, and their sum. A list of dates, such as
        ``["2026-01-01", "2026-01-02"]``, or ``{"from": "2026-01-01", "to": "2026-01-31"}`` for all logical dates of the
        DAG's schedule between them, both included; without a schedule, for each day. All templates are rendered anew
        for each date. Default: the date of the run. (templated)
    :param sample_rows: how many rows are counted: of each model, and of rows with images or documents so many again; at
        least 2. With ``dates``, twice as many over all dates, and at least 5 for each. Default: ``50``.
    :param prices: your own prices by model, for the figures of the cost: a dict such as ``{"claude-opus-5-5": {"input":
        "3.6", "output": "18"}}``, in dollars for a million tokens outside of batches. They win over the extra
        ``prices`` of the connection, and this over the public prices, model by model. Not templated, and not part of
        the question. See ``docs/money.md``. Default: those of the connection, else the public ones.
    :returns: the figures, as ``docs/estimates.md`` lists them: ``low_usd``, ``expected_usd`` and ``high_usd`` with a
        confidence of 0.95, ``bound_usd``, ``live_usd``, tokens, batches, days, and ``caveats``.
    :raises AirflowFailException: a retry would fail again: bad rows, bad parameters, a bad connection.
    :raises AirflowException: the service did not count. A retry begins anew; nothing is lost.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "earlier_job", "dates")
    operator_extra_links = ()
    ui_color = "#d3e0d3"

    def __init__(
        self,
        *,
        earlier_job: Any = None,
        output_share: float | None = None,
        dates: Any = None,
        sample_rows: int = DEFAULT_SAMPLE_ROWS,
        prices: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        check_count("sample_rows", sample_rows, least=FEWEST_SAMPLE_ROWS)
        super().__init__(**kwargs)
        self.earlier_job = earlier_job
        self.output_share = output_share
        self.dates = dates
        self.sample_rows = sample_rows
        self.prices = prices
        self._as_written: MessageBatchEstimateOperator | None = None
        self._outputs_of_tasks: frozenset[int] = frozenset()
        check_output_arguments(self)
        check_prices_argument(self)
        if dates is not None and not is_unmapped(self) and Templates.of(self).is_literal(dates):
            check_dates(dates)

    def render_template(
        self, content: Any, context: Context, jinja_env: Environment | None = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render a template field; before the first one, keep the task as it is written, for other dates."""
        if self._as_written is None:
            self._as_written = copy(self)
            self._outputs_of_tasks = frozenset(seen_oids or ())
        return super().render_template(content, context, jinja_env, seen_oids)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the rows, count some, and return the figures."""
        with as_task_failures():
            return self._estimate(context)

    def advance(self, stint: Stint) -> Any:
        """There is no job to advance."""
        raise NotImplementedError

    def _estimate(self, context: Context) -> dict[str, Any]:
        planned = None if self.dates in (None, "") else planned_runs(self.dates, context["dag"])
        terms = EstimateTerms(
            output=output_expectation(self.earlier_job, self.output_share),
            prices=self.prices,
            sample_rows=self.sample_rows,
        )
        runs = iter([run_of(self, context)]) if planned is None else self._runs(planned, context)
        jobs = 1 if planned is None else len(planned)
        try:
            found = estimated(runs, terms, jobs=jobs, watch=self._watched(context))
        except EmptyInputError as error:
            if self.on_empty == "skip":
                raise AirflowSkipException("There are no rows: nothing to estimate.") from error
            raise
        for line in found.lines(f"DAG {self.dag_id}, task {self.task_id}"):
            self.log.info("%s", line)
        return found.as_dict()

    def _watched(self, context: Context) -> Callable[[Iterable[Any]], Iterator[Any]]:
        return lambda rows: ProgressReport(context).building(rows, step="Reading rows")

    def _runs(self, planned: Sequence[PlannedRun], context: Context) -> Iterator[EstimatedRun]:
        task = self._as_written or self
        for run in planned:
            dated = context_on(context, run, task)
            rendered = rendered_task(task, RowsOperator.template_fields, dated, seen_oids=self._outputs_of_tasks)
            yield run_of(rendered, dated, run.name)
