"""Checks of a table before anything is spent: it is there, or made; its columns fit; the user may insert and delete."""

from __future__ import annotations

from collections.abc import Sequence

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables.column_types import sql_type
from anthropic_batches_provider.edge.sql_tables.database import Database


def check_before_reading(database: Database, table: SqlTable, names: Sequence[str]) -> None:
    """Check a table before a row is read, when only the names of its columns are known."""


def check_table(database: Database, table: SqlTable, columns: Sequence[TableColumn]) -> None:
    """Check a table when all columns are known; make it if the task says so."""
    if table.create:
        named = [f"{database.quoted(table.owner_column)} text"]
        named += [f"{database.quoted(each.name)} {sql_type(database.kind, each.type)}" for each in columns]
        with database.connected() as connection:
            connection.cursor().execute(
                f"CREATE TABLE IF NOT EXISTS {database.quoted_table(table.table)} ({', '.join(named)})"
            )
            connection.commit()
