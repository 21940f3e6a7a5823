"""Label passages of political speech in one task: it submits, waits without holding a worker, collects, and sends
failed rows again.

However many rows there are, at most ``max_requests_in_flight`` are in flight at a time. The numbers here are small so
that you can watch it: five batches, two at a time. While the task runs, its XCom ``progress`` shows how far it is. DAGs
that are scheduled on the asset ``passages_in_one_task`` start when the output is complete; the event's ``extra`` names
the job, the manifest and the counts.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing; with a real key, the 240
passages cost a few cents.
"""

from __future__ import annotations

from pathlib import Path

import pendulum
from airflow.sdk import DAG, Asset, Param

from anthropic_batches_provider.operators import MessageBatchOperator

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"

LABELS = Asset("passages_in_one_task")

LABEL = {
    "type": "object",
    "properties": {
        "topic": {
            "type": "string",
            "enum": ["economy", "foreign affairs", "war", "justice", "administration", "other"],
        },
        "tone": {"type": "string", "enum": ["hopeful", "neutral", "alarmed"]},
    },
    "required": ["topic", "tone"],
    "additionalProperties": False,
}

with DAG(
    "passages_in_one_task",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output")
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    label = MessageBatchOperator(
        task_id="label",
        rows=str(PASSAGES),
        key="passage_id",
        keep=["year", "president"],
        model="claude-haiku-5-5",
        system="You label passages of political speech.",
        prompt="Label this passage of {{ row.year }}:\n\n{{ row.text }}",
        max_tokens=100,
        message_params={"output_config": {"format": {"type": "json_schema", "schema": LABEL}}},
        destination="{{ params.output }}/passages_in_one_task/{{ run_id }}",
        max_failed_rows=0.01,
        max_requests_per_shard=50,
        max_requests_in_flight=100,
        outlets=[LABELS],
    )
