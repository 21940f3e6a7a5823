"""A table is checked before a row is read and again when all types are known: on PostgreSQL and SQLite."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.table_columns import table_columns
from anthropic_batches_provider.edge.sql_table import OWNER_COLUMN, SqlTable
from anthropic_batches_provider.edge.sql_tables.target import SqlTarget
from anthropic_batches_provider.errors import ConfigurationError, SourceError
from tests.e2e.postgres import Databases
from tests.worlds.published_tables import OWNER, publish
from tests.worlds.warehouse import Warehouse, drivers, used_driver

pytestmark = pytest.mark.heavy

RESULTS = ["parsed", "result_type"]
SCHEMA = {
    "type": "object", "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
    "required": ["label", "score"], "additionalProperties": False,
}  # fmt: skip
OWNER_TEXT = f'"{OWNER_COLUMN}" text'
SUBJECT = "SqlTable on 'warehouse', table 'labels'"
STAGED = r"SELECT relname FROM pg_class WHERE relname LIKE '%\_\_ab\_%'"
RIGHT = (
    f"{OWNER_TEXT}, id bigint, price numeric(9, 2), parsed_label text, parsed_score double precision, result_type text"
)


def layout(**own: str) -> RowLayout:
    return RowLayout(
        own=tuple(ColumnRecord(name=name, type=kind) for name, kind in own.items()),
        choice=ColumnChoice.of(RESULTS),
        answer_schema=json.dumps(SCHEMA).encode(),
    )


def check_before(table: SqlTable, *, are_all_known: bool = True, **own: str) -> None:
    own = own or {"id": "", "price": ""}
    SqlTarget(table, OWNER).check_before_reading(table_columns(layout(**own)), are_all_known=are_all_known)


def check(table: SqlTable, **own: str) -> None:
    own = own or {"id": "int64", "price": "decimal128(5, 2)"}
    SqlTarget(table, OWNER).check(table_columns(layout(**own)))


@pytest.fixture(scope="module")
def server(databases: Databases) -> Warehouse:
    warehouse = Warehouse.on(databases, "table_checks")
    warehouse.execute("CREATE SCHEMA other")
    warehouse.execute("CREATE ROLE checks_reader LOGIN")
    warehouse.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return warehouse


@pytest.fixture(params=drivers())
def warehouse(
    request: pytest.FixtureRequest, server: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Warehouse]:
    server.execute("DROP TABLE IF EXISTS labels, other.labels CASCADE")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", server.connection())
    with used_driver(request.param):
        yield server
    assert server.execute(STAGED) == []


LABELS = SqlTable("warehouse", "labels")
MADE = SqlTable("warehouse", "labels", create=True)


def refused(function: Any, *arguments: Any, **own: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        function(*arguments, **own)
    assert raised.value.__context__ is None
    message = str(raised.value)
    assert message.endswith("Nothing was sent.")
    return message


def test_a_table_that_fits_is_left_as_it_is(warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT}, extra int, counted serial NOT NULL)")
    warehouse.execute(f"INSERT INTO labels ({OWNER_COLUMN}, id) VALUES ('{OWNER}', 7)")
    for table in (
        LABELS,
        MADE,
        SqlTable("warehouse", "public.labels"),
        SqlTable("warehouse", "table_checks.public.labels"),
    ):
        check_before(table)
        check(table)
    assert warehouse.execute(f"SELECT {OWNER_COLUMN}, id FROM labels") == [(OWNER, 7)]


def test_a_table_that_is_missing_is_made_only_when_all_types_are_known(warehouse: Warehouse) -> None:
    assert "there is no such table" in refused(check_before, LABELS)
    assert "there is no such table" in refused(check, LABELS)
    check_before(MADE)
    assert warehouse.execute("SELECT to_regclass('labels')") == [(None,)]
    check(MADE)
    check_before(LABELS)
    check(LABELS)
    types = "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
    found = warehouse.execute(f"{types} WHERE attrelid = 'labels'::regclass AND attnum > 0 ORDER BY attnum")
    assert found == [
        (OWNER_COLUMN, "text", True), ("id", "bigint", False), ("price", "numeric", False),
        ("parsed_label", "text", False), ("parsed_score", "double precision", False), ("result_type", "text", False),
    ]  # fmt: skip


def test_a_schema_that_is_missing_is_not_made(warehouse: Warehouse) -> None:
    for function in (check_before, check):
        message = refused(function, SqlTable("warehouse", "Other.labels", create=True))
        assert "neither the table nor its schema" in message


def test_two_attempts_may_make_a_table_at_once(warehouse: Warehouse) -> None:
    failures: list[Exception] = []
    barrier = threading.Barrier(4)

    def attempt() -> None:
        barrier.wait(30)
        try:
            check_before(MADE)
            check(MADE)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    for _ in range(5):
        warehouse.execute("DROP TABLE IF EXISTS labels")
        threads = [threading.Thread(target=attempt) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert failures == []


def test_all_problems_are_in_one_error_with_what_mends_them(warehouse: Warehouse) -> None:
    warehouse.execute(
        'CREATE TABLE labels (id text, "Price" numeric, parsed_label text NOT NULL, parsed_score integer, '
        "result_type text NOT NULL, day date NOT NULL, made int NOT NULL DEFAULT 5)"
    )
    message = refused(check, LABELS, id="double", price="decimal128(9, 2)")
    first, *problems, last = message.splitlines()
    alter = 'ALTER TABLE "labels"'
    assert first == f"{SUBJECT}: it cannot take the rows:"
    assert dict(problem.removeprefix("- ").split(": ", 1) for problem in problems) == {
        f"it has no column '{OWNER_COLUMN}', which says which rows belong to this task": (
            f'{alter} ADD COLUMN "{OWNER_COLUMN}" text; or set SqlTable(owner_column=…)'
        ),
        "column 'id' is text, but the rows have double": (
            f'{alter} ALTER COLUMN "id" TYPE double precision; or CAST it in the query of the rows'
        ),
        "it has no column 'price' (did you mean 'Price'? Upper and lower case differ)": (
            f'{alter} ADD COLUMN "price" numeric'
        ),
        "column 'parsed_label' may not be null, but is null in rows without an answer": (
            f'{alter} ALTER COLUMN "parsed_label" DROP NOT NULL'
        ),
        "column 'parsed_score' is integer, but the rows have double": (
            f'{alter} ALTER COLUMN "parsed_score" TYPE double precision; or leave it out: '
            "columns={'parsed_score': None}"
        ),
        "column 'day' may not be null and has no default, but the rows do not have it": (
            f'give it a default, or {alter} ALTER COLUMN "day" DROP NOT NULL'
        ),
    }
    assert last == (
        "Change the table, or choose and rename columns with `columns`, `key` and `keep`; then clear the task. Nothing "
        "was sent."
    )


def test_what_the_error_says_mends_the_table(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE labels (id int, result_type text, parsed_label text NOT NULL, parsed_score real)")
    for line in refused(check, LABELS).splitlines():
        if "ALTER TABLE" in line:
            warehouse.execute(line[line.index("ALTER TABLE") :].split(";")[0])
    check_before(LABELS)
    check(LABELS)


def test_before_a_row_is_read_the_types_of_own_columns_are_not_known(warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT}, word date NOT NULL)")
    assert "column 'word' may not be null and has no default" in refused(check_before, LABELS)
    check_before(LABELS, are_all_known=False)  # keep="*" may bring it
    check_before(LABELS, id="", price="", word="")
    assert "column 'word' is date" in refused(check, LABELS, id="int64", price="decimal128(5, 2)", word="string")


def test_a_column_that_the_database_generates_cannot_be_filled(warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT}, made bigint GENERATED ALWAYS AS IDENTITY)")
    check(LABELS)
    message = refused(check, LABELS, id="int64", price="decimal128(5, 2)", made="int64")
    assert "column 'made' is generated by the database" in message


@pytest.mark.parametrize("kind", ["integer", "uuid", "bytea", "jsonb"])
def test_the_owner_column_must_be_text(warehouse: Warehouse, kind: str) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT.replace(OWNER_TEXT, f'{OWNER_COLUMN} {kind}')})")
    for function in (check_before, check):
        assert f"its owner column '{OWNER_COLUMN}' is {kind}, but must be text" in refused(function, LABELS)


def test_the_owner_column_must_hold_the_name_of_the_unit(warehouse: Warehouse) -> None:
    short = RIGHT.replace(OWNER_TEXT, f"{OWNER_COLUMN} varchar({len(OWNER) - 1})")
    warehouse.execute(f"CREATE TABLE labels ({short})")
    for function in (check_before, check):
        message = refused(function, LABELS)
        assert f"holds 12 characters, but this unit of work, {OWNER!r}, has 13: ALTER TABLE" in message
    warehouse.execute(f"ALTER TABLE labels ALTER COLUMN {OWNER_COLUMN} TYPE varchar({len(OWNER)})")
    check_before(LABELS)
    check(LABELS)


def test_a_unit_whose_name_the_database_cannot_store_is_refused_before_a_row_is_read(warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT})")
    columns = table_columns(layout(id="", price=""))
    with pytest.raises(ConfigurationError, match=r"deleting no row failed.*Nothing was sent\."):
        SqlTarget(LABELS, "dag/task/\0/-").check_before_reading(columns, are_all_known=True)


def test_a_column_of_the_rows_may_not_be_the_owner_column(warehouse: Warehouse) -> None:
    for function in (check_before, check):
        message = refused(function, SqlTable("warehouse", "labels", create=True, owner_column="id"))
        assert "column 'id' of the rows has the name of the table's owner column" in message


def test_a_column_with_the_owner_columns_name_is_one_problem_and_the_owner_column_stays_as_it_is(
    warehouse: Warehouse,
) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT})")
    message = refused(check, MADE, **{OWNER_COLUMN: "string"})
    assert f"column '{OWNER_COLUMN}' of the rows has the name of the table's owner column" in message
    assert f'ALTER COLUMN "{OWNER_COLUMN}"' not in message
    assert "create=True changes no table that is there. Nothing was sent." in message
    assert "create=True" not in refused(check, LABELS, **{OWNER_COLUMN: "string"})


def test_names_that_postgres_would_cut_are_refused_before_a_table_is_made(warehouse: Warehouse) -> None:
    for function in (check_before, check):
        message = refused(function, MADE, id="int64", **{"é" * 32: "int64"})
        assert f"the name '{'é' * 32}' has 64 bytes" in message


def test_odd_names_are_quoted(warehouse: Warehouse) -> None:
    table = SqlTable("warehouse", 'other.La"b%s els', create=True, owner_column='own "%(x)s er')
    own: Any = {'a"b%s': "int64", "select": "string", "%": "string"}
    check_before(table, **own)
    check(table, **own)
    check_before(table, **own)
    warehouse.execute('DROP TABLE other."La""b%s els"')


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        ("", "making a staging table beside the table"),
        ("SELECT", "deleting no row"),
        ("SELECT, INSERT", "deleting no row"),
        ("SELECT, DELETE", "inserting no row"),
    ],
)
def test_rights_that_are_missing_show_before_anything_is_spent(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, granted: str, expected: str
) -> None:
    warehouse.execute(f"CREATE TABLE labels ({RIGHT})")
    warehouse.execute("GRANT CREATE ON SCHEMA public TO checks_reader")
    if granted:
        warehouse.execute(f"GRANT {granted} ON labels TO checks_reader")
    connection = json.loads(warehouse.connection())
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({**connection, "login": "checks_reader"}))
    message = refused(check_before, LABELS)
    assert message.startswith(f"{SUBJECT}: {expected} failed: InsufficientPrivilege (42501): permission denied")
    assert "SELECT, INSERT and DELETE" in message
    warehouse.execute("GRANT SELECT, INSERT, DELETE ON labels TO checks_reader")
    check_before(LABELS)


def test_a_staging_table_and_a_table_that_is_made_need_a_right_in_the_schema(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.execute("REVOKE CREATE ON SCHEMA public FROM checks_reader")
    connection = json.loads(warehouse.connection())
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({**connection, "login": "checks_reader"}))
    for function in (check_before, check):
        assert "making the table failed: InsufficientPrivilege (42501)" in refused(function, MADE)
    warehouse.execute(f"CREATE TABLE labels ({RIGHT})")
    warehouse.execute("GRANT SELECT, INSERT, DELETE ON labels TO checks_reader")
    message = refused(check_before, LABELS)
    assert "making a staging table beside the table failed: InsufficientPrivilege (42501)" in message
    assert "CREATE in its schema" in message


def test_a_connection_in_autocommit_mode_rehearses_in_a_transaction(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if "psycopg]" not in request.node.name:
        pytest.skip("psycopg2 takes no such option")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(autocommit=True))
    check_before(MADE)
    assert warehouse.execute("SELECT to_regclass('labels')") == [(None,)]


@pytest.mark.parametrize("extra", [{"cursor": "dictcursor"}, {"cursor": "namedtuplecursor"}])
def test_a_connection_may_name_another_cursor(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse.connection(**extra))
    check_before(MADE)
    check(MADE)
    check_before(LABELS)


def test_a_database_that_does_not_answer_is_asked_again_by_a_retry(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(warehouse.connection())
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({**connection, "host": "/nowhere"}))
    with pytest.raises(SourceError, match="Nothing was sent"):
        check_before(LABELS)


def test_a_value_that_a_column_cannot_hold_stops_the_load_and_the_table_stays_as_it_is(warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE labels ({OWNER_TEXT}, n int, v smallint)")
    publish([{"n": 1, "v": 5}], LABELS)
    with pytest.raises(ConfigurationError, match=r"22003\).*The answers are kept"):
        publish([{"n": 2, "v": 70000}], LABELS)
    assert warehouse.execute("SELECT n, v FROM labels") == [(1, 5)]
    warehouse.execute("ALTER TABLE labels ALTER COLUMN v TYPE int")
    publish([{"n": 2, "v": 70000}], LABELS)
    assert warehouse.execute("SELECT n, v FROM labels") == [(2, 70000)]


# ------------------------------------------------------------------------------------------------------------- SQLite


@pytest.fixture
def sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    file = tmp_path / "a.db"
    sqlite3.connect(file).close()
    file.touch()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    yield file
    assert not [name for name in tables_of(file) if "__ab_" in name]


def tables_of(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def execute(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def test_sqlite_a_table_is_made_only_when_all_types_are_known(sqlite_file: Path) -> None:
    assert "there is no such table" in refused(check_before, LABELS)
    check_before(MADE)
    assert tables_of(sqlite_file) == []
    check(MADE)
    check_before(LABELS)
    check(LABELS)
    assert tables_of(sqlite_file) == ["labels"]
    columns = execute(sqlite_file, "SELECT name, type FROM pragma_table_info('labels')")
    assert columns == [
        (OWNER_COLUMN, "TEXT"), ("id", "INTEGER"), ("price", "TEXT"), ("parsed_label", "TEXT"),
        ("parsed_score", "REAL"), ("result_type", "TEXT"),
    ]  # fmt: skip


def test_sqlite_problems_are_in_one_error(sqlite_file: Path) -> None:
    execute(sqlite_file, f"CREATE TABLE labels (row INTEGER PRIMARY KEY, {OWNER_COLUMN} INTEGER, ID INTEGER, "
            "price REAL, parsed_label TEXT NOT NULL, parsed_score TEXT, result_type TEXT, day TEXT NOT NULL, "
            "twice GENERATED ALWAYS AS (price * 2))")  # fmt: skip
    lines = refused(check, LABELS, id="int64", price="decimal128(20, 2)", twice="int64").splitlines()
    assert [line.split(": ")[0] for line in lines[1:-1]] == [
        f"- its owner column '{OWNER_COLUMN}' is INTEGER, but must be text",
        "- it has no column 'id' (did you mean 'ID'? Upper and lower case differ)",
        "- column 'price' is REAL, but the rows have decimal128(20, 2)",
        "- column 'twice' is generated by the database, so that no row can bring a value for it",
        "- column 'parsed_label' may not be null, but is null in rows without an answer",
        "- column 'parsed_score' is TEXT, but the rows have double",
        "- column 'day' may not be null and has no default, but the rows do not have it",
    ]


def test_sqlite_a_schema_is_a_database_that_is_attached(sqlite_file: Path) -> None:
    check(SqlTable("warehouse", "main.labels", create=True))
    check_before(SqlTable("warehouse", "main.labels"))
    assert "neither the table nor its schema" in refused(check_before, SqlTable("warehouse", "a.labels", create=True))


def test_sqlite_a_file_that_is_missing_or_cannot_be_written_is_refused(
    sqlite_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "b.db")})
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", missing)
    message = refused(check_before, MADE)
    assert "there is no database file" in message
    assert f"or make an empty one: touch {tmp_path / 'b.db'}" in message
    assert not (tmp_path / "b.db").exists()
    read_only = json.dumps({"conn_type": "sqlite", "host": str(sqlite_file), "extra": {"mode": "ro"}})
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", read_only)
    assert "readonly database" in refused(check_before, MADE)
    (tmp_path / "rows.csv").write_text("id,text\n" * 1000)
    wrong = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "rows.csv")})
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", wrong)
    assert "it must name a database of SQLite" in refused(check_before, MADE)


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        (None, r"no Airflow connection 'warehouse'. Add it, or correct SqlTable\(conn_id=…\)"),
        ({"conn_type": "fs"}, "no hook of an SQL database"),
        ({"conn_type": "nothing"}, "has no hook here"),
    ],
)
def test_a_connection_must_lead_to_a_database(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, str] | None, expected: str
) -> None:
    if connection is not None:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    with pytest.raises(ConfigurationError, match=expected):
        check_before(LABELS)
