"""A table as the destination of whole tasks: how it is given, and what is refused before anything is sent."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_table import OWNER_COLUMN
from anthropic_batches_provider.errors import LedgerError
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.sources import read_rows
from tests.dags.conftest import DagRunner
from tests.dags.test_variety import shown
from tests.e2e.postgres import Databases
from tests.worlds.warehouse import Warehouse


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty database; its connection is ``warehouse``."""
    file = tmp_path / "warehouse.db"
    sqlite3.connect(file).close()
    file.touch()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    return file


def query(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def test_what_the_author_wrote_is_rendered_and_the_output_of_tasks_is_not(
    dags: DagRunner, database: Path, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("table_arguments")
    assert set(run.tasks.values()) == {"success"}
    tables = {name for (name,) in query(database, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {
        "day_20260314", "{{ ds }}", "shared", "expand_20260314", "mapped {{ ds }}", "decorated_20260314",
    }  # fmt: skip
    columns = [name for (name,) in query(database, "SELECT name FROM pragma_table_info('day_20260314')")]
    assert columns == ["o 2026-03-14", "id", "text", "result_type"]
    for table, rows in (("shared", 4), ("{{ ds }}", 6), ("decorated_20260314", 1)):
        assert query(database, f'SELECT count(*) FROM "{table}"') == [(rows,)]
    assert message_batch_simulator.control.billing().rows_billed == 17
    assert [row["id"] for row in run.xcom("read_back")] == [1, 2]
    assert run.xcom("rendered")["destination"] == "sql://warehouse@day_20260314"
    assert "sql://warehouse@day_20260314" in shown(run)


def test_each_instance_of_a_mapped_task_has_rows_of_its_own_and_replaces_no_others(
    dags: DagRunner, database: Path
) -> None:
    dags.run("table_arguments")
    sql = f"SELECT {OWNER_COLUMN}, count(*), count(DISTINCT id) FROM shared GROUP BY 1"
    owners = query(database, sql)
    assert [counts for _, *counts in owners] == [[2, 2], [2, 2]]
    query(database, "UPDATE shared SET text = 'of before'")
    dags.run("table_arguments")
    assert query(database, sql) == owners


def test_rows_that_another_run_has_replaced_are_not_read_as_those_of_the_manifest(
    dags: DagRunner, database: Path
) -> None:
    manifest = dags.run("table_arguments").xcom("rendered")
    assert len(list(read_rows(manifest))) == 2
    query(database, "DELETE FROM day_20260314 WHERE id = 1")
    with pytest.raises(LedgerError, match=r"has 1 row of .*the manifest says 2: another run has replaced"):
        list(read_rows(manifest))


@pytest.fixture(params=["sqlite", "postgres"])
def warehouse(
    request: pytest.FixtureRequest, databases: Databases, database: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Return a function that runs a statement on a database with five notes, and returns its rows."""
    execute: Any = lambda statement: query(database, statement)  # noqa: E731
    if request.param == "postgres":
        server = Warehouse.on(databases, f"checks_{uuid.uuid4().hex}")
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.connection())
        execute = server.execute
    execute("CREATE TABLE notes (id bigint, price double precision, word text)")
    for number in range(1, 6):
        execute(f"INSERT INTO notes VALUES ({number}, {number}.5, 'w{number}')")
    return execute


LABELS = (
    f"CREATE TABLE labels ({OWNER_COLUMN} text, id bigint, price double precision, result_type text, error_type text)"
)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], "there is no such table"),
        ([LABELS.replace("error_type text", "kind text")], "it has no column 'error_type'"),
        ([LABELS.replace(OWNER_COLUMN, "owner")], "says which rows belong to this task"),
        ([LABELS.replace("error_type text", "error_type text NOT NULL")], "column 'error_type' may not be null"),
        ([LABELS.replace("error_type text", "error_type integer")], "column 'error_type' is integer"),
        ([LABELS.replace("price double precision", "price bigint")], "column 'price' is bigint, but the rows have"),
    ],
)
def test_nothing_is_sent_if_the_table_does_not_fit(
    dags: DagRunner,
    warehouse: Any,
    message_batch_simulator: MessageBatchSimulator,
    capfd: pytest.CaptureFixture[str],
    before: list[str],
    expected: str,
) -> None:
    for statement in before:
        warehouse(statement)
    run = dags.run("table_checks")
    assert run.tasks == {"label": "failed"}
    assert run.dag_run.get_task_instances()[0].try_number == 1  # a retry would only repeat it
    output = capfd.readouterr()
    assert expected in (output.out + output.err).replace("INTEGER", "integer")  # as SQLite writes it
    assert "Nothing was sent." in output.out + output.err
    assert message_batch_simulator.control.billing().rows_billed == 0


def test_a_retry_finds_the_table_that_was_mended_and_pays_once(
    dags: DagRunner, warehouse: Any, message_batch_simulator: MessageBatchSimulator
) -> None:
    assert dags.run("table_checks").tasks == {"label": "failed"}
    warehouse(LABELS)
    for _ in range(2):
        assert dags.run("table_checks").tasks == {"label": "success"}
        found = warehouse("SELECT id, price, result_type FROM labels ORDER BY id")
        assert [tuple(row) for row in found] == [(number, number + 0.5, "succeeded") for number in range(1, 6)]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (5, 1)


def test_a_name_that_is_none_is_refused_when_it_is_rendered(
    dags: DagRunner, warehouse: Any, message_batch_simulator: MessageBatchSimulator
) -> None:
    run = dags.run("table_checks", {"table": "a;b"})
    assert run.tasks == {"label": "failed"}
    assert run.dag_run.get_task_instances()[0].try_number == 1
    assert message_batch_simulator.control.billing().rows_billed == 0
