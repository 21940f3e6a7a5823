"""Results of further rounds are joined with the rows of the first round, however many shards there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from anthropic_batches_provider.errors import ResultsStreamError
from tests.worlds.one_task_job import OneTask, before_each, check_home
from tests.worlds.simulated_world import World


def errs_at_first(world: World, rows: str) -> None:
    world.control.add_outcome(
        "errored", text_matches=f"hello {rows}$", error_type="overloaded_error", first_submissions=1
    )


@contextmanager
def changed_results(world: World, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Make the service answer with results that differ from those it billed."""
    results = world.client.results

    @contextmanager
    def changed(batch_id: str) -> Iterator[Iterator[bytes]]:
        with results(batch_id) as chunks:
            yield iter([change(b"".join(chunks))])

    world.client.results = changed  # type: ignore[method-assign]
    try:
        yield
    finally:
        del world.client.results


def test_a_row_that_a_further_round_answered_under_another_name_may_be_billed_and_never_goes_again(
    world: World, task: OneTask
) -> None:
    errs_at_first(world, "1")
    task.finish(max_rounds=1)
    nonce = task.job().description().nonce.encode()
    with changed_results(world, lambda lines: lines.replace(b"%b-3-1" % nonce, b"somebody-elses")):
        manifest = task.finish(max_rounds=4)
    assert (manifest.counts.succeeded, manifest.counts.missing, manifest.foreign_results) == (11, 1, 1)
    assert len(world.control.received().creates) == 3 + 1
    world.check_each_row_billed_once(12)


def test_nor_does_one_in_whose_place_another_row_was_answered_twice(world: World, task: OneTask) -> None:
    errs_at_first(world, "[12]")
    task.finish(max_rounds=1)
    nonce = task.job().description().nonce.encode()
    with changed_results(world, lambda lines: lines.replace(b"%b-3-2" % nonce, b"%b-3-1" % nonce)):
        manifest = task.finish(max_rounds=4)
    assert (manifest.counts.succeeded, manifest.counts.missing, manifest.duplicate_results) == (11, 1, 1)
    assert len(world.control.received().creates) == 3 + 1


def spooled() -> list[str]:
    """Return the files with results of further rounds that this process has open."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this listing
            names.append(str(descriptor.readlink()))
    return [name for name in names if "/further-" in name]


@pytest.mark.parametrize("destination", ["out", "xcom"])
def test_of_many_shards_of_a_further_round_one_is_open_at_a_time_and_each_is_fetched_once(
    world: World, task: OneTask, destination: str
) -> None:
    errs_at_first(world, ".*[1-9]")
    task.finish(max_rounds=1, rows=60, rows_per_shard=20, destination=destination)
    fetched, most_open = world.control.received().calls["results"], 0

    def count_open(_: int) -> None:
        nonlocal most_open
        most_open = max(most_open, len(spooled()))

    with before_each(world.client, "results", count_open):
        manifest = task.finish(max_rounds=2, rows_per_shard=2)
    later = len(world.control.received().creates) - 3
    assert later == 27
    assert most_open == 1
    assert world.control.received().calls["results"] == fetched + 3 + later
    assert manifest.counts.succeeded == 60
    assert spooled() == []
    world.check_each_row_billed_once(60)


def test_a_shard_of_a_further_round_that_lies_across_all_parts_is_fetched_once(world: World, task: OneTask) -> None:
    errs_at_first(world, "(1|5|9)")
    task.finish(max_rounds=1)
    fetched = world.control.received().calls["results"]
    check_home(task, task.finish(max_rounds=2, rows_per_shard=20))
    assert world.control.received().calls["results"] == fetched + 3 + 1


def test_what_each_round_held_besides_is_counted_once_also_by_an_attempt_that_goes_on(
    world: World, task: OneTask
) -> None:
    for number, fails in ((1, 1), (5, 2), (9, 1)):
        world.control.add_outcome(
            "errored", text_matches=f"hello {number}$", error_type="overloaded_error", first_submissions=fails
        )

    def with_a_stranger(lines: bytes) -> bytes:
        return lines + b'{"custom_id":"stranger","result":{"type":"expired"}}\n'

    with changed_results(world, with_a_stranger):
        manifest = task.finish(rows_per_shard=4)
    assert len(world.control.received().creates) == 3 + 1 + 1
    assert manifest.foreign_results == 3 + 1 + 1
    check_home(task, manifest)


def test_results_of_a_further_round_that_break_off_are_asked_for_by_the_first_part_alone(
    world: World, task: OneTask
) -> None:
    errs_at_first(world, "(1|5|9)")
    task.finish(max_rounds=1)
    fetched = world.control.received().calls["results"]
    with (
        changed_results(world, lambda lines: lines if lines.count(b"\n") == 4 else b""),
        pytest.raises(ResultsStreamError),
    ):
        task.finish(max_rounds=2)
    assert world.control.received().calls["results"] == fetched + 4
    check_home(task, task.finish())
