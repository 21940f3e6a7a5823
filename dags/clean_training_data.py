"""Clean training data: ask whether each example is good, and write those that are to a new file, as they were.

``keep="*"`` carries whole rows into the output, nested values included, and ``columns=["parsed"]`` leaves only the
answer beside them. ``write_kept`` takes the answer away again, so that each kept example has the fields and values of
the input. It returns how many examples were kept, and why the others were not.

An example without an answer that fits is not kept; up to 1 % of them may be so.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

EXAMPLES = Path(__file__).parent / "data" / "training_examples.jsonl"
FOLDER = "{{ params.output }}/clean_training_data/{{ run_id }}"


class Judgement(BaseModel):
    """What is asked about each example."""

    problem: Literal["none", "empty", "wrong", "off_topic", "personal_data", "unsafe"]


@task
def write_kept(manifest: dict[str, Any], folder: str) -> dict[str, int]:
    """Write the good examples, and count the problems of all."""
    problems: Counter[str] = Counter()
    with (ObjectStoragePath(folder) / "kept.jsonl").open("w", encoding="utf-8") as file:
        for row in read_rows(manifest):
            problem = (row.pop("parsed") or {"problem": "no answer"})["problem"]
            problems[problem] += 1
            if problem == "none":
                file.write(json.dumps(row) + "\n")
    return dict(problems)


with DAG(
    "clean_training_data",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "examples": Param(str(EXAMPLES), type="string", description="Path or URI of the examples"),
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    judge = MessageBatchOperator(
        task_id="judge",
        rows="{{ params.examples }}",
        key="example_id",
        keep="*",
        model="claude-haiku-5-5",
        prompt="Is anything wrong with the assistant's part of this dialogue?\n\n{{ row.messages }}",
        output_schema=Judgement,
        max_tokens=50,
        destination=FOLDER + "/judged",
        columns=["parsed"],
        max_failed_rows=0.01,
    )

    write_kept(judge.output, FOLDER)  # type: ignore[arg-type]
