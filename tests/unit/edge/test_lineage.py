"""What a task read and wrote, as datasets of OpenLineage."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from anthropic_batches_provider.batches.output.manifest import (
    Manifest,
    OutputColumn,
    PartFile,
    RowCounts,
    TableRecord,
    Times,
)
from anthropic_batches_provider.edge.lineage import MOST_INPUTS, dataset_of_uri, lineage_of
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.operators import MessageBatchResultsOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.sources import SqlRows, files

JOB = {"job": "file:///jobs/d/t/u/-/job-0001", "conn_id": "anthropic_default", "batch_ids": []}
POSTGRES = {"conn_type": "postgres", "host": "db.example", "schema": "lake", "login": "me", "password": "s3cret"}


@pytest.fixture
def openlineage() -> None:
    pytest.importorskip(
        "airflow.providers.openlineage", reason="the OpenLineage provider is not installed here: it is optional"
    )


def published(destination: str, *, table: str = "", columns: tuple[str, ...] = ()) -> Manifest:
    owner = TableRecord(conn_id="warehouse", table=table, owner_column="unit", owner="d/t/u/-") if table else None
    return Manifest(
        provider_version="0",
        job="file:///jobs/job-0001",
        owner="d/t/u/-",
        destination=destination,
        table=owner,
        columns=tuple(OutputColumn(name=name, type="string") for name in columns),
        output_format="csv",
        batch_ids=("msgbatch_1",),
        parts=tuple(PartFile.at(destination, f"part-{number}", rows=1, size=10) for number in range(2)),
        counts=RowCounts(rows=2, succeeded=2),
        stop_reasons={},
        errors={},
        usage={},
        times=Times(submitted_at="", ended_at=None, collected_at=""),
    )


@pytest.mark.parametrize(
    ("uri", "dataset"),
    [
        ("/data/rows.jsonl", ("file", "/data/rows.jsonl")),
        ("file:///data/out/", ("file", "/data/out")),
        ("file:///data/dt=*/rows-?.csv", ("file", "/data")),
        ("file:///*", ("file", "/")),
        ("s3://conn_id@bucket/a/b.csv", ("s3://bucket", "a/b.csv")),
        ("s3a://bucket/a/*.csv", ("s3://bucket", "a")),
        ("gcs://c@bucket", ("gs://bucket", "/")),
        ("abfs://c@container/a/", ("abfs://container", "a")),
    ],
)
def test_files_and_folders_are_named_by_the_rules_of_openlineage(uri: str, dataset: tuple[str, str]) -> None:
    assert dataset_of_uri(uri) == dataset


def no_rows() -> list[Any]:
    return []


class _TaskInstance:
    """What Airflow hands to a method that tells the lineage."""

    def get_template_context(self) -> Any:
        return {"task": None}


def names(datasets: list[Any]) -> list[tuple[str, str]]:
    return [(dataset.namespace, dataset.name) for dataset in datasets]


def inputs_of(*sources: Any) -> list[tuple[str, str]]:
    lineage = lineage_of(_TaskInstance(), [RowsArgument(source) for source in sources], None)
    assert lineage.outputs == []
    return names(lineage.inputs)


@pytest.mark.usefixtures("openlineage")
def test_inputs_are_the_files_and_tables_that_rows_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(POSTGRES))
    monkeypatch.setenv("AIRFLOW_CONN_LOCAL", json.dumps({"conn_type": "sqlite", "host": "/data/w.db"}))
    joined = "SELECT n.id FROM mart.notes n JOIN raw.words w ON w.id = n.id WHERE n.day = %s"
    assert inputs_of(
        ["/a.csv", "s3://c@bucket/b/*.csv"],
        files(Path("/c.txt"), format="csv"),
        [SqlRows("local", "SELECT * FROM notes"), "/a.csv"],
        SqlRows("warehouse", joined, ["2026-01-01"]),
        [{"id": 1}],
        no_rows,
        None,
    ) == [
        ("file", "/a.csv"),
        ("s3://bucket", "b"),
        ("file", "/c.txt"),
        ("sqlite:///data/w.db", "notes"),
        ("postgres://db.example:5432", "lake.mart.notes"),
        ("postgres://db.example:5432", "lake.raw.words"),
    ]


@pytest.mark.usefixtures("openlineage")
def test_files_that_all_rows_share_are_inputs_too() -> None:
    operator = MessageBatchSubmitOperator(
        task_id="t",
        rows="/a.csv",
        prompt="{{ row.id }}",
        model="m",
        max_tokens=1,
        shared_context=["A guide.", Path("/guides/a.pdf"), "s3://c@bucket/b.md", "found_as_templates_are.md"],
    )
    lineage = operator.get_openlineage_facets_on_complete(_TaskInstance())
    assert names(lineage.inputs) == [("file", "/guides/a.pdf"), ("s3://bucket", "b.md"), ("file", "/a.csv")]


@pytest.mark.usefixtures("openlineage")
def test_so_many_inputs_are_named_and_one_that_cannot_be_named_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert inputs_of(SqlRows("missing_connection", "SELECT secret FROM notes"), "/a") == [("file", "/a")]
    assert "The tables of SqlRows on 'missing_connection' are missing from the lineage" in caplog.text
    assert "secret" not in caplog.text
    assert len(inputs_of([f"/{number}.csv" for number in range(MOST_INPUTS + 9)])) == MOST_INPUTS


@pytest.mark.usefixtures("openlineage")
@pytest.mark.parametrize(
    ("manifest", "dataset", "size"),
    [
        (published("s3://c@bucket/out", columns=("id", "text")), ("s3://bucket", "out"), 20),
        (
            published("sql://warehouse@mart.labels", table="mart.labels", columns=("id", "text")),
            ("postgres://db.example:5432", "lake.mart.labels"),
            None,
        ),
    ],
    ids=["a folder", "a table"],
)
def test_the_output_has_its_columns_and_rows(
    manifest: Manifest, dataset: tuple[str, str], size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(POSTGRES))
    (output,) = lineage_of(_TaskInstance(), (), manifest).outputs
    assert (output.namespace, output.name) == dataset
    assert [(field.name, field.type) for field in output.facets["schema"].fields] == [
        ("id", "string"),
        ("text", "string"),
    ]
    assert output.outputFacets["outputStatistics"].rowCount == 2
    assert output.outputFacets["outputStatistics"].size == size
    assert "s3cret" not in repr(output)


@pytest.mark.usefixtures("openlineage")
def test_json_lines_have_no_columns_and_xcom_is_no_dataset() -> None:
    (output,) = lineage_of(_TaskInstance(), (), published("file:///out")).outputs
    assert output.facets == {}
    assert lineage_of(_TaskInstance(), (), published("xcom")).outputs == []


@pytest.mark.usefixtures("openlineage")
def test_operators_tell_what_they_published_also_if_they_fail() -> None:
    with DAG("d"):
        submit = MessageBatchSubmitOperator(
            task_id="submit", rows="/rows.jsonl", key="id", prompt="{{ row.id }}", model="m", max_tokens=1
        )
        results = MessageBatchResultsOperator(task_id="results", job=JOB, destination="/out")
    told = submit.get_openlineage_facets_on_complete(_TaskInstance())
    assert (names(told.inputs), told.outputs) == ([("file", "/rows.jsonl")], [])
    assert results.get_openlineage_facets_on_failure(_TaskInstance()).outputs == []
    results.published = published("file:///out")
    assert names(results.get_openlineage_facets_on_failure(_TaskInstance()).outputs) == [("file", "/out")]
