"""``columns=`` in each kind of output; other columns on a second run cost nothing and leave no old file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.sources import read_rows
from tests.dags.conftest import DagRunner

FILES = ("jsonl", "jsonl.gz")
TABLES = ("csv", "parquet")
REST = [
    "custom_id", "batch_id", "result_type", "answer", "verdict", "stop_reason", "error_type", "error_message",
    "error_details", "model", "cost_usd", "earlier_rounds",
]  # fmt: skip


def choose(monkeypatch: pytest.MonkeyPatch, in_files: Any, in_tables: Any, in_databases: Any) -> None:
    monkeypatch.setenv("CHOSEN_COLUMNS", json.dumps([in_files, in_tables, in_databases]))


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of an output, in which nothing but the files of its manifest lies."""
    manifest = json.loads((folder / "_manifest.json").read_bytes())
    assert {file.name for file in folder.iterdir()} == {
        "_manifest.json", "_owner.json", *(part["name"] for part in manifest["parts"]),
    }  # fmt: skip
    rows = list(read_rows(folder))
    assert [str(row["id"]) for row in rows] == ["1", "2", "3"]
    if manifest["columns"]:
        assert [column["name"] for column in manifest["columns"]] == list(rows[0])
    return rows


def rows_of_table(database: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY id')]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty database; its connection is ``warehouse``."""
    file = tmp_path / "warehouse.db"
    file.touch()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    return file


def test_columns_are_chosen_in_each_output_and_changed_at_no_cost(
    dags: DagRunner,
    database: Path,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    output = tmp_path / "out"
    renamed = {"text": "answer", "usage": None}
    choose(monkeypatch, renamed, {**renamed, "parsed": ""}, {**renamed, "parsed": ""})
    run = dags.run("chosen_columns", {"output": str(output)})
    assert set(run.tasks.values()) == {"success"}
    billed = message_batch_simulator.control.billing()
    assert billed.rows_billed == 8 * 3
    place = REST.index("answer") + 1
    in_files, in_tables = [*REST[:place], "parsed", *REST[place:]], [*REST[:place], "label", "score", *REST[place:]]
    for form, own in (("one", "text"), ("three", "word")):
        for name in FILES:
            assert [list(row) for row in rows_of(output / form / name)] == [["id", own, *in_files]] * 3
        for name in TABLES:
            rows = rows_of(output / form / name)
            assert [list(row) for row in rows] == [["id", own, *in_tables]] * 3
            assert [row[own] for row in rows] == ["one", "two", ""]
        assert [list(row) for row in run.xcom(f"{form}_xcom")] == [["id", own, *in_files]] * 3
        assert {*rows_of_table(database, form)[0]} == {"id", own, *in_tables, "anthropic_batches_unit"}
        assert [list(row) for row in read_rows(run.xcom(f"{form}_table"))] == [["id", own, *in_tables]] * 3
    assert [row["text"] for row in run.xcom("decorated")] == ["one", "two", ""]
    csv_row, parquet_row = (rows_of(output / "one" / name)[0] for name in TABLES)
    assert (type(csv_row["score"]), type(parquet_row["score"])) == (str, float)

    before = set(output.rglob("part-*"))
    choose(monkeypatch, ["verdict", "parsed"], ["verdict", "parsed_label"], ["verdict", "result_type"])
    run = dags.run("chosen_columns", {"output": str(output)})
    assert set(run.tasks.values()) == {"success"}
    for form, own in (("one", "text"), ("three", "word")):
        for name in (*FILES, *TABLES):
            rows = rows_of(output / form / name)
            assert list(rows[0]) == ["id", own, "verdict", "parsed" if name in FILES else "parsed_label"]
            assert rows[0]["verdict"] == "fits"
        assert [list(row) for row in run.xcom(f"{form}_xcom")] == [["id", own, "verdict", "parsed"]] * 3
        assert [(row["verdict"], row["label"]) for row in rows_of_table(database, form)] == [("fits", None)] * 3
        assert [list(row)[2:] for row in read_rows(run.xcom(f"{form}_table"))] == [["verdict", "result_type"]] * 3
    assert [list(row) for row in run.xcom("decorated")] == [["id", "text", "verdict", "parsed"]] * 3
    assert before.isdisjoint(output.rglob("part-*"))

    choose(monkeypatch, [], [], [])
    run = dags.run("chosen_columns", {"output": str(output)})
    assert set(run.tasks.values()) == {"success"}
    for form, own in (("one", "text"), ("three", "word")):
        expected = [{"id": 1, own: "one"}, {"id": 2, own: "two"}, {"id": 3, own: ""}]
        for name in (*FILES, *TABLES):
            rows = rows_of(output / form / name)
            assert rows == ([{**row, "id": str(row["id"])} for row in expected] if name == "csv" else expected)
        assert run.xcom(f"{form}_xcom") == expected
        assert [row["verdict"] for row in rows_of_table(database, form)] == [None] * 3
    assert message_batch_simulator.control.billing() == billed
