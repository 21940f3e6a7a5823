"""Answers that must fit: a model of this file, a JSON Schema in three tasks, a model by its name, a mapped task."""

from __future__ import annotations

from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, TriggerRule
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import (
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor


class Label(BaseModel):
    """What is asked of each row."""

    mood: Literal["good", "bad"]
    rating: int = Field(ge=0, le=100)
    keywords: list[str]


ASKED: dict[str, Any] = {
    "rows": [{"id": number, "text": f"row number {number}."} for number in range(6)],
    "key": "id",
    "model": "claude-haiku-5-5",
    "prompt": "{{ row.text }}",
    "max_tokens": 200,
    "max_failed_rows": "{{ params.max_failed_rows }}",
}

with DAG(
    "structured",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"max_failed_rows": Param("5", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="model",
        output_schema=Label,
        message_params={"output_config": {"effort": "low"}},
        keep_requests=True,
        **ASKED,
    )
    MessageBatchOperator(task_id="named", output_schema="structured_models:Label", **ASKED)
    MessageBatchOperator(
        task_id="built",
        output_schema=Label,
        keep_requests=True,
        request_builder=lambda row: {
            "messages": [{"role": "user", "content": row["text"]}],
            "output_config": {"effort": "low"},
        },
        **{name: value for name, value in ASKED.items() if name != "prompt"},
    )
    MessageBatchOperator.partial(
        task_id="mapped", output_schema=Label, **{name: value for name, value in ASKED.items() if name != "rows"}
    ).expand(rows=[ASKED["rows"]])
    submit = MessageBatchSubmitOperator(task_id="submit", output_schema=Label.model_json_schema(), **ASKED)
    wait = MessageBatchSensor(task_id="wait", job=submit.output)
    results = MessageBatchResultsOperator(
        task_id="results",
        job=submit.output,
        max_failed_rows="{{ params.max_failed_rows }}",
        trigger_rule=TriggerRule.ALL_SUCCESS,
    )
    wait >> results
