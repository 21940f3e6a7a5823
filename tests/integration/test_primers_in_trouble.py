"""Primers that meet lost answers, a dead entry and a process that dies: no shard is left behind, none waits in vain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.submission import NextLook, PilotRules, Submission, ask_time
from tests.worlds.one_task_job import Arguments, KilledError, OneTask, before_each, check_home, dies_at
from tests.worlds.simulated_world import BOUNDS, HOUR, World

MINUTE = 60.0
SHARED = "The guide says: be brief. " * 400


def question(row: int) -> dict[str, Any]:
    text = f"contract {row}"
    return {
        "model": "claude-haiku-5-5", "max_tokens": 9, "system": SHARED, "messages": [{"role": "user", "content": text}],
    }  # fmt: skip


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    world.control.change_settings(batch_duration=60.0)
    return OneTask(
        world, tmp_path, Arguments(rows=50, rows_per_shard=20, params_of=question, pilot="auto", prompt_cache="1h")
    )


def sent(task: OneTask) -> list[int]:
    """Return the number of requests of each batch that was created, in order."""
    return [batch.request_counts.total for batch in task.world.client.list()][::-1]


def pause(task: OneTask, seconds: float) -> None:
    """Let time pass while no attempt runs."""
    task.world.control.advance_clock(seconds)


def killed(task: OneTask, call: str, happens: Callable[[int], None], **changes: Any) -> None:
    """Run a stint that dies before one of its calls."""
    with pytest.raises(KilledError), before_each(task.world.client, call, happens):
        task.stint(**changes)


def submitted(task: OneTask) -> None:
    """Submit the job as a task does that leaves the rest to others; check that it leaves no shard unsent."""
    client, clock = task.world.client, task.world.clock()
    for _ in range(100):
        job = task.job()
        submission = Submission(
            job, client, clock=clock, service_clock=ask_time(client, clock), bounds=BOUNDS,
            pilot=PilotRules(spool_folder=task.folder),
        )  # fmt: skip
        outcome = submission.advance()
        if not isinstance(outcome, NextLook):
            assert len(outcome) == len(job.shards())
            return
        task.wait(outcome)
    raise AssertionError("the submission does not end")


def waits(outcome: object) -> NextLook:
    assert isinstance(outcome, NextLook)
    return outcome


# ----------------------------------------------------------------------------------------------- nothing is left unsent


def test_spare_primers_go_although_the_pilot_goes_late(task: OneTask) -> None:
    """The second pilot's call made nothing, and its gate has opened by the time at which that is known."""
    task.wait(waits(task.stint(pilot=5)))
    killed(task, "create", dies_at(0))
    pause(task, 3 * HOUR)
    submitted(task)
    assert sorted(sent(task)) == sorted([1, 5, 12, 19, 1, 9, 1, 1, 1])
    check_home(task, task.finish())


# ------------------------------------------------------------------------------------------------ none waits in vain


def test_a_primer_whose_call_made_nothing_goes_again_as_soon_as_that_is_known(task: OneTask) -> None:
    task.stint()
    pause(task, 3 * HOUR)
    task.world.control.add_fault("create", "drop_before_commit")
    began = task.world.clock().now()
    while sent(task) == [1]:
        task.wait(waits(task.stint()))
    assert sent(task) == [1, 1]
    created_at = next(iter(task.world.client.list())).created_at
    assert created_at is not None
    assert created_at - began < BOUNDS.settles_after + pendulum.duration(minutes=5)
    check_home(task, task.finish())


def test_the_end_of_a_shard_keeps_the_entry_alive_as_that_of_a_primer_does(task: OneTask) -> None:
    """Each shard goes as soon as the one before has ended, which was later than the entry's life after its creation."""
    task.world.control.change_settings(batch_duration=2 * HOUR)
    check_home(task, task.finish(in_flight=20))
    assert sent(task) == [1, 17, 19, 1, 9, 1, 1, 1]


def test_no_primer_goes_while_nothing_waits_for_it_but_the_verdict_on_the_pilot(task: OneTask) -> None:
    task.stint(pilot=5, prompt_cache="5m")
    pause(task, MINUTE)
    task.world.control.change_settings(batch_duration=100 * MINUTE)
    task.wait(waits(task.stint()))
    task.stint()
    assert sent(task) == [1, 5]
    check_home(task, task.finish())


# ------------------------------------------------------------------------------------------------ asked for later


@pytest.mark.parametrize("stints", [1, 2])
def test_a_cache_that_is_asked_for_once_a_job_is_sealed_changes_nothing(task: OneTask, stints: int) -> None:
    for _ in range(stints):
        task.stint(prompt_cache=None, pilot=5)
        pause(task, MINUTE)
    check_home(task, task.finish(prompt_cache="1h"))
    assert sent(task) == [5, 15, 20, 10]


def test_a_cache_that_is_asked_for_once_a_job_is_finished_pays_for_nothing(task: OneTask) -> None:
    task.finish(prompt_cache=None, pilot=0)
    check_home(task, task.finish(prompt_cache="1h", pilot="auto"))
    assert sent(task) == [20, 20, 10]


def test_a_cache_that_is_asked_for_no_more_leaves_the_primers_as_they_are(task: OneTask) -> None:
    task.stint()
    pause(task, 3 * HOUR)
    check_home(task, task.finish(prompt_cache=None))
    assert sent(task) == [1, 1, 17, 19, 9, 1, 1, 1]
