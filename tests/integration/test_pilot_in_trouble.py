"""A pilot that meets lost answers, refusals, a second attempt or lost files: each row is paid once, and none early."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.collection import collect_job, job_collection
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, SealRecord, sent_pilots
from anthropic_batches_provider.batches.message_batch import UNKNOWN_COUNTS, MessageBatch, RequestCounts
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.progress import JobProgress
from anthropic_batches_provider.batches.submission import NextLook, Submission, ask_time
from anthropic_batches_provider.batches.submission.pilot_gate import PilotRules
from anthropic_batches_provider.batches.submission.sealing import seal_pilot_again
from anthropic_batches_provider.cli import main
from anthropic_batches_provider.errors import (
    ApiError,
    ApiStatusError,
    BatchesNotEndedError,
    ChangedInputError,
    CorruptLedgerError,
    JobStoppedError,
    LedgerError,
    PilotFailedError,
    ResultsUnavailableError,
    SubmissionOutcomeUnknownError,
)
from tests.worlds.one_task_job import Arguments, KilledError, OneTask, before_each, check_home, dies_at
from tests.worlds.simulated_world import BOUNDS, HOUR, World

ROWS, PILOT = 12, 3
WHOLE = [3, 1, 4, 4]
OVERLOADED = {"result": "errored", "error_type": "overloaded_error"}


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    world.control.change_settings(batch_duration=600.0)
    return OneTask(world, tmp_path, Arguments(rows=ROWS, pilot=PILOT))


def sent(task: OneTask) -> list[int]:
    """Return the number of requests of each batch that was created, in order."""
    return [batch.request_counts.total for batch in task.world.client.list()][::-1]


def fault(task: OneTask, operation: str, action: str, **fields: Any) -> None:
    task.world.control.add_fault(operation, action, **fields)


def outcome(task: OneTask, **rule: Any) -> None:
    task.world.control.add_outcome(**rule)


def pilot_file(task: OneTask, kind: str) -> Path:
    """Return the local path of a file of the pilot's shard."""
    job = task.job()
    assert isinstance(job.storage, LocalStorage)
    file: str = getattr(job.first_seal().pilot_shards[0], f"{kind}_file")
    return Path(job.uri.removeprefix("file://")) / file


# ------------------------------------------------------------------------------------------------- the create call


@pytest.mark.parametrize("action", ["drop_after_commit", "drop_before_commit", "truncated_200"])
def test_a_lost_answer_to_the_create_call_is_settled_before_the_rest_is_sent(task: OneTask, action: str) -> None:
    fault(task, "create", action)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) in ([PILOT], [])
    check_home(task, task.finish())
    assert sent(task) == WHOLE


def test_a_batch_that_appears_late_is_found(task: OneTask) -> None:
    fault(task, "create", "late_commit", seconds=500)
    check_home(task, task.finish())
    assert sent(task) == WHOLE


def test_a_pilot_is_told_by_the_number_of_its_shard_from_a_shard_of_the_same_size(task: OneTask) -> None:
    """The pilot and what is left of the first shard have three requests each, and both answers are lost."""
    fault(task, "create", "drop_after_commit", times=2)
    check_home(task, task.finish(rows=6, rows_per_shard=6))
    assert sent(task) == [3, 3]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 413])
def test_a_refused_create_call_stops_the_task_and_a_retry_sends_the_pilot(task: OneTask, status: int) -> None:
    fault(task, "create", "status", status=status)
    with pytest.raises(ApiStatusError):
        task.finish()
    assert sent(task) == []
    check_home(task, task.finish())
    assert sent(task) == WHOLE


def test_a_full_queue_makes_the_pilot_wait_and_nothing_else_is_sent(task: OneTask) -> None:
    fault(task, "create", "status", status=429, retry_after=60, times=2)
    waiting = task.stint()
    assert isinstance(waiting, NextLook)
    assert waiting.reason.startswith("pilot: 3 rows, waiting; shard 3: the service accepts no more requests for now")
    assert sent(task) == []
    check_home(task, task.finish())
    assert sent(task) == WHOLE


def test_a_pilot_that_can_never_be_settled_opens_the_gate_after_two_hours_and_stops_the_task_at_last(
    task: OneTask,
) -> None:
    fault(task, "create", "drop_after_commit")
    task.stint()
    task.world.control.end_batches()
    batch = task.world.client.list()
    fault(task, "results", "status", status=404, message="no results", times=None, batch_id=next(iter(batch)).id)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) == [PILOT]
    with pytest.raises(SubmissionOutcomeUnknownError, match="settle"):
        task.finish()
    assert sent(task) == WHOLE


@pytest.mark.parametrize("is_there", [True, False])
def test_a_pilot_can_be_settled_by_hand(task: OneTask, is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    server = task.world.server
    connection = {"conn_type": "anthropic_batches", "host": server.base_url, "password": server.api_key}
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps(connection))
    fault(task, "create", "drop_after_commit" if is_there else "drop_before_commit")
    assert isinstance(task.stint(), NextLook)
    batch_id = task.world.control.received().creates[0].batch_id or ""
    told = ["--adopt", batch_id] if is_there else ["--none"]
    task.world.control.advance_clock(HOUR)
    assert main(["settle", task.job().uri, "--shard", "3", *told]) == 0
    check_home(task, task.finish())
    assert sent(task) == WHOLE


def test_a_shard_of_the_rest_whose_call_is_void_is_not_sent_while_the_gate_is_closed(task: OneTask) -> None:
    task.stint(may_send=False)  # seals it with its pilot
    with pytest.raises(KilledError), before_each(task.world.client, "create", dies_at(0)):
        task.stint(pilot=0, may_send=True)  # the intent of the first shard is there, its call is not
    task.world.control.change_settings(batch_duration=HOUR)
    assert isinstance(task.stint(pilot=PILOT), NextLook)
    task.world.control.advance_clock(HOUR / 2)
    assert isinstance(task.stint(), NextLook)
    assert len(task.job().shards()[0].attempts) == 1
    assert sent(task) == [PILOT]
    check_home(task, task.finish())


def test_a_window_smaller_than_the_shards_holds_the_pilot_too(task: OneTask) -> None:
    check_home(task, task.finish(rows_per_shard=2, in_flight=2))
    assert sent(task) == [1, 1, 2, 2, 2, 2, 2]


def test_no_pilot_is_sent_once_the_time_to_send_is_over(task: OneTask) -> None:
    waiting = task.stint(may_send=False)
    assert isinstance(waiting, NextLook)
    assert "the time to send is over" in waiting.reason
    assert sent(task) == []
    check_home(task, task.finish(may_send=True))


def test_the_rest_is_not_sent_if_the_time_to_send_ends_while_the_pilot_runs(task: OneTask) -> None:
    task.stint()
    task.world.control.advance_clock(601)
    task.stint(may_send=False)
    assert sent(task) == [PILOT]
    record = task.pilot(1)
    assert record is not None
    assert record.outcome == "passed"


# ------------------------------------------------------------------------------------------------ two attempts at once


def gate_of(task: OneTask, job: JobFolder) -> Submission:
    """Return the submission of another attempt, which holds what it has read of a job."""
    clock, client = task.world.clock(), task.world.client
    return Submission(
        job, client, clock=clock, service_clock=ask_time(client, clock), bounds=BOUNDS,
        pilot=PilotRules(spool_folder=task.folder),
    )  # fmt: skip


def test_an_attempt_with_an_old_listing_judges_no_pilot_that_it_does_not_know(task: OneTask) -> None:
    outcome(task, **OVERLOADED, times=PILOT)
    task.stint()
    task.world.control.end_batches()
    old = task.job()
    old.shards()
    slow = gate_of(task, old)
    assert isinstance(task.stint(), NextLook)  # the other attempt judges, and sends the pilot again
    assert isinstance(slow.advance(afresh=False), NextLook)
    assert task.pilot(2) is None
    assert sent(task) == [3, 3]
    check_home(task, task.finish())


def test_of_two_attempts_that_send_a_pilot_again_the_second_takes_over_the_round(task: OneTask) -> None:
    outcome(task, **OVERLOADED, times=PILOT)
    task.stint()
    task.world.control.end_batches()
    first, second = task.job(), task.job()
    sealed = [sent_pilots(job.rounds())[0] for job in (first, second)]
    spools = [task.folder / name for name in ("one", "two")]
    for spool in spools:
        spool.mkdir()
    found: list[SealRecord] = [
        seal_pilot_again(job, seal, spool_folder=spool)
        for job, seal, spool in zip((first, second), sealed, spools, strict=True)
    ]
    assert found[0] == found[1]
    assert len(task.job().rounds()) == 2
    assert len(task.job().storage.list(f"{task.job().path}/requests")) == 5


def test_an_attempt_that_judged_second_takes_over_the_verdict(task: OneTask) -> None:
    task.stint()
    task.world.control.end_batches()
    slow_job = task.job()
    slow_job.shards()
    slow = gate_of(task, slow_job)
    task.stint()
    assert sent(task) == WHOLE
    assert isinstance(slow.advance(afresh=False), NextLook) or sent(task) == WHOLE
    assert sent(task) == WHOLE
    check_home(task, task.finish())


@pytest.mark.parametrize("call", ["create", "results", "retrieve"])
@pytest.mark.parametrize("number", range(4))
def test_a_process_that_dies_before_any_call_is_followed_by_one_that_goes_on(
    task: OneTask, call: str, number: int
) -> None:
    outcome(task, **OVERLOADED, times=PILOT)
    try:
        with before_each(task.world.client, call, dies_at(number)):
            task.finish()
    except KilledError:
        task.finish()
    check_home(task, task.finish())
    assert sorted(sent(task)) == sorted([3, *WHOLE])


# ------------------------------------------------------------------------------------------------ what the pilot shows


def test_rows_that_may_have_been_billed_never_go_again(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    outcome(task, result="unreadable", times=PILOT)
    manifest = task.finish(max_failed_rows=PILOT)
    assert sent(task) == WHOLE
    assert manifest.counts.succeeded == ROWS - PILOT
    assert "Not all of the pilot's rows can be used: 3 unreadable" in caplog.text


def test_a_pilot_of_which_nothing_can_be_read_stops_the_rest(task: OneTask) -> None:
    outcome(task, result="unreadable", times=5)
    with pytest.raises(PilotFailedError, match=r"none of 5 answers can be used \(5 unreadable\)"):
        task.finish(pilot=5, rows_per_shard=12)
    assert sent(task) == [5]


def test_one_bad_request_among_errors_that_pass_stops_nothing(task: OneTask) -> None:
    outcome(task, result="errored", error_type="invalid_request_error", times=1)
    outcome(task, **OVERLOADED, times=4)
    manifest = task.finish(pilot=5, rows_per_shard=12, max_failed_rows=1)
    assert sent(task) == [5, 7, 4]
    assert (manifest.counts.succeeded, manifest.counts.errored) == (11, 1)


@pytest.mark.parametrize("result", ["canceled", "expired"])
def test_rows_that_were_canceled_or_expired_judge_nothing(task: OneTask, result: str) -> None:
    outcome(task, result=result, times=PILOT)
    check_home(task, task.finish())
    assert sent(task) == [3, *WHOLE]


@pytest.mark.parametrize("error_type", ["billing_error", "permission_error", "authentication_error"])
def test_errors_that_somebody_must_fix_stop_the_job_once_and_it_goes_on_from_there(
    task: OneTask, error_type: str
) -> None:
    outcome(task, result="errored", error_type=error_type, message="ask your admin")
    with pytest.raises(JobStoppedError, match=f"3 with {error_type} .*ask your admin.*nothing was billed"):
        task.finish()
    assert sent(task) == [PILOT]
    task.world.control.clear_outcomes()
    check_home(task, task.finish())
    assert sent(task) == [3, *WHOLE]


def test_a_repair_that_is_added_after_a_failed_pilot_lets_the_rest_go(task: OneTask) -> None:
    outcome(task, result="max_tokens", max_tokens_below=100)
    with pytest.raises(PilotFailedError, match="5 truncated"):
        task.finish(pilot=5, rows_per_shard=12)
    manifest = task.finish(repair={"truncated": {"max_tokens": 100}})
    assert manifest.verdicts == {"fits": ROWS}
    assert sent(task) == [5, 7, 12]


def test_results_that_cannot_be_read_now_are_judged_by_a_retry(task: OneTask) -> None:
    task.stint()
    task.world.control.end_batches()
    fault(task, "results", "status", status=500, times=None)
    with pytest.raises(ApiError):
        task.stint()
    assert task.pilot(1) is None
    assert sent(task) == [PILOT]
    task.world.control.clear_faults()
    check_home(task, task.finish())
    assert sent(task) == WHOLE


def test_results_that_are_gone_stop_the_job_and_nothing_is_sent(task: OneTask) -> None:
    task.stint()
    task.world.control.end_batches()
    task.world.control.archive_batches()
    with pytest.raises(ResultsUnavailableError):
        task.stint()
    assert sent(task) == [PILOT]


def test_a_pilot_that_ended_while_nobody_looked_is_judged_and_not_late(task: OneTask) -> None:
    outcome(task, result="errored", error_type="invalid_request_error")
    task.stint()
    task.world.control.advance_clock(20 * HOUR)
    with pytest.raises(PilotFailedError):
        task.stint()
    assert sent(task) == [PILOT]


def test_a_service_that_does_not_answer_makes_no_pilot_late(task: OneTask) -> None:
    task.world.control.change_settings(batch_duration=10 * HOUR)
    task.stint()
    task.world.control.advance_clock(3 * HOUR)
    fault(task, "retrieve", "status", status=500, times=None)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) == [PILOT]
    task.world.control.clear_faults()
    check_home(task, task.finish())


@pytest.mark.parametrize("counts", [RequestCounts(succeeded=2), UNKNOWN_COUNTS])
def test_a_pilot_whose_end_is_never_told_right_is_late_after_two_hours(
    task: OneTask, counts: RequestCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.stint()
    task.world.control.end_batches()
    client = task.world.client
    pilot, retrieve = next(iter(client.list())).id, client.retrieve

    def told_wrong(batch_id: str) -> MessageBatch:
        batch = retrieve(batch_id)
        return replace(batch, request_counts=counts) if batch_id == pilot else batch

    monkeypatch.setattr(client, "retrieve", told_wrong)
    assert isinstance(task.stint(), NextLook)
    assert sent(task) == [PILOT]
    task.world.control.advance_clock(2 * HOUR + 1)
    task.stint()
    assert sent(task) == WHOLE
    record = task.pilot(1)
    assert record is not None
    assert record.outcome == "late"
    monkeypatch.undo()
    check_home(task, task.finish())


# ------------------------------------------------------------------------------------------------ another question


def test_a_failed_pilot_of_which_rows_were_billed_is_replaced_only_on_demand(task: OneTask) -> None:
    outcome(task, result="refusal", times=5)
    with pytest.raises(PilotFailedError, match=r"5 answers of the pilot were billed.*msgbatch_"):
        task.finish(pilot=5, rows_per_shard=12)
    with pytest.raises(ChangedInputError):
        task.finish(question="corrected", text="better")
    manifest = task.finish(on_changed_input="restart")
    assert manifest.counts.succeeded == ROWS
    assert sent(task)[0] == 5
    assert sum(sent(task)) == 5 + ROWS


def test_another_size_of_pilot_does_not_change_a_job_that_is_sealed(task: OneTask) -> None:
    task.stint(pilot=0)
    assert sent(task) == [4, 4, 4]
    check_home(task, task.finish(pilot=5))
    assert sent(task) == [4, 4, 4]


def test_a_pilot_that_is_switched_off_while_it_runs_lets_the_rest_go_beside_it(task: OneTask) -> None:
    task.stint()
    task.stint(pilot=0)
    assert sent(task) == WHOLE
    check_home(task, task.finish(pilot=PILOT))


@pytest.mark.parametrize("error_type", ["invalid_request_error", "billing_error"])
def test_an_error_of_the_pilot_tells_what_was_sent_of_the_rest_before(task: OneTask, error_type: str) -> None:
    of_the_pilot = r"-3-\d+$"
    outcome(task, result="errored", error_type=error_type, custom_id=of_the_pilot)
    task.stint(may_send=False)  # seals it with its pilot
    task.stint(pilot=0, may_send=True, in_flight=4)
    assert sent(task) == [1]
    task.world.control.end_batches()
    rest = next(iter(task.world.client.list())).id
    with pytest.raises(
        (PilotFailedError, JobStoppedError), match=rf"What was sent of the rest before .*{rest}"
    ) as told:
        task.finish(pilot=PILOT)
    assert "othing was billed" not in str(told.value)
    assert "without asking" not in str(told.value)


# ------------------------------------------------------------------------------------------------ what is lost


def test_a_lost_verdict_is_judged_anew(task: OneTask) -> None:
    outcome(task, result="errored", error_type="invalid_request_error")
    for _ in range(2):
        with pytest.raises(PilotFailedError):
            task.finish()
        job = task.job()
        job.storage.remove(f"{job.path}/ledger/pilot-01.json")
    assert sent(task) == [PILOT]


@pytest.mark.parametrize("kind", ["rows", "requests"])
def test_a_lost_file_of_the_pilot_stops_the_task_before_anything_is_sent(task: OneTask, kind: str) -> None:
    with pytest.raises(KilledError), before_each(task.world.client, "create", dies_at(0)):
        task.stint()
    pilot_file(task, kind).unlink()
    with pytest.raises(CorruptLedgerError, match="lost"):
        task.stint()
    assert sent(task) == []


def test_lost_requests_of_a_pilot_that_must_go_again_stop_the_task(task: OneTask) -> None:
    outcome(task, **OVERLOADED, times=PILOT)
    task.stint()
    task.world.control.end_batches()
    with pytest.raises(KilledError), before_each(task.world.client, "results", dies_at(0)):
        task.stint()  # the end of its batch is known
    pilot_file(task, "requests").unlink()
    with pytest.raises(CorruptLedgerError, match=r"requests of the pilot .* are lost"):
        task.finish()
    assert sent(task) == [PILOT]


# ------------------------------------------------------------------------------------------------ collecting


def collect(task: OneTask) -> Manifest:
    destination = Destination(storage=LocalStorage(task.folder / "collected"), owner="owner")
    return collect_job(
        task.job(),
        task.world.client,
        destination,
        CollectionSettings(spool_folder=task.folder, clock=task.world.clock()),
    )


def test_a_task_that_collects_too_early_is_told_that_the_pilot_is_waited_for(task: OneTask) -> None:
    task.stint()
    with pytest.raises(BatchesNotEndedError, match="The rest of the job waits for its pilot"):
        collect(task)


@pytest.mark.parametrize("include_message", [False, True])
def test_a_paused_row_of_the_pilot_is_continued(task: OneTask, include_message: bool) -> None:
    outcome(task, result="pause_turn", times=PILOT)
    manifest = task.finish(repair={"unfinished": {}}, include_message=include_message)
    assert manifest.verdicts == {"fits": ROWS}
    assert sent(task) == [*WHOLE, 3]


def test_rows_of_the_pilot_have_the_columns_of_others(task: OneTask) -> None:
    task.finish(include_message=True)
    rows = task.output()
    assert len({tuple(row) for row in rows}) == 1
    shards = [row["custom_id"].split("-")[1] for row in rows]
    assert shards.count("3") == PILOT
    assert len({row["batch_id"] for row in rows}) == len(WHOLE)
    assert all(row["message"] for row in rows)


@pytest.mark.parametrize("line", ["foreign", "duplicate"])
def test_odd_lines_in_the_results_of_the_pilot_are_counted(
    task: OneTask, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.stint()
    task.world.control.end_batches()
    pilot = next(iter(task.world.client.list())).id
    client = task.world.client
    real = client.results

    @contextmanager
    def with_one_more(batch_id: str) -> Iterator[Iterator[bytes]]:
        with real(batch_id) as chunks:
            text = b"".join(chunks)
            one = text.splitlines(keepends=True)[0]
            more = one.replace(b'{"custom_id":"', b'{"custom_id":"x') if line == "foreign" else one
            yield iter([text, more if batch_id == pilot else b""])

    monkeypatch.setattr(client, "results", with_one_more)
    manifest = task.finish()
    assert (manifest.foreign_results, manifest.duplicate_results) == ((1, 0) if line == "foreign" else (0, 1))
    assert manifest.counts.succeeded == ROWS


def test_parts_are_written_as_their_batches_end_although_the_pilot_went_again(task: OneTask) -> None:
    outcome(task, **OVERLOADED, times=PILOT)
    seen = []
    for _ in range(20):
        found = task.stint(in_flight=4)
        if isinstance(found, Manifest):
            break
        seen.append(JobProgress.of(task.job(), now=task.world.clock().now()).rows_collected)
        task.wait(found)
    assert seen == [0, 0, 0, 0, 4]
    assert [row["key"] for row in task.output()] == list(range(ROWS))


def meanwhile(task: OneTask, name: str, is_time: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another attempt bring the job to its third round after the collection's first use of something."""
    other, real = OneTask(task.world, task.folder, task.arguments, _stints=count(1000)), getattr(job_collection, name)
    turns = iter((True,))

    def with_another_attempt(*arguments: Any) -> Any:
        found = real(*arguments)
        if is_time() and next(turns, False):
            while len(task.job().rounds()) < 3:
                outcome = other.stint()
                assert isinstance(outcome, NextLook)
                other.wait(outcome)
        return found

    monkeypatch.setattr(job_collection, name, with_another_attempt)


@pytest.mark.parametrize("name", ["JobResults", "check_destination"])
def test_no_part_lacks_the_answers_of_a_round_that_another_attempt_began_while_it_was_written(
    task: OneTask, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(task, **OVERLOADED, first_submissions=1)
    task.stint()
    task.world.control.end_batches()
    if name == "JobResults":  # the first attempt meets the other when it publishes, else when it writes what has ended
        task.stint()
        task.world.control.end_batches()
        task.stint()
        task.world.control.end_batches()
    meanwhile(task, name, lambda: len(task.job().rounds()) > 1, monkeypatch)
    with suppress(LedgerError):
        task.stint()
    monkeypatch.undo()
    manifest = task.finish()
    check_home(task, manifest)
    assert manifest.repairs == {}
    assert sent(task) == [3, *WHOLE, 4, 4, 1]


# ------------------------------------------------------------------------------------------------ progress


def progress(task: OneTask) -> JobProgress:
    return JobProgress.of(task.job(), now=task.world.clock().now())


def test_the_progress_says_that_the_pilot_is_waited_for_and_then_what_it_measured(task: OneTask) -> None:
    task.stint()
    told = progress(task)
    assert str(told).startswith("pilot: 3 rows, waiting, round 1: 1 of 4 shards submitted, 0 ended, 3 rows in flight")
    assert told.as_dict()["pilot"] == {"rows": PILOT, "outcome": "waiting"}
    task.finish()
    told = progress(task)
    assert "pilot" not in str(told)
    measured = told.as_dict()["pilot"]
    assert (measured["rows"], measured["outcome"], measured["succeeded"]) == (PILOT, "passed", PILOT)
    assert (measured["verdicts"], measured["errors"], measured["example"]) == ({"fits": PILOT}, {}, None)
    assert (measured["cache_creation_tokens"], measured["seconds"]) == (0, 600.0)
    for tokens in (measured["input_tokens"], measured["output_tokens"]):
        assert 0 < tokens["least"] <= tokens["median"] <= tokens["p90"] <= tokens["most"] <= tokens["total"]


def test_a_pilot_that_goes_again_is_no_round_of_the_progress(task: OneTask) -> None:
    outcome(task, **OVERLOADED, times=PILOT)
    task.stint()
    task.world.control.end_batches()
    task.stint()
    told = progress(task)
    assert (told.round, told.shards, told.rows_in_flight) == (1, 5, PILOT)
    assert told.as_dict()["pilot"] == {"rows": PILOT, "outcome": "waiting"}


def test_a_job_without_a_pilot_has_none_in_its_progress(task: OneTask) -> None:
    task.finish(pilot=0)
    assert progress(task).as_dict()["pilot"] is None


def test_the_rest_of_a_pilot_that_was_switched_off_does_not_wait(task: OneTask) -> None:
    task.stint()
    task.stint(pilot=0)
    assert progress(task).as_dict()["pilot"] == {"rows": PILOT, "outcome": None}


# ------------------------------------------------------------------------------------------------ many at once


def test_fifty_pilots_of_one_row_at_once_with_lost_answers_settle_by_proof(world: World, tmp_path: Path) -> None:
    world.control.change_settings(batch_duration=600.0)
    world.control.add_fault("create", "drop_after_commit", times=50)
    tasks = []
    for number in range(50):
        (tmp_path / f"{number}").mkdir()
        unit = Arguments(rows=3, pilot=1, unit=f"{number}", text=f"unit {number}")
        tasks.append(OneTask(world, tmp_path / f"{number}", unit))
    open_tasks = list(tasks)
    for _ in range(10):
        open_tasks = [task for task in open_tasks if not isinstance(task.stint(), Manifest)]
        world.control.advance_clock(601)
    assert open_tasks == []
    assert sorted(sent(tasks[0])) == [1] * 50 + [2] * 50
    assert all([row["key"] for row in task.output()] == [0, 1, 2] for task in tasks)
    world.check_each_row_billed_once(150)


def test_fifty_jobs_whose_primers_are_lost_all_at_once_settle_by_proof(world: World, tmp_path: Path) -> None:
    """As mapped tasks: each index is a job of its own, and all of its primers have one row."""
    world.control.change_settings(batch_duration=600.0)
    world.control.add_fault("create", "drop_after_commit", times=150)
    tasks = []
    for number in range(50):
        (tmp_path / f"{number}").mkdir()

        def question(row: int, number: int = number) -> dict[str, Any]:
            content = f"unit {number} {row}"
            return {
                "model": "claude-haiku-5-5", "max_tokens": 9, "system": f"Guide {number}. {'Be brief. ' * 300}",
                "messages": [{"role": "user", "content": content}],
            }  # fmt: skip

        unit = Arguments(
            rows=8, rows_per_shard=6, unit=f"{number}", params_of=question, pilot="auto", prompt_cache="1h"
        )
        tasks.append(OneTask(world, tmp_path / f"{number}", unit))
    open_tasks = list(tasks)
    for look in range(40):
        open_tasks = [task for task in open_tasks if not isinstance(task.stint(), Manifest)]
        if not look:
            assert sent(tasks[0]) == [1] * 50
        world.control.advance_clock(601)
        if look == 1:
            world.control.advance_clock(3 * HOUR)  # the entries die, and other primers go first
    assert open_tasks == []
    assert Counter(sent(tasks[0])) == {1: 50 * (1 + 1 + 1 + 2), 3: 50}
    assert all([row["key"] for row in task.output()] == list(range(8)) for task in tasks)
    world.check_each_row_billed_once(400)
