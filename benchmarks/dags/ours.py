"""This package: submit, wait, results."""

from __future__ import annotations

from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor
from benchmarks.dags.questions import MAX_TOKENS, MODEL, OUTPUT, QUESTIONS, TASK_ARGUMENTS

with DAG("ours", schedule=None, default_args=TASK_ARGUMENTS) as dag:
    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows=[{"text": question} for question in QUESTIONS],
        prompt="{{ row.text }}",
        model=MODEL,
        max_tokens=MAX_TOKENS,
    )
    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=1)
    results = MessageBatchResultsOperator(task_id="results", job=submit.output, destination=OUTPUT)
    submit >> wait >> results
