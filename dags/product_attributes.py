"""Extract attributes from 100,000 product descriptions: a query reads them, and a table of the database takes the rows.

The query is read by a cursor of the server, and the rows go into the table in one transaction, by COPY on PostgreSQL.
100,000 descriptions of a hundred tokens are one message batch, and cost about two dollars.

The table ``product_attributes`` is one that you have made: ``data/products.sql`` shows it. Its first column says which
unit of work a row belongs to. All runs share ``unit``, so each finds its rows there; a run on changed products
replaces them all, and pays for all again. Without ``unit``, each run would add its own rows.

Needs the connections ``anthropic_default`` and ``products``, a database with the tables of ``data/products.sql``. For
SQLite: ``sqlite3 /tmp/products.db < data/products.sql``, and a connection of type ``sqlite`` with the host
``/tmp/products.db``.
"""

from __future__ import annotations

from typing import Literal

import pendulum
from airflow.sdk import DAG
from pydantic import BaseModel, Field

from anthropic_batches_provider.destinations import SqlTable
from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows


class Attributes(BaseModel):
    """What is asked about each product."""

    category: Literal["kitchen", "light", "outdoor", "office", "other"]
    indoor: bool
    grams: int | None = Field(description="The weight, if the description names it")


with DAG(
    "product_attributes",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    MessageBatchOperator(
        task_id="extract",
        unit="all products",
        rows=SqlRows("products", "SELECT product_id, name, description FROM products ORDER BY product_id"),
        key="product_id",
        model="claude-haiku-5-5",
        prompt="Which attributes does this {{ row.name }} have?\n\n{{ row.description }}",
        output_schema=Attributes,
        max_tokens=100,
        destination=SqlTable("products", "product_attributes"),
        columns=["parsed", "verdict"],
        on_changed_input="restart",
        max_failed_rows=0.01,
    )
