"""Tag a folder of pictures: each file is a row, and ``images="path"`` shows it to Claude.

The answers are checked against a pydantic model, and ``count`` gets its fields with their types. A file that is no
picture makes a bad row: the row says what the file seems to be, and up to 5 % of the rows may fail.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files, read_rows

PICTURES = Path(__file__).parent / "data" / "pictures"


class Tags(BaseModel):
    """What is asked about each picture."""

    kind: Literal["photo", "drawing", "screenshot", "diagram", "other"]
    tags: list[str] = Field(max_length=8, description="At most eight, in lower case, the most important first")
    shows_people: bool


with DAG(
    "tag_pictures",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "pictures": Param(str(PICTURES), type="string", description="Folder or URI of the pictures"),
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    tag = MessageBatchOperator(
        task_id="tag",
        rows=files("{{ params.pictures }}/*", format="whole"),
        key="name",
        images="path",
        model="claude-haiku-5-5",
        prompt="Tag this picture.",
        output_schema=Tags,
        max_tokens=300,
        destination="{{ params.output }}/tag_pictures/{{ run_id }}",
        max_failed_rows=0.05,
    )

    @task
    def count(manifest: dict[str, Any]) -> dict[str, int]:
        """Count the tags; a real DAG would write them to a search index."""
        answers = [Tags.model_validate(row["parsed"]) for row in read_rows(manifest) if row["verdict"] == "fits"]
        return dict(Counter(name for answer in answers for name in answer.tags).most_common(20))

    count(tag.output)  # type: ignore[arg-type]
