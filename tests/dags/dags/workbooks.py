"""A workbook whose sheet and row of names the run's parameters say."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files

with DAG(
    "workbooks",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={
        "folder": Param("", type="string"),
        "sheet": Param("", type="string"),
        "header_row": Param(1, type="integer"),
    },
) as dag:
    MessageBatchOperator(
        task_id="answers",
        rows=files(
            "{{ params.folder }}/*.xlsx",
            sheet="{{ params.sheet }}",
            header_row="{{ params.header_row }}",
            null_values=["n/a"],
        ),
        key="order",
        keep="*",
        model="claude-haiku-4-5",
        prompt="Order {{ row.order }} of {{ row.bought }}: {{ row.spent | default('none') }}",
        max_tokens=10,
        max_failed_rows=1,
        destination="{{ params.folder }}/out",
    )
