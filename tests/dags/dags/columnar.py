"""Tables of Arrow as rows: a lake of Parquet with folders of days, an Arrow stream, and a table in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator

ASKED: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 10}


def joined(params: dict[str, str]) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(f"{params['folder']}/lake/day=1/a.parquet").select(["id", "text"])


with DAG(
    "columnar",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="lake",
        rows="{{ params.folder }}/lake/day=*/*.parquet",
        key=["day", "id"],
        keep=["at", "price", "tags"],
        max_failed_rows=0.5,
        prompt="{{ row.text }} of {{ row.at }}",
        destination="{{ params.folder }}/lake_out",
        **ASKED,
    )
    MessageBatchOperator(
        task_id="stream",
        rows="{{ params.folder }}/rows.arrows",
        key="id",
        prompt="{{ row.text }}",
        destination="{{ params.folder }}/stream_out",
        **ASKED,
    )
    MessageBatchOperator(
        task_id="memory",
        rows=joined,
        key="id",
        prompt="{{ row.text }}",
        destination="{{ params.folder }}/memory_out",
        **ASKED,
    )

    @task.message_batch(key="id", prompt="{{ row.text }}", **ASKED)
    def yielded(params: Any = None) -> Iterator[Any]:
        import pyarrow.ipc

        with pyarrow.ipc.open_stream(f"{params['folder']}/rows.arrows") as batches:
            yield from batches

    yielded()
    MessageBatchOperator(
        task_id="cut",
        rows="{{ params.folder }}/cut.parquet",
        key="id",
        prompt="{{ row.text }}",
        destination="{{ params.folder }}/cut_out",
        on_empty="skip",
        **ASKED,
    )
