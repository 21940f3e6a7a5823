"""A table of a real database into which parts are loaded: on SQLite, and on PostgreSQL with each of its drivers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables import drivers as table_drivers
from anthropic_batches_provider.edge.sql_tables.target import SqlTarget
from tests.worlds.warehouse import Warehouse, drivers, used_driver

CONN_ID = "warehouse"
OWNER = "dag/task/2026-01-01"
OTHER = "dag/task/2026-01-02"
KEPT = "The answers are collected and kept in /jobs/job-0001: nothing is paid again."
COLUMNS = (TableColumn("id", "int64"), TableColumn("label", "string"), TableColumn("score", "double"))
SQLITE = "sqlite"
ANY = "any driver"  # PostgreSQL, used by nothing but PEP 249
_ANY_WAITS = "50ms"


def databases_here() -> list[str]:
    """Return the databases, by driver, that can be tested here."""
    return [SQLITE, *drivers()]


@dataclass(frozen=True)
class LoadedTable:
    """A table ``labels`` of a database with nothing else in it.

    :param name: its name, as in ``SqlTable(table=…)``.
    """

    driver: str
    connection: str
    execute: Callable[..., list[tuple[Any, ...]]]
    name: str = "labels"

    @property
    def is_sqlite(self) -> bool:
        return self.driver == SQLITE

    def renamed(self, name: str) -> LoadedTable:
        return replace(self, name=name)

    def target(self, owner: str = OWNER) -> SqlTarget:
        return SqlTarget(SqlTable(CONN_ID, self.name), owner)

    def load(
        self,
        parts: Sequence[StagedPart],
        *,
        owner: str = OWNER,
        columns: Sequence[TableColumn] = COLUMNS,
        check_current: Callable[[], None] = lambda: None,
    ) -> None:
        """Publish parts as an attempt of a task does."""
        self.target(owner).publish(parts, columns, check_current, kept=KEPT)

    def rows(self, owner: str = OWNER) -> list[list[Any]]:
        """Return the rows of an owner, as the database returns them when no order is asked for."""
        found = self.execute("SELECT anthropic_batches_unit, id, label, score FROM labels")
        return [row for of, *row in found if of == owner]

    def versions(self, owner: str = OWNER) -> list[tuple[str, int, int]]:
        """Return how many rows, and how many different ones, an owner has of each version."""
        mark = "?" if self.is_sqlite else "%s"
        return self.execute(
            "SELECT label, count(*), count(DISTINCT id) FROM labels "
            f"WHERE anthropic_batches_unit = {mark} GROUP BY label ORDER BY label",
            (owner,),
        )

    def tables(self) -> set[str]:
        """Return the names of all tables of the user."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if not self.is_sqlite:
            query = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        return {name for (name,) in self.execute(query)}


def part_of(rows: Sequence[Sequence[Any]], name: str) -> StagedPart:
    """Return a part that holds these rows."""

    @contextmanager
    def opened() -> Iterator[Iterator[list[Any]]]:
        yield (list(row) for row in rows)

    return StagedPart(name=name, rows=len(rows), open=opened)


def parts_of(version: str, *, rows: int = 6, parts: int = 3, shared: int = 0) -> list[StagedPart]:
    """Return parts whose rows have the version as their label.

    :param shared: so many parts are the same in all versions.
    """
    size, all_rows = rows // parts, expected_rows(version, rows=rows, parts=parts, shared=shared)
    return [
        part_of(all_rows[number * size :][:size], f"part-{number:05d}-{'same' if number < shared else version}")
        for number in range(parts)
    ]


def expected_rows(version: str, *, rows: int = 6, parts: int = 3, shared: int = 0) -> list[list[Any]]:
    """Return the rows of such parts, in order."""
    size = rows // parts
    return [[number, "same" if number < shared * size else version, number % size / 4] for number in range(rows)]


@contextmanager
def loaded_table(driver: str, folder: Path, warehouse: Warehouse | None) -> Iterator[LoadedTable]:
    """Make the table ``labels`` in an empty database.

    :param warehouse: where it is made for a driver of PostgreSQL.
    """
    with ExitStack() as stack:
        if driver == SQLITE:
            file = folder / "warehouse.db"
            file.touch()
            execute: Callable[..., list[tuple[Any, ...]]] = partial(_execute_in_sqlite, file)
            connection = json.dumps({"conn_type": "sqlite", "host": str(file)})
        else:
            assert warehouse is not None
            stack.enter_context(used_driver(drivers()[0] if driver == ANY else driver))
            if driver == ANY:
                stack.enter_context(mock.patch.object(table_drivers, "_DRIVERS", {}))
            wait = _ANY_WAITS if driver == ANY else "0"
            warehouse.execute(f"ALTER DATABASE {warehouse.name} SET lock_timeout = '{wait}'")
            execute, connection = warehouse.execute, warehouse.connection()
            execute("DROP SCHEMA public CASCADE")
            execute("CREATE SCHEMA public")
        number = "integer" if driver == SQLITE else "bigint"
        execute(
            f"CREATE TABLE labels (id {number}, label varchar(40), anthropic_batches_unit text, score double precision)"
        )
        yield LoadedTable(driver, connection, execute)


def _execute_in_sqlite(file: Path, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file, timeout=60)) as connection:
        rows = connection.execute(statement, parameters).fetchall()
        connection.commit()
        return rows
