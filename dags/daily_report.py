"""Report on a day's reviews: ask about each of them, then ask once for a summary of all answers.

``read`` asks about each review and keeps its answers in a file. The one row of ``summarize`` is made from these answers
when the task runs: ``complaints`` is a function, and reads them with ``read_rows``. The report is in XCom, for a mail
or a chat message.

At most 2,000 complaints go into the summary, which is about 60,000 tokens; the prompt says how many there were. A day
without a complaint has no rows for ``summarize``, which is skipped then.

Needs the connection ``anthropic_default``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

REVIEWS = Path(__file__).parent / "data" / "reviews" / "*" / "*.csv"
MOST = 2_000
REPORT = """In five sentences for the shop's managers: what did customers complain about on {{ row.day }}?
There were {{ row.number }} complaints; these are the first {{ row.shown }}:

{{ row.complaints }}"""


class Reading(BaseModel):
    """What is asked about each review."""

    complaint: str | None = Field(
        description="The complaint in one sentence of at most 20 words; null if there is none"
    )


def complaints(ds: str, ti: Any) -> Iterator[dict[str, Any]]:
    """Yield one row with the day's complaints, or none."""
    answers = (row["parsed"]["complaint"] for row in read_rows(ti.xcom_pull("read")) if row["verdict"] == "fits")
    found = list(filter(None, answers))
    if found:
        shown = list(islice(found, MOST))
        yield {"day": ds, "number": len(found), "shown": len(shown), "complaints": "\n".join(shown)}


with DAG(
    "daily_report",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3, "model": "claude-haiku-5-5"},
    params={
        "reviews": Param(str(REVIEWS), type="string", description="Files of a day, such as s3://lake/dt={{ ds }}/*"),
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    read = MessageBatchOperator(
        task_id="read",
        rows="{{ params.reviews }}",
        key="review_id",
        prompt="Does the customer complain?\n\n{{ row.text }}",
        output_schema=Reading,
        max_tokens=100,
        destination="{{ params.output }}/daily_report/dt={{ ds }}",
        max_failed_rows=0.05,
    )
    summarize = MessageBatchOperator(
        task_id="summarize",
        rows=complaints,
        key="day",
        keep=["number"],
        prompt=REPORT,
        max_tokens=400,
        on_empty="skip",
        destination="xcom",
    )
    read >> summarize
