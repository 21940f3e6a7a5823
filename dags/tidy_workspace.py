"""Tidy a workspace once an hour: warn of batches that expire soon, cancel stuck ones, collect those that have ended.

``is_stuck`` is the rule that picks the batches to cancel: write your own. Batches that belong to a task of this
provider are neither canceled nor collected here, because that task does it. ``job_of`` knows them from the ledger in
``[anthropic_batches] storage``: not those of tasks with a ``storage=`` of their own, nor a batch whose create call has
not been answered yet.

Each batch is collected once: those with a manifest in the output are left out. The first run collects all batches
whose results the API still has. If a batch cannot be collected, its mapped task alone fails, and the next run tries
again. The results that a canceled batch has by then are kept, billed and collected too.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task

from anthropic_batches_provider.hooks import MessageBatchHook
from anthropic_batches_provider.operators import MessageBatchCancelOperator, MessageBatchResultsOperator

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.message_batch import MessageBatch

log = logging.getLogger(__name__)

BATCHES_A_RUN = 500  # Airflow maps a task at most 1,024 times
EXAMPLES = "/tmp/anthropic_batches_examples"


def is_stuck(batch: MessageBatch, hours: int) -> bool:
    """Return whether to cancel a batch of somebody else: here, one that was created more than so many hours ago."""
    is_old = batch.created_at is not None and batch.created_at < pendulum.now("UTC").subtract(hours=hours)
    return is_old and batch.processing_status == "in_progress"


def batches_of(days: int) -> Iterator[MessageBatch]:
    """Yield the workspace's batches of the last days, newest first, as the API lists them."""
    since = pendulum.now("UTC").subtract(days=days)
    return takewhile(lambda batch: (batch.created_at or since) >= since, MessageBatchHook().list_batches())


def collected(output: str) -> set[str]:
    """Return the ids of the batches whose manifests are in the output: ``{batch id}/{run id}/map_index=N/``."""
    return {manifest.parts[-4] for manifest in ObjectStoragePath(output).glob("*/*/*/_manifest.json")}


with DAG(
    "tidy_workspace",
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3},
    params={
        "output": Param(f"{EXAMPLES}/tidy_workspace", type="string", description="Folder or URI for the output"),
        "warn_hours": Param(4, type="integer", description="Warn of batches that expire within so many hours"),
        "cancel_hours": Param(20, type="integer", description="Cancel batches that are older than so many hours"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:

    @task
    def warn(**context: Any) -> list[str]:
        until = pendulum.now("UTC").add(hours=context["params"]["warn_hours"])
        soon = [each for each in batches_of(days=2) if not each.has_ended and (each.expires_at or until) < until]
        for batch in soon:
            log.warning("%s expires at %s: %s", batch.id, batch.expires_at, batch.request_counts)
        return [batch.id for batch in soon]

    @task
    def stuck(**context: Any) -> list[str]:
        picked = [each.id for each in batches_of(days=2) if is_stuck(each, context["params"]["cancel_hours"])]
        return [batch_id for batch_id in picked if not MessageBatchHook().job_of(batch_id)]

    @task
    def ended(**context: Any) -> list[dict[str, Any]]:
        output, done = context["params"]["output"], collected(context["params"]["output"])
        new = [each.id for each in batches_of(days=29) if each.has_ended and each.id not in done]
        oldest = [batch_id for batch_id in reversed(new) if not MessageBatchHook().job_of(batch_id)][:BATCHES_A_RUN]
        return [{"batch_ids": [each], "destination": f"{output}/{each}/{context['run_id']}"} for each in oldest]

    warn()
    MessageBatchCancelOperator(task_id="cancel", batch_ids=stuck())
    MessageBatchResultsOperator.partial(task_id="results", max_failed_rows=100_000).expand_kwargs(ended())
