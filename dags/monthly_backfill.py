"""Label each month's partition of a lake, month by month, into one table.

A run on the first of April labels the reviews of March; without that folder it fails. The month is the unit of work:
its rows in the table are replaced together, whichever run writes them, and those of other months stay. A month that is
cleared is collected again at no cost. If its files have changed since, the task pays for that month again
(``on_changed_input="restart"``).

To fill the table with the past, at most four months at a time::

    airflow backfill create --dag-id monthly_backfill --from-date 2026-02-01 --to-date 2026-04-01 --max-active-runs 4

Needs the connections ``anthropic_default`` and ``shop``, a database. For SQLite: ``touch /tmp/shop.db``, and a
connection of type ``sqlite`` with the host ``/tmp/shop.db``; runs that load at once then wait for each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pendulum
from airflow.sdk import DAG, Param
from pydantic import BaseModel

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator

LAKE = Path(__file__).parent / "data" / "reviews"
MONTH = "{{ macros.ds_add(ds, -1)[:7] }}"  # of the day before the run


class Label(BaseModel):
    """What is asked about each review."""

    sentiment: Literal["positive", "neutral", "negative"]
    is_complaint: bool


with DAG(
    "monthly_backfill",
    schedule="@monthly",
    start_date=pendulum.datetime(2026, 2, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={"lake": Param(str(LAKE), type="string", description="Folder or URI of the partitions")},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    MessageBatchOperator(
        task_id="label",
        unit=MONTH,
        rows="{{ params.lake }}/month=" + MONTH + "/*.csv",
        key="review_id",
        keep=["month", "product"],
        model="claude-haiku-5-5",
        prompt="Label this review of a {{ row.product }}:\n\n{{ row.text }}",
        output_schema=Label,
        max_tokens=100,
        destination=SqlTable("shop", "monthly_labels", create=True),
        columns={"parsed": "", "usage": None},
        on_changed_input="restart",
        max_failed_rows=0.01,
    )
