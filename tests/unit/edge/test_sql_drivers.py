"""Which rules apply to a connection, and which types the database tells; real servers are in the integration tests."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from types import ModuleType
from typing import Any

import pytest

from anthropic_batches_provider.edge.sql_drivers import Driver, Psycopg, Psycopg2, Sqlite, driver_of


class Unknown:
    """A connection that returns what a cursor was asked for."""

    def cursor(self, *arguments: Any, **options: Any) -> tuple[Any, ...]:
        return (*arguments, *options.items())


def connection_of(module: str) -> Any:
    """Return a connection whose class is in a module of a driver, and a hook's own class of it."""
    driver = type("Connection", (Unknown,), {"__module__": module})
    return type("OfTheHook", (driver,), {})()


def test_a_connection_has_the_rules_of_its_driver_whatever_class_the_hook_makes_of_it() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert type(driver_of(connection)) is Sqlite
    assert type(driver_of(connection_of("psycopg"))) is Psycopg
    assert type(driver_of(connection_of("psycopg2.extensions"))) is Psycopg2
    assert type(driver_of(connection_of("psycopg3_like"))) is Driver
    assert type(driver_of(Unknown())) is Driver


@pytest.mark.parametrize(
    ("module", "cursors"), [("MySQLdb.connections", "MySQLdb.cursors"), ("pymysql.connections", "pymysql.cursors")]
)
def test_mysql_has_a_cursor_that_holds_no_rows(monkeypatch: pytest.MonkeyPatch, module: str, cursors: str) -> None:
    fake = ModuleType(cursors)
    fake.__dict__["SSCursor"] = "the cursor of the server"
    package = ModuleType(cursors.partition(".")[0])
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, cursors, fake)
    connection = connection_of(module)
    assert driver_of(connection).cursor(connection) == ("the cursor of the server",)


def test_mysqls_own_connector_does_not_buffer() -> None:
    connection = connection_of("mysql.connector.connection")
    assert driver_of(connection).cursor(connection) == (("buffered", False),)


@pytest.mark.parametrize(
    ("precision", "scale", "kind"),
    [
        (10, 2, "decimal128(10, 2)"), (38, 38, "decimal128(38, 38)"), (38, 0, "decimal128(38, 0)"), (39, 2, None),
        (None, None, None), (65535, 65535, None), (3, -2, None), (2, 5, None), (3, 65534, None),
    ],
)  # fmt: skip
def test_a_number_has_a_type_if_its_digits_are_declared(precision: Any, scale: Any, kind: str | None) -> None:
    found = Psycopg().types([("v", 1700, None, None, precision, scale, None)])
    assert found.get("v") == kind


def test_a_type_that_nobody_declares_is_left_to_the_values() -> None:
    assert Psycopg2().types([("v", 1186, None, None, None, None, None)]) == {}
    assert Driver().types([("v", 23, None, None, None, None, None)]) == {}
