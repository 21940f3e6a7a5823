"""Two tasks that differ in one thing: whether their prompt allows for a missing note."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator

with DAG(
    "values",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string")},
) as dag:
    for name, note in (("strict", "{{ row.note }}"), ("lenient", "{{ row.note | default('none') }}")):
        MessageBatchOperator(
            task_id=name,
            rows="{{ params.folder }}/rows.jsonl",
            key="id",
            keep=["tags"],
            model="claude-haiku-4-5",
            prompt=f"{note}: {{{{ row.id }}}} {{{{ row.tags }}}}",
            max_tokens=10,
            destination=f"{{{{ params.folder }}}}/{name}",
        )
