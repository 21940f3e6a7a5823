"""Summarize a folder of articles: each file is a row, and its text goes into the prompt.

With the parameter ``articles`` it reads a folder of your own on a disk or in an object store: 1,000 files cost what
their text costs. A file that is no text makes a bad row, and up to 1 % of the rows may be bad.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing.
"""

from __future__ import annotations

from pathlib import Path

import pendulum
from airflow.sdk import DAG, Param

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import files

ARTICLES = Path(__file__).parent / "data" / "articles"

with DAG(
    "summarize_articles",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "articles": Param(str(ARTICLES), type="string", description="Folder or URI of the articles"),
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    MessageBatchOperator(
        task_id="summarize",
        rows=files("{{ params.articles }}/*.txt", format="whole"),
        key="name",
        keep=["size", "modified"],
        model="claude-haiku-5-5",
        prompt="Summarize this article in three sentences.\n\n<article>\n{{ row.text }}\n</article>",
        max_tokens=300,
        destination="{{ params.output }}/summarize_articles/{{ run_id }}",
        max_failed_rows=0.01,
    )
