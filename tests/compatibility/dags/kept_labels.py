"""Rows of a file, labeled in one task, through a window."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from tests.compatibility.going_on import GoesOn

LABEL = {
    "type": "object",
    "properties": {"topic": {"enum": ["law", "peace", "trade"]}},
    "required": ["topic"],
    "additionalProperties": False,
}


class Label(GoesOn, MessageBatchOperator):
    """The operator, which may have been deferred before."""


with DAG(
    "kept_labels",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"stored": "", "folder": Param("", type="string"), "destination": Param("", type="string")},
) as dag:
    Label(
        task_id="label",
        rows="{{ params.folder }}/rows.jsonl",
        key="number",
        keep="year",
        model="claude-haiku-4-5",
        system="You label political speech.",
        prompt="Label passage {{ row.number }}: {{ row.text }}",
        max_tokens=64,
        message_params={"output_config": {"format": {"type": "json_schema", "schema": LABEL}}},
        destination="{{ params.destination }}",
        max_requests_per_shard=4,
        max_requests_in_flight=8,
        max_failed_rows=1,
        poll_interval=30,
        on_kill="cancel",
    )
