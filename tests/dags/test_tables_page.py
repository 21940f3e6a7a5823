"""What docs/tables.md shows runs as it stands: its operator and its SQL, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from textwrap import indent
from typing import Any, Protocol

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import LOGICAL_DATE, ROOT, DagRunner
from tests.e2e.postgres import Databases
from tests.worlds.warehouse import Warehouse, drivers, used_driver

_FENCE = re.compile(r"^```(python|sql)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_USER = "airflow_loader"
_HEAD = (
    "import pendulum\nfrom airflow.sdk import DAG\n"
    'with DAG("{name}", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")) as dag:\n'
)


def block(beginning: str) -> str:
    """Return the one block of the page that begins so, after its imports."""
    found = [code for _, code in _FENCE.findall((ROOT / "docs/tables.md").read_text()) if code.startswith(beginning)]
    (code,) = found
    return str(code)


class Database(Protocol):
    """A database in which the page's SQL runs."""

    def execute(self, statement: str) -> list[tuple[Any, ...]]: ...


class Sqlite:
    def __init__(self, file: Path) -> None:
        self._file = file

    def connection(self) -> str:
        return json.dumps({"conn_type": "sqlite", "host": str(self._file)})

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._file)) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
            connection.commit()
            return rows


@pytest.fixture(params=["sqlite", *drivers()])
def database(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Return a database with the table of the page; its connection's user has the rights of the page, and no other."""
    if request.param == "sqlite":
        file = Sqlite(tmp_path / "warehouse.db")
        file.execute(block("CREATE TABLE"))
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", file.connection())
        yield file
        return
    warehouse = Warehouse.on(databases, f"page_{uuid.uuid4().hex}")
    warehouse.execute(block("CREATE TABLE"))
    warehouse.execute(f"DO $$ BEGIN CREATE ROLE {_USER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    for statement in block("GRANT").split(";")[:2]:
        warehouse.execute(statement)
    connection = {**json.loads(warehouse.connection()), "login": _USER}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    with used_driver(request.param):
        yield warehouse


class Page:
    """The page's operator, as a DAG of its own."""

    def __init__(self, dags: DagRunner, folder: Path) -> None:
        self._dags = dags
        self.name = f"tables_page_{uuid.uuid4().hex}"
        self._code = block("from anthropic_batches_provider.destinations").replace("/data/", f"{folder}/")

    def change(self, old: str, new: str) -> None:
        assert old in self._code
        self._code = self._code.replace(old, new)

    def run(self, day: int = 14) -> dict[str, str]:
        """Run it for a day of March, and return the states of its tasks."""
        (self._dags.folder / f"{self.name}.py").write_text(_HEAD.format(name=self.name) + indent(self._code, "    "))
        return self._dags.run(self.name, logical_date=LOGICAL_DATE.replace(day=day)).tasks


@pytest.fixture
def page(dags: DagRunner, tmp_path: Path) -> Page:
    reviews = ("review_id,product,text", "r1,lamp,Dark.", "r2,kettle,Boils.", "r3,,It is a kettle.")
    (tmp_path / "reviews.csv").write_text("".join(f"{line}\n" for line in reviews))
    return Page(dags, tmp_path)


def test_the_operator_fills_the_table_of_the_page(
    page: Page, database: Database, message_batch_simulator: MessageBatchSimulator
) -> None:
    message_batch_simulator.control.add_outcome("succeeded", text='{"label": "good", "score": 0.5}')
    assert page.run() == {"label": "success"}
    columns = "anthropic_batches_unit, review_id, product, parsed_label, parsed_score, verdict"
    unit = f"{page.name}/label/2026-03-14T00:00:00+00:00/-"
    products = {"r1": "lamp", "r2": "kettle", "r3": ""}
    assert database.execute(f"SELECT {columns} FROM labels ORDER BY review_id") == [
        (unit, key, product, "good", 0.5, "fits") for key, product in products.items()
    ]
    assert database.execute("SELECT COUNT(*) FROM labels WHERE labelled_at IS NULL") == [(0,)]


def test_a_column_is_added_and_the_rows_of_a_unit_are_removed_as_the_page_says(
    page: Page, database: Database, message_batch_simulator: MessageBatchSimulator
) -> None:
    assert [page.run(day) for day in (14, 15)] == [{"label": "success"}] * 2
    database.execute(block("ALTER TABLE labels ADD COLUMN"))
    chosen = block("columns = [").strip().replace(" = ", "=")
    page.change('columns=["parsed", "verdict"]', chosen)
    assert page.run(15) == {"label": "success"}
    reasons = "SELECT stop_reason, COUNT(*) FROM labels GROUP BY stop_reason ORDER BY stop_reason IS NULL"
    assert database.execute(reasons) == [("end_turn", 3), (None, 3)]
    assert message_batch_simulator.control.billing().rows_billed == 6

    database.execute(block("DELETE FROM").replace("reviews/label", f"{page.name}/label"))
    assert database.execute(reasons) == [("end_turn", 3)]
    assert page.run(14) == {"label": "success"}
    assert database.execute(reasons) == [("end_turn", 6)]
    assert message_batch_simulator.control.billing().rows_billed == 6

    database.execute(block("ALTER TABLE labels RENAME COLUMN"))
    page.change(chosen, block("columns = {").strip().replace(" = ", "="))
    assert page.run(15) == {"label": "success"}
    assert database.execute("SELECT COUNT(label), COUNT(stop_reason) FROM labels") == [(6, 3)]
    assert message_batch_simulator.control.billing().rows_billed == 6
