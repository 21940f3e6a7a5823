"""Classify 50,000 support tickets of a CSV file, and count the classes.

The columns of the CSV are the columns of the prompt: ``{{ row.subject }}``. Each answer is one of the classes, because
the schema allows no other. Answers that do not fit, and rows of the CSV that cannot be read, may be up to 1 %.

The parameter ``tickets`` takes any path or URI, also with wildcards: ``s3://support/tickets/dt={{ ds }}/*.csv.gz``. Its
default is a small file next to this one. 50,000 tickets of this length cost about a dollar.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files, read_rows

TICKETS = Path(__file__).parent / "data" / "tickets.csv"


class Ticket(BaseModel):
    """What is asked about each ticket."""

    topic: Literal["payment", "delivery", "product", "account", "other"]
    urgent: bool


with DAG(
    "classify_csv",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={"tickets": str(TICKETS), "output": Param("/tmp/anthropic_batches_examples", description="Folder or URI")},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    classify = MessageBatchOperator(
        task_id="classify",
        rows=files("{{ params.tickets }}", format="csv"),
        key="ticket_id",
        keep=["received"],
        model="claude-haiku-5-5",
        system="You sort the tickets of an online shop.",
        prompt="{{ row.subject }}\n\n{{ row.text }}",
        output_schema=Ticket,
        max_tokens=100,
        destination="{{ params.output }}/classify_csv/{{ run_id }}",
        max_failed_rows=0.01,
    )

    @task
    def count(manifest: dict[str, Any]) -> dict[str, int]:
        """Count the topics; a real DAG would write them to a table."""
        return dict(Counter(row["parsed"]["topic"] for row in read_rows(manifest) if row["verdict"] == "fits"))

    count(classify.output)  # type: ignore[arg-type]
