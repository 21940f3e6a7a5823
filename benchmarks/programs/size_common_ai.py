"""common-ai: its operator submits, and goes on after the deferral by writing the rows."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from airflow.providers.common.ai.operators.llm_batch import LLMBatchOperator  # type: ignore[import-not-found]
from airflow.sdk.exceptions import TaskDeferred

from benchmarks.programs.size_context import Arguments, context


def operator(arguments: Arguments, requests: list[Any]) -> Any:
    return LLMBatchOperator(
        task_id="submit",
        requests=requests,
        result_path=arguments.output.as_uri(),
        llm_conn_id="pydanticai_default",
        model_id="anthropic:claude-haiku-4-5",
        max_tokens=64,
        deferrable=True,
    )


def submit(arguments: Arguments) -> None:
    with arguments.requests.open(encoding="utf-8") as file:
        requests = [{"prompt": json.loads(line)["params"]["messages"][0]["content"]} for line in file]
    surroundings = context()
    with suppress(TaskDeferred):
        operator(arguments, requests).execute(surroundings)
    arguments.reference.write_text(json.dumps(surroundings["ti"].pushed["batch_id"]))


def collect(arguments: Arguments) -> None:
    event = {"status": "success", "batch_id": json.loads(arguments.reference.read_text()), "counts": None}
    operator(arguments, ["none: they were submitted"]).execute_complete(context(), event)


if __name__ == "__main__":
    called_with = Arguments.of_command_line()
    {"submit": submit, "collect": collect}[called_with.step](called_with)
