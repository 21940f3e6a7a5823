"""Every way to wait for batches that another program submitted; the run's ``batch_ids`` name them."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.sensors import MessageBatchSensor

NAMED = "{{ params.batch_ids }}"

with DAG("waits", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), params={"batch_ids": []}) as dag:
    deferred = MessageBatchSensor(task_id="deferred", batch_ids=NAMED, poke_interval=0.2)
    from_the_start = MessageBatchSensor(
        task_id="from_the_start", batch_ids=NAMED, poke_interval=0.2, start_in_triggerer=True
    )
    poked = MessageBatchSensor(task_id="poked", batch_ids=NAMED, poke_interval=0.2, deferrable=False)
    rescheduled = MessageBatchSensor(
        task_id="rescheduled", batch_ids=NAMED, poke_interval=0.2, deferrable=False, mode="reschedule"
    )
    of_one = MessageBatchSensor(task_id="of_one", batch_ids="{{ params.batch_ids[0] }}", poke_interval=0.2)
