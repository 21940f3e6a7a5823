"""Translate a database table into three languages, and fill another table with the answers.

The query makes a row for each product and language, so that each becomes one request. ``store`` writes the translations
in one transaction, and may run any number of times: a table that has no column for the unit of work is filled like
this. For one that has, ``destination=SqlTable(…)`` needs no such task (``product_attributes.py``).

Needs the connections ``anthropic_default`` and ``products``, a database with the tables of ``data/products.sql``. For
SQLite: ``sqlite3 /tmp/products.db < data/products.sql``, and a connection of type ``sqlite`` with the host
``/tmp/products.db``.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import BaseHook
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import SqlRows, read_rows

QUERY = """
SELECT product_id, language, name, description
FROM products
CROSS JOIN (
    SELECT 'German' AS language UNION ALL SELECT 'Japanese' UNION ALL SELECT 'Spanish'
) AS languages
ORDER BY product_id, language
"""


def fill_table(conn_id: str, rows: list[tuple[Any, ...]]) -> None:
    """Replace the translations of these products in these languages."""
    hook: Any = BaseHook.get_hook(conn_id)
    mark = hook.placeholder
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        delete = f"DELETE FROM translations WHERE product_id = {mark} AND language = {mark}"  # noqa: S608
        cursor.executemany(delete, [row[:2] for row in rows])
        cursor.executemany(f"INSERT INTO translations VALUES ({mark}, {mark}, {mark})", rows)  # noqa: S608
        connection.commit()


with DAG(
    "translate_table",
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
    translate = MessageBatchOperator(
        task_id="translate",
        rows=SqlRows("products", QUERY),
        key=["product_id", "language"],
        model="claude-haiku-5-5",
        prompt="Translate this description of a {{ row.name }} into {{ row.language }}:\n\n{{ row.description }}",
        max_tokens=500,
        destination="{{ params.output }}/translate_table/{{ run_id }}",
    )

    @task
    def store(manifest: dict[str, Any]) -> int:
        """Return the number of translations, which are in the table then."""
        rows = [(row["product_id"], row["language"], row["text"]) for row in read_rows(manifest)]
        fill_table("products", rows)
        return len(rows)

    store(translate.output)  # type: ignore[arg-type]
