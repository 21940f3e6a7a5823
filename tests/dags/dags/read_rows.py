"""The rows of one task's output, read by a function, and sent on by a second task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows


def rows(ti: Any) -> Iterator[dict[str, Any]]:
    return read_rows(ti.xcom_pull("classify"))


with DAG(
    "read_rows",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"output": Param("", type="string")},
) as dag:
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 10, "key": "id"}
    classify = MessageBatchOperator(
        task_id="classify",
        rows=[{"id": "a"}, {"id": "b"}, {"id": "c"}],
        prompt="Classify {{ row.id }}",
        destination="{{ params.output }}/classified",
        output_format="jsonl.gz",
        max_requests_per_shard=2,
        **asked,
    )

    @task
    def count(manifest: Any) -> dict[str, int]:
        found = list(read_rows(manifest))
        return {"rows": len(found), "succeeded": sum(row["result_type"] == "succeeded" for row in found)}

    count(classify.output)
    explain = MessageBatchOperator(
        task_id="explain", rows=rows, prompt="Explain {{ row.text }}", destination="xcom", **asked
    )
    classify >> explain
