"""Submits rows as message batches, each shard at most once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator

from anthropic_batches_provider.cancellation import cancel_batches
from anthropic_batches_provider.choices import check_choice, check_count, refuse_message_params
from anthropic_batches_provider.errors import ConfigurationError, EmptyInputError
from anthropic_batches_provider.jobs import (
    DEFAULT_CONN_ID,
    JobReference,
    show_in_task_state,
    submission_bounds,
    unit_of_work,
)
from anthropic_batches_provider.kill_policy import POLICIES, Policy, is_over
from anthropic_batches_provider.links import ConsoleBatchesLink
from anthropic_batches_provider.prompts import PROMPT_FILES, load_prompt
from anthropic_batches_provider.row_sources import RowsArgument
from anthropic_batches_provider.storage import default_storage_uri, open_storage
from anthropic_batches_provider.task_failures import as_task_failures
from anthropic_batches_provider.triggers import MessageBatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.ledger import BatchRecord, JobFolder
    from anthropic_batches_provider.batches.requests import Question
    from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns
    from anthropic_batches_provider.batches.submission import JobPlan, Waiting

_POLL_INTERVAL_SECONDS = 60.0


class MessageBatchSubmitOperator(BaseOperator):
    """Sends rows to the Message Batches API and returns a job reference; does not wait for answers.

    The rows are first written to the job folder as shards; from then on a retry goes on from there and never reads the
    rows again. Before each create call an intent is recorded, and a call whose answer was lost is settled from what
    the service lists: a retry, a clear or a crash pays nothing twice. While such a doubt is waited out, or while the
    account's queue is full, the task is deferred.

    Give ``rows`` with ``prompt`` or ``request_builder``, or give ready ``requests``.

    :param rows: a list of dicts, the output of another task, a callable that returns or yields dicts (it may take
        context variables as arguments), or the URI of JSON Lines files, plain or gzip, with ``*``, ``?`` and ``[…]`` as
        wildcards inside a folder name or file name (a URI is templated; data never is).
    :param key: the column, or columns, that identify a row in the output; must be unique; default: the row's number,
        in a column ``row_number``.
    :param keep: further columns to carry into the output, or ``"*"`` for all; default none.
    :param prompt: Jinja text rendered for each row into the user message; sees ``row``, and the run's context but for
        ``var``, ``conn`` and ``ti``. A text that ends in ``.jinja`` or ``.j2`` names a file, found as Airflow finds
        templates.
    :param system: the system prompt: text, or a list of content blocks; rendered once per run. (templated)
    :param model: id of the model, such as ``claude-haiku-4-5``. (templated)
    :param max_tokens: most tokens of one answer, 1 or more.
    :param message_params: further Messages params for every request, such as ``{"output_config": …}``. (Not ``params``,
        which is Airflow's: the DAG's own parameters arrive under that name.)
    :param betas: values of the ``anthropic-beta`` header, for the whole batch.
    :param request_builder: a callable that takes a row and returns Messages params (images, tools, several turns);
        ``model``, ``system``, ``max_tokens`` and ``message_params`` are its defaults.
    :param requests: ready ``{"custom_id", "params"}`` dicts, from the same sources as ``rows``. What is sent gets
        custom_ids of ours; yours come back in the column ``key``.
    :param column_prefix: put before the names of the output columns, where they clash with columns of yours.
    :param on_empty: what to do when there are no rows: ``"fail"`` (default) or ``"skip"`` the task.
    :param on_changed_input: what to do when this unit of work was submitted before with another question or other
        rows: ``"fail"`` (default), or ``"restart"``: cancel what still runs and pay anew.
    :param max_rounds: how often a row may be sent in all. When a finished job is cleared, rows without a usable result
        go again, and only they; never a bad request. Default 3; 1 sends nothing again.
    :param on_kill: what to do with batches of the job when the task is killed while it submits: ``"leave"`` (default),
        or ``"cancel"`` them once the task is seen to be over (marked failed or success, or its run ended). A clear, a
        restart or a doubt leaves them. Nothing more is submitted in any case.
    :param unit: what is one unit of work, and so found again by a retry, a clear or a backfill; default: the partition
        key, else the logical date, else the run id. (templated)
    :param edition: names a deliberate new job of the same unit, which is paid anew. (templated)
    :param storage: URI of the folder that holds all jobs; default ``[anthropic_batches] storage``. (templated)
    :param max_requests_per_shard: most requests of one message batch; default, and at most, 100,000.
    :param max_bytes_per_shard: most bytes of one message batch; default, and at most, 256,000,000.
    :param conn_id: the Airflow connection; default ``anthropic_default``. (templated)
    :returns: ``{"job": URI, "conn_id": …, "batch_ids": […], "requests": n}``, for ``job=`` of sensor, results and
        cancel.
    :raises AirflowFailException: for whatever a retry would only repeat: bad rows, bad parameters, a bad connection.
    :raises AirflowException: the service refused or did not answer; a retry goes on where this attempt stopped.
    """

    template_fields: Sequence[str] = (
        "rows", "requests", "conn_id", "model", "system", "unit", "edition", "storage",
    )  # fmt: skip
    template_ext: Sequence[str] = PROMPT_FILES
    operator_extra_links = (ConsoleBatchesLink(),)
    ui_color = "#e8d5c4"

    shallow_copy_attrs: Sequence[str] = ("rows", "requests", "request_builder")
    template_fields_renderers: ClassVar[dict[str, str]] = {"system": "md"}

    def __init__(
        self,
        *,
        rows: Any = None,
        key: str | Sequence[str] | None = None,
        keep: str | Sequence[str] = (),
        prompt: str | None = None,
        system: str | Sequence[Mapping[str, Any]] | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        message_params: Mapping[str, Any] | None = None,
        betas: Sequence[str] = (),
        request_builder: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        requests: Any = None,
        column_prefix: str = "",
        on_empty: Literal["fail", "skip"] = "fail",
        on_changed_input: Literal["fail", "restart"] = "fail",
        max_rounds: int = 3,
        on_kill: Policy = "leave",
        unit: str | None = None,
        edition: str = "",
        storage: str | None = None,
        max_requests_per_shard: int = 100_000,
        max_bytes_per_shard: int = 256_000_000,
        conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        refuse_message_params(kwargs.get("params"))
        check_choice("on_empty", on_empty, "fail", "skip")
        check_choice("on_changed_input", on_changed_input, "fail", "restart")
        check_choice("on_kill", on_kill, *POLICIES)
        check_count("max_rounds", max_rounds)
        check_count("max_requests_per_shard", max_requests_per_shard, most=100_000)
        check_count("max_bytes_per_shard", max_bytes_per_shard, most=256_000_000)
        if (rows is None) == (requests is None):
            raise ConfigurationError("Give either rows= (with prompt= or request_builder=) or requests=, and not both.")
        super().__init__(**kwargs)
        self.rows = RowsArgument(rows)
        self.key = key
        self.keep = keep
        self.prompt = prompt
        self.system = system
        self.model = model
        self.max_tokens = max_tokens
        self.message_params = message_params
        self.betas = betas
        self.request_builder = request_builder
        self.requests = RowsArgument(requests)
        self.column_prefix = column_prefix
        self.on_empty = on_empty
        self.on_changed_input = on_changed_input
        self.max_rounds = max_rounds
        self.kill_policy = on_kill
        self.unit = unit
        self.edition = edition
        self.storage = storage
        self.max_requests_per_shard = max_requests_per_shard
        self.max_bytes_per_shard = max_bytes_per_shard
        self.conn_id = conn_id
        self.host: str | None = None
        self._told_to_stop = False
        self._task_instance: Any = None
        self._job: JobFolder | None = None

    def execute(self, context: Context) -> JobReference:
        """Open the unit's job, seal its shards and submit them."""
        with as_task_failures():
            return self._bring_forward(context)

    def resume(self, context: Context, event: dict[str, Any] | None = None) -> JobReference:
        """Go on after a deferral; everything that matters is in the job folder."""
        with as_task_failures():
            return self._bring_forward(context)

    def on_kill(self) -> None:
        """Send nothing more; cancel what was submitted, if the policy says so and the task is really over."""
        self._told_to_stop = True
        if self.kill_policy != "cancel" or self._job is None or not is_over(self._task_instance):
            return
        from anthropic_batches_provider.hooks import MessageBatchHook

        with MessageBatchHook(self.conn_id).client() as client:
            cancel_batches(client, [batch.batch_id for batch in self._job.batches()])

    def _bring_forward(self, context: Context) -> JobReference:
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.resubmission import seal_next_round
        from anthropic_batches_provider.batches.submission import Submission, ask_time, sealed_job
        from anthropic_batches_provider.hooks import MessageBatchHook

        self._task_instance = context["ti"]
        question, columns = self._question(context), self._columns()
        question.validate()
        plan = self._plan(context, question, columns)
        storage = open_storage(self.storage or default_storage_uri())
        clock = SystemClock()
        hook = MessageBatchHook(self.conn_id)
        with hook.client() as client, tempfile.TemporaryDirectory(prefix="anthropic-batches-") as spool:
            self.host = client.settings.base_url
            greeting = client.greet()
            try:
                job = sealed_job(
                    storage,
                    plan,
                    read_rows=lambda: self._prepared(context, question, columns),
                    account=greeting.account,
                    service=client,
                    now=clock.now(),
                    spool_folder=Path(spool),
                )
            except EmptyInputError as error:
                if self.on_empty == "skip":
                    raise AirflowSkipException("There are no rows: nothing to submit.") from error
                raise EmptyInputError(f"{error} They were to come from {self._source()}.") from error
            if job.is_finished:
                seal_next_round(job, max_rounds=self.max_rounds, limits=plan.limits, spool_folder=Path(spool))
            self._job = job
            outcome = Submission(
                job,
                client,
                clock=clock,
                service_clock=ask_time(client, clock),
                bounds=submission_bounds(),
                should_stop=lambda: self._told_to_stop,
            ).advance()
        shown = {
            "job": job.uri,
            "batch_ids": [batch.batch_id for batch in job.batches()],
            "requests": job.sealed().rows,
        }
        show_in_task_state(context, "message_batches", shown)
        if isinstance(outcome, list):
            return self._reference(job, outcome)
        return self._wait(job, outcome)

    def _question(self, context: Context) -> Question:
        from anthropic_batches_provider.batches.requests import Question

        return Question(
            prompt=None if self.prompt is None else load_prompt(self.prompt, context),
            request_builder=self.request_builder,
            ready_requests=self.requests.source is not None,
            model=self.model,
            system=self.system,
            max_tokens=self.max_tokens,
            params=self.message_params or {},
        )

    def _columns(self) -> RowColumns:
        from anthropic_batches_provider.batches.rows import RowColumns

        return RowColumns(key=self.key, keep=self.keep, column_prefix=self.column_prefix)

    def _plan(self, context: Context, question: Question, columns: RowColumns) -> JobPlan:
        from anthropic_batches_provider.batches.rows import READY_KEY_COLUMN
        from anthropic_batches_provider.batches.sharding import ShardLimits
        from anthropic_batches_provider.batches.submission import JobPlan

        limits = ShardLimits(max_requests=self.max_requests_per_shard, max_bytes=self.max_bytes_per_shard)
        dag_run: Any = context["dag_run"]
        return JobPlan(
            unit=unit_of_work(context, self.unit),
            question="-".join((question.fingerprint(), *self.betas)),
            conn_id=self.conn_id,
            run_id=dag_run.run_id,
            edition=str(self.edition),
            on_changed_input=self.on_changed_input,
            betas=tuple(self.betas),
            key_columns=(READY_KEY_COLUMN,) if question.ready_requests else columns.key_columns,
            column_prefix=self.column_prefix,
            limits=limits,
        )

    def _prepared(self, context: Context, question: Question, columns: RowColumns) -> Iterator[PreparedRow]:
        from anthropic_batches_provider.batches.rows import prepare_requests, prepare_rows

        if question.ready_requests:
            return prepare_requests(self.requests.read(context))
        return prepare_rows(self.rows.read(context), columns=columns, encode=question.encode_params)

    def _source(self) -> RowsArgument:
        return self.rows if self.requests.source is None else self.requests

    def _reference(self, job: JobFolder, batches: Sequence[BatchRecord]) -> JobReference:
        rows = job.sealed().rows
        batch_ids = [batch.batch_id for batch in batches]
        self.log.info("Submitted: %d rows, %d batches (%s)", rows, len(batch_ids), ", ".join(batch_ids[:20]))
        return JobReference(job=job.uri, conn_id=self.conn_id, batch_ids=batch_ids, requests=rows)

    def _wait(self, job: JobFolder, waiting: Waiting) -> NoReturn:
        self.log.warning("Not all shards are submitted: %s. Looking again at %s at the latest.",
                         waiting.reason, waiting.until.to_iso8601_string())  # fmt: skip
        self.defer(
            trigger=MessageBatchTrigger(
                batch_ids=waiting.batch_ids,
                conn_id=self.conn_id,
                poll_interval=_POLL_INTERVAL_SECONDS,
                deadline=waiting.until.timestamp(),
                wait_for="any",
                cancel_on_kill=[batch.batch_id for batch in job.batches()] if self.kill_policy == "cancel" else (),
            ),
            method_name="resume",
        )
        raise AssertionError("defer returns nothing")  # tells the type checker what defer() does
