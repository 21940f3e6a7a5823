"""The columns of a table that is there, as the database's own catalog describes them.

It is asked by the connection that also loads the rows: an engine of SQLAlchemy would need another one, and a dialect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, SQLITE
from anthropic_batches_provider.edge.sql_tables.database import Database


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column of a table.

    :param type: as the database writes it: of a domain, its base type; of an enum, ``enum``. Empty if it has none.
    :param is_required: whether a row must have a value for it: it may not be null, and has no default.
    :param is_generated: whether only the database may write it.
    """

    name: str
    type: str
    may_be_null: bool = True
    is_required: bool = False
    is_generated: bool = False


@dataclass(frozen=True, slots=True)
class TargetColumns:
    """The columns of a table.

    :param have_types: whether their types are known; if not, nothing but their names is.
    """

    by_name: Mapping[str, TargetColumn]
    have_types: bool = True


# Each column has a name of its own: some cursors that a connection may name make dicts of rows.
_COLUMNS_OF_POSTGRES = """
SELECT a.attname AS name,
       CASE WHEN t.typtype = 'e' THEN 'enum'
            WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
            ELSE format_type(a.atttypid, a.atttypmod) END AS kind,
       a.attnotnull OR t.typnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL AS has_default,
       a.attgenerated <> '' OR a.attidentity = 'a' AS is_generated
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_COLUMNS_OF_SQLITE = 'SELECT name, type, "notnull", dflt_value IS NOT NULL, hidden, pk FROM pragma_table_xinfo(?'


def columns_of(database: Database, connection: Any, table: str) -> TargetColumns | None:
    """Return the columns of a table; None if PostgreSQL or SQLite has no such table.

    :param connection: an open one.
    """
    if database.kind == POSTGRES:
        return _of_postgres(connection, database.quoted_table(table))
    if database.kind == SQLITE:
        return _of_sqlite(connection, table) if has_schema(database, connection, table) else None
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {database.quoted_table(table)} WHERE 1=0")
    names = [column[0] for column in cursor.description]
    cursor.close()
    return TargetColumns({name: TargetColumn(name, "") for name in names}, have_types=False)


def has_schema(database: Database, connection: Any, table: str) -> bool:
    """Return whether the schema of a table is there, as far as the database is known."""
    schema = table.rpartition(".")[0].rpartition(".")[2]
    if not schema or database.kind not in (POSTGRES, SQLITE):
        return True
    if database.kind == POSTGRES:
        rows = _rows(connection, "SELECT to_regnamespace(%s) IS NOT NULL AS is_there", (database.quoted(schema),))
        return bool(rows[0][0])
    return schema.lower() in {row[1].lower() for row in _rows(connection, "PRAGMA database_list", ())}


def _of_postgres(connection: Any, quoted_table: str) -> TargetColumns | None:
    found = _rows(connection, _COLUMNS_OF_POSTGRES, (quoted_table,))
    columns = {
        name: TargetColumn(
            name,
            kind,
            may_be_null=not not_null,
            is_required=not_null and not has_default and not is_generated,
            is_generated=is_generated,
        )
        for name, kind, not_null, has_default, is_generated in found
    }
    return TargetColumns(columns) if columns else None


def _of_sqlite(connection: Any, table: str) -> TargetColumns | None:
    schema, _, name = table.rpartition(".")
    schema = schema.rpartition(".")[2]
    sql, parameters = (f"{_COLUMNS_OF_SQLITE}, ?)", (name, schema)) if schema else (f"{_COLUMNS_OF_SQLITE})", (name,))
    found = _rows(connection, sql, parameters)
    keys = sum(1 for row in found if row[5])
    columns = {}
    for column, kind, not_null, has_default, hidden, key in found:
        is_row_id = keys == 1 and bool(key) and kind.upper() == "INTEGER"  # which SQLite numbers itself
        columns[column] = TargetColumn(
            column,
            kind,
            may_be_null=not not_null,
            is_required=bool(not_null) and not has_default and not is_row_id and hidden == 0,
            is_generated=hidden in (2, 3),
        )
    return TargetColumns(columns) if columns else None


def _rows(connection: Any, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query as tuples, whatever kind of cursor the connection names."""
    cursor = connection.cursor()
    try:
        cursor.execute(sql, parameters)
        return [tuple(row.values()) if isinstance(row, Mapping) else tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()
