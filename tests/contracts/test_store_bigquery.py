"""The example DAG that loads Parquet into BigQuery: the answers lie in a bucket, and the load job names them."""

from __future__ import annotations

import os
from typing import Any
from unittest import mock

import pytest

from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.contracts.store_servers import Store
from tests.dags.conftest import DagRunner


def test_the_files_of_the_manifest_replace_the_partition_of_the_day(
    gcs: Store, dags: DagRunner, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    bigquery = pytest.importorskip("airflow.providers.google.cloud.hooks.bigquery")
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", os.environ["AIRFLOW_CONN_GCS"])
    folder = gcs.folder()
    bucket = folder.partition("@")[2].partition("/")[0]
    loads: list[dict[str, Any]] = []

    def insert_job(hook: object, *, configuration: dict[str, Any], **_: object) -> Any:
        loads.append(configuration["load"])
        return mock.Mock(job_id="job", error_result=None, to_api_repr=lambda: {"configuration": configuration})

    monkeypatch.setattr(bigquery.BigQueryHook, "insert_job", insert_job)
    run = dags.run("load_bigquery", {"bucket": bucket, "table": "my-project.shop.reviews"})
    assert run.tasks == {"label": "success", "objects": "success", "load": "success"}
    (load,) = loads
    output = f"gs://{bucket}/labels/dt=2026-03-14"
    assert load["sourceUris"] == [
        f"{output}/{name}"
        for name in open_storage(output.replace("//", "//gcs@")).list("")
        if name.endswith(".parquet")
    ]
    assert len(load["sourceUris"]) == len(run.xcom("label")["parts"]) == 1
    assert load["destinationTable"] == {"projectId": "my-project", "datasetId": "shop", "tableId": "reviews$20260314"}
    assert (load["sourceFormat"], load["writeDisposition"]) == ("PARQUET", "WRITE_TRUNCATE")
    assert load["timePartitioning"] == {"type": "DAY"}
    assert message_batch_simulator.control.billing().rows_billed == 12
