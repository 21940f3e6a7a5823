"""The errors of drivers without data: parameters and values of rows are replaced, however a driver quotes them."""

from __future__ import annotations

import datetime
import pickle
import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_failures import DriverCalls, Query
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
    assert f"ProgrammingError: {shown}. " in str(failure(ProgrammingError(message), parameters))


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (DataError('invalid input syntax for type integer: "a value"', "22P02"), "for type integer: ***. "),
        (DataError('invalid input syntax: "a\nvalue"', "22P02"), "invalid input syntax: ***. "),
        (ValueError("no digits in 'a value'"), "no digits in ***. "),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'v' with text 'a value'"), "UTF-8 column ***. "),
        (ProgrammingError("", "42601"), "ProgrammingError (42601): no message. "),
    ],
)
def test_values_of_rows_are_replaced(error: Exception, shown: str) -> None:
    assert shown in str(failure(error))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ProgrammingError("no table"), ConfigurationError, "no rows can be read: ProgrammingError: no table"),
        (DatabaseError("no table", "42S02"), ConfigurationError, r"DatabaseError \(42S02\): no table"),
        (DatabaseError("read-only transaction", "25006"), ConfigurationError, "may only read.*Nothing was changed"),
        (DatabaseError("data-modifying statements", "0A000"), ConfigurationError, "may only read"),
        (DatabaseError("not here", "0A000"), ConfigurationError, "no rows can be read"),
        (DataError("too large"), ConfigurationError, "cast its column to text in the query"),
        (DataError("division by zero", "22012"), SourceError, "A retry reads the rows again from the start"),
        (ProgrammingError("canceled", "57014"), SourceError, r"reading failed before the first row: .*\(57014\)"),
        (DatabaseError("shut down", "57P01"), SourceError, "reading failed before the first row"),
        (RuntimeError("anything"), SourceError, "RuntimeError: anything"),
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
