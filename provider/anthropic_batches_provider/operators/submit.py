"""Submits rows as message batches, each shard at most once."""

from __future__ import annotations

from anthropic_batches_provider.edge.job_references import JobReference
from anthropic_batches_provider.edge.progress_reports import log_group
from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator
from anthropic_batches_provider.operators.stints.stint import Stint

__all__ = ["MessageBatchSubmitOperator"]


class MessageBatchSubmitOperator(RowsOperator):
    """Sends rows to the Message Batches API and returns a job reference; does not wait for answers.

    The rows are first written to the job folder as shards; from then on a retry goes on from there and never reads the
    rows again. Before each create call an intent is recorded, and a call whose answer was lost is settled from what
    the service lists: a retry, a clear or a crash pays nothing twice. While such a doubt is waited out, or while the
    account's queue or ``max_requests_in_flight`` is full, the task is deferred; it is done when all is submitted.

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
    :param max_requests_in_flight: most requests of the job in batches that have not ended; the rest waits, deferred.
        Default 200,000, the processing queue of the smallest tier, which all jobs of an account share; a 429 lowers it
        for a while. Shards are cut no larger.
    :param poll_interval: longest time between two looks at what is waited for, in seconds or as a timedelta; default
        60. Young batches are looked at sooner.
    :param conn_id: the Airflow connection; default ``anthropic_default``. (templated)
    :returns: ``{"job": URI, "conn_id": …, "batch_ids": […], "requests": n}``, for ``job=`` of sensor, results and
        cancel.
    :raises AirflowFailException: for whatever a retry would only repeat: bad rows, bad parameters, a bad connection.
    :raises AirflowException: the service refused or did not answer; a retry goes on where this attempt stopped.
    """

    def advance(self, stint: Stint) -> JobReference:
        """Submit what is not submitted yet; of a finished job, the rows without a usable result."""
        from anthropic_batches_provider.batches.further_rounds import seal_next_round

        job, submission = stint.job, stint.submission
        if job.is_finished():
            seal_next_round(job, stint.rounds, service=stint.client, now=submission.service_now())
        with log_group("Submitting"):
            outcome = submission.advance()
        if not isinstance(outcome, list):
            self.wait(stint, outcome)
        rows = job.first_seal().rows
        batch_ids = [batch.batch_id for batch in outcome]
        self.log.info("Submitted: %d rows, %d batches (%s)", rows, len(batch_ids), ", ".join(batch_ids[:20]))
        return JobReference(job=job.uri, conn_id=self.conn_id, batch_ids=batch_ids, requests=rows)
