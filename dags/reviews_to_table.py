"""Label reviews from CSV files into a table of a database, where analysts query them.

The table has the columns of ``key`` and ``keep``, then ``sentiment``, ``stars`` and ``topics``, then those of the
result. ``create=True`` makes it in the first run. A retry or a cleared run replaces its own rows in one transaction;
the rows of other runs stay.

All cells of a CSV file are text, so ``review_id`` and ``received`` are text in the table. ``stars`` is a whole number,
because the model ``Label`` says so.

Needs the connections ``anthropic_default`` and ``shop``, a database. For SQLite: ``touch /tmp/shop.db``, and a
connection of type ``sqlite`` with the host ``/tmp/shop.db``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pendulum
from airflow.sdk import DAG, Param
from pydantic import BaseModel, Field

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator

REVIEWS = Path(__file__).parent / "data" / "reviews" / "*" / "*.csv"


class Label(BaseModel):
    """What is asked about each review."""

    sentiment: Literal["positive", "neutral", "negative"]
    stars: int = Field(ge=1, le=5, description="The stars that this customer would give")
    topics: list[Literal["quality", "delivery", "service", "price"]]


with DAG(
    "reviews_to_table",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={"reviews": Param(str(REVIEWS), type="string", description="Path or URI of the files")},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    MessageBatchOperator(
        task_id="label",
        rows="{{ params.reviews }}",
        key="review_id",
        keep=["received", "product"],
        model="claude-haiku-5-5",
        prompt="Label this review of a {{ row.product }}:\n\n{{ row.text }}",
        output_schema=Label,
        max_tokens=200,
        destination=SqlTable("shop", "review_labels", create=True),
        columns={"parsed": "", "text": "answer", "usage": None},
        max_failed_rows=0.01,
    )
