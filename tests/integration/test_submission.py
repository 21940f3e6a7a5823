"""Shards are sent at most once, even if answers are lost: the real client over HTTP, in the simulator's time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from anthropic_batches_provider.batches.account import Account, Greeting
from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.create_answers import REFUSALS
from anthropic_batches_provider.batches.ledger import (
    Adopted,
    BatchRecord,
    CollectionRecord,
    IntentRecord,
    JobFolder,
    OutcomeRecord,
    Refused,
    Storage,
    Submitted,
    Void,
    jobs_of,
)
from anthropic_batches_provider.batches.message_batch import MessageBatch, moment
from anthropic_batches_provider.batches.rows import RULES, PreparedRow
from anthropic_batches_provider.batches.submission import (
    JobPlan,
    NextLook,
    Submission,
    SubmissionStoppedError,
    ask_time,
    reopened_job,
    sealed_job,
)
from anthropic_batches_provider.batches.submission.by_hand import adopt_by_hand
from anthropic_batches_provider.batches.submission.shard_body import ShardPost
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    ChangedInputError,
    ConfigurationError,
    CorruptLedgerError,
    EmptyInputError,
    InvalidRowError,
    JobNotFoundError,
    LedgerError,
    SpendLimitReachedError,
    SubmissionOutcomeUnknownError,
    UnexpectedAnswerError,
    XComLimitError,
)
from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.worlds.simulated_world import BOUNDS, HOUR, Proxy, World, prepared, through


def outcomes(job: JobFolder) -> list[list[type]]:
    return [[type(a.outcome.outcome) if a.outcome else type(None) for a in state.attempts] for state in job.shards()]


@pytest.mark.parametrize("error", [PermissionError, NotADirectoryError, IsADirectoryError])
@pytest.mark.parametrize("operation", ["list", "create"])
def test_a_storage_that_cannot_be_used_is_named_and_nothing_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str, error: type[OSError]
) -> None:
    def fail(*_: Any) -> Any:
        raise error("no entry")

    monkeypatch.setattr(world.storage, operation, fail)
    with pytest.raises(ConfigurationError, match=r"^The storage file://\S+ cannot be used: .*no entry\. Correct"):
        world.job()
    assert world.control.received().creates == []


def test_every_shard_becomes_one_batch_and_a_second_attempt_sends_nothing(world: World) -> None:
    job = world.job()
    batches = world.advance(job)
    assert isinstance(batches, list)
    assert [batch.batch_id for batch in batches] == [create.batch_id for create in world.control.received().creates]
    assert world.advance(world.job()) == batches
    assert outcomes(job) == [[Submitted]] * 3
    assert all(job.claims.claim_of(batch.batch_id) is not None for batch in batches)
    assert list(world.spool.iterdir()) == []
    world.check_each_row_billed_once(10)


# A gateway's own answers, in the API's envelope but without a request id.
WITHOUT_ID = {
    status: json.dumps({"type": "error", "error": {"type": error_type, "message": "The gateway says no."}})
    for status, error_type in REFUSALS.items()
}


@pytest.mark.parametrize("wrong_by", [-7 * HOUR, 0.0, 7 * HOUR])
@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("drop_after_commit", {}),
        ("truncated_200", {}),
        ("html_200", {}),
        *[("status_after_commit", {"status": status}) for status in (408, 409, 500, 502, 503, 504, 529)],
        *[("status_after_commit", {"status": status, "html": True}) for status in REFUSALS],
        *[("status_after_commit", {"status": status, "body": WITHOUT_ID[status]}) for status in REFUSALS],
        ("status_after_commit", {"status": 403, "body": ""}),
    ],
)
def test_a_batch_whose_answer_was_lost_is_found_and_not_sent_again(
    world: World, action: str, options: dict[str, Any], wrong_by: float
) -> None:
    job = world.job()
    world.control.add_fault("create", action, nth=2, **options)
    waiting = world.submission(job, wrong_by=wrong_by).advance()
    assert isinstance(waiting, NextLook)
    assert waiting.batch_ids == (world.control.received().creates[1].batch_id,)
    assert outcomes(job) == [[Submitted], [type(None)], [Submitted]], "the unresolved create call blocks no other shard"
    batches = world.finish(job)
    assert [batch.batch_id for batch in batches] == [create.batch_id for create in world.control.received().creates]
    assert outcomes(job) == [[Submitted], [Adopted], [Submitted]]
    world.check_each_row_billed_once(10)


def test_a_call_that_made_nothing_is_sent_again_only_when_nothing_can_appear_any_more(world: World) -> None:
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_before_commit")
    for minutes in (0, 10, 15):
        world.control.advance_clock(minutes * 60)
        waiting = world.advance(job)
        assert isinstance(waiting, NextLook)
        assert len(world.control.received().creates) == 1
    world.control.advance_clock(61)
    assert isinstance(world.advance(job), list)
    assert outcomes(job) == [[Void, Submitted]]
    world.check_each_row_billed_once(3)


def test_a_batch_that_appears_after_the_client_gave_up_is_found(world: World) -> None:
    job = world.job(rows=3)
    world.control.add_fault("create", "late_commit", seconds=20 * 60)
    world.finish(job)
    assert outcomes(job) == [[Adopted]]
    assert len(world.control.received().creates) == 1
    world.check_each_row_billed_once(3)


def test_a_worker_that_died_after_its_post_pays_nothing_twice(world: World) -> None:
    job = world.job(rows=3)
    state = job.shards()[0]
    intent = IntentRecord(shard=0, attempt=1, requests=3, nonce="dead", settles_after_seconds=26 * 60,
                          at=world.clock().now().to_iso8601_string())  # fmt: skip
    assert job.record_intent(intent)
    body = (Path(job.uri.removeprefix("file://")) / state.shard.requests_file).read_bytes()
    sent = b'{"requests":[' + body[:-1].replace(b"\n", b",") + b"]}"
    world.client.create([sent], content_length=len(sent))
    world.finish(world.job(rows=3))
    assert len(world.control.received().creates) == 1
    world.check_each_row_billed_once(3)


def test_jobs_of_equal_size_that_all_lose_their_answers_find_each_its_own(world: World) -> None:
    jobs = [world.job(world.plan(f"unit {number}"), rows=3, text=f"job {number}") for number in range(4)]
    world.control.add_fault("create", "drop_after_commit", times=4)
    for job in jobs:
        assert isinstance(world.advance(job), NextLook)
    found = [world.finish(job)[0].batch_id for job in jobs]
    assert found == [create.batch_id for create in world.control.received().creates]
    world.check_each_row_billed_once(12)


def test_batches_of_others_with_the_same_size_are_not_adopted(world: World) -> None:
    body = b'{"requests":[' + b",".join(
        b'{"custom_id":"theirs-%d","params":{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user",'
        b'"content":"theirs %d"}]}}' % (number, number)
        for number in range(3)
    ) + b"]}"  # fmt: skip
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_before_commit")
    assert isinstance(world.advance(job), NextLook)
    world.client.create([body], content_length=len(body))
    waiting = world.advance(job)
    assert isinstance(waiting, NextLook)
    assert len(waiting.batch_ids) == 1, "until it has ended, its job is unknown"
    world.finish(job)
    assert outcomes(job) == [[Void, Submitted]]
    world.check_each_row_billed_once(6)


def test_a_duplicate_made_on_the_way_is_canceled_and_the_oldest_adopted(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    state = job.shards()[0]
    body = (Path(job.uri.removeprefix("file://")) / state.shard.requests_file).read_bytes()
    sent = b'{"requests":[' + body[:-1].replace(b"\n", b",") + b"]}"

    class Doubling:
        """A network that delivers a POST twice and loses both answers."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.client, name)

        def create(self, content: object, **options: object) -> object:
            world.client.create([sent], content_length=len(sent))
            world.control.advance_clock(1)
            return world.client.create([sent], content_length=len(sent))

    clock = world.clock()
    world.control.clear_faults()
    world.control.add_fault("create", "drop_after_commit", nth=2)
    submission = Submission(
        job,
        Doubling(),  # type: ignore[arg-type]
        clock=clock,
        service_clock=ask_time(world.client, clock),
        bounds=BOUNDS,
    )
    found = submission.advance()
    assert isinstance(found, list)
    (batch,) = found
    creates = world.control.received().creates
    assert batch == BatchRecord.of(world.client.retrieve(creates[0].batch_id or ""), sent_at="")
    adopted = job.shards()[0].attempts[0].outcome
    assert adopted is not None
    assert adopted.outcome == Adopted(batch=batch, duplicates=(creates[1].batch_id or "",))


def test_a_result_that_can_never_be_read_stops_with_a_message_and_pays_nothing(world: World) -> None:
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_after_commit")
    world.advance(job)
    world.control.add_fault("results", "status", status=404, times=None)
    with pytest.raises(SubmissionOutcomeUnknownError, match="not sent again while the outcome is unknown"):
        world.finish(job)
    assert len(world.control.received().creates) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"status": 400}, ApiStatusError),
        ({"status": 401}, AuthenticationFailedError),
        ({"status": 402}, SpendLimitReachedError),
        ({"status": 403}, AuthenticationFailedError),
        ({"status": 413}, ApiStatusError),
        ({"status": 429, "error_code": "enforced_spend_limit_reached"}, SpendLimitReachedError),
    ],
)
def test_a_refusal_is_told_at_once_and_a_later_attempt_goes_on(
    world: World, options: dict[str, object], error: type[Exception]
) -> None:
    job = world.job()
    world.control.add_fault("create", "status", nth=2, **options)
    with pytest.raises(error):
        world.advance(job)
    assert outcomes(job) == [[Submitted], [Refused], []]
    assert isinstance(world.advance(job), list)
    assert outcomes(job) == [[Submitted], [Refused, Submitted], [Submitted]]
    world.check_each_row_billed_once(10)


def test_a_full_queue_is_waited_for_and_the_rest_goes_out_later(world: World) -> None:
    job = world.job()
    world.control.add_fault("create", "status", nth=2, status=429, retry_after=300)
    waiting = world.advance(job)
    assert isinstance(waiting, NextLook)
    assert (waiting.until - world.clock().now()).total_seconds() == pytest.approx(300, abs=2)
    assert outcomes(job) == [[Submitted], [Refused], []]
    world.finish(job)
    world.check_each_row_billed_once(10)


def test_a_service_that_was_never_reached_leaves_no_doubt(world: World) -> None:
    job = world.job()
    clock = world.clock()
    service_clock = ask_time(world.client, clock)
    with SimulatorServer() as gone:
        settings = ClientSettings(base_url=gone.base_url, api_key="k")
    with MessageBatchClient(settings, sleep=lambda seconds: None) as client, pytest.raises(ApiConnectionError):
        Submission(job, client, clock=clock, service_clock=service_clock, bounds=BOUNDS).advance()
    assert [kinds for kinds in outcomes(job) if kinds] == [[Refused]]


def test_a_task_that_was_told_to_stop_sends_nothing_more(world: World) -> None:
    job = world.job()
    with pytest.raises(SubmissionStoppedError):
        world.submission(job, stop=True).advance()
    assert world.control.received().creates == []
    assert outcomes(job) == [[], [], []]


def test_a_paused_worker_does_not_post_into_the_future(world: World) -> None:
    job = world.job(rows=3)
    submission = world.submission(job)
    record_intent = job.record_intent

    def intend_slowly(intent: IntentRecord) -> bool:
        written = record_intent(intent)
        world.control.advance_clock(61)
        return written

    job.record_intent = intend_slowly  # type: ignore[method-assign]
    assert isinstance(submission.advance(), NextLook)
    assert world.control.received().creates == []
    assert outcomes(job) == [[Refused]]


def test_another_attempt_that_holds_the_intent_is_waited_for(world: World) -> None:
    job = world.job(rows=3)
    intent = IntentRecord(shard=0, attempt=1, requests=3, nonce="zombie", settles_after_seconds=26 * 60,
                          at=world.clock().now().to_iso8601_string())  # fmt: skip
    shards = job.shards

    def shards_then_zombie() -> object:
        seen = shards()
        job.record_intent(intent)
        return seen

    job.shards = shards_then_zombie  # type: ignore[method-assign, assignment]
    assert isinstance(world.advance(job), NextLook)
    assert world.control.received().creates == []


def test_sealed_shards_are_never_read_from_the_source_again(world: World) -> None:
    job = world.job()
    again = sealed_job(
        world.storage, world.plan(), read_rows=lambda: pytest.fail("the rows were read again"),
        account=world.client.greet().account, service=world.client, clock=world.clock(),
        spool_folder=world.spool,
    )  # fmt: skip
    assert again.path == job.path


@pytest.fixture(params=[1, RULES - 1])
def finished_by_older_rules(world: World, request: pytest.FixtureRequest) -> JobFolder:
    job = world.job(rows=3)
    world.finish(job)
    job.record_collection(CollectionRecord(destination="xcom", rows=3, usable_rows=3, at="now", shards=1))
    path = Path(job.uri.removeprefix("file://")) / "sealed.json"
    assert f'"rules": {RULES}' in path.read_text()
    path.write_text(path.read_text().replace(f'"rules": {RULES}', f'"rules": {request.param}'))
    return job


def refused_rows() -> Iterator[PreparedRow]:
    yield from prepared(2)
    raise InvalidRowError("older rules took this row", row_number=2)


@pytest.mark.parametrize("policy", ["fail", "restart"])
@pytest.mark.parametrize(
    ("read_rows", "is_warned"),
    [(lambda: prepared(3), False), (lambda: prepared(3, "other"), True), (refused_rows, True)],
    ids=["equal", "in another form", "refused by now"],
)
def test_rows_of_a_job_of_older_rules_are_not_changed_by_that_alone(
    world: World,
    finished_by_older_rules: JobFolder,
    caplog: pytest.LogCaptureFixture,
    policy: Literal["fail", "restart"],
    read_rows: Callable[[], Iterator[PreparedRow]],
    is_warned: bool,
) -> None:
    job = finished_by_older_rules
    again = world.sealed(world.plan(on_changed_input=policy), read_rows)
    assert again.path == job.path
    assert ("cannot be compared" in caplog.text) is is_warned
    assert not again.replacement.is_replaced()
    assert len(world.control.received().creates) == 1


@pytest.mark.usefixtures("finished_by_older_rules")
def test_more_rows_than_a_job_of_older_rules_had_are_changed_rows(world: World) -> None:
    with pytest.raises(ChangedInputError):
        world.job(rows=4)
    assert world.job(world.plan(on_changed_input="restart"), rows=4).name == "job-0002"


def test_a_row_that_cannot_be_sent_is_an_error_of_a_finished_job_too(world: World) -> None:
    job = world.job(rows=3)
    world.finish(job)
    job.record_collection(CollectionRecord(destination="xcom", rows=3, usable_rows=3, at="now", shards=1))
    with pytest.raises(InvalidRowError):
        world.sealed(world.plan(), refused_rows)


def test_shards_that_were_half_written_are_built_anew(world: World) -> None:
    def broken() -> Iterator[PreparedRow]:
        yield from prepared(6)
        raise OSError("the source went away")

    with pytest.raises(OSError, match="went away"):
        sealed_job(
            world.storage, world.plan(), read_rows=broken, account=world.client.greet().account, service=world.client,
            clock=world.clock(), spool_folder=world.spool,
        )  # fmt: skip
    job = world.job()
    assert job.name == "job-0001"
    world.finish(job)
    world.check_each_row_billed_once(10)


def test_no_rows_open_no_batch(world: World) -> None:
    with pytest.raises(EmptyInputError):
        world.job(rows=0)
    assert world.control.received().creates == []


def test_a_changed_question_is_refused_once_anything_was_submitted(world: World) -> None:
    world.job()
    assert world.job(world.plan(question="other")).name == "job-0002", "nothing was submitted yet"
    world.finish(world.job(world.plan(question="other")))
    with pytest.raises(ChangedInputError, match="edition"):
        world.job(world.plan(question="third"))


def test_a_restart_cancels_what_runs_and_opens_a_new_job(world: World) -> None:
    world.finish(world.job())
    job = world.job(world.plan(question="other", on_changed_input="restart"), text="other")
    assert job.name == "job-0002"
    assert world.control.received().calls["cancel"] == 3
    assert len(world.finish(job)) == 3


def test_an_edition_is_a_new_job_once_and_a_retry_finds_it_again(world: World) -> None:
    first = world.job()
    second = world.job(world.plan(edition="2"))
    assert (first.name, second.name) == ("job-0001", "job-0002")
    assert world.job(world.plan(edition="2")).path == second.path
    assert world.job(world.plan()).path == first.path


def test_another_account_is_refused(world: World) -> None:
    world.finish(world.job())
    with SimulatorServer(Simulator(clock=ManualClock(speed=0))) as other:
        world.client = MessageBatchClient(ClientSettings(base_url=other.base_url, api_key=other.api_key))
        with pytest.raises(ConfigurationError, match="was opened for"):
            world.job()


# ------------------------------------------------------------------------- each of these once paid twice, or lost rows


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"upstream timeout"}',
        b"Service Unavailable\n",
        b'{"custom_id":"someone-else-0"',
        b'{"result":{"type":"succeeded"},"custom_id":"ab',
        b"",
        b"null\n",
    ],
)
def test_what_is_no_result_proves_nothing_and_nothing_is_sent_again(world: World, body: bytes) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    for _ in range(4):
        outcome = through(world, job, results=lambda batch_id: nullcontext(iter([body]))).advance()
        assert isinstance(outcome, NextLook)
        world.control.advance_clock(HOUR)
    assert len(world.control.received().creates) == 1
    assert isinstance(world.finish(job), list)
    world.check_each_row_billed_once(3)


def test_an_answer_with_its_own_spacing_still_proves_a_batch_ours(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    line = b'{ "result" : {"type":"succeeded"} , "custom_id" : "%b-0-1" }\n' % job.description().nonce.encode()
    assert isinstance(through(world, job, results=lambda batch_id: nullcontext(iter([line]))).advance(), list)


def test_a_batch_whose_first_answer_nobody_can_decode_is_proven_ours_all_the_same(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_outcome("unreadable")
    world.control.add_fault("create", "drop_after_commit")
    assert isinstance(world.finish(job), list)
    assert outcomes(job) == [[Adopted]]
    world.check_each_row_billed_once(3)


def test_a_first_answer_without_an_end_proves_nothing_and_does_not_fill_the_memory(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * (1 << 20)

    outcome = through(world, job, results=lambda batch_id: nullcontext(endless())).advance()
    assert isinstance(outcome, NextLook)
    assert 64 <= taken <= 66
    assert isinstance(world.finish(job), list)
    world.check_each_row_billed_once(3)


def test_rows_that_take_hours_to_read_do_not_make_an_intent_look_old(world: World) -> None:
    greeting = ask_time(world.client, world.clock())
    job = world.job(rows=3)
    world.control.advance_clock(3 * HOUR)
    world.control.add_fault("create", "drop_after_commit")
    clock = world.clock()
    late = Submission(job, world.client, clock=clock, service_clock=greeting, bounds=BOUNDS)
    world.control.advance_clock(61)
    assert isinstance(late.advance(), NextLook)
    intent = job.shards()[0].open_intent
    assert intent is not None
    age = world.clock().now() - moment(intent.at)
    assert abs(age.total_seconds()) < 2
    assert isinstance(world.advance(job), NextLook)
    assert len(world.control.received().creates) == 1


def test_a_service_that_does_not_tell_the_time_is_sent_nothing(world: World) -> None:
    account = world.client.greet().account
    with pytest.raises(UnexpectedAnswerError, match="no Date header"):
        through(world, world.job(rows=3), greet=lambda: Greeting(account=account, server_time=None)).advance()
    assert world.control.received().creates == []


def test_a_replaced_job_sends_nothing_more(world: World) -> None:
    job = world.job()
    zombie = world.submission(job)
    world.control.add_fault("create", "status", nth=2, status=400)
    with pytest.raises(ApiStatusError):
        world.advance(job)
    successor = world.job(world.plan(question="other", on_changed_input="restart"), text="other")
    assert successor.name == "job-0002"
    with pytest.raises(LedgerError, match="was replaced"):
        zombie.advance()
    assert len(world.control.received().creates) == 2
    assert len(world.finish(successor)) == 3


def restarted(world: World, plan: JobPlan) -> JobFolder:
    """Run a restart again and again, as Airflow's retries do, until it opens its job."""
    for _ in range(60):
        with suppress(LedgerError):
            return world.job(plan, rows=3, text="other")
        world.control.advance_clock(HOUR / 4)
    raise AssertionError("the restart does not end")


@pytest.mark.parametrize("made", [True, False], ids=["a batch was made", "none was made"])
@pytest.mark.parametrize("ended", [True, False], ids=["it has ended", "it runs"])
def test_a_restart_settles_the_calls_in_doubt_then_cancels_then_opens(world: World, made: bool, ended: bool) -> None:
    """Nobody died: the old attempt lost its answer, and its batch would have run on unread."""
    world.control.change_settings(batch_duration=0 if ended else 2 * HOUR)
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_after_commit" if made else "drop_before_commit")
    plan = world.plan(question="other", on_changed_input="restart")

    def replaced(*args: Any, **options: Any) -> Any:
        with pytest.raises(LedgerError, match="could pay twice"):
            world.job(plan, rows=3, text="other")
        return world.client.create(*args, **options)

    assert isinstance(through(world, job, create=replaced).advance(), NextLook) or made
    assert restarted(world, plan).name == "job-0002"
    assert job.replacement.is_abandoned()
    assert outcomes(job) == ([[Adopted]] if made else [[Void]])
    (create,) = world.control.received().creates
    assert world.control.received().calls.get("cancel", 0) == 0 or made
    assert not made or world.client.retrieve(create.batch_id or "").has_ended


@pytest.mark.parametrize("age", [60, HOUR], ids=["young", "an hour old"])
@pytest.mark.parametrize("body", [None, "<html>Not Found</html>"], ids=["the API's 404", "a page of something else"])
def test_a_restart_pays_nothing_while_the_old_batch_may_run_because_a_cancel_met_a_404(
    world: World, age: float, body: str | None
) -> None:
    world.control.change_settings(batch_duration=5 * HOUR)
    world.finish(world.job(rows=3))
    world.control.advance_clock(age)
    page = {} if body is None else {"body": body}
    world.control.add_fault("retrieve", "status", status=404, error_type="not_found_error", times=4, **page)
    plan = world.plan(question="other", on_changed_input="restart")
    if age > 600 and body is None:
        assert world.job(plan, rows=3, text="other").name == "job-0002", "only an ended batch can be deleted"
        return
    with pytest.raises(LedgerError, match="could not be canceled"):
        world.job(plan, rows=3, text="other")
    assert jobs_in(world) == ["job-0001"]
    assert world.job(plan, rows=3, text="other").name == "job-0002"
    assert world.control.received().calls["cancel"] == 1


def test_a_job_whose_predecessor_was_removed_gets_a_number_of_its_own(world: World, tmp_path: Path) -> None:
    world.job()
    second = world.job(world.plan(edition="2", question="B"))
    shutil.rmtree(tmp_path / "storage" / second.path.replace("job-0002", "job-0001"))
    third = world.job(world.plan(edition="3", question="C"))
    assert (third.name, third.description().question) == ("job-0003", "C")


def test_a_folder_that_a_crash_left_without_a_description_is_no_job(world: World, tmp_path: Path) -> None:
    (tmp_path / "storage" / world.plan().unit.folder / "job-0001").mkdir(parents=True)
    assert world.job().name == "job-0001"


def test_an_unsealed_job_takes_on_a_corrected_shape_of_its_output(world: World) -> None:
    with pytest.raises(EmptyInputError):
        world.job(rows=0)
    job = world.job(replace(world.plan(), column_prefix="answer_"))
    assert job.description().column_prefix == "answer_"


def test_a_failed_look_at_one_doubt_holds_up_no_other_shard(world: World) -> None:
    job = world.job()
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    world.control.add_fault("results", "status", status=403, times=None)
    assert isinstance(world.advance(job), NextLook)
    assert outcomes(job) == [[type(None)], [Submitted], [Submitted]]
    with pytest.raises(SubmissionOutcomeUnknownError, match="settle"):
        world.finish(job)
    world.check_each_row_billed_once(10)


def test_a_list_that_fails_after_a_lost_answer_is_asked_again_later(world: World) -> None:
    job = world.job(rows=3)
    submission = world.submission(job)
    world.control.add_fault("create", "drop_after_commit")
    world.control.add_fault("list", "status", status=500, times=None)
    assert isinstance(submission.advance(), NextLook)
    world.control.clear_faults()
    world.finish(job)
    world.check_each_row_billed_once(3)


def test_a_shard_that_never_gets_through_ends_with_a_message(world: World) -> None:
    job = world.job(rows=3)
    world.control.add_fault("create", "status", status=502, times=None)
    with pytest.raises(LedgerError, match="was sent 5 times"):
        world.finish(job)
    assert len(world.control.received().creates) == 5
    assert world.control.billing().rows_billed == 0


def test_a_missing_shard_file_costs_no_intent(world: World, tmp_path: Path) -> None:
    job = world.job(rows=3)
    shutil.rmtree(tmp_path / "storage" / job.path / "requests")
    with pytest.raises(CorruptLedgerError, match="holds the requests"):
        world.advance(job)
    assert outcomes(job) == [[]]


def test_a_refusal_tells_what_is_already_paid_for(world: World) -> None:
    job = world.job()
    world.control.add_fault("create", "status", nth=3, status=402)
    with pytest.raises(SpendLimitReachedError, match="Submitted, and billed as they run: 2 of 3 shards of "):
        world.advance(job)


def test_a_duplicate_that_cannot_be_canceled_does_not_hold_up_the_adoption(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0, cancel_ended_status=400)
    body = (Path(job.uri.removeprefix("file://")) / job.shards()[0].shard.requests_file).read_bytes()
    sent = b'{"requests":[' + body[:-1].replace(b"\n", b",") + b"]}"

    def create_twice(content: object, **options: object) -> object:
        world.client.create([sent], content_length=len(sent))
        world.control.advance_clock(1)
        world.client.create([sent], content_length=len(sent))
        raise ApiConnectionError("lost", connected=True)

    assert isinstance(through(world, job, create=create_twice).advance(), list)
    assert outcomes(job) == [[Adopted]]


def test_headers_that_are_missing_once_are_no_other_account(world: World) -> None:
    job = world.job()
    known = world.client.greet().account
    with pytest.raises(LedgerError, match="headers are missing"):
        sealed_job(
            world.storage, world.plan(), read_rows=lambda: prepared(10),
            account=Account(base_url=known.base_url), service=world.client,
            clock=world.clock(), spool_folder=world.spool,
        )  # fmt: skip
    assert world.job().path == job.path


def test_a_restart_that_broke_off_goes_on_whatever_became_of_the_old_batches(world: World) -> None:
    old = world.finish(world.job())
    world.control.end_batches()
    world.client.delete(old[0].batch_id)
    world.control.advance_clock(HOUR)
    plan = world.plan(question="other", on_changed_input="restart")
    world.control.add_fault("retrieve", "status", status=401)
    with pytest.raises(AuthenticationFailedError):
        world.job(plan, text="other")
    assert world.job(text="hello").name == "job-0002", "the restart continues, although the change was undone"
    assert world.job(plan, text="other").name == "job-0003"


def test_a_deferred_attempt_goes_on_with_its_own_job_or_not_at_all(world: World) -> None:
    job, account = world.job(), world.client.greet().account
    assert reopened_job(job, account=account, conn_id="c") is job
    with pytest.raises(ConfigurationError, match="now leads to"):
        reopened_job(job, account=replace(account, workspace_id="another"), conn_id="c")
    gone = JobFolder(world.storage, job.path.replace("job-0001", "job-0009"))
    with pytest.raises(JobNotFoundError):
        reopened_job(gone, account=account, conn_id="c")
    job.replacement.record_abandonment("2026-11-21T00:00:00Z")
    with pytest.raises(LedgerError, match="was replaced by another job"):
        reopened_job(job, account=account, conn_id="c")
    assert world.control.received().creates == []


# --------------------------------------------------------------------- two attempts at once, interleaved step by step


def an_intent(world: World, attempt: int = 1) -> IntentRecord:
    """Return the intent of another attempt, as of now."""
    at = world.clock().now().to_iso8601_string()
    return IntentRecord(
        shard=0, attempt=attempt, requests=3, nonce=f"other {attempt}", at=at, settles_after_seconds=26 * 60
    )


def test_no_intent_is_numbered_past_one_that_another_attempt_began_meanwhile(world: World) -> None:
    job = world.job(rows=3)
    assert job.record_intent(an_intent(world)), "its process died"
    world.control.advance_clock(HOUR)
    record_outcome = job.record_outcome

    def conclude_then_meet_another(outcome: OutcomeRecord) -> bool:
        concluded = record_outcome(outcome)
        job.record_intent(an_intent(world, attempt=2))
        return concluded

    job.record_outcome = conclude_then_meet_another  # type: ignore[method-assign]
    assert isinstance(world.advance(job), NextLook)
    assert world.control.received().creates == []
    assert outcomes(job) == [[Void, type(None)]]


def test_a_look_that_is_stale_cancels_nothing(world: World) -> None:
    """After we read intent 1, it is refused, and intent 2 makes and claims the batch that we list before we decide."""
    job = world.job(rows=3)
    assert job.record_intent(an_intent(world))
    body = b"".join(ShardPost(job, job.shards()[0].shard, clock=world.clock(), bounds=BOUNDS))
    made: list[str] = []

    def list_slowly() -> Iterator[MessageBatch]:
        if not made:
            at = world.clock().now().to_iso8601_string()
            refused = Refused(status=None, reason="not connected")
            assert job.record_outcome(OutcomeRecord(shard=0, attempt=1, at=at, outcome=refused))
            assert job.record_intent(an_intent(world, attempt=2))
            made.append(world.client.create([body], content_length=len(body)).id)
            assert job.claims.claim(made[0], 0)
        return world.client.list()

    assert isinstance(through(world, job, list=list_slowly).advance(), NextLook)
    assert world.control.received().calls.get("cancel", 0) == 0
    assert [batch.batch_id for batch in world.finish(job)] == made
    world.check_each_row_billed_once(3)


class Meeting:
    """A storage that calls a function at a write or a listing."""

    def __init__(self, storage: Storage, *, at: str, event: Callable[[], object], before: bool = False) -> None:
        self.uri = storage.uri
        self._storage = storage
        self._at = at
        self._event: Callable[[], object] | None = event
        self._before = before

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._storage, name)
        if name not in ("create", "list"):
            return call

        def met(path: str, *arguments: Any) -> Any:
            meets = f"{name} {path}".endswith(self._at)
            if meets and self._before:
                self._meet()
            done = call(path, *arguments)
            if meets and not self._before:
                self._meet()
            return done

        return met

    def _meet(self) -> None:
        event, self._event = self._event, None
        if event is not None:
            event()


def jobs_in(world: World) -> list[str]:
    return [job.name for job in jobs_of(world.storage, world.plan().unit.folder).jobs]


def test_two_first_attempts_at_once_are_one_job(world: World) -> None:
    found: list[JobFolder] = []
    storage = Meeting(world.storage, at=f"list {world.plan().unit.folder}", event=lambda: found.append(world.job()))
    late = world.sealed(world.plan(), lambda: prepared(10), storage=storage)
    assert (late.name, jobs_in(world)) == (found[0].name, ["job-0001"])
    world.finish(found[0])
    world.finish(world.job())
    assert isinstance(world.advance(JobFolder(world.storage, late.path)), list)
    world.check_each_row_billed_once(10)


def test_two_restarts_at_once_open_one_job(world: World) -> None:
    world.finish(world.job())
    plan = world.plan(question="other", on_changed_input="restart")
    storage = Meeting(world.storage, at="create dag/task/unit/-/job-0001/abandoned.json",
                      event=lambda: world.job(plan, text="other"))  # fmt: skip
    late = world.sealed(plan, lambda: prepared(10, "other"), storage=storage)
    assert (late.name, jobs_in(world)) == ("job-0002", ["job-0001", "job-0002"])


def test_of_two_attempts_that_find_other_rows_the_second_goes_on_with_the_job_of_the_first(world: World) -> None:
    job = world.job()
    finished_with_other_rows(world, job)
    plan = world.plan(on_changed_input="restart")

    def read_slowly() -> Iterator[PreparedRow]:
        world.job(plan, text="other")
        return prepared(10, "other")

    with pytest.raises(LedgerError, match=r"has just opened .*job-0002"):
        world.sealed(plan, read_slowly)
    assert world.job(plan, text="other").name == "job-0002"
    assert jobs_in(world) == ["job-0001", "job-0002"]


def finished_with_other_rows(world: World, job: JobFolder) -> None:
    world.finish(job)
    job.record_collection(CollectionRecord(destination="xcom", rows=10, usable_rows=10, at="now", shards=3))


@pytest.mark.parametrize("policy", ["fail", "restart"])
def test_an_attempt_whose_job_was_replaced_before_it_sent_anything_sends_nothing(
    world: World, policy: Literal["fail", "restart"]
) -> None:
    replaced: list[JobFolder] = []

    def read_slowly() -> Iterator[PreparedRow]:
        plan = world.plan(question="other", on_changed_input=policy)
        replaced.append(world.job(plan, text="other"))
        return prepared(10)

    job = world.sealed(world.plan(), read_slowly)
    with pytest.raises(LedgerError, match="was replaced by another job"):
        world.advance(job)
    assert [new.name for new in replaced] == ["job-0002"]
    assert world.control.received().creates == []
    world.finish(replaced[0])
    world.check_each_row_billed_once(10)


CONTESTED = "create dag/task/unit/-/job-0001/contested.json"
VERDICT = "create dag/task/unit/-/job-0001/contest-verdict.json"


@pytest.mark.parametrize("before", [True, False], ids=["before the contest", "after it"])
def test_what_a_job_began_to_send_while_it_was_to_be_replaced_is_kept_and_told(world: World, before: bool) -> None:
    job = world.job(rows=3)
    plan = world.plan(question="other")
    storage = Meeting(world.storage, at=CONTESTED, before=before,
                      event=lambda: world.finish(JobFolder(world.storage, job.path)))  # fmt: skip
    for _ in range(2):
        with pytest.raises(ChangedInputError, match="nothing was canceled"):
            world.sealed(plan, lambda: prepared(3, "other"), storage=storage)
    assert (len(world.control.received().creates), world.control.received().calls.get("cancel", 0)) == (1, 0)
    assert jobs_in(world) == ["job-0001"]
    assert world.finish(world.job(rows=3)) == job.batches(), "the change was undone: the job continues"
    restarted = world.job(world.plan(question="other", on_changed_input="restart"), rows=3, text="other")
    assert (restarted.name, world.control.received().calls["cancel"]) == ("job-0002", 1)


@pytest.mark.parametrize("at", [CONTESTED, VERDICT])
def test_a_replacement_that_died_leaves_a_job_that_goes_on_or_is_replaced(world: World, at: str) -> None:
    class DiedError(Exception):
        pass

    def die() -> None:
        raise DiedError

    world.job(rows=3)
    plan = world.plan(question="other")
    with pytest.raises(DiedError):
        world.sealed(plan, lambda: prepared(3, "other"), storage=Meeting(world.storage, at=at, event=die))
    job = world.job(rows=3)
    assert job.name == ("job-0001" if at == CONTESTED else "job-0002")
    world.finish(job)
    with pytest.raises(ChangedInputError, match="Since the job at"):
        world.job(plan, rows=3, text="other")
    world.check_each_row_billed_once(3)


def test_a_call_under_way_while_its_job_is_replaced_by_a_restart_is_canceled(world: World) -> None:
    job = world.job(rows=3)
    plan = world.plan(question="other", on_changed_input="restart")
    storage = Meeting(world.storage, at="create dag/task/unit/-/job-0001/abandoned.json", before=True,
                      event=lambda: job.record_intent(an_intent(world)))  # fmt: skip
    with pytest.raises(LedgerError, match="could pay twice"):
        world.sealed(plan, lambda: prepared(3, "other"), storage=storage)
    with pytest.raises(LedgerError, match="settle"):
        world.job(plan, rows=3, text="other")
    assert jobs_in(world) == ["job-0001"], "no new job while a call may have made a batch"
    body = b"".join(ShardPost(job, job.shards()[0].shard, clock=world.clock(), bounds=BOUNDS))
    batch = world.client.create([body], content_length=len(body))
    adopt_by_hand(job, an_intent(world), batch.id, service=world.client,
                  service_clock=ask_time(world.client, world.clock()))  # fmt: skip
    assert world.job(plan, rows=3, text="other").name == "job-0002"
    assert world.control.received().calls["cancel"] == 1


def test_a_batch_that_is_recorded_after_its_job_was_replaced_is_canceled(world: World) -> None:
    job = world.job(rows=3)

    def create_slowly(content: object, **options: Any) -> object:
        job.replacement.record_abandonment("2026-11-21T00:00:00Z")
        return world.client.create(content, **options)  # type: ignore[arg-type]

    through(world, job, create=create_slowly).advance()
    assert world.control.received().calls.get("cancel", 0) == 1
    assert outcomes(job) == [[Submitted]]


def test_a_clock_that_is_set_forward_during_a_call_voids_nothing(world: World) -> None:
    job, clock = world.job(rows=3), world.clock()
    world.control.add_fault("create", "late_commit", seconds=30)

    def create_slowly(content: object, **options: Any) -> object:
        try:
            return world.client.create(content, **options)  # type: ignore[arg-type]
        finally:
            clock.wrong_by = 3 * HOUR

    service = Proxy(world, create=create_slowly)
    submission = Submission(job, service, clock=clock, service_clock=ask_time(service, clock), bounds=BOUNDS)
    assert isinstance(submission.advance(), NextLook)
    assert outcomes(job) == [[type(None)]]
    world.finish(job)
    assert len(world.control.received().creates) == 1
    world.check_each_row_billed_once(3)


def test_a_job_that_another_attempt_opened_with_another_account_is_not_taken_over(world: World) -> None:
    other = replace(world.client.greet().account, workspace_id="wrkspc_other")
    at = f"list {world.plan().unit.folder}"
    storage = Meeting(world.storage, at=at, event=lambda: world.job(rows=3))
    with pytest.raises(ConfigurationError, match="now leads to"):
        sealed_job(
            storage, world.plan(), read_rows=lambda: prepared(3), account=other,
            service=world.client, clock=world.clock(), spool_folder=world.spool,
        )  # fmt: skip
    assert jobs_in(world) == ["job-0001"]


def test_a_contest_that_was_lost_leaves_no_doubt(world: World) -> None:
    """An intent whose process died before it could see the contest was certainly not sent."""
    job = world.job(rows=3)
    plan = world.plan(question="other")
    storage = Meeting(world.storage, at=VERDICT, event=lambda: job.record_intent(an_intent(world)))
    successor = world.sealed(plan, lambda: prepared(3, "other"), storage=storage)
    assert successor.name == "job-0002"
    assert isinstance(world.advance(JobFolder(world.storage, job.path)), NextLook)
    assert world.control.received().creates == []
    world.finish(successor)
    world.check_each_row_billed_once(3)


def test_columns_that_are_too_large_for_xcom_alone_send_nothing(world: World) -> None:
    size = sum(len(row.columns) for row in prepared(12))
    plan = replace(world.plan(), max_columns_bytes=size - 1)
    with pytest.raises(XComLimitError, match=r"the first 12 rows alone have .* Nothing was sent\."):
        world.sealed(plan, lambda: prepared(12))
    assert world.control.received().creates == []
    assert world.sealed(replace(plan, max_columns_bytes=size), lambda: prepared(12)).first_seal().rows == 12
