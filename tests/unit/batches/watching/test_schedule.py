"""Which calls a connection makes next, and when."""

from __future__ import annotations

import itertools
import math

import pytest

from anthropic_batches_provider.batches.pauses import LONGEST_RETRY_AFTER_SECONDS
from anthropic_batches_provider.batches.watching.listing import MAX_PAGES, RETRIEVE_UP_TO
from anthropic_batches_provider.batches.watching.pace import CALLS_PER_MINUTE
from anthropic_batches_provider.batches.watching.schedule import (
    AT_ONCE,
    LookAtEach,
    LookAtPage,
    Rest,
)
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchNotFoundError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from tests.unit.batches.watching.schedules import names, resting_until, schedule_of
from tests.worlds.sightings import START, one, page

NOT_FOUND = BatchNotFoundError("no such batch", status=404)
REFUSED = AuthenticationFailedError("bad key", status=401)
UNREACHABLE = ApiConnectionError("no route", connected=False)


def test_nothing_to_watch_means_rest_until_something_is_added() -> None:
    assert schedule_of().next_step(START) == Rest(math.inf)


def test_those_who_come_together_are_looked_at_together_after_a_moment() -> None:
    schedule = schedule_of("a", "b")
    moment = resting_until(schedule.next_step(START))
    assert START < moment < START + 0.5
    assert schedule.next_step(moment) == LookAtEach(("a", "b"))


def test_few_are_retrieved_and_more_are_listed() -> None:
    assert isinstance(schedule_of(*names(RETRIEVE_UP_TO)).next_step(START + 1), LookAtEach)
    assert schedule_of(*names(RETRIEVE_UP_TO + 1)).next_step(START + 1) == LookAtPage(None)


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


def test_batches_that_were_retrieved_one_by_one_and_are_nearly_due_are_looked_for_together() -> None:
    old = START - 86_400
    schedule = schedule_of(*names(10), poll_interval=20)
    for number, name in enumerate(names(10)):
        schedule.saw_each({name: one(name, created=old)}, {}, START + number)
    assert resting_until(schedule.next_step(START + 10)) == START + 20
    assert schedule.next_step(START + 20) == LookAtPage(None)


def test_pages_are_walked_until_all_are_found_but_a_few_that_are_then_retrieved() -> None:
    schedule = schedule_of(*names(10))
    assert schedule.next_step(START + 1) == LookAtPage(None)
    schedule.saw_page(page(*names(4), next_page="x"), START + 1)
    assert schedule.next_step(START + 1) == LookAtPage("x")
    schedule.saw_page(page(*names(8)[4:], next_page="y"), START + 1)
    assert schedule.next_step(START + 1) == LookAtEach(("msgbatch_00008", "msgbatch_00009"))


def test_what_the_list_does_not_hold_is_retrieved_without_another_walk() -> None:
    schedule = schedule_of(*names(10))
    schedule.next_step(START + 100)
    schedule.saw_page(page("somebody's"), START + 100)
    step = schedule.next_step(START + 100)
    assert isinstance(step, LookAtEach)
    assert len(step.batch_ids) == AT_ONCE


def test_many_young_batches_that_the_list_does_not_hold_yet_are_looked_for_there_once_more() -> None:
    schedule = schedule_of(*names(1000))
    schedule.next_step(START + 1)
    schedule.saw_page(page(), START + 1)
    assert resting_until(schedule.next_step(START + 1)) == START + 3
    assert schedule.next_step(START + 3) == LookAtPage(None)
    assert len(schedule.saw_page(page(*names(1000)), START + 3)) == 1000


def test_what_was_missed_in_the_list_is_looked_for_there_again_soon_and_then_less_often() -> None:
    schedule = schedule_of(*names(10), poll_interval=5)
    now, pages = START + 100, []
    while now < START + 2000:
        step = schedule.next_step(now)
        if isinstance(step, Rest):
            now = step.until
        elif isinstance(step, LookAtPage):
            pages.append(now - START)
            schedule.saw_page(page("somebody's"), now)
        else:
            schedule.saw_each({name: one(name) for name in step.batch_ids}, {}, now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(pages)]
    assert pauses == pytest.approx([15, 30, 60, 120, 240, 480, 600], abs=6)


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
        step = schedule.next_step(now)
        if isinstance(step, LookAtPage):
            schedule.page_failed(UNREACHABLE, now)
        else:
            assert isinstance(step, LookAtEach)
            schedule.saw_each({}, dict.fromkeys(step.batch_ids, UNREACHABLE), now)
        pauses.append(resting_until(schedule.next_step(now)) - now)
        now += pauses[-1]
    assert pauses == [2, 4, 8, 16, 32, 64, 120, 120, 120]
    assert schedule.next_step(now) == LookAtPage(None)
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
    schedule = schedule_of("a")
    schedule.next_step(START + 1)
    schedule.saw_each({"a": one("a", retry_after=30 * 86_400)}, {}, START + 1)
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


def test_an_older_view_of_a_batch_does_not_undo_its_end() -> None:
    schedule = schedule_of("a", "b")
    schedule.next_step(START + 1)
    schedule.saw_each({"a": one("a", ended=True), "b": one("b")}, {}, START + 1)
    assert schedule.saw_page(page("a"), START + 20) == []
    assert schedule.batches["a"].has_ended
    assert schedule.batches["a"].due_at == math.inf


def test_a_deadline_is_a_moment_to_look_also_where_the_next_look_were_later() -> None:
    old = START - 86_400
    schedule = schedule_of("a")
    schedule.next_step(START + 1)
    schedule.saw_each({"a": one("a", created=old)}, {}, START + 1)
    schedule.add("a", 60, START + 2, deadline=START + 40)
    assert resting_until(schedule.next_step(START + 2)) == START + 40
    schedule.next_step(START + 40)
    schedule.saw_each({"a": one("a", created=old)}, {}, START + 40)
    assert resting_until(schedule.next_step(START + 40)) == START + 100
    schedule.add("a", 60, START + 41, deadline=START + 130)
    schedule.next_step(START + 100)
    schedule.saw_each({}, {"a": NOT_FOUND}, START + 129)
    assert resting_until(schedule.next_step(START + 129)) == START + 130
    schedule.remove("a", 60, deadline=START + 130)
    assert not schedule.batches["a"].deadlines[START + 130]


def test_a_clock_that_is_set_back_delays_no_look() -> None:
    schedule = schedule_of(*names(2))
    schedule.next_step(START + 1)
    schedule.saw_each({name: one(name) for name in names(2)}, {}, START + 1)
    assert isinstance(schedule.next_step(START - 3600), LookAtEach)
    many = schedule_of(*names(10))
    many.next_step(START + 1)
    many.saw_page(page(*names(10)), START + 1)
    assert many.next_step(START - 3600) == LookAtPage(None)


def test_batches_that_nobody_wants_any_more_end_a_walk() -> None:
    schedule = schedule_of(*names(10))
    schedule.next_step(START + 1)
    schedule.saw_page(page("other", next_page="x"), START + 1)
    for name in names(10):
        schedule.remove(name, 60.0)
    assert schedule.next_step(START + 1) == Rest(math.inf)
