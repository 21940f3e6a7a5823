"""Loads the rows of an output into a table through any DB-API hook of Airflow: a staging table, then one swap.

Invariants: nobody sees a row of an owner before the swap commits; the swap deletes and inserts rows of this owner only;
each step may be repeated, by this attempt or another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anthropic_batches_provider.batches.output.manifest import TableRecord
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.edge.sql_table import SqlTable

_PART_COLUMN = "anthropic_batches_part"
_ROWS_AT_ONCE = 1000


class SqlTarget:
    """The rows of one owner in a table.

    :param table: its arguments are rendered.
    :param owner: the unit of work.
    """

    def __init__(self, table: SqlTable, owner: str) -> None:
        self._table = table
        self._owner = owner

    @property
    def record(self) -> TableRecord:
        table = self._table
        return TableRecord(conn_id=table.conn_id, table=table.table, owner_column=table.owner_column, owner=self._owner)

    @property
    def uri(self) -> str:
        return f"sql://{self._table.conn_id}@{self._table.table}"

    def check(self, columns: Sequence[TableColumn]) -> None:
        """Make the table if the task says so."""
        with self._connected() as (connection, _):
            if self._table.create and columns:
                named = [
                    f"{_quoted(self._table.owner_column)} text",
                    *(f"{_quoted(each.name)} text" for each in columns),
                ]
                connection.cursor().execute(f"CREATE TABLE IF NOT EXISTS {self._name} ({', '.join(named)})")
                connection.commit()

    def publish(
        self, parts: Sequence[StagedPart], columns: Sequence[TableColumn], check_current: Callable[[], None]
    ) -> None:
        """Load the parts into a staging table, and swap."""
        self.check(columns)
        names = ", ".join(_quoted(each.name) for each in columns)
        staging, owner_column = self._staging, _quoted(self._table.owner_column)
        with self._connected() as (connection, mark):
            cursor = connection.cursor()
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {staging} AS SELECT {names}, {owner_column} AS {_PART_COLUMN} "
                f"FROM {self._name} WHERE 1=0"
            )
            connection.commit()
            marks = ", ".join([mark] * (len(columns) + 1))
            for part in parts:
                cursor.execute(f"DELETE FROM {staging} WHERE {_PART_COLUMN} = {mark}", (part.name,))
                with part.open() as rows:
                    for some in _batched(rows, _ROWS_AT_ONCE):
                        cursor.executemany(
                            f"INSERT INTO {staging} ({names}, {_PART_COLUMN}) VALUES ({marks})",
                            [(*row, part.name) for row in some],
                        )
                connection.commit()
            check_current()
            cursor.execute(f"DELETE FROM {self._name} WHERE {owner_column} = {mark}", (self._owner,))
            cursor.execute(
                f"INSERT INTO {self._name} ({owner_column}, {names}) SELECT {mark}, {names} FROM {staging}",
                (self._owner,),
            )
            cursor.execute(f"DROP TABLE {staging}")
            connection.commit()

    @property
    def _name(self) -> str:
        return ".".join(_quoted(part) for part in self._table.table.split("."))

    @property
    def _staging(self) -> str:
        schema, dot, name = self._table.table.rpartition(".")
        digest = hashlib.blake2b(self._owner.encode(), digest_size=4).hexdigest()
        return (f"{_quoted(schema)}{dot}" if dot else "") + _quoted(f"{name[:40]}__ab_{digest}")

    @contextmanager
    def _connected(self) -> Iterator[tuple[Any, str]]:
        from airflow.providers.common.compat.sdk import BaseHook

        hook: Any = BaseHook.get_hook(self._table.conn_id)
        connection = hook.get_conn()
        try:
            yield connection, hook.placeholder
        finally:
            connection.close()


def _batched(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    for first in rows:
        yield [first, *(row for row, _ in zip(rows, range(size - 1), strict=False))]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
