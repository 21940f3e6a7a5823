"""Requests in flight never exceed the window, even if calls are lost, refused or forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.errors import (
    ResultsUnavailableError,
    SpendLimitReachedError,
    SubmissionOutcomeUnknownError,
)
from tests.worlds.one_task_job import KilledError, OneTask, before_each, check_home, dies_at, most_in_queue
from tests.worlds.simulated_world import HOUR, World

MINUTE = 60.0


def statuses(world: World) -> list[int | None]:
    return [create.status for create in world.control.received().creates]


@pytest.mark.parametrize(("rows", "rows_per_shard", "in_flight"), [(20, 4, 8), (23, 4, 9), (10, 3, 3), (9, 2, 100)])
def test_the_service_never_holds_more_than_the_window(
    world: World, task: OneTask, rows: int, rows_per_shard: int, in_flight: int
) -> None:
    world.control.change_settings(queue_limit=in_flight)
    manifest = task.finish(rows=rows, rows_per_shard=rows_per_shard, in_flight=in_flight)
    check_home(task, manifest)
    assert set(statuses(world)) == {200}
    assert in_flight - rows_per_shard < most_in_queue(world) <= in_flight or most_in_queue(world) == rows


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "drop_after_commit"},
        {"action": "drop_before_commit"},
        {"action": "late_commit", "seconds": 590},
        {"action": "status_after_commit", "status": 500},
        {"action": "status", "status": 529},
    ],
    ids=lambda fault: f"{fault['action']} {fault.get('status', '')}".strip(),
)
@pytest.mark.parametrize("nth", [1, 3])
def test_nor_when_answers_are_lost(world: World, task: OneTask, fault: dict[str, Any], nth: int) -> None:
    world.control.change_settings(queue_limit=8)
    world.control.add_fault("create", nth=nth, times=2, **fault)
    check_home(task, task.finish(rows=20, in_flight=8))
    assert 429 not in statuses(world)
    assert most_in_queue(world) <= 8


def test_nor_when_processes_die_at_every_create_call(world: World, task: OneTask) -> None:
    world.control.change_settings(queue_limit=8)
    task.stint(rows=20, in_flight=8, rows_per_shard=4)
    for _ in range(3):
        with pytest.raises(KilledError), before_each(world.client, "create", dies_at(0)):
            task.finish()
    check_home(task, task.finish())
    assert 429 not in statuses(world)
    assert most_in_queue(world) <= 8


def test_nor_when_the_workers_clock_is_wrong_by_more_than_a_day(world: World, task: OneTask) -> None:
    world.control.change_settings(queue_limit=8)
    assert isinstance(task.stint(rows=20, in_flight=8, wrong_by=30 * HOUR), NextLook)
    assert isinstance(task.stint(), NextLook)
    assert statuses(world) == [200, 200]


def test_a_shard_that_is_larger_than_the_window_goes_alone(world: World, task: OneTask) -> None:
    check_home(task, task.finish(rows=11, rows_per_shard=4, in_flight=2))
    assert most_in_queue(world) == 4


def test_a_full_window_is_waited_for_with_what_runs_and_the_rest_goes_out_as_it_ends(
    world: World, task: OneTask
) -> None:
    waiting = task.stint(rows=20, in_flight=8)
    assert isinstance(waiting, NextLook)
    first = [batch.batch_id for batch in task.job().batches()]
    assert len(first) == 2
    assert waiting.batch_ids == tuple(first)
    assert "requests in flight: 8 (limit: 8)" in waiting.reason
    world.control.end_batches(first[:1])
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert len(task.job().batches()) == 3
    assert first[0] not in waiting.batch_ids


class TestARefusalForFullness:
    """The account's queue holds 12 requests; another program occupies 6 of them for hours."""

    @pytest.fixture(autouse=True)
    def crowded(self, world: World) -> None:
        world.control.change_settings(queue_limit=12, batch_duration=3 * HOUR)
        body = b",".join(
            b'{"custom_id":"%d","params":{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user",'
            b'"content":"theirs"}]}}' % number
            for number in range(6)
        )
        content = b'{"requests":[' + body + b"]}"
        world.client.create([content], content_length=len(content))

    def test_lowers_the_window_to_what_is_in_flight_for_a_quarter_of_an_hour(self, world: World, task: OneTask) -> None:
        waiting = task.stint(rows=20, in_flight=100)
        assert statuses(world)[1:] == [200, 429]
        for minute in range(15):
            assert isinstance(waiting, NextLook)
            world.control.advance_clock(MINUTE - 1)
            waiting = task.stint()
            assert statuses(world)[1:] == [200, 429], f"sent again after {minute + 1} minutes"
        world.control.advance_clock(MINUTE)
        task.stint()
        assert statuses(world)[1:] == [200, 429, 429]

    def test_lets_it_rise_again_as_soon_as_a_batch_of_the_job_has_ended(self, world: World, task: OneTask) -> None:
        task.stint(rows=20, in_flight=100)
        world.control.advance_clock(MINUTE)
        world.control.end_batches([task.job().batches()[0].batch_id])
        world.control.advance_clock(5)
        task.stint()
        assert statuses(world)[1:] == [200, 429, 200, 429]

    def test_costs_nothing_and_the_job_comes_to_its_end(self, world: World, task: OneTask) -> None:
        manifest = task.finish(rows=20, in_flight=100)
        assert [row["key"] for row in task.output()] == list(range(20))
        assert manifest.counts.succeeded == 20
        hours = (world.control.now() - world.control.received().creates[0].at) / HOUR
        assert statuses(world).count(429) < 5 * hours, "at most one in each quarter of an hour, and one per ended batch"
        assert world.control.billing().rows_billed == 20 + 6
        assert most_in_queue(world) <= 12


def test_a_pause_that_the_service_asks_for_is_kept_while_results_are_written(world: World, task: OneTask) -> None:
    task.stint(rows=24, in_flight=8)
    world.control.end_batches()
    world.control.add_fault("create", "status", status=429, retry_after=1800, times=None)
    with before_each(world.client, "results", lambda _: pass_time(world, 20)):
        waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert len(list((task.folder / "out").glob("part-*"))) == 2
    assert statuses(world) == [200, 200, 429]


def test_a_pause_that_the_service_asks_for_is_kept_although_a_batch_ends_meanwhile(world: World, task: OneTask) -> None:
    world.control.add_fault("create", "status", nth=2, status=429, retry_after=1800)
    task.stint(rows=12)
    world.control.advance_clock(MINUTE)
    world.control.end_batches()
    waiting = task.stint()
    assert statuses(world) == [200, 429]
    assert isinstance(waiting, NextLook)
    assert waiting.until.timestamp() == pytest.approx(world.control.now() + 1800 - MINUTE, abs=2)
    task.wait(waiting)
    task.stint()
    assert statuses(world) == [200, 429, 200, 200]


def test_a_refusal_with_nothing_in_flight_is_not_tried_again_with_each_part_that_is_written(
    world: World, task: OneTask
) -> None:
    task.stint(rows=24, in_flight=12)
    world.control.end_batches()
    world.control.add_fault("create", "status", status=429, times=None)
    with before_each(world.client, "results", lambda _: pass_time(world, 15)):
        assert isinstance(task.stint(), NextLook)
    assert statuses(world) == [200, 200, 200, 429]


def test_a_spend_limit_stops_the_job_with_its_message_and_what_had_ended_is_written(
    world: World, task: OneTask
) -> None:
    task.stint(rows=16, in_flight=8)
    world.control.end_batches([task.job().batches()[0].batch_id])
    world.control.add_fault("create", "status", status=429, error_code="enforced_spend_limit_reached", retry_after=9)
    with pytest.raises(SpendLimitReachedError, match="billed as they run: 2 of "):
        task.stint()
    assert len(list((task.folder / "out").glob("part-*"))) == 1
    check_home(task, task.finish())


def test_a_call_in_doubt_counts_as_in_flight_and_is_settled_while_the_window_is_full(
    world: World, task: OneTask
) -> None:
    world.control.change_settings(queue_limit=8)
    world.control.add_fault("create", "drop_after_commit", nth=2)
    waiting = task.stint(rows=20, in_flight=8)
    assert isinstance(waiting, NextLook)
    assert len(task.job().batches()) == 1
    doubtful = next(create.batch_id for create in world.control.received().creates if create.fault)
    assert doubtful in waiting.batch_ids
    assert isinstance(task.stint(), NextLook)
    assert len(statuses(world)) == 2, "an unresolved create call takes room"
    world.control.end_batches([doubtful])
    task.stint()
    assert doubtful in [batch.batch_id for batch in task.job().batches()]
    check_home(task, task.finish())
    assert most_in_queue(world) <= 8


def test_batches_that_expire_make_room_and_their_rows_go_again(world: World, task: OneTask) -> None:
    world.control.change_settings(batch_duration=60 * HOUR, queue_limit=8)
    waiting = task.stint(rows=16, in_flight=8)
    assert isinstance(waiting, NextLook)
    while len(task.job().batches()) < 4:
        assert isinstance(waiting, NextLook)
        task.wait(waiting)
        waiting = task.stint()
    world.control.change_settings(batch_duration=HOUR)
    check_home(task, task.finish())
    assert len(task.job().rounds()) == 2
    assert 429 not in statuses(world)


def test_a_batch_that_the_service_forgot_blocks_the_window_for_a_day_and_the_job_not_for_ever(
    world: World, task: OneTask
) -> None:
    task.stint(rows=16, in_flight=4)
    forgotten = task.job().batches()[0].batch_id
    world.control.end_batches()
    world.client.sdk.messages.batches.delete(forgotten)
    with pytest.raises(ResultsUnavailableError, match=forgotten):
        task.finish()
    assert len(task.job().batches()) == 4
    assert len(list((task.folder / "out").glob("part-*"))) == 3, "all other paid results are in place"
    assert most_in_queue(world) <= 4
    world.check_each_row_billed_once(16)


def test_a_look_that_fails_changes_nothing(world: World, task: OneTask) -> None:
    task.stint(rows=16, in_flight=8)
    world.control.advance_clock(3 * HOUR)
    world.control.add_fault("retrieve", "status", status=500, times=None)
    for _ in range(2):
        waiting = task.stint()
        assert isinstance(waiting, NextLook)
        assert len(waiting.batch_ids) == 2
        world.control.advance_clock(MINUTE)
    assert len(statuses(world)) == 2
    world.control.clear_faults()
    check_home(task, task.finish())


def test_many_running_batches_are_looked_at_by_listing_them(world: World, task: OneTask) -> None:
    task.stint(rows=44, in_flight=44)
    world.control.advance_clock(HOUR)
    calls = world.control.received().calls
    outcome = task.stint()
    assert isinstance(outcome, NextLook)
    since = world.control.received().calls
    assert since.get("retrieve", 0) == calls.get("retrieve", 0)
    assert since["list"] - calls["list"] <= 4
    world.control.end_batches()
    assert isinstance(task.finish(), Manifest)
    assert world.control.received().calls.get("retrieve", 0) == calls.get("retrieve", 0)


def pass_time(world: World, seconds: float) -> None:
    world.control.advance_clock(seconds)


def test_a_doubt_that_nothing_can_settle_leaves_the_window_and_is_told_at_the_end(world: World, task: OneTask) -> None:
    world.control.add_fault("create", "drop_after_commit", nth=1)
    assert isinstance(task.stint(rows=12, in_flight=4), NextLook)
    world.control.end_batches()
    world.control.archive_batches()
    with pytest.raises(SubmissionOutcomeUnknownError):
        task.finish()
    assert len(task.job().batches()) == 2, "the others are sent once a batch of the unresolved call would be long gone"
    assert len(list((task.folder / "out").glob("part-*"))) == 2


def test_a_wait_that_the_service_asks_for_is_believed_for_an_hour(world: World, task: OneTask) -> None:
    world.control.add_fault("create", "status", status=429, retry_after=30 * 24 * 3600, nth=1)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.until.timestamp() - world.control.now() == pytest.approx(3600)
    check_home(task, task.finish())


def test_one_batch_that_cannot_be_looked_at_hides_no_other(world: World, task: OneTask) -> None:
    assert isinstance(task.stint(rows=12), NextLook)
    world.control.end_batches()
    first = task.job().batches()[0].batch_id
    world.control.add_fault("retrieve", "status", status=500, batch_id=first, times=1000)
    task.stint()
    assert [state.end is not None for state in task.job().shards()] == [False, True, True]
    world.control.clear_faults()
    check_home(task, task.finish())


def test_a_shard_that_is_sent_again_keeps_a_pause_that_another_was_asked_for(world: World, task: OneTask) -> None:
    began = world.control.now()
    world.control.add_fault("create", "status", nth=1, status=500)
    world.control.add_fault("create", "status", nth=2, status=429, retry_after=50 * MINUTE)
    check_home(task, task.finish(rows=12, in_flight=100))
    creates = world.control.received().creates
    assert [create.status for create in creates[:2]] == [500, 429]
    assert all(create.at - began >= 50 * MINUTE for create in creates[2:])


def test_a_shard_that_is_sent_again_keeps_to_the_window(world: World, task: OneTask) -> None:
    """While the first call is unresolved, it takes room in the window; once it is void, others may take that room."""
    world.control.change_settings(queue_limit=8, batch_duration=10 * HOUR)
    world.control.add_fault("create", "status", nth=1, status=500)
    check_home(task, task.finish(rows=20, in_flight=8))
    assert 429 not in statuses(world)
    assert most_in_queue(world) <= 8


class TestTimeThatIsOver:
    """Batches sent after the task's ``timeout`` would only be left running, or canceled at once."""

    def test_nothing_more_is_sent_and_what_has_ended_comes_home(self, world: World, task: OneTask) -> None:
        task.stint(rows=20, in_flight=8)
        world.control.advance_clock(3 * HOUR)
        assert isinstance(task.stint(may_send=False), NextLook)
        assert statuses(world) == [200, 200]
        assert len(task.job().parts()) == 2
        check_home(task, task.finish(may_send=True))

    def test_a_lost_answer_is_settled_all_the_same(self, world: World, task: OneTask) -> None:
        world.control.add_fault("create", "drop_after_commit")
        world.control.change_settings(batch_duration=HOUR)
        task.stint(rows=4, in_flight=8)
        assert task.job().batches() == []
        world.control.advance_clock(3 * HOUR)
        check_home(task, task.finish(may_send=False))

    def test_rows_that_failed_do_not_go_again_before_there_is_time(self, world: World, task: OneTask) -> None:
        world.control.add_outcome("errored", text_matches="hello 1$", error_type="api_error", first_submissions=1)
        task.stint(rows=4, in_flight=8)
        world.control.advance_clock(3 * HOUR)
        waiting = task.stint(may_send=False)
        assert isinstance(waiting, NextLook)
        assert "rows to send again: 1" in waiting.reason
        assert statuses(world) == [200]
        assert [row["result_type"] for row in task.output()].count("errored") == 1
        task.arguments = replace(task.arguments, may_send=True)
        manifest = task.finish()
        assert manifest.counts.succeeded == 4
