"""A task that may take a minute."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchOperator
from tests.compatibility.going_on import GoesOn


class Label(GoesOn, MessageBatchOperator):
    """The operator, which may have been deferred before."""


with DAG("kept_timed", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), params={"stored": ""}) as dag:
    Label(
        task_id="label",
        rows=[{"n": 1}],
        model="claude-haiku-4-5",
        prompt="{{ row.n }}",
        max_tokens=9,
        timeout=60,
        on_timeout="cancel",
    )
