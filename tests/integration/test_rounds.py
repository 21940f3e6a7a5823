"""Only rows without a usable result are sent again; existing answers are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.collection import collect_job
from anthropic_batches_provider.batches.further_rounds import Rounds, seal_next_round
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.row_failures import may_go_again
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.errors import LedgerError, ResultsUnavailableError
from tests.worlds.simulated_world import HOUR, World

ROWS = 10


def collect(world: World, job: JobFolder, tmp_path: Path) -> tuple[Manifest, list[dict[str, Any]]]:
    destination = Destination(storage=LocalStorage(tmp_path / "out"), owner="owner")
    settings = CollectionSettings(spool_folder=tmp_path / "collect", clock=world.clock())
    manifest = collect_job(job, world.client, destination, settings)
    lines = [line for part in manifest.parts for line in (tmp_path / "out" / part.name).read_bytes().splitlines()]
    assert list((tmp_path / "collect").iterdir()) == []
    return manifest, [json.loads(line) for line in lines]


def next_round(world: World, job: JobFolder, *, max_rounds: int = 3) -> int:
    """Seal a further round as the operator does; return how many rows it sends."""
    rounds = Rounds(most=max_rounds, limits=ShardLimits(max_requests=4), spool_folder=world.spool)
    clock = world.clock()
    seal = seal_next_round(job, rounds, service=world.client, clock=clock, now=clock.now())
    return 0 if seal is None else seal.rows


def finished(world: World, tmp_path: Path) -> tuple[JobFolder, list[dict[str, Any]]]:
    job = world.job(rows=ROWS)
    world.finish(job)
    world.control.advance_clock(3 * HOUR)
    return job, collect(world, job, tmp_path)[1]


def result_types(rows: list[dict[str, Any]]) -> list[str]:
    return [row["result_type"] for row in rows]


@pytest.mark.parametrize(
    ("result_type", "error_type", "again"),
    [
        ("errored", "overloaded_error", True),
        ("errored", "api_error", True),
        ("errored", "timeout_error", True),
        ("errored", "rate_limit_error", True),
        ("errored", "billing_error", True),
        ("errored", "authentication_error", True),
        ("errored", "permission_error", True),
        ("errored", None, True),
        ("errored", "invalid_request_error", False),
        ("errored", "not_found_error", False),
        ("errored", "request_too_large", False),
        ("expired", None, True),
        ("canceled", None, True),
        ("missing", None, False),
        ("unreadable", None, False),
        ("succeeded", None, False),
    ],
)
def test_the_error_decides_whether_a_row_goes_again(result_type: str, error_type: str | None, again: bool) -> None:
    assert may_go_again(result_type, error_type) is again


def test_only_the_rows_that_failed_are_sent_and_paid_again(world: World, tmp_path: Path) -> None:
    for number in (1, 5, 9):
        world.control.add_outcome("errored", contains=f"hello {number}", error_type="overloaded_error", times=1)
    job, rows = finished(world, tmp_path)
    assert [row["key"] for row in rows if row["result_type"] == "errored"] == [1, 5, 9]
    assert next_round(world, job) == 3
    assert len(job.rounds()) == 2
    world.finish(job)
    world.control.advance_clock(3 * HOUR)
    manifest, rows = collect(world, job, tmp_path)
    assert [row["key"] for row in rows] == list(range(ROWS))
    assert set(result_types(rows)) == {"succeeded"}
    assert len({row["batch_id"] for row in rows}) == 4
    assert manifest.counts.succeeded == manifest.counts.rows == ROWS
    assert len(manifest.batch_ids) == 4
    assert job.storage.list(f"{job.path}/requests") == job.storage.list(f"{job.path}/unusable") == []
    assert next_round(world, job) == 0
    world.check_each_row_billed_once(ROWS)
    assert sum(create.requests or 0 for create in world.control.received().creates) == ROWS + 3


def test_a_bad_request_is_never_sent_again(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="invalid_request_error")
    job, rows = finished(world, tmp_path)
    assert result_types(rows).count("errored") == 1
    assert next_round(world, job) == 0
    assert job.is_finished()


def test_rounds_come_to_an_end(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error")
    job, _ = finished(world, tmp_path)
    for round_number in (2, 3):
        assert next_round(world, job, max_rounds=3) == 1
        world.finish(job)
        world.control.advance_clock(3 * HOUR)
        _, rows = collect(world, job, tmp_path)
        assert len(job.rounds()) == round_number
        assert [row["error_type"] for row in rows if row["result_type"] == "errored"] == ["api_error"]
    assert next_round(world, job, max_rounds=3) == 0
    assert next_round(world, job, max_rounds=4) == 1
    assert len(world.control.received().creates) == 3 + 2


def test_rows_that_a_cancellation_left_out_are_completed_later(world: World, tmp_path: Path) -> None:
    job = world.job(rows=ROWS)
    for batch in world.finish(job):
        world.client.cancel(batch.batch_id)
    world.control.advance_clock(60)
    _, rows = collect(world, job, tmp_path)
    canceled = result_types(rows).count("canceled")
    assert 0 < canceled <= ROWS
    assert next_round(world, job) == canceled
    world.finish(job)
    world.control.advance_clock(3 * HOUR)
    _, rows = collect(world, job, tmp_path)
    assert set(result_types(rows)) == {"succeeded"}
    world.check_each_row_billed_once(ROWS)


def test_rows_that_expired_are_completed_later(world: World, tmp_path: Path) -> None:
    job = world.job(rows=ROWS)
    world.finish(job)
    world.control.end_batches(unfinished="expire")
    _, rows = collect(world, job, tmp_path)
    expired = result_types(rows).count("expired")
    assert next_round(world, job) == expired > 0
    world.finish(job)
    world.control.advance_clock(3 * HOUR)
    assert set(result_types(collect(world, job, tmp_path)[1])) == {"succeeded"}
    world.check_each_row_billed_once(ROWS)


def test_a_round_whose_answer_was_lost_is_settled_like_any_other(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job, _ = finished(world, tmp_path)
    next_round(world, job)
    world.control.add_fault("create", "drop_after_commit")
    world.finish(job)
    world.control.advance_clock(3 * HOUR)
    assert set(result_types(collect(world, job, tmp_path)[1])) == {"succeeded"}
    world.check_each_row_billed_once(ROWS)


class Overtaken(LocalStorage):
    """A storage on which another attempt seals the same round while this attempt uploads its files."""

    def __init__(self, root: Path, overtake: Callable[[], object]) -> None:
        super().__init__(root)
        self._overtake: Callable[[], object] | None = overtake

    def put_file(self, source: Path, path: str) -> None:
        super().put_file(source, path)
        if self._overtake is not None:
            overtake, self._overtake = self._overtake, None
            overtake()


DAY = 24 * HOUR


@pytest.mark.parametrize("lost", ["archived", "archived soon", "deleted"])
def test_a_round_whose_answers_could_not_be_joined_with_the_earlier_ones_is_not_sent(
    world: World, tmp_path: Path, lost: str
) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job, rows = finished(world, tmp_path)
    (batch_id,) = {row["batch_id"] for row in rows if row["result_type"] == "errored"}
    if lost == "deleted":
        world.client.delete(batch_id)
    else:
        world.control.advance_clock(30 * DAY if lost == "archived" else 28 * DAY)
    billed = world.control.billing().rows_billed
    with pytest.raises(ResultsUnavailableError, match=batch_id):
        next_round(world, job)
    assert len(job.rounds()) == 1
    assert world.control.billing().rows_billed == billed


def test_a_round_waits_for_no_batch_whose_rows_all_have_their_answers(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job, rows = finished(world, tmp_path)
    (used,) = {row["batch_id"] for row in rows if row["result_type"] == "errored"}
    for batch_id in {row["batch_id"] for row in rows} - {used}:
        world.client.delete(batch_id)
    assert next_round(world, job) == 1


def test_of_two_attempts_at_once_one_seals_the_round_and_the_other_takes_it_over(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job, _ = finished(world, tmp_path)
    other = JobFolder(Overtaken(tmp_path / "storage", lambda: next_round(world, job)), job.path)
    (tmp_path / "other").mkdir()
    rounds = Rounds(most=3, limits=ShardLimits(), spool_folder=tmp_path / "other")
    seal = seal_next_round(
        other,
        rounds,
        service=world.client,
        clock=world.clock(),
        now=world.clock().now(),
    )
    assert seal == job.rounds()[1]
    assert len(job.storage.list(f"{job.path}/requests")) == 1
    world.finish(job)
    assert sum(create.requests or 0 for create in world.control.received().creates) == ROWS + 1


def test_a_round_is_not_sealed_twice_from_one_collection(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job, _ = finished(world, tmp_path)
    assert next_round(world, job) == 1
    assert next_round(world, JobFolder(job.storage, job.path)) == 0
    assert len(job.rounds()) == 2


def test_of_two_collectors_at_once_neither_loses_the_rows_that_are_to_go_again(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job = world.job(rows=ROWS)
    world.finish(job)
    world.control.advance_clock(3 * HOUR)
    (tmp_path / "other").mkdir()

    class CollectedMeanwhile:
        """The client; another attempt collects everything before the first results come."""

        def __init__(self) -> None:
            self.meanwhile = True

        def __getattr__(self, name: str) -> Any:
            return getattr(world.client, name)

        def results(self, batch_id: str) -> Any:
            if self.meanwhile:
                self.meanwhile = False
                collect(world, job, tmp_path / "other")
            return world.client.results(batch_id)

    settings = CollectionSettings(spool_folder=tmp_path / "late", clock=world.clock())
    destination = Destination(storage=LocalStorage(tmp_path / "out"), owner="owner")
    collect_job(job, CollectedMeanwhile(), destination, settings)
    assert next_round(world, job) == 1


def test_a_late_collector_does_not_publish_over_a_newer_round(world: World, tmp_path: Path) -> None:
    world.control.add_outcome("errored", contains="hello 3", error_type="api_error", times=1)
    job, _ = finished(world, tmp_path)

    class RoundMeanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.client, name)

        def results(self, batch_id: str) -> Any:
            next_round(world, job)
            return world.client.results(batch_id)

    before = (tmp_path / "out" / "_manifest.json").read_bytes()
    settings = CollectionSettings(spool_folder=tmp_path / "late", clock=world.clock())
    destination = Destination(storage=LocalStorage(tmp_path / "out"), owner="owner")
    with pytest.raises(LedgerError, match="started a further round"):
        collect_job(job, RoundMeanwhile(), destination, settings)
    assert (tmp_path / "out" / "_manifest.json").read_bytes() == before
