"""Ask two models the same about the same rows, and put their answers side by side.

One mapped task asks each model in a job of its own. ``compare`` joins the answers by the rows' key in
``side_by_side.csv``, and returns how often the models agree and how many tokens each wrote.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing; with a real key, the 240
passages cost some cents with the small model, and several times that with the larger.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"
FOLDER = "{{ params.output }}/compare_models/{{ run_id }}"
MODELS = ["claude-haiku-5-5", "claude-sonnet-5-5"]


class Tone(BaseModel):
    """What is asked about each passage."""

    tone: Literal["hopeful", "neutral", "alarmed"]


def tones(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the tone of each passage, by its key; the verdict in brackets where the answer does not fit."""
    return {
        row["passage_id"]: row["parsed"]["tone"] if row["verdict"] == "fits" else f"({row['verdict'] or 'no answer'})"
        for row in read_rows(manifest)
    }


def tokens_written(manifest: dict[str, Any]) -> int:
    """Return the output tokens of a job."""
    return sum(usage["output_tokens"] for usage in manifest["usage"].values())


with DAG(
    "compare_models",
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
    ask = MessageBatchOperator.partial(
        task_id="ask",
        rows=str(PASSAGES),
        key="passage_id",
        prompt="What is the tone of this passage?\n\n{{ row.text }}",
        output_schema=Tone,
        max_tokens=100,
        destination=FOLDER,
        max_failed_rows=0.05,
    ).expand(model=MODELS)

    @task
    def compare(manifests: list[dict[str, Any]], folder: str) -> dict[str, Any]:
        """Write a line for each passage, with a column for each model."""
        first, second = (tones(manifest) for manifest in manifests)
        lines, text = [(key, first[key], second[key]) for key in first], io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("passage_id", *MODELS), *lines])
        (ObjectStoragePath(folder) / "side_by_side.csv").write_text(text.getvalue(), encoding="utf-8")
        agreement = sum(mine == other for _, mine, other in lines) / len(lines)
        tokens = dict(zip(MODELS, map(tokens_written, manifests), strict=True))
        return {"agreement": agreement, "output_tokens": tokens}

    compare(ask.output, FOLDER)
