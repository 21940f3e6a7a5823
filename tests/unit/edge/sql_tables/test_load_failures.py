"""The errors of drivers while a table is loaded: what passes and what lasts, what to do, and never a value."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_tables.load_failures import LoadCalls
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SourceError

SECRET = "the secret answer"


class DatabaseError(Exception):
    """An error as PEP 249 names it, with the fields of PostgreSQL's drivers."""

    def __init__(self, message: str, sqlstate: str | None = None, **diag: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        if sqlstate is not None:
            self.diag = SimpleNamespace(**diag)


class OperationalError(DatabaseError):
    pass


class IntegrityError(DatabaseError):
    pass


def failure(error: Exception, *, connects: bool = False, has_fixed_columns: bool = False) -> MessageBatchesError:
    """Return our error in place of a driver's."""
    calls = LoadCalls(
        "SqlTable on 'c', table 't'", "All is kept.", "A retry loads them.", "10 minutes",
        has_fixed_columns=has_fixed_columns,
    )  # fmt: skip

    def fail() -> None:
        raise error

    with pytest.raises(MessageBatchesError) as caught:
        calls.connect(fail) if connects else calls.run("loading the part p", fail)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    "state", ["08006", "40001", "40P01", "53100", "53300", "57014", "57P01", "57P03", "25006", "XX000", "58030"]
)
def test_what_passes_is_told_to_a_retry(state: str) -> None:
    error = failure(OperationalError("it broke", state))
    assert isinstance(error, SourceError)
    assert str(error).startswith(f"SqlTable on 'c', table 't': loading the part p failed: OperationalError ({state})")
    assert str(error).endswith("All is kept. A retry loads them.")


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("42501", "CREATE in its schema"),
        ("42P01", "Create the table"),
        ("3F000", "Create the schema"),
        ("42703", "Add the column"),
        ("22001", "longer texts"),
        ("22003", "larger numbers"),
        ("23502", "be null"),
        ("23503", "constraint asks for"),
        ("23505", "include the owner column"),
        ("23514", "check of the table"),
        ("22P02", "takes the rows"),
        ("0A000", "takes the rows"),
    ],
)
def test_what_lasts_says_what_to_change(state: str, advice: str) -> None:
    error = failure(DatabaseError("it was refused", state))
    assert isinstance(error, ConfigurationError)
    assert f"({state})" in str(error)
    assert advice in str(error)
    assert str(error).endswith("; then clear the task. All is kept.")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            DatabaseError(
                f'duplicate key value violates unique constraint "t_pkey"\nDETAIL: Key (id)=({SECRET})', "23505"
            ),
            'violates unique constraint "t_pkey"',
        ),
        (
            DatabaseError(
                f'null value in column "a" of relation "t" violates not-null constraint\nDETAIL: ({SECRET}).', "23502"
            ),
            'null value in column "a" of relation "t"',
        ),
        (
            DatabaseError(
                f'invalid input syntax for type integer: "{SECRET}"', "22P02",
                context=f'COPY t__ab_1, line 3, column the id: "{SECRET}"',
            ),
            "type integer: *** (row 3 of the part, column 'the id')",
        ),
        (
            DatabaseError("value too long for type character varying(5)", "22001", context="COPY t, line 1,234"),
            "character varying(5)",
        ),
        (DatabaseError(SECRET, "23514", source_file="pl_exec.c"), "Its message is hidden"),
        (DatabaseError(SECRET, "P0001", source_file="pl_exec.c"), "Its message is hidden"),
        (IntegrityError(SECRET), "IntegrityError. Its message is hidden"),
        (ValueError(SECRET), "ValueError. Its message is hidden"),
        (DatabaseError('could not extend file "base/1": No space left on device', "53100"), "No space left on device"),
    ],
)  # fmt: skip
def test_names_are_shown_and_values_are_not(error: Exception, shown: str) -> None:
    found = str(failure(error))
    assert shown in found
    assert "secret" not in found


@pytest.mark.parametrize("state", ["55P03"])
def test_a_lock_is_told_with_the_statement_that_waited(state: str) -> None:
    error = failure(OperationalError("canceling statement due to lock timeout", state))
    assert isinstance(error, SourceError)
    assert "loading the part p waited 10 minutes for a lock that another session holds" in str(error)


def sqlite_error(*statements: str) -> sqlite3.Error:
    connection = sqlite3.connect(":memory:")
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError("nothing failed")


@pytest.mark.parametrize(
    ("statements", "shown"),
    [
        (["CREATE TABLE t (a PRIMARY KEY)", f"INSERT INTO t VALUES ('{SECRET}'), ('{SECRET}')"], "failed: t.a"),
        (["CREATE TABLE t (a NOT NULL)", "INSERT INTO t VALUES (NULL)"], "NOT NULL constraint failed: t.a"),
        (["CREATE TABLE t (a CONSTRAINT c CHECK (a < 3))", "INSERT INTO t VALUES (7)"], "constraint failed: c"),
        (
            ["CREATE TABLE t (a INTEGER) STRICT", f"INSERT INTO t VALUES ('{SECRET}')"],
            "cannot store TEXT value in INTEGER column t.a",
        ),
        (["CREATE TABLE t (a)", "INSERT INTO t (b) VALUES (1)"], "table t has no column named b"),
        (["INSERT INTO t VALUES (1)"], "no such table: t"),
        (["CREATE VIEW t AS SELECT 1 AS a", "DELETE FROM t"], "cannot modify t because it is a view"),
        (
            [
                "CREATE TABLE t (a)",
                f"CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, '{SECRET}'); END",
                "INSERT INTO t VALUES (1)",
            ],
            "(SQLITE_CONSTRAINT_TRIGGER). Its message is hidden",
        ),
    ],
)
def test_sqlite_names_what_refused_a_row(statements: list[str], shown: str) -> None:
    error = failure(sqlite_error(*statements))
    assert isinstance(error, ConfigurationError)
    assert shown in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OperationalError("connection refused", "08001"), SourceError),
        (ImportError("No module named 'driver'"), ConfigurationError),
        (OperationalError('password authentication failed for user "x"'), SourceError),
    ],
)
def test_a_connection_that_cannot_be_opened_is_told(error: Exception, kind: type[Any]) -> None:
    found = failure(error, connects=True)
    assert isinstance(found, kind)
    assert "connecting failed" in str(found)
    assert "orrect the connection, or install the driver" in str(found)


@pytest.mark.parametrize("state", ["23502", "23505", "23514", "42501", "42703", "22003", "22001", "23999"])
def test_where_no_argument_chooses_the_columns_no_advice_names_one(state: str) -> None:
    error = failure(IntegrityError("the table refused it", state), has_fixed_columns=True)
    assert isinstance(error, ConfigurationError)
    assert "columns=" not in str(error)
    assert "keep=" not in str(error)
