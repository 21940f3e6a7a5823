"""Queries on SQLite and on hooks made for a test: rows as dicts, mistakes, and what is closed when."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import UserDict
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.sqlite.hooks.sqlite import SqliteHook

from anthropic_batches_provider.batches.rows import SourceSchema
from anthropic_batches_provider.edge.sql_failures import NoExactValueError, Query
from anthropic_batches_provider.edge.sql_reading import read_query
from anthropic_batches_provider.errors import ConfigurationError, SourceError

COUNT = 2500
Connect = Callable[[Any, "list[Any] | None"], "Connection"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a database with notes, which the connection ``warehouse`` leads to."""
    path = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER, text TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?, ?)", [(n, f"note {n}") for n in range(COUNT)])
        connection.commit()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return path


def rows_of(sql: str, parameters: Any = None) -> Iterator[dict[str, Any]]:
    return read_query(Query("warehouse", sql, parameters), SourceSchema())


def test_rows_are_dicts_in_order(file: Path) -> None:
    assert list(rows_of("SELECT id, text FROM notes;")) == [{"id": n, "text": f"note {n}"} for n in range(COUNT)]
    assert list(rows_of("SELECT id FROM notes WHERE id = ?", (7,))) == [{"id": 7}]
    assert list(rows_of("SELECT id FROM notes WHERE id = :id", {"id": 7})) == [{"id": 7}]
    assert list(rows_of("SELECT id FROM notes WHERE id < 0")) == []


def test_values_are_those_of_the_database(file: Path) -> None:
    sql = r"SELECT NULL AS a, 9223372036854775807 AS b, 0.1 AS c, 'é🙂' AS d, x'00ff' AS e, '2024-02-29' AS f"
    assert [list(row.values()) for row in rows_of(sql)] == [[None, 2**63 - 1, 0.1, "é🙂", b"\x00\xff", "2024-02-29"]]


@pytest.mark.parametrize(
    ("sql", "parameters", "message"),
    [
        ("SELECT CHOOSE OF 1", None, r"no rows can be read: OperationalError \(SQLITE_\w+\): near \"1\": syntax error"),
        ("CHOOSE 1", None, "begins with CHOOSE, which is no query"),
        ("SELECT * FROM nowhere", None, "no such table: nowhere"),
        ("SELECT ? AS a", [1, 2], "Incorrect number of bindings supplied"),
        ("SELECT :a AS a", {"b": 1}, "number and the types of its parameters"),
        ("SELECT ? AS a", [{"a": 1}], "number and the types of its parameters"),
        ("UPDATE notes SET id = 0", None, "begins with UPDATE, which is no query"),
        ("WITH a AS (SELECT 1) DELETE FROM notes RETURNING id", None, r"may only read: .*\(SQLITE_READONLY\)"),
        ("PRAGMA user_version = 7", None, "begins with PRAGMA, which is no query"),
        ("pragma journal_mode=WAL", None, "begins with PRAGMA, which is no query"),
        ("SELECT 1 AS a; SELECT 2 AS a", None, "2 statements"),
        ("SELECT 1 AS a; 'text'", None, "2 statements"),
        ("SELECT 1 AS a;\n-- don't\nDELETE FROM notes -- it's", None, "2 statements"),
        ("SELECT 1 AS a;\n/* don't */ DELETE FROM notes /* it's */", None, "2 statements"),
        ("-- nothing;\n/* don't */", None, "holds no query"),
        ("/*!50000 DELETE FROM notes */", None, "holds no query"),
        ("SELECT 1 AS a, 2 AS a", None, "two columns of the query are named 'a'"),
        (" ; ", None, "holds no query"),
    ],
)
def test_a_mistake_is_named_and_nothing_changes(file: Path, sql: str, parameters: Any, message: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match=rf"^SqlRows on 'warehouse': .*{message}.*[Nn]othing was sent"):
        list(rows_of(sql, parameters))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "word",
    ["VACUUM INTO 'copy.db'", "CALL", "EXEC", "EXECUTE", "DO", "SET", "COPY", "LOAD", "ATTACH", "FROM", "INSTALL",
     "(/* a */ DELETE", "SELECTS", "INSERT", "DROP", "REFRESH", "LOCK", "USE"],
)  # fmt: skip
def test_a_statement_that_may_change_the_database_never_runs(connected: Connect, word: str) -> None:
    connection = connected([(1,)], ["a"])
    for sql in (f"{word} x", f"-- SELECT\n{word.lower()} x"):
        with pytest.raises(ConfigurationError, match=r"which is no query\. Give a SELECT.*Nothing was run"):
            list(rows_of(sql))
    assert connection.log == []


@pytest.mark.parametrize(
    "word", ["SELECT", "with", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "(SELECT", "( -- a\n (Values"]
)
def test_a_query_begins_with_one_of_these_words(connected: Connect, word: str) -> None:
    connection = connected([(1,)], ["a"])
    assert list(rows_of(f"/* a */ {word} x")) == [{"a": 1}]
    assert connection.log[0] == f"/* a */ {word} x"


def test_in_duckdb_a_query_may_begin_with_from(connected: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    connected([(1,)], ["a"])
    monkeypatch.setattr(SqliteHook, "conn_type", "duckdb")
    assert list(rows_of("FROM x")) == [{"a": 1}]


@pytest.mark.parametrize(
    "comment", ["-- don't stop", "\n-- don't stop", "\n/* don't */ -- it's;\n", "\n/* don't;\n */;"]
)
def test_a_comment_after_the_query_is_no_statement(file: Path, comment: str) -> None:
    assert list(rows_of(f"SELECT 1 AS a;{comment}")) == [{"a": 1}]


def test_a_text_that_is_no_utf_8_is_not_shown(file: Path) -> None:
    with pytest.raises(SourceError, match="Could not decode to UTF-8") as caught:
        list(rows_of("SELECT CAST(x'736563726574ff' AS TEXT) AS v"))
    assert "secret" not in str(caught.value)


def test_a_database_that_is_locked_is_read_by_a_retry(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = SqliteHook.get_conn

    def impatient(hook: SqliteHook) -> sqlite3.Connection:
        connection = connect(hook)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    monkeypatch.setattr(SqliteHook, "get_conn", impatient)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match=r"SQLITE_BUSY\): database is locked\. A retry reads the rows again"):
            list(rows_of("SELECT id FROM notes"))
        other.execute("ROLLBACK")
    assert len(list(rows_of("SELECT id FROM notes"))) == COUNT


# ------------------------------------------------------------------------------------------- connections and hooks


def test_a_connection_that_is_missing_or_of_no_database_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no Airflow connection 'warehouse'\. Add it"):
        list(rows_of("SELECT 1 AS a"))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", '{"conn_type": "no_such_type"}')
    with pytest.raises(ConfigurationError, match=r"connection type 'no_such_type' has no hook here.*Install"):
        list(rows_of("SELECT 1 AS a"))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", '{"conn_type": "anthropic_batches"}')
    for _ in "with the module of DB-API hooks", "without it":
        with pytest.raises(ConfigurationError, match="leads to MessageBatchHook, which is no hook of an SQL database"):
            list(rows_of("SELECT 1 AS a"))
        monkeypatch.delitem(sys.modules, "airflow.providers.common.sql.hooks.sql", raising=False)


class Cursor:
    """A cursor of a database whose driver nobody knows."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def description(self) -> list[tuple[Any, str]] | None:
        return self.connection.description

    def execute(self, statement: str) -> None:
        self.connection.log.append(statement)

    def fetchmany(self, size: int) -> list[Any]:
        if isinstance(self.connection.rows, Exception):
            raise self.connection.rows
        return list(islice(self.connection.rows, size))

    def close(self) -> None:
        self.connection.log.append("close cursor")


class Connection:
    """A connection that logs what is done with it; some drivers know no rollback."""

    def __init__(self, rows: Any, names: list[Any] | None) -> None:
        self.rows = rows if isinstance(rows, Exception) else iter(rows)
        self.description = None if names is None else [(name, "type") for name in names]
        self.log: list[str] = []

    def cursor(self) -> Cursor:
        return Cursor(self)

    def rollback(self) -> None:
        self.log.append("rollback")
        raise NotImplementedError

    def commit(self) -> None:
        self.log.append("commit")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def connected(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, list[Any] | None], Connection]:
    """Let the hook return a connection that was made for the test."""

    def connect(rows: Any, names: list[Any] | None) -> Connection:
        connection = Connection(rows, names)
        monkeypatch.setattr(SqliteHook, "get_conn", lambda hook: connection)
        return connection

    return connect


def test_rows_may_be_tuples_or_mappings(connected: Connect) -> None:
    connected([(1, "x"), {"a": 2, "b": "y"}, UserDict({"a": 3, "b": "z"})], ["a", "b"])
    assert list(rows_of("SELECT")) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}]


def test_a_transaction_is_rolled_back_and_the_connection_closed(connected: Connect) -> None:
    connection = connected([(1,)], ["a"])
    assert list(rows_of("SELECT 1 ;\n")) == [{"a": 1}]
    assert connection.log == ["SELECT 1", "close cursor", "rollback", "close", "close cursor"]


def test_rows_that_are_not_wanted_are_not_waited_for(connected: Connect) -> None:
    connection = connected([(number,) for number in range(5000)], ["a"])
    rows = rows_of("SELECT 1")
    assert next(rows) == {"a": 0}
    rows.close()  # type: ignore[attr-defined]
    assert connection.log == ["SELECT 1", "close", "close cursor"]


def test_a_statement_without_rows_is_not_committed(connected: Connect) -> None:
    connection = connected([], None)
    with pytest.raises(ConfigurationError, match=r"the statement returns no rows.*was not committed"):
        list(rows_of("SELECT 1 INTO x"))
    assert connection.log == ["SELECT 1 INTO x", "close", "close cursor"]


@pytest.mark.parametrize("names", [[""], [None], ["?column?"], [7]])
def test_a_column_without_a_name_is_refused(connected: Connect, names: list[Any]) -> None:
    connected([(1,)], names)
    with pytest.raises(ConfigurationError, match="column 1 of the query has no name"):
        list(rows_of("SELECT 1"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError("gone"), SourceError),
        (TimeoutError("too late"), SourceError),
        (sqlite3.InterfaceError("closed"), SourceError),
        (sqlite3.NotSupportedError("no"), ConfigurationError),
        (sqlite3.DataError("no"), ConfigurationError),
        (NoExactValueError("Python has no infinite dates"), ConfigurationError),
    ],
)
def test_an_error_says_whether_a_retry_helps(connected: Connect, error: Exception, kind: type[Exception]) -> None:
    connection = connected(error, ["a"])
    with pytest.raises(kind, match=rf"{type(error).__name__}: {error}\. .*Nothing was sent") as caught:
        list(rows_of("SELECT 1"))
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert connection.log[-2:] == ["close", "close cursor"]


def test_a_connection_in_autocommit_mode_is_put_into_a_transaction(
    connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connected([(1,)], ["a"])
    monkeypatch.setattr(DbApiHook, "supports_autocommit", True)
    setattr(connection, "autocommit", True)  # noqa: B010 - the class has no such attribute
    assert list(rows_of("SELECT 1")) == [{"a": 1}]
    assert getattr(connection, "autocommit") is False  # noqa: B009


def test_a_database_of_sqlite_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = tmp_path / "absent.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(absent)}))
    with pytest.raises(ConfigurationError, match=r"there is no database file '.*absent\.db'\. Correct the host"):
        list(read_query(Query("warehouse", "SELECT 1 AS one"), SourceSchema()))
    assert not absent.exists()


@pytest.mark.parametrize("host", [None, "", ":memory:"])
def test_a_database_of_sqlite_without_a_file_is_refused(host: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": host}))
    with pytest.raises(
        ConfigurationError, match=r"names no database file, .* Give the absolute path .* Nothing was sent"
    ):
        list(read_query(Query("warehouse", "SELECT 1 AS one"), SourceSchema()))
