"""Random tables through a database: no row is lost, doubled, moved or changed."""

from __future__ import annotations

import base64
import datetime
import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.rows import PreparedRow, RowColumns, prepare_rows
from anthropic_batches_provider.edge import sql_reading
from tests.e2e.postgres import Databases
from tests.worlds.warehouse import Warehouse, drivers, rows_of, used_driver

QUICK = settings(
    deadline=None,
    database=None,
    derandomize=True,
    print_blob=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
THOROUGH = settings(QUICK, derandomize=False, max_examples=2000)

pytestmark = pytest.mark.heavy

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
MOMENTS = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30))  # noqa: DTZ001
# For each column of PostgreSQL: its type, its values, and their JSON in the output.
COLUMNS: dict[str, tuple[str, st.SearchStrategy[Any], Any]] = {
    "text": ("text", TEXTS, lambda value: value),
    "flag": ("boolean", st.booleans(), lambda value: value),
    "whole": ("bigint", INTEGERS, lambda value: value),
    "float": ("double precision", FLOATS, float),
    "decimal": (
        "numeric(38, 10)",
        st.decimals(-(10**27), 10**27, places=10),
        lambda value: str(value or Decimal("0.0000000000")),  # PostgreSQL has no negative zero
    ),
    "day": ("date", st.dates(), lambda value: value.isoformat()),
    "moment": ("timestamp", MOMENTS, lambda value: value),
    "zoned": ("timestamptz", MOMENTS.map(lambda value: value.replace(tzinfo=datetime.UTC)), lambda value: value),
    "hour": ("time", st.times(), lambda value: value),
    "bytes": ("bytea", st.binary(max_size=40), lambda value: value),
    "id": ("uuid", st.uuids(), str),
    "json": ("jsonb", JSON, lambda value: value),
    "list": ("bigint[]", st.lists(st.none() | INTEGERS, max_size=4), lambda value: value),
    "words": ("text[]", st.lists(st.none() | TEXTS, max_size=4), lambda value: value),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values, _) in COLUMNS.items()}), max_size=12
)
SQLITE_VALUES = st.none() | INTEGERS | FLOATS | TEXTS | st.binary(max_size=40)
BATCH_SIZES = st.sampled_from([1, 2, 3, 5, 1000])


def as_read(kind: str, written: Any) -> Any:
    """Return a value of the output as the value that was inserted, by the standard library's own parsers."""
    if written is None:
        return None
    parse: dict[str, Any] = {
        "moment": datetime.datetime.fromisoformat,
        "zoned": datetime.datetime.fromisoformat,
        "hour": datetime.time.fromisoformat,
        "bytes": base64.b64decode,
        "float": float,
    }
    return parse[kind](written) if kind in parse else written


def output_of(sql: str) -> list[dict[str, Any]]:
    """Return the kept columns of all rows, as the output would hold them."""
    prepared = prepare_rows(
        rows_of(sql),
        columns=RowColumns(keep="*", column_prefix="claude_"),
        encode=lambda *_: b"{}",
        spool_folder=Path("/nowhere"),
    )
    rows: list[dict[str, Any]] = []
    for row in prepared:
        assert isinstance(row, PreparedRow), row.reason
        rows.append(json.loads(row.columns))
    assert [row.pop("row_number") for row in rows] == list(range(len(rows)))
    return rows


@pytest.fixture(scope="module")
def warehouse(databases: Databases) -> Warehouse:
    return Warehouse.on(databases, "random_tables")


@pytest.fixture(params=drivers())
def driver(request: pytest.FixtureRequest, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection())
    with used_driver(request.param):
        yield request.param


def insert(warehouse: Warehouse, table: str, rows: list[dict[str, Any]]) -> None:
    kinds = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in COLUMNS.items())
    with closing(psycopg2.connect(host=warehouse.host, dbname=warehouse.name, user="postgres")) as connection:
        psycopg2.extras.register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE {table} (n int, {kinds})")
        marks = ", ".join(f"CAST(%s AS {kind})" for kind, _, _ in COLUMNS.values())
        for number, row in enumerate(rows):
            values = [
                psycopg2.extras.Json(value) if name == "json" and value is not None else value
                for name, value in ((name, row[name]) for name in COLUMNS)
            ]
            cursor.execute(f"INSERT INTO {table} VALUES (%s, {marks})", [number, *values])
        connection.commit()


def check_postgres(warehouse: Warehouse, rows: list[dict[str, Any]], size: int) -> None:
    table = f"t_{uuid.uuid4().hex}"
    insert(warehouse, table, rows)
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql_reading, "_ROWS_AT_ONCE", size)
        found = output_of(f"SELECT {names} FROM {table} ORDER BY n")
    assert len(found) == len(rows)
    for before, after in zip(rows, found, strict=True):
        for name, (_, _, written) in COLUMNS.items():
            value = before[name]
            assert as_read(name, after[name]) == (None if value is None else written(value)), name


@QUICK
@given(rows=ROWS, size=BATCH_SIZES)
def test_a_table_of_postgres_comes_out_as_it_was_inserted(
    warehouse: Warehouse, driver: str, rows: list[dict[str, Any]], size: int
) -> None:
    check_postgres(warehouse, rows, size)


@pytest.mark.long
@THOROUGH
@given(rows=ROWS, size=BATCH_SIZES)
def test_many_tables_of_postgres_come_out_as_they_were_inserted(
    warehouse: Warehouse, driver: str, rows: list[dict[str, Any]], size: int
) -> None:
    check_postgres(warehouse, rows, size)


@QUICK
@given(rows=st.lists(st.tuples(SQLITE_VALUES, SQLITE_VALUES), max_size=12), size=BATCH_SIZES)
def test_a_table_of_sqlite_comes_out_as_it_was_inserted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[Any, Any]], size: int
) -> None:
    file = tmp_path / f"{uuid.uuid4().hex}.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    monkeypatch.setattr(sql_reading, "_ROWS_AT_ONCE", size)
    expected = [
        [base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in row] for row in rows
    ]
    assert [list(row.values()) for row in output_of("SELECT a, b FROM t ORDER BY rowid")] == expected
