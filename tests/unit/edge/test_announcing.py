"""What the event of an asset says of an output, and which asset an alias gets."""

from __future__ import annotations

import json
import logging
from typing import Any

import msgspec
import pytest
from airflow.sdk import AssetAlias

from anthropic_batches_provider.batches.money.costs import KindCosts
from anthropic_batches_provider.batches.money.job_cost import JobCost
from anthropic_batches_provider.batches.money.model_costs import ModelCost
from anthropic_batches_provider.batches.output.manifest import (
    Manifest,
    OutputColumn,
    PartFile,
    RowCounts,
    TableRecord,
    Times,
)
from anthropic_batches_provider.edge.announcing import MOST_COLUMNS, MOST_FILES, announce, extra_of

TABLE = TableRecord(conn_id="warehouse", table="labels", owner_column="unit", owner="d/t/u/-")


def manifest(destination: str, *, parts: int = 1, columns: int = 1, table: TableRecord | None = None) -> Manifest:
    return Manifest(
        provider_version="0",
        job="file:///jobs/job-0001",
        owner="d/t/u/-",
        destination=destination,
        table=table,
        columns=tuple(OutputColumn(name=f"c{number}", type="string") for number in range(columns)),
        output_format="csv",
        batch_ids=("msgbatch_1",),
        parts=tuple(PartFile.at(destination, f"part-{number}", rows=1, size=1) for number in range(parts)),
        counts=RowCounts(rows=1, succeeded=1),
        stop_reasons={},
        errors={},
        usage={},
        times=Times(submitted_at="", ended_at=None, collected_at=""),
    )


def test_an_event_names_so_many_files_and_columns_and_says_how_many_there_are() -> None:
    extra = extra_of(manifest("s3://c@bucket/out", parts=MOST_FILES + 5, columns=MOST_COLUMNS + 5))
    assert (len(extra["files"]), extra["file_count"]) == (MOST_FILES, MOST_FILES + 5)
    assert (len(extra["columns"]), extra["column_count"]) == (MOST_COLUMNS, MOST_COLUMNS + 5)
    assert json.loads(json.dumps(extra)) == extra


def test_an_event_tells_the_sums_of_the_cost_and_null_if_prices_are_not_known() -> None:
    figures = ModelCost(batch=KindCosts(input=3), live=KindCosts(input=7), unknown={"nobody knows": 1})
    priced = msgspec.structs.replace(manifest("s3://c@bucket/out"), cost=JobCost.of({"m": figures}))
    assert extra_of(priced)["cost"] == {
        "cost_usd": "0.000000000003",
        "at_least": True,
        "live_usd": "0.000000000007",
        "saved_by_batch_usd": "0.000000000004",
    }
    assert extra_of(manifest("s3://c@bucket/out"))["cost"] is None


class _Events:
    """The events of one alias, which every outlet has here."""

    def __init__(self) -> None:
        self.uris: list[str] = []

    def __getitem__(self, outlet: Any) -> _Events:
        return self

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        self.uris.append(asset.uri)


class _TaskInstance:
    def xcom_push(self, key: str, value: Any) -> None: ...


def added(published: Manifest) -> list[str]:
    events = _Events()
    context: Any = {
        "ti": _TaskInstance(),
        "task": type("Task", (), {"outlets": [AssetAlias("alias")]}),
        "outlet_events": events,
    }
    announce(context, published, None)
    return events.uris


@pytest.mark.parametrize(
    ("destination", "table", "uris"),
    [
        ("s3://conn_id@bucket/out", None, ["s3://bucket/out"]),
        ("file:///out", None, ["file:///out"]),
        ("sql://warehouse@labels", TABLE, ["x-sqlite:///data/w.db/labels"]),
        ("xcom", None, []),
    ],
)
def test_an_alias_gets_an_asset_for_the_folder_or_the_table(
    destination: str, table: TableRecord | None, uris: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": "/data/w.db"}))
    assert added(manifest(destination, table=table)) == uris


def test_a_table_that_cannot_be_named_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE", raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 1}))
    with caplog.at_level(logging.WARNING):
        assert added(manifest("sql://warehouse@labels", table=TABLE)) == []
    assert "The asset alias gets no asset for sql://warehouse@labels" in caplog.text
