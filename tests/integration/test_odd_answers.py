"""Well-formed answers that are wrong, new or about somebody else: nothing is recorded that they do not prove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.account import Greeting
from anthropic_batches_provider.batches.cancellation import cancel_if_in_progress
from anthropic_batches_provider.batches.collection import collect_job
from anthropic_batches_provider.batches.ledger import Adopted, JobFolder, LocalStorage, Submitted, Void
from anthropic_batches_provider.batches.message_batch import UNKNOWN_COUNTS, MessageBatch, RequestCounts
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.batches.submission.shard_body import ShardPost
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    LedgerError,
    SubmissionOutcomeUnknownError,
    UnexpectedAnswerError,
)
from tests.worlds.simulated_world import BOUNDS, HOUR, Proxy, World, through

MINUTE = 60


def outcomes(job: JobFolder) -> list[type | None]:
    (state,) = job.shards()
    return [type(attempt.outcome.outcome) if attempt.outcome else None for attempt in state.attempts]


def others_submit(world: World, requests: int = 3) -> str:
    body = b'{"requests":[' + b",".join(
        b'{"custom_id":"theirs-%d","params":{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user",'
        b'"content":"theirs"}]}}' % number
        for number in range(requests)
    ) + b"]}"  # fmt: skip
    return world.client.create([body], content_length=len(body)).id


# ---------------------------------------------------------------------------------------------------- create calls


def older(batch: MessageBatch) -> MessageBatch:
    assert batch.created_at is not None
    return replace(batch, created_at=batch.created_at.subtract(minutes=2))


WRONG: dict[str, Callable[[MessageBatch], MessageBatch]] = {
    "created before the call": older,
    "creation not told": lambda batch: replace(batch, created_at=None),
    "ended already": lambda batch: replace(batch, processing_status="ended", request_counts=RequestCounts(succeeded=3)),
    "fewer requests": lambda batch: replace(batch, request_counts=RequestCounts(processing=2)),
    "counts not told": lambda batch: replace(batch, request_counts=UNKNOWN_COUNTS),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("is_made", [True, False], ids=["a batch was made", "none was made"])
def test_an_answer_that_does_not_prove_the_batch_is_settled(world: World, wrong: str, is_made: bool) -> None:
    job = world.job(rows=3)
    clock = world.clock()

    def create(content: Any, **options: Any) -> MessageBatch:
        if is_made:
            return WRONG[wrong](world.client.create(content, **options))
        return WRONG[wrong](
            MessageBatch(
                id="msgbatch_of_nobody", processing_status="in_progress", request_counts=RequestCounts(processing=3),
                created_at=clock.now(), expires_at=clock.now().add(days=1),
            )
        )  # fmt: skip

    assert isinstance(through(world, job, create=create).advance(), NextLook)
    assert outcomes(job) == [None]
    world.finish(job)
    assert outcomes(job) == ([Adopted] if is_made else [Void, Submitted])
    world.check_each_row_billed_once(3)


def test_an_answer_about_a_batch_that_belongs_to_another_job_is_settled(world: World) -> None:
    (taken,) = world.finish(world.job(world.plan("another"), rows=3, text="another"))
    job = world.job(rows=3)

    def create(content: Any, **options: Any) -> MessageBatch:
        world.client.create(content, **options)
        return replace(world.client.retrieve(taken.batch_id), created_at=world.clock().now())

    assert isinstance(through(world, job, create=create).advance(), NextLook)
    assert outcomes(job) == [None]
    assert world.finish(job)[0].batch_id != taken.batch_id
    assert outcomes(job) == [Adopted]
    world.check_each_row_billed_once(6)


@pytest.mark.parametrize("status", ["queued", "validating"])
def test_a_batch_in_a_new_status_is_accepted_and_waited_for(world: World, status: str) -> None:
    job = world.job(rows=3)

    def create(content: Any, **options: Any) -> MessageBatch:
        return replace(world.client.create(content, **options), processing_status=status)

    assert isinstance(through(world, job, create=create).advance(), list)
    assert outcomes(job) == [Submitted]


# ------------------------------------------------------------------------------------------------------------ polls


WRONG_ENDS = {
    "fewer requests": RequestCounts(succeeded=2),
    "more requests": RequestCounts(succeeded=4),
    "some still processing": RequestCounts(processing=1, succeeded=2),
    "not told": UNKNOWN_COUNTS,
}


@pytest.mark.parametrize("counts", WRONG_ENDS)
def test_an_end_whose_counts_do_not_agree_is_not_recorded_and_asked_again(
    world: World, counts: str, tmp_path: Path
) -> None:
    job = world.job(rows=3)
    assert isinstance(world.advance(job), list)

    def retrieve(batch_id: str) -> MessageBatch:
        return replace(world.client.retrieve(batch_id), processing_status="ended", request_counts=WRONG_ENDS[counts])

    wrongly_told = through(world, job, retrieve=retrieve)
    assert not wrongly_told.running.look()
    settings = CollectionSettings(spool_folder=tmp_path / "spool", clock=world.clock())
    out = Destination(storage=LocalStorage(tmp_path / "out"), owner="owner")
    with pytest.raises(UnexpectedAnswerError, match=r"has ended, with .* instead of 3 requests"):
        collect_job(job, Proxy(world, retrieve=retrieve), out, settings)
    assert job.shards()[0].end is None
    world.control.end_batches()
    manifest = collect_job(job, world.client, out, settings)
    assert manifest.counts.succeeded == 3
    assert job.shards()[0].end is not None


# -------------------------------------------------------------------------------------------------------- strangers


def test_a_doubt_settles_though_strangers_never_stop_making_batches_of_the_same_size(world: World) -> None:
    world.control.change_settings(batch_duration=2 * HOUR)
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_before_commit")
    outcome, minutes = world.advance(job), 0
    while isinstance(outcome, NextLook):
        assert minutes < 5 * 60, "the doubt does not settle"
        if minutes % 10 == 0:
            others_submit(world)
        world.control.advance_clock(5 * MINUTE)
        minutes += 5
        outcome = world.advance(job)
    assert outcomes(job) == [Void, Submitted]
    settled_by = 26 + 2 * 60 + 10  # the last candidate was made just before the call had settled, and ran two hours
    assert minutes <= settled_by
    assert world.control.received().calls["results"] <= 3, "each candidate is read once, by whichever attempt"


def test_a_batch_that_a_stranger_made_after_the_call_had_settled_delays_nothing(world: World) -> None:
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_before_commit")
    assert isinstance(world.advance(job), NextLook)
    world.control.advance_clock(30 * MINUTE)
    others_submit(world)
    assert isinstance(world.finish(job), list)
    assert outcomes(job) == [Void, Submitted]


@pytest.mark.parametrize("created", [True, False], ids=["creation told", "creation not told"])
def test_a_stranger_of_which_next_to_nothing_is_known_is_proven_foreign_by_its_results(
    world: World, created: bool
) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_before_commit")
    assert isinstance(world.advance(job), NextLook)
    stranger = others_submit(world, requests=5)

    def listed(**options: Any) -> Iterator[MessageBatch]:
        for batch in world.client.list():
            if batch.id == stranger:
                unknown = replace(batch, processing_status="resting", request_counts=UNKNOWN_COUNTS, expires_at=None)
                yield unknown if created else replace(unknown, created_at=None)
            else:
                yield batch

    read: list[str] = []

    @contextmanager
    def results(batch_id: str) -> Iterator[Iterator[bytes]]:
        read.append(batch_id)
        with world.client.results(batch_id) as chunks:
            yield chunks

    for _ in range(4):
        outcome = through(world, job, list=listed, results=results).advance()
        if isinstance(outcome, list):
            break
        world.control.advance_clock(30 * MINUTE)
    assert outcomes(job) == [Void, Submitted]
    assert read == [stranger]


def test_the_bound_of_a_doubt_does_not_move_with_what_an_answer_says_about_expiry(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=100 * HOUR)
    world.control.add_fault("create", "drop_before_commit")
    assert isinstance(world.advance(job), NextLook)
    stranger = others_submit(world)

    def listed(**options: Any) -> Iterator[MessageBatch]:
        for batch in world.client.list():
            yield replace(batch, expires_at=pendulum.datetime(2199, 1, 1)) if batch.id == stranger else batch

    waiting = through(world, job, list=listed).advance()
    assert isinstance(waiting, NextLook)
    assert waiting.until < world.clock().now().add(hours=26)


def listing(world: World, change: Callable[[MessageBatch], MessageBatch], batch_id: str) -> Callable[..., Any]:
    """Return a list call that shows one batch otherwise."""

    def listed(**options: Any) -> Iterator[MessageBatch]:
        for batch in world.client.list():
            yield change(batch) if batch.id == batch_id else batch

    return listed


def test_a_batch_whose_id_cannot_be_read_may_be_ours_and_nothing_is_sent_again(world: World) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    made: list[str] = []

    def create(content: Any, **options: Any) -> MessageBatch:
        made.append(world.client.create(content, **options).id)
        raise UnexpectedAnswerError("its id is not an id")

    def listed(**options: Any) -> Iterator[MessageBatch]:
        return (replace(batch, id="../a:b") if batch.id in made else batch for batch in world.client.list())

    assert isinstance(through(world, job, create=create, list=listed).advance(), NextLook)
    for _ in range(4):
        world.control.advance_clock(6 * HOUR)
        assert isinstance(through(world, job, list=listed).advance(), NextLook)
    world.control.advance_clock(3 * HOUR)
    with pytest.raises(SubmissionOutcomeUnknownError):
        through(world, job, list=listed).advance()
    assert outcomes(job) == [None]


@pytest.mark.parametrize("year", [2001, 2150])
def test_an_impossible_time_in_the_list_hides_no_batch_of_ours(world: World, year: int) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    clock = world.clock()
    submission = through(world, job, list=lambda **options: iter(()))
    assert isinstance(submission.advance(), NextLook)
    (ours,) = (create.batch_id for create in world.control.received().creates)
    odd = others_submit(world, requests=5) if year == 2001 else ours
    assert odd is not None
    listed = listing(world, lambda batch: replace(batch, created_at=pendulum.datetime(year, 1, 1)), odd)
    world.control.advance_clock(30 * MINUTE)
    assert isinstance(through(world, job, list=listed).advance(), list)
    assert outcomes(job) == [Adopted]
    assert clock.now().year < 2150


@pytest.mark.parametrize(
    "error", [ApiStatusError("no", status=400), ApiStatusError("no", status=500), UnexpectedAnswerError("a page")]
)
def test_what_a_strangers_results_answer_holds_up_no_doubt_of_ours(world: World, error: Exception) -> None:
    job = world.job(rows=3)
    world.control.change_settings(batch_duration=0)
    world.control.add_fault("create", "drop_after_commit")
    assert isinstance(through(world, job, list=lambda **options: iter(())).advance(), NextLook)
    stranger = others_submit(world)

    @contextmanager
    def results(batch_id: str) -> Iterator[Iterator[bytes]]:
        if batch_id == stranger:
            raise error
        with world.client.results(batch_id) as chunks:
            yield chunks

    assert isinstance(through(world, job, results=results).advance(), list)
    assert outcomes(job) == [Adopted]


@pytest.mark.parametrize("counts", [UNKNOWN_COUNTS, RequestCounts(succeeded=2)], ids=["not told", "others"])
def test_an_end_whose_counts_never_agree_holds_up_no_results_once_nothing_can_run_any_more(
    world: World, counts: RequestCounts, tmp_path: Path
) -> None:
    job = world.job(rows=3)
    assert isinstance(world.advance(job), list)
    world.control.end_batches()

    def retrieve(batch_id: str) -> MessageBatch:
        return replace(world.client.retrieve(batch_id), request_counts=counts)

    world.control.advance_clock(26 * HOUR)
    settings = CollectionSettings(spool_folder=tmp_path / "spool", clock=world.clock())
    out = Destination(storage=LocalStorage(tmp_path / "out"), owner="owner")
    assert collect_job(job, Proxy(world, retrieve=retrieve), out, settings).counts.succeeded == 3


def test_a_restart_cancels_what_it_knows_though_another_call_is_in_doubt(world: World) -> None:
    world.control.change_settings(batch_duration=5 * HOUR)
    job = world.job(rows=10)
    world.control.add_fault("create", "drop_after_commit", nth=2)
    assert isinstance(world.advance(job), NextLook)
    plan = world.plan(question="other", on_changed_input="restart")
    with pytest.raises(LedgerError, match="could pay twice"):
        world.job(plan, rows=3, text="other")
    known = [batch.batch_id for batch in job.batches()]
    assert len(known) == 2
    assert world.control.received().calls["cancel"] == 2
    assert {world.client.retrieve(batch_id).processing_status for batch_id in known} == {"ended"}


@pytest.mark.parametrize("status", [400, 409])
def test_a_batch_in_a_state_that_takes_no_cancellation_holds_up_no_other(world: World, status: int) -> None:
    (batch,) = world.finish(world.job(rows=3))

    def retrieve(batch_id: str) -> MessageBatch:
        return replace(world.client.retrieve(batch_id), processing_status="resting")

    def cancel(batch_id: str) -> MessageBatch:
        raise ApiStatusError("it takes no cancellation", status=status)

    service: Any = Proxy(world, retrieve=retrieve, cancel=cancel)
    assert cancel_if_in_progress(service, batch.batch_id).processing_status == "resting"


# ----------------------------------------------------------------------------------------------------------- clocks


def answers_lost_by_a_service_whose_clock_runs_ahead(world: World, *, call_takes: float = 0.0) -> dict[str, Any]:
    """Return a create call whose answer is lost, and greetings that are an hour ahead from then on."""
    ahead = 0.0

    def create(content: Any, **options: Any) -> MessageBatch:
        nonlocal ahead
        ahead = HOUR
        world.control.advance_clock(call_takes)
        raise ApiConnectionError("no answer", connected=True)

    def greet() -> Greeting:
        told = world.client.greet()
        assert told.server_time is not None
        return replace(told, server_time=told.server_time.add(seconds=ahead))

    return {"create": create, "greet": greet}


def test_a_services_clock_that_runs_ahead_voids_nothing_before_the_time_has_passed_here_too(world: World) -> None:
    """A date from a broken cache, or a service whose clock was set: the sender knows how long ago it sent."""
    job = world.job(rows=3)
    attempt = through(world, job, **answers_lost_by_a_service_whose_clock_runs_ahead(world))
    for _ in range(3):
        assert isinstance(attempt.advance(), NextLook)
        assert outcomes(job) == [None]
        world.control.advance_clock(8 * MINUTE)
    world.control.advance_clock(5 * MINUTE)
    attempt.advance()
    assert outcomes(job)[0] is Void


def test_a_listing_voids_nothing_that_was_made_during_it(world: World) -> None:
    """The service's clock runs ahead, and the attempt stands still during its listing: a late batch is not in it."""
    job = world.job(rows=3)

    def empty_list_that_takes_an_hour() -> Iterator[MessageBatch]:
        world.control.advance_clock(HOUR)
        yield from ()

    answers = answers_lost_by_a_service_whose_clock_runs_ahead(world, call_takes=2 * MINUTE)  # the time is asked anew
    attempt = through(world, job, **answers, list=empty_list_that_takes_an_hour)
    assert isinstance(attempt.advance(), NextLook)
    assert outcomes(job) == [None]


def test_a_worker_whose_clock_was_set_back_during_a_pause_does_not_post(world: World) -> None:
    job = world.job(rows=3)
    clock = world.clock()
    post = ShardPost(job, job.shards()[0].shard, clock=clock, bounds=BOUNDS)
    assert post.may_start
    world.control.advance_clock(2 * MINUTE)
    clock.wrong_by = -2.0 * MINUTE
    assert not post.may_start
