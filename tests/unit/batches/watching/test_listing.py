"""Thousands of batches stay together in the list, and an unavailable list costs no more than necessary."""

from __future__ import annotations

import itertools

import pytest

from anthropic_batches_provider.batches.pauses import LIST_FAILED
from anthropic_batches_provider.batches.watching.listing import (
    ListAccess,
    list_pause_seconds,
)
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from tests.unit.batches.watching.schedules import names
from tests.unit.batches.watching.virtual_api import watch

HTML = UnexpectedAnswerError("a page of HTML")
BAD_GATEWAY = ApiStatusError("bad gateway", status=502)
FORBIDDEN = AuthenticationFailedError("the list is forbidden", status=403)
UNREACHABLE = ApiConnectionError("no route", connected=False)
BUSY = RateLimitedError("busy", status=429)


@pytest.mark.parametrize("pages", [1, 5, 10])
def test_pages_are_due_together_so_that_each_interval_takes_one_walk(pages: int) -> None:
    watched = watch(names(pages * 1000), poll_interval=10, seconds=300)
    assert len(watched.pages) <= 1.2 * pages * 300 / 10
    assert watched.longest_gap(until=300) <= 10 + 1.2
    assert watched.retrieved == []


@pytest.mark.parametrize("error", [BAD_GATEWAY, FORBIDDEN, UNREACHABLE, HTML, ApiStatusError("gone", status=400)])
def test_where_the_list_alone_fails_each_batch_is_retrieved_and_none_is_given_up(error: Exception) -> None:
    watched = watch(names(20), poll_interval=60, seconds=3600, page_fault=lambda _: error)
    assert all(moments[0] < 60 for moments in watched.seen.values())
    assert watched.longest_gap(until=3600) < 90
    assert not any(batch.is_denied or batch.failures > 1 for batch in watched.schedule.batches.values())
    assert 4 < len(watched.pages) < 20, "the list is tried again, but less and less often"


def test_a_list_that_can_be_had_again_is_used_again_within_ten_minutes() -> None:
    watched = watch(names(20), poll_interval=20, seconds=7200, page_fault=lambda at: BAD_GATEWAY if at < 3600 else None)
    assert max(watched.retrieved) < 3600 + LIST_FAILED.longest_seconds + 30


def test_batches_that_have_drifted_apart_are_found_together_again() -> None:
    watched = watch(names(40), poll_interval=10, seconds=3600, page_fault=lambda at: BAD_GATEWAY if at < 1800 else None)
    assert max(watched.retrieved) < 1800 + LIST_FAILED.longest_seconds + 30
    assert len([at for at in watched.pages if at > 3000]) <= 600 / 7


@pytest.mark.parametrize("error", [HTML, ApiStatusError("gone", status=400), BAD_GATEWAY])
def test_one_glitch_of_the_list_throws_a_thousand_waits_out_of_pace_for_seconds_only(error: Exception) -> None:
    watched = watch(names(1000), poll_interval=10, seconds=300, page_fault=lambda at: error if 20 < at < 30 else None)
    assert watched.longest_gap(until=300) < 30
    assert len(watched.retrieved) < 100


def test_an_outage_of_everything_is_not_taken_for_one_of_the_list() -> None:
    def cut(at: float) -> Exception | None:
        return UNREACHABLE if at < 3600 else None

    watched = watch(names(20), poll_interval=60, seconds=7200, page_fault=cut, each_fault=cut)
    assert len([at for at in watched.retrieved if at < 3600]) <= 12, "a few batches, less and less often"
    assert len([at for at in watched.pages if at < 3600]) < 50
    assert [at for at in watched.retrieved if at > 3600 + 150] == []


def test_bans_begin_at_seconds_and_double_up_to_ten_minutes() -> None:
    assert [list_pause_seconds(times) for times in range(1, 9)] == [15, 30, 60, 120, 240, 480, 600, 600]


def test_a_throttled_list_is_not_a_failing_one() -> None:
    access = ListAccess()
    for _ in range(10):
        access.failed("rate_limited", 0.0)
        access.failed("connection", 0.0)
    assert not access.wants_probe
    assert not access.is_closed(0.0)


def test_a_ban_ends_with_a_clock_that_is_set_back() -> None:
    access = ListAccess()
    access.failed("answer", 1000.0)
    access.open_by(500.0)
    assert not access.is_closed(500.0)


def test_probes_that_fail_are_repeated_after_twice_as_many_failures() -> None:
    access = ListAccess()
    probes = []
    for number, _ in enumerate(itertools.repeat(None, 30), 1):
        access.failed("server", 0.0)
        if access.wants_probe:
            probes.append(number)
            access.retrieved(0.0, succeeded=False)
    assert probes == [3, 6, 12, 24]
