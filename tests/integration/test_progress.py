"""The progress of a job, which anyone can read from its ledger at any time."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.progress import JobProgress
from tests.worlds.one_task_job import KilledError, OneTask, before_each, dies_at
from tests.worlds.simulated_world import HOUR, World


def progress(task: OneTask) -> JobProgress:
    return JobProgress.of(task.job(), now=task.world.clock().now())


def test_a_job_that_waits_for_its_window_tells_what_is_sent_and_in_flight(task: OneTask) -> None:
    task.stint(rows=22, in_flight=8)
    told = progress(task)
    assert (told.rows, told.round, told.shards, told.shards_submitted, told.shards_ended) == (22, 1, 6, 2, 0)
    assert (told.rows_in_flight, told.rows_ended, told.rows_collected) == (8, 0, 0)
    assert (told.rows_per_second, told.seconds_left) == (None, None)
    assert str(told) == "round 1: 2 of 6 shards submitted, 0 ended, 8 rows in flight, 0 of 22 rows collected"


def test_what_ended_gives_a_rate_and_a_guess_of_the_rest(world: World, task: OneTask) -> None:
    task.stint(rows=24, in_flight=8)
    world.control.advance_clock(2 * HOUR)
    task.stint()
    told = progress(task)
    assert (told.shards_submitted, told.shards_ended, told.rows_ended) == (4, 2, 8)
    assert (told.rows_in_flight, told.rows_collected) == (8, 8)
    assert told.seconds == pytest.approx(2 * HOUR, abs=5)
    assert told.rows_per_second == pytest.approx(8 / (2 * HOUR), rel=0.01)
    assert told.seconds_left == pytest.approx(4 * HOUR, rel=0.01)
    assert "about 4 hours" in str(told) or "about 3 hours 59 minutes" in str(told)


def test_a_further_round_counts_its_own_rows_and_forgets_none_that_are_collected(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="hello 1$", error_type="api_error", first_submissions=1)
    task.stint()
    world.control.advance_clock(2 * HOUR)
    task.stint()
    told = progress(task)
    assert (told.round, told.shards, told.shards_submitted) == (2, 4, 4)
    assert (told.rows_in_flight, told.rows_collected) == (1, 12)
    assert told.seconds_left is not None
    assert told.seconds_left < HOUR
    task.finish()
    told = progress(task)
    assert (told.shards_ended, told.rows_in_flight, told.rows_collected, told.seconds_left) == (4, 0, 12, 0)


def test_parts_that_were_written_to_two_destinations_are_counted_once(world: World, task: OneTask) -> None:
    task.stint()
    world.control.end_batches()
    for destination in ("out", "elsewhere"):
        with pytest.raises(KilledError), before_each(world.client, "results", dies_at(2)):
            task.stint(destination=destination)
    assert progress(task).rows_collected == 8


def test_all_figures_are_plain_values(task: OneTask) -> None:
    task.stint()
    told = progress(task).as_dict()
    assert set(told) >= {"rows", "round", "rows_collected", "rows_per_second", "seconds_left"}
    assert all(value is None or isinstance(value, (int, float)) for value in told.values())
