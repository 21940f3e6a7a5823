"""The events of asset outlets: which table or files, how many rows, and which columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import airflow
import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, Run

COLUMNS = [
    {"name": "number", "type": "int64"},
    {"name": "text", "type": "string"},
    {"name": "result_type", "type": "string"},
]


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the path of an empty database of SQLite, with connection ``warehouse``."""
    (tmp_path / "warehouse.db").touch()
    path = str(tmp_path / "warehouse.db")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": path}))
    return path


def events_of(run: Run) -> dict[str, dict[str, Any]]:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.execute(
            select(AssetModel.uri, AssetEvent.extra)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetEvent.source_run_id == run.dag_run.run_id)
        ).all()
    return {row.uri: row.extra for row in events}


@pytest.mark.skipif(airflow.__version__.startswith("3.0."), reason="dag.test() of Airflow 3.0 takes no outlets")
def test_events_name_table_or_files_rows_columns_and_dead_letters(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, warehouse: str, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome("errored", text_matches="2$", error_type="invalid_request_error")
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"number": {n}, "text": "word {n}"}}\n' for n in range(3)))
    out = tmp_path / "out"
    run = dags.run("outlets_of_tables", {"rows": str(tmp_path / "rows.jsonl"), "destination": str(out)})
    assert set(run.tasks.values()) == {"success"}, run.tasks
    told = events_of(run)
    table_uri = f"x-sqlite://{warehouse}/labels"
    assert set(told) == {"table_labels", table_uri, "csv_labels", out.as_uri(), "xcom_labels"}
    assert told["table_labels"] == told[table_uri]
    assert told["csv_labels"] == told[out.as_uri()]
    table, files, xcom = told[table_uri], told["csv_labels"], told["xcom_labels"]
    for task_id, extra in (("table", table), ("csv", files), ("xcom", xcom)):
        cost = run.xcom(task_id, "manifest")["cost"]
        assert extra["cost"] == {
            name: cost[name] for name in ("cost_usd", "at_least", "live_usd", "saved_by_batch_usd")
        }
        assert (extra["rows"], extra["counts"]["errored"], extra["dead_letters"]["rows"]) == (3, 1, 1)
    assert table["table"] == {
        "conn_id": "warehouse",
        "table": "labels",
        "owner_column": "anthropic_batches_unit",
        "owner": run.xcom("table", "manifest")["owner"],
    }
    assert (table["files"], table["file_count"], table["manifest"], table["output_format"]) == ([], 0, None, None)
    assert table["columns"] == files["columns"] == COLUMNS
    assert (files["table"], files["output_format"], files["manifest"]) == (
        None,
        "csv",
        f"{out.as_uri()}/_manifest.json",
    )
    assert files["files"] == [part.as_uri() for part in out.glob("part-*.csv")]
    assert (xcom["table"], xcom["files"], xcom["columns"], xcom["manifest"]) == (None, [], [], None)
