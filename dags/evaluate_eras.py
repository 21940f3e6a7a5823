"""Measure how often the model is right: ask about rows whose answers are known, and compare.

The question is from which era a passage of political speech is, and the passages' years answer it. ``evaluate`` writes
``confusion.csv`` (a line for each known era, a column for each answer) and ``recall.svg`` (a bar for each era: the
share of its passages that the model dates right). It returns the accuracy, for the next task to decide by. A row
without an answer that fits counts as wrong, in the column ``none``.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing, and the answers are guesses;
with a real key, the 240 passages cost a few cents.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any, Literal, get_args

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"
FOLDER = "{{ params.output }}/evaluate_eras/{{ run_id }}"

Era = Literal["1790-1829", "1830-1860", "1861-1900", "1901-1933"]
ERAS: tuple[str, ...] = get_args(Era)
BAR_HEIGHT, BAR_WIDTH, LABEL_WIDTH = 24, 300, 100  # pixels; BAR_WIDTH is that of 100 %


class Dated(BaseModel):
    """What is asked about each passage."""

    era: Era


def known_era(year: int) -> str:
    """Return the era of a year."""
    return next(era for era in ERAS if year <= int(era[-4:]))


def recalls(pairs: Counter[tuple[str, str]]) -> dict[str, float]:
    """Return the share of each known era's passages that got it as answer; 0 for an era without passages."""
    known = {era: sum(pairs[era, answer] for answer in (*ERAS, "none")) for era in ERAS}
    return {era: pairs[era, era] / max(1, known[era]) for era in ERAS}


def confusion_table(pairs: Counter[tuple[str, str]]) -> str:
    """Return a CSV with a line for each known era and a column for each answer."""
    text = io.StringIO()
    lines = [[known, *(pairs[known, answer] for answer in (*ERAS, "none"))] for known in ERAS]
    csv.writer(text, lineterminator="\n").writerows([["known", *ERAS, "none"], *lines])
    return text.getvalue()


def bar_chart(title: str, shares: dict[str, float]) -> str:
    """Return an SVG with a horizontal bar for each share, which is from 0 to 1; names and title hold no markup."""
    bars = [
        f'<text x="0" y="{y + 16}">{name}</text>'
        f'<rect x="{LABEL_WIDTH}" y="{y}" width="{share * BAR_WIDTH:.1f}" height="{BAR_HEIGHT - 4}" fill="#47a"/>'
        f'<text x="{LABEL_WIDTH + BAR_WIDTH + 8}" y="{y + 16}">{share:.0%}</text>'
        for y, (name, share) in zip(range(BAR_HEIGHT, 10_000, BAR_HEIGHT), shares.items(), strict=False)
    ]
    width, height = LABEL_WIDTH + BAR_WIDTH + 60, BAR_HEIGHT * (len(shares) + 1)
    start = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">'
    return "\n".join([start, f'<text x="0" y="16">{title}</text>', *bars, "</svg>\n"])


with DAG(
    "evaluate_eras",
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
    guess = MessageBatchOperator(
        task_id="guess",
        rows=str(PASSAGES),
        key="passage_id",
        keep=["year"],
        model="claude-haiku-5-5",
        prompt="From which era is this passage?\n\n{{ row.text }}",
        output_schema=Dated,
        max_tokens=100,
        destination=FOLDER + "/answers",
        max_failed_rows=0.05,
    )

    @task
    def evaluate(manifest: dict[str, Any], folder: str) -> float:
        """Write the table and the chart, and return the accuracy."""
        rows = read_rows(manifest)
        pairs = Counter((known_era(row["year"]), (row["parsed"] or {"era": "none"})["era"]) for row in rows)
        accuracy = sum(pairs[era, era] for era in ERAS) / pairs.total()
        chart = bar_chart(f"Accuracy: {accuracy:.1%}", recalls(pairs))
        (ObjectStoragePath(folder) / "confusion.csv").write_text(confusion_table(pairs), encoding="utf-8")
        (ObjectStoragePath(folder) / "recall.svg").write_text(chart, encoding="utf-8")
        return accuracy

    evaluate(guess.output, FOLDER)  # type: ignore[arg-type]
