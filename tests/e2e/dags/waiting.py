"""Sensors that wait for batches that another program submitted; the run's ``batch_ids`` name them."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, task

from anthropic_batches_provider.sensors import MessageBatchSensor

START = pendulum.datetime(2026, 1, 1, tz="UTC")

with DAG("waiting", schedule=None, start_date=START, params={"batch_ids": []}):
    for number in range(3):
        MessageBatchSensor(
            task_id=f"wait_{number}",
            batch_ids=f"{{{{ params.batch_ids[{number}] }}}}",
            poke_interval=2,
            on_kill="cancel",
        )

with DAG("waiting_from_the_start", schedule=None, start_date=START, params={"batch_ids": []}):

    @task
    def submit(params: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
        """Stand in for another program's task that submits batches."""
        return {"batch_ids": (params or {})["batch_ids"]}

    of_params = MessageBatchSensor(
        task_id="of_params",
        batch_ids="{{ params.batch_ids }}",
        poke_interval=2,
        on_kill="cancel",
        start_in_triggerer=True,
    )
    submitted = submit()
    of_xcom = MessageBatchSensor(
        task_id="of_xcom",
        batch_ids="{{ ti.xcom_pull(task_ids='submit', map_indexes=-1)['batch_ids'] }}",
        poke_interval=2,
        start_in_triggerer=True,
    )
    submitted >> of_xcom

with DAG("waiting_too_briefly", schedule=None, start_date=START, params={"batch_ids": []}):
    MessageBatchSensor(
        task_id="gives_up",
        batch_ids="{{ params.batch_ids }}",
        poke_interval=2,
        timeout=5,
        on_timeout="cancel",
        start_in_triggerer=True,
    )
    MessageBatchSensor(task_id="of_nothing", batch_ids="{{ params.nothing | default('') }}", start_in_triggerer=True)

with DAG("waiting_mapped", schedule=None, start_date=START, params={"batch_ids": []}):

    @task
    def each(params: dict[str, list[str]] | None = None) -> list[str]:
        """Return the ids, for one mapped sensor each."""
        return (params or {})["batch_ids"]

    MessageBatchSensor.partial(task_id="wait", poke_interval=2, start_in_triggerer=True).expand(batch_ids=each())
