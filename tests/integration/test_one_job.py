"""One task completes a job: rounds, output and tries, whatever changes or fails between two attempts."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.errors import (
    ChangedInputError,
    CorruptLedgerError,
    DestinationOwnedError,
    JobStoppedError,
    LedgerError,
    ResultsUnavailableError,
    XComLimitError,
)
from tests.worlds.one_task_job import KilledError, OneTask, before_each, check_home, dies_at
from tests.worlds.simulated_world import World


@pytest.fixture
def overloaded(world: World) -> None:
    """Make rows 1 and 9, of the first and the third shard, fail on their first submission."""
    for number in (1, 9):
        world.control.add_outcome(
            "errored", text_matches=f"hello {number}$", error_type="overloaded_error", first_submissions=1
        )


def kept(task: OneTask, folder: str) -> list[str]:
    """Return the names of the files in a folder of the job."""
    return task.world.storage.list(f"{task.job().path}/{folder}")


def parts(task: OneTask) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (task.folder / task.arguments.destination).glob("part-*")}


def started(task: OneTask, **changes: Any) -> None:
    """Submit the whole job and end its batches."""
    assert isinstance(task.stint(**changes), NextLook)
    task.world.control.end_batches()


def killed_in_collecting(task: OneTask, part: int, **changes: Any) -> None:
    """Run a process that dies while it fetches the results of a part, counted from 0."""
    with pytest.raises(KilledError), before_each(task.world.client, "results", dies_at(part)):
        task.stint(**changes)


def test_rows_come_home_in_order_and_nothing_of_the_prompts_is_left(task: OneTask) -> None:
    check_home(task, task.finish(in_flight=8))
    assert kept(task, "requests") == kept(task, "unusable") == []


@pytest.mark.usefixtures("overloaded")
def test_rows_that_failed_go_again_after_all_others_are_published(world: World, task: OneTask) -> None:
    published: list[bool] = []
    manifest = task.folder / "out" / "_manifest.json"
    with before_each(world.client, "create", lambda _: published.append(manifest.exists())):
        found = task.finish()
    assert published == [False, False, False, True]
    check_home(task, found)
    assert [create.requests for create in world.control.received().creates] == [4, 4, 4, 2]
    assert kept(task, "requests") == kept(task, "unusable") == []


@pytest.mark.usefixtures("overloaded")
def test_a_part_that_a_further_round_did_not_touch_is_neither_fetched_nor_written_again(
    world: World, task: OneTask
) -> None:
    started(task)
    task.stint()
    before, fetched = parts(task), world.control.received().calls["results"]
    times = {name: (task.folder / "out" / name).stat().st_mtime_ns for name in before}
    manifest = task.finish()
    check_home(task, manifest)
    untouched = next(name for name in before if name.startswith("part-00001"))
    assert (task.folder / "out" / untouched).stat().st_mtime_ns == times[untouched]
    assert set(parts(task)) & set(before) == {untouched}
    assert world.control.received().calls["results"] == fetched + 2 + 1
    assert set(parts(task)) == {part.name for part in manifest.parts}


@pytest.mark.usefixtures("overloaded")
def test_a_round_that_ends_while_the_same_process_still_works_is_collected_and_not_paid_again(
    world: World, task: OneTask
) -> None:
    world.control.change_settings(batch_duration=0)

    def take_long(_: int) -> None:
        world.control.advance_clock(60)

    with before_each(world.client, "results", take_long), before_each(world.client, "create", take_long):
        manifest = task.stint()
    assert isinstance(manifest, Manifest)
    check_home(task, manifest)


def test_an_error_that_every_further_request_would_meet_stops_the_job_once_all_is_published(
    world: World, task: OneTask
) -> None:
    world.control.add_outcome("errored", contains="hello 1", error_type="billing_error", first_submissions=1)
    with pytest.raises(JobStoppedError, match="3 with billing_error"):
        task.finish()
    assert len(task.output()) == 12
    assert len(task.job().rounds()) == 1
    check_home(task, task.finish())


def test_it_does_not_stop_a_job_that_has_no_further_round_anyway(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", contains="hello 1", error_type="permission_error")
    with pytest.raises(JobStoppedError):
        task.finish(max_rounds=2)
    manifest = task.finish()
    assert manifest.counts.errored == 3
    assert len(world.control.received().creates) == 3 + 1
    assert isinstance(task.finish(), Manifest)
    assert len(world.control.received().creates) == 3 + 1


class TestAnotherAttemptWithOtherArguments:
    """An attempt died after it had written the first of three parts; requests of that shard are gone."""

    @pytest.fixture(autouse=True)
    def half_written(self, world: World, task: OneTask) -> None:
        world.control.add_outcome(
            "errored", text_matches="hello [1]$", error_type="overloaded_error", first_submissions=1
        )
        started(task)
        killed_in_collecting(task, 1)
        assert len(parts(task)) == 1
        assert len(kept(task, "requests")) == 2

    def test_the_same_go_on_with_the_second_part(self, world: World, task: OneTask) -> None:
        fetched = world.control.received().calls["results"]
        task.stint(max_rounds=1)
        assert world.control.received().calls["results"] == fetched + 2

    def test_another_destination_gets_all_parts_and_rows_go_again(self, task: OneTask) -> None:
        check_home(task, task.finish(destination="elsewhere"))

    def test_and_so_does_the_first_destination_when_it_comes_back(self, task: OneTask) -> None:
        killed_in_collecting(task, 1, destination="elsewhere")
        check_home(task, task.finish(destination="out"))

    def test_another_format_gets_all_parts(self, task: OneTask) -> None:
        manifest = task.finish(output_format="jsonl.gz")
        contents = [gzip.decompress((task.folder / "out" / part.name).read_bytes()) for part in manifest.parts]
        rows = [json.loads(line) for content in contents for line in content.splitlines()]
        assert [row["key"] for row in rows] == list(range(12))
        assert {row["result_type"] for row in rows} == {"succeeded"}

    def test_memory_gets_all_rows_and_they_go_again(self, task: OneTask) -> None:
        manifest = task.finish(destination="xcom")
        assert [row["key"] for row in task.rows_in_memory] == list(range(12))
        assert manifest.counts.succeeded == 12
        task.world.check_each_row_billed_once(12)

    def test_other_columns_are_in_every_row_also_after_they_were_changed_and_changed_back(self, task: OneTask) -> None:
        killed_in_collecting(task, 2, include_message=True)
        killed_in_collecting(task, 1, include_message=False)
        check_home(task, task.finish())
        assert {"message" in row for row in task.output()} == {False}

    def test_a_part_that_was_deleted_by_hand_is_written_again(self, task: OneTask) -> None:
        for path in (task.folder / "out").glob("part-*"):
            path.unlink()
        check_home(task, task.finish())

    def test_requests_that_are_to_be_kept_from_now_on_are(self, task: OneTask) -> None:
        check_home(task, task.finish(keep_requests=True))
        assert len(kept(task, "requests")) == 2 + 1


def test_requests_are_kept_if_they_are_to_be(task: OneTask) -> None:
    check_home(task, task.finish(keep_requests=True))
    assert len(kept(task, "requests")) == 3


def test_rows_that_may_never_go_again_do_not_block_those_that_may(world: World, task: OneTask) -> None:
    """Collected here, then there, then here again with a further round: the kept rows have moved meanwhile."""
    world.control.add_outcome("errored", text_matches="hello 1$", error_type="api_error", first_submissions=1)
    world.control.add_outcome("errored", text_matches="hello 5$", error_type="invalid_request_error")
    task.finish(max_rounds=1)
    task.finish(destination="elsewhere")
    manifest = task.finish(destination="out", max_rounds=3)
    assert (manifest.counts.succeeded, manifest.counts.errored) == (11, 1)
    collection = task.job().last_collection()
    assert collection is not None
    assert [f"unusable/{name}" for name in kept(task, "unusable")] == [rows.file for rows in collection.unusable]
    assert isinstance(task.finish(), Manifest)


def test_columns_that_changed_with_each_clear_are_in_every_row(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="hello 1$", error_type="api_error", first_submissions=1)
    task.finish(max_rounds=1)
    task.finish(include_message=True)
    task.finish(include_message=True)
    check_home(task, task.finish(include_message=False, max_rounds=2))
    assert {"message" in row for row in task.output()} == {False}


def test_kept_rows_that_were_deleted_by_hand_stop_the_job_with_a_message(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="hello 1$", error_type="api_error", first_submissions=1)
    task.finish(max_rounds=1)
    for name in kept(task, "unusable"):
        world.storage.remove(f"{task.job().path}/unusable/{name}")
    with pytest.raises(CorruptLedgerError, match="Nothing was sent"):
        task.stint(max_rounds=2)
    assert len(world.control.received().creates) == 3


@pytest.mark.usefixtures("overloaded")
def test_two_processes_that_collect_at_once_write_the_same_and_rows_go_again_once(world: World, task: OneTask) -> None:
    started(task)
    other = OneTask(world, task.folder / "other", task.arguments)
    (task.folder / "other").mkdir()
    (task.folder / "other" / "out").symlink_to(task.folder / "out")
    (task.folder / "out").mkdir(exist_ok=True)
    manifests: list[Manifest | NextLook] = []

    def meet(number: int) -> None:
        if number == 1:
            manifests.append(other.stint())

    with before_each(world.client, "results", meet):
        outcome = task.stint()
    assert isinstance(outcome, NextLook)
    check_home(task, task.finish())
    assert [create.requests for create in world.control.received().creates] == [4, 4, 4, 2]


@pytest.mark.usefixtures("overloaded")
def test_a_process_that_slept_through_a_round_publishes_nothing_old(world: World, task: OneTask) -> None:
    started(task)
    other = OneTask(world, task.folder / "other", task.arguments)
    (task.folder / "other").mkdir()
    (task.folder / "out").mkdir(exist_ok=True)
    (task.folder / "other" / "out").symlink_to(task.folder / "out")

    def sleep(number: int) -> None:
        if number == 2:
            check_home(other, other.finish())

    with before_each(world.client, "results", sleep):
        try:
            outcome = task.stint()
        except LedgerError:
            outcome = None
    assert outcome is None or isinstance(outcome, Manifest)
    check_home(task, task.finish())


def test_a_destination_that_an_earlier_job_of_the_same_owner_has_filled_is_taken_over_whole(
    world: World, task: OneTask
) -> None:
    check_home(task, task.finish())
    before = set(parts(task))
    world.storage.create(f"{task.job().path}/abandoned.json", b'{"record":"abandoned","version":1,"at":"now"}')
    manifest = task.finish(rows=6)
    assert manifest.job is not None
    assert manifest.job.endswith("job-0002")
    assert [row["key"] for row in task.output()] == list(range(6))
    assert not before & set(parts(task))


def test_a_destination_of_another_owner_is_not_touched(task: OneTask) -> None:
    task.finish()
    manifest = task.folder / "out" / "_manifest.json"
    theirs = manifest.read_bytes().replace(b'"owner": "owner"', b'"owner": "another"')
    manifest.write_bytes(theirs)
    before = parts(task)
    with pytest.raises(DestinationOwnedError):
        task.stint()
    assert (manifest.read_bytes(), parts(task)) == (theirs, before)


@pytest.mark.usefixtures("overloaded")
def test_rows_in_memory_are_whole_after_each_attempt(world: World, task: OneTask) -> None:
    for _ in range(2):
        manifest = task.finish(destination="xcom", in_flight=8)
        assert [row["key"] for row in task.rows_in_memory] == list(range(12))
        assert {row["result_type"] for row in task.rows_in_memory} == {"succeeded"}
        assert (manifest.destination, manifest.counts.succeeded) == ("xcom", 12)
    assert kept(task, "requests") == kept(task, "unusable") == []
    world.check_each_row_billed_once(12)


def test_rows_too_many_for_memory_are_not_lost(task: OneTask) -> None:
    with pytest.raises(XComLimitError):
        task.finish(destination="xcom", xcom_max_bytes=1000)
    assert len(kept(task, "requests")) == 3
    check_home(task, task.finish(destination="out"))


class TestTries:
    """A job that was finished by the tries ``run#1`` of a task."""

    @pytest.fixture(autouse=True)
    def finished(self, task: OneTask) -> None:
        check_home(task, task.finish(tries="run#1"))

    def test_a_later_one_of_them_does_not_read_the_rows_again(self, world: World, task: OneTask) -> None:
        manifest = task.finish(text="changed since")
        check_home(task, manifest)
        assert len(world.control.received().creates) == 3

    def test_a_clear_does_and_sends_nothing_for_the_same_rows(self, world: World, task: OneTask) -> None:
        check_home(task, task.finish(tries="run#2"))
        assert len(world.control.received().creates) == 3

    def test_a_clear_refuses_changed_rows(self, world: World, task: OneTask) -> None:
        before = parts(task)
        with pytest.raises(ChangedInputError, match="the rows changed"):
            task.stint(tries="run#2", text="changed since")
        assert len(world.control.received().creates) == 3
        assert parts(task) == before

    def test_nameless_tries_are_never_the_same(self, task: OneTask) -> None:
        task.finish(tries="")
        with pytest.raises(ChangedInputError):
            task.stint(tries="", text="changed since")


def test_a_clear_of_an_unfinished_job_does_not_read_the_rows_again(task: OneTask) -> None:
    started(task, tries="run#1")
    killed_in_collecting(task, 1)
    manifest = task.finish(tries="run#2", text="changed since")
    check_home(task, manifest)


def test_results_that_are_gone_keep_no_others_from_being_written(world: World, task: OneTask) -> None:
    assert isinstance(task.stint(), NextLook)
    world.control.end_batches()
    world.control.archive_batches([task.job().batches()[0].batch_id])
    with pytest.raises(ResultsUnavailableError):
        task.stint()
    assert len(parts(task)) == 2


def test_an_attempt_of_a_replaced_job_publishes_nothing(world: World, task: OneTask) -> None:
    started(task)
    job = task.job()
    stale = task.collection(job, task.folder)
    job.replacement.record_abandonment("2026-11-21T00:00:00Z")
    for step in (stale.write_next, stale.publish):
        with pytest.raises(LedgerError, match="was replaced by another job"):
            step()
    assert not (task.folder / "out" / "_manifest.json").exists()


def test_parts_of_another_format_go_when_the_output_is_published(world: World, task: OneTask) -> None:
    assert isinstance(task.stint(in_flight=4), NextLook)
    world.control.end_batches()
    assert isinstance(task.stint(), NextLook)
    assert [name.rpartition(".")[2] for name in parts(task)] == ["jsonl"]
    task.finish(output_format="jsonl.gz")
    assert {name.rpartition(".")[2] for name in parts(task)} == {"gz"}
    assert len(parts(task)) == 3
