"""A job that cost nothing is replaced without asking when its question or its rows are corrected; any other is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.ledger.collection_records import CollectionRecord
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.submission import sealed_job
from anthropic_batches_provider.errors import ApiConnectionError, ChangedInputError, ConfigurationError, LedgerError
from tests.worlds.one_task_job import OneTask, check_home
from tests.worlds.simulated_world import World, prepared


def refused(world: World, task: OneTask, error_type: str = "not_found_error", **changes: Any) -> Manifest:
    """Run the whole job with a question that the service refuses for every row."""
    world.control.add_outcome("errored", text_matches="^wrong ", error_type=error_type)
    manifest = task.finish(text="wrong", question="wrong", **changes)
    assert manifest.counts.errored == task.arguments.rows
    return manifest


def jobs(world: World) -> list[str]:
    return world.storage.list("dag/task/unit/-")


def check_corrected(world: World, task: OneTask) -> None:
    """Correct question and rows, run again, and check that each row was billed once and has its answer."""
    manifest = task.finish(text="hello", question="question")
    assert manifest.job is not None
    assert manifest.job.endswith("job-0002")
    assert jobs(world) == ["job-0001", "job-0002"]
    assert task.job().replacement.is_abandoned()
    assert world.control.received().calls.get("cancel", 0) == 0
    check_home(task, manifest)


@pytest.mark.parametrize("error_type", ["not_found_error", "invalid_request_error", "request_too_large"])
def test_a_question_that_was_refused_for_every_row_is_corrected_without_an_edition(
    world: World, task: OneTask, error_type: str
) -> None:
    refused(world, task, error_type)
    check_corrected(world, task)


def test_rows_that_could_not_be_answered_are_corrected_without_an_edition(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="invalid_request_error")
    task.finish(text="wrong", tries="one")
    check_corrected(world, replace_arguments(task, tries="two"))


def replace_arguments(task: OneTask, **changes: Any) -> OneTask:
    task.arguments = replace(task.arguments, **changes)
    return task


def test_the_output_of_the_replaced_job_gives_way(world: World, task: OneTask) -> None:
    refused(world, task)
    before = {path.name for path in (task.folder / "out").glob("part-*")}
    check_corrected(world, task)
    after = {path.name for path in (task.folder / "out").glob("part-*")}
    assert before
    assert before.isdisjoint(after)


def test_results_that_nobody_collected_are_read_first(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="not_found_error")
    task.stint(text="wrong", question="wrong")
    with pytest.raises(ChangedInputError, match="replaced without asking"):
        task.stint(text="hello", question="question")  # its batches run
    world.control.end_batches()
    read = world.control.received().calls.get("results", 0)
    check_corrected(world, task)
    assert world.control.received().calls["results"] >= read + 3


def test_a_job_of_which_only_a_part_was_sent_is_corrected_too(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="not_found_error")
    task.stint(text="wrong", question="wrong", in_flight=4)
    world.control.end_batches()
    assert sum(state.batch is not None for state in task.job().shards()) == 1
    check_corrected(world, replace_arguments(task, in_flight=1_000_000))


def one_succeeds(world: World) -> None:
    world.control.add_outcome("succeeded", text_matches="^wrong 5$")


def one_is_missing(world: World) -> None:
    world.control.add_outcome("missing", text_matches="^wrong 5$")


def one_is_unreadable(world: World) -> None:
    world.control.add_outcome("unreadable", text_matches="^wrong 5$")


@pytest.mark.parametrize(
    ("happens", "collected"),
    [
        (one_succeeds, True),
        (one_succeeds, False),
        (one_is_unreadable, True),
        (one_is_unreadable, False),
        (one_is_missing, False),  # fewer results than requests are never collected
    ],
)
def test_one_row_that_may_have_been_billed_keeps_the_job(
    world: World, task: OneTask, happens: Callable[[World], None], collected: bool
) -> None:
    happens(world)
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="not_found_error")
    if collected:
        task.finish(text="wrong", question="wrong")
    else:
        task.stint(text="wrong", question="wrong")
        world.control.end_batches()
    for _ in range(2):
        with pytest.raises(ChangedInputError):
            task.stint(text="hello", question="question")
    assert jobs(world) == ["job-0001"]
    assert not task.job().replacement.is_replaced()


def rewritten(world: World, task: OneTask, part: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the records of the job's ledger, as another version or an odd answer would have left them."""
    root = Path(world.storage.uri.removeprefix("file://")) / task.job().path / "ledger"
    files = [path for path in root.iterdir() if part in path.name]
    assert files
    for file in files:
        record = msgspec.json.decode(file.read_bytes())
        change(record)
        file.write_bytes(msgspec.json.encode(record))


def test_a_count_of_the_service_that_says_otherwise_keeps_the_job(world: World, task: OneTask) -> None:
    refused(world, task)
    rewritten(world, task, "-ended.json", lambda record: record["request_counts"].update(succeeded=1, errored=3))
    with pytest.raises(ChangedInputError):
        task.stint(text="hello", question="question")


def test_a_collection_of_an_earlier_version_is_read_again(world: World, task: OneTask) -> None:
    refused(world, task)
    rewritten(world, task, "collected-", lambda record: record.pop("billed_rows"))
    assert isinstance(task.job().last_collection(), CollectionRecord)
    read = world.control.received().calls["results"]
    check_corrected(world, task)
    assert world.control.received().calls["results"] > read + 3


def test_a_service_that_cannot_be_asked_is_asked_by_a_retry(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="not_found_error")
    task.stint(text="wrong", question="wrong")
    world.control.end_batches()
    world.control.add_fault("retrieve", "drop_before_commit", times=10)
    with pytest.raises(ApiConnectionError):
        task.stint(text="hello", question="question")
    world.control.clear_faults()
    check_corrected(world, task)


def test_an_attempt_that_sends_a_further_round_meanwhile_keeps_the_job(world: World, task: OneTask) -> None:
    """Two attempts: one has the old question and sends its failed rows again; the other has the corrected one."""
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="overloaded_error", first_submissions=1)
    task.finish(text="wrong", question="wrong", max_rounds=1)
    other = OneTask(world, task.folder / "other", replace(task.arguments, max_rounds=2))
    (task.folder / "other").mkdir()
    other.stint()
    with pytest.raises(ChangedInputError):
        task.stint(text="hello", question="question")
    assert other.finish().counts.succeeded == 12
    with pytest.raises(ChangedInputError):
        task.stint(text="hello", question="question")


def test_an_attempt_of_the_replaced_job_sends_nothing_more(world: World, task: OneTask) -> None:
    refused(world, task, "overloaded_error", max_rounds=1)
    old = OneTask(world, task.folder / "old", replace(task.arguments, max_rounds=2))
    (task.folder / "old").mkdir()
    before = JobFolder(world.storage, task.job().path)
    check_corrected(world, task)
    creates = len(world.control.received().creates)
    assert before.replacement.is_replaced()
    with pytest.raises((LedgerError, ChangedInputError)):
        old.stint()
    assert len(world.control.received().creates) == creates


def test_a_misspelled_model_does_not_take_the_place_of_a_job_that_runs(world: World, task: OneTask) -> None:
    job = world.job(rows=3)
    world.finish(job)
    plan = replace(world.plan(question="other", on_changed_input="restart"), model="claude-hiaku-4-5")
    with pytest.raises(ConfigurationError, match="does not know the model"):
        sealed_job(
            world.storage, plan, read_rows=lambda: prepared(3, "other"), account=world.client.greet().account,
            service=world.client, clock=world.clock(), spool_folder=world.spool, models=world.client,
        )  # fmt: skip
    assert not job.replacement.is_abandoned()
    assert world.control.received().calls.get("cancel", 0) == 0


def test_a_job_that_was_kept_once_says_so_when_it_has_cost_nothing(world: World, task: OneTask) -> None:
    refused(world, task)
    replacement = task.job().replacement
    replacement.record_contest("2026-11-28T00:00:00Z")
    assert replacement.decide_contest(keep=True)
    with pytest.raises(ChangedInputError, match=r"has cost nothing, but it was kept .* an edition= costs nothing"):
        task.stint(text="hello", question="question")


def test_an_adopted_batch_may_have_a_twin_and_keeps_the_job(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="^wrong ", error_type="not_found_error")
    world.control.add_fault("create", "drop_after_commit", times=1)
    task.finish(text="wrong", question="wrong")
    with pytest.raises(ChangedInputError):
        task.stint(text="hello", question="question")
