"""apache-airflow-providers-anthropic with a mark for the prompt cache in each of its ready requests."""

from __future__ import annotations

import json
from pathlib import Path

from airflow.providers.anthropic.hooks.anthropic import AnthropicHook  # type: ignore[import-not-found]
from airflow.providers.anthropic.operators.batch import AnthropicBatchOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG, task

from benchmarks.dags.contracts import CONTRACTS, MARKED_CONTEXT, MAX_TOKENS, MODEL, OUTPUT, TASK_ARGUMENTS

with DAG("cache_official", schedule=None, default_args=TASK_ARGUMENTS) as dag:
    submit = AnthropicBatchOperator(
        task_id="submit",
        requests=[
            {
                "custom_id": f"row-{number}",
                "params": {
                    "model": MODEL,
                    "max_tokens": MAX_TOKENS,
                    "system": [MARKED_CONTEXT],
                    "messages": [{"role": "user", "content": contract}],
                },
            }
            for number, contract in enumerate(CONTRACTS)
        ],
        poll_interval=1,
    )

    @task
    def collect(batch_id: str, folder: str) -> None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        hook = AnthropicHook()  # kept alive: the stream ends with the hook that opened it
        with (path / "rows.jsonl").open("w", encoding="utf-8") as file:
            for result in hook.stream_batch_results(batch_id):
                row = {"custom_id": result.custom_id, "result_type": result.result.type}
                file.write(json.dumps(row) + "\n")

    collect(submit.output, OUTPUT)
