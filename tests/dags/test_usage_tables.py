"""The usage of whole tasks goes into one table, and a table that cannot take it loses no output."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_tables.target import SqlTarget
from anthropic_batches_provider.errors import SourceError
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import LOGICAL_DATE, DagRunner, check_told, rows_in

TASKS = {"folder": 5, "mapped": 3, "of_tables": 1, "decorated": 2, "results": 3}
BILLED = sum(TASKS.values())
UNIT = LOGICAL_DATE.isoformat()


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Any]]:
    """Return what runs a statement in the database of the connection ``warehouse``."""
    file = tmp_path / "warehouse.db"
    file.touch()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))

    def execute(statement: str) -> list[Any]:
        with closing(sqlite3.connect(file)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows

    return execute


def made(check: str = "") -> str:
    """Return the statement of the page, for SQLite.

    :param check: what the table refuses.
    """
    page = (Path(__file__).parents[2] / "docs" / "money.md").read_text()
    statement = (
        "CREATE TABLE anthropic_usage (" + page.partition("CREATE TABLE anthropic_usage (")[2].partition(");")[0]
    )
    return f"{statement.replace('NUMERIC(18, 12)', 'TEXT').rstrip()}{check})"


def test_tasks_of_each_kind_load_their_usage(
    dags: DagRunner,
    warehouse: Callable[[str], list[Any]],
    message_batch_simulator: MessageBatchSimulator,
    tmp_path: Path,
) -> None:
    warehouse(made())
    for _ in range(2):  # the second has the effect of clearing the whole run
        run = dags.run("usage_tables", {"output": str(tmp_path / "out")})
        assert set(run.tasks.values()) == {"success"}
        rows = warehouse("SELECT * FROM anthropic_usage ORDER BY anthropic_batches_unit, batch_id")
        requests: dict[str, int] = {}
        for row in rows:
            owner = row["anthropic_batches_unit"]
            requests[owner] = requests.get(owner, 0) + row["requests"]
        of_run = f"{UNIT}/{{}}/job-0001"
        assert requests == {
            f"usage_tables/decorated/{of_run.format('-')}": 2,
            f"usage_tables/folder/{of_run.format('-')}": 5,
            f"usage_tables/mapped/{of_run.format(0)}": 1,
            f"usage_tables/mapped/{of_run.format(1)}": 2,
            f"usage_tables/of_tables/{of_run.format(0)}": 1,
            f"usage_tables/submit/{of_run.format('-')}": 3,
        }
        bill = message_batch_simulator.control.billing()
        assert bill.rows_billed == BILLED
        for name in ("input_tokens", "output_tokens"):
            assert sum(row[name] for row in rows) == getattr(bill.tokens, name)
        manifest = run.xcom("folder", "manifest")
        of_folder = [row for row in rows if "/folder/" in row["anthropic_batches_unit"]]
        assert sum(Decimal(row["cost_usd"]) for row in of_folder) == Decimal(manifest["cost"]["cost_usd"])
        tokens = [sum(row[name] for row in of_folder) for name in ("input_tokens", "output_tokens")]
        assert (
            Decimal(manifest["cost"]["live_usd"]) == (tokens[0] * Decimal("0.3") + tokens[1] * Decimal("1.7")) / 10**6
        )
        assert {row["batch_id"] for row in of_folder} == set(manifest["batch_ids"])
        names = [name for name in of_folder[0].keys() if name != "anthropic_batches_unit"]  # noqa: SIM118 - no dict
        in_file = json.loads((tmp_path / "out" / "folder" / "_usage.json").read_bytes())
        assert sorted(list(row.values()) for row in in_file) == sorted(
            [row[name] for name in names] for row in of_folder
        )


def test_a_table_that_does_not_fit_is_refused_before_a_row_is_sent(
    dags: DagRunner,
    warehouse: Callable[[str], list[Any]],
    message_batch_simulator: MessageBatchSimulator,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    warehouse(made().replace("cost_usd TEXT", "cost_usd INTEGER", 1))
    run = dags.run("usage_tables", {"output": str(tmp_path / "out")})
    tasks = {**run.tasks}
    assert (tasks.pop("submit"), tasks.pop("wait")) == ("success", "success")  # they neither collect nor load
    assert set(tasks.values()) == {"failed"}
    assert message_batch_simulator.control.billing().rows_billed == TASKS["results"]
    check_told(capfd, "usage_table=SqlTable on 'warehouse'", "column 'cost_usd' is INTEGER", "Nothing was sent.")
    assert not (tmp_path / "out").exists()


def test_a_table_that_refuses_the_rows_fails_the_tasks_after_their_output_is_there(
    dags: DagRunner,
    warehouse: Callable[[str], list[Any]],
    message_batch_simulator: MessageBatchSimulator,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    warehouse(made(", CHECK (requests < 0)"))
    run = dags.run("usage_tables", {"output": str(tmp_path / "out")})
    assert {run.tasks[name] for name in TASKS} == {"failed"}
    check_told(capfd, "CHECK constraint failed", "The output is published", "only its usage is not in this table")
    assert len(rows_in(tmp_path / "out" / "folder")) == TASKS["folder"]
    assert len(warehouse("SELECT * FROM answers")) == TASKS["results"]
    assert len(run.xcom("decorated")) == TASKS["decorated"]
    assert run.xcom("folder", "manifest") == run.xcom("folder")
    warehouse("DROP TABLE anthropic_usage")
    warehouse(made())
    assert set(dags.run("usage_tables", {"output": str(tmp_path / "out")}).tasks.values()) == {"success"}
    assert sum(row["requests"] for row in warehouse("SELECT requests FROM anthropic_usage")) == BILLED
    assert message_batch_simulator.control.billing().rows_billed == BILLED


def test_a_retry_loads_what_a_database_that_was_down_did_not_take(
    dags: DagRunner,
    warehouse: Callable[[str], list[Any]],
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    warehouse(made())
    publish, failed = SqlTarget.publish, set()

    def fails_once(target: SqlTarget, *arguments: Any, **options: Any) -> None:
        owner = target.record.owner
        if target.record.table == "anthropic_usage" and owner not in failed:
            failed.add(owner)
            raise SourceError(f"the database is down. {options['kept']}")
        publish(target, *arguments, **options)

    monkeypatch.setattr(SqlTarget, "publish", fails_once)
    output = {"output": str(tmp_path / "out")}
    run = dags.run("usage_tables", output)
    if "up_for_retry" in run.tasks.values():  # where ``dag.test()`` does not retry
        run = dags.run("usage_tables", output)
    assert set(run.tasks.values()) == {"success"}
    assert len(failed) >= len(TASKS)
    assert sum(row["requests"] for row in warehouse("SELECT requests FROM anthropic_usage")) == BILLED
    assert message_batch_simulator.control.billing().rows_billed == BILLED
