"""Checks of a table before anything is spent: it is there, or made; its columns fit; the user may insert and delete.

All problems are in one error, each with what mends it. Nothing here changes a table that is there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables.catalog import TargetColumns, columns_of, has_schema
from anthropic_batches_provider.edge.sql_tables.check_failures import TableCalls
from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, sql_type
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.problems import problems_of
from anthropic_batches_provider.edge.sql_tables.rehearsal import rehearse, roll_back
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError

log = logging.getLogger(__name__)

NOTHING_SENT = "Nothing was sent."
_WITH_IF_NOT_EXISTS = frozenset((POSTGRES, "sqlite", "mysql", "duckdb"))
_CHECK_CONNECTION = "Correct the connection, or install the driver."


def check_before_reading(
    database: Database, table: SqlTable, columns: Sequence[TableColumn], *, are_all_known: bool
) -> None:
    """Check a table before a row is read: its columns, as far as they are known, and the rights of the user.

    :param columns: those that are known by then; the type of the user's own is empty.
    :param are_all_known: whether the rows have no other columns.
    :raises ConfigurationError: the table is missing, or lacks a column, or one does not fit, or a right is missing.
    :raises SourceError: the database could not be asked.
    """
    names = [column.name for column in columns]
    with _asking(database, table, NOTHING_SENT) as (connection, call):
        found = _found(database, connection, call, table)
        problems = problems_of(database, table, columns, found, are_all_known=are_all_known)
        _refuse(table, problems, NOTHING_SENT)
        make = None if found is not None else _statement(database, table, columns)
        try:
            rehearse(database, connection, call, table.table, table.owner_column, names, make=make)
        except MessageBatchesError:  # another attempt may have made it at the same moment
            if make is None or columns_of(database, connection, table.table) is None:
                raise
            rehearse(database, connection, call, table.table, table.owner_column, names)


def check_table(
    database: Database, table: SqlTable, columns: Sequence[TableColumn], *, end: str = NOTHING_SENT
) -> None:
    """Check a table when all columns are known; make it if the task says so.

    :param end: what is true if it does not fit: the last sentences of the error.
    :raises ConfigurationError: the table is missing, or lacks a column, or one does not fit.
    :raises SourceError: the database could not be asked.
    """
    with _asking(database, table, end) as (connection, call):
        found = _found(database, connection, call, table)
        if found is None:
            _refuse(table, problems_of(database, table, columns, None), end)
            _make(database, connection, call, table, columns)
            found = _found(database, connection, call, table)
        _refuse(table, problems_of(database, table, columns, found), end)
        if found is not None and not found.have_types:
            log.info(
                "The types of the columns of %s are not checked, because the catalog of %s is not known here: only "
                "their names are.", table, database.kind,
            )  # fmt: skip


@contextmanager
def _asking(database: Database, table: SqlTable, end: str) -> Iterator[tuple[Any, TableCalls]]:
    """Open a connection; what is not committed is rolled back."""
    call = TableCalls(str(table), end)
    connecting = database.connected()
    connection = call("the database cannot be reached", _CHECK_CONNECTION, connecting.__enter__)
    try:
        call("its transactions cannot be used", _CHECK_CONNECTION, _leave_autocommit, database, connection)
        yield connection, call
    finally:
        connecting.__exit__(None, None, None)


def _leave_autocommit(database: Database, connection: Any) -> None:
    if database.hook.get_autocommit(connection):
        database.hook.set_autocommit(connection, False)


def _found(database: Database, connection: Any, call: TableCalls, table: SqlTable) -> TargetColumns | None:
    """Return the columns of the table; None if it is missing, and is to be made.

    :raises ConfigurationError: it is missing, or its schema is.
    """
    try:
        advice = "Correct the table's name, and let the user of the connection SELECT in it."
        found = call("it cannot be looked up", advice, columns_of, database, connection, table.table)
    except ConfigurationError:
        if not table.create or database.kind in (POSTGRES, "sqlite"):
            raise
        found = None  # of another database: it is missing, or making it fails with what is wrong
    finally:
        roll_back(connection)
    if found is None and not table.create:
        raise ConfigurationError(
            f"{table}: there is no such table. Names are quoted, so upper and lower case differ. Correct "
            f"SqlTable(table=…), make the table, or let the task make it: create=True. {call.end}"
        )
    if found is None and not call("its schema cannot be looked up", "", has_schema, database, connection, table.table):
        raise ConfigurationError(
            f"{table}: there is neither the table nor its schema. Make the schema, or correct SqlTable(table=…): "
            f"create=True makes the table alone. {call.end}"
        )
    return found


def _refuse(table: SqlTable, problems: Sequence[str], end: str) -> None:
    """Raise one error for all columns that do not fit."""
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise ConfigurationError(
            f"{table} cannot take the rows:\n{listed}\nChange the table, or choose and rename columns with `columns`, "
            f"`key` and `keep`. {end}"
        )


def _make(
    database: Database, connection: Any, call: TableCalls, table: SqlTable, columns: Sequence[TableColumn]
) -> None:
    def execute() -> None:
        connection.cursor().execute(_statement(database, table, columns))
        connection.commit()

    try:
        call("the table cannot be made", "Let the user of the connection make it, or make it yourself.", execute)
    except MessageBatchesError:  # another attempt may have made it at the same moment
        roll_back(connection)
        if columns_of(database, connection, table.table) is None:
            raise
    else:
        log.info("Made the table %s", table)


def _statement(database: Database, table: SqlTable, columns: Sequence[TableColumn]) -> str:
    """Return the statement that makes the table."""
    named = [f"{database.quoted(table.owner_column)} {sql_type(database.kind, 'string')} NOT NULL"]
    named += [f"{database.quoted(each.name)} {sql_type(database.kind, each.type or 'string')}" for each in columns]
    unless = "IF NOT EXISTS " if database.kind in _WITH_IF_NOT_EXISTS else ""
    return f"CREATE TABLE {unless}{database.quoted_table(table.table)} ({', '.join(named)})"
