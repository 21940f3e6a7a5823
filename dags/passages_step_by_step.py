"""Label passages of political speech, step by step: submit, wait, collect.

The three tasks are three operators, so that you can watch, retry and clear each step by itself. ``cancel`` is a
teardown: if the run fails or is stopped, it cancels the batches that still run.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing; with a real key, the 240
passages cost a few cents.
"""

from __future__ import annotations

from pathlib import Path

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"

LABEL = {
    "type": "object",
    "properties": {
        "topic": {
            "type": "string",
            "enum": ["economy", "foreign affairs", "war", "justice", "administration", "other"],
        },
        "tone": {"type": "string", "enum": ["hopeful", "neutral", "alarmed"]},
    },
    "required": ["topic", "tone"],
    "additionalProperties": False,
}

with DAG(
    "passages_step_by_step",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output")
    },
    default_args={"retries": 3},  # safe everywhere: a second attempt continues, and pays for nothing twice
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows=str(PASSAGES),
        key="passage_id",
        keep=["year", "president"],
        model="claude-haiku-5-5",
        system="You label passages of political speech.",
        prompt="Label this passage of {{ row.year }}:\n\n{{ row.text }}",
        max_tokens=100,
        message_params={"output_config": {"format": {"type": "json_schema", "schema": LABEL}}},
    )

    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=60)

    results = MessageBatchResultsOperator(
        task_id="results",
        job=submit.output,
        destination="{{ params.output }}/passages_step_by_step/{{ run_id }}",
        max_failed_rows=0.01,
    )

    cancel = MessageBatchCancelOperator(task_id="cancel", job=submit.output).as_teardown(setups=submit)

    submit >> wait >> results >> cancel
