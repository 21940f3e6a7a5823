"""What the answers to a pilot say of the rest: a table of cases."""

from __future__ import annotations

from collections.abc import Iterator, Set

import msgspec
import pytest

from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.results import Result
from anthropic_batches_provider.batches.submission.pilot_verdicts import judged_pilot, reason_to_stop

VERDICTS = ("fits", "truncated", "refusal", "invalid_output", "unfinished")
RESULTS = ("canceled", "expired", "missing", "unreadable")


def answered(name: str, number: int = 0) -> AnsweredRow:
    """Return a row whose answer has a verdict, or that has another result, or that errored so."""
    usage = msgspec.Raw(b'{"input_tokens":%d,"output_tokens":%d}' % (100 + number, 10 + number))
    if name in VERDICTS:
        return AnsweredRow(NO_COLUMNS, "b", Result("id", "succeeded", usage=usage), name)
    if name in RESULTS:
        return AnsweredRow(NO_COLUMNS, "b", Result("id", name))
    result = Result("id", "errored", error_type=name, error_message=f"words of {name}")
    return AnsweredRow(NO_COLUMNS, "b", result, reason=result.error_message)


def rows(**counts: int) -> Iterator[AnsweredRow]:
    for name, count in counts.items():
        yield from (answered(name, number) for number in range(count))


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("passed", {"fits": 1}),
        ("passed", {"fits": 9, "invalid_request_error": 8}),
        ("passed", {"fits": 1, "truncated": 15}),
        ("passed", {"fits": 1, "billing_error": 15}),
        ("passed", {"truncated": 4}),
        ("passed", {"truncated": 3, "unreadable": 1, "expired": 12}),
        ("passed", {"invalid_request_error": 1, "overloaded_error": 15}),
        ("passed", {"invalid_request_error": 7, "overloaded_error": 9}),
        ("refused", {"invalid_request_error": 1}),
        ("refused", {"not_found_error": 16}),
        ("refused", {"request_too_large": 8, "fits": 8}),
        ("refused", {"invalid_request_error": 4, "not_found_error": 4, "api_error": 8}),
        ("refused", {"invalid_request_error": 5, "unreadable": 5}),
        ("unusable", {"truncated": 5}),
        ("unusable", {"refusal": 8, "invalid_output": 8}),
        ("unusable", {"unfinished": 4, "unreadable": 1, "overloaded_error": 11}),
        ("unusable", {"missing": 5}),
        ("unusable", {"truncated": 9, "invalid_request_error": 7}),
        ("nothing", {"overloaded_error": 16}),
        ("nothing", {"canceled": 8, "expired": 8}),
        ("nothing", {"an_error_of_next_year": 3}),
        ("stopped", {"billing_error": 16}),
        ("stopped", {"permission_error": 1, "overloaded_error": 15}),
        ("stopped", {"authentication_error": 1, "expired": 1}),
    ],
)
def test_outcomes(outcome: str, counts: dict[str, int]) -> None:
    record = judged_pilot(rows(**counts))
    assert record.outcome == outcome
    assert record.rows == sum(counts.values())
    assert record.succeeded == sum(counts.get(name, 0) for name in VERDICTS)
    assert record.perhaps_billed == record.succeeded + counts.get("missing", 0) + counts.get("unreadable", 0)
    assert judged_pilot(reversed(list(rows(**counts)))).outcome == outcome


def test_it_measures_tokens_and_time() -> None:
    record = judged_pilot(rows(fits=3, overloaded_error=1), seconds=61.5)
    assert (record.input_tokens, record.output_tokens, record.seconds) == ((100, 101, 102), (10, 11, 12), 61.5)
    assert (record.errors, record.verdicts) == ({"overloaded_error": 1}, {"fits": 3})


def test_all_that_the_cache_did_is_input() -> None:
    usage = (
        b'{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":1000,"cache_creation_input_tokens":300,'
        b'"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200}}'
    )
    record = judged_pilot([AnsweredRow(NO_COLUMNS, "b", Result("id", "succeeded", usage=msgspec.Raw(usage)), "fits")])
    assert (record.input_tokens, record.cache_creation_tokens, record.cache_read_tokens) == ((1305,), 300, 1000)


def test_the_example_is_of_a_row_that_says_something() -> None:
    found = judged_pilot(rows(overloaded_error=2, invalid_request_error=2)).example
    assert found == "invalid_request_error: words of invalid_request_error"
    assert judged_pilot(rows(overloaded_error=2)).example == "overloaded_error: words of overloaded_error"
    assert judged_pilot(rows(fits=2)).example == ""


def test_the_example_is_short() -> None:
    long = AnsweredRow(NO_COLUMNS, "b", Result("id", "errored", error_type="invalid_request_error"), reason="x" * 9_999)
    assert len(judged_pilot([long]).example) == 300


@pytest.mark.parametrize(
    ("counts", "repaired", "reason"),
    [
        ({"fits": 5}, frozenset(), None),
        ({"overloaded_error": 5}, frozenset(), None),
        ({"billing_error": 5}, frozenset(), None),
        ({"invalid_request_error": 2, "fits": 1}, {"truncated"}, "the API refused 2 of 3 requests as they are"),
        ({"truncated": 5}, frozenset(), "none of 5 answers can be used (5 truncated)"),
        ({"truncated": 5}, {"refusal"}, "none of 5 answers can be used (5 truncated)"),
        ({"truncated": 5}, {"truncated"}, None),
        ({"truncated": 1, "refusal": 4}, {"truncated"}, None),
        ({"unreadable": 4, "refusal": 1}, set(), "none of 5 answers can be used (1 refusal, 4 unreadable)"),
    ],
)
def test_reasons_to_stop(counts: dict[str, int], repaired: Set[str], reason: str | None) -> None:
    assert reason_to_stop(judged_pilot(rows(**counts)), repaired=repaired) == reason
