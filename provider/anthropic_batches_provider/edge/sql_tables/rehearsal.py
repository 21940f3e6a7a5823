"""Does all that a load will do to a table, with no row, and takes it back: so that rights that are missing show before
anything is spent.

Where statements that make tables commit, only the staging table is made, and dropped again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

from anthropic_batches_provider.edge.sql_tables.check_failures import TableCalls
from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, SQLITE
from anthropic_batches_provider.edge.sql_tables.database import Database

_TAKES_BACK_TABLES = frozenset((POSTGRES, SQLITE))
_MOST_OF_THE_NAME = 40
_GRANT_TABLE = "Let the user of the connection SELECT, INSERT and DELETE in the table."
_GRANT_SCHEMA = "Let the user of the connection make tables in the schema: rows wait in a staging table there."


def rehearse(
    database: Database,
    connection: Any,
    call: TableCalls,
    table: str,
    owner_column: str,
    names: Sequence[str],
    *,
    make: str | None = None,
) -> None:
    """Make a staging table, delete no row of the table, insert none, and take it all back.

    :param names: the columns that the rows will fill, without that of the owner.
    :param make: the statement that makes the table, if it is missing.
    :raises ConfigurationError: a right is missing.
    :raises SourceError: the database could not be asked.
    """
    takes_back = database.kind in _TAKES_BACK_TABLES
    if make is not None and not takes_back:
        return
    statements = _Statements(database, table, owner_column, names)
    execute = _executor(database, connection)
    try:
        if make is not None:
            call("the table cannot be made", "Let the user of the connection make it.", execute, make)
        call("no staging table can be made beside it", f"{_GRANT_TABLE} {_GRANT_SCHEMA}", execute, statements.stage)
        try:
            call("rows cannot be deleted", _GRANT_TABLE, execute, statements.delete, ("",))
            call("rows cannot be inserted", _GRANT_TABLE, execute, statements.insert, ("",))
        finally:
            if not takes_back:
                roll_back(connection)
                call("its staging table cannot be dropped", _GRANT_SCHEMA, execute, statements.drop)
                connection.commit()
    finally:
        roll_back(connection)


def roll_back(connection: Any) -> None:
    """Take back what is not committed; closing a connection does so, too, if this is not possible."""
    with suppress(Exception):  # the connection may be lost, and some drivers know no rollback
        connection.rollback()


class _Statements:
    """The statements of a rehearsal, with a staging table of its own."""

    def __init__(self, database: Database, table: str, owner_column: str, names: Sequence[str]) -> None:
        schema, dot, name = table.rpartition(".")
        staging = database.quoted_table(f"{schema}{dot}{name[:_MOST_OF_THE_NAME]}__ab_{token_hex(4)}")
        target, owner = database.quoted_table(table), database.quoted(owner_column)
        listed = ", ".join(map(database.quoted, names)) or owner
        before, after = (f"{owner}, {listed}", f", {listed}") if names else (owner, "")
        self.stage = f"CREATE TABLE {staging} AS SELECT {listed} FROM {target} WHERE 1=0"
        self.drop = f"DROP TABLE {staging}"
        self.delete = beside_a_mark(database, f"DELETE FROM {target} WHERE 1=0 AND {owner} = ", "")
        self.insert = beside_a_mark(database, f"INSERT INTO {target} ({before}) SELECT ", f"{after} FROM {staging}")


def beside_a_mark(database: Database, before: str, after: str) -> str:
    """Return a statement with one parameter, beside which a percent sign of a name may have to be doubled."""
    if "%" in database.mark:
        before, after = before.replace("%", "%%"), after.replace("%", "%%")
    return f"{before}{database.mark}{after}"


def _executor(database: Database, connection: Any) -> Callable[..., None]:
    """Return a function that executes a statement in one transaction with all others."""
    cursor = connection.cursor()
    if database.kind == SQLITE and not connection.in_transaction:
        cursor.execute("BEGIN IMMEDIATE")  # its driver begins none for statements that make tables
    return lambda statement, *parameters: cursor.execute(statement, *parameters)
