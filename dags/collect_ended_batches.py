"""Collect all batches that end in a workspace, no matter who submitted them: a DAG that is scheduled on an asset.

The asset's watcher polls the workspace's list of batches once a minute and reports each ended batch to Airflow; no task
waits. Batches that end close together may start a single run. A run that is started manually collects the batches that
its parameter names.

Needs the connection ``anthropic_default`` and a triggerer. The watcher also reports batches that this provider's own
operators submit in the same workspace: give such DAGs a workspace of their own.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, Param, task

from anthropic_batches_provider.event_triggers import MessageBatchEventTrigger
from anthropic_batches_provider.operators import MessageBatchResultsOperator

ENDED_BATCHES = Asset(
    "anthropic_ended_batches",
    watchers=[AssetWatcher(name="anthropic_default", trigger=MessageBatchEventTrigger(conn_id="anthropic_default"))],
)

with DAG(
    "collect_ended_batches",
    schedule=[ENDED_BATCHES],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "batch_ids": Param([], type="array", description="For a manual run: the batches to collect"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:

    @task.short_circuit
    def ended_batches(params: dict[str, Any] | None = None, triggering_asset_events: Any = None) -> list[str]:
        """Return the ids of the batches that started this run; without any, the remaining tasks are skipped."""
        events = [event for found in dict(triggering_asset_events or {}).values() for event in found]
        told = [event.extra["payload"]["batch_id"] for event in events]
        return list(dict.fromkeys(told)) or (params or {})["batch_ids"]

    results = MessageBatchResultsOperator(
        task_id="results",
        batch_ids=ended_batches(),
        destination="{{ params.output }}/collect_ended_batches/{{ run_id }}",
        max_failed_rows=0.99,
    )
