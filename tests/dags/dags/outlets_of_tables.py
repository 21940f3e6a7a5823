"""Tasks with outlets whose output is a table, in a database or in files, or in XCom."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, Param

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator

WHERE: dict[str, dict[str, Any]] = {
    "table": {"destination": SqlTable("warehouse", "labels", create=True)},
    "csv": {"destination": "{{ params.destination }}", "output_format": "csv"},
    "xcom": {"destination": "xcom"},
}

with DAG(
    "outlets_of_tables",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"rows": Param("", type="string"), "destination": Param("", type="string")},
) as dag:
    for name, where in WHERE.items():
        MessageBatchOperator(
            task_id=name,
            rows="{{ params.rows }}",
            key="number",
            model="claude-haiku-4-5",
            prompt="Label: {{ row.text }}",
            max_tokens=9,
            dead_letters=True,
            max_failed_rows=1,
            columns=["text", "result_type"],
            outlets=[Asset(f"{name}_labels"), AssetAlias(f"{name}_of_the_day")],
            **where,
        )
