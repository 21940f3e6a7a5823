"""A task whose templates render differently each time."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator

with DAG(
    "resumed",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"destination": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows=[{"n": 1}, {"n": 2}],
        model="claude-haiku-4-5",
        system="It is {{ macros.datetime.now() }}.",
        prompt="{{ row.n }}",
        max_tokens=5,
        unit="{{ macros.uuid.uuid4() }}",
        edition="{{ macros.uuid.uuid4() }}",
        on_changed_input="restart",
        destination="{{ params.destination }}/{{ macros.uuid.uuid4() }}",
        max_requests_per_shard=1,
        max_requests_in_flight=1,
    )
