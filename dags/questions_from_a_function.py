"""Ask about rows that a function makes: ``@task.message_batch`` sends the rows it yields and returns the answers.

The function runs on a worker, like that of any ``@task``. It may query, join and filter, and take the output of other
tasks and context variables as arguments. It may yield any number of rows, since they are read as a stream. It should
yield the same rows again when its run is cleared. Here the answers are passed on through XCom; give ``destination=``
for more than a few hundred rows.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"

with DAG(
    "questions_from_a_function",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={"century": Param(19, type="integer", minimum=18, maximum=21, description="Whose passages to ask about")},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:

    @task.message_batch(
        key=["passage_id", "word"],
        model="claude-haiku-5-5",
        prompt="In three words, how does {{ row.president }} use the word “{{ row.word }}”?\n\n{{ row.text }}",
        max_tokens=20,
    )
    def ask(words: list[str], params: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield a row for each passage of the century and each of the words that it contains."""
        century = (params or {})["century"]
        for line in PASSAGES.read_text(encoding="utf-8").splitlines():
            passage = json.loads(line)
            if passage["year"] // 100 + 1 == century:
                yield from ({**passage, "word": word} for word in words if word in passage["text"])

    @task
    def report(answers: list[dict[str, Any]]) -> dict[str, int]:
        """Count the answers for each word; a real DAG would write them to a table."""
        return dict(Counter(answer["word"] for answer in answers if answer["result_type"] == "succeeded"))

    report(ask(["liberty", "peace", "treasury"]))  # type: ignore[arg-type]
