"""Translate each day's partition of a lake, once a day; suited to backfills.

Every path contains ``{{ ds }}``, so that each run reads and writes its own day. A backfill of a month makes thirty
independent jobs. A day that is cleared or reprocessed is collected again at no cost. If its rows have changed since,
``submit`` fails and says so; with ``on_changed_input="restart"`` it would pay for that day again.

``extract`` stands for any task that fills the lake: it writes the day's passages as JSON Lines.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task

from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sensors import MessageBatchSensor

PASSAGES = Path(__file__).parent / "data" / "sotu_passages.jsonl"
PASSAGES_A_DAY = 8

with DAG(
    "daily_partitions",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    max_active_runs=4,
    params={
        "lake": Param("/tmp/anthropic_batches_examples/lake", type="string", description="Folder or URI of the lake")
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:

    @task
    def extract(lake: str, ds: str) -> None:
        """Write the day's passages to its partition of the lake."""
        lines = PASSAGES.read_text(encoding="utf-8").splitlines()
        first = pendulum.parse(ds).day_of_year * PASSAGES_A_DAY % len(lines)  # type: ignore[union-attr]
        partition = ObjectStoragePath(f"{lake}/passages/dt={ds}")
        partition.mkdir(parents=True, exist_ok=True)
        rows = [json.loads(line) for line in (lines + lines)[first : first + PASSAGES_A_DAY]]
        (partition / "passages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    submit = MessageBatchSubmitOperator(
        task_id="submit",
        rows="{{ params.lake }}/passages/dt={{ ds }}/*.jsonl",
        key="passage_id",
        model="claude-haiku-5-5",
        system="You translate from English. Answer with the translation alone.",
        prompt="Translate into French:\n\n{{ row.text }}",
        max_tokens=400,
        on_empty="skip",
    )

    wait = MessageBatchSensor(task_id="wait", job=submit.output, poke_interval=120)

    results = MessageBatchResultsOperator(
        task_id="results",
        job=submit.output,
        destination="{{ params.lake }}/translations/dt={{ ds }}",
        output_format="jsonl.gz",
        max_failed_rows=5,
    )

    extract(lake="{{ params.lake }}", ds="{{ ds }}") >> submit >> wait >> results
