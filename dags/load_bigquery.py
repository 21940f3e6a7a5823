"""Write a day's answers as Parquet to Google Cloud Storage, and let BigQuery's own operator load them.

BigQuery takes files, not rows: ``load`` loads exactly the files that the manifest lists, into the day's partition of
the table (``reviews$20260314``). ``WRITE_TRUNCATE`` replaces that partition alone, so that a retry, a clear and a
backfill leave each row once. BigQuery makes the table in the first run, partitioned by day.

The types of the columns are those of the Parquet files. JSON of any shape is text there: ``PARSE_JSON`` reads it.

Needs the connections ``anthropic_default`` and ``google_cloud_default``, the extras ``[parquet]`` and ``[gcs]``, and
the params ``bucket`` and ``table``. Without Google's provider, the DAG writes the files and ends there; in a DAG of
your own, import the operator plainly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel

from anthropic_batches_provider.operators import MessageBatchOperator

try:
    from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator
except ImportError:
    GCSToBigQueryOperator = None

REVIEWS = Path(__file__).parent / "data" / "reviews" / "*" / "*.csv"


class Label(BaseModel):
    """What is asked about each review."""

    sentiment: Literal["positive", "neutral", "negative"]
    stars: int


@task
def objects(manifest: dict[str, Any]) -> list[str]:
    """Return the names of the files in their bucket."""
    return [part["uri"].split("/", 3)[3] for part in manifest["parts"]]


with DAG(
    "load_bigquery",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={"bucket": "my-bucket", "table": "my-project.shop.reviews", "reviews": Param(str(REVIEWS), type="string")},
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    label = MessageBatchOperator(
        task_id="label",
        rows="{{ params.reviews }}",
        key="review_id",
        keep=["received", "product"],
        model="claude-haiku-5-5",
        prompt="Label this review of a {{ row.product }}:\n\n{{ row.text }}",
        output_schema=Label,
        max_tokens=100,
        destination="gs://google_cloud_default@{{ params.bucket }}/labels/dt={{ ds }}",
        output_format="parquet",
    )

    if GCSToBigQueryOperator is not None:
        GCSToBigQueryOperator(
            task_id="load",
            bucket="{{ params.bucket }}",
            source_objects=objects(label.output),  # type: ignore[arg-type]
            source_format="PARQUET",
            destination_project_dataset_table="{{ params.table }}${{ ds_nodash }}",
            write_disposition="WRITE_TRUNCATE",
        )
