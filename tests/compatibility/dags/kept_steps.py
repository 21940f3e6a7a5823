"""Rows of a file, labeled in three tasks; the fourth task finds nothing left to cancel."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor
from tests.compatibility.going_on import GoesOn


class Submit(GoesOn, MessageBatchSubmitOperator):
    """The operator, which may have been deferred, or done, before."""


class Wait(GoesOn, MessageBatchSensor):
    """The sensor, which may have been deferred before."""


with DAG(
    "kept_steps",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"stored": "", "folder": Param("", type="string")},
) as dag:
    submit = Submit(
        task_id="submit",
        rows="{{ params.folder }}/rows.jsonl",
        key=["year", "number"],
        model="claude-haiku-4-5",
        prompt="Label: {{ row.text }}",
        max_tokens=9,
        max_requests_per_shard=4,
        max_requests_in_flight=4,
    )
    wait = Wait(task_id="wait", job=submit.output, poke_interval=30)
    results = MessageBatchResultsOperator(
        task_id="results", job=submit.output, destination="{{ params.folder }}/out", max_failed_rows=1
    )
    cancel = MessageBatchCancelOperator(task_id="cancel", job=submit.output)
    wait >> results >> cancel
