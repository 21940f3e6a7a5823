"""Checks of a table before anything is spent: it is there, or made; its columns fit; the user may insert and delete.

All problems are in one error, each with what corrects it. Nothing here changes a table that is there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables.catalog import TargetColumns, columns_of, has_schema
from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, SQLITE, sql_type
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.problems import problems_of
from anthropic_batches_provider.edge.sql_tables.rehearsal import rehearse
from anthropic_batches_provider.edge.sql_tables.sessions import Session
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError

log = logging.getLogger(__name__)

_WITH_IF_NOT_EXISTS = frozenset((POSTGRES, SQLITE, "mysql", "duckdb"))
_MAKING = "making the table"


def check_before_reading(
    database: Database, table: SqlTable, owner: str, columns: Sequence[TableColumn], *, are_all_known: bool
) -> None:
    """Check a table before a row is read: its columns, as far as they are known, and the rights of the user.

    :param owner: whose rows go into the table.
    :param columns: those that are known by then; the type of the user's own is empty.
    :param are_all_known: whether the rows have no other columns.
    :raises ConfigurationError: the table is missing, or lacks a column, or one does not fit, or a right is missing.
    :raises SourceError: the database could not be asked.
    """
    names = [column.name for column in columns]
    with database.session() as session:
        found = _found(database, session, table)
        problems = problems_of(database, table, owner, columns, found, are_all_known=are_all_known)
        _refuse(database, problems, is_kept=table.create and found is not None)
        make = None if found is not None else _statement(database, table, columns)
        try:
            rehearse(database, session, table.table, table.owner_column, names, owner=owner, make=make)
        except MessageBatchesError:  # another attempt may have made it at the same moment
            if make is None or columns_of(database, session, table.table) is None:
                raise
            rehearse(database, session, table.table, table.owner_column, names, owner=owner)


def check_table(database: Database, table: SqlTable, owner: str, columns: Sequence[TableColumn]) -> None:
    """Check a table when all columns are known; make it if the task says so.

    :param owner: whose rows go into the table.
    :raises ConfigurationError: the table is missing, or lacks a column, or one does not fit.
    :raises SourceError: the database could not be asked.
    """
    with database.session() as session:
        found = _found(database, session, table)
        if found is None:
            _refuse(database, problems_of(database, table, owner, columns, None))
            _make(database, session, table, columns)
            found = _found(database, session, table)
        problems = problems_of(database, table, owner, columns, found)
        _refuse(database, problems, is_kept=table.create and found is not None)
        if found is not None and not found.have_types:
            log.info(
                "%s: only the names of the columns are checked, not their types, because the catalog of %s is not "
                "known here", database.subject, database.kind,
            )  # fmt: skip


def _found(database: Database, session: Session, table: SqlTable) -> TargetColumns | None:
    """Return the columns of the table; None if it is missing, and is to be made.

    :raises ConfigurationError: it is missing, or its schema is.
    """
    try:
        found = columns_of(database, session, table.table)
    except ConfigurationError:
        if not table.create or database.kind in (POSTGRES, SQLITE):
            raise
        found = None  # of another database: it is missing, or making it fails with what is wrong
    if found is None and not table.create:
        raise ConfigurationError(
            f"{database.subject}: there is no such table. Names are quoted, so upper and lower case differ. Correct "
            f"SqlTable(table=…), make the table, or let the task make it: create=True. {database.standing}"
        )
    if found is None and not has_schema(database, session, table.table):
        raise ConfigurationError(
            f"{database.subject}: there is neither the table nor its schema. Make the schema, or correct "
            f"SqlTable(table=…): create=True makes the table alone. {database.standing}"
        )
    session.roll_back()
    return found


def _refuse(database: Database, problems: Sequence[str], *, is_kept: bool = False) -> None:
    """Raise one error for all columns that do not fit.

    :param is_kept: whether the task would make the table, but found it there.
    """
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        stays = " create=True changes no table that is there." if is_kept else ""
        what_to_do = "Change the table, or choose and rename columns with `columns`, `key` and `keep`"
        if database.fixed is not None:
            what_to_do = f"Change the table ({database.fixed.where_listed} lists its columns), or name another one"
        raise ConfigurationError(
            f"{database.subject}: it cannot take the rows:\n{listed}\n{what_to_do}; then clear the task.{stays} "
            f"{database.standing}"
        )


def _make(database: Database, session: Session, table: SqlTable, columns: Sequence[TableColumn]) -> None:
    try:
        session.begin(_MAKING)
        session.execute(_MAKING, _statement(database, table, columns))
        session.commit(_MAKING)
    except MessageBatchesError:  # another attempt may have made it at the same moment
        session.roll_back()
        if columns_of(database, session, table.table) is None:
            raise
    else:
        log.info("Made the table %s", table)


def _statement(database: Database, table: SqlTable, columns: Sequence[TableColumn]) -> str:
    """Return the statement that makes the table."""
    named = [f"{database.quoted(table.owner_column)} {sql_type(database.kind, 'string')} NOT NULL"]
    named += [f"{database.quoted(each.name)} {sql_type(database.kind, each.type or 'string')}" for each in columns]
    unless = "IF NOT EXISTS " if database.kind in _WITH_IF_NOT_EXISTS else ""
    return f"CREATE TABLE {unless}{database.quoted_table(table.table)} ({', '.join(named)})"
