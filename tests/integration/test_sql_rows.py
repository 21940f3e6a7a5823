"""Rows of a real PostgreSQL server: exact values, nothing changed, no data in an error, and nothing left open."""

from __future__ import annotations

import datetime
import json
import random
import uuid
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from anthropic_batches_provider.batches.requests.encoding import encode_values
from anthropic_batches_provider.batches.requests.printing import NotPrintableError, printed
from anthropic_batches_provider.batches.rows import RowColumns, SourceSchema, prepare_rows
from anthropic_batches_provider.errors import ConfigurationError, SourceError
from tests.e2e.postgres import Databases
from tests.worlds.warehouse import Warehouse, drivers, rows_of, used_driver

COUNT = 5000
SECRET = "pass-phrase-of-5-words"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def server(databases: Databases) -> Warehouse:
    warehouse = Warehouse.on(databases, "sql_rows")
    warehouse.execute("CREATE TABLE notes (id int, text text)")
    warehouse.execute(f"INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, {COUNT}) AS n")
    warehouse.execute("CREATE SEQUENCE numbers")
    return warehouse


@pytest.fixture(params=drivers(), autouse=True)
def driver(request: pytest.FixtureRequest) -> Iterator[str]:
    with used_driver(request.param):
        yield request.param


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the connections that Airflow's hook opens."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    connect, connections = PostgresHook.get_conn, []

    def get_conn(hook: PostgresHook) -> Any:
        connections.append(connect(hook))
        return connections[-1]

    monkeypatch.setattr(PostgresHook, "get_conn", get_conn)
    return connections


@pytest.fixture
def warehouse(server: Warehouse, monkeypatch: pytest.MonkeyPatch, opened: list[Any]) -> Iterator[Warehouse]:
    """The database; after the test no connection to it may be open, and no row be changed."""
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.connection())
    yield server
    assert [connection for connection in opened if not connection.closed] == []
    assert server.execute("SELECT count(*), sum(id), min(text) FROM notes") == [(COUNT, 12_502_500, "note 1")]


def test_all_rows_come_in_order_through_a_cursor_of_the_server(warehouse: Warehouse) -> None:
    rows = rows_of("SELECT id, (SELECT count(*) FROM pg_cursors WHERE name LIKE 'anthropic%') AS cursors FROM notes")
    assert list(rows) == [{"id": number, "cursors": 1} for number in range(1, COUNT + 1)]


def test_the_server_makes_only_the_rows_that_are_read(warehouse: Warehouse) -> None:
    warehouse.execute(
        "CREATE OR REPLACE FUNCTION at_most(n bigint) RETURNS bigint LANGUAGE plpgsql AS "
        "$$ BEGIN IF n > 10000 THEN RAISE 'too many were made'; END IF; RETURN n; END $$"
    )
    rows = rows_of("SELECT at_most(n) AS n FROM generate_series(1, 100000000) AS n")
    assert [row["n"] for row in islice(rows, 2500)] == list(range(1, 2501))
    rows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("sql", ["SELECT * FROM notes WHERE false", "SELECT 1 AS one WHERE false;"])
def test_an_empty_result_has_no_rows(warehouse: Warehouse, sql: str) -> None:
    assert list(rows_of(sql)) == []


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT id FROM notes WHERE id <= %s AND text LIKE 'note%%' ORDER BY id", [2]),
        ("SELECT id FROM notes WHERE id <= %(most)s ORDER BY id", {"most": 2}),
        ("SELECT id FROM notes WHERE id < 3 AND text LIKE 'note%' ORDER BY id", None),
        ("SELECT id FROM notes WHERE id < 3 AND text LIKE 'note%' ORDER BY id", []),
        ("-- a; comment\nSELECT id FROM notes WHERE id < 3 AND text <> ';' ORDER BY id;\n;", None),
        ("WITH few AS (TABLE notes) SELECT id FROM few WHERE id < 3 ORDER BY id", None),
        ("(VALUES (1), (2)) ORDER BY 1", None),
    ],
)
def test_a_query_may_be_any_that_returns_rows(warehouse: Warehouse, sql: str, parameters: Any) -> None:
    assert [list(row.values()) for row in rows_of(sql, parameters)] == [[1], [2]]


@pytest.mark.parametrize("extra", [{"cursor": "dictcursor"}, {"cursor": "namedtuplecursor"}])
def test_rows_are_the_same_whatever_cursor_the_connection_names(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(**extra))
    assert list(rows_of("SELECT id, text FROM notes WHERE id = 1")) == [{"id": 1, "text": "note 1"}]


def test_a_connection_in_autocommit_mode_is_read_in_a_transaction(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    if driver == "psycopg":  # psycopg2 takes no such option
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(autocommit=True))
    assert len(list(rows_of("SELECT id FROM notes"))) == COUNT
    with pytest.raises(ConfigurationError, match="may only read"):
        list(rows_of("SELECT nextval('numbers') AS n"))


def test_settings_of_a_transaction_that_the_hook_has_begun_stay(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    connect = PostgresHook.get_conn

    def connected(hook: PostgresHook) -> Any:
        connection = connect(hook)
        connection.cursor().execute("SET LOCAL application_name = 'ours'")
        return connection

    monkeypatch.setattr(PostgresHook, "get_conn", connected)
    assert list(rows_of("SELECT current_setting('application_name') AS name")) == [{"name": "ours"}]
    with pytest.raises(ConfigurationError, match="may only read"):
        list(rows_of("SELECT nextval('numbers') AS n"))


# ------------------------------------------------------------------------------------------------ values and types

EXACT: list[tuple[str, Any]] = [
    ("true", True),
    ("9223372036854775807", 9223372036854775807),
    ("'0.1'::float8", 0.1),
    ("'0.1'::float4", 0.1),
    ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
    ("'é\u2028🙂\\'", "é\u2028🙂\\"),
    ("'ab'::char(4)", "ab  "),
    ("date '2024-02-29'", "2024-02-29"),
    ("date '9999-12-31'", "9999-12-31"),
    ("timestamp '2024-02-29 23:59:59.999999'", "2024-02-29T23:59:59.999999"),
    ("timestamptz '2024-02-29 23:59:59.999999+00'", "2024-02-29T23:59:59.999999Z"),
    ("time '23:59:59.5'", "23:59:59.500000"),
    ("timetz '23:59:59+02'", "23:59:59+02:00"),
    ("time '00:00'", "00:00:00"),
    ("array[time '00:00', null, time '23:59:59.999999']", ["00:00:00", None, "23:59:59.999999"]),
    ("array[timetz '00:00-01']", ["00:00:00-01:00"]),
    ("interval '-1 day 2 hours'", "-PT79200S"),
    ("interval '24:00'", "P1D"),
    ("'\\x00ff'::bytea", "AP8="),
    ("'00000000-0000-0000-0000-00000000000a'::uuid", "00000000-0000-0000-0000-00000000000a"),
    ("""'{"b": [1.10, null], "a": 1e400}'::json""", {"b": [Decimal("1.10"), None], "a": Decimal("1e400")}),
    ("""'{"b": 12345678901234567890.12}'::jsonb""", {"b": Decimal("12345678901234567890.12")}),
    ("array[1, null]", [1, None]),
    ("array['a,b', 'NULL', '']", ["a,b", "NULL", ""]),
    ("array[date '2024-02-29', null]", ["2024-02-29", None]),
    ("'::ffff:1.2.3.4'::inet", "::ffff:1.2.3.4"),
    ("'10.0.0.1/8'::inet", "10.0.0.1/8"),
    ("'10.0.0.0/8'::cidr", "10.0.0.0/8"),
    ("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03"),
    ("b'101'", "101"),
    ("null::int", None),
    ("null::interval", None),
]


@pytest.mark.parametrize(("expression", "kept"), EXACT)
def test_a_value_is_written_exactly(warehouse: Warehouse, expression: str, kept: Any) -> None:
    warehouse.execute("ALTER DATABASE sql_rows SET timezone = 'UTC'")
    (row,) = rows_of(f"SELECT {expression} AS v")
    written = json.loads(encode_values(row), parse_float=Decimal)
    if isinstance(kept, float):
        kept = Decimal(str(kept))
    assert written == {"v": kept}


@pytest.mark.parametrize(
    "expression", ["'[1,2]'::int4range", "array['[1,2]'::int4range]", "'NaN'::numeric", "'infinity'::float8"]
)
def test_a_value_without_json_makes_its_row_invalid_and_no_other(warehouse: Warehouse, expression: str) -> None:
    sql = f"SELECT n, CASE n WHEN 2 THEN {expression} END AS v FROM generate_series(1, 3) AS n"
    rows = rows_of(sql)
    prepared = prepare_rows(rows, columns=RowColumns(key="n", keep=["v"]), encode=lambda *_: b"{}", spool_folder=None)  # type: ignore[arg-type]
    reasons = [getattr(row, "reason", None) for row in prepared]
    assert reasons[0] is reasons[2] is None
    assert reasons[1] is not None
    assert "column 'v'" in reasons[1]
    if "range" in expression:
        assert "cast it to text in the query" in reasons[1]
        with pytest.raises(NotPrintableError, match="cast it to text in the query"):
            printed([*rows_of(sql)][1]["v"])


@pytest.mark.parametrize(
    "expression",
    ["'infinity'::date", "'-infinity'::timestamp", "'infinity'::timestamptz", "date '10000-01-01'", "interval '1 mon'",
     "array['-infinity'::date]", "interval '1 year 2 days'", "array[interval '1 mon']", "'24:00'::time",
     "'24:00+02'::timetz", "'23:59:59.9999999'::time", "array['24:00'::time]", "array[null, '24:00-01'::timetz]"],
)  # fmt: skip
def test_a_value_that_the_driver_would_change_is_refused(warehouse: Warehouse, expression: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cast its column to text in the query\. Nothing was sent"):
        list(rows_of(f"SELECT {expression} AS v"))
    assert [list(row) for row in rows_of(f"SELECT ({expression})::text AS v")] == [["v"]]


@pytest.mark.parametrize("style", ["sql_standard", "postgres_verbose", "iso_8601", "postgres"])
def test_settings_of_a_session_change_no_value(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    options = f"-c intervalstyle={style} -c extra_float_digits=-10"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(options=options))
    sql = "SELECT interval '3 days 04:05:06' AS a, interval '1 day 25:00' AS b, interval '-1 day +02:03' AS c, "
    (row,) = rows_of(f"{sql}array[interval '-1.5 s'] AS d, 0.1::float8 + 0.2 AS e, null::time AS f")
    seconds = datetime.timedelta
    assert row == {
        "a": seconds(days=3, hours=4, minutes=5, seconds=6), "b": seconds(days=2, hours=1),
        "c": seconds(days=-1, hours=2, minutes=3), "d": [seconds(seconds=-1.5)], "e": 0.1 + 0.2, "f": None,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"months or years has no exact length|cast its column"):
        list(rows_of("SELECT interval '1 year 2 mons 3 days' AS v"))


def test_the_types_that_postgres_tells_exactly_are_declared(warehouse: Warehouse) -> None:
    schema = SourceSchema()
    sql = (
        "SELECT true AS bool, 1::int2 AS int2, 1 AS int4, 1::int8 AS int8, 1::float4 AS float4, 1::float8 AS float8, "
        "'a'::text AS text, 'a'::varchar(3) AS varchar, 'a'::char(3) AS char, current_date AS date, "
        "now()::timestamp AS moment, now() AS zoned, '\\x00'::bytea AS bytes, 1.5::numeric(10, 2) AS decimal, "
        "1.5::numeric AS number, 1::numeric(50, 2) AS wide, gen_random_uuid() AS uuid, '1'::json AS json, "
        "'1'::jsonb AS jsonb, time '12:00' AS time, array[1] AS array, 'a'::\"char\" AS letter"
    )
    assert len(list(rows_of(sql, schema=schema))) == 1
    assert schema.declared() == {
        "bool": "bool", "int2": "int64", "int4": "int64", "int8": "int64", "float4": "float", "float8": "double",
        "text": "string", "varchar": "string", "char": "string", "date": "date32[day]", "moment": "timestamp[us]",
        "zoned": "timestamp[us, tz=UTC]", "bytes": "binary", "decimal": "decimal128(10, 2)", "uuid": "string",
        "json": "json", "jsonb": "json",
    }  # fmt: skip


def test_text_without_an_encoding_is_refused_or_read_as_the_connection_says(
    databases: Databases, server: Warehouse, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    name = f"ascii_{driver}"
    server.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    ascii_database = Warehouse(server.host, name)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", ascii_database.connection(client_encoding="utf8"))
    assert list(rows_of(r"SELECT E'\303\251' AS v")) == [{"v": "é"}]
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", ascii_database.connection(client_encoding="sql_ascii"))
    with pytest.raises((ConfigurationError, SourceError), match=r"client_encoding|cast its column"):
        list(rows_of(r"SELECT E'\303\251' AS v"))


# --------------------------------------------------------------------------------------------- mistakes and secrets

MISTAKES: list[tuple[str, Any, str]] = [
    ("SELECT CHOOSE OF 1", None, r"\(42601\): syntax error at or near \"1\""),
    ("DO $$ BEGIN END $$", None, "begins with DO, which is no query"),
    ("SELECT 1 / (id - 1) AS a FROM notes", None, r"DivisionByZero \(22012\): division by zero\. Correct the query"),
    ("SELECT * FROM nowhere", None, r"\(42P01\): relation \"nowhere\" does not exist"),
    ("SELECT 1 AS a, 2 AS b, 3 AS a", None, "two columns of the query are named 'a'"),
    ("SELECT id, count(*) OVER (), 1 FROM notes", None, "column 3 of the query has no name"),
    ("UPDATE notes SET text = ''", None, "begins with UPDATE"),
    ("/* a */ -- b\n DELETE FROM notes RETURNING *", None, "begins with DELETE"),
    ("WITH gone AS (DELETE FROM notes RETURNING *) SELECT * FROM gone", None, "may only read"),
    ("SELECT nextval('numbers') AS n", None, r"may only read.*\(25006\)"),
    ("SELECT 1 AS a; DELETE FROM notes", None, "2 statements"),
    ("SELECT 1 AS a; COMMIT; DELETE FROM notes", None, "3 statements"),
    ("-- nothing", None, "holds no query"),
    (";", None, "holds no query"),
    ("SHOW timezone", None, "syntax error"),
    ("SELECT %s AS a, %s AS b", [1], "number and the types of its parameters"),
    ("SELECT %(a)s AS a", {"b": 1}, "number and the types of its parameters"),
    ("SELECT 1 AS a WHERE 'a' LIKE '%' AND 1 = %s", [1], "a % that is no placeholder may have to be doubled"),
    ("SELECT %s AS a", [object()], "number and the types of its parameters"),
]


@pytest.mark.parametrize(("sql", "parameters", "message"), MISTAKES)
def test_a_mistake_is_named_and_not_retried(warehouse: Warehouse, sql: str, parameters: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s)^SqlRows on 'warehouse': .*{message}.*[Nn]othing was sent"):
        list(rows_of(sql, parameters))


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT %s::int AS a", [SECRET]),
        ("SELECT %s::int AS a", [f"{SECRET}\nand more"]),
        ("SELECT %(a)s::int AS a", {"a": f"{'-' * 300}{SECRET}"}),
        ("SELECT upper(%s)::date AS a", [SECRET]),
        ("SELECT (%s || '!')::uuid AS a", [SECRET]),
        ("SELECT %s AS a", [f"{SECRET}\x00"]),
        ("SELECT a FROM (VALUES ('1'), (%s)) AS v (a) WHERE a::int > 0", [SECRET]),
    ],
)
def test_no_parameter_is_in_an_error_or_its_causes(warehouse: Warehouse, sql: str, parameters: Any) -> None:
    with pytest.raises((ConfigurationError, SourceError)) as caught:
        list(rows_of(sql, parameters))
    assert SECRET.lower() not in str(caught.value).lower()
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_no_value_of_a_row_is_in_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(
        ConfigurationError, match=r"after 2,000 rows: InvalidTextRepresentation \(22P02\): inv"
    ) as caught:
        list(rows_of("SELECT CASE WHEN id > 2000 THEN text ELSE '1' END::int AS n FROM notes"))
    assert "note 2001" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "shown"),
    [("P0001", r"RaiseException \(P0001\)"), ("42501", r"InsufficientPrivilege \(42501\)"), ("ABCDE", r" \(ABCDE\)")],
)
def test_a_message_that_a_function_raises_is_hidden_whatever_its_state(
    warehouse: Warehouse, state: str, shown: str
) -> None:
    warehouse.execute(
        f"CREATE OR REPLACE FUNCTION fail(x text) RETURNS text LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE 'bad customer %', x USING ERRCODE = '{state}'; END $$"
    )
    with pytest.raises((ConfigurationError, SourceError), match=rf"{shown}\. Its message is hidden") as caught:
        list(rows_of("SELECT fail(text) AS a FROM notes"))
    assert "note" not in str(caught.value)
    assert "customer" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("seed", range(5))
def test_a_connection_that_is_lost_at_any_moment_fails_with_the_rows_that_were_read(
    warehouse: Warehouse, seed: int
) -> None:
    at, seen = random.Random(seed).randrange(1, COUNT - 1000), []

    def read() -> None:
        for row in rows_of("SELECT id FROM notes"):
            seen.append(row["id"])
            if row["id"] == at:
                warehouse.execute(TERMINATE, [warehouse.name])

    with pytest.raises(SourceError, match="A retry reads the rows again from the start") as caught:
        read()
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) % 1000 == 0
    assert f" after {len(seen):,} rows: " in str(caught.value)


def test_a_connection_that_is_lost_after_the_last_row_lost_nothing(warehouse: Warehouse) -> None:
    rows = rows_of("SELECT id FROM notes WHERE id <= 10")
    first = next(rows)
    assert [first, *rows] == [{"id": number} for number in range(1, 11)]


@pytest.mark.parametrize("cancel", ["timeout", "by hand"])
def test_a_query_that_is_canceled_is_retried(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, cancel: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(options="-c statement_timeout=200"))
    sql = (
        "SELECT pg_cancel_backend(pg_backend_pid()) AS a, pg_sleep(1)" if cancel == "by hand" else "SELECT pg_sleep(60)"
    )
    with pytest.raises(SourceError, match=r"QueryCanceled \(57014\): canceling statement due to"):
        list(rows_of(sql))


def test_a_server_that_is_not_there_is_asked_again_by_a_retry(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", Warehouse("/nowhere", "x").connection(password=SECRET))
    with pytest.raises(SourceError, match="reading failed before the first row: OperationalError: ") as caught:
        list(rows_of("SELECT 1 AS a"))
    assert SECRET not in str(caught.value)


def test_an_option_that_the_driver_does_not_know_is_a_mistake(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for extra in ({"no_such_option": "1"}, {"cursor": "no_such_cursor"}):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(**extra))
        with pytest.raises(ConfigurationError, match="Correct the connection"):
            list(rows_of("SELECT 1 AS a"))


def test_a_row_that_changes_meanwhile_is_read_as_it_was_at_the_start(server: Warehouse, warehouse: Warehouse) -> None:
    table = f"changing_{uuid.uuid4().hex}"
    warehouse.execute(f"CREATE TABLE {table} AS SELECT n AS id, 0 AS v FROM generate_series(1, 3000) AS n")
    rows = rows_of(f"SELECT id, v FROM {table} ORDER BY id")
    first = next(rows)
    warehouse.execute(f"UPDATE {table} SET v = 1")
    warehouse.execute(f"DELETE FROM {table} WHERE id = 2500")
    warehouse.execute(f"INSERT INTO {table} VALUES (0, 0), (4000, 0)")
    assert [first, *rows] == [{"id": number, "v": 0} for number in range(1, 3001)]


@pytest.mark.parametrize("after", [1, 1000, 2500])
def test_rows_that_are_no_longer_wanted_close_the_connection_at_once(
    warehouse: Warehouse, opened: list[Any], after: int
) -> None:
    rows = rows_of("SELECT id FROM notes")
    assert len(list(islice(rows, after))) == after
    assert not opened[0].closed
    rows.close()  # type: ignore[attr-defined]
    assert opened[0].closed


def test_a_consumer_that_fails_leaves_no_connection_while_its_error_is_handled(
    warehouse: Warehouse, opened: list[Any]
) -> None:
    rows = rows_of("SELECT id FROM notes")

    def encode(row: Any, number: int) -> bytes:
        if number == 1500:
            raise RuntimeError("the user's own")
        return b"{}"

    prepared = prepare_rows(rows, columns=RowColumns(), encode=encode, spool_folder=None)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="the user's own"):
        list(prepared)
    assert opened[0].closed


def test_moments_have_the_offset_of_the_session(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(options="-c timezone=Asia/Kolkata"))
    ((_, moment),) = [item for row in rows_of("SELECT timestamptz '2024-02-29 00:00Z' AS v") for item in row.items()]
    assert moment == datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)
    assert moment.isoformat() == "2024-02-29T05:30:00+05:30"
