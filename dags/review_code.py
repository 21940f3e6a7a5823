"""Review the code of a repository: each file is a row, and its findings become lines of a table.

A wildcard does not match ``/``, so there is one pattern for each level of folders. Names that begin with ``.`` or ``_``
are passed over, except where a pattern begins with the same character.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files, read_rows

LEVELS = ["*.py", "*/*.py", "*/*/*.py", "*/*/*/*.py"]


class Finding(BaseModel):
    """One thing that a reviewer would say."""

    line: int = Field(ge=1)
    severity: Literal["bug", "risk", "style"]
    problem: str = Field(max_length=300)


class Review(BaseModel):
    """What is asked about each file."""

    findings: list[Finding] = Field(description="The most severe first; empty if there is nothing to say")


with DAG(
    "review_code",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "repository": Param(str(Path(__file__).parent), type="string", description="Folder or URI of the code"),
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    review = MessageBatchOperator(
        task_id="review",
        rows=files([f"{{{{ params.repository }}}}/{level}" for level in LEVELS], format="whole"),
        key="path",
        model="claude-opus-5-5",
        prompt="Review this file, {{ row.name }}.\n\n<code>\n{{ row.text }}\n</code>",
        output_schema=Review,
        max_tokens=4000,
        destination="{{ params.output }}/review_code/{{ run_id }}",
        max_failed_rows=0.05,
    )

    @task
    def bugs(manifest: dict[str, Any]) -> list[str]:
        """Return the bugs as path, line and problem; a real DAG would open issues."""
        reviews = [(row["path"], Review.model_validate(row["parsed"])) for row in read_rows(manifest) if row["parsed"]]
        found = [(path, finding) for path, each in reviews for finding in each.findings if finding.severity == "bug"]
        return [f"{path}:{finding.line}: {finding.problem}" for path, finding in found]

    bugs(review.output)  # type: ignore[arg-type]
