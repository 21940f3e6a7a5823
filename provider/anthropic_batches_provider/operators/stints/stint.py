"""A stint: the time on a worker between two deferrals, with an open job; and how its job is opened and shown."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from anthropic_batches_provider.edge.job_references import find_job
from anthropic_batches_provider.edge.object_storage import default_storage_uri, open_storage
from anthropic_batches_provider.edge.progress_reports import ProgressReport
from anthropic_batches_provider.edge.task_state import show_in_task_state
from anthropic_batches_provider.errors import EmptyInputError
from anthropic_batches_provider.operators.stints.tokens_with_betas import TokensWithBetas

if TYPE_CHECKING:
    import pendulum
    from airflow.sdk import Context

    from anthropic_batches_provider.batches.client import MessageBatchClient
    from anthropic_batches_provider.batches.clock import Clock
    from anthropic_batches_provider.batches.further_rounds import Rounds
    from anthropic_batches_provider.batches.ledger import JobFolder
    from anthropic_batches_provider.batches.money.price_list import PriceList
    from anthropic_batches_provider.batches.submission import NextLook, Submission
    from anthropic_batches_provider.operators.stints.deferral_state import DeferralState
    from anthropic_batches_provider.operators.stints.job_input import JobInput

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stint:
    """One stretch of time on a worker, with a sealed job: from the start of the try, or from the end of a deferral.

    :param before: the state that the task was deferred with; None in the first stint.
    :param event: the event that the trigger fired; empty in the first stint.
    :param spool: a local folder of this stint alone.
    """

    context: Context
    before: DeferralState | None
    event: Mapping[str, Any]
    input: JobInput
    job: JobFolder
    submission: Submission
    client: MessageBatchClient
    clock: Clock
    spool: Path
    progress: ProgressReport
    rounds: Rounds
    prices: PriceList

    def next_wait(self, waiting: NextLook, now: pendulum.DateTime) -> NextLook | None:
        """Return how to wait, given the outcome of the last wait; None if waiting would change nothing."""
        from anthropic_batches_provider.batches.submission.next_look import next_wait

        has_unsent = any(state.batch is None for state in self.job.known_shards())
        return next_wait(waiting, self.event, now=now, has_unsent=has_unsent)


def open_job(
    job_input: JobInput, client: MessageBatchClient, clock: Clock, spool: Path, progress: ProgressReport
) -> JobFolder:
    """Open the job of the unit of work, and seal it if it is new, so that its rows are read at most once.

    :raises AirflowSkipException: there are no rows, and ``on_empty`` says so.
    """
    from anthropic_batches_provider.batches.submission import sealed_job

    storage = open_storage(job_input.arguments.storage or default_storage_uri())
    try:
        return sealed_job(
            storage,
            job_input.plan,
            read_rows=lambda: progress.building(job_input.prepared_rows(spool)),
            account=client.greet().account,
            service=client,
            clock=clock,
            spool_folder=spool,
            models=client,
            tokens=TokensWithBetas(client, job_input.plan.betas),
            check_new=job_input.check_new,
            columns=job_input.column_records,
            contents=job_input.contents,
        )
    except EmptyInputError as error:
        if job_input.arguments.on_empty == "skip":
            raise AirflowSkipException("There are no rows: nothing to submit.") from error
        raise EmptyInputError(f"{job_input.source}: {error}") from error


def reopen_job(uri: str, client: MessageBatchClient, conn_id: str) -> JobFolder:
    """Open the job that a task was deferred with."""
    from anthropic_batches_provider.batches.submission import reopened_job

    return reopened_job(find_job(uri), account=client.greet().account, conn_id=conn_id)


def running_batch_ids(job: JobFolder) -> tuple[str, ...]:
    """Return the batches of a job that are not known to have ended."""
    from anthropic_batches_provider.batches.submission import running_ids

    return running_ids(job.unchecked_shards())


def show_opened(job: JobFolder, progress: ProgressReport) -> None:
    """Report a job as it was found or sealed, before anything is sent for it."""
    try:
        progress.report(job, force=True)
    except Exception as error:  # noqa: BLE001 - what is wrong with the job stops its submission, with a better message
        log.warning("The progress of %s could not be shown: %s", job.uri, error)


def show(stint: Stint) -> list[str]:
    """Copy the state of the ledger to where the UI shows it, however the stint ended.

    :returns: the job's batches, in order of their shards, as far as they could be read.
    """
    job = stint.job
    batch_ids: list[str] = []
    try:
        batch_ids = [batch.batch_id for state in job.known_shards() if (batch := state.batch) is not None]
        shown = {"job": job.uri, "batch_ids": batch_ids, "requests": job.first_seal().requests}
        show_in_task_state(stint.context, "message_batches", shown)
        stint.progress.report(job, force=True)
    except Exception as error:  # noqa: BLE001 - a failed display must not hide how the stint ended
        log.warning("The progress of %s could not be shown: %s", job.uri, error)
    return batch_ids
