"""Correct requests that got no usable answer, and send them again.

``dead_letters=True`` writes each row without a usable answer to ``_dead_letters.jsonl``, with the whole request that
was sent. ``corrected`` reads them and changes what was wrong, here the length of the answer: ``max_tokens`` is
multiplied by ten. ``again`` sends the corrected requests as they are, and only them, and pays only for them. Its rows
have the key of the first task in the column ``key``.

Any change is possible: another model, a shorter text, a corrected schema. ``max_failed_rows`` lets any number of rows
fail in ``ask``, because ``again`` follows. It is skipped if there is nothing to send again.

The file holds prompts: give it the same protection as the input.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"
FOLDER = "{{ params.output }}/correct_dead_letters/{{ run_id }}"
ANY_NUMBER = 1_000_000


class Summary(BaseModel):
    """What is asked about each passage."""

    summary: str
    measures: list[str]


def corrected(ti: Any) -> Iterator[dict[str, Any]]:
    """Yield the requests of the rows without a usable answer, with room for a longer one."""
    letters = ti.xcom_pull("ask")["dead_letters"]
    if letters is None:
        return
    with ObjectStoragePath(letters["uri"]).open("rb") as file:
        for letter in map(json.loads, iter(file.readline, b"")):
            params = letter["params"]
            yield {**letter, "params": {**params, "max_tokens": params["max_tokens"] * 10}}


with DAG(
    "correct_dead_letters",
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
    ask = MessageBatchOperator(
        task_id="ask",
        rows=str(PASSAGES),
        key="passage_id",
        model="claude-haiku-5-5",
        prompt="Summarize this passage, and list the measures that it proposes:\n\n{{ row.text }}",
        output_schema=Summary,
        max_tokens=200,
        destination=FOLDER,
        dead_letters=True,
        max_failed_rows=ANY_NUMBER,
    )
    again = MessageBatchOperator(task_id="again", requests=corrected, on_empty="skip", destination=FOLDER + "/again")
    ask >> again
