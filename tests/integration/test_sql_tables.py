"""Rows that are loaded into real databases: exactly one row for each input row, whatever comes between."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from anthropic_batches_provider.batches.output.manifest import Manifest, OutputColumn, RowCounts, Times
from anthropic_batches_provider.batches.output.staged_rows import read_staged
from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.target_table import StagedPart
from anthropic_batches_provider.edge.sql_tables import drivers as table_drivers
from anthropic_batches_provider.edge.sql_tables.reading import rows_of_table
from anthropic_batches_provider.edge.sql_tables.sessions import Session
from anthropic_batches_provider.errors import (
    ConfigurationError,
    CorruptLedgerError,
    LedgerError,
    MessageBatchesError,
    SourceError,
)
from tests.worlds.interleaving import Step, interleave
from tests.worlds.loaded_tables import (
    ANY,
    COLUMNS,
    KEPT,
    OTHER,
    OWNER,
    SQLITE,
    LoadedTable,
    databases_here,
    expected_rows,
    loaded_table,
    part_of,
    parts_of,
)
from tests.worlds.warehouse import Warehouse

SECRET = "the secret answer of 42 words"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return Warehouse.on(request.getfixturevalue("databases"), "sql_tables")


@pytest.fixture(params=[*databases_here(), ANY])
def table(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadedTable]:
    """An empty table; after the test there is no other."""
    server = None if request.param == SQLITE else request.getfixturevalue("warehouse")
    with loaded_table(request.param, tmp_path, server) as table:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", table.connection)
        table.load(parts_of("other", rows=2, parts=1), owner=OTHER)
        yield table
        assert table.rows(OTHER) == expected_rows("other", rows=2, parts=1)


@dataclass
class Steps:
    """:ivar happens: called before each statement of a load, and before each commit, with what is done."""

    happens: Callable[[str], None] = lambda _: None


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()

    def with_step(method: Any) -> Any:
        def stepped(session: Session, step: str, *arguments: Any) -> Any:
            steps.happens(step)
            return method(session, step, *arguments)

        return stepped

    for name in ("execute", "rows", "description", "insert", "begin", "commit"):
        monkeypatch.setattr(Session, name, with_step(getattr(Session, name)))
    return steps


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait for a lock."""
    monkeypatch.setattr(table_drivers, "LOCK_WAIT_SECONDS", 0.05)


def test_rows_come_in_the_order_of_the_input_and_in_the_columns_of_their_names(table: LoadedTable) -> None:
    table.load(parts_of("one", rows=30))
    assert table.rows() == expected_rows("one", rows=30)
    assert table.tables() == {"labels"}


def test_a_further_publish_replaces_the_rows_of_its_owner_alone(table: LoadedTable) -> None:
    table.load(parts_of("one"))
    table.load([*parts_of("two", rows=4, parts=2), part_of([], "part-empty")])
    assert table.rows() == expected_rows("two", rows=4, parts=2)
    table.load([])
    assert table.rows() == []
    assert table.tables() == {"labels"}


@pytest.mark.parametrize(
    "text", ["", r"\N", "\\", "a\tb\nc\r\\.", "\\.", "%s %% %", "{}", "quoted \"'", "ümläut 漢字 🎉", "NULL", " x "]
)
def test_texts_arrive_unchanged(table: LoadedTable, text: str) -> None:
    table.load([part_of([(1, text, None), (2, None, 0.5)], "part")])
    assert table.rows() == [[1, text, None], [2, None, 0.5]]


def test_numbers_arrive_unchanged(table: LoadedTable) -> None:
    numbers = [0.1, 1e300, 5e-324, 123456789.123456789]
    table.load([part_of([(2**63 - 1 - row, "x", number) for row, number in enumerate(numbers)], "part")])
    assert [repr(score) for _, _, score in table.rows()] == [repr(number) for number in numbers]
    assert [number for number, _, _ in table.rows()] == [2**63 - 1 - row for row in range(len(numbers))]


def test_an_integer_that_no_column_holds_is_null_and_stops_nothing(table: LoadedTable) -> None:
    lines = [b'[9223372036854775807,"most",1]', b'[9223372036854775809,"more",1]', b'[-1e30,"less",1]']

    @contextmanager
    def opened() -> Iterator[Iterator[list[Any]]]:
        yield read_staged(lines, COLUMNS)

    table.load([StagedPart(name="part", rows=3, open=opened)])
    assert table.rows() == [[2**63 - 1, "most", 1], [None, "more", 1], [None, "less", 1]]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ('od"d', 'od"d'),
        ("Üb%er", "100%"),
        ("UPPER", "Camel"),
        ("select", "order"),
        ("l" * 63, "c" * 63),
        ("ü" * 31, "%s"),
        ("labels_", "anthropic_batches_part"),
        ("labels_", "ANTHROPIC_BATCHES_ROW"),
    ],
)
def test_names_may_be_any(table: LoadedTable, name: str, column: str) -> None:
    quoted = [each.replace('"', '""') for each in (name, column)]
    table.execute(f'CREATE TABLE "{quoted[0]}" (anthropic_batches_unit text, "{quoted[1]}" text)')
    for version in ("one", "two"):
        table.renamed(name).load(
            [part_of([(version,), ("second",)], f"part-{version}")], columns=[TableColumn(column, "string")]
        )
    assert table.execute(f'SELECT * FROM "{quoted[0]}"') == [(OWNER, "two"), (OWNER, "second")]
    assert table.tables() == {"labels", name}


def test_a_table_may_have_its_schema_in_its_name(table: LoadedTable) -> None:
    name = "main.labels" if table.is_sqlite else "public.labels"
    table.renamed(name).load(parts_of("one"))
    assert table.rows() == expected_rows("one")


def test_a_column_may_be_added_between_two_publishes(table: LoadedTable) -> None:
    table.load(parts_of("one"))
    extended = (*COLUMNS, TableColumn("reason", "string"))
    with pytest.raises(ConfigurationError, match=r"(?s)reason.*the task.*nothing (?:is paid )?again"):
        table.load([part_of([(1, "two", 0.5, "why")], "part-two")], columns=extended)
    assert table.rows() == expected_rows("one")
    table.execute("ALTER TABLE labels ADD COLUMN reason varchar(10)")
    table.load([part_of([(1, "two", 0.5, "why")], "part-two")], columns=extended)
    assert table.execute("SELECT id, reason FROM labels WHERE label = 'two'") == [(1, "why")]
    assert table.tables() == {"labels"}


def test_parts_of_an_attempt_that_broke_off_are_not_loaded_twice(table: LoadedTable) -> None:
    opened: list[str] = []

    @contextmanager
    def counted(part: Any) -> Iterator[Any]:
        opened.append(part.name)
        with part.open() as rows:
            yield rows

    def watched(version: str) -> list[Any]:
        return [replace(part, open=partial(counted, part)) for part in parts_of(version)]

    def interrupt(times: int) -> Callable[[], None]:
        calls = iter(range(times))

        def check_current() -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt

        return check_current

    with pytest.raises(KeyboardInterrupt):
        table.load(watched("one"), check_current=interrupt(1))
    assert (len(opened), len(table.tables()), table.rows()) == (3, 2, [])
    table.load(watched("one"))
    assert len(opened) == 3
    assert table.rows() == expected_rows("one")


def test_what_an_attempt_of_another_form_left_is_not_used(table: LoadedTable) -> None:
    def interrupt(calls: Iterator[int]) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt

    for columns, rows in (
        (COLUMNS[:2], [(1, "left")]),
        ((COLUMNS[1], COLUMNS[0]), [("left", 1)]),
        ((COLUMNS[0], TableColumn("label", "json"), COLUMNS[2]), [(1, "left", 0.5)]),
    ):
        calls = iter(range(9))
        with pytest.raises(KeyboardInterrupt):
            table.load([part_of(rows, "part")], columns=columns, check_current=partial(interrupt, calls))
        assert len(table.tables()) == 2
    table.load([part_of([(1, "one", 0.25)], "part")])
    assert table.rows() == [[1, "one", 0.25]]
    assert table.tables() == {"labels"}


@pytest.mark.parametrize("rows", [1, 3])
def test_a_damaged_part_changes_nothing(table: LoadedTable, rows: int) -> None:
    table.load(parts_of("one"))
    part = replace(part_of([(number, SECRET, 0.5) for number in range(rows)], "part-two"), rows=2)
    with pytest.raises(CorruptLedgerError, match=f"part-two holds {rows} rows instead of 2"):
        table.load([part])
    assert table.rows() == expected_rows("one")


def test_an_error_of_the_rows_themselves_is_raised_as_it_is(table: LoadedTable) -> None:
    class BrokenError(Exception):
        pass

    def rows() -> Iterator[list[Any]]:
        yield [1, "x", 0.5]
        raise BrokenError

    @contextmanager
    def opened() -> Iterator[Iterator[list[Any]]]:
        yield rows()

    with pytest.raises(BrokenError):
        table.load([replace(parts_of("one")[0], open=opened)])
    assert table.rows() == []


@pytest.mark.parametrize(
    ("definition", "named"),
    [
        ("id int, label text UNIQUE", r"other_label_key|other\.label"),
        ("id int PRIMARY KEY, label text", r"other_pkey|other\.id"),
        ("id int, label text, must text NOT NULL", "must"),
        ("id int, label text CONSTRAINT short CHECK (length(label) < 3)", "short"),
    ],
)
def test_a_constraint_is_named_without_a_value(
    table: LoadedTable, caplog: pytest.LogCaptureFixture, definition: str, named: str
) -> None:
    caplog.set_level(logging.DEBUG)
    table.execute(f"CREATE TABLE other ({definition}, score double precision, anthropic_batches_unit text)")
    with pytest.raises(ConfigurationError, match=named) as caught:
        table.renamed("other").load([part_of([(77_777, SECRET, 0.5)] * 2, "part")])
    shown = f"{caught.value}{caught.value.__cause__}{caught.value.__context__}{caplog.text}"
    assert "secret" not in shown
    assert "77" not in shown
    assert KEPT in str(caught.value)
    assert "lear the task" in str(caught.value)
    assert table.tables() == {"labels", "other"}
    assert table.execute("SELECT * FROM other") == []


def test_a_value_that_does_not_fit_is_placed_but_not_shown(
    table: LoadedTable, caplog: pytest.LogCaptureFixture
) -> None:
    if table.driver in (SQLITE, ANY):
        pytest.skip("SQLite has no such limits, and only COPY tells where a value is")
    caplog.set_level(logging.DEBUG)
    long = SECRET * 2
    with pytest.raises(ConfigurationError, match=r"character varying\(40\).*row 2 of the part, column 'label'") as one:
        table.load([part_of([(1, "x", 0.5), (2, long, 0.5)], "part")])
    with pytest.raises(ConfigurationError, match=r"22P02.*column 'id'") as two:
        table.load([part_of([(SECRET, "x", 0.5)], "part")])
    assert "secret" not in f"{one.value}{two.value}{caplog.text}"
    table.execute("ALTER TABLE labels ALTER COLUMN label TYPE text")
    table.load([part_of([(1, "x", 0.5), (2, long, 0.5)], "part")])
    assert table.rows() == [[1, "x", 0.5], [2, long, 0.5]]


def test_a_user_without_the_right_is_told_which_are_needed(
    table: LoadedTable, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    if table.is_sqlite:
        pytest.skip("SQLite has no users")
    warehouse.execute("DROP ROLE IF EXISTS reader")
    warehouse.execute("CREATE ROLE reader LOGIN")
    warehouse.execute("GRANT USAGE ON SCHEMA public TO reader")
    warehouse.execute("GRANT SELECT, INSERT, DELETE ON labels TO reader")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", table.connection.replace('"postgres", "extra', '"reader", "extra'))
    with pytest.raises(ConfigurationError, match=r"42501.*schema public.*CREATE in its schema"):
        table.load(parts_of("one"))
    warehouse.execute("GRANT CREATE ON SCHEMA public TO reader")
    table.load(parts_of("one"))
    assert table.rows() == expected_rows("one")
    warehouse.execute("REVOKE DELETE ON labels FROM reader")
    with pytest.raises(ConfigurationError, match=r"removing the earlier rows .*42501.*DELETE"):
        table.load(parts_of("two"))
    assert table.rows() == expected_rows("one")
    assert table.tables() == {"labels"}


def test_a_column_that_was_renamed_since_is_missed_when_rows_are_read_back(table: LoadedTable) -> None:
    table.load(parts_of("one"))
    record = table.target().record
    manifest = Manifest(
        provider_version="1", job=None, owner=OWNER, destination="sql://warehouse@labels", table=record,
        columns=tuple(OutputColumn(name=each.name, type=each.type) for each in COLUMNS), output_format=None,
        batch_ids=(), parts=(), counts=RowCounts(rows=6, succeeded=6), stop_reasons={}, errors={}, error_examples={},
        usage={}, times=Times(submitted_at="", ended_at=None, collected_at=""),
    )  # fmt: skip
    assert [list(row.values()) for row in rows_of_table(manifest, record)] == expected_rows("one")
    table.execute("ALTER TABLE labels RENAME COLUMN label TO word")
    with pytest.raises(ConfigurationError, match=r"read_rows on 'warehouse': no rows can be read.*label"):
        list(rows_of_table(manifest, record))
    table.execute("ALTER TABLE labels RENAME COLUMN word TO label")


TRIGGERS = {
    "leaves rows out": (r"took 5 of 6 rows.*trigger|5 rows of .* instead of 6.*trigger", {
        "BEFORE INSERT": ("IF NEW.id = 1 THEN RETURN NULL; END IF; RETURN NEW;", "WHEN NEW.id = 1", "RAISE(IGNORE)"),
    }),
    "keeps deleted rows": (r"12 rows of .* instead of 6.*trigger", {
        "BEFORE DELETE": ("RETURN NULL;", "", "RAISE(IGNORE)"),
    }),
}  # fmt: skip


@pytest.mark.parametrize("which", TRIGGERS)
def test_a_trigger_that_keeps_the_swap_from_being_whole_stops_the_publish(table: LoadedTable, which: str) -> None:
    message, triggers = TRIGGERS[which]
    table.load(parts_of("one"))
    for event, (body, condition, action) in triggers.items():
        if table.is_sqlite:
            table.execute(f"CREATE TRIGGER odd {event} ON labels {condition} BEGIN SELECT {action}; END")
            continue
        table.execute(f"CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} END'")
        table.execute(f"CREATE TRIGGER odd {event} ON labels FOR EACH ROW EXECUTE FUNCTION odd()")
    with pytest.raises(ConfigurationError, match=message):
        table.load(parts_of("two"))
    assert table.rows() == expected_rows("one")


def test_rows_that_a_trigger_gives_to_another_owner_stop_the_publish(table: LoadedTable) -> None:
    if table.is_sqlite:
        pytest.skip("a trigger of SQLite cannot change the row that is inserted")
    table.execute(
        "CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.anthropic_batches_unit = lower(''X''); RETURN NEW; END'"
    )
    table.execute("CREATE TRIGGER own BEFORE INSERT ON labels FOR EACH ROW EXECUTE FUNCTION own()")
    with pytest.raises(ConfigurationError, match=r"0 rows of .* instead of 6.*changes the column"):
        table.load(parts_of("one"))
    assert table.rows("x") == []


def test_a_policy_that_hides_rows_from_the_delete_stops_the_publish(table: LoadedTable) -> None:
    if table.is_sqlite:
        pytest.skip("SQLite has no policies")
    table.load(parts_of("one"))
    user = json.loads(table.connection)
    table.execute("DROP ROLE IF EXISTS careful")
    table.execute("CREATE ROLE careful LOGIN")
    table.execute("GRANT USAGE, CREATE ON SCHEMA public TO careful")
    table.execute("GRANT SELECT, INSERT, DELETE ON labels TO careful")
    table.execute("ALTER TABLE labels ENABLE ROW LEVEL SECURITY")
    table.execute("CREATE POLICY see ON labels FOR SELECT USING (true)")
    table.execute("CREATE POLICY add ON labels FOR INSERT WITH CHECK (true)")
    try:
        with (
            mock.patch.dict(os.environ, AIRFLOW_CONN_WAREHOUSE=json.dumps({**user, "login": "careful"})),
            pytest.raises(ConfigurationError, match=r"12 rows of .* instead of 6.*policy"),
        ):
            table.load(parts_of("two"))
    finally:
        table.execute("DROP OWNED BY careful")
        table.execute("DROP ROLE careful")
    assert table.rows() == expected_rows("one")


def test_an_owner_column_that_compares_without_case_keeps_the_rows_of_others(table: LoadedTable) -> None:
    if table.is_sqlite:
        table.execute("DROP TABLE labels")
        unit = "anthropic_batches_unit text COLLATE NOCASE"
        table.execute(f"CREATE TABLE labels (id integer, label varchar(40), {unit}, score double precision)")
        table.load(parts_of("other", rows=2, parts=1), owner=OTHER)
    elif not table.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip("this server has no citext")
    else:
        table.execute("CREATE EXTENSION citext")
        table.execute("ALTER TABLE labels ALTER COLUMN anthropic_batches_unit TYPE citext")
    table.load(parts_of("upper"), owner=OWNER.upper())
    for _ in range(2):
        table.load(parts_of("lower"))
    assert table.rows(OWNER.upper()) == expected_rows("upper")
    assert table.rows() == expected_rows("lower")


def test_a_full_disk_of_sqlite_is_an_error_that_passes(table: LoadedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    if not table.is_sqlite:
        pytest.skip("see the test of PostgreSQL's full disk")
    prepare = table_drivers.Sqlite.prepare

    def with_less_room(driver: Any, connection: sqlite3.Connection) -> None:
        prepare(driver, connection)
        connection.execute("PRAGMA max_page_count = 60")

    table.load(parts_of("one"))
    monkeypatch.setattr(table_drivers.Sqlite, "prepare", with_less_room)
    with pytest.raises(SourceError, match=r"SQLITE_FULL\): database or disk is full.*A retry loads them") as caught:
        table.load(parts_of("two", rows=9000))
    assert KEPT in str(caught.value)
    assert table.rows() == expected_rows("one")
    monkeypatch.setattr(table_drivers.Sqlite, "prepare", prepare)
    table.load(parts_of("two", rows=9000))
    assert table.versions() == [("two", 9000, 9000)]
    assert table.tables() == {"labels"}


@pytest.fixture
def small_disk(table: LoadedTable, warehouse: Warehouse, tmp_path: Path) -> Iterator[str]:
    """Yield the name of a tablespace on a disk of 2 MB."""
    if table.is_sqlite:
        pytest.skip("see the test of SQLite's full disk")
    disk, name = Path(warehouse.host) / f"disk-{table.driver}", f"small_{table.driver.replace(' ', '_')}"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False).returncode:
        pytest.skip("a disk of its own needs the rights of root")
    try:
        owner = Path(warehouse.host).stat()
        os.chown(disk, owner.st_uid, owner.st_gid)
        warehouse.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")
        yield name
        warehouse.execute(f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_of_postgresql_is_an_error_that_passes(
    table: LoadedTable, warehouse: Warehouse, small_disk: str
) -> None:
    table.load(parts_of("one"))
    warehouse.execute(f"ALTER DATABASE {warehouse.name} SET default_tablespace = {small_disk}")
    try:
        with pytest.raises(SourceError, match=r"loading the part .*53100.*No space left.*A retry loads them") as caught:
            table.load(parts_of("two", rows=90_000))
    finally:
        warehouse.execute(f"ALTER DATABASE {warehouse.name} RESET default_tablespace")
    assert KEPT in str(caught.value)
    assert table.rows() == expected_rows("one")
    (left,) = table.tables() - {"labels"}
    warehouse.execute(f'ALTER TABLE "{left}" SET TABLESPACE pg_default')
    warehouse.execute(f'ALTER INDEX "{left}_u" SET TABLESPACE pg_default')
    table.load(parts_of("two", rows=90_000))
    assert table.versions() == [("two", 90_000, 90_000)]
    assert table.tables() == {"labels"}


def test_a_connection_that_is_lost_at_any_step_changes_nothing(
    table: LoadedTable, warehouse: Warehouse, steps: Steps
) -> None:
    if table.is_sqlite:
        pytest.skip("SQLite has no connection to lose")
    seen: list[str] = []
    lost_at = -1

    def happens(step: str) -> None:
        seen.append(step)
        if len(seen) - 1 == lost_at:
            warehouse.execute(TERMINATE, [warehouse.name])

    steps.happens = happens
    table.load(parts_of("v0"))
    count = len(seen)
    assert count > 15
    for lost_at in range(count):
        seen.clear()
        before, version = table.rows(), f"v{lost_at + 1}"
        try:
            table.load(parts_of(version))
        except SourceError as error:
            assert KEPT in str(error)  # noqa: PT017 - some steps, such as the last look, are done without
            assert table.rows() == before
        seen.extend([""] * count)  # nothing is lost any more
        table.load(parts_of(version))
        assert table.rows() == expected_rows(version)
        assert table.tables() == {"labels"}


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_is_held_for_too_long_is_named_and_passes(table: LoadedTable) -> None:
    table.load(parts_of("one"))
    with _held_lock(table):
        with pytest.raises(SourceError, match=r"waited 0\.05 seconds for a lock that another session holds") as caught:
            table.load(parts_of("two"))
        assert KEPT in str(caught.value)
    if not table.is_sqlite:
        assert "removing the earlier rows" in str(caught.value)
    table.load(parts_of("two"))
    assert table.rows() == expected_rows("two")
    assert table.tables() == {"labels"}


@contextmanager
def _held_lock(table: LoadedTable) -> Iterator[None]:
    from airflow.providers.common.compat.sdk import BaseHook

    connection = BaseHook.get_hook("warehouse").get_conn()
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE" if table.is_sqlite else "LOCK TABLE labels IN SHARE MODE")
    yield
    connection.rollback()
    connection.close()


def test_a_load_waits_for_a_lock_that_is_released(table: LoadedTable, steps: Steps) -> None:
    waits = threading.Event()
    loaded = threading.Thread(target=lambda: table.load(parts_of("two")))
    steps.happens = lambda _: waits.set() if threading.current_thread() is loaded else None
    with _held_lock(table):
        loaded.start()
        assert waits.wait(60)
    loaded.join(60)
    assert table.rows() == expected_rows("two")


def test_two_units_may_load_into_one_table_at_once(table: LoadedTable) -> None:
    owners = [f"unit {number}" for number in range(4)]
    failures: list[Exception] = []

    def load(owner: str) -> None:
        try:
            for version in ("one", "two", "three"):
                table.load(parts_of(version, rows=300), owner=owner)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=load, args=[owner]) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert [table.versions(owner) for owner in owners] == [[("three", 300, 300)]] * 4
    assert table.tables() == {"labels"}


class OvertakenError(LedgerError):
    pass


@pytest.mark.parametrize("calls", [0, 1])
def test_an_attempt_that_is_overtaken_changes_nothing_and_leaves_nothing(table: LoadedTable, calls: int) -> None:
    table.load(parts_of("one"))
    seen = iter(range(calls))

    def check_current() -> None:
        if next(seen, None) is None:
            raise OvertakenError

    with pytest.raises(OvertakenError):
        table.load(parts_of("two"), check_current=check_current)
    assert table.rows() == expected_rows("one")
    assert table.tables() == {"labels"}


def test_a_part_whose_file_is_gone_is_explained_by_the_attempt_that_removed_it(table: LoadedTable) -> None:
    is_published = False

    def check_current() -> None:
        if is_published:
            raise OvertakenError

    def opened() -> Any:
        nonlocal is_published
        is_published = True
        raise FileNotFoundError

    with pytest.raises(OvertakenError):
        table.load([replace(parts_of("one")[0], open=opened)], check_current=check_current)
    assert table.tables() == {"labels"}


VERSIONS = {"same": ("new", "new"), "other parts": ("new", "other"), "newer round": ("new", "newer")}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("shared", [0, 2])
@pytest.mark.parametrize("second", VERSIONS)
def test_two_attempts_at_once_never_double_or_lose_rows(
    table: LoadedTable, steps: Steps, second: str, shared: int
) -> None:
    """At each step of the first attempt the second one makes all of its own, or meets a lock and is tried again."""
    versions, newer = VERSIONS[second], second == "newer round"
    expected = {each: expected_rows(each, shared=shared) for each in ("old", *versions)}
    count = Attempts(table, steps, versions, shared, newer).run(10**6)
    assert count > 15
    for number in range(1, count + 1):
        table.load(parts_of("old", shared=shared))
        attempts = Attempts(table, steps, versions, shared, newer)
        attempts.run(number)
        may_be = {versions[number] for number, outcome in attempts.outcomes.items() if outcome is None} or {"old"}
        if newer and attempts.outcomes[1] is None:
            may_be = {"newer"}
        assert table.rows() in [expected[each] for each in may_be], (number, attempts.outcomes)
        table.load(parts_of(versions[1], shared=shared))
        assert table.rows() == expected[versions[1]]
        assert table.tables() == {"labels"}


class Attempts:
    """Two attempts of one unit at once.

    :param newer: whether the second one is of a newer round, of which the first one learns when it asks.
    :ivar outcomes: the error of each attempt, or None.
    """

    def __init__(self, table: LoadedTable, steps: Steps, versions: Sequence[str], shared: int, newer: bool) -> None:
        self._table = table
        self._steps = steps
        self._parts = [parts_of(each, shared=shared) for each in versions]
        self._newer = newer
        self._is_overtaken = False
        self.outcomes: dict[int, str | None] = {}

    def run(self, turns: int) -> int:
        """Let the first one make some steps, then the second one all, then the first one the rest; count its steps."""
        made = Counter[int]()

        def attempt(number: int, step: Step) -> None:
            def happens(_: str) -> None:
                made[number] += 1
                step()
                self._steps.happens = happens  # the other one has set its own meanwhile

            def check_current() -> None:
                if number == 0 and self._is_overtaken:
                    raise OvertakenError

            step()
            self._is_overtaken = self._newer and number == 1
            self._steps.happens = happens
            try:
                self._table.load(self._parts[number], check_current=check_current)
                self.outcomes[number] = None
            except MessageBatchesError as error:
                self.outcomes[number] = type(error).__name__

        interleave([partial(attempt, 0), partial(attempt, 1)], [turns, 10**6])
        self._steps.happens = lambda _: None
        return made[0]
