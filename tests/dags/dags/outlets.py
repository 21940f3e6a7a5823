"""A task with outlets."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, Param

from anthropic_batches_provider.operators import MessageBatchOperator

with DAG(
    "outlets",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"rows": Param("", type="string"), "destination": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows="{{ params.rows }}",
        key="number",
        model="claude-haiku-4-5",
        prompt="Label: {{ row.text }}",
        max_tokens=9,
        destination="{{ params.destination }}",
        outlets=[Asset("labels"), AssetAlias("labels_of_the_day")],
    )
