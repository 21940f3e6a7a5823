"""Rows of a database, in whole tasks: what is rendered and what is not, and when they are read again."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.sqlite.hooks.sqlite import SqliteHook

from anthropic_batches_provider.batches.submission import shard_uploads
from anthropic_batches_provider.edge import sql_drivers, sql_reading
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in
from tests.dags.test_variety import shown
from tests.e2e.postgres import Databases
from tests.worlds.warehouse import Warehouse


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


@pytest.fixture(params=["sqlite", "postgres"])
def connections(
    request: pytest.FixtureRequest, databases: Databases, database: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Return the connections that the tasks open to a database with the notes of ``database``, on another server."""
    hook: Any = SqliteHook
    if request.param == "postgres":
        hook = PostgresHook
        warehouse = Warehouse.on(databases, f"again_{uuid.uuid4().hex}")
        warehouse.execute("CREATE TABLE notes (id int, word text, text text, price numeric(9, 2), day date)")
        warehouse.execute("INSERT INTO notes SELECT n, 'w', 'note ' || n, n + 0.5, date '2026-01-01' + n "
                          "FROM generate_series(1, 5) AS n")  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection())
    else:
        execute(database, "INSERT INTO notes (word, text) VALUES ('w', 'a'), ('w', 'b')")
    connect, opened = hook.get_conn, []

    def get_conn(hook: Any) -> Any:
        opened.append(connect(hook))
        return opened[-1]

    monkeypatch.setattr(hook, "get_conn", get_conn)
    return opened


def is_closed(connection: Any) -> bool:
    if not isinstance(connection, sqlite3.Connection):
        return bool(connection.closed)
    try:
        connection.total_changes  # noqa: B018 - raises an error if it is closed
    except sqlite3.ProgrammingError:
        return True
    return False


def test_a_table_becomes_answers_and_a_run_that_is_cleared_compares_its_rows(
    dags: DagRunner, connections: list[Any], message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    conf = {"output": str(tmp_path / "out")}
    for times in (1, 2):
        run = dags.run("sql_again", conf)
        assert run.tasks == {"label": "success"}
        assert [row["id"] for row in rows_in(tmp_path / "out")] == [1, 2, 3, 4, 5]
        assert len(connections) == times
        assert "a secret of the parameters" not in shown(run)
        assert "SELECT" not in json.dumps(run.xcom("label"))
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (5, 1)
    changed = dags.run("sql_again", {**conf, "query": "SELECT id, 'new' AS text FROM notes ORDER BY id"})
    assert changed.tasks == {"label": "failed"}
    assert message_batch_simulator.control.billing().rows_billed == 5
    assert all(map(is_closed, connections))


def test_values_of_a_database_come_back_exactly(
    dags: DagRunner, connections: list[Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert dags.run("sql_again", {"output": str(tmp_path / "out")}).tasks == {"label": "success"}
    last = rows_in(tmp_path / "out")[-1]
    if "price" in last:  # SQLite has neither
        assert (last["text"], last["price"], last["day"]) == ("note 5", "5.50", "2026-01-06")
    else:
        assert (last["word"], last["text"]) == ("w", "b")


def test_a_retry_after_the_job_is_sealed_does_not_read_again(
    dags: DagRunner, connections: list[Any], message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_fault("create", "status", nth=2, status=400)
    assert dags.run("sql_again", {"output": str(tmp_path / "out")}).tasks == {"label": "success"}
    assert [row["id"] for row in rows_in(tmp_path / "out")] == [1, 2, 3, 4, 5]
    assert len(connections) == 1
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (5, 1)


def test_a_retry_reads_from_the_start_if_sealing_broke_off_which_leaves_no_connection(
    dags: DagRunner,
    connections: list[Any],
    message_batch_simulator: MessageBatchSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload, closed_at_failure = shard_uploads.upload_shard, []

    def fail_once(*arguments: Any) -> Any:
        if len(connections) == 1:
            raise OSError("the disk is full")
        closed_at_failure.append(is_closed(connections[0]))
        return upload(*arguments)

    monkeypatch.setattr(shard_uploads, "upload_shard", fail_once)
    assert dags.run("sql_again", {"output": str(tmp_path / "out")}).tasks == {"label": "success"}
    assert [row["id"] for row in rows_in(tmp_path / "out")] == [1, 2, 3, 4, 5]
    assert len(connections) == 2
    assert set(closed_at_failure) == {True}
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (5, 1)


def test_a_database_that_fails_is_asked_again_by_a_retry(
    dags: DagRunner, connections: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = sql_drivers.driver_of

    def lost_once(connection: Any) -> Any:
        if len(connections) == 1:
            connection.close()
        return read(connection)

    monkeypatch.setattr(sql_reading, "driver_of", lost_once)
    states = dags.run("sql_again", {"output": str(tmp_path / "out")}).tasks
    if isinstance(connections[0], sqlite3.Connection):  # which calls a closed connection a mistake
        assert states == {"label": "failed"}
    else:
        assert states == {"label": "success"}
        assert len(connections) == 2


def test_a_wrong_query_is_not_retried(dags: DagRunner, connections: list[Any], tmp_path: Path) -> None:
    run = dags.run("sql_again", {"output": str(tmp_path / "out"), "query": "SELECT * FROM nowhere"})
    assert run.tasks == {"label": "failed"}
    assert len(connections) == 1
