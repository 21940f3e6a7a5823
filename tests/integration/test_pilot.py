"""The first rows of a job go first and are judged; only then is the rest sent, and the output is as without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.batches.submission.pilot_gate import MOST_PILOTS, OPENS_AFTER
from anthropic_batches_provider.errors import ConfigurationError, PilotFailedError
from tests.worlds.one_task_job import Arguments, OneTask, check_home
from tests.worlds.simulated_world import World

ROWS, PILOT = 12, 3


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    return OneTask(world, tmp_path, Arguments(rows=ROWS, pilot=PILOT))


def other(task: OneTask, arguments: Arguments) -> OneTask:
    """Return another task of the same world."""
    folder = task.folder / arguments.unit
    folder.mkdir()
    return OneTask(task.world, folder, arguments)


def sent(task: OneTask) -> list[int]:
    """Return the number of requests of each create call, in order."""
    return [batch.request_counts.total for batch in task.world.client.list()][::-1]


def rules(task: OneTask, *each: dict[str, Any]) -> None:
    task.world.control.clear_outcomes()
    for rule in each:
        task.world.control.add_outcome(**rule)


def test_the_pilot_is_sent_alone_and_the_rest_once_it_is_judged(task: OneTask) -> None:
    task.world.control.change_settings(batch_duration=60.0)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.reason == "pilot: 3 rows, waiting"
    assert sent(task) == [PILOT]
    assert len(waiting.batch_ids) == 1
    task.wait(waiting)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) == [3, 1, 4, 4]
    check_home(task, task.finish())
    record = task.pilot(1)
    assert record is not None
    assert (record.outcome, record.rows, record.succeeded, record.seconds) == ("passed", PILOT, PILOT, 60.0)
    assert len(record.output_tokens) == PILOT
    assert len(record.input_tokens) == PILOT


@pytest.mark.parametrize("pilot", [1, 2, 3, 4, 11])
@pytest.mark.parametrize("rows_per_shard", [1, 2, 4, 12, 100])
def test_files_and_their_order_are_those_of_a_job_without_a_pilot(
    task: OneTask, pilot: int, rows_per_shard: int
) -> None:
    manifest = task.finish(pilot=pilot, rows_per_shard=rows_per_shard)
    check_home(task, manifest)
    plain = other(task, Arguments(rows=ROWS, rows_per_shard=rows_per_shard, unit="plain"))
    expected = plain.finish(destination="plain")
    assert [part.rows for part in manifest.parts] == [part.rows for part in expected.parts]
    assert manifest.counts == expected.counts
    assert manifest.usage == expected.usage


@pytest.mark.parametrize("pilot", [12, 100])
def test_a_job_that_is_no_larger_than_its_pilot_has_none(task: OneTask, pilot: int) -> None:
    check_home(task, task.finish(pilot=pilot))
    assert sent(task) == [4, 4, 4]
    assert task.job().first_seal().pilots == 0


def test_by_default_a_small_job_has_none_and_a_large_one_has_16_to_31(task: OneTask) -> None:
    task.finish(pilot="auto", rows=1000, rows_per_shard=600)
    assert len(sent(task)) == 2
    large = other(task, Arguments(rows=1001, rows_per_shard=600, pilot="auto", unit="large"))
    manifest = large.finish(destination="large")
    assert [part.rows for part in manifest.parts] == [shard.rows for shard in large.job().first_seal().part_shards]
    assert manifest.counts.succeeded == 1001
    pilot = large.job().first_seal().pilot_shards[0]
    assert 16 <= pilot.requests <= 31
    assert pilot.shard == 2
    assert [row["key"] for row in large.output()] == list(range(1001))


def test_requests_that_the_api_refuses_are_known_after_the_pilot_and_nothing_is_billed(task: OneTask) -> None:
    rules(task, {"result": "errored", "error_type": "invalid_request_error", "message": "temperature: not taken"})
    with pytest.raises(PilotFailedError, match="temperature: not taken") as failed:
        task.finish()
    assert "refused 3 of 3 requests as they are" in str(failed.value)
    assert "Nothing was billed" in str(failed.value)
    assert isinstance(failed.value, ConfigurationError)
    assert sent(task) == [PILOT]
    with pytest.raises(PilotFailedError):
        task.finish()
    rules(task)
    check_home(task, task.finish(question="corrected"))
    assert sent(task) == [3, 3, 1, 4, 4]


def test_a_failed_pilot_can_be_overruled(task: OneTask) -> None:
    rules(task, {"result": "errored", "error_type": "invalid_request_error", "times": 2})
    with pytest.raises(PilotFailedError):
        task.finish()
    manifest = task.finish(pilot=0)
    assert sent(task) == [3, 1, 4, 4]
    assert (manifest.counts.succeeded, manifest.counts.errored) == (10, 2)
    assert [row["key"] for row in task.output()] == list(range(ROWS))


def test_less_than_half_bad_requests_are_a_warning(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    rules(task, {"result": "errored", "error_type": "invalid_request_error", "message": "too long", "times": 1})
    manifest = task.finish()
    assert (manifest.counts.succeeded, manifest.counts.errored) == (11, 1)
    assert "invalid_request_error: too long" in caplog.text
    task.world.check_each_row_billed_once(11)


@pytest.mark.parametrize("result", ["max_tokens", "refusal"])
def test_answers_of_which_none_can_be_used_stop_the_rest(task: OneTask, result: str) -> None:
    rules(task, {"result": result})
    with pytest.raises(PilotFailedError, match="none of 5 answers can be used") as failed:
        task.finish(pilot=5, rows_per_shard=12)
    assert "5 answers of the pilot were billed" in str(failed.value)
    assert sent(task) == [5]


def test_fewer_than_five_unusable_answers_are_a_warning(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    rules(task, {"result": "refusal"})
    assert task.finish().verdicts == {"refusal": ROWS}
    assert "Not all of the pilot's rows can be used" in caplog.text


def test_answers_that_a_repair_asks_for_again_stop_nothing(task: OneTask) -> None:
    rules(task, {"result": "refusal", "model": "claude-haiku-4-5"})
    manifest = task.finish(pilot=5, rows_per_shard=12, repair={"refusal": {"model": "claude-sonnet-4-6"}})
    assert manifest.verdicts == {"fits": ROWS}


def test_answers_that_do_not_fit_the_schema_stop_the_rest(task: OneTask) -> None:
    schema = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": False}
    with pytest.raises(PilotFailedError, match="5 invalid_output"):
        task.finish(pilot=5, rows_per_shard=12, output_schema=OutputSchema(schema))
    assert sent(task) == [5]


def test_errors_that_pass_judge_nothing_and_the_pilot_goes_again(task: OneTask) -> None:
    rules(task, {"result": "errored", "error_type": "overloaded_error", "times": PILOT})
    manifest = task.finish()
    check_home(task, manifest)
    assert sent(task) == [3, 3, 1, 4, 4]
    assert [record.outcome for number in (1, 2) if (record := task.pilot(number))] == ["nothing", "passed"]


def test_a_pilot_that_never_says_anything_opens_the_gate(task: OneTask) -> None:
    rules(task, {"result": "errored", "error_type": "overloaded_error", "times": MOST_PILOTS * PILOT})
    manifest = task.finish(max_rounds=MOST_PILOTS + 1)
    assert sent(task) == [*[PILOT] * MOST_PILOTS, 1, 4, 4, PILOT]
    check_home(task, manifest)


@pytest.mark.parametrize(
    ("max_rounds", "expected"),
    [(1, [3, 1, 4, 4]), (2, [3, 1, 4, 4, 3]), (3, [3, 3, 1, 4, 4, 3]), (5, [3, 3, 3, 1, 4, 4, 3, 3])],
)
def test_rows_of_the_pilot_are_never_sent_more_often_than_max_rounds(
    task: OneTask, max_rounds: int, expected: list[int]
) -> None:
    of_pilots_and_further_rounds = r"-([3-9]|\d\d)-\d+$"
    rules(task, {"result": "errored", "error_type": "overloaded_error", "custom_id": of_pilots_and_further_rounds})
    manifest = task.finish(max_rounds=max_rounds, max_failed_rows=PILOT)
    assert sent(task) == expected
    assert (manifest.counts.succeeded, manifest.counts.errored) == (ROWS - PILOT, PILOT)


def test_a_pilot_that_takes_too_long_opens_the_gate_and_is_canceled_by_nobody(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    control = task.world.control
    control.change_settings(batch_duration=10 * 3600.0)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    control.advance_clock(OPENS_AFTER.total_seconds() - 1)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) == [PILOT]
    control.advance_clock(2)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) == [3, 1, 4, 4]
    assert "has not ended in 2 hours" in caplog.text
    check_home(task, task.finish())
    assert control.received().calls.get("cancel", 0) == 0


def test_failed_rows_of_the_pilot_go_again_with_the_others(task: OneTask) -> None:
    rules(task, {"result": "errored", "error_type": "overloaded_error", "times": 1})
    manifest = task.finish()
    check_home(task, manifest)
    assert sent(task) == [3, 1, 4, 4, 1]


def test_invalid_rows_stay_where_they_are(task: OneTask) -> None:
    manifest = task.finish(invalid=frozenset((0, 5, 11)), max_failed_rows=3)
    assert [row["key"] for row in task.output()] == list(range(ROWS))
    assert [row["key"] for row in task.output() if row["result_type"] == "invalid_row"] == [0, 5, 11]
    assert manifest.counts.succeeded == 9


def test_rows_go_to_xcom_in_their_order(task: OneTask) -> None:
    task.finish(destination="xcom")
    assert [row["key"] for row in task.rows_in_memory] == list(range(ROWS))


def test_requests_of_the_pilot_are_removed_with_those_of_its_shard(task: OneTask) -> None:
    task.finish()
    job = task.job()
    assert job.storage.list(f"{job.path}/requests") == []
    kept = other(task, Arguments(rows=ROWS, pilot=PILOT, unit="kept", keep_requests=True))
    kept.finish(destination="kept")
    assert len(kept.job().storage.list(f"{kept.job().path}/requests")) == 4


def test_a_finished_job_that_is_cleared_sends_nothing_again(task: OneTask) -> None:
    first: Manifest = task.finish(tries="one")
    again = task.finish(tries="two")
    assert again.counts == first.counts
    assert sent(task) == [3, 1, 4, 4]
