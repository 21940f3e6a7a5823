"""Loads the rows of an output into a table: a staging table, one transaction for each part, then one swap.

Invariants: nobody sees a row of an owner before the swap commits; the swap deletes and inserts rows of this owner only;
each step may be repeated, by this attempt or another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anthropic_batches_provider.batches.output.manifest import TableRecord
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.row_values import row_adapter

_PART_COLUMN = "anthropic_batches_part"
_ROWS_AT_ONCE = 1000


def load(
    database: Database,
    table: TableRecord,
    parts: Sequence[StagedPart],
    columns: Sequence[TableColumn],
    check_current: Callable[[], None],
) -> None:
    """Load the parts into a staging table, and swap.

    :param check_current: called while no other attempt can swap; if it raises, nothing changes.
    """
    names = ", ".join(database.quoted(each.name) for each in columns)
    target, owner_column = database.quoted_table(table.table), database.quoted(table.owner_column)
    staging, mark, adapted = _staging(database, table), database.mark, row_adapter(database.kind, columns)
    with database.connected() as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {staging} AS SELECT {names}, {owner_column} AS {_PART_COLUMN} "
            f"FROM {target} WHERE 1=0"
        )
        connection.commit()
        marks = ", ".join([mark] * (len(columns) + 1))
        for part in parts:
            cursor.execute(f"DELETE FROM {staging} WHERE {_PART_COLUMN} = {mark}", (part.name,))
            with part.open() as rows:
                for some in _batched(rows, _ROWS_AT_ONCE):
                    cursor.executemany(
                        f"INSERT INTO {staging} ({names}, {_PART_COLUMN}) VALUES ({marks})",
                        [(*adapted(row), part.name) for row in some],
                    )
            connection.commit()
        check_current()
        cursor.execute(f"DELETE FROM {target} WHERE {owner_column} = {mark}", (table.owner,))
        cursor.execute(
            f"INSERT INTO {target} ({owner_column}, {names}) SELECT {mark}, {names} FROM {staging}", (table.owner,)
        )
        cursor.execute(f"DROP TABLE {staging}")
        connection.commit()
    adapted.log_replaced()


def _staging(database: Database, table: TableRecord) -> str:
    schema, dot, name = table.table.rpartition(".")
    digest = hashlib.blake2b(table.owner.encode(), digest_size=4).hexdigest()
    return database.quoted_table(f"{schema}{dot}{name[:40]}__ab_{digest}")


def _batched(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    for first in rows:
        yield [first, *(row for row, _ in zip(rows, range(size - 1), strict=False))]
