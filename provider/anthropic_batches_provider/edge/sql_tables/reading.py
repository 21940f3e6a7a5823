"""Reads the rows of one owner back from a table, in bounded memory and without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anthropic_batches_provider.batches.output.manifest import Manifest, TableRecord
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.rows import SourceSchema
from anthropic_batches_provider.edge.sql_failures import Query
from anthropic_batches_provider.edge.sql_reading import read_query
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.sessions import PARAMETER, parametrized
from anthropic_batches_provider.errors import LedgerError


def rows_of_table(manifest: Manifest, table: TableRecord) -> Iterator[dict[str, Any]]:
    """Yield the rows of an output in a table, in no certain order, with the values that the driver returns.

    :param table: where the manifest says that they are.
    :raises ConfigurationError: the connection or the table must be corrected.
    :raises SourceError: the database failed.
    :raises LedgerError: the table has more or fewer rows of this owner than were published.
    """
    database = Database(table.conn_id)
    # SQLite takes the name of a column that is gone, without its table, for a text.
    names = ", ".join(f"t.{database.quoted(column.name)}" for column in manifest.columns)
    target, is_owned = database.quoted_table(table.table), database.is_owned(table.owner_column)
    sql = parametrized(f"SELECT {names} FROM {target} t WHERE {is_owned}", database.mark)
    owners = (table.owner,) * is_owned.count(PARAMETER)
    rows = 0
    for row in read_query(Query(table.conn_id, sql, owners, user="read_rows"), SourceSchema()):
        yield row
        rows += 1
    if rows != manifest.counts.rows:
        raise LedgerError(
            f"The table {manifest.destination} has {counted(rows, 'row')} of {table.owner!r}, but the manifest says "
            f"{manifest.counts.rows:,}: another run has replaced these rows, or somebody has changed them. Read the "
            "output of the latest run, or clear the task that wrote them: it loads them again at no cost while "
            "Anthropic keeps the results, for 29 days after submission. The rows read so far are of the table as it is."
        )
