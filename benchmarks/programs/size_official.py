"""The official provider: its operator submits a list; its hook streams results, which its user writes."""

from __future__ import annotations

import json

from airflow.providers.anthropic.hooks.anthropic import AnthropicHook  # type: ignore[import-not-found]
from airflow.providers.anthropic.operators.batch import AnthropicBatchOperator  # type: ignore[import-not-found]

from benchmarks.programs.size_arguments import Arguments, run
from benchmarks.programs.size_context import context


def submit(arguments: Arguments) -> None:
    with arguments.input.open(encoding="utf-8") as file:
        requests = [json.loads(line) for line in file]
    operator = AnthropicBatchOperator(task_id="submit", requests=requests, wait_for_completion=False)
    arguments.reference.write_text(json.dumps(operator.execute(context(operator))))


def collect(arguments: Arguments) -> None:
    batch_id = json.loads(arguments.reference.read_text())
    arguments.output.mkdir()
    hook = AnthropicHook()
    with (arguments.output / "rows.jsonl").open("w", encoding="utf-8") as file:
        for item in hook.stream_batch_results(batch_id):
            row = {"custom_id": item.custom_id, "result_type": item.result.type}
            if item.result.type == "succeeded":
                message = item.result.message
                row["text"] = "".join(block.text for block in message.content if block.type == "text")
                row["usage"] = message.usage.to_dict()
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    run({"submit": submit, "collect": collect})
