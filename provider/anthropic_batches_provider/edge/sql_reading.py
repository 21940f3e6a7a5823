"""Reads the rows of a query through any DB-API hook of Airflow.

Nothing is changed in the database: a transaction that only reads, where the driver can, and a rollback in any case.
Not all rows are in memory at once. When the rows end or are no longer wanted, the connection is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.sql_connections import database_hook
from anthropic_batches_provider.edge.sql_drivers import Driver, driver_of
from anthropic_batches_provider.edge.sql_failures import DriverCalls, Query
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.rows import SourceSchema

_ROWS_AT_ONCE = 1000
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*(?!M?!)(?:(?!\*/).)*\*/)*"  # MySQL runs the text of /*! … */
_ONLY_COMMENTS = re.compile(_COMMENTS, re.DOTALL)
_FIRST_WORD = re.compile(rf"(?:{_COMMENTS}\()*{_COMMENTS}(\w*)", re.DOTALL)
# All others may change the database for good, whatever is rolled back: PRAGMA, CALL, VACUUM, CREATE.
_QUERIES = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"))
_QUERIES_OF_DUCKDB = _QUERIES | {"FROM"}  # Hive's FROM … INSERT writes
_UNNAMED = frozenset(("", "?column?"))


def read_query(query: Query, schema: SourceSchema) -> Iterator[dict[str, Any]]:
    """Yield the rows of a query as dicts.

    :param schema: takes the types that the database itself tells.
    :raises ConfigurationError: the query or the connection must be changed.
    :raises SourceError: the database or the connection to it failed.
    """
    hook = database_hook(query.conn_id, query.user)
    statement = _one_query(query, _QUERIES_OF_DUCKDB if getattr(hook, "conn_type", None) == "duckdb" else _QUERIES)
    call = DriverCalls(query)
    connection = call.connect(hook.get_conn)
    cursor, is_complete = None, False
    try:
        driver = driver_of(connection)
        call.connect(_prepare, hook, connection, driver)
        cursor = call.connect(driver.cursor, connection)
        call.execute(cursor.execute, statement, *([query.parameters] if query.parameters else []))
        rows = call.fetch(_first_rows, query, cursor, driver)
        names = _column_names(query, cursor.description)
        schema.declare(driver.types(cursor.description))
        while rows:
            for row in rows:
                yield dict(row) if isinstance(row, Mapping) else dict(zip(names, row, strict=True))
            call.rows += len(rows)
            rows = call.fetch(cursor.fetchmany, _ROWS_AT_ONCE)
        is_complete = True
    finally:
        _close(connection, cursor, is_complete=is_complete)


def _prepare(hook: Any, connection: Any, driver: Driver) -> None:
    if hook.get_autocommit(connection):
        hook.set_autocommit(connection, False)
    driver.only_read(connection)
    driver.keep_values_exact(connection)


def _first_rows(query: Query, cursor: Any, driver: Driver) -> Sequence[Any]:
    """Return the first rows of a statement.

    :raises ConfigurationError: it returns no rows.
    """
    rows: Sequence[Any] = ()
    if cursor.description is not None or driver.names_come_late:
        rows = cursor.fetchmany(_ROWS_AT_ONCE)
    if cursor.description is None:
        raise ConfigurationError(
            f"{query}: the statement returns no rows. Give a query. It was not committed, and nothing was sent."
        )
    return rows


def _one_query(query: Query, words: Set[str]) -> str:
    """Return the text of a query without the semicolon at its end.

    :param words: with which of them a query begins.
    :raises ConfigurationError: there is none, or more than one, or it is a statement that may change the database.
    """
    import sqlparse

    sql = query.sql.strip().rstrip("; \t\r\n")
    parts = sqlparse.split(sql) if ";" in sql else [sql]
    statements = [each for each in parts if not _ONLY_COMMENTS.fullmatch(each.rstrip(";"))]
    if len(statements) > 1:
        raise ConfigurationError(
            f"{query}: sql= holds {len(statements)} statements. Give one query; put a text that holds a semicolon into "
            "parameters=. Nothing was run and nothing was sent."
        )
    word = _begins_with(sql)
    if not word:
        raise ConfigurationError(f"{query}: sql= holds no query. Nothing was sent.")
    if word not in words:
        raise ConfigurationError(
            f"{query}: sql= begins with {word}, which is no query. Give a SELECT; change the database in a task of its "
            "own. Nothing was run and nothing was sent."
        )
    return sql


def _begins_with(statement: str) -> str:
    """Return the first word of a statement, in capitals; empty for a comment."""
    found = _FIRST_WORD.match(statement)
    return found[1].upper() if found else ""


def _column_names(query: Query, description: Sequence[Sequence[Any]]) -> list[str]:
    """Return the names of the columns.

    :raises ConfigurationError: one has no name, or two have the same.
    """
    names = [column[0] for column in description]
    for number, name in enumerate(names, 1):
        if not isinstance(name, str) or name in _UNNAMED:
            raise ConfigurationError(
                f"{query}: column {number} of the query has no name. Give it one with AS. Nothing was sent."
            )
        if name in names[: number - 1]:
            raise ConfigurationError(
                f"{query}: two columns of the query are named {name!r}. Give one of them another name with AS. Nothing "
                "was sent."
            )
    return names


def _close(connection: Any, cursor: Any, *, is_complete: bool) -> None:
    """Roll back and close; closing rolls back, too, and does not wait for rows that are no longer wanted."""
    steps = [cursor.close, connection.rollback] if is_complete else []
    for step in (*steps, connection.close, *([] if cursor is None else [cursor.close])):
        with suppress(Exception):  # the connection may be lost, and some drivers know no rollback
            step()
