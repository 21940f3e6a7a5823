"""Does what a load will do to a table, with no row, and takes it back: so that missing rights show before anything is
spent.

Where statements that make tables commit, only the staging table is made, and dropped again.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.sessions import PARAMETER, Session

_MOST_BYTES_OF_NAME = 40
_STAGING = "making a staging table beside the table"


def rehearse(
    database: Database,
    session: Session,
    table: str,
    owner_column: str,
    names: Sequence[str],
    *,
    owner: str,
    make: str | None = None,
) -> None:
    """Make a staging table, delete no row of the table, insert none, and take it all back.

    :param names: the columns that the rows will fill, without that of the owner.
    :param owner: whose rows they will be.
    :param make: the statement that makes the table, if it is missing.
    :raises ConfigurationError: a right is missing.
    :raises SourceError: the database could not be asked.
    """
    takes_back = session.driver.drops_in_transactions
    if make is not None and not takes_back:
        return
    statements = _Statements(database, table, owner_column, names)
    try:
        session.begin("rehearsing a load")
        if make is not None:
            session.execute("making the table", make)
        session.execute(_STAGING, statements.stage)
        try:
            session.execute("deleting no row", statements.delete, (owner,) * statements.delete.count(PARAMETER))
            session.execute("inserting no row", statements.insert, (owner,))
        finally:
            if not takes_back:
                session.roll_back()
                session.execute("dropping the staging table", statements.drop)
                session.commit("dropping the staging table")
    finally:
        session.roll_back()


class _Statements:
    """The statements of a rehearsal, with a staging table of its own."""

    def __init__(self, database: Database, table: str, owner_column: str, names: Sequence[str]) -> None:
        schema, dot, name = table.rpartition(".")
        short = name.encode()[:_MOST_BYTES_OF_NAME].decode(errors="ignore")
        staging = database.quoted_table(schema) + dot if schema else ""
        staging += database.quoted(f"{short}__ab_{token_hex(5)}")
        target, owner = database.quoted_table(table), database.quoted(owner_column)
        listed = ", ".join(map(database.quoted, names)) or owner
        before, after = (f"{owner}, {listed}", f", {listed}") if names else (owner, "")
        into, creating = (f" INTO {staging}", "") if database.kind == "mssql" else ("", f"CREATE TABLE {staging} AS ")
        self.stage = f"{creating}SELECT {listed}{into} FROM {target} WHERE 1=0"
        self.drop = f"DROP TABLE {staging}"
        self.delete = f"DELETE FROM {target} WHERE 1=0 AND {database.is_owned(owner_column)}"
        self.insert = f"INSERT INTO {target} ({before}) SELECT {PARAMETER}{after} FROM {staging}"
