"""Extract nested JSON from passages of political speech, and write it as a flat table.

A passage names any number of measures, and a measure may have a sum of money: models in models. Every level is checked,
so the next task can rely on each field. ``flatten`` writes one line for each measure to ``measures.csv``, beside the
output.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing; with a real key, the 240
passages cost a few cents.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"
FOLDER = "{{ params.output }}/extract_measures/{{ run_id }}"


class Money(BaseModel):
    """A sum, as the speaker names it."""

    amount: float = Field(ge=0)
    currency: Literal["USD", "GBP", "FRF", "other"]


class Measure(BaseModel):
    """One thing that the government did or is to do."""

    stance: Literal["reports", "proposes", "opposes"]
    subject: str
    money: Money | None = Field(description="Null if no sum is named")


class Passage(BaseModel):
    """What is asked about each passage."""

    summary: str = Field(max_length=200)
    measures: list[Measure]


def flat(rows: Iterator[dict[str, Any]]) -> Iterator[list[Any]]:
    """Yield a line for each measure: passage_id, year, stance, subject, amount, currency."""
    for row in rows:
        for measure in Passage.model_validate(row["parsed"]).measures if row["verdict"] == "fits" else []:
            money = [measure.money.amount, measure.money.currency] if measure.money else ["", ""]
            yield [row["passage_id"], row["year"], measure.stance, measure.subject, *money]


with DAG(
    "extract_measures",
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
    extract = MessageBatchOperator(
        task_id="extract",
        rows=str(PASSAGES),
        key="passage_id",
        keep=["year"],
        model="claude-haiku-5-5",
        prompt="Which measures does {{ row.president }} name here in {{ row.year }}?\n\n{{ row.text }}",
        output_schema=Passage,
        max_tokens=1000,
        destination=FOLDER,
        max_failed_rows=0.05,
    )

    @task
    def flatten(manifest: dict[str, Any], folder: str) -> int:
        """Write the table, and return the number of its lines."""
        lines, text = list(flat(read_rows(manifest))), io.StringIO()
        header = ["passage_id", "year", "stance", "subject", "amount", "currency"]
        csv.writer(text, lineterminator="\n").writerows([header, *lines])
        (ObjectStoragePath(folder) / "measures.csv").write_text(text.getvalue(), encoding="utf-8")
        return len(lines)

    flatten(extract.output, FOLDER)  # type: ignore[arg-type]
