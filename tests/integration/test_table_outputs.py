"""The output of jobs in a table: rounds, restarts and tries, whatever changes or dies between two attempts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.collection import JobCollection, collect_batches
from anthropic_batches_provider.batches.ledger import LocalStorage
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.edge.sql_table import SqlTable
from anthropic_batches_provider.edge.sql_tables import drivers as table_drivers
from anthropic_batches_provider.edge.sql_tables.sessions import Session
from anthropic_batches_provider.edge.task_destination import table_destination
from anthropic_batches_provider.errors import ConfigurationError, LedgerError, ResultsUnavailableError, SourceError
from tests.worlds.one_task_job import Arguments, KilledError, OneTask, before_each
from tests.worlds.simulated_world import World

ALL = [(number, "succeeded") for number in range(12)]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "warehouse.db"
    file.touch()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    return file


@pytest.fixture
def task(world: World, tmp_path: Path, database: Path) -> OneTask:
    assert database.exists()
    return OneTask(world, tmp_path, Arguments(table="labels"))


@pytest.fixture
def stale(task: OneTask) -> JobCollection:
    """Return the collection of an attempt that stalls before it collects, and wakes up at any time."""
    submitted(task)
    (task.folder / "stale").mkdir()
    collection = task.collection(task.job(), task.folder / "stale")
    assert isinstance(collection, JobCollection)
    return collection


def submitted(task: OneTask, **changes: Any) -> None:
    assert isinstance(task.stint(**changes), NextLook)
    task.world.control.end_batches()
    task.world.control.advance_clock(60)


def execute(task: OneTask, statement: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(task.folder / "warehouse.db")) as connection:
        rows = connection.execute(statement, parameters).fetchall()
        connection.commit()
        return rows


def rows(task: OneTask, table: str = "labels", owner: str = "owner") -> list[tuple[int, str]]:
    """Return the rows of an owner as the database returns them."""
    query = f"SELECT key, result_type FROM {table} WHERE anthropic_batches_unit = ?"
    return [(int(key), result_type) for key, result_type in execute(task, query, [owner])]


def tables(task: OneTask) -> list[str]:
    return [name for (name,) in execute(task, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def parts(task: OneTask, job: str = "job-0001") -> list[str]:
    """Return the parts that wait in the folder of a job."""
    folder = task.folder / "jobs"
    return sorted(path.name for path in folder.rglob(f"{job}/table/part-*"))


def check_loaded(task: OneTask, manifest: Manifest) -> None:
    """Check that each row is in the table once, in the order of the input, and was billed once; nothing is left."""
    assert rows(task) == ALL
    assert manifest.destination == "sql://warehouse@labels"
    assert manifest.counts.rows == manifest.counts.succeeded == 12
    assert tables(task) == ["labels"]
    assert parts(task) == []
    task.world.check_each_row_billed_once(12)


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Return a function that lets the process die before a statement of a load, or before its commit."""

    def dies_at(method: str, number: int) -> None:
        original, calls = getattr(Session, method), iter(range(10**6))

        def killed(session: Session, step: str, *arguments: Any) -> Any:
            if next(calls) == number:
                raise KilledError
            return original(session, step, *arguments)

        monkeypatch.setattr(Session, method, killed)

    return dies_at


def test_rows_come_home_in_order_and_no_part_is_left(task: OneTask) -> None:
    check_loaded(task, task.finish(in_flight=8))


@pytest.mark.parametrize(
    ("method", "number"),
    [*(("execute", number) for number in range(9)), *(("insert", number) for number in range(3)),
     *(("commit", number) for number in range(5))],
)  # fmt: skip
def test_a_process_that_dies_while_it_loads_is_followed_by_one_that_completes(
    task: OneTask, dies: Callable[[str, int], None], method: str, number: int
) -> None:
    submitted(task)
    dies(method, number)
    with pytest.raises(KilledError):
        task.finish()
    assert rows(task) == []
    dies(method, -1)
    fetched = task.world.control.received().calls["results"]
    check_loaded(task, task.finish())
    assert task.world.control.received().calls["results"] == fetched, "the parts were kept"


def test_a_process_that_dies_between_the_table_and_the_manifest_is_followed_by_one_that_completes(
    task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anthropic_batches_provider.batches.output import publishing

    submitted(task)
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_put", lambda *_: (_ for _ in ()).throw(KilledError()))
        with pytest.raises(KilledError):
            task.finish()
    assert rows(task) == ALL
    check_loaded(task, task.finish())


def test_a_further_round_replaces_the_rows_and_keeps_the_parts_until_none_can_come(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="hello 9$", error_type="overloaded_error", first_submissions=1)
    submitted(task)
    assert isinstance(task.stint(), NextLook)
    assert rows(task) == [*ALL[:9], (9, "errored"), *ALL[10:]]
    assert len(parts(task)) == 3
    assert tables(task) == ["labels"]
    fetched = world.control.received().calls["results"]
    check_loaded(task, task.finish())
    assert world.control.received().calls["results"] == fetched + 2, "parts without news are used again"


def test_a_table_that_loses_a_column_between_two_rounds_stops_the_publish_until_it_is_altered(
    world: World, task: OneTask
) -> None:
    world.control.add_outcome("errored", text_matches="hello 9$", error_type="overloaded_error", first_submissions=1)
    submitted(task)
    assert isinstance(task.stint(), NextLook)
    execute(task, "ALTER TABLE labels RENAME COLUMN stop_reason TO reason")
    world.control.end_batches()
    with pytest.raises(ConfigurationError, match="stop_reason"):
        task.finish()
    assert rows(task) == [*ALL[:9], (9, "errored"), *ALL[10:]]
    execute(task, "ALTER TABLE labels ADD COLUMN stop_reason text")
    check_loaded(task, task.finish())
    assert execute(task, "SELECT DISTINCT stop_reason, reason FROM labels") == [("end_turn", None)]


def test_a_finished_job_that_is_cleared_loads_its_rows_again(task: OneTask) -> None:
    first = task.finish()
    execute(task, "DELETE FROM labels WHERE key = 3")
    execute(task, "INSERT INTO labels (anthropic_batches_unit, key) VALUES ('owner', 77), ('somebody', 78)")
    second = task.finish()
    check_loaded(task, second)
    assert second.job == first.job
    assert execute(task, "SELECT key FROM labels WHERE anthropic_batches_unit = 'somebody'") in ([(78,)], [("78",)])


@pytest.mark.parametrize(
    "changes", [{"question": "another", "on_changed_input": "restart"}, {"edition": "2"}], ids=["restart", "edition"]
)
def test_another_job_of_the_unit_replaces_its_rows(task: OneTask, changes: dict[str, Any]) -> None:
    task.finish()
    manifest = task.finish(rows=8, text="bye", **changes)
    assert str(manifest.job).endswith("job-0002")
    assert rows(task) == ALL[:8]
    assert tables(task) == ["labels"]
    assert parts(task) == parts(task, "job-0002") == []


def test_an_attempt_of_a_replaced_job_leaves_the_rows_of_its_successor(task: OneTask, stale: JobCollection) -> None:
    task.finish(rows=8, text="bye", question="another", on_changed_input="restart")
    with pytest.raises(LedgerError, match="replaced by another job"):
        stale.publish()
    assert rows(task) == ALL[:8]
    assert tables(task) == ["labels"]


def steps_of(happens: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a function once before each statement of a load, with its number; not within that call."""
    calls, is_inside = iter(range(10**6)), [False]

    def watched(original: Any) -> Any:
        def stepped(session: Session, step: str, *arguments: Any) -> Any:
            if not is_inside[0]:
                is_inside[0] = True
                try:
                    happens(next(calls))
                finally:
                    is_inside[0] = False
            return original(session, step, *arguments)

        return stepped

    for name in ("execute", "rows", "insert", "begin", "commit"):
        monkeypatch.setattr(Session, name, watched(getattr(Session, name)))


@pytest.mark.parametrize("newer", ["same round", "further round", "restart"])
def test_an_attempt_that_stalls_at_any_statement_never_undoes_what_its_successor_published(
    world: World, tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, newer: str
) -> None:
    """At one statement of the stalled one its successor does all of its work, or meets a lock and tries again."""
    monkeypatch.setattr(table_drivers, "LOCK_WAIT_SECONDS", 0.01)
    number, reached = 0, True
    while reached:
        folder = tmp_path / f"{number}"
        folder.mkdir()
        database.rename(folder / "warehouse.db").touch()
        database.symlink_to(folder / "warehouse.db")
        task = OneTask(world, folder, Arguments(table="labels", unit=f"unit {number}"))
        reached = _stalls_at(number, task, monkeypatch, newer)
        database.unlink()
        database.touch()
        number += 1
    assert number > 20


def _stalls_at(number: int, task: OneTask, monkeypatch: pytest.MonkeyPatch, newer: str) -> bool:
    """Return whether the stalled attempt has made so many statements."""
    changes: dict[str, Any] = {}
    older, newest = ALL, ALL
    if newer == "restart":
        changes, newest = {"question": "another", "on_changed_input": "restart", "rows": 8}, ALL[:8]
    if newer == "further round":
        older = [*ALL[:9], (9, "errored"), *ALL[10:]]
        task.world.control.add_outcome(
            "errored", text_matches=f"hello {number}/ 9$", error_type="overloaded_error", first_submissions=1
        )
    submitted(task, text=f"hello {number}/")
    (task.folder / "stale").mkdir()
    stale = task.collection(task.job(), task.folder / "stale")
    has_succeeded, is_reached = False, False

    def succeed(call: int) -> None:
        nonlocal has_succeeded, is_reached
        if call != number:
            return
        is_reached = True
        with suppress(SourceError):  # the stalled attempt holds the lock
            task.finish(**changes)
            has_succeeded = True

    with monkeypatch.context() as patch:
        steps_of(succeed, patch)
        with suppress(LedgerError, SourceError):
            stale.publish()
    assert rows(task) in ([newest] if has_succeeded else [[], older]), (number, has_succeeded)
    task.finish(**changes)
    assert rows(task) == newest
    assert tables(task) == ["labels"]
    return is_reached


def test_an_attempt_that_wakes_up_after_its_successor_has_published_leaves_that_output(
    task: OneTask, stale: JobCollection
) -> None:
    manifest = task.finish()
    assert stale.publish() == manifest
    stale.finish()
    check_loaded(task, manifest)


@pytest.mark.parametrize(("table", "with_letters"), [("labels", False), ("labels", True), ("", True)])
def test_an_attempt_that_stalls_while_it_finds_its_dead_letters_leaves_what_its_successor_published(
    world: World, task: OneTask, monkeypatch: pytest.MonkeyPatch, table: str, with_letters: bool
) -> None:
    from anthropic_batches_provider.batches.output import publishing

    world.control.add_outcome("errored", text_matches="hello 9$", error_type="overloaded_error", first_submissions=1)
    submitted(task, table=table, dead_letters=with_letters)
    (task.folder / "stale").mkdir()
    stale = task.collection(task.job(), task.folder / "stale")
    original, outputs = publishing._with_dead_letters, []

    def stalls(*arguments: Any) -> Manifest:
        with monkeypatch.context() as patch:
            patch.setattr(publishing, "_with_dead_letters", original)
            outputs.append(task.finish())
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_with_dead_letters", stalls)
        with pytest.raises(LedgerError, match="started a further round"):
            stale.publish()
    folder = next((task.folder / "jobs").rglob("job-0001")) / "table" if table else task.folder / "out"
    assert json.loads((folder / "_manifest.json").read_bytes())["counts"] == outputs[0].as_dict()["counts"]
    assert outputs[0].counts.succeeded == 12
    assert not (folder / "_dead_letters.jsonl").exists()
    assert task.job().is_finished()


def test_an_attempt_that_wakes_up_with_another_table_publishes_there(task: OneTask, stale: JobCollection) -> None:
    task.finish(table="labels_2")
    assert stale.publish().destination == "sql://warehouse@labels"
    stale.finish()
    assert rows(task, "labels") == rows(task, "labels_2") == ALL
    assert tables(task) == ["labels", "labels_2"]
    assert parts(task) == []


def test_a_destination_may_change_from_a_folder_to_a_table_and_back(task: OneTask) -> None:
    in_folder = task.finish(table="")
    assert len(in_folder.parts) == 3
    check_loaded(task, task.finish(table="labels"))
    assert [row["key"] for row in task.output()] == list(range(12)), "the folder's output stays"
    task.finish(table="labels_2", columns=["result_type"])
    assert rows(task, "labels_2") == ALL
    assert rows(task, "labels") == ALL
    assert len(task.finish(table="").parts) == 3
    assert tables(task) == ["labels", "labels_2"]


def test_other_columns_may_be_chosen_between_the_tries(task: OneTask) -> None:
    task.finish(columns=["result_type"])
    with pytest.raises(ConfigurationError, match="text"):
        task.finish(columns=["text", "result_type"])
    assert rows(task) == ALL
    execute(task, "ALTER TABLE labels ADD COLUMN text text")
    check_loaded(task, task.finish())
    assert execute(task, "SELECT count(text) FROM labels") == [(12,)]


def test_a_try_that_died_with_other_columns_leaves_no_part_that_is_taken_for_one_of_this(
    task: OneTask, dies: Callable[[str, int], None]
) -> None:
    submitted(task)
    dies("commit", 3)
    with pytest.raises(KilledError):
        task.finish(columns={"text": "stop_reason", "stop_reason": "text"})
    dies("commit", -1)
    check_loaded(task, task.finish(columns=None))
    assert execute(task, "SELECT DISTINCT stop_reason FROM labels") == [("end_turn",)]


def test_batches_of_somebody_else_go_into_a_table_again_and_again(world: World, task: OneTask, tmp_path: Path) -> None:
    submitted(task)
    ids = [batch.batch_id for batch in task.job().batches()]
    settings = CollectionSettings(spool_folder=tmp_path / "plain", as_table=True, clock=world.clock())
    for attempt, chosen in enumerate((ids, ids, ids[:2])):
        destination = table_destination(
            SqlTable("warehouse", "plain", create=True), LocalStorage(tmp_path / f"parts-{attempt}"), owner="task"
        )
        manifest = collect_batches(chosen, world.client, destination, settings)
        found = execute(
            task, "SELECT count(*), count(DISTINCT custom_id) FROM plain WHERE anthropic_batches_unit = ?", ["task"]
        )
        assert found == [(4 * len(chosen), 4 * len(chosen))]
        assert manifest.destination == "sql://warehouse@plain"
    assert tables(task) == ["labels", "plain"]


def test_results_are_fetched_before_the_database_is_needed(
    world: World, task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(task)
    monkeypatch.setenv(
        "AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(task.folder / "no.db")})
    )
    with pytest.raises(ConfigurationError, match=r"no database file .*The answers are collected and kept in file://"):
        task.finish()
    assert len(parts(task)) == 3
    fetched = world.control.received().calls["results"]
    monkeypatch.setenv(
        "AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(task.folder / "warehouse.db")})
    )
    with before_each(world.client, "results", lambda _: pytest.fail("fetched again")):
        check_loaded(task, task.finish())
    assert world.control.received().calls["results"] == fetched


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_drivers, "LOCK_WAIT_SECONDS", 5)


def test_two_tasks_may_load_one_job_into_two_tables_at_once(
    world: World, tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one statement of the first the second does all of its work; both use the same parts."""
    monkeypatch.setattr(table_drivers, "LOCK_WAIT_SECONDS", 0.01)
    number, reached = 0, True
    while reached:
        task = OneTask(world, tmp_path / f"{number}", Arguments(table="labels", unit=f"unit {number}"))
        (task.folder / "stale").mkdir(parents=True)
        (task.folder / "warehouse.db").symlink_to(database)
        submitted(task, text=f"hello {number}/")
        first, reached = task.collection(task.job(), task.folder / "stale"), False

        def second(call: int, task: OneTask = task, number: int = number) -> None:
            nonlocal reached
            if call == number:
                reached = True
                with suppress(SourceError):  # SQLite has one lock
                    task.finish(table="labels_2")

        with monkeypatch.context() as patch:
            steps_of(second, patch)
            assert first.publish().destination == "sql://warehouse@labels"
            first.finish()
        assert rows(task, "labels") == ALL
        task.finish(table="labels_2")
        assert (rows(task, "labels_2"), parts(task)) == (ALL, [])
        assert tables(task) == ["labels", "labels_2"]
        number += 1
    assert number > 20


@pytest.mark.parametrize("changes", [{}, {"table": "", "destination": "xcom"}], ids=["table", "xcom"])
def test_a_round_is_not_paid_for_if_rows_that_are_no_more_in_place_could_not_be_read_again(
    world: World, task: OneTask, changes: dict[str, Any]
) -> None:
    """Of a folder, the parts of the other shards would still be there."""
    world.control.add_outcome("errored", text_matches="hello 9$", error_type="overloaded_error", first_submissions=1)
    task.finish(max_rounds=1, **changes)
    batch = task.job().shards()[0].batch
    assert batch is not None
    billed = world.control.billing().rows_billed
    world.control.archive_batches([batch.batch_id])
    with pytest.raises(ResultsUnavailableError, match=rf"cannot be sent again: the results of {batch.batch_id}.*not"):
        task.finish(max_rounds=2)
    assert len(task.job().rounds()) == 1
    assert world.control.billing().rows_billed == billed
