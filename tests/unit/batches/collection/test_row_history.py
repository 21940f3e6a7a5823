"""Which result of a row counts, and what a further round is told of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.collection.row_history import CORRECTION, RowHistory
from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.results import Result, decode_result, missing_result

JUDGE = judge_for(OutputSchema({"type": "object", "required": ["a"]}), structured=True)


def answer(text: str | None, stop_reason: str = "end_turn") -> Result:
    content = [] if text is None else [{"type": "text", "text": text}]
    message = {"content": content, "model": "m", "stop_reason": stop_reason, "usage": {"output_tokens": 1}}
    return decode_result(
        json.dumps({"custom_id": "n-0-7", "result": {"type": "succeeded", "message": message}}).encode()
    )


FITS = answer('{"a":1}')
INVALID = answer('{"b":1}')
CUT = answer('{"a":', "max_tokens")
REFUSED = answer(None, "refusal")
PAUSED = answer('{"a"', "pause_turn")
REST = answer(":1}")
OVERLOADED = Result("n-0-7", "errored", error_type="overloaded_error")
MISSING = missing_result("n-0-7")
UNREADABLE = Result("n-0-7", "unreadable")
ALL = [FITS, INVALID, CUT, REFUSED, PAUSED, OVERLOADED, MISSING, UNREADABLE]


def history(*results: Result) -> RowHistory:
    first, *further = results
    found = RowHistory(JUDGE, JUDGE(b'{"key":7}', "batch_1", first))
    for number, result in enumerate(further, 2):
        found.add(number, f"batch_{number}", result)
    return found


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        ([FITS], 0),
        ([CUT, FITS], 1),
        ([FITS, CUT], 0),
        ([FITS, FITS], 1),
        ([CUT, INVALID], 1),
        ([CUT, OVERLOADED], 0),
        ([OVERLOADED, CUT], 1),
        ([OVERLOADED, MISSING], 1),
        ([MISSING, OVERLOADED], 1),
        ([CUT, UNREADABLE, OVERLOADED], 0),
    ],
)
def test_an_answer_that_fits_counts_then_the_latest_answer_then_the_latest_result(
    results: Sequence[Result], counts: int
) -> None:
    row = history(*results).answered_row()
    assert row.batch_id == f"batch_{counts + 1}"
    others = [f"batch_{number + 1}" for number in range(len(results)) if number != counts]
    assert [other.batch_id for other in row.earlier_rounds or ()] == others
    assert (row.earlier_rounds is None) == (len(results) == 1)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=5))
def test_every_result_is_told_once_and_costs_are_none_of_them_lost(results: list[Result]) -> None:
    found = history(*results)
    row = found.answered_row()
    told = sorted(
        [(row.batch_id, row.result.result_type), *((o.batch_id, o.result_type) for o in row.earlier_rounds or ())]
    )
    assert told == [(f"batch_{number}", result.result_type) for number, result in enumerate(results, 1)]
    assert found.has_failed == (row.verdict != "fits")
    if FITS in results:
        assert row.verdict == "fits"
    reason = found.reason(7)
    if results[-1] in (MISSING, UNREADABLE):
        assert (reason.verdicts, reason.result_type) == ((), results[-1].result_type)
    else:
        assert reason.round == len(results)
        assert len(reason.verdicts) == sum(result.result_type == "succeeded" for result in results)


def turns(*results: Result) -> list[Any]:
    return [json.loads(bytes(turn)) for turn in history(*results).reason(7).turns]


def test_an_invalid_answer_is_shown_with_its_reason_and_no_value_of_it() -> None:
    assistant, user = turns(INVALID)
    assert assistant == {"role": "assistant", "content": '{"b":1}'}
    reason = history(INVALID).answered_row().reason
    assert user == {"role": "user", "content": CORRECTION.format(reason=reason)}
    assert reason is not None


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_an_answer_without_text_is_not_shown_because_the_api_refuses_empty_text(text: str | None) -> None:
    (user,) = turns(answer(text))
    assert user["role"] == "user"


@pytest.mark.parametrize("results", [[CUT], [REFUSED], [OVERLOADED], [INVALID, CUT], [PAUSED, CUT]])
def test_other_requests_begin_anew(results: list[Result]) -> None:
    assert turns(*results) == []


def test_a_paused_answer_goes_on_and_its_text_is_whole() -> None:
    row = history(PAUSED, REST).answered_row()
    assert (row.verdict, row.result.text, bytes(row.parsed or b"")) == ("fits", '{"a":1}', b'{"a":1}')
    paused_again = answer(":", "pause_turn")
    assert turns(PAUSED, paused_again) == [
        {"role": "assistant", "content": [{"type": "text", "text": '{"a"'}, {"type": "text", "text": ":"}]}
    ]
    assert history(PAUSED, paused_again, answer("1}")).answered_row().verdict == "fits"
    assert turns(PAUSED, OVERLOADED) == turns(PAUSED)


def test_a_paused_answer_to_a_correction_goes_on_behind_it() -> None:
    assert turns(INVALID, PAUSED) == [
        *turns(INVALID),
        {"role": "assistant", "content": [{"type": "text", "text": '{"a"'}]},
    ]


@pytest.mark.parametrize(
    ("results", "had_turns"),
    [
        ([CUT], True),
        ([INVALID], False),
        ([INVALID, INVALID], True),
        ([INVALID, answer('{"c":1}')], False),
        ([INVALID, answer("fine")], False),
        ([PAUSED], False),
        ([PAUSED, OVERLOADED], True),
        ([PAUSED, PAUSED], False),
    ],
)
def test_turns_that_were_sent_are_told_from_new_ones(results: list[Result], had_turns: bool) -> None:
    assert history(*results).reason(7).had_turns is had_turns
