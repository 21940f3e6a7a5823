"""Which calls a connection makes next, and when."""

from __future__ import annotations

import math

import pytest

from anthropic_batches_provider.batches.watching.pace import CALLS_PER_MINUTE, LONGEST_RETRY_AFTER_SECONDS
from anthropic_batches_provider.batches.watching.schedule import (
    AT_ONCE,
    FEW,
    MAX_PAGES,
    LookAtEach,
    LookAtPage,
    Rest,
    Schedule,
    Step,
)
from anthropic_batches_provider.batches.watching.watched_batch import PATIENCE_LOOKS, PATIENCE_SECONDS
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchNotFoundError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from tests.unit.batches.watching.sightings import START, one, page

NOT_FOUND = BatchNotFoundError("no such batch", status=404)
REFUSED = AuthenticationFailedError("bad key", status=401)
UNREACHABLE = ApiConnectionError("no route", connected=False)


def names(count: int) -> list[str]:
    return [f"msgbatch_{number:05}" for number in range(count)]


def schedule_of(*batch_ids: str, poll_interval: float = 60.0) -> Schedule:
    schedule = Schedule(jitter=lambda: 0.0)
    for batch_id in batch_ids:
        schedule.add(batch_id, poll_interval, START)
    return schedule


def resting_until(step: Step) -> float:
    assert isinstance(step, Rest)
    return step.until


def is_denied(schedule: Schedule) -> bool:
    return schedule.batches["a"].is_denied


def test_nothing_to_watch_means_rest_until_something_is_added() -> None:
    assert schedule_of().next_step(START) == Rest(math.inf)


def test_those_who_come_together_are_looked_at_together_after_a_moment() -> None:
    schedule = schedule_of("a", "b")
    moment = resting_until(schedule.next_step(START))
    assert START < moment < START + 0.5
    assert schedule.next_step(moment) == LookAtEach(("a", "b"))


def test_few_are_retrieved_and_more_are_listed() -> None:
    assert isinstance(schedule_of(*names(FEW)).next_step(START + 1), LookAtEach)
    assert schedule_of(*names(FEW + 1)).next_step(START + 1) == LookAtPage(None)


def test_a_thousand_batches_take_one_page_and_then_rest_together() -> None:
    schedule = schedule_of(*names(1000))
    assert schedule.next_step(START + 1) == LookAtPage(None)
    news = schedule.saw_page(page(*names(1000)), START + 1)
    assert len(news) == 1000
    assert resting_until(schedule.next_step(START + 1)) == START + 3
    assert schedule.next_step(START + 3) == LookAtPage(None)
    assert schedule.saw_page(page(*names(1000)), START + 3) == [], "nothing has changed"


def test_a_batch_that_has_ended_is_looked_at_no_more() -> None:
    schedule = schedule_of("a")
    schedule.next_step(START + 1)
    (ended,) = schedule.saw_each({"a": one("a", ended=True)}, {}, START + 1)
    assert ended.has_ended
    assert schedule.next_step(START + 10_000) == Rest(math.inf)


def test_the_shortest_interval_of_those_who_wait_counts_and_goes_with_its_owner() -> None:
    old = START - 86_400
    schedule = schedule_of("a", poll_interval=60)
    schedule.next_step(START + 1)
    schedule.saw_each({"a": one("a", created=old)}, {}, START + 1)
    assert resting_until(schedule.next_step(START + 1)) == START + 61
    schedule.add("a", 10, START + 2)
    assert resting_until(schedule.next_step(START + 2)) < START + 3
    schedule.next_step(START + 3)
    schedule.saw_each({"a": one("a", created=old)}, {}, START + 3)
    assert resting_until(schedule.next_step(START + 3)) == START + 13
    schedule.remove("a", 10)
    schedule.next_step(START + 13)
    schedule.saw_each({"a": one("a", created=old)}, {}, START + 13)
    assert resting_until(schedule.next_step(START + 13)) == START + 73
    schedule.remove("a", 60)
    assert schedule.next_step(START + 73) == Rest(math.inf)


def test_pages_are_walked_until_all_are_found_but_a_few_that_are_then_retrieved() -> None:
    schedule = schedule_of(*names(10))
    assert schedule.next_step(START + 1) == LookAtPage(None)
    schedule.saw_page(page(*names(4), next_page="x"), START + 1)
    assert schedule.next_step(START + 1) == LookAtPage("x")
    schedule.saw_page(page(*names(8)[4:], next_page="y"), START + 1)
    assert schedule.next_step(START + 1) == LookAtEach(("msgbatch_00008", "msgbatch_00009"))


def test_what_the_list_does_not_hold_is_retrieved_without_another_walk() -> None:
    schedule = schedule_of(*names(10))
    schedule.next_step(START + 1)
    schedule.saw_page(page("somebody's"), START + 1)
    step = schedule.next_step(START + 1)
    assert isinstance(step, LookAtEach)
    assert len(step.batch_ids) == AT_ONCE


@pytest.mark.parametrize("cursor", ["always the same", None])
def test_a_list_that_does_not_end_or_does_not_move_is_left(cursor: str | None) -> None:
    schedule = schedule_of(*names(10))
    pages = 0
    while isinstance(schedule.next_step(START + 10 * pages + 1), LookAtPage):
        schedule.saw_page(page("other", next_page=cursor or f"cursor {pages}"), START + 10 * pages + 1)
        pages += 1
    assert pages == (2 if cursor else MAX_PAGES)


def test_batches_deep_in_the_list_are_retrieved_when_that_takes_fewer_calls() -> None:
    schedule = schedule_of(*names(6))
    schedule.next_step(START + 1)
    for number in range(7):
        schedule.saw_page(page("other", next_page=f"cursor {number}"), START + 1 + number)
        assert isinstance(schedule.next_step(START + 1 + number), LookAtPage)
    schedule.saw_page(page(*names(6)), START + 9)
    assert isinstance(schedule.next_step(START + 90), LookAtEach), "six calls instead of eight pages"


def test_thousands_of_batches_that_are_not_listed_stay_below_the_rate() -> None:
    schedule = schedule_of(*names(2000), poll_interval=10)
    now, calls, minutes = START + 1, 0, 5
    while now < START + 1 + minutes * 60:
        step = schedule.next_step(now)
        if isinstance(step, Rest):
            now = step.until
        elif isinstance(step, LookAtPage):
            calls += 1
            schedule.saw_page(page("other"), now)
        else:
            calls += len(step.batch_ids)
            schedule.saw_each({name: one(name) for name in step.batch_ids}, {}, now)
    assert calls == pytest.approx(minutes * CALLS_PER_MINUTE, rel=0.05)


def test_failures_in_a_row_slow_the_whole_connection_down_and_a_success_ends_that() -> None:
    schedule = schedule_of(*names(10))
    now, pauses = START + 1, []
    for _ in range(9):
        assert isinstance(schedule.next_step(now), LookAtPage)
        schedule.page_failed(UNREACHABLE, now)
        pauses.append(resting_until(schedule.next_step(now)) - now)
        now += pauses[-1]
    assert pauses == [2, 4, 8, 16, 32, 64, 120, 120, 120]
    schedule.next_step(now)
    schedule.saw_page(page(*names(10)), now)
    schedule.next_step(now + 60)
    schedule.page_failed(UNREACHABLE, now + 60)
    assert resting_until(schedule.next_step(now + 60)) == pytest.approx(now + 62)


def test_retry_after_of_any_error_holds_all_calls_also_for_batches_that_come_later() -> None:
    schedule = schedule_of("a")
    schedule.next_step(START + 1)
    schedule.saw_each({}, {"a": RateLimitedError("slow", status=429, retry_after_seconds=90)}, START + 1)
    schedule.add("b", 60, START + 2)
    assert resting_until(schedule.next_step(START + 3)) == START + 91
    assert isinstance(schedule.next_step(START + 91), LookAtEach)


def test_retry_after_of_a_page_holds_the_connection_and_of_a_batch_that_batch() -> None:
    schedule = schedule_of(*names(10))
    schedule.next_step(START + 1)
    schedule.saw_page(page(*names(10), retry_after=30), START + 1)
    assert resting_until(schedule.next_step(START + 2)) == START + 31
    schedule = schedule_of("a", "b")
    schedule.next_step(START + 1)
    schedule.saw_each({"a": one("a", retry_after=10), "b": one("b")}, {}, START + 1)
    assert schedule.next_step(START + 10.5) == LookAtEach(("b",))
    schedule.saw_each({"b": one("b")}, {}, START + 10.5)
    assert schedule.next_step(START + 11) == LookAtEach(("a",))


def test_no_header_parks_a_connection_for_days() -> None:
    schedule = schedule_of("a")
    schedule.next_step(START + 1)
    schedule.saw_each({}, {"a": RateLimitedError("slow", status=429, retry_after_seconds=864_000)}, START + 1)
    assert resting_until(schedule.next_step(START + 1)) == START + 1 + LONGEST_RETRY_AFTER_SECONDS


def test_one_batch_that_always_fails_does_not_slow_the_others_for_long() -> None:
    schedule = schedule_of("good", "poison", poll_interval=5)
    now, looks = START + 1, 0
    while now < START + 600:
        step = schedule.next_step(now)
        if isinstance(step, Rest):
            now = step.until
            continue
        assert isinstance(step, LookAtEach)
        looks += "good" in step.batch_ids
        failures = {name: ApiStatusError("oops", status=500) for name in step.batch_ids if name == "poison"}
        schedule.saw_each({name: one(name) for name in step.batch_ids if name == "good"}, dict(failures), now)
    assert looks > 600 / 5 * 0.9


def test_a_list_that_a_proxy_spoils_is_replaced_by_retrieving_each() -> None:
    schedule = schedule_of(*names(10))
    schedule.next_step(START + 1)
    schedule.page_failed(UnexpectedAnswerError("a page of HTML"), START + 1)
    assert isinstance(schedule.next_step(START + 10), LookAtEach)


@pytest.mark.parametrize("error", [NOT_FOUND, REFUSED])
def test_a_denial_becomes_final_only_after_minutes_and_several_looks(error: Exception) -> None:
    schedule = schedule_of("a")
    now, looks = START + 1, 0
    while not is_denied(schedule):
        step = schedule.next_step(now)
        if isinstance(step, Rest):
            now = step.until
        else:
            looks += 1
            schedule.saw_each({}, {"a": error}, now)
    assert looks >= PATIENCE_LOOKS
    assert PATIENCE_SECONDS <= now - START <= PATIENCE_SECONDS + 130


def test_time_alone_does_not_make_a_denial_final() -> None:
    schedule = schedule_of("a")
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 1)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 10_000)
    assert not is_denied(schedule)


def test_an_outage_between_denials_neither_counts_nor_starts_the_patience_anew() -> None:
    schedule = schedule_of("a")
    for number in range(PATIENCE_LOOKS - 1):
        schedule.saw_each({}, {"a": NOT_FOUND}, START + number)
    for number in range(100):
        schedule.saw_each({}, {"a": UNREACHABLE}, START + 10 + 60 * number)
    assert not is_denied(schedule)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 7000)
    assert is_denied(schedule)


def test_a_look_that_succeeds_ends_all_patience() -> None:
    schedule = schedule_of("a")
    for number in range(PATIENCE_LOOKS - 1):
        schedule.saw_each({}, {"a": NOT_FOUND}, START + 200 * number)
    schedule.saw_each({"a": one("a")}, {}, START + 900)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 1000)
    assert not is_denied(schedule)


def test_whoever_comes_after_a_final_denial_gets_patience_of_its_own() -> None:
    schedule = schedule_of("a")
    for number in range(PATIENCE_LOOKS):
        schedule.saw_each({}, {"a": NOT_FOUND}, START + 200 * number)
    assert is_denied(schedule)
    schedule.add("a", 60, START + 900)
    assert not is_denied(schedule)
    assert resting_until(schedule.next_step(START + 900)) < START + 901


def test_a_clock_that_is_set_back_delays_no_look() -> None:
    schedule = schedule_of(*names(2))
    schedule.next_step(START + 1)
    schedule.saw_each({name: one(name) for name in names(2)}, {}, START + 1)
    assert isinstance(schedule.next_step(START - 3600), LookAtEach)


def test_batches_that_nobody_wants_any_more_end_a_walk() -> None:
    schedule = schedule_of(*names(10))
    schedule.next_step(START + 1)
    schedule.saw_page(page("other", next_page="x"), START + 1)
    for name in names(10):
        schedule.remove(name, 60.0)
    assert schedule.next_step(START + 1) == Rest(math.inf)
