"""Rows of a database, in whole tasks: what is rendered and what is not, and when they are read again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a database of notes; its connection is ``warehouse``."""
    file = tmp_path / "warehouse.db"
    execute(file, "CREATE TABLE notes (id INTEGER PRIMARY KEY, word TEXT, text TEXT)")
    for word in ("{{ ds }}", "20260314", "2026-03-14"):
        execute(file, "INSERT INTO notes (word, text) VALUES (?, ?)", (word, f"The word is {word}."))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    return file


def execute(file: Path, statement: str, parameters: tuple[Any, ...] = ()) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement, parameters)
        connection.commit()


def test_what_the_author_wrote_is_rendered_and_the_output_of_tasks_is_not(
    dags: DagRunner, database: Path, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    run = dags.run("sql_rows", {"output": str(output)})
    states = {task: state for task, state in run.tasks.items() if state != "success"}
    assert states == {"no_file": "failed", "no_rows": "skipped"}
    ids = {str(each.relative_to(output)): rows_in(each) for each in (path.parent for path in output.rglob("part-*"))}
    assert {folder: [row["id"] for row in rows] for folder, rows in ids.items()} == {
        "inline": [1, 2], "file": [1], "of_a_task": [1, 2], "of_a_function": [1], "partial/0/map_index=0": [1],
        "expand/0/map_index=0": [1], "expand/1/map_index=1": [2], "expand_kwargs/0/map_index=0": [1],
    }  # fmt: skip
    assert {row["day"] for row in ids["inline"] + ids["file"]} == {"2026-03-14"}
    assert {row["day"] for row in ids["of_a_task"]} == {"{{ ds }}"}
    assert message_batch_simulator.control.billing().rows_billed == 10
