"""SQL to SQL is the identity: each type that a query reads comes into a table as it was, on PostgreSQL and SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests.encoding import encode_values
from anthropic_batches_provider.edge.sql_table import OWNER_COLUMN, SqlTable
from anthropic_batches_provider.errors import ConfigurationError
from tests.e2e.postgres import Databases
from tests.worlds.published_tables import OWNER, copy_query, publish
from tests.worlds.warehouse import Warehouse, drivers, rows_of, used_driver

pytestmark = pytest.mark.heavy

# For each type of PostgreSQL: its values, and the type of the column that is made for it.
TYPES: dict[str, tuple[list[str], str]] = {
    "boolean": (["true", "false"], "boolean"),
    "smallint": (["-32768", "32767"], "bigint"),
    "integer": (["-2147483648", "2147483647"], "bigint"),
    "bigint": (["-9223372036854775808", "9223372036854775807"], "bigint"),
    "numeric(38,10)": (["9999999999999999999999999999.0000000001", "-0.1"], "numeric"),
    "numeric": (["123456789012345678901234567890.10", "-1.5", "0"], "numeric"),
    "real": (["0.1", "3.4028235e38", "1e-45", "-0"], "real"),
    "double precision": (["0.1", "1.7976931348623157e308", "5e-324", "-0"], "double precision"),
    "text": ([r"E'a\tb\nc\\d\r\\N'", "''", "'NULL'", "'é\u2028🙂\"''%s{x}'", r"'\x00'"], "text"),
    "character varying(20)": (["'x '", "'12345678901234567890'"], "text"),
    "character(4)": (["'ab'"], "text"),
    "bytea": ([r"'\x00ff0a5c09'", "''"], "bytea"),
    "date": (["'0001-01-01'", "'2024-02-29'", "'9999-12-31'"], "date"),
    "time without time zone": (["'00:00'", "'23:59:59.999999'"], "time without time zone"),
    "time with time zone": (["'23:59:59.5+02'", "'00:00-01'"], "text"),
    "timestamp without time zone": (
        ["'0001-01-02 00:00'", "'2024-02-29 23:59:59.999999'", "'9999-12-30'"], "timestamp without time zone"
    ),
    "timestamp with time zone": (
        ["'0001-01-03 00:00+00'", "'2024-02-29 23:59:59.999999+05:30'"], "timestamp with time zone"
    ),
    "interval": (["'-1 day 2 hours'", "'24:00'", "'-00:00:00.000001'", "'1000000 days'", "'0'"], "interval"),
    "uuid": (["'00000000-0000-0000-0000-00000000000a'"], "text"),
    "json": (['\'{"b": [1.10, null], "a": "\\u00e9"}\'', "'\"x\"'", "'1'", "'[]'"], "jsonb"),
    "jsonb": (['\'{"b": 12345678901234567890.12, "\\\\u0000": 1}\'', "'true'"], "jsonb"),
    "inet": (["'10.0.0.1/8'", "'::1'"], "text"),
    "cidr": (["'10.0.0.0/8'"], "text"),
    "macaddr": (["'08:00:2b:01:02:03'"], "text"),
    "bit(3)": (["b'101'"], "text"),
    "mood": (["'sad'", "'a''b'"], "text"),
    "short": (["'x'"], "text"),
}  # fmt: skip
ARRAYS = {
    "bigint[]": ["array[1, null]", "array[]::bigint[]"],
    "text[]": ["array['a,b', 'NULL', '', E'\\\\']"],
    "date[]": ["array[date '2024-02-29', null]"],
}


@pytest.fixture(scope="module")
def server(databases: Databases) -> Warehouse:
    warehouse = Warehouse.on(databases, "table_types")
    warehouse.execute("ALTER DATABASE table_types SET timezone = 'Etc/GMT-5'")
    warehouse.execute("CREATE TYPE mood AS ENUM ('sad', 'a''b')")
    warehouse.execute("CREATE DOMAIN short AS varchar(9)")
    return warehouse


@pytest.fixture(params=drivers())
def warehouse(
    request: pytest.FixtureRequest, server: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Warehouse]:
    server.execute("DROP TABLE IF EXISTS source, target")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.connection())
    with used_driver(request.param):
        yield server


def fill(warehouse: Warehouse, kind: str, values: list[str]) -> None:
    warehouse.execute(f"CREATE TABLE source (n int, v {kind})")
    for number, value in enumerate([*values, "NULL"]):
        warehouse.execute(f"INSERT INTO source VALUES ({number}, {value})")


def type_of(warehouse: Warehouse, table: str, column: str) -> Any:
    sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s"
    return warehouse.execute(sql, [table, column])[0][0]


def written(table: str) -> list[Any]:
    """Return the values of a table in their order, as the output holds them."""
    rows = rows_of(f"SELECT v FROM {table} ORDER BY n")
    return [json.loads(encode_values(row), parse_float=Decimal)["v"] for row in rows]


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_of_postgres_comes_into_a_column_of_the_same_type_unchanged(warehouse: Warehouse, kind: str) -> None:
    values, _ = TYPES[kind]
    fill(warehouse, kind, values)
    warehouse.execute(f"CREATE TABLE target ({OWNER_COLUMN} text, n int, v {kind})")
    copy_query("SELECT n, v FROM source", SqlTable("warehouse", "target"))
    compared = "s.v::jsonb = t.v::jsonb" if kind == "json" else "s.v = t.v"
    same = f"SELECT count(*) FROM source s JOIN target t USING (n) WHERE {compared} OR (s.v IS NULL AND t.v IS NULL)"
    assert warehouse.execute(same) == [(len(values) + 1,)]
    assert warehouse.execute(f"SELECT DISTINCT {OWNER_COLUMN} FROM target") == [(OWNER,)]
    assert written("target") == written("source")


@pytest.mark.parametrize("kind", [*TYPES, *ARRAYS])
def test_a_table_that_is_made_reads_as_its_source(warehouse: Warehouse, kind: str) -> None:
    values, made = TYPES.get(kind) or (ARRAYS[kind], "jsonb")
    fill(warehouse, kind, values)
    copy_query("SELECT n, v FROM source", SqlTable("warehouse", "public.target", create=True))
    assert type_of(warehouse, "target", "v") == made
    assert written("target") == written("source")


def test_a_column_without_any_value_fits_every_column(warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE target ({OWNER_COLUMN} text, n int, v numeric(3, 1))")
    publish([{"n": 1, "v": None}], SqlTable("warehouse", "target"))
    assert warehouse.execute("SELECT n, v FROM target") == [(1, None)]


def test_what_postgres_cannot_store_is_replaced_and_counted(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"n": 1, "v": "a\x00b", "j": {"x": "\x00", "y": "\\u0000", "z": "\U0001f642"}},
        {"n": 2, "v": "\\u0000", "j": [1]},
    ]
    publish(rows, SqlTable("warehouse", "target", create=True))
    found = warehouse.execute("SELECT v, j FROM target ORDER BY n")
    assert found == [("a\ufffdb", {"x": "\ufffd", "y": "\\u0000", "z": "\U0001f642"}), ("\\u0000", [1])]
    assert "1 values of 'v', 1 values of 'j'" in caplog.text


# For each type of SQLite: its values.
SQLITE_TYPES: dict[str, list[Any]] = {
    "": [1, -(2**63), 2**63 - 1, 0.1, 1.5, "x", "01", "", None],
    "BLOB": [b"", b"\x00\xff"],
    "INTEGER": [0, -(2**63), 2**63 - 1],
    "REAL": [0.1, 5e-324, 1.7976931348623157e308, -2.0],
    "TEXT": ["é🙂", "", "01", "1.10", "2024-02-29", "a\x00b", '{"a": 1}'],
    "NUMERIC": [1, 0.5],
    "JSON": ["[1]", '{"a": "\\u0000"}'],
}


@pytest.fixture
def sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "a.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    return file


@pytest.mark.parametrize("kind", [kind for kind in SQLITE_TYPES if kind != "JSON"])
@pytest.mark.parametrize("is_made", [True, False])
def test_a_type_of_sqlite_comes_out_unchanged(sqlite_file: Path, kind: str, is_made: bool) -> None:
    with closing(sqlite3.connect(sqlite_file)) as connection:
        connection.execute(f"CREATE TABLE source (n INTEGER, v {kind})")
        connection.executemany("INSERT INTO source VALUES (?, ?)", enumerate(SQLITE_TYPES[kind]))
        connection.commit()
        if not is_made:
            connection.execute(f"CREATE TABLE target ({OWNER_COLUMN} TEXT, n INTEGER, v {kind})")
        copy_query("SELECT n, v FROM source", SqlTable("warehouse", "target", create=is_made))
        found = connection.execute("SELECT v, typeof(v) FROM target ORDER BY n").fetchall()
        expected = connection.execute("SELECT v, typeof(v) FROM source ORDER BY n").fetchall()
    if kind == "NUMERIC":  # holds integers and floats, so that its values have the type double
        found, expected = ([value for value, _ in each] for each in (found, expected))
    assert found == expected


def test_a_query_of_sqlite_with_a_text_that_looks_like_a_number_is_refused_for_a_number_column(
    sqlite_file: Path,
) -> None:
    with closing(sqlite3.connect(sqlite_file)) as connection:
        connection.execute(f"CREATE TABLE target ({OWNER_COLUMN} TEXT, n INTEGER, v NUMERIC)")
    with pytest.raises(ConfigurationError, match="column 'v' is NUMERIC, but the rows have string"):
        publish([{"n": 1, "v": "01"}], SqlTable("warehouse", "target"))
