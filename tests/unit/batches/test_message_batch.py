from __future__ import annotations

from typing import Any

import pendulum
import pytest

from anthropic_batches_provider.batches.message_batch import MessageBatch, RequestCounts
from anthropic_batches_provider.errors import UnexpectedAnswerError

BODY: dict[str, Any] = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 5, "errored": 1, "canceled": 0, "expired": 0},
    "created_at": "2026-11-21T06:00:00.123456Z",
    "expires_at": "2026-11-22T06:00:00+00:00",
    "ended_at": "2026-11-21T08:00:00+02:00",
}
COUNTS = BODY["request_counts"]


def batch(**changes: Any) -> MessageBatch:
    return MessageBatch.from_api({**BODY, **changes})


def test_a_batch_is_read_with_its_times_in_utc() -> None:
    found = batch()
    assert (found.id, found.has_ended, found.request_counts.total) == ("msgbatch_1", True, 6)
    assert found.created_at == pendulum.datetime(2026, 11, 21, 6, 0, 0, microsecond=123456)
    assert found.ended_at == pendulum.datetime(2026, 11, 21, 6)
    assert found.archived_at is None


@pytest.mark.parametrize("status", ["queued", "", None, 5])
def test_a_status_that_is_not_known_is_no_end(status: object) -> None:
    assert not batch(processing_status=status).has_ended


@pytest.mark.parametrize(
    "counts",
    [
        None,
        {},
        [],
        "6",
        {name: COUNTS[name] for name in COUNTS if name != "expired"},
        {**COUNTS, "succeeded": None},
        {**COUNTS, "succeeded": "5"},
        {**COUNTS, "succeeded": True},
        {**COUNTS, "succeeded": 5.0},
        {**COUNTS, "succeeded": -5},
        {**COUNTS, "succeeded": 10**15},
    ],
)
def test_counts_of_another_form_are_not_known_and_prove_no_end(counts: object) -> None:
    found = batch(request_counts=counts)
    assert not found.request_counts.are_known
    assert str(found.request_counts) == "counts not known"
    assert not found.ended_with(0)
    assert not found.ended_with(6)


def test_a_count_that_the_api_adds_one_day_is_passed_over() -> None:
    assert batch(request_counts={**COUNTS, "filtered": 3}).ended_with(6)


@pytest.mark.parametrize(
    ("changes", "requests", "agrees"),
    [
        ({}, 6, True),
        ({}, 7, False),
        ({"processing_status": "in_progress"}, 6, False),
        ({"request_counts": {**COUNTS, "processing": 1, "succeeded": 4}}, 6, False),
    ],
)
def test_an_end_needs_facts_that_agree(changes: dict[str, Any], requests: int, agrees: bool) -> None:
    assert batch(**changes).ended_with(requests) is agrees


@pytest.mark.parametrize("time", [None, "", "yesterday", 5, "P1D", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", []])
@pytest.mark.parametrize("name", ["created_at", "expires_at", "ended_at"])
def test_a_time_that_is_none_or_impossible_is_not_known(name: str, time: object) -> None:
    found = batch(**{name: time})
    assert getattr(found, name) is None
    assert found.ended_with(6)


@pytest.mark.parametrize("id_", [None, "", 5, "../claims/x", "a/b", "a b", "a\n", "x" * 129, "é", ".a", "None"])
def test_an_id_that_could_lead_elsewhere_is_none(id_: object) -> None:
    with pytest.raises(UnexpectedAnswerError, match="its id is not an id"):
        batch(id=id_)


@pytest.mark.parametrize("entry", [{}, {"id": None}, {"id": "null"}, {"id": "../x"}])
def test_an_entry_of_a_list_without_an_id_has_none_that_can_be_asked_about(entry: dict[str, Any]) -> None:
    found = MessageBatch.from_list({**BODY, "id": None, **entry})
    assert found is not None
    assert not found.has_well_formed_id


@pytest.mark.parametrize("body", [None, [], "msgbatch_1", {}, {"id": "msgbatch_1"}, {**BODY, "type": "message"}])
def test_what_is_no_batch_is_refused(body: object) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not a message batch"):
        MessageBatch.from_api(body)


def test_counts_add_up_and_a_sum_with_unknown_ones_is_not_known() -> None:
    known = RequestCounts(succeeded=2, errored=1)
    assert known + known == RequestCounts(succeeded=4, errored=2)
    assert not (known + batch(request_counts=None).request_counts).are_known
