"""Branch on what became of each row: a bad request, a server error, a refusal, and an answer that does not fit.

``task_of`` is the rule. Each kind needs another step: correct the request, send it again, let a person read it, or ask
a larger model. Only the tasks run that have rows. A server error gets here if it outlasts the operator's own rounds, of
which there are three by default.

``max_failed_rows`` lets any number of rows fail in the first task, because each has a task that follows. Those that
fail again there make the run fail.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

COMMENTS = Path(__file__).parent / "data" / "comments.jsonl"
FOLDER = "{{ params.output }}/branch_on_outcomes/{{ run_id }}"
ANY_NUMBER = 1_000_000
BAD_REQUESTS = {"invalid_request_error", "not_found_error", "request_too_large"}  # they fail again until corrected


class Topic(BaseModel):
    """What is asked about each comment."""

    topic: Literal["quality", "delivery", "service", "question", "other"]
    product: str | None


def task_of(row: dict[str, Any]) -> str:
    """Return the task that takes an output row."""
    if row["result_type"] == "succeeded":
        return {"fits": "store", "refusal": "review"}.get(row["verdict"], "ask_larger_model")
    is_bad_request = row["result_type"] == "invalid_row" or row["error_type"] in BAD_REQUESTS
    return "correct" if is_bad_request else "send_again"


def rows_for(task_id: str, ti: Any) -> Iterator[dict[str, Any]]:
    """Yield the output rows of ``label`` that a task takes."""
    return (row for row in read_rows(ti.xcom_pull("label")) if task_of(row) == task_id)


@task.branch
def by_outcome(manifest: dict[str, Any]) -> list[str]:
    """Return the tasks that have rows; the others are skipped."""
    return sorted({task_of(row) for row in read_rows(manifest)})


@task
def write(folder: str, ti: Any = None) -> int:
    """Write the task's rows to a file of its name; a real DAG would fill a table, a queue or a mail."""
    rows = list(rows_for(ti.task_id, ti))
    lines = "".join(json.dumps(row, default=str) + "\n" for row in rows)
    (ObjectStoragePath(folder) / f"{ti.task_id}.jsonl").write_text(lines, encoding="utf-8")
    return len(rows)


with DAG(
    "branch_on_outcomes",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output")
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    ask = partial(
        MessageBatchOperator,
        key="comment_id",
        keep=["comment"],
        prompt="What is this comment about?\n\n{{ row.comment }}",
        output_schema=Topic,
    )
    label = ask(
        task_id="label",
        rows=str(COMMENTS),
        model="claude-haiku-5-5",
        max_tokens=200,
        destination=FOLDER,
        max_failed_rows=ANY_NUMBER,
    )
    again = {"send_again": "claude-haiku-5-5", "ask_larger_model": "claude-opus-5-5"}

    branch = by_outcome(label.output)  # type: ignore[arg-type]
    for name in ("store", "review", "correct"):
        branch >> write.override(task_id=name)(FOLDER)
    for name, model in again.items():
        rows = partial(rows_for, name)
        branch >> ask(task_id=name, rows=rows, model=model, max_tokens=1000, destination=f"{FOLDER}/{name}")
