"""Images and documents of a folder, in tasks of every form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from anthropic_batches_provider.operators import MessageBatchOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sources import files

MODEL: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 9}
PHOTOS = files("{{ params.folder }}/photos/*", format="whole")

with DAG(
    "pictures",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": Param("", type="string")},
) as dag:
    MessageBatchOperator(
        task_id="one_task",
        rows=PHOTOS,
        key="name",
        keep=["size"],
        images="path",
        prompt="What is on {{ row.name }}?",
        destination="{{ params.folder }}/one_task",
        keep_requests=True,
        max_failed_rows=2,
        **MODEL,
    )
    MessageBatchOperator(task_id="strict", rows=PHOTOS, key="name", images="path", prompt="What is this?", **MODEL)
    MessageBatchOperator(
        task_id="printed", rows=PHOTOS, key="name", prompt="{{ row.text }}", max_failed_rows=0.9, **MODEL
    )

    @task.message_batch(
        documents="papers",
        images=["cover"],
        key="title",
        prompt="Sum up {{ row.title }}",
        keep_requests=True,
        **MODEL,
    )
    def decorated(folder: str) -> Iterator[dict[str, Any]]:
        text = (Path(folder) / "paper.txt").read_bytes()
        yield {"title": "both", "papers": [Path(folder) / "paper.pdf", text], "cover": "https://example.com/a.png"}
        yield {"title": "none", "papers": [], "cover": []}

    decorated("{{ params.folder }}")

    @task
    def names() -> list[list[dict[str, str]]]:
        return [[{"photo": "one.png"}], [{"photo": "two.jpg"}]]

    @task
    def in_folder(rows: list[dict[str, str]], params: dict[str, Any] | None = None) -> list[dict[str, str]]:
        return [{"photo": f"{(params or {})['folder']}/photos/{row['photo']}"} for row in rows]

    MessageBatchSubmitOperator.partial(
        task_id="mapped", images="photo", prompt="What is this?", key="photo", **MODEL
    ).expand(rows=in_folder.expand(rows=names()))
