"""The reports to one wait, the moment when it is over, and the event with which it ends."""

from __future__ import annotations

import json
import logging
from typing import Literal

import pendulum
import pytest

from anthropic_batches_provider.batches.watching import News, Subscription
from anthropic_batches_provider.batches.watching.wait import BatchWait, WaitFor
from anthropic_batches_provider.batches.watching.watched_batch import WatchedBatch
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchNotFoundError,
)
from tests.worlds.sightings import START, sighting

UNREACHABLE = ApiConnectionError("no route", connected=False)


class Waiting:
    """A subscription and the batches it follows, at a moment that a test moves."""

    def __init__(self, *batch_ids: str, deadline: float | None = None, wait_for: WaitFor = "all") -> None:
        self.now = START
        wait = BatchWait(batch_ids, poll_interval=60, wait_for=wait_for)
        self.subscription = Subscription(wait, connection="claude", deadline=deadline, now=lambda: self.now)
        self.batches = {name: WatchedBatch(id=name, watched_since=START, due_at=START) for name in batch_ids}
        for watched in self.batches.values():
            watched.intervals[60] = 1
            self.subscription.follow(watched)

    def sees(self, name: str, status: Literal["in_progress", "canceling", "ended"] = "in_progress") -> None:
        watched = self.batches[name]
        if watched.saw(sighting(name, status=status), self.now, since=self.now, not_before=0, jitter=0):
            self.subscription.learn(watched)

    def fails(self, name: str, error: Exception) -> None:
        if self.batches[name].failed(error, self.now, jitter=0):
            self.subscription.learn(self.batches[name])

    def denied(self, name: str, error: Exception) -> None:
        for _ in range(6):
            self.fails(name, error)
            self.now += 130

    async def news(self) -> News:
        return await self.subscription.news()


async def test_each_change_of_state_is_told_once() -> None:
    waiting = Waiting("a", "b")
    told = []
    for status in ("in_progress", "in_progress", "canceling", "canceling", "ended"):
        waiting.sees("a", status)
        waiting.sees("b")
    news = await waiting.news()
    told += [(note.level, note.text) for note in news.notes]
    assert news.outcome is None
    assert told == [
        (logging.INFO, "a: in_progress, requests: 3, expires at 2026-11-22 12:00:00 UTC"),
        (logging.INFO, "b: in_progress, requests: 3, expires at 2026-11-22 12:00:00 UTC"),
        (logging.INFO, "a: canceling, requests: 3, expires at 2026-11-22 12:00:00 UTC"),
        (logging.INFO, "a: ended at 2026-11-21 12:05:00 UTC: 3 succeeded"),
    ]


async def test_a_wait_ends_with_an_event_of_ids_counts_and_moments() -> None:
    waiting = Waiting("a", "b")
    waiting.sees("a", "ended")
    waiting.sees("b", "ended")
    assert (await waiting.news()).outcome == "ended"
    event = waiting.subscription.event("ended")
    assert json.loads(json.dumps(event)) == {
        "outcome": "ended",
        "reason": None,
        "batch_ids": ["a", "b"],
        "ended": ["a", "b"],
        "ended_at": {"a": "2026-11-21T12:05:00+00:00", "b": "2026-11-21T12:05:00+00:00"},
        "lost": [],
        "still_running": [],
        "request_counts": {"processing": 0, "succeeded": 6, "errored": 0, "canceled": 0, "expired": 0},
    }


async def test_what_others_have_seen_already_is_known_at_once() -> None:
    waiting = Waiting("a")
    waiting.sees("a", "ended")
    later = Subscription(BatchWait(["a"], poll_interval=5), connection="claude", deadline=None, now=lambda: START)
    later.follow(waiting.batches["a"])
    assert (await later.news()).outcome == "ended"


async def test_a_deadline_ends_the_wait_and_tells_what_runs() -> None:
    waiting = Waiting("a", deadline=START + 100)
    waiting.sees("a")
    waiting.fails("a", UNREACHABLE)
    assert (await waiting.news()).outcome is None
    waiting.now = START + 100
    assert waiting.subscription._outcome(waiting.now) is None, "a last poll is due"
    waiting.fails("a", UNREACHABLE)
    assert (await waiting.news()).outcome == "deadline"
    (running,) = waiting.subscription.event("deadline")["still_running"]
    assert "in_progress" in running
    assert "no route" in running


async def test_a_batch_that_ends_shortly_before_the_deadline_is_told_as_ended() -> None:
    waiting = Waiting("a", "b", deadline=START + 100)
    waiting.sees("a")
    waiting.sees("b", "ended")
    waiting.now = START + 100
    assert waiting.subscription._outcome(START + 109) is None
    assert waiting.subscription._outcome(START + 110) == "deadline", "no poll was possible for ten seconds"
    waiting.sees("a", "ended")
    assert (await waiting.news()).outcome == "ended"


async def test_an_older_view_of_a_batch_that_has_ended_changes_nothing() -> None:
    waiting = Waiting("a", "b")
    waiting.sees("a", "ended")
    waiting.sees("a", "in_progress")
    waiting.sees("b", "ended")
    assert (await waiting.news()).outcome == "ended"
    event = waiting.subscription.event("ended")
    assert event["ended"] == ["a", "b"]
    assert event["request_counts"]["succeeded"] == 6


async def test_a_deadline_that_has_passed_already_leaves_a_minute_for_one_look() -> None:
    waiting = Waiting("a", deadline=START - 5)
    assert waiting.subscription._outcome(START) is None
    assert waiting.subscription._outcome(START + 60) == "deadline"
    waiting.sees("a", "ended")
    assert (await waiting.news()).outcome == "ended"


async def test_time_alone_can_be_waited_for() -> None:
    waiting = Waiting(deadline=START)
    assert (await waiting.news()).outcome == "deadline"
    assert waiting.subscription.event("deadline")["request_counts"]["succeeded"] == 0


async def test_failures_are_told_when_they_last_and_once_more_when_they_are_over() -> None:
    waiting = Waiting("a", "b")
    waiting.sees("a")
    waiting.sees("b")
    await waiting.news()
    for _ in range(10):
        waiting.now += 10
        waiting.fails("a", UNREACHABLE)
        waiting.fails("b", UNREACHABLE)
    warning, progress = (await waiting.news()).notes
    assert progress.text.startswith("Waiting for 2 minutes: ")
    assert warning.level == logging.WARNING
    assert "Checks of a have been failing since 12:00:10 UTC" in warning.text
    assert "Batches continue to run" in warning.text
    waiting.sees("a")
    waiting.sees("b")
    assert [note.text for note in (await waiting.news()).notes] == ["Checks succeed again."]


async def test_a_failure_now_and_then_is_no_news() -> None:
    waiting = Waiting("a")
    waiting.sees("a")
    await waiting.news()
    for _ in range(50):
        waiting.now += 100
        waiting.fails("a", UNREACHABLE)
        waiting.now += 100
        waiting.sees("a")
    assert waiting.subscription._notes == []


@pytest.mark.parametrize(
    ("error", "outcome", "says"),
    [
        (BatchNotFoundError("no", status=404), "not_found", "key of the workspace that made the batch"),
        (AuthenticationFailedError("bad key", status=401), "unreachable", "refuses the key of connection claude"),
    ],
)
async def test_a_final_denial_ends_the_wait_with_the_cause_and_what_to_do(
    error: Exception, outcome: str, says: str
) -> None:
    waiting = Waiting("a", "b")
    waiting.sees("b", "ended")
    waiting.denied("a", error)
    assert (await waiting.news()).outcome == outcome
    event = waiting.subscription.event(outcome)
    assert says in event["reason"]
    assert "claude" in event["reason"]
    assert "Nothing was canceled or sent again" in event["reason"]
    assert (event["lost"], event["ended"]) == (["a"], ["b"])


async def test_a_wait_for_any_goes_on_while_one_batch_can_still_end() -> None:
    waiting = Waiting("a", "b", wait_for="any")
    waiting.denied("a", BatchNotFoundError("no", status=404))
    waiting.sees("b")
    assert (await waiting.news()).outcome is None
    waiting.denied("b", BatchNotFoundError("no", status=404))
    assert (await waiting.news()).outcome == "not_found"


async def test_no_other_failure_ends_a_wait_however_long_it_lasts() -> None:
    waiting = Waiting("a")
    for error in (UNREACHABLE, ApiStatusError("oops", status=500), ApiStatusError("busy", status=529), KeyError("bug")):
        waiting.denied("a", error)
    assert (await waiting.news()).outcome is None
    assert waiting.subscription._outcome(START + 10**9) is None


async def test_a_coming_expiry_is_warned_of_once() -> None:
    waiting = Waiting("a")
    waiting.sees("a")
    await waiting.news()
    waiting.now = START + 18.5 * 3600
    progress, warning = (await waiting.news()).notes
    assert progress.level == logging.INFO
    assert "expires in 5.5 hours" in warning.text
    assert waiting.subscription.wait.warnings(pendulum.from_timestamp(START + 19 * 3600)) == []


async def test_a_line_about_the_wait_comes_at_its_moment_without_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Waiting("a", deadline=START + 10_000)
    waiting.sees("a")
    await waiting.news()
    dozes: list[float] = []

    class Doze:
        def __init__(self, seconds: float) -> None:
            dozes.append(seconds)
            waiting.now += seconds

        async def __aenter__(self) -> None:
            raise TimeoutError

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError

    monkeypatch.setattr("anthropic_batches_provider.batches.watching.subscription.asyncio.timeout", Doze)
    (note,) = (await waiting.news()).notes
    assert note.level == logging.INFO
    assert note.text.startswith("Waiting for 1 minute: 1 of 1 batch has not ended.")
    assert 60 <= sum(dozes) < 62
