"""A job that is canceled twice, whose prompt is a file."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from anthropic_batches_provider.operators import MessageBatchCancelOperator, MessageBatchSubmitOperator

with DAG("cancels", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:
    filed = MessageBatchSubmitOperator(
        task_id="filed",
        rows=[{"items": "a column", "text": "a secret of the user's"}],
        prompt="question.jinja",
        model="claude-haiku-4-5",
        max_tokens=5,
    )
    canceled = MessageBatchCancelOperator(task_id="canceled", job=filed.output)
    canceled_again = MessageBatchCancelOperator(task_id="canceled_again", job=filed.output)
    filed >> canceled >> canceled_again
