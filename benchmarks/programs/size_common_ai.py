"""common-ai: its operator submits, and writes the rows after the deferral."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from airflow.providers.common.ai.operators.llm_batch import LLMBatchOperator  # type: ignore[import-not-found]
from airflow.sdk.exceptions import TaskDeferred

from benchmarks.programs.size_arguments import Arguments, run
from benchmarks.programs.size_context import context


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
    with arguments.input.open(encoding="utf-8") as file:
        requests = [{"prompt": json.loads(line)["params"]["messages"][0]["content"]} for line in file]
    submitting = operator(arguments, requests)
    surroundings = context(submitting)
    with suppress(TaskDeferred):
        submitting.execute(surroundings)
    arguments.reference.write_text(json.dumps(surroundings["ti"].pushed["batch_id"]))


def collect(arguments: Arguments) -> None:
    event = {"status": "success", "batch_id": json.loads(arguments.reference.read_text()), "counts": None}
    collecting = operator(arguments, ["none: they were submitted"])
    collecting.execute_complete(context(collecting), event)


if __name__ == "__main__":
    run({"submit": submit, "collect": collect})
