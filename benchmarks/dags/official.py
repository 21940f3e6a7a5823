"""apache-airflow-providers-anthropic: its operator submits and waits; its users write the task that collects."""

from __future__ import annotations

import json
from pathlib import Path

from airflow.providers.anthropic.hooks.anthropic import AnthropicHook  # type: ignore[import-not-found]
from airflow.providers.anthropic.operators.batch import AnthropicBatchOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG, task

from benchmarks.dags.questions import MAX_TOKENS, MODEL, OUTPUT, QUESTIONS, TASK_ARGUMENTS

with DAG("official", schedule=None, default_args=TASK_ARGUMENTS) as dag:
    submit = AnthropicBatchOperator(
        task_id="submit",
        requests=[
            {
                "custom_id": f"row-{number}",
                "params": {
                    "model": MODEL,
                    "max_tokens": MAX_TOKENS,
                    "messages": [{"role": "user", "content": question}],
                },
            }
            for number, question in enumerate(QUESTIONS)
        ],
        poll_interval=1,
    )

    @task
    def collect(batch_id: str, folder: str) -> int:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        rows = 0
        hook = AnthropicHook()  # kept alive: the stream ends with the hook that opened it
        with (path / "rows.jsonl").open("w", encoding="utf-8") as file:
            for result in hook.stream_batch_results(batch_id):
                row = {"custom_id": result.custom_id, "result_type": result.result.type}
                if result.result.type == "succeeded":
                    message = result.result.message
                    row["text"] = "".join(block.text for block in message.content if block.type == "text")
                file.write(json.dumps(row) + "\n")
                rows += 1
        return rows

    collect(submit.output, OUTPUT)
