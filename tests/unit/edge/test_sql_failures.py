"""The errors of drivers without data: parameters and values of rows are replaced, however a driver quotes them."""

from __future__ import annotations

import datetime
import pickle
import re
import sqlite3
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from anthropic_batches_provider.edge.sql_failures import DriverCalls, NoExactValueError, Query
from anthropic_batches_provider.errors import ConfigurationError, MessageBatchesError, SourceError


class DatabaseError(Exception):
    """An error as PEP 249 names it."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class ProgrammingError(DatabaseError):
    pass


class DataError(DatabaseError):
    pass


def failure(error: Exception, parameters: Any = None, *, rows: int = 0) -> MessageBatchesError:
    """Return our error in place of a driver's."""
    calls = DriverCalls(Query("c", "SELECT 1", parameters))
    calls.rows = rows

    def fail() -> None:
        raise error

    with pytest.raises(MessageBatchesError) as caught:
        calls.fetch(fail)
    return caught.value


@pytest.mark.parametrize(
    ("parameters", "message", "shown"),
    [
        (["Smith"], "near 'Smith' and Smithers", "near '***' and ***ers"),
        (["O'Brien"], "near 'O''Brien'", "near '***'"),
        ([r"a\b-c"], r"near 'a\\b-c'", "near '***'"),
        (["a\nb\nc"], "near 'a\nb\nc' at line 1\nmore", "near '***' at line 1"),
        (["a\nb\nc"], r"near 'a\nb\nc'", "near '***'"),
        (["0123456789" * 9], "near '" + "0123456789" * 4 + "' at line 1", "near '***' at line 1"),
        ([7], "port 5732: 7 of 77 failed", "port 5732: *** of 77 failed"),
        ([True, None, ""], "True, None", "True, None"),
        ({"a": [Decimal("10.50"), {"b": "deep text"}]}, "10.50 or deep text", "*** or ***"),
        (
            [datetime.datetime(2026, 11, 29, 1, 2, tzinfo=datetime.UTC)],
            "at 2026-11-29T01:02:00+00:00 or 2026-11-29 01:02:00+00:00",
            "at *** or ***",
        ),
        ([b"secret"], r"near secret or '\x736563726574'", r"near *** or '\x***'"),
        (None, "near 'Smith'", "near 'Smith'"),
    ],
)
def test_parameters_are_replaced(parameters: Any, message: str, shown: str) -> None:
    assert f"ProgrammingError (42601): {shown}. " in str(failure(ProgrammingError(message, "42601"), parameters))


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (DataError('invalid input syntax for type integer: "a value"', "22P02"), "for type integer: ***. "),
        (DataError('invalid input syntax: "a\nvalue"', "22P02"), "invalid input syntax: ***. "),
        (
            DataError("ungültige Eingabesyntax für Typ integer: »a value«", "22P02"),
            "für Typ integer: ***. ",
        ),
        (DataError("Failed to cast variant value 70.25 to BOOLEAN", "22023"), "Failed to cast variant value ***. "),
        (DataError('Failed to parse {a: "a value"}', "22023"), "Failed to parse ***. "),
        (DatabaseError("cannot execute nextval() in a transaction", "25P02"), "execute nextval() in a transaction. "),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'v' with text 'a value'"), "UTF-8 column ***. "),
        (
            sqlite3.ProgrammingError("Error binding parameter 1: type 'dict' is"),
            "Error binding parameter 1: type ***. ",
        ),
        (ProgrammingError("", "42601"), "ProgrammingError (42601): no message. "),
    ],
)
def test_values_of_rows_are_replaced(error: Exception, shown: str) -> None:
    assert shown in str(failure(error))


class OperationalError(Exception):
    """An error of a driver that knows no SQLSTATE."""


def with_attributes(error: Exception, **attributes: Any) -> Exception:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


RAISED = "bad customer v5"
IS_HIDDEN = (
    r"\. Its message is hidden, because it may hold values of rows: to see it, run the query in a database client\. "
)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (DatabaseError(RAISED, "P0001"), r"DatabaseError \(P0001\)"),
        (DatabaseError(RAISED, "45000"), r"DatabaseError \(45000\)"),
        (DatabaseError(RAISED, "ABCDE"), r"DatabaseError \(ABCDE\)"),
        (DatabaseError("duplicate key v5", "23505"), r"DatabaseError \(23505\)"),
        (DatabaseError("'v5' is wrong", "22000"), r"DatabaseError \(22000\)"),
        (DatabaseError(RAISED), "DatabaseError"),
        (with_attributes(DatabaseError(RAISED, "42501"), diag=SimpleNamespace(source_file="pl_exec.c")),
         r"DatabaseError \(42501\)"),
        (OperationalError(245, b"Conversion failed when converting the varchar value 'v5'"), r"Error \(245\)"),
        (OperationalError("22018", "[22018] [Microsoft] value 'v5' (245)"), r"OperationalError \(22018\)"),
        (OperationalError("42000", f"[42000] [Microsoft] {RAISED} (50000)"), r"OperationalError \(42000\)"),
        (OperationalError("SMITH", "v5"), "OperationalError"),
        (OperationalError(55555), "OperationalError"),
        (ProgrammingError("100038 (22018): Numeric value 'v5' is not recognized", "22018"), r"Error \(22018\)"),
        (with_attributes(OperationalError("Cannot cast 'v5'"), error_name="INVALID_CAST"), r"Error \(INVALID_CAST\)"),
        (with_attributes(OperationalError("Cannot cast 'v5'"), error_name="Cannot cast 'v5'"), "OperationalError"),
        (OperationalError(SimpleNamespace(full_code="ORA-20001", message=RAISED)), r"Error \(ORA-20001\)"),
        (OperationalError(f"ORA-20001: {RAISED}"), "OperationalError"),
        (ValueError("no digits in v5"), "ValueError"),
        (with_attributes(sqlite3.IntegrityError(RAISED), sqlite_errorname="SQLITE_CONSTRAINT_TRIGGER"),
         r"IntegrityError \(SQLITE_CONSTRAINT_TRIGGER\)"),
        (with_attributes(sqlite3.OperationalError("bad path: v5"), sqlite_errorname="SQLITE_ERROR"),
         r"OperationalError \(SQLITE_ERROR\)"),
    ],
)  # fmt: skip
def test_a_message_that_may_hold_values_of_rows_is_hidden(error: Exception, shown: str) -> None:
    found = str(failure(error))
    assert re.search(rf": {shown}{IS_HIDDEN}|: \w+{shown}{IS_HIDDEN}", found), found
    assert not re.search(r"v5|SMITH|55555|customer", found), found


@pytest.mark.parametrize(
    "error",
    [
        *(DatabaseError('no "name" here, 5', f"{kind}000") for kind in ("08", "28", "3D", "42", "53", "57")),
        with_attributes(sqlite3.OperationalError("no such table: n5"), sqlite_errorname="SQLITE_ERROR"),
        with_attributes(sqlite3.OperationalError("no such column: n5"), sqlite_errorname="SQLITE_ERROR"),
        with_attributes(sqlite3.OperationalError('near "5": syntax error'), sqlite_errorname="SQLITE_ERROR"),
        with_attributes(sqlite3.OperationalError("database is locked"), sqlite_errorname="SQLITE_BUSY"),
        OperationalError("server closed the connection unexpectedly"),
        OperationalError("consuming input failed: server closed the connection unexpectedly"),
        NoExactValueError("Python has no time 24:00"),
        OSError("[Errno 104] Connection reset by peer"),
    ],
)
def test_a_message_that_names_only_tables_hosts_and_words_of_the_query_is_shown(error: Exception) -> None:
    assert f": {error}. " in str(failure(error))


def test_before_a_query_runs_no_message_holds_values_of_rows() -> None:
    refused = OperationalError('connection to server at "db", port 5432 failed: no password')
    for error, shown in (
        (refused, f"OperationalError: {refused}. "),
        (ProgrammingError('missing "=" after "secret"'), "ProgrammingError: missing ***. "),
        (ValueError("no port 'secret'"), "ValueError: no port ***. "),
    ):
        with pytest.raises(MessageBatchesError) as caught:
            DriverCalls(Query("c", "SELECT 1")).connect(mock.Mock(side_effect=error))
        assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ProgrammingError("no table"), ConfigurationError, "no rows can be read: ProgrammingError. Its message"),
        (DatabaseError("no table", "42S02"), ConfigurationError, r"DatabaseError \(42S02\): no table"),
        (DatabaseError("read-only transaction", "25006"), ConfigurationError, "may only read.*Nothing was changed"),
        (DatabaseError("data-modifying statements", "0A000"), ConfigurationError, "may only read"),
        (DatabaseError("not here", "0A000"), ConfigurationError, "no rows can be read"),
        (DataError("too large"), ConfigurationError, "cast its column to text in the query"),
        (
            DatabaseError("division by zero", "22012"),
            ConfigurationError,
            r"\(22012\): division by zero\. Correct the query, its parameters or the data",
        ),
        (ProgrammingError("Numeric value 'v5'", "22018"), ConfigurationError, r"Numeric value \*\*\*\. Correct"),
        (DatabaseError("raised", "P0001"), SourceError, "A retry reads the rows again from the start"),
        (ProgrammingError("canceled", "57014"), SourceError, r"reading failed before the first row: .*\(57014\)"),
        (DatabaseError("shut down", "57P01"), SourceError, "reading failed before the first row"),
        (RuntimeError("anything"), SourceError, "RuntimeError. Its message is hidden"),
        (OSError("no route"), SourceError, "OSError: no route"),
    ],
)
def test_an_error_that_a_retry_would_repeat_is_a_mistake(
    error: Exception, kind: type[MessageBatchesError], message: str
) -> None:
    found = failure(error)
    assert type(found) is kind
    found_again = pickle.loads(pickle.dumps(found))  # noqa: S301
    with pytest.raises(kind, match=rf"^SqlRows on 'c': .*{message}.*[Nn]othing was sent\.$"):
        raise found_again


def test_the_rows_that_were_read_are_counted() -> None:
    assert " after 1 row: " in str(failure(OSError("lost"), rows=1))
    assert " after 2,000 rows: " in str(failure(OSError("lost"), rows=2000))


def test_nothing_of_the_query_is_in_its_text() -> None:
    query = Query("c", "SELECT secret", ["secret"])
    assert f"{query}{query!r}".count("secret") == 0


def test_our_own_error_passes_as_it_is() -> None:
    error = ConfigurationError("ours")
    assert failure(error) is error
