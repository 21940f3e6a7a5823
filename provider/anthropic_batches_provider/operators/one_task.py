"""Submits rows, waits for their answers and collects them, in one task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException

from anthropic_batches_provider.batches.cancellation import cancel_batches
from anthropic_batches_provider.batches.output.failed_rows import check_max_failed_rows
from anthropic_batches_provider.batches.output.formats import DEFAULT_FORMAT, format_names
from anthropic_batches_provider.edge.announcing import announce
from anthropic_batches_provider.edge.arguments import (
    DEFAULT_XCOM_MAX_BYTES,
    check_choice,
    check_count,
    seconds_of,
)
from anthropic_batches_provider.edge.kill_policy import POLICIES, Policy
from anthropic_batches_provider.edge.progress_reports import log_group
from anthropic_batches_provider.edge.task_destination import XCOM, destination_of
from anthropic_batches_provider.errors import BatchesNotEndedError, FailedRowsError, JobStoppedError
from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator
from anthropic_batches_provider.operators.stints.stint import Stint, running_batch_ids

if TYPE_CHECKING:
    from airflow.sdk import Context

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
    """Sends rows to the Message Batches API, waits for the answers, and writes one output row for each.

    Deferred while there is nothing to do, and resumable at every point: a retry, a clear or a crash pays nothing twice
    and goes on where the last attempt stopped. However many rows there are, no more than ``max_requests_in_flight`` are
    in flight; results are written as batches end, and rows without a usable result go again as a further round. After
    each round the output is published, the manifest last.

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
    :param max_rounds: how often a row may be sent in all: rows without a usable result go again at once, and only they;
        never a bad request. Default 3; 1 sends nothing again.
    :param on_kill: what to do with batches of the job when the task is killed: ``"leave"`` (default),
        or ``"cancel"`` them once the task is seen to be over (marked failed or success, or its run ended). A clear, a
        restart or a doubt leaves them. While deferred this takes Airflow 3.3. Nothing more is submitted in any case.
    :param unit: what is one unit of work, and so found again by a retry, a clear or a backfill; default: the partition
        key, else the logical date, else the run id. (templated)
    :param edition: names a deliberate new job of the same unit, which is paid anew. (templated)
    :param storage: URI of the folder that holds all jobs; default ``[anthropic_batches] storage``. (templated)
    :param max_requests_per_shard: most requests of one message batch; default, and at most, 100,000.
    :param max_bytes_per_shard: most bytes of one message batch; default, and at most, 256,000,000.
    :param max_requests_in_flight: most requests of the job in batches that have not ended; the rest waits, deferred.
        Default 200,000, the processing queue of the smallest tier, which all jobs of an account share; a 429 lowers it
        for a while. Shards are cut no larger.
    :param poll_interval: longest time between two looks at what is waited for, in seconds or as a timedelta; default
        60. Young batches are looked at sooner.
    :param conn_id: the Airflow connection; default ``anthropic_default``. (templated)
    :param destination: the folder for the output: any URI that ObjectStoragePath takes, or an absolute path. It belongs
        to one unit of work; a mapped task adds ``map_index=N/``. ``"xcom"`` (default) returns the rows. (templated)
    :param output_format: ``"jsonl"`` (default) or ``"jsonl.gz"``.
    :param max_failed_rows: how many rows may lack a succeeded result before the task fails, after everything is
        written and ``max_rounds`` are over: an int is rows, a float below 1 a share of all; default 0.
    :param include_message: add the whole message to each row, in the column ``message``; default False.
    :param keep_requests: leave the job's request files in its folder, which hold the prompts; default False: once a
        batch's results are written, only the requests of rows without a succeeded result are kept.
    :param xcom_max_bytes: for ``"xcom"``: the most bytes of rows, as JSON; default 1,000,000. Over it the task fails,
        and nothing is lost.
    :param timeout: how long one try may take, in seconds or as a timedelta, waiting included; default: no limit beyond
        the 24 h that each batch has. What was submitted runs on, and a retry goes on.
    :param on_timeout: what to do with batches that have not ended then: ``"leave"`` (default), or ``"cancel"`` them,
        which keeps and bills what they have finished.
    :returns: the manifest; for ``"xcom"`` the list of rows. The XCom ``manifest`` holds the manifest in both cases, and
        the XCom ``progress`` how far it is while it runs.
    :raises AirflowFailException: for whatever a retry would only repeat: bad rows, bad parameters, a bad connection,
        another owner's destination, more failed rows than allowed, an exhausted credit.
    :raises AirflowException: the service refused or did not answer; a retry goes on where this attempt stopped.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "destination")
    ui_color = "#d9c4e8"

    def __init__(
        self,
        *,
        destination: str = XCOM,
        output_format: str = DEFAULT_FORMAT,
        max_failed_rows: int | float = 0,
        include_message: bool = False,
        keep_requests: bool = False,
        xcom_max_bytes: int = DEFAULT_XCOM_MAX_BYTES,
        timeout: timedelta | float | None = None,
        on_timeout: Policy = "leave",
        **kwargs: Any,
    ) -> None:
        check_choice("output_format", output_format, *format_names())
        check_choice("on_timeout", on_timeout, *POLICIES)
        check_max_failed_rows(max_failed_rows)
        check_count("xcom_max_bytes", xcom_max_bytes)
        super().__init__(**kwargs)
        self.destination = destination
        self.output_format = output_format
        self.max_failed_rows = max_failed_rows
        self.include_message = include_message
        self.keep_requests = keep_requests
        self.xcom_max_bytes = xcom_max_bytes
        self.timeout = timeout
        self.timeout_policy = on_timeout
        self.deadline: float | None = None  # seconds since the epoch; from the start of the try on

    def check_before_reading(self, job_input: JobInput) -> None:
        """Look whether the destination is ours and can be written, before anything is spent."""
        from anthropic_batches_provider.batches.clock import SystemClock
        from anthropic_batches_provider.batches.output.destination import (
            check_destination,
            check_writable,
        )

        if self.timeout is not None:
            self.deadline = SystemClock().now().timestamp() + seconds_of(self.timeout)
        if self.destination != XCOM:
            destination = self._destination(job_input.context, job_input.plan.unit.owner)
            check_destination(destination)
            check_writable(destination)

    def advance(self, stint: Stint) -> Any:
        """Submit, collect and send again as far as it goes without waiting; then defer, or judge and return."""
        from anthropic_batches_provider.batches.job_advance import JobAdvance
        from anthropic_batches_provider.batches.submission import NextLook

        collection = self._collection(stint)
        advance = JobAdvance(
            stint.job,
            stint.submission,
            collection,
            stint.rounds,
            clock=stint.clock,
            published=lambda manifest: announce(stint.context, manifest, _value(collection, manifest)),
        )
        try:
            with log_group("Submitting and collecting"):
                outcome = advance.advance()
        except JobStoppedError as error:
            # A retry would only use up the rounds: somebody has to act first.
            raise AirflowFailException(str(error)) from error
        if isinstance(outcome, NextLook):
            self._wait_or_time_out(stint, outcome)
        self._judge(outcome)
        return _value(collection, outcome)

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
            tries=stint.input.tries,
            moved=lambda: stint.progress.report(stint.job),
        )
        if self.destination == XCOM:
            return XComCollection(stint.job, stint.client, settings, max_bytes=self.xcom_max_bytes)
        destination = self._destination(stint.context, stint.job.description().owner)
        return JobCollection(stint.job, stint.client, destination, settings)

    def _destination(self, context: Context, owner: str) -> Destination:
        return destination_of(context, self.destination, self.output_format, owner=owner)

    def _judge(self, manifest: Manifest) -> None:
        from anthropic_batches_provider.batches.output.failed_rows import (
            RAISE_MAX_ROUNDS,
            check_failed_rows,
        )

        try:
            check_failed_rows(manifest, self.max_failed_rows, again=RAISE_MAX_ROUNDS)
        except FailedRowsError as error:
            # Every row had its rounds: a retry would find the same.
            raise AirflowFailException(str(error)) from error

    def _wait_or_time_out(self, stint: Stint, waiting: NextLook) -> NoReturn:
        if self.deadline is not None:
            deadline = pendulum.from_timestamp(self.deadline)
            if stint.clock.now() >= deadline:
                self._time_out(stint)
            waiting = waiting.until_at_the_latest(deadline)
        self.wait(stint, waiting)

    def may_send(self) -> bool:
        """Return whether the ``timeout`` leaves time: what is sent after it would run, or be canceled, for nothing."""
        from anthropic_batches_provider.batches.clock import SystemClock

        return self.deadline is None or SystemClock().now().timestamp() < self.deadline

    def pinned(self) -> dict[str, Any]:
        """Return where to write and when to end, as the first stint has found them."""
        return {"destination": self.destination, "deadline": self.deadline}

    def _time_out(self, stint: Stint) -> NoReturn:
        running = running_batch_ids(stint.job)
        if self.timeout_policy == "cancel":
            cancel_batches(stint.client, running)
            done = "were canceled, as on_timeout says; what they had finished is billed and kept"
        else:
            done = "were not canceled: they run on, and what they finish is billed and kept for 29 days"
        raise BatchesNotEndedError(
            f"The job at {stint.job.uri} was not done within {self.timeout}. {len(running):,} batches had not ended; "
            f"they {done}. A retry, or clearing this task, goes on from here and pays nothing twice. Not ended: "
            f"{', '.join(running[:20])}",
            batch_ids=running,
        )


def _value(collection: JobCollection | XComCollection, manifest: Manifest) -> Any:
    """Return what the task returns of a collection."""
    rows = getattr(collection, "rows", None)
    return manifest.as_dict() if rows is None else rows
