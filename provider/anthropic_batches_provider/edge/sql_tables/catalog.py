"""The columns of a table that is there, as the database's own catalog describes them.

It is asked by the connection that also loads the rows: an engine of SQLAlchemy would need another one, and a dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, SQLITE
from anthropic_batches_provider.edge.sql_tables.database import Database
from anthropic_batches_provider.edge.sql_tables.sessions import PARAMETER, Session


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


_COLUMNS_OF_POSTGRES = f"""
SELECT a.attname AS name,
       CASE WHEN t.typtype = 'e' THEN 'enum'
            WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
            ELSE format_type(a.atttypid, a.atttypmod) END AS kind,
       a.attnotnull OR t.typnotnull AS not_null,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL AS has_default,
       a.attgenerated <> '' OR a.attidentity = 'a' AS is_generated
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass({PARAMETER}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_COLUMNS_OF_SQLITE = 'SELECT name, type, "notnull", dflt_value IS NOT NULL, hidden, pk FROM pragma_table_xinfo'
_LOOKING = "looking at the columns of the table"


def columns_of(database: Database, session: Session, table: str) -> TargetColumns | None:
    """Return the columns of a table; None if PostgreSQL or SQLite has no such table.

    :raises ConfigurationError: another database has no such table, or the user may not look at it.
    """
    try:
        if database.kind == POSTGRES:
            return _of_postgres(session, database.quoted_table(table))
        if database.kind == SQLITE:
            return _of_sqlite(session, table) if has_schema(database, session, table) else None
        found = session.description(_LOOKING, f"SELECT * FROM {database.quoted_table(table)} WHERE 1=0")
        return TargetColumns({column[0]: TargetColumn(column[0], "") for column in found}, have_types=False)
    finally:
        session.roll_back()


def has_schema(database: Database, session: Session, table: str) -> bool:
    """Return whether the schema of a table is there, as far as the database is known."""
    schema = table.rpartition(".")[0].rpartition(".")[2]
    step = "looking at the schema of the table"
    if not schema or database.kind not in (POSTGRES, SQLITE):
        return True
    if database.kind == POSTGRES:
        query = f"SELECT to_regnamespace({PARAMETER}) IS NOT NULL"
        return bool(session.rows(step, query, (database.quoted(schema),))[0][0])
    return schema.lower() in {str(row[1]).lower() for row in session.rows(step, "PRAGMA database_list")}


def _of_postgres(session: Session, quoted_table: str) -> TargetColumns | None:
    columns = {
        name: TargetColumn(
            name,
            kind,
            may_be_null=not not_null,
            is_required=not_null and not has_default and not is_generated,
            is_generated=is_generated,
        )
        for name, kind, not_null, has_default, is_generated in session.rows(
            _LOOKING, _COLUMNS_OF_POSTGRES, (quoted_table,)
        )
    }
    return TargetColumns(columns) if columns else None


def _of_sqlite(session: Session, table: str) -> TargetColumns | None:
    schema, _, name = table.rpartition(".")
    arguments = (name, schema.rpartition(".")[2]) if schema else (name,)
    query = f"{_COLUMNS_OF_SQLITE}({', '.join([PARAMETER] * len(arguments))})"
    found = session.rows(_LOOKING, query, arguments)
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
