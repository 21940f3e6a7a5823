"""Rows that are asked about a long text that they share: given in every form, to tasks of every form.

``SHARED_PROMPT_CACHE`` is the ``prompt_cache`` of the tasks of ``again``; other tasks have one of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchSubmitOperator

RULES = "\n".join(f"{number}. Answer question {number} with the word of line {number}." for number in range(1, 200))
ROWS = [{"number": number} for number in range(6)]
TTL = cast("Literal['1h', '5m'] | None", os.environ.get("SHARED_PROMPT_CACHE"))


def question(name: str, **options: Any) -> dict[str, Any]:
    """Return the arguments of a task, whose rows' prompts begin with its name."""
    return {
        "task_id": name,
        "rows": ROWS,
        "key": "number",
        "prompt": f"{name}: what of {{{{ row.number }}}}?",
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "poll_interval": 1,
        **options,
    }


def asked_of(name: str, *left_out: str) -> dict[str, Any]:
    """Return the same without some arguments, which come from elsewhere."""
    return {argument: value for argument, value in question(name).items() if argument not in left_out}


def built(row: dict[str, Any]) -> dict[str, Any]:
    """Return params with a message of several blocks."""
    blocks = [{"type": "text", "text": "In short."}, {"type": "text", "text": f"built: what of {row['number']}?"}]
    return {"messages": [{"role": "user", "content": blocks}]}


def rows_of_once(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows when the guide has been read, and remove it."""
    Path(params["folder"], "once.md").unlink()
    yield from ROWS


def a_dag(dag_id: str) -> DAG:
    return DAG(
        dag_id,
        schedule=None,
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        params={"folder": Param("", type="string"), "file": Param("guide.md", type="string")},
    )


with a_dag("shared_context") as dag:

    @task
    def guide() -> list[str]:
        return [RULES, "The rules of {{ params.folder }} hold."]

    @task
    def guides(params: dict[str, Any] | None = None) -> list[Any]:
        return [f"{(params or {})['folder']}/guide.md", ["{{ ds }} is today.", RULES]]

    MessageBatchOperator(**question("text", shared_context=f"Today is {{{{ ds }}}}.\n{RULES}", prompt_cache="1h"))
    MessageBatchSubmitOperator(**question("file", shared_context="{{ params.folder }}/guide.md", prompt_cache="5m"))
    MessageBatchSubmitOperator(**question("stored", shared_context="memory://lake/{{ params.file }}"))
    MessageBatchSubmitOperator(
        **question("named", shared_context="shared_guide.md", prompt_cache="1h", system="Answer shortly. " * 200)
    )
    MessageBatchSubmitOperator(
        **question(
            "several",
            shared_context=["Read both.", "{{ params.folder }}/paper.pdf", guide()],
            prompt_cache="1h",
            images="photo",
            rows=[{"number": number, "photo": f"https://example.com/{number}.png"} for number in range(6)],
        )
    )
    MessageBatchSubmitOperator(
        **question("built", prompt=None, request_builder=built, shared_context=guide(), prompt_cache="1h")
    )
    MessageBatchOperator(
        **question("once", rows=rows_of_once, shared_context="{{ params.folder }}/once.md", prompt_cache="1h")
    )

    @task.message_batch(shared_context=guide(), prompt_cache="1h", **asked_of("decorated", "task_id", "rows"))
    def decorated() -> list[dict[str, Any]]:
        return ROWS

    decorated()

    @task.message_batch(shared_context=["Day {{ ds }}.", guide()], **asked_of("over_values", "task_id", "rows"))
    def over_values(count: int) -> list[dict[str, Any]]:
        return ROWS[:count]

    over_values.expand(count=[1, 2])
    MessageBatchSubmitOperator.partial(**question("mapped")).expand(shared_context=guides())
    MessageBatchSubmitOperator.partial(**question("written")).expand(
        shared_context=["Day {{ ds }}.", "{{ params.folder }}/guide.md"]
    )
    MessageBatchSubmitOperator.partial(
        shared_context=["Day {{ ds }}.", guide()], **asked_of("over_rows", "rows")
    ).expand(rows=[ROWS, ROWS[:2]])

with a_dag("shared_context_again") as again:
    MessageBatchOperator(**question("again", shared_context="{{ params.folder }}/{{ params.file }}", prompt_cache=TTL))
    MessageBatchOperator(
        **question(
            "restarted",
            shared_context="{{ params.folder }}/{{ params.file }}",
            on_changed_input="restart",
            prompt_cache=TTL,
        )
    )

with a_dag("shared_context_mistakes") as mistakes:
    for name, given in {"missing": "{{ params.folder }}/missing.md", "latin": "{{ params.folder }}/latin.txt"}.items():
        MessageBatchOperator(**question(name, shared_context=given, prompt_cache="1h"))
    MessageBatchOperator.partial(prompt_cache="1h", **asked_of("nothing", "rows")).expand(rows=[ROWS])
