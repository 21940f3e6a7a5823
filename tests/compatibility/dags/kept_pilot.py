"""Rows of a file of which three go first, as a pilot, in one task, through a window."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from tests.compatibility.going_on import GoesOn


class Label(GoesOn, MessageBatchOperator):
    """The operator, which may have been deferred before."""


with DAG(
    "kept_pilot",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"stored": "", "folder": Param("", type="string")},
) as dag:
    Label(
        task_id="label",
        rows="{{ params.folder }}/rows.jsonl",
        key="number",
        model="claude-haiku-4-5",
        system="You label political speech.",
        prompt="Label: {{ row.text }}",
        max_tokens=64,
        destination="{{ params.folder }}/out",
        max_requests_per_shard=4,
        max_requests_in_flight=4,
        pilot=3,
        poll_interval=30,
    )
