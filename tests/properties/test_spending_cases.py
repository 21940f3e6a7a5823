"""Single histories that the state machine cannot draw, or must avoid while the engine has a known fault in them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.ledger import Adopted
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.errors import CorruptLedgerError
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.properties.spending_world import World, world_client

HOUR = 3600


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    logging.disable(logging.CRITICAL)
    with SimulatorServer(Simulator(clock=ManualClock(speed=0))) as server, world_client(server) as client:
        yield World(server, client, tmp_path, {"even": 6, "odd": 4, "one": 3})
    logging.disable(logging.NOTSET)


def finish(world: World, unit: str) -> None:
    for _ in range(100):
        _, outcome = world.attempt(unit, world.moments())
        if not isinstance(outcome, NextLook):
            return
        seconds = (outcome.until - world.now()).total_seconds() + 1
        world.pass_time(min(max(seconds, 1), HOUR / 2 if outcome.batch_ids else seconds))
    raise AssertionError("the submission does not end")


def test_a_record_that_was_torn_stops_the_work_and_nothing_is_sent(world: World) -> None:
    finish(world, "odd")
    records = [path for path in world.store.contents if path.endswith(".json")]
    assert len(records) > 7
    creates = len(world.control.received().creates)
    for path in records:
        whole = world.store.contents[path]
        world.store.contents[path] = whole[: len(whole) // 2]
        if not path.startswith("claims/"):  # nobody reads the claim of a batch that its job knows
            with pytest.raises(CorruptLedgerError, match="Nothing was spent"):
                world.attempt("odd", world.moments())
        world.store.contents[path] = whole
    assert len(world.control.received().creates) == creates


def test_of_two_shards_of_equal_size_in_doubt_each_finds_its_own_batch(world: World) -> None:
    world.control.change_settings(batch_duration=HOUR)
    world.control.add_fault("create", "drop_before_commit")
    world.control.add_fault("create", "drop_after_commit")
    finish(world, "even")
    world.control.end_batches()
    check_each_row_billed_once(world, "even")


def test_a_process_that_is_paused_after_the_greeting_does_not_date_its_intents_back(world: World) -> None:
    """Operators greet before they read and upload the rows, which may take an hour: the pause need not be a fault."""
    world.control.add_fault("create", "late_commit", seconds=590)
    world.pause_after_greeting = HOUR
    assert isinstance(world.attempt("one", world.moments())[1], NextLook)
    world.pause_after_greeting = 0
    finish(world, "one")
    world.pass_time(HOUR)
    check_each_row_billed_once(world, "one")


def test_a_duplicate_that_the_network_made_is_told_in_the_ledger(world: World) -> None:
    world.doubles = 1
    finish(world, "one")
    assert duplicates(world, "one") == 1


@pytest.mark.xfail(
    reason="once one batch is proven ours, a second one that still runs is neither awaited nor reported", strict=True
)
def test_a_duplicate_that_ends_later_than_the_first_is_told_too(world: World) -> None:
    world.control.change_settings(batch_duration=HOUR)
    world.doubles = 1
    world.pause_between_doubles = 60
    assert isinstance(world.attempt("one", world.moments())[1], NextLook)
    world.pass_time(HOUR - 90)  # the first has ended, the second has not
    finish(world, "one")
    assert duplicates(world, "one") == 1


def test_a_duplicate_that_can_no_longer_be_canceled_does_not_hold_up_the_job(world: World) -> None:
    world.control.change_settings(cancel_ended_status=400)
    world.doubles = 1
    finish(world, "one")
    assert duplicates(world, "one") == 1


def check_each_row_billed_once(world: World, unit: str) -> None:
    billing, rows = world.control.billing(), world.rows[unit]
    assert (billing.rows_billed, billing.max_times_billed, billing.distinct_contents) == (rows, 1, rows)


def duplicates(world: World, unit: str) -> int:
    job = world.job(unit)
    assert job is not None
    outcomes = [attempt.outcome for state in job.shards() for attempt in state.attempts]
    adopted = [record.outcome for record in outcomes if record and isinstance(record.outcome, Adopted)]
    return sum(len(outcome.duplicates) for outcome in adopted)
