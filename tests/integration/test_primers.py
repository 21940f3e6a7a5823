"""With a prompt cache each shard is primed by one row, and waits for it while the entry is dead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.batches.submission.pilot_gate import OPENS_AFTER
from anthropic_batches_provider.errors import ApiError, PilotFailedError
from tests.worlds.one_task_job import Arguments, OneTask, before_each, check_home
from tests.worlds.simulated_world import HOUR, World

SHARED = "The guide says: be brief. " * 2_000


def question(row: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"contract {row} {'x' * (row % 7)}"}]
    return {"model": "claude-haiku-5-5", "max_tokens": 9, "system": SHARED, "messages": messages}


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    world.control.change_settings(batch_duration=60.0)
    return OneTask(
        world, tmp_path, Arguments(rows=50, rows_per_shard=20, params_of=question, pilot="auto", prompt_cache="1h")
    )


def sent(task: OneTask) -> list[int]:
    """Return the number of requests of each create call, in order."""
    return [batch.request_counts.total for batch in task.world.client.list()][::-1]


def writes_and_reads(task: OneTask) -> tuple[float, float]:
    """Return how many prefixes were written to the cache, and how many were read from it, by the simulator's bill."""
    task.world.control.end_batches()
    bill = task.world.control.billing()
    written, read = bill.tokens.cache_creation_input_tokens, bill.tokens.cache_read_input_tokens
    prefix = (written + read) / bill.rows_billed
    return written / prefix, read / prefix


def pause(task: OneTask, hours: float) -> None:
    """Let time pass while no attempt runs."""
    task.world.control.advance_clock(hours * HOUR)


def test_one_row_goes_first_and_all_others_read_what_it_wrote(task: OneTask) -> None:
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "pilot: 1 row, waiting"
    assert sent(task) == [1]
    manifest = task.finish()
    # The first shard gives its primer, which is the pilot, and two spare ones, which are sent at the end.
    assert sent(task) == [1, 17, 19, 1, 9, 1, 1, 1]
    check_home(task, manifest)
    assert writes_and_reads(task) == (1, 49)


def test_the_output_is_as_it_would_be_without(task: OneTask, tmp_path: Path) -> None:
    task.finish()
    (tmp_path / "plain").mkdir()
    plain = OneTask(task.world, tmp_path / "plain", Arguments(rows=50, rows_per_shard=20, params_of=question, unit="p"))
    plain.finish()
    names = ("key", "result_type", "text")
    assert [[row[name] for name in names] for row in task.output()] == [
        [row[name] for name in names] for row in plain.output()
    ]
    parts = [[len(file.read_bytes().splitlines()) for file in sorted((each.folder / "out").glob("part*"))]
             for each in (task, plain)]  # fmt: skip
    assert parts[0] == parts[1] == [20, 20, 10]


def test_a_small_window_that_moves_on_keeps_the_entry_alive(task: OneTask) -> None:
    manifest = task.finish(in_flight=20)
    check_home(task, manifest)
    assert writes_and_reads(task) == (1, 49)


def test_after_a_pause_in_which_the_entry_died_another_primer_goes_first(task: OneTask) -> None:
    task.stint()
    pause(task, 3)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "prompt cache: 1 row goes first, waiting"
    assert len(waiting.batch_ids) == 1
    assert sent(task) == [1, 1]
    manifest = task.finish()
    assert sent(task) == [1, 1, 17, 19, 9, 1, 1, 1]
    check_home(task, manifest)
    assert writes_and_reads(task) == (2, 48)


def test_spare_primers_help_where_all_others_are_sent(task: OneTask) -> None:
    task.stint(rows=20)
    pause(task, 3)
    task.stint()
    pause(task, 3)
    task.stint()
    assert sent(task) == [1, 1, 1]
    check_home(task, task.finish())
    assert sent(task) == [1, 1, 1, 17]
    assert writes_and_reads(task) == (3, 17)


def test_without_a_primer_left_the_rest_goes_all_the_same_and_the_log_says_so(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.stint(rows=20)
    for _ in range(3):
        pause(task, 3)
        task.stint()
    assert sent(task) == [1, 1, 1, 17]
    assert "may find no entry in the prompt cache, and pay for writing it: all primers have been sent" in caplog.text
    check_home(task, task.finish())


def test_a_primer_that_was_not_answered_is_followed_by_another(task: OneTask) -> None:
    task.stint()
    pause(task, 3)
    task.world.control.add_outcome(result="errored", error_type="overloaded_error", times=1)
    manifest = task.finish()
    assert sent(task)[:3] == [1, 1, 1]
    check_home(task, manifest)
    assert writes_and_reads(task) == (2, 48)


def test_three_primers_that_were_not_answered_open_the_gate(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    task.stint()
    pause(task, 3)
    task.world.control.add_outcome(result="errored", error_type="overloaded_error", times=3)
    manifest = task.finish()
    assert sent(task)[:5] == [1, 1, 1, 1, 17]
    assert "3 primers in a row were not answered" in caplog.text
    check_home(task, manifest)


def test_ten_primers_whose_entry_died_before_the_task_came_back_open_the_gate(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.stint(rows=240, rows_per_shard=20)
    for _ in range(10):
        pause(task, 70 / 60)
        task.stint()
    # Each of twelve shards has a primer: without a bound, so late a task would send one row after another.
    assert sent(task)[:11] == [1] * 10 + [17]
    assert "10 primers in a row were answered, and the task came too late" in caplog.text
    check_home(task, task.finish())


def test_primers_that_help_do_not_open_the_gate_however_many_there_are(task: OneTask) -> None:
    task.stint(rows=100, rows_per_shard=10, in_flight=12)
    for _ in range(5):
        pause(task, 3)  # the primer and its shard have ended, and the entry is dead again
        waiting = task.stint()
        assert isinstance(waiting, NextLook)
        assert waiting.reason == "prompt cache: 1 row goes first, waiting"
        task.wait(waiting)
        task.stint()
    assert sent(task)[:11] == [1, 1, 7, 1, 9, 1, 9, 1, 9, 1, 9]
    check_home(task, task.finish())


def test_a_primer_is_waited_for_two_hours_at_most(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    task.stint()
    pause(task, 3)
    task.world.control.change_settings(batch_duration=OPENS_AFTER.total_seconds() + HOUR)
    waiting = task.stint()
    assert sent(task) == [1, 1]
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    pause(task, 2)
    task.stint()
    assert sent(task) == [1, 1, 17, 19, 9, 1, 1, 1]
    assert "a primer has not ended in 2 hours" in caplog.text
    check_home(task, task.finish())


def test_with_a_number_of_rows_one_goes_first_and_then_these(task: OneTask) -> None:
    waiting = task.stint(pilot=5)
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "pilot: 1 row, waiting"
    assert sent(task) == [1]
    task.wait(waiting)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "pilot: 5 rows, waiting"
    assert sent(task) == [1, 5]
    manifest = task.finish()
    assert sent(task) == [1, 5, 12, 19, 1, 9, 1, 1, 1]
    check_home(task, manifest)
    assert writes_and_reads(task) == (1, 49)
    assert {name for name in task.job().storage.list(f"{task.job().path}/ledger") if name.startswith("pilot")} == {
        "pilot-01.json", "pilot-01-2.json",
    }  # fmt: skip


def test_both_pilots_go_again_on_their_own(task: OneTask) -> None:
    task.world.control.add_outcome(result="errored", error_type="overloaded_error", times=1)
    task.stint(pilot=5)
    pause(task, 0.1)
    task.stint()
    task.world.control.add_outcome(result="errored", error_type="overloaded_error", times=5)
    manifest = task.finish()
    assert sent(task)[:5] == [1, 1, 5, 5, 12]
    check_home(task, manifest)
    assert writes_and_reads(task) == (1, 49)
    assert len(task.job().rounds()) == 3


def test_a_pause_between_the_two_pilots_is_bridged_by_a_primer(task: OneTask) -> None:
    waiting = task.stint(pilot=5)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    task.world.control.add_fault("create", "status", status=429, times=1)
    task.stint()
    pause(task, 3)
    task.stint()
    assert sent(task) == [1, 1]
    check_home(task, task.finish())
    assert sent(task)[:3] == [1, 1, 5]
    assert writes_and_reads(task) == (2, 48)


def test_no_primer_goes_while_the_number_of_rows_is_waited_for(task: OneTask) -> None:
    waiting = task.stint(pilot=5)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    task.world.control.change_settings(batch_duration=1.5 * HOUR)
    task.stint()
    pause(task, 1.2)
    task.stint()
    assert sent(task) == [1, 5]
    check_home(task, task.finish())
    assert writes_and_reads(task) == (1, 49)


def test_a_primer_that_renews_a_dying_entry_takes_the_others_along(task: OneTask) -> None:
    task.stint(rows=30)
    pause(task, 58 / 60)
    task.stint()
    assert sent(task) == [1, 1, 17, 9, 1, 1]
    check_home(task, task.finish())
    assert writes_and_reads(task) == (1, 29)


def test_of_primers_that_are_left_over_one_goes_first(task: OneTask) -> None:
    waiting = task.stint(rows=20)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    task.world.control.add_fault("create", "status", status=429, nth=2, times=1)
    task.stint()
    assert sent(task) == [1, 17]
    pause(task, 5)
    task.stint()
    assert sent(task) == [1, 17, 1]
    check_home(task, task.finish())
    assert sent(task) == [1, 17, 1, 1]
    assert writes_and_reads(task) == (2, 18)


def test_a_primer_that_has_run_since_the_entry_lived_lets_the_next_one_go(task: OneTask) -> None:
    waiting = task.stint(rows=60)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)

    def third_lasts_long(call: int) -> None:
        task.world.control.change_settings(batch_duration=10 * HOUR if call == 2 else 60.0)

    with before_each(task.world.client, "create", third_lasts_long):
        task.stint(in_flight=38)
    task.world.control.change_settings(batch_duration=60.0)
    assert sent(task) == [1, 17, 19, 1]
    pause(task, 3)
    task.stint()
    assert sent(task) == [1, 17, 19, 1, 1]
    check_home(task, task.finish())
    assert sent(task) == [1, 17, 19, 1, 1, 19, 1, 1]
    assert writes_and_reads(task) == (2, 58)


def test_an_answer_that_was_lost_is_settled_before_others_are_sent_cold(task: OneTask) -> None:
    task.stint()
    pause(task, 3)
    task.world.control.add_fault("create", "drop_after_commit", times=1)
    task.stint()
    pause(task, 3)
    waiting = task.stint()
    assert sent(task) == [1, 1, 1]
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "prompt cache: 1 row goes first, waiting"
    check_home(task, task.finish())
    assert writes_and_reads(task) == (3, 47)


def test_a_shard_of_one_row_does_not_go_before_the_verdict_of_the_pilot_while_there_are_primers(task: OneTask) -> None:
    waiting = task.stint(rows=9, rows_per_shard=9, pilot=5)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    task.world.control.add_fault("create", "status", status=429, times=1)
    task.stint()
    pause(task, 3)
    task.stint()
    assert [state.batch is not None for state in task.job().shards()] == [False, True, True, False, False]
    check_home(task, task.finish())


def test_without_a_pilot_all_go_at_once_and_the_cache_starts_cold(task: OneTask) -> None:
    manifest = task.finish(pilot=0)
    assert sent(task) == [20, 20, 10]
    check_home(task, manifest)
    assert writes_and_reads(task) == (50, 0)


def test_a_pilot_that_is_switched_off_later_sends_the_rest_at_once(task: OneTask) -> None:
    task.stint()
    task.stint(pilot=0)
    assert sorted(sent(task)) == [1, 1, 1, 1, 1, 9, 17, 19]
    check_home(task, task.finish())


def test_a_mistake_shows_with_the_one_row(task: OneTask) -> None:
    task.world.control.add_outcome(result="errored", error_type="invalid_request_error", times=None)
    with pytest.raises(PilotFailedError, match="the API refused 1 of 1 request as it is"):
        task.finish()
    assert sent(task) == [1]


def test_the_rows_of_a_further_round_are_primed_too(task: OneTask) -> None:
    waiting = task.stint(rows=30)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    task.world.control.add_outcome(result="errored", error_type="overloaded_error", times=12)
    task.stint()
    pause(task, 5)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "prompt cache: 1 row goes first, waiting"
    assert sent(task) == [1, 17, 9, 1, 1, 1, 1]
    manifest = task.finish()
    assert sent(task) == [1, 17, 9, 1, 1, 1, 1, 11]
    check_home(task, manifest)
    assert writes_and_reads(task) == (2, 28)


def test_a_lost_answer_of_a_primer_is_settled_and_the_rest_waits(task: OneTask) -> None:
    task.stint()
    pause(task, 3)
    task.world.control.add_fault("create", "drop_after_commit", times=1)
    task.stint()
    assert sent(task) == [1, 1]
    manifest = task.finish()
    assert sent(task)[:3] == [1, 1, 17]
    check_home(task, manifest)
    assert writes_and_reads(task) == (2, 48)


def test_a_pilot_that_wrote_nothing_to_the_cache_says_so_before_the_rest_is_sent(
    task: OneTask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(params: object) -> int:
        raise ApiError("a gateway does not know the call")

    def short(row: int) -> dict[str, Any]:
        return question(row) | {"system": "Be brief."}

    monkeypatch.setattr(task.world.client, "count_tokens", count)
    waiting = task.stint(params_of=short)
    assert isinstance(waiting, NextLook)
    task.wait(waiting)
    task.stint()
    assert "nothing was written to or read from the cache by its pilot" in caplog.text
    check_home(task, task.finish())
    assert task.world.control.billing().tokens.cache_creation_input_tokens == 0


@pytest.mark.parametrize("rows", [3, 4, 5])
def test_a_job_of_a_few_rows_is_primed_too(task: OneTask, rows: int) -> None:
    check_home(task, task.finish(rows=rows))
    assert sent(task)[0] == 1
    assert writes_and_reads(task) == (1, rows - 1)
