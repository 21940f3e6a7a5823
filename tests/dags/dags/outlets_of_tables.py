"""Tasks with outlets whose output is a table, in a database or in files, or in XCom."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, Param

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator

with DAG(
    "outlets_of_tables",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"rows": Param("", type="string"), "destination": Param("", type="string")},
) as dag:
    for name, destination in (
        ("table", SqlTable("warehouse", "labels", create=True)),
        ("csv", "{{ params.destination }}"),
        ("xcom", "xcom"),
    ):
        MessageBatchOperator(
            task_id=name,
            rows="{{ params.rows }}",
            key="number",
            model="claude-haiku-4-5",
            prompt="Label: {{ row.text }}",
            max_tokens=9,
            destination=destination,
            output_format="csv",
            dead_letters=True,
            max_failed_rows=1,
            columns=["text", "result_type"],
            outlets=[Asset(f"{name}_labels"), AssetAlias(f"{name}_of_the_day")],
        )
