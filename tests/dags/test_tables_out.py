"""Answers go into tables by whole tasks: Parquet, CSV, and a table of a database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pyarrow import parquet

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a database of notes; its connection is ``warehouse``."""
    file = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, word TEXT, text TEXT)")
        for word in ("one", "two", None):
            connection.execute("INSERT INTO notes (word, text) VALUES (?, ?)", (word, f"The word is {word}."))
        connection.commit()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    return file


def test_answers_become_tables(
    dags: DagRunner, database: Path, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    run = dags.run("tables_out", {"output": str(output)})
    assert set(run.tasks.values()) == {"success"}
    (part,) = (output / "parquet").glob("part-*.parquet")
    table = parquet.read_table(part)
    assert table.column("id").to_pylist() == [1, 2, 3]
    assert table.column("word").to_pylist() == ["one", "two", None]
    assert table.schema.field("parsed_score").type == "double"
    (part,) = (output / "csv").glob("part-*.csv")
    header, *lines = part.read_text().splitlines()
    assert header == "id,word,parsed_score,result_type"
    assert [line.split(",")[::3] for line in lines] == [[str(number), "succeeded"] for number in (1, 2, 3)]
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM labels ORDER BY id").fetchall()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert [(row["word"], row["verdict"]) for row in rows] == [("one", "fits"), ("two", "fits"), (None, "fits")]
    assert {"label", "score", "answer"} < set(rows[0].keys())
    assert tables == {"notes", "labels", "labels_2"}
    assert run.xcom("table")["table"]["table"] == "labels"
