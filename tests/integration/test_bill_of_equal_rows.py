"""The bill of jobs whose rows all ask the same: each row is billed once, and it shows what a second job pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.billing import Billing
from tests.worlds.one_task_job import Arguments, OneTask
from tests.worlds.simulated_world import World

ROWS = 30
SHARED = "The guide says: be brief. " * 2_000


def same_question(row: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Is this contract valid?"}]
    return {"model": "claude-sonnet-4-5", "max_tokens": 9, "system": SHARED, "messages": messages}


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    world.control.change_settings(batch_duration=60.0)
    return OneTask(
        world, tmp_path, Arguments(rows=ROWS, rows_per_shard=12, params_of=same_question, pilot=5, prompt_cache="1h")
    )


def bill(task: OneTask) -> Billing:
    task.world.control.end_batches()
    return task.world.control.billing()


def test_rows_in_shards_primers_a_pilot_and_further_rounds_are_each_billed_once(task: OneTask) -> None:
    task.world.control.add_outcome("errored", error_type="overloaded_error", custom_id=r"-1-\d+$", times=4)
    task.finish()
    found = bill(task)
    assert (found.rows_billed, found.distinct_requests, found.max_times_billed) == (ROWS, ROWS, 1)
    assert (found.repeated, found.distinct_contents) == ([], 1)
    assert len(task.job().rounds()) == 2
    assert len(found.batches) > 5


def test_a_repair_is_another_request(task: OneTask) -> None:
    task.world.control.add_outcome("max_tokens", max_tokens_below=20, times=4)
    task.finish(repair={"truncated": {"max_tokens": 40}})
    found = bill(task)
    assert (found.rows_billed, found.max_times_billed, found.distinct_contents) == (ROWS + 4, 1, 2)


@pytest.mark.parametrize("prompt_cache", ["1h", None])
def test_a_second_job_is_billed_for_the_second_time(task: OneTask, prompt_cache: str | None) -> None:
    task.finish()
    first = task.job().description().nonce
    task.finish(unit="other unit", owner="other", destination="other", prompt_cache=prompt_cache)
    second = task.job().description().nonce
    found = bill(task)
    assert (found.rows_billed, found.distinct_requests, found.max_times_billed) == (2 * ROWS, ROWS, 2)
    assert found.repeated_requests == len(found.repeated) == ROWS
    for row, repeated in enumerate(found.repeated):
        assert [custom_id.split("-")[0::2] for custom_id in repeated.custom_ids] == [
            [first, str(row)],
            [second, str(row)],
        ]
        assert f"row {row} of job {first} in " in repeated.why
