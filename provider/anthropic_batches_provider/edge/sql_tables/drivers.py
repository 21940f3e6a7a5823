"""Where the drivers of databases differ when rows are written: how a transaction begins, locks and takes many rows.

Only PostgreSQL's two drivers and SQLite's are tested; all others are used as PEP 249 describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from anthropic_batches_provider.edge.sql_tables.copy_text import CopyText

LOCK_WAIT_SECONDS = 600
ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 4 << 20


class TableDriver:
    """Any DB-API driver.

    :ivar drops_in_transactions: whether a table that is dropped comes back when the transaction is rolled back.
    :ivar needs_index: whether an index that cannot be made is an error; some databases have none.
    """

    drops_in_transactions = False
    needs_index = False

    def prepare(self, connection: Any) -> None:
        """Prepare a connection that was just opened."""

    def cursor(self, connection: Any) -> Any:
        """Return a cursor whose rows are tuples."""
        return connection.cursor()

    def begin(self, connection: Any, *, writes: bool) -> None:
        """Begin a transaction."""

    def lock_statement(self, staging: str, row_column: str) -> str:
        """Return the statement that lets one attempt at a time go on with a staging table."""
        return f"UPDATE {staging} SET {row_column} = {row_column} WHERE {row_column} = 0"

    def insert(self, cursor: Any, table: str, columns: str, rows: Iterator[Sequence[Any]], values: str) -> None:
        """Insert rows without holding them all in memory.

        :param columns: their names, quoted.
        :param values: the placeholders of a row.
        """
        names = f"{table} ({columns})"
        statement = f"INSERT INTO {names.replace('%', '%%') if '%' in values else names} VALUES ({values})"
        for block in _blocks(rows):
            cursor.executemany(statement, block)


def _blocks(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Yield rows in blocks that are bounded by their number and by the length of their texts."""
    block: list[Sequence[Any]] = []
    length = 0
    for row in rows:
        block.append(row)
        length += sum(len(value) for value in row if isinstance(value, (str, bytes)))
        if len(block) >= ROWS_AT_ONCE or length >= BYTES_AT_ONCE:
            yield block
            block, length = [], 0
    if block:
        yield block


class Sqlite(TableDriver):
    """The driver of the standard library; one session at a time can write."""

    drops_in_transactions = True
    needs_index = True

    def prepare(self, connection: Any) -> None:
        connection.row_factory = None
        connection.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT_SECONDS * 1000)}")

    def begin(self, connection: Any, *, writes: bool) -> None:
        if writes:
            connection.execute("BEGIN IMMEDIATE")  # one that begins to write later could not wait for others

    def lock_statement(self, staging: str, row_column: str) -> str:
        return f"SELECT 1 FROM {staging} WHERE 1=0"  # the transaction itself is the lock


class Postgres(TableDriver):
    """What psycopg2 and psycopg 3 have in common."""

    drops_in_transactions = True
    needs_index = True

    def begin(self, connection: Any, *, writes: bool) -> None:
        self.cursor(connection).execute(f"SET LOCAL lock_timeout = {int(LOCK_WAIT_SECONDS * 1000)}")

    def lock_statement(self, staging: str, row_column: str) -> str:
        return f"LOCK TABLE {staging} IN EXCLUSIVE MODE"

    def _copy_statement(self, table: str, columns: str) -> str:
        return f"COPY {table} ({columns}) FROM STDIN"


class Psycopg2(Postgres):
    """Its COPY reads from a file."""

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(cursor_factory=import_module("psycopg2.extensions").cursor)

    def insert(self, cursor: Any, table: str, columns: str, rows: Iterator[Sequence[Any]], values: str) -> None:
        cursor.copy_expert(self._copy_statement(table, columns), CopyText(rows))


class Psycopg(Postgres):
    """Psycopg 3."""

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(row_factory=import_module("psycopg.rows").tuple_row)

    def insert(self, cursor: Any, table: str, columns: str, rows: Iterator[Sequence[Any]], values: str) -> None:
        with cursor.copy(self._copy_statement(table, columns)) as copy:
            for row in rows:
                copy.write_row(row)


_DRIVERS: dict[str, Callable[[], TableDriver]] = {"psycopg": Psycopg, "psycopg2": Psycopg2, "sqlite3": Sqlite}


def table_driver_of(connection: Any) -> TableDriver:
    """Return the rules of the driver that made a connection, whichever class of it the hook uses."""
    for kind in type(connection).__mro__:
        found = _DRIVERS.get(kind.__module__.partition(".")[0])
        if found is not None:
            return found()
    return TableDriver()
