"""End to end in one task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator


def tell_failure(context: dict[str, Any]) -> None:
    """Leave the error next to the destination, where a test can read it."""
    Path(context["params"]["destination"] + ".error").write_text(str(context.get("exception")))


with DAG(
    "one_task",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={
        "rows": Param("", type="string"),
        "destination": Param("", type="string"),
    },
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows="{{ params.rows }}",
        key="number",
        model="claude-haiku-4-5",
        prompt="Label: {{ row.text }}",
        max_tokens=9,
        destination="{{ params.destination }}",
        max_requests_per_shard=4,
        max_requests_in_flight=8,
        max_failed_rows=1,
        on_failure_callback=tell_failure,
    )
