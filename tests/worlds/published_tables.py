"""Rows of a source that go into a table of a database, as a task takes them there, without a question in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.staged_rows import read_staged
from anthropic_batches_provider.batches.output.table_columns import TableColumn, table_columns
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.batches.rows import ColumnTypes, PreparedRow, RowColumns, SourceSchema, prepare_rows
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables.target import SqlTarget
from tests.worlds.warehouse import rows_of

OWNER = "dag/task/unit"
_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def prepared(rows: Iterable[Any], types: ColumnTypes, columns: RowColumns) -> list[PreparedRow]:
    """Return all rows as they are sealed."""
    found = []
    for row in prepare_rows(
        iter(rows), columns=columns, encode=lambda *_: b"{}", spool_folder=Path("/nowhere"), types=types
    ):
        assert isinstance(row, PreparedRow), row.reason
        found.append(row)
    return found


def copy_query(sql: str, table: SqlTable, key: str = "n", owner: str = OWNER) -> tuple[TableColumn, ...]:
    """Publish the rows of a query of the connection ``warehouse``, with all columns kept; return the columns."""
    schema = SourceSchema()
    return publish(rows_of(sql, schema=schema), table, key=key, owner=owner, schema=schema)


def publish(
    rows: Iterable[Any], table: SqlTable, key: str = "n", owner: str = OWNER, schema: SourceSchema | None = None
) -> tuple[TableColumn, ...]:
    """Publish rows as the whole output of a task; return the columns."""
    wanted = RowColumns(key=key, keep="*", column_prefix="claude_")
    types = ColumnTypes(wanted)
    types.schema = schema or types.schema
    sealed = prepared(rows, types, wanted)
    columns = table_columns(RowLayout(own=types.records(), choice=ColumnChoice.of([])))
    null = msgspec.Raw(b"null")
    lines = []
    for row in sealed:
        own = _DECODE(row.columns)
        lines.append(b"[" + b",".join(own.get(column.name, null) for column in columns) + b"]")

    @contextmanager
    def opened() -> Iterator[Iterator[list[Any]]]:
        yield read_staged(lines, columns)

    target = SqlTarget(table, owner)
    target.check(columns)
    target.publish(
        [StagedPart(name="part-1", rows=len(lines), open=opened)], columns, lambda: None, kept="The answers are kept."
    )
    return columns
