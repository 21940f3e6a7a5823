"""One job in several DAGs, for tests of what counts as the same work; tests change DAG parameters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

QUESTION: dict[str, Any] = {"key": "id", "prompt": "Label {{ row.text }}", "max_tokens": 9}


def rows_of_the_run(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": text, "text": text} for text in params["texts"]]


def an_empty_dag(dag_id: str) -> DAG:
    return DAG(
        dag_id,
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        params={
            "texts": Param(["one", "two", "three", "four"], type="array"),
            "lists": Param([["one", "two"], ["three"]], type="array"),
            "destination": Param("", type="string"),
            "conn_id": Param("anthropic_default", type="string"),
            "model": Param("claude-haiku-4-5", type="string"),
            "edition": Param("", type="string"),
            "unit": Param("", type="string"),
        },
    )


def one_job(dag_id: str, *, waiting: dict[str, Any] | None = None, **options: Any) -> DAG:
    """Return a DAG of three tasks.

    :param waiting: more arguments of the sensor.
    :param options: more arguments of the submit operator.
    """
    with an_empty_dag(dag_id) as dag:
        submit = MessageBatchSubmitOperator(
            task_id="submit",
            rows=rows_of_the_run,
            conn_id="{{ params.conn_id }}",
            model="{{ params.model }}",
            edition="{{ params.edition }}",
            unit="{{ params.unit }}",
            **QUESTION,
            **options,
        )
        wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=1, **(waiting or {}))
        results = MessageBatchResultsOperator(
            task_id="results", job=submit.output, destination="{{ params.destination }}", max_failed_rows=0.99
        )
        submit >> wait >> results
    return dag


dag = one_job("identity")
renamed_dag = one_job("identity_renamed")
restarting = one_job("identity_restarting", on_changed_input="restart")
retried = one_job("identity_retried", retries=1, retry_delay=timedelta(0), max_requests_per_shard=2)
timed_out = one_job("identity_timed_out", waiting={"timeout": 1, "on_timeout": "cancel"})

with an_empty_dag("identity_mapped") as mapped:

    @task
    def lists(**context: Any) -> list[list[dict[str, Any]]]:
        return [[{"id": text, "text": text} for text in texts] for texts in context["params"]["lists"]]

    each = MessageBatchSubmitOperator.partial(task_id="submit", model="claude-haiku-4-5", **QUESTION).expand(
        rows=lists()
    )
    ended = MessageBatchSensor(task_id="wait", job=each.output, poke_interval=1)
    collected = MessageBatchResultsOperator.partial(
        task_id="results", destination="{{ params.destination }}", max_failed_rows=0
    ).expand(job=each.output)
    each >> ended >> collected
