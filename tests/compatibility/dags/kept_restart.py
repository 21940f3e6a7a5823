"""A task whose author may change the question between two runs; the second run then starts from the beginning."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from tests.compatibility.going_on import GoesOn


class Label(GoesOn, MessageBatchOperator):
    """The operator, which may have been deferred before."""


with DAG(
    "kept_restart",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"stored": "", "folder": Param("", type="string"), "system": "Be brief."},
) as dag:
    Label(
        task_id="label",
        rows="{{ params.folder }}/rows.jsonl",
        key="number",
        model="claude-haiku-4-5",
        system="{{ params.system }}",
        prompt="Label: {{ row.text }}",
        max_tokens=9,
        destination="{{ params.folder }}/out",
        on_changed_input="restart",
    )
